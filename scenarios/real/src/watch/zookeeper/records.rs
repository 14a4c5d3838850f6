//! What the nodes of ZooKeeper's tree mean, as metadata records.
//!
//! | node | change | record |
//! |---|---|---|
//! | `/brokers/ids/N` | created | RegisterBroker, unfenced; its epoch is the zxid (KIP-380) |
//! | | deleted, by hand or with its session | BrokerRegistrationChange, fenced |
//! | `/brokers/topics/T` | created | Topic; without an id of its own (before 2.8) one made of the name |
//! | | set | Partition, as a whole, where the assignment is another one |
//! | | deleted | `RemoveTopic` |
//! | `.../partitions/P/state` | created | Partition |
//! | | set, `leader_epoch` the same | PartitionChange of the ISR |
//! | | set, `leader_epoch` one higher | PartitionChange that names the leader, even the same one |
//! | | set otherwise | Partition, as a whole |
//! | `/controller_epoch` | set while somebody is `/controller` | `ControllerActivated` |
//! | `/config/topics/T`, `/config/brokers/<default>` | | one Config for each key that changed |
//!
//! - A partition's epoch is the version of its node, which rises by one with each change.
//! - ZooKeeper's log has no offsets: the records are counted.
//! - All are entries of the broker that is the controller at that time, or was last; before the first one, of
//!   the broker that the record is about. (The leader itself writes changes of its ISR before 2.7.)
//!
//! Simplified: the settings of a deleted topic stay. Nodes with a version that jumps do not exist.
//! Source: KIP-380, KIP-497; `KafkaZkClient`, `ZkData.scala`, `ZkPartitionStateMachine`.
//! Next: `../ledger.rs`.

use super::super::ledger::{Ledger, Told};
use super::json::{ConfigNode, ControllerNode, StateNode, TopicNode};
use super::txn::{Op, Txn};
use ktrial_core::message::{ConfigResource, LeaderRecoveryState};
use ktrial_core::metadata::{
    BrokerRegistrationChangeRecord, ConfigRecord, LeaderChange, MetadataRecord,
    PartitionChangeRecord, PartitionRecord, RegisterBrokerRecord, RemoveTopicRecord, TopicRecord,
};
use ktrial_core::{
    BrokerEpoch, BrokerId, Event, Incarnation, LeaderEpoch, NodeId, Offset, PartitionEpoch, TopicId,
};
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet};

/// A topic as far as it is known.
#[derive(Clone, Debug)]
struct Topic {
    id: TopicId,
    node: TopicNode,
    states: BTreeMap<i32, (StateNode, i32)>,
}

/// The part of the tree that is Kafka's metadata.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Tree {
    ephemeral: BTreeMap<i64, BTreeSet<String>>,
    controller: Option<BrokerId>,
    /// Whose entries the records are.
    author: Option<BrokerId>,
    epochs: BTreeMap<BrokerId, BrokerEpoch>,
    registrations: u32,
    topics: BTreeMap<String, Topic>,
    settings: BTreeMap<String, BTreeMap<String, String>>,
    written: i64,
}

impl Tree {
    /// Takes in a transaction and tells what it means.
    pub(super) fn apply(&mut self, txn: &Txn, ledger: &mut Ledger, out: &mut Vec<Told>) {
        for op in &txn.ops {
            match op {
                Op::Create {
                    path,
                    data,
                    ephemeral,
                } => {
                    if *ephemeral {
                        let of = self.ephemeral.entry(txn.session).or_default();
                        of.insert(path.clone());
                    }
                    self.set((path, data, 0), txn.zxid, ledger, out);
                }
                Op::SetData {
                    path,
                    data,
                    version,
                } => self.set((path, data, *version), txn.zxid, ledger, out),
                Op::Delete { path } => self.delete(path, ledger, out),
                Op::CloseSession { paths } => {
                    let known = self.ephemeral.remove(&txn.session).unwrap_or_default();
                    let all: BTreeSet<&String> = known.iter().chain(paths).collect();
                    for path in all {
                        self.delete(path, ledger, out);
                    }
                }
            }
        }
    }

