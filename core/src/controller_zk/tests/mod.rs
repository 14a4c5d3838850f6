//! A controller with znodes in memory: what it asks is answered at once, and brokers do what it says.

mod deletion;
mod partitions;
mod session;

use super::znodes::{BrokerNode, PERSISTENT, encode};
use super::*;
use crate::channel::Connector;
use crate::id::{Incarnation, NodeId};
use crate::machine::{Effect, Effects};
use crate::message::{Changed, ControlResponse, CreateTopicsRequest, NewTopic, Placement};
use crate::zookeeper::{Stat, ZooKeeperError, Zxid};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

/// The data, the version, and which change made it.
type Znode = (Bytes, i32, i64);

struct Rig {
    controller: ControllerZk,
    rules: Rules,
    connector: Connector,
    random: Random,
    znodes: BTreeMap<String, Znode>,
    zxid: i64,
    /// Watches of the controller: on data, and on children.
    watches: [BTreeSet<String>; 2],
    /// What the controller has sent, in short.
    sent: Vec<String>,
    responses: BTreeMap<CorrelationId, Response>,
    asked: u32,
    /// Brokers that answer no StopReplica, and those that cannot stop anything.
    silent: BTreeSet<BrokerId>,
    failing: BTreeSet<BrokerId>,
}

impl Rig {
    /// Three brokers; the first one is the controller.
    fn new(rules: Rules) -> Self {
        let random = Random::stream(1, "rig");
        let mut rig = Self {
            controller: controller(1, rules),
            rules,
            connector: connector(1, &random),
            random,
            znodes: BTreeMap::new(),
            zxid: 0,
            watches: Default::default(),
            sent: Vec::new(),
            responses: BTreeMap::new(),
            asked: 0,
            silent: BTreeSet::new(),
            failing: BTreeSet::new(),
        };
        for path in PERSISTENT.iter().chain(&["/brokers", "/admin", "/config"]) {
            rig.set(path, Bytes::new());
        }
        for id in 1..=3 {
            rig.come(id);
        }
        rig.with(ControllerZk::stand);
        rig
    }

    /// Another broker is the controller from now on.
    fn fail_over(&mut self, id: i32) {
        self.controller = controller(id, self.rules);
        self.connector = connector(id, &self.random);
        self.watches = Default::default();
        self.znodes.remove(CONTROLLER);
        self.with(ControllerZk::stand);
    }

    /// A broker registers.
    fn come(&mut self, id: i32) {
        let node = BrokerNode::new(Incarnation(0), None, 0);
        self.set(&znodes::broker(BrokerId(id)), encode(&node));
        self.settle();
    }

    /// A broker's session ends.
    fn go(&mut self, id: i32) {
        self.remove(&znodes::broker(BrokerId(id)));
        self.settle();
    }

