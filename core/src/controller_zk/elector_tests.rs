//! Brokers that stand for election over one tree, whose answers come late, never, or after their session.

use super::*;
use crate::zookeeper::{SessionId, Znode};
use std::collections::{BTreeMap, VecDeque};

/// A tree of two znodes, as ZooKeeper would treat the operations of an elector.
#[derive(Default)]
struct Store {
    nodes: BTreeMap<String, Znode>,
}

impl Store {
    fn do_it(&mut self, session: SessionId, operation: &Operation) -> Result<Answer, Refusal> {
        let refused = |error, index| Refusal { error, index };
        let missing = refused(ZooKeeperError::NoNode, 0);
        match operation {
            Operation::GetData { path, .. } => {
                let node = self.nodes.get(path).ok_or(missing)?;
                Ok(Answer::Data(node.data.clone(), node.stat()))
            }
            Operation::Exists { .. } => Ok(Answer::Exists(None)),
            Operation::Change(change) => self.all(session, std::slice::from_ref(change)),
            Operation::Multi(changes) => self.all(session, changes),
            Operation::GetChildren { .. } => Err(missing),
        }
    }

    fn all(&mut self, session: SessionId, changes: &[Change]) -> Result<Answer, Refusal> {
        let before = self.nodes.clone();
        for (index, change) in changes.iter().enumerate() {
            if let Err(error) = self.one(session, change) {
                self.nodes = before;
                return Err(Refusal { error, index });
            }
        }
        Ok(Answer::Done)
    }

    fn one(&mut self, session: SessionId, change: &Change) -> Result<(), ZooKeeperError> {
        match change {
            Change::Create {
                path,
                data,
                ephemeral,
                ..
            } => {
                if self.nodes.contains_key(path) {
                    return Err(ZooKeeperError::NodeExists);
                }
                let node = Znode {
                    data: data.clone(),
                    ephemeral_owner: ephemeral.then_some(session),
                    ..Znode::default()
                };
                self.nodes.insert(path.clone(), node);
            }
            Change::Delete { path, .. } => {
                self.nodes.remove(path).ok_or(ZooKeeperError::NoNode)?;
            }
            Change::SetData {
                path,
                data,
                version,
            } => {
                let node = self.nodes.get_mut(path).ok_or(ZooKeeperError::NoNode)?;
                if version.is_some_and(|version| version != node.version) {
                    return Err(ZooKeeperError::BadVersion);
                }
                node.version += 1;
                node.data = data.clone();
            }
            Change::Check { path, version } => {
                let node = self.nodes.get(path).ok_or(ZooKeeperError::NoNode)?;
                if node.version != *version {
                    return Err(ZooKeeperError::BadVersion);
                }
            }
        }
        Ok(())
    }

    /// Ends a session.
    fn end(&mut self, session: SessionId) {
        self.nodes
            .retain(|_, node| node.ephemeral_owner != Some(session));
    }
}

/// A broker with its session and the steps that it has not taken.
struct Broker {
    elector: Elector,
    session: SessionId,
    todo: VecDeque<Step>,
    elected: Vec<i32>,
}

struct Cluster {
    store: Store,
    brokers: Vec<Broker>,
}

impl Cluster {
    fn new(count: i32, fenced: bool) -> Self {
        let broker = |id: i32| {
            let mut elector = Elector::new(BrokerId(id), fenced);
            Broker {
                todo: elector.stand().into(),
                elector,
                session: SessionId(i64::from(id)),
                elected: Vec::new(),
            }
        };
        Self {
            store: Store::default(),
            brokers: (0..count).map(broker).collect(),
        }
    }

    /// Takes a broker's next step. `lost` = it is done, and its answer lost.
    fn step(&mut self, index: usize, lost: bool) -> bool {
        let broker = &mut self.brokers[index];
        let Some(step) = broker.todo.pop_front() else {
            return false;
        };
        match step {
            Step::Submit(operation, ask) => {
                let mut result = self.store.do_it(broker.session, &operation);
                if lost {
                    result = Err(Refusal {
                        error: ZooKeeperError::ConnectionLoss,
                        index: 0,
                    });
                }
                broker.todo.extend(broker.elector.answered(ask, &result, 0));
            }
            Step::Elected { epoch } => broker.elected.push(epoch),
            Step::Resigned => {}
        }
        true
    }

    fn finish(&mut self) {
        while (0..self.brokers.len()).any(|index| self.step(index, false)) {}
    }

