//! A toy machine whose requests carry a number that says what to do with it, and a director that orders
//! at given times.
//!
//! | number | what the server does |
//! |---|---|
//! | 1000 to 1999 | appends 100 bytes and flushes |
//! | 2000 to 2999 | appends 100 bytes |
//! | 3000 to 3999 | appends 100 bytes, flushes them and the file's name |
//! | 9000 to 9999 | sets its timer to so many ms (minus 9000) after the start |
//! | 500 to 599 | works in the scheduler's lane |
//! | 666 | panics |
//! | 777 | wants waking in the past, for ever |

use crate::history::{EndReason, Entry};
use crate::plan::NetworkPlan;
use crate::world::{Birth, Director, Factory, Finished, Order, WorldConfig, run_with_madsim_seed};
use bytes::Bytes;
use ktrial_core::message::BrokerRegistrationResponse;
use ktrial_core::message::{BrokerHeartbeatRequest, Request, Response};
use ktrial_core::snapshot::{ClientSnapshot, Snapshot};
use ktrial_core::{
    BrokerEpoch, BrokerId, ClientId, Command, ConnectionId, CorrelationId, Effect, Effects,
    ErrorCode, Incarnation, Input, Lane, Machine, NodeId, Now, OperationId, ReplyTo, Storage,
    Timestamp,
};
use std::sync::{Arc, Mutex};

type Log = Arc<Mutex<Vec<String>>>;

/// What the machines sent and got.
#[derive(Default)]
pub(super) struct Traffic {
    /// How many requests and responses they gave out.
    pub(super) sent: u64,
    /// Requests and responses (true) that they got: on which connection, with which number.
    pub(super) got: Vec<(ConnectionId, bool, i64)>,
}

struct Toy {
    node: NodeId,
    incarnation: Incarnation,
    disk: Option<crate::disk::Disk>,
    log: Log,
    traffic: Arc<Mutex<Traffic>>,
    timer: Option<Timestamp>,
}

impl Toy {
    fn note(&self, now: Now, what: &str) {
        let line = format!("{} {} {what}", now.monotonic.0, self.node);
        self.log.lock().unwrap().push(line);
    }

    fn connection(&self, number: i32) -> ConnectionId {
        ConnectionId {
            client: self.node,
            incarnation: self.incarnation,
            number: u32::try_from(number).unwrap(),
        }
    }

    fn command(&mut self, command: Command, out: &mut Effects) {
        let Command::Send {
            operation,
            topic,
            partition,
            value,
            ..
        } = command
        else {
            out.push(Effect::Exit);
            return;
        };
        let connection = self.connection(partition.unwrap());
        if &value[..] == b"close" {
            out.push(Effect::Close { connection });
            return;
        }
        self.traffic.lock().unwrap().sent += 1;
        out.push(Effect::Send {
            connection,
            to: topic.parse().unwrap(),
            correlation: CorrelationId(0),
            request: Box::new(Request::BrokerHeartbeat(BrokerHeartbeatRequest {
                broker: BrokerId(1),
                broker_epoch: BrokerEpoch(i64::try_from(operation.0).unwrap()),
                current_metadata_offset: None,
                want_fence: false,
                want_shutdown: false,
                offline_log_dirs: Vec::new(),
            })),
        });
    }

    fn got(&self, connection: ConnectionId, response: bool, tag: i64) {
        let mut traffic = self.traffic.lock().unwrap();
        traffic.got.push((connection, response, tag));
    }

    fn request(&mut self, now: Now, tag: i64) {
        self.note(now, &format!("got {tag}"));
        match tag {
            666 => panic!("666 is not a number for a toy"),
            777 => self.timer = Some(Timestamp::ZERO),
            1_000..4_000 => {
                let disk = self.disk.as_mut().unwrap();
                disk.append("data/toy", &[1; 100]).unwrap();
                if !(2_000..3_000).contains(&tag) {
                    disk.flush("data/toy").unwrap();
                }
                if tag >= 3_000 {
                    disk.flush_directory("data").unwrap();
                }
            }
            9_000..10_000 => {
                let ms = u64::try_from(tag - 9_000).unwrap();
                self.timer = Some(Timestamp::from_millis(ms));
            }
            _ => {}
        }
    }
}

fn tag_of(input: &Input) -> i64 {
    let Input::Request { request, .. } = input else {
        return 0;
    };
    match &**request {
        Request::BrokerHeartbeat(request) => request.broker_epoch.0,
        _ => 0,
    }
}

impl Machine for Toy {
    fn handle(&mut self, now: Now, input: Input, out: &mut Effects) {
        let tag = tag_of(&input);
        match input {
            Input::Request {
                connection,
                correlation,
                ..
            } => {
                self.got(connection, false, tag);
                self.request(now, tag);
                let to = ReplyTo {
                    connection,
                    correlation,
                };
                let response = BrokerRegistrationResponse {
                    error: ErrorCode::None,
                    broker_epoch: Some(BrokerEpoch(tag)),
                };
                self.traffic.lock().unwrap().sent += 1;
                out.respond(to, Response::BrokerRegistration(response));
            }
            Input::Response {
                connection,
                response,
                ..
            } => {
                let Response::BrokerRegistration(response) = *response else {
                    panic!("a toy says nothing else: {response:?}");
                };
                let tag = response.broker_epoch.unwrap();
                self.got(connection, true, tag.0);
                self.note(now, &format!("answer {tag}"));
            }
            Input::Disconnected { connection } => {
                self.note(now, &format!("lost {}", connection.number));
            }
            Input::Timer(_) => {
                if self.timer != Some(Timestamp::ZERO) {
                    assert_eq!(Some(now.monotonic), self.timer.take());
                    self.note(now, "timer");
                }
            }
            Input::Command(command) => self.command(command, out),
            Input::Connected { .. } => {}
        }
    }