    /// Calls the controller, and does all that follows.
    fn with(&mut self, work: impl FnOnce(&mut ControllerZk, &mut Env<'_>)) {
        self.call(work);
        self.settle();
    }

    fn call(&mut self, work: impl FnOnce(&mut ControllerZk, &mut Env<'_>)) {
        let mut out = Effects::new();
        let mut env = Env {
            wire: Wire {
                now: Timestamp::ZERO,
                connector: &mut self.connector,
                random: &mut self.random,
                out: &mut out,
            },
            wall: 0,
        };
        work(&mut self.controller, &mut env);
        for effect in out.drain().collect::<Vec<_>>() {
            match effect {
                Effect::Respond {
                    correlation,
                    response,
                    ..
                } => drop(self.responses.insert(correlation, *response)),
                Effect::Send {
                    connection,
                    to: NodeId::Broker(broker),
                    correlation,
                    request,
                } => self.sent((connection, correlation), broker, &request),
                _ => {}
            }
        }
    }

    /// A broker does what it is told.
    fn sent(&mut self, of: (ConnectionId, CorrelationId), broker: BrokerId, request: &Request) {
        self.sent.push(format!("{broker} {}", short(request)));
        let mut answer = ControlResponse {
            error: ErrorCode::None,
            stopped: Vec::new(),
            offline: Vec::new(),
        };
        let response = match request {
            Request::LeaderAndIsr(_) => Response::LeaderAndIsr(answer),
            Request::UpdateMetadata(_) => Response::UpdateMetadata(answer),
            Request::StopReplica(_) if self.silent.contains(&broker) => return,
            Request::StopReplica(_) if self.failing.contains(&broker) => {
                Response::StopReplica(answer)
            }
            Request::StopReplica(request) => {
                let stopped = request.body.iter().map(|one| one.partition.clone());
                answer.stopped = stopped.collect();
                Response::StopReplica(answer)
            }
            _ => return,
        };
        self.call(|controller, env| controller.response(of, &response, env));
    }

    fn settle(&mut self) {
        loop {
            let asked = self.controller.take_operations();
            if asked.is_empty() {
                return;
            }
            for (operation, tag) in asked {
                let result = self.apply(operation);
                self.call(|controller, env| controller.answered(tag, result, env));
            }
        }
    }

    fn apply(&mut self, operation: Operation) -> Reply {
        match operation {
            Operation::Change(change) => self.change(change).map_err(|error| refused(error, 0)),
            Operation::Multi(changes) => {
                for (index, change) in changes.into_iter().enumerate() {
                    self.change(change).map_err(|error| refused(error, index))?;
                }
                Ok(Answer::Changed(Vec::new()))
            }
            Operation::GetData { path, watch } => {
                self.watch(0, &path, watch);
                let found = self.znodes.get(&path);
                let (data, version, czxid) = found.ok_or(refused(ZooKeeperError::NoNode, 0))?;
                let stat = Stat {
                    version: *version,
                    czxid: Zxid(*czxid),
                    ..Stat::default()
                };
                Ok(Answer::Data(data.clone(), stat))
            }
            Operation::Exists { path, watch } => {
                self.watch(0, &path, watch);
                let exists = self.znodes.contains_key(&path);
                Ok(Answer::Exists(exists.then(Stat::default)))
            }
            Operation::GetChildren { path, watch } => {
                self.watch(1, &path, watch);
                Ok(Answer::Children(self.children(&path)))
            }
        }
    }

    fn watch(&mut self, kind: usize, path: &str, watch: bool) {
        if watch {
            self.watches[kind].insert(path.to_owned());
        }
    }

    fn children(&self, path: &str) -> Vec<String> {
        let below = self.znodes.keys().filter_map(|other| {
            let name = other.strip_prefix(path)?.strip_prefix('/')?;
            (!name.contains('/')).then(|| name.to_owned())
        });
        below.collect()
    }

    /// Does a change, if it may be done.
    fn change(&mut self, change: Change) -> Result<Answer, ZooKeeperError> {
        match change {
            Change::Create { path, .. } if self.znodes.contains_key(&path) => {
                return Err(ZooKeeperError::NodeExists);
            }
            Change::Create { path, data, .. } => self.set(&path, data),
            Change::Delete { path, .. } if !self.children(&path).is_empty() => {
                return Err(ZooKeeperError::NotEmpty);
            }
            Change::Delete { path, .. } => self.remove(&path),
            Change::Check { path, version } => self.check(&path, Some(version))?,
            Change::SetData {
                path,
                data,
                version,
            } => {
                self.check(&path, version)?;
                self.set(&path, data);
            }
        }
        Ok(Answer::Changed(vec![Changed::Checked]))
    }

    fn check(&self, path: &str, version: Option<i32>) -> Result<(), ZooKeeperError> {
        match (self.znodes.get(path), version) {
            (None, _) => Err(ZooKeeperError::NoNode),
            (Some((_, now, _)), Some(meant)) if *now != meant => Err(ZooKeeperError::BadVersion),
            _ => Ok(()),
        }
    }

    /// Creates a znode or sets its data.
    fn set(&mut self, path: &str, data: Bytes) {
        self.zxid += 1;
        match self.znodes.get_mut(path) {
            Some(znode) => {
                (znode.0, znode.1) = (data, znode.1 + 1);
                self.tell(0, path, Happened::DataChanged);
            }
            None => {
                self.znodes.insert(path.to_owned(), (data, 0, self.zxid));
                self.tell(0, path, Happened::Created);
                self.tell(1, parent(path), Happened::ChildrenChanged);
            }
        }
    }

    fn remove(&mut self, path: &str) {
        if self.znodes.remove(path).is_some() {
            self.tell(0, path, Happened::Deleted);
            self.tell(1, parent(path), Happened::ChildrenChanged);
        }
    }

    fn tell(&mut self, kind: usize, path: &str, happened: Happened) {
        if self.watches[kind].remove(path) {
            self.call(|controller, env| controller.happened(happened, path, env));
        }
    }

    /// An operator asks; the answer, once everything is done.
    fn ask(&mut self, request: Request) -> Response {
        let reply = self.submit(request);
        self.settle();
        self.responses[&reply].clone()
    }

    /// An operator asks, and the controller has not begun with what it asks of ZooKeeper.
    fn submit(&mut self, request: Request) -> CorrelationId {
        self.asked += 1;
        let reply = ReplyTo {
            connection: ConnectionId {
                client: NodeId::Client(crate::id::ClientId(1)),
                incarnation: Incarnation(0),
                number: 0,
            },
            correlation: CorrelationId(self.asked),
        };
        self.call(|controller, env| controller.request(reply, request, env));
        reply.correlation
    }

    fn create(&mut self, topic: &str, replicas: &[&[i32]]) -> ErrorCode {
        let request = CreateTopicsRequest {
            topics: vec![NewTopic {
                topic: topic.into(),
                placement: Placement::Manual(lists(replicas)),
                configs: BTreeMap::new(),
            }],
        };
        match self.ask(Request::CreateTopics(request)) {
            Response::CreateTopics(response) => response.topics[0].error,
            other => panic!("{other:?}"),
        }
    }

    /// A partition's leader, its epoch and the ISR, as ZooKeeper has them.
    fn state(&self, name: &str) -> Option<(i32, i32, Vec<i32>)> {
        let path = znodes::state(&name.parse().unwrap());
        let (data, ..) = self.znodes.get(&path)?;
        let node: znodes::StateNode = znodes::decode(data).unwrap();
        let isr = node.isr.iter().map(|id| id.0).collect();
        Some((node.leader, node.leader_epoch.0, isr))
    }

    /// What the controller has sent since it was asked last.
    fn told(&mut self) -> Vec<String> {
        std::mem::take(&mut self.sent)
    }
}

fn controller(id: i32, rules: Rules) -> ControllerZk {
    ControllerZk::new(
        BrokerId(id),
        rules,
        ControllerConfig::default(),
        TopicConfig::default(),
        Duration::from_secs(30),
        &Random::stream(1, "controller"),
    )
}

fn connector(id: i32, random: &Random) -> Connector {
    let node = NodeId::Broker(BrokerId(id));
    Connector::new(node, Incarnation(0), Connector::SETUP, random)
}

fn refused(error: ZooKeeperError, index: usize) -> Refusal {
    Refusal { error, index }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

fn lists(replicas: &[&[i32]]) -> Vec<Vec<BrokerId>> {
    let list = |ids: &&[i32]| ids.iter().copied().map(BrokerId).collect();
    replicas.iter().map(list).collect()
}

/// A request of the controller to a broker in a line.
fn short(request: &Request) -> String {
    match request {
        Request::LeaderAndIsr(request) => {
            let body = request.body.iter().map(|one| {
                let leader = one.state.leader.map_or(-1, |id| id.0);
                format!(" {} led by {leader}", one.partition.partition)
            });
            format!("LeaderAndIsr{}", body.collect::<String>())
        }
        Request::UpdateMetadata(request) => {
            let partitions = request.body.partitions.iter();
            let partitions = partitions.map(|one| format!(" {}", one.partition.partition));
            let gone = request.body.deleted.iter();
            let gone = gone.map(|one| format!(" -{}", one.partition));
            format!(
                "UpdateMetadata{}",
                partitions.chain(gone).collect::<String>()
            )
        }
        Request::StopReplica(request) => {
            let body = request.body.iter().map(|one| {
                let delete = if one.delete { " and delete" } else { "" };
                format!(" {}{delete}", one.partition.partition)
            });
            format!("StopReplica{}", body.collect::<String>())
        }
        other => format!("{other:?}"),
    }
}
