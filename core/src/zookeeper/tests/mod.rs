//! The ensemble in a small world of its own: fixed latency, disks in memory, clients that keep what they
//! are told.

mod disk;
mod ensemble;
mod properties;
mod tree;

use super::client::{Client, Notice};
use super::*;
use crate::memory_storage::MemoryStorage;
use crate::message::{Answer, Change, Refusal};
use crate::time::WallClock;
use bytes::Bytes;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

const LATENCY: Duration = Duration::from_micros(500);
const TIMEOUT: Duration = Duration::from_secs(6);

/// A disk that outlives its process.
#[derive(Clone, Default)]
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

/// What travels.
enum Packet {
    Request(CorrelationId, Box<Request>),
    Response(CorrelationId, Box<Response>),
    Connected,
    End,
}

/// A client's program.
struct Program {
    client: Client<u32>,
    connector: Connector,
    told: Vec<Notice<u32>>,
}

/// Servers and clients.
struct Zoo {
    now: Timestamp,
    order: u64,
    queue: BTreeMap<(Timestamp, u64), (NodeId, ConnectionId, Packet)>,
    ensemble: Vec<ZooKeeperId>,
    config: ZooKeeperConfig,
    servers: BTreeMap<ZooKeeperId, Server>,
    starts: u32,
    disks: BTreeMap<ZooKeeperId, SharedDisk>,
    programs: BTreeMap<u32, Program>,
    /// Who serves each open connection.
    connections: BTreeMap<ConnectionId, NodeId>,
    cut: BTreeSet<NodeId>,
    /// What a cut holds back: TCP sends it again.
    held: Vec<(NodeId, ConnectionId, Packet)>,
    events: Vec<(ZooKeeperId, Event)>,
}

fn server(id: i32) -> NodeId {
    NodeId::ZooKeeper(ZooKeeperId(id))
}

fn program(id: u32) -> NodeId {
    NodeId::Client(crate::id::ClientId(id))
}

impl Zoo {
    /// So many servers, all started, with a leader.
    fn new(servers: i32) -> Self {
        Self::with(servers, ZooKeeperConfig::default())
    }

    fn with(servers: i32, config: ZooKeeperConfig) -> Self {
        let mut zoo = Self {
            now: Timestamp::ZERO,
            order: 0,
            queue: BTreeMap::new(),
            ensemble: (1..=servers).map(ZooKeeperId).collect(),
            config,
            servers: BTreeMap::new(),
            starts: 0,
            disks: BTreeMap::new(),
            programs: BTreeMap::new(),
            connections: BTreeMap::new(),
            cut: BTreeSet::new(),
            held: Vec::new(),
            events: Vec::new(),
        };
        for id in 1..=servers {
            zoo.start(id);
        }
        zoo.until("somebody leads", |zoo| zoo.leader().is_some());
        zoo
    }

    fn start(&mut self, id: i32) {
        let id = ZooKeeperId(id);
        let start = ServerStart {
            id,
            incarnation: Incarnation(self.starts),
            config: self.config.clone(),
            ensemble: self.ensemble.clone(),
            random: Random::stream(1, &format!("z{id} {}", self.starts)),
        };
        self.starts += 1;
        let disk = self.disks.entry(id).or_default().clone();
        let mut out = Effects::new();
        let machine = Server::start(start, Box::new(disk), self.clock(), &mut out).unwrap();
        self.servers.insert(id, machine);
        self.carry_out(NodeId::ZooKeeper(id), &mut out);
    }

    /// Ends a server's process; with `power`, what it has not flushed is gone.
    fn stop(&mut self, id: i32, power: bool) {
        self.servers.remove(&ZooKeeperId(id));
        if power {
            let disk = &self.disks[&ZooKeeperId(id)];
            disk.0.borrow_mut().power_loss();
        }
        let node = server(id);
        let ended = self.connections.iter();
        let ended = ended.filter(|(connection, to)| connection.client == node || **to == node);
        let ended: Vec<(ConnectionId, NodeId)> = ended.map(|(c, to)| (*c, *to)).collect();
        for (connection, to) in ended {
            self.connections.remove(&connection);
            if to == node {
                self.post(connection.client, connection, Packet::End);
            }
        }
    }