    fn moved_deadlines(&mut self, visit: &mut dyn FnMut(Lane, Option<Timestamp>)) {
        visit(Lane::Scheduler, self.timer);
    }

    fn deadlines(&self, visit: &mut dyn FnMut(Lane, Timestamp)) {
        if let Some(timer) = self.timer {
            visit(Lane::Scheduler, timer);
        }
    }

    fn lane(&self, input: &Input) -> Lane {
        match (input, tag_of(input)) {
            (_, 500..600) | (Input::Timer(_), _) => Lane::Scheduler,
            (Input::Request { .. }, _) => Lane::RequestHandler,
            _ => Lane::Main,
        }
    }

    fn slots(&self, lane: Lane) -> usize {
        if lane == Lane::RequestHandler { 2 } else { 1 }
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot::Client(ClientSnapshot::default())
    }
}

/// Orders at given times.
struct Timetable {
    orders: Vec<(Timestamp, Order)>,
    begun: bool,
}

impl Director for Timetable {
    fn observe(&mut self, _entry: &Entry) {}

    fn is_due(&self) -> bool {
        false
    }

    fn act(&mut self, now: Timestamp, orders: &mut Vec<Order>) {
        if !self.begun {
            self.begun = true;
            orders.extend([b(1), b(2), k(0), k(1)].map(Order::Start));
            orders.extend(self.orders.iter().map(|(at, _)| Order::WakeAt(*at)));
        }
        self.orders.retain(|(at, order)| {
            let due = *at <= now;
            if due {
                orders.push(order.clone());
            }
            !due
        });
    }
}

/// A world to be run: two brokers, two clients, a millisecond each way.
pub(super) struct Play {
    config: WorldConfig,
    madsim_seed: u64,
    orders: Vec<(Timestamp, Order)>,
    pub(super) traffic: Arc<Mutex<Traffic>>,
}

impl Play {
    pub(super) fn new() -> Self {
        Self {
            config: WorldConfig {
                seed: 1,
                nodes: vec![k(1), k(0), b(2), b(1)],
                network: NetworkPlan {
                    latency_min_us: 1_000,
                    latency_max_us: 1_000,
                    ..NetworkPlan::default()
                },
                ..WorldConfig::default()
            },
            madsim_seed: 0,
            orders: Vec::new(),
            traffic: Arc::default(),
        }
    }

    pub(super) fn seed(mut self, seed: u64) -> Self {
        self.config.seed = seed;
        self
    }

    pub(super) fn madsim(mut self, seed: u64) -> Self {
        self.madsim_seed = seed;
        self
    }

    pub(super) fn messages(mut self) -> Self {
        self.config.record_messages = true;
        self
    }

    pub(super) fn network(mut self, network: NetworkPlan) -> Self {
        self.config.network = network;
        self
    }

    /// Orders something at so many milliseconds.
    pub(super) fn at(self, ms: u64, order: Order) -> Self {
        self.at_us(ms * 1_000, order)
    }

    pub(super) fn at_us(mut self, us: u64, order: Order) -> Self {
        self.orders.push((Timestamp(us), order));
        self
    }

    /// What the machines saw, and the world at its end, 10 s after the start.
    pub(super) fn run(self) -> (Vec<String>, Finished) {
        let log = Log::default();
        let seen = Arc::clone(&log);
        let this = self.at(10_000, Order::End(EndReason::TimeLimit));
        let thread = std::thread::spawn(move || {
            crate::host::panic::silence();
            let factory: Factory = Arc::new(move |birth: Birth, _: &mut Effects| {
                Ok(Box::new(Toy {
                    node: birth.node,
                    incarnation: birth.incarnation,
                    disk: birth.disk,
                    log: Arc::clone(&log),
                    traffic: Arc::clone(&this.traffic),
                    timer: None,
                }) as Box<dyn Machine>)
            });
            let director = Timetable {
                orders: this.orders,
                begun: false,
            };
            run_with_madsim_seed(&this.config, &factory, Box::new(director), this.madsim_seed)
        });
        let finished = thread.join().unwrap();
        let log = seen.lock().unwrap().clone();
        (log, finished)
    }
}

pub(super) fn b(id: i32) -> NodeId {
    NodeId::Broker(BrokerId(id))
}

pub(super) fn k(id: u32) -> NodeId {
    NodeId::Client(ClientId(id))
}

/// Client `client` sends a number to broker 1 on its first connection.
pub(super) fn send(client: u32, tag: i64) -> Order {
    send_on(client, 0, tag)
}

pub(super) fn send_on(client: u32, connection: u32, tag: i64) -> Order {
    command(client, connection, u64::try_from(tag).unwrap(), "send")
}

/// Client `client` closes a connection.
pub(super) fn close(client: u32, connection: u32) -> Order {
    command(client, connection, 0, "close")
}

fn command(client: u32, connection: u32, tag: u64, what: &'static str) -> Order {
    let command = Command::Send {
        operation: OperationId(tag),
        topic: "b1".into(),
        partition: Some(i32::try_from(connection).unwrap()),
        key: None,
        value: Bytes::from_static(what.as_bytes()),
    };
    Order::Command(k(client), command)
}