    fn set(
        &mut self,
        (path, data, version): (&str, &[u8], i32),
        zxid: i64,
        ledger: &mut Ledger,
        out: &mut Vec<Told>,
    ) {
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        match parts[..] {
            ["controller"] => {
                let node: Option<ControllerNode> = json(data);
                self.controller = node.map(|node| BrokerId(node.brokerid));
                self.author = self.controller.or(self.author);
            }
            ["controller_epoch"] => {
                let epoch = std::str::from_utf8(data)
                    .ok()
                    .and_then(|text| text.parse().ok());
                if let (Some(controller), Some(epoch)) = (self.controller, epoch) {
                    let epoch = LeaderEpoch(epoch);
                    out.push((
                        NodeId::Broker(controller),
                        Event::ControllerActivated { epoch },
                    ));
                }
            }
            ["brokers", "ids", id] => {
                if let Ok(id) = id.parse() {
                    self.register(BrokerId(id), zxid, ledger, out);
                }
            }
            ["brokers", "topics", topic] => self.topic(topic, data, ledger, out),
            ["brokers", "topics", topic, "partitions", number, "state"] => {
                let state = json::<StateNode>(data).zip(number.parse().ok());
                if let Some((state, number)) = state {
                    self.state((topic, number), (state, version), ledger, out);
                }
            }
            ["config", "topics", topic] => {
                let resource = ConfigResource::Topic(topic.into());
                self.configure(path, &resource, data, ledger, out);
            }
            ["config", "brokers", "<default>"] => {
                self.configure(path, &ConfigResource::Cluster, data, ledger, out);
            }
            _ => {}
        }
    }

    fn delete(&mut self, path: &str, ledger: &mut Ledger, out: &mut Vec<Told>) {
        for of in self.ephemeral.values_mut() {
            of.remove(path);
        }
        if path == "/controller" {
            self.controller = None;
        }
        let id = path
            .strip_prefix("/brokers/ids/")
            .and_then(|id| id.parse().ok());
        let broker = id.map(BrokerId);
        if let Some((broker, epoch)) = broker.and_then(|id| self.epochs.remove_entry(&id)) {
            let change = BrokerRegistrationChangeRecord {
                broker,
                broker_epoch: epoch,
                fenced: Some(true),
                in_controlled_shutdown: None,
                log_dirs: None,
            };
            let record = MetadataRecord::BrokerRegistrationChange(change);
            self.write(record, broker, ledger, out);
        }
        let topic = path.strip_prefix("/brokers/topics/");
        if let Some(topic) = topic.and_then(|name| self.topics.remove(name)) {
            let record = MetadataRecord::RemoveTopic(RemoveTopicRecord { topic_id: topic.id });
            self.write(record, BrokerId(0), ledger, out);
        }
    }

    fn register(&mut self, id: BrokerId, zxid: i64, ledger: &mut Ledger, out: &mut Vec<Told>) {
        let epoch = BrokerEpoch(zxid);
        if self.epochs.insert(id, epoch).is_some() {
            // It wrote its node anew, with other listeners perhaps.
            return;
        }
        self.registrations += 1;
        let record = MetadataRecord::RegisterBroker(RegisterBrokerRecord {
            broker: id,
            incarnation: Incarnation(self.registrations),
            broker_epoch: epoch,
            fenced: false,
            in_controlled_shutdown: false,
            rack: None,
            log_dirs: Vec::new(),
        });
        self.write(record, id, ledger, out);
    }

    fn topic(&mut self, name: &str, data: &[u8], ledger: &mut Ledger, out: &mut Vec<Told>) {
        let Some(node) = json::<TopicNode>(data) else {
            return;
        };
        if let Some(known) = self.topics.get_mut(name) {
            for record in known.reassigned(node) {
                self.write(record, BrokerId(0), ledger, out);
            }
            return;
        }
        let told = node.topic_id.as_ref().and_then(|text| text.parse().ok());
        let id = told.unwrap_or_else(|| made_of(name));
        let topic = Topic {
            id,
            node,
            states: BTreeMap::new(),
        };
        self.topics.insert(name.to_owned(), topic);
        let record = MetadataRecord::Topic(TopicRecord {
            topic: name.into(),
            topic_id: id,
        });
        self.write(record, BrokerId(0), ledger, out);
    }

    fn state(
        &mut self,
        (topic, number): (&str, i32),
        (state, version): (StateNode, i32),
        ledger: &mut Ledger,
        out: &mut Vec<Told>,
    ) {
        let Some(topic) = self.topics.get_mut(topic) else {
            return;
        };
        let before = topic.states.insert(number, (state.clone(), version));
        let record = match before {
            Some((before, known)) if known + 1 == version && follows(&before, &state) => {
                MetadataRecord::PartitionChange(change(topic.id, number, &before, &state))
            }
            _ => topic.whole(number, &state, version),
        };
        self.write(record, BrokerId(0), ledger, out);
    }