    fn connect(&mut self, id: u32) {
        let random = Random::stream(1, &format!("k{id}"));
        let program = Program {
            client: Client::new(self.ensemble.clone(), TIMEOUT, &random),
            connector: Connector::new(program(id), Incarnation(0), Connector::SETUP, &random),
            told: Vec::new(),
        };
        self.programs.insert(id, program);
        self.until("the client is connected", |zoo| {
            zoo.programs[&id].client.is_connected()
        });
    }

    fn submit(&mut self, id: u32, tag: u32, operation: Operation) {
        let mut out = Effects::new();
        let now = self.now;
        let p = self.programs.get_mut(&id).unwrap();
        p.client
            .submit(now, &mut p.connector, operation, tag, &mut out);
        self.carry_out(program(id), &mut out);
    }

    /// Submits an operation and waits for its answer.
    fn ask(&mut self, id: u32, operation: Operation) -> Result<Answer, Refusal> {
        let tag = 1_000_000 + u32::try_from(self.order).unwrap();
        self.submit(id, tag, operation);
        let mut answer = None;
        self.until("an answer", |zoo| {
            let told = &zoo.programs[&id].told;
            answer = told.iter().find_map(|notice| match notice {
                Notice::Answered { tag: of, result } if *of == tag => Some(result.clone()),
                _ => None,
            });
            answer.is_some()
        });
        answer.unwrap()
    }

    fn clock(&self) -> Now {
        Now {
            monotonic: self.now,
            wall: WallClock(i64::try_from(self.now.as_millis()).unwrap()),
        }
    }

    fn post(&mut self, to: NodeId, connection: ConnectionId, packet: Packet) {
        self.order += 1;
        let key = (self.now + LATENCY, self.order);
        self.queue.insert(key, (to, connection, packet));
    }

    fn runs(&self, node: NodeId) -> bool {
        match node {
            NodeId::ZooKeeper(id) => self.servers.contains_key(&id),
            NodeId::Client(id) => self.programs.contains_key(&id.0),
            _ => false,
        }
    }

    fn open(&mut self, connection: ConnectionId, to: NodeId) {
        if !self.connections.contains_key(&connection) {
            if !self.runs(to) {
                return self.post(connection.client, connection, Packet::End);
            }
            self.connections.insert(connection, to);
            self.post(connection.client, connection, Packet::Connected);
        }
    }

    fn carry_out(&mut self, node: NodeId, out: &mut Effects) {
        for effect in out.drain() {
            match effect {
                Effect::Connect { connection, to } => self.open(connection, to),
                Effect::Send {
                    connection,
                    to,
                    correlation,
                    request,
                } => {
                    self.open(connection, to);
                    if self.connections.contains_key(&connection) {
                        self.post(to, connection, Packet::Request(correlation, request));
                    }
                }
                Effect::Respond {
                    connection,
                    correlation,
                    response,
                } => {
                    if self.connections.get(&connection) == Some(&node) {
                        let packet = Packet::Response(correlation, response);
                        self.post(connection.client, connection, packet);
                    }
                }
                Effect::Close { connection } => {
                    if connection.client == node {
                        self.connections.remove(&connection);
                    } else if self.connections.contains_key(&connection) {
                        // What was sent before it arrives first.
                        self.post(connection.client, connection, Packet::End);
                    }
                }
                Effect::Observe(event) => {
                    if let NodeId::ZooKeeper(id) = node {
                        self.events.push((id, event));
                    }
                }
                Effect::Unanswered { .. } => {}
                Effect::Exit => self.stop_node(node),
            }
        }
    }

    fn stop_node(&mut self, node: NodeId) {
        if let NodeId::ZooKeeper(id) = node {
            self.stop(id.0, false);
        }
    }

    /// Lets the next thing happen.
    fn step(&mut self) {
        let packet = self.queue.keys().next().map(|(at, _)| *at);
        let timers = self.servers.iter();
        let timers =
            timers.filter_map(|(id, s)| Some((s.next_deadline()?, NodeId::ZooKeeper(*id))));
        let programs = self.programs.iter();
        let programs = programs.filter_map(|(id, p)| Some((p.client.deadline()?, program(*id))));
        let timer = timers.chain(programs).min();
        match (packet, timer) {
            (Some(at), timer) if timer.is_none_or(|(due, _)| at <= due) => self.deliver(),
            (_, Some((at, node))) => {
                self.now = self.now.max(at);
                self.input(node, Input::Timer(Lane::Main));
            }
            (_, None) => panic!("nothing is left to happen"),
        }
    }

