//! A small deterministic world: fixed latency, disks in memory, nothing random. It shows that the
//! machines understand each other without any simulator.

use bytes::Bytes;
use ktrial_core::admin::{Admin, AdminStart};
use ktrial_core::broker::{Broker, BrokerStart};
use ktrial_core::config::{Config, TopicConfig};
use ktrial_core::consumer::{Consumer, ConsumerStart};
use ktrial_core::controller::{Controller, ControllerStart};
use ktrial_core::memory_storage::MemoryStorage;
use ktrial_core::message::{CreateTopicsRequest, NewTopic, Placement, Request};
use ktrial_core::producer::{Producer, ProducerStart};
use ktrial_core::*;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

const LATENCY: Duration = Duration::from_micros(500);
const CONTROLLER: NodeId = NodeId::Controller(ControllerId(3000));
const PRODUCER: NodeId = NodeId::Client(ClientId(0));
pub(crate) const CONSUMER: NodeId = NodeId::Client(ClientId(1));
const ADMIN: NodeId = NodeId::Client(ClientId(2));

/// A disk that outlives its process.
#[derive(Clone)]
struct SharedDisk(Rc<RefCell<MemoryStorage>>);

macro_rules! forward {
    ($($name:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => {
        impl Storage for SharedDisk {
            $(fn $name(&mut self, $($argument: $type),*) -> Result<$result, StorageError> {
                self.0.borrow_mut().$name($($argument),*)
            })*
        }
    };
}
forward! {
    append(path: &str, bytes: &[u8]) -> u64;
    read(path: &str, position: u64, length: usize) -> Bytes;
    length(path: &str) -> u64;
    truncate(path: &str, length: u64) -> ();
    flush(path: &str) -> ();
    flush_directory(directory: &str) -> ();
    rename(from: &str, to: &str) -> ();
    delete(path: &str) -> ();
    list(directory: &str) -> Vec<String>;
    exists(path: &str) -> bool;
}

struct Process {
    machine: Box<dyn Machine>,
    incarnation: Incarnation,
}

pub(crate) struct Cluster {
    now: Timestamp,
    sequence: u64,
    queue: BTreeMap<(Timestamp, u64), (NodeId, Incarnation, Input)>,
    processes: BTreeMap<NodeId, Process>,
    disks: BTreeMap<NodeId, SharedDisk>,
    starts: BTreeMap<NodeId, u32>,
    topic_defaults: TopicConfig,
    rules: Rules,
    pub(crate) history: Vec<(Timestamp, NodeId, Event)>,
    pub(crate) messages: u64,
    operations: u64,
    connected: BTreeSet<ConnectionId>,
}

impl Cluster {
    /// A controller, three brokers, a producer, a consumer and an admin client; topic `orders` with
    /// replicas [1, 2, 3].
    pub(crate) fn new(topic_settings: &[(&str, &str)], rules: Rules) -> Self {
        let mut topic_defaults = TopicConfig::default();
        for (key, value) in topic_settings {
            topic_defaults.set(key, value).unwrap();
        }
        let mut cluster = Self {
            now: Timestamp::ZERO,
            sequence: 0,
            connected: BTreeSet::new(),
            queue: BTreeMap::new(),
            processes: BTreeMap::new(),
            disks: BTreeMap::new(),
            starts: BTreeMap::new(),
            topic_defaults,
            rules,
            history: Vec::new(),
            messages: 0,
            operations: 0,
        };
        cluster.start(CONTROLLER);
        for id in 1..=3 {
            cluster.start(NodeId::Broker(BrokerId(id)));
        }
        for node in [PRODUCER, CONSUMER, ADMIN] {
            cluster.start(node);
        }
        cluster.until("brokers are unfenced", |cluster| {
            (1..=3).all(|id| cluster.snapshot(id).is_some_and(|broker| !broker.fenced))
        });
        let topic = NewTopic {
            topic: "orders".into(),
            placement: Placement::Manual(vec![vec![BrokerId(1), BrokerId(2), BrokerId(3)]]),
            configs: BTreeMap::new(),
        };
        let request = Box::new(Request::CreateTopics(CreateTopicsRequest {
            topics: vec![topic],
        }));
        cluster.command(
            ADMIN,
            Command::Administer {
                operation: OperationId(9_999),
                request,
            },
        );
        cluster.until("orders-0 has a leader", |cluster| {
            cluster
                .snapshot(1)
                .is_some_and(|b| b.replicas.iter().any(|r| r.is_leader))
        });
        cluster
    }

    pub(crate) fn start(&mut self, node: NodeId) {
        let count = self.starts.entry(node).or_default();
        let incarnation = Incarnation(*count);
        *count += 1;
        let mut out = Effects::new();
        let machine = match node {
            NodeId::Client(id) => self.client(id, incarnation),
            _ => self.server(node, incarnation, &mut out),
        };
        self.processes.insert(
            node,
            Process {
                machine,
                incarnation,
            },
        );
        self.carry_out(node, &mut out);
    }

    fn server(
        &mut self,
        node: NodeId,
        incarnation: Incarnation,
        out: &mut Effects,
    ) -> Box<dyn Machine> {
        let new_disk = || SharedDisk(Rc::new(RefCell::new(MemoryStorage::new())));
        let storage = Box::new(self.disks.entry(node).or_insert_with(new_disk).clone());
        let random = Random::stream(1, &format!("{node} {incarnation}"));
        let (rules, topic_defaults, now) = (self.rules, self.topic_defaults.clone(), self.now());
        if let NodeId::Controller(id) = node {
            let config = Default::default();
            let start = ControllerStart {
                id,
                incarnation,
                config,
                topic_defaults,
                rules,
                controllers: vec![id],
                random,
            };
            return Box::new(Controller::start(start, storage, now, out).unwrap());
        }
        let start = BrokerStart {
            id: node.broker().unwrap(),
            incarnation,
            config: Default::default(),
            topic_defaults,
            rules,
            controllers: vec![ControllerId(3000)],
            zookeeper: None,
            random,
        };
        Box::new(Broker::start(start, storage, now, out).unwrap())
    }

    fn client(&self, id: ClientId, incarnation: Incarnation) -> Box<dyn Machine> {
        let random = Random::stream(1, &format!("{id} {incarnation}"));
        let bootstrap = vec![BrokerId(1), BrokerId(2), BrokerId(3)];
        let (rules, now) = (self.rules, self.now());
        match NodeId::Client(id) {
            PRODUCER => {
                let config = Default::default();
                let start = ProducerStart {
                    id,
                    incarnation,
                    config,
                    bootstrap,
                    rules,
                    random,
                };
                Box::new(Producer::start(start, now))
            }
            CONSUMER => {
                let mut config = config::ConsumerConfig::default();
                config.set("auto.offset.reset", "earliest").unwrap();
                let start = ConsumerStart {
                    id,
                    incarnation,
                    config,
                    bootstrap,
                    rules,
                    random,
                };
                Box::new(Consumer::start(start, now))
            }
            _ => {
                let controllers = vec![NodeId::Controller(ControllerId(3000))];
                Box::new(Admin::start(
                    AdminStart {
                        id,
                        incarnation,
                        controllers,
                        random,
                    },
                    now,
                ))
            }
        }
    }

    /// The process dies; what it wrote stays. Its clients see their connections reset.
    pub(crate) fn kill(&mut self, node: NodeId) {
        self.processes.remove(&node);
    }

    pub(crate) fn command(&mut self, node: NodeId, command: Command) {
        self.handle(node, Input::Command(command));
    }

    /// The producer sends a value to `orders-0`.
    pub(crate) fn send(&mut self, value: &'static str) -> OperationId {
        let operation = OperationId(self.operations);
        self.operations += 1;
        let value = Bytes::from_static(value.as_bytes());
        let topic = "orders".into();
        self.command(
            PRODUCER,
            Command::Send {
                operation,
                topic,
                partition: Some(0),
                key: None,
                value,
            },
        );
        operation
    }

    pub(crate) fn snapshot(&self, id: i32) -> Option<snapshot::BrokerSnapshot> {
        match self
            .processes
            .get(&NodeId::Broker(BrokerId(id)))?
            .machine
            .snapshot()
        {
            Snapshot::Broker(broker) => Some(broker),
            _ => None,
        }
    }

    pub(crate) fn controller(&self) -> snapshot::PartitionSnapshot {
        match self.processes[&CONTROLLER].machine.snapshot() {
            Snapshot::Controller(controller) => controller.partitions[0].clone(),
            _ => unreachable!(),
        }
    }

    /// Goes on until something holds, for at most five minutes.
    pub(crate) fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        let limit = self.now + Duration::from_secs(300);
        while !holds(self) {
            assert!(
                self.step(limit),
                "{what}: not within 5 minutes, at {}",
                self.now
            );
        }
    }

    pub(crate) fn go_on_for(&mut self, duration: Duration) {
        let limit = self.now + duration;
        while self.step(limit) {}
        self.now = limit;
    }

    fn now(&self) -> Now {
        let wall = 1_700_000_000_000 + i64::try_from(self.now.as_millis()).unwrap();
        Now {
            monotonic: self.now,
            wall: WallClock(wall),
        }
    }

    /// Does the next thing before `limit`: a message, else a timer.
    fn step(&mut self, limit: Timestamp) -> bool {
        let message = self.queue.keys().next().copied();
        let mut timer: Option<(Timestamp, NodeId, Lane)> = None;
        for (node, process) in &self.processes {
            process.machine.deadlines(&mut |lane, at| {
                let candidate = (at, *node, lane);
                if timer.is_none_or(|timer| candidate < timer) {
                    timer = Some(candidate);
                }
            });
        }
        let message_at = message.map_or(Timestamp::NEVER, |(at, _)| at);
        let timer_at = timer.map_or(Timestamp::NEVER, |(at, ..)| at);
        if message_at.min(timer_at) > limit {
            return false;
        }
        self.now = self.now.max(message_at.min(timer_at));
        match (message, timer) {
            (Some(key), _) if message_at <= timer_at => self.deliver(key),
            (_, Some((_, node, lane))) => self.handle(node, Input::Timer(lane)),
            _ => unreachable!(),
        }
        true
    }

    fn deliver(&mut self, key: (Timestamp, u64)) {
        let (node, incarnation, input) = self.queue.remove(&key).unwrap();
        self.messages += 1;
        let alive = self
            .processes
            .get(&node)
            .is_some_and(|p| p.incarnation == incarnation);
        if alive {
            self.handle(node, input);
        } else if let Input::Request { connection, .. } = input {
            // Refused: the client hears of it.
            self.post(
                connection.client,
                connection.incarnation,
                Input::Disconnected { connection },
            );
        }
    }

    fn post(&mut self, to: NodeId, incarnation: Incarnation, input: Input) {
        self.sequence += 1;
        self.queue.insert(
            (self.now + LATENCY, self.sequence),
            (to, incarnation, input),
        );
    }

    fn handle(&mut self, node: NodeId, input: Input) {
        let now = self.now();
        let mut out = Effects::new();
        if let Some(process) = self.processes.get_mut(&node) {
            process.machine.handle(now, input, &mut out);
        }
        self.carry_out(node, &mut out);
    }

    fn carry_out(&mut self, node: NodeId, out: &mut Effects) {
        let effects: Vec<Effect> = out.drain().collect();
        for effect in effects {
            match effect {
                Effect::Send {
                    connection,
                    to,
                    correlation,
                    request,
                } => {
                    let server = self
                        .processes
                        .get(&to)
                        .map_or(Incarnation(u32::MAX), |p| p.incarnation);
                    // Where there is no process the connection is refused, not established.
                    let is_there = server != Incarnation(u32::MAX);
                    if is_there && self.connected.insert(connection) {
                        let input = Input::Connected { connection };
                        self.post(connection.client, connection.incarnation, input);
                    }
                    self.post(
                        to,
                        server,
                        Input::Request {
                            connection,
                            correlation,
                            request,
                        },
                    );
                }
                Effect::Respond {
                    connection,
                    correlation,
                    response,
                } => {
                    let input = Input::Response {
                        connection,
                        correlation,
                        response,
                    };
                    self.post(connection.client, connection.incarnation, input);
                }
                Effect::Close { connection } if connection.client != node => {
                    let input = Input::Disconnected { connection };
                    self.post(connection.client, connection.incarnation, input);
                }
                Effect::Close { .. } | Effect::Unanswered { .. } => {}
                Effect::Connect { connection, to } => {
                    let input = if self.processes.contains_key(&to) {
                        self.connected.insert(connection);
                        Input::Connected { connection }
                    } else {
                        Input::Disconnected { connection }
                    };
                    self.post(connection.client, connection.incarnation, input);
                }
                Effect::Observe(event) => self.history.push((self.now, node, event)),
                Effect::Exit => {
                    self.processes.remove(&node);
                }
            }
        }
    }
}