    fn configure(
        &mut self,
        path: &str,
        resource: &ConfigResource,
        data: &[u8],
        ledger: &mut Ledger,
        out: &mut Vec<Told>,
    ) {
        let now = json::<ConfigNode>(data)
            .map(|node| node.config)
            .unwrap_or_default();
        let before = self
            .settings
            .insert(path.to_owned(), now.clone())
            .unwrap_or_default();
        let keys: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
        for key in keys {
            if before.get(key) != now.get(key) {
                let record = MetadataRecord::Config(ConfigRecord {
                    resource: resource.clone(),
                    key: key.clone(),
                    value: now.get(key).cloned(),
                });
                self.write(record, BrokerId(0), ledger, out);
            }
        }
    }

    /// `about` is whose entry it is before there is a controller.
    fn write(
        &mut self,
        record: MetadataRecord,
        about: BrokerId,
        ledger: &mut Ledger,
        out: &mut Vec<Told>,
    ) {
        let node = NodeId::Broker(self.author.unwrap_or(about));
        ledger.write(node, Offset(self.written), record, out);
        self.written += 1;
    }
}

impl Topic {
    /// Takes over another node, and tells of the partitions whose assignment is another one.
    fn reassigned(&mut self, node: TopicNode) -> Vec<MetadataRecord> {
        let before = std::mem::replace(&mut self.node, node);
        let states = self.states.iter().filter(|(number, _)| {
            let key = number.to_string();
            before.assignment(&key) != self.node.assignment(&key)
        });
        states
            .map(|(number, (state, version))| self.whole(*number, state, *version))
            .collect()
    }

    /// Everything about a partition.
    fn whole(&self, number: i32, state: &StateNode, version: i32) -> MetadataRecord {
        let [replicas, adding, removing] = self.node.assignment(&number.to_string());
        MetadataRecord::Partition(PartitionRecord {
            topic_id: self.id,
            partition: number,
            replicas,
            isr: state.isr.clone(),
            leader: led_by(state.leader),
            leader_recovery_state: recovery(state.leader_recovery_state),
            leader_epoch: LeaderEpoch(state.leader_epoch),
            partition_epoch: PartitionEpoch(version),
            elr: Vec::new(),
            last_known_elr: Vec::new(),
            removing,
            adding,
            directories: Vec::new(),
        })
    }
}

/// Whether a change record can say what lies between two states.
fn follows(before: &StateNode, after: &StateNode) -> bool {
    let epoch = after.leader_epoch == before.leader_epoch;
    (epoch && after.leader == before.leader) || after.leader_epoch == before.leader_epoch + 1
}

fn change(
    topic_id: TopicId,
    partition: i32,
    before: &StateNode,
    after: &StateNode,
) -> PartitionChangeRecord {
    let leader = match led_by(after.leader) {
        _ if after.leader_epoch == before.leader_epoch => LeaderChange::Unchanged,
        None => LeaderChange::NoLeader,
        Some(leader) => LeaderChange::Leader(leader),
    };
    let recovers = after.leader_recovery_state != before.leader_recovery_state;
    PartitionChangeRecord {
        topic_id,
        partition,
        isr: (after.isr != before.isr).then(|| after.isr.clone()),
        leader,
        leader_recovery_state: recovers.then(|| recovery(after.leader_recovery_state)),
        elr: None,
        last_known_elr: None,
        replicas: None,
        removing: None,
        adding: None,
        directories: None,
    }
}

fn led_by(id: i32) -> Option<BrokerId> {
    (id >= 0).then_some(BrokerId(id))
}

fn recovery(code: i8) -> LeaderRecoveryState {
    match code {
        1 => LeaderRecoveryState::Recovering,
        _ => LeaderRecoveryState::Recovered,
    }
}

/// An id for a topic that has none: FNV-1a of its name, in 128 bits.
fn made_of(name: &str) -> TopicId {
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let hash = name.bytes().fold(BASIS, |sum, byte| {
        (sum ^ u128::from(byte)).wrapping_mul(PRIME)
    });
    TopicId(hash)
}

/// `None` if the node holds something else.
fn json<T: DeserializeOwned>(data: &[u8]) -> Option<T> {
    serde_json::from_slice(data).ok()
}