    fn deliver(&mut self) {
        let ((at, _), (to, connection, packet)) = self.queue.pop_first().unwrap();
        self.now = self.now.max(at);
        let far = match self.connections.get(&connection) {
            Some(server) if *server == to => connection.client,
            Some(server) => *server,
            None => connection.client,
        };
        let cut = self.cut.contains(&to) != self.cut.contains(&far);
        let open = self.connections.contains_key(&connection);
        let ends = matches!(packet, Packet::End);
        if cut || self.held.iter().any(|(_, other, _)| *other == connection) {
            return self.held.push((to, connection, packet));
        }
        if !self.runs(to) || (!open && !ends) {
            return;
        }
        let input = match packet {
            Packet::Request(correlation, request) => Input::Request {
                connection,
                correlation,
                request,
            },
            Packet::Response(correlation, response) => Input::Response {
                connection,
                correlation,
                response,
            },
            Packet::Connected => Input::Connected { connection },
            Packet::End => {
                self.connections.remove(&connection);
                Input::Disconnected { connection }
            }
        };
        self.input(to, input);
    }

    fn input(&mut self, node: NodeId, input: Input) {
        let now = self.clock();
        let mut out = Effects::new();
        match node {
            NodeId::ZooKeeper(id) => {
                if let Some(server) = self.servers.get_mut(&id) {
                    server.handle(now, input, &mut out);
                }
            }
            NodeId::Client(id) => {
                let p = self.programs.get_mut(&id.0).unwrap();
                p.input(now.monotonic, input, &mut out);
            }
            _ => {}
        }
        self.carry_out(node, &mut out);
    }

    /// Mends all links: what was held back arrives, before anything else.
    fn heal(&mut self) {
        self.cut.clear();
        for (to, connection, packet) in std::mem::take(&mut self.held) {
            self.order += 1;
            let key = (self.now, self.order);
            self.queue.insert(key, (to, connection, packet));
        }
    }

    fn until(&mut self, what: &str, mut holds: impl FnMut(&mut Self) -> bool) {
        for _ in 0..200_000 {
            if holds(self) {
                return;
            }
            self.step();
        }
        panic!("it never came true that {what}");
    }

    fn run(&mut self, duration: Duration) {
        let until = self.now + duration;
        while self.now < until {
            self.step();
        }
    }

    fn leader(&self) -> Option<i32> {
        let leading = self.servers.iter().find(|(_, s)| match s.snapshot() {
            Snapshot::ZooKeeper(snapshot) => snapshot.leads,
            _ => false,
        });
        leading.map(|(id, _)| id.0)
    }

    fn tree(&self, id: i32) -> &Tree {
        self.servers[&ZooKeeperId(id)].database.tree()
    }

    fn events_of(&self, id: u32) -> Vec<(Happened, &str)> {
        let told = self.programs[&id].told.iter();
        told.filter_map(|notice| match notice {
            Notice::Event { happened, path } => Some((*happened, path.as_str())),
            _ => None,
        })
        .collect()
    }
}

impl Program {
    fn input(&mut self, now: Timestamp, input: Input, out: &mut Effects) {
        let (client, connector) = (&mut self.client, &mut self.connector);
        let notices = match input {
            Input::Response {
                connection,
                correlation,
                response,
            } => {
                let Response::ZooKeeper(response) = *response else {
                    panic!("not of ZooKeeper: {response:?}");
                };
                client.response(now, (connection, correlation), response, connector, out)
            }
            Input::Connected { connection } => {
                client.connected(connection);
                Vec::new()
            }
            Input::Disconnected { connection } => client.disconnected(now, connection),
            _ => client.timer(now, connector, out),
        };
        self.told.extend(notices);
    }
}

fn create(path: &str, data: &str) -> Change {
    Change::Create {
        path: path.to_owned(),
        data: Bytes::copy_from_slice(data.as_bytes()),
        ephemeral: false,
        sequential: false,
    }
}

fn ephemeral(path: &str) -> Change {
    Change::Create {
        path: path.to_owned(),
        data: Bytes::new(),
        ephemeral: true,
        sequential: false,
    }
}

fn set(path: &str, data: &str, version: Option<i32>) -> Change {
    Change::SetData {
        path: path.to_owned(),
        data: Bytes::copy_from_slice(data.as_bytes()),
        version,
    }
}

fn delete(path: &str) -> Change {
    Change::Delete {
        path: path.to_owned(),
        version: None,
    }
}

fn change(change: Change) -> Operation {
    Operation::Change(change)
}