    /// The broker's session ends without its knowing; the others are told that `/controller` is gone.
    fn end_session(&mut self, index: usize) {
        self.store.end(self.brokers[index].session);
        for other in (0..self.brokers.len()).filter(|other| *other != index) {
            let broker = &mut self.brokers[other];
            broker
                .todo
                .extend(broker.elector.happened(Happened::Deleted));
        }
    }
}

fn some_change() -> Change {
    Change::SetData {
        path: "/x".to_owned(),
        data: Bytes::new(),
        version: None,
    }
}

#[test]
fn one_broker_is_elected_and_the_next_one_after_it() {
    for fenced in [true, false] {
        let mut cluster = Cluster::new(3, fenced);
        cluster.finish();
        assert_eq!(cluster.brokers[0].elected, [1]);
        assert!(
            cluster
                .brokers
                .iter()
                .all(|b| b.elector.active() == Some(BrokerId(0)))
        );
        cluster.end_session(0);
        cluster.finish();
        assert_eq!(cluster.brokers[1].elected, [2]);
        assert_eq!(
            cluster.brokers[0].elector.epoch(),
            Some(1),
            "it does not know"
        );
        cluster.brokers[0].elector.expired();
        assert_eq!(cluster.brokers[0].elector.epoch(), None);
    }
}

#[test]
fn no_two_brokers_are_elected_in_one_epoch_whatever_the_order_and_the_losses() {
    for fenced in [true, false] {
        for seed in 0..2_000 {
            let mut random = crate::Random::stream(seed, "elector");
            let mut cluster = Cluster::new(3, fenced);
            for _ in 0..60 {
                let index = usize::try_from(random.below(3)).unwrap();
                if random.chance(1, 25) {
                    cluster.end_session(index);
                    let broker = &mut cluster.brokers[index];
                    broker.session.0 += 10;
                    broker.todo.clear();
                    broker.elector.expired();
                    broker.todo.extend(broker.elector.stand());
                } else {
                    cluster.step(index, random.chance(1, 5));
                }
            }
            let elected = cluster.brokers.iter().flat_map(|broker| &broker.elected);
            let mut epochs: Vec<i32> = elected.copied().collect();
            epochs.sort_unstable();
            let count = epochs.len();
            epochs.dedup();
            assert_eq!(
                epochs.len(),
                count,
                "fenced {fenced}, seed {seed}: {epochs:?}"
            );
        }
    }
}

#[test]
fn a_claim_whose_answer_was_lost_is_found_to_be_done() {
    let mut cluster = Cluster::new(1, true);
    for lost in [false, false, false, false, false, true] {
        cluster.step(0, lost);
    }
    let epoch = cluster.store.nodes[CONTROLLER_EPOCH].data.clone();
    assert_eq!(epoch, "1", "the claim is done");
    assert!(cluster.brokers[0].elected.is_empty(), "its answer is lost");
    cluster.finish();
    assert_eq!(cluster.brokers[0].elected, [1]);
    assert_eq!(cluster.brokers[0].elector.epoch(), Some(1));
}

#[test]
fn a_zombie_is_refused_since_its_writes_check_the_epoch_and_not_before() {
    for fenced in [true, false] {
        let mut cluster = Cluster::new(2, fenced);
        cluster
            .store
            .nodes
            .insert("/x".to_owned(), Znode::default());
        cluster.finish();
        let write = cluster.brokers[0].elector.write(some_change());
        assert!(cluster.store.do_it(SessionId(0), &write).is_ok());
        cluster.end_session(0);
        cluster.finish();
        let zombie = &cluster.brokers[0].elector;
        let result = cluster
            .store
            .do_it(SessionId(0), &zombie.write(some_change()));
        assert_eq!(zombie.is_moved(&result), fenced);
        assert_eq!(result.is_err(), fenced);
        let own = cluster.brokers[1].elector.write(some_change());
        assert!(cluster.store.do_it(SessionId(1), &own).is_ok());
    }
}

#[test]
fn a_refusal_of_the_change_itself_is_no_other_controller() {
    let mut cluster = Cluster::new(1, true);
    cluster.finish();
    let elector = &cluster.brokers[0].elector;
    let result = cluster
        .store
        .do_it(SessionId(0), &elector.write(some_change()));
    assert_eq!(result.unwrap_err().index, 1);
    let stale = Err(Refusal {
        error: ZooKeeperError::BadVersion,
        index: 1,
    });
    assert!(
        !elector.is_moved(&stale),
        "the znode's version, not the controller's"
    );
}
