//! Messages per second: our world and madsim's own endpoints, each an echo between two nodes with many
//! messages in flight, in the same run. Run with `cargo bench -p ktrial-sim --bench world`.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark, for people to read"
)]

use ktrial_core::message::{BrokerHeartbeatRequest, BrokerHeartbeatResponse, Request, Response};
use ktrial_core::snapshot::{ClientSnapshot, Snapshot};
use ktrial_core::{
    BrokerEpoch, BrokerId, ClientId, ConnectionId, CorrelationId, Effect, Effects, ErrorCode,
    Incarnation, Input, Lane, Machine, NodeId, Now, ReplyTo, Timestamp,
};
use ktrial_sim::history::{EndReason, Entry};
use ktrial_sim::plan::NetworkPlan;
use ktrial_sim::world::{Director, Factory, Order, WorldConfig, run};
use madsim::net::Endpoint;
use madsim::runtime::Runtime;
use madsim::time::{Duration, sleep};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

const CLIENT: NodeId = NodeId::Client(ClientId(0));
const SERVER: NodeId = NodeId::Client(ClientId(1));
const IN_FLIGHT: u64 = 1_000;
const CONNECTIONS: u32 = 10;

/// Answers heartbeats, or sends one for each that is answered, until enough were sent.
struct Echo {
    left: u64,
    answered: Arc<AtomicU64>,
}

impl Echo {
    fn ask(&mut self, connection: ConnectionId, out: &mut Effects) {
        if self.left == 0 {
            return;
        }
        self.left -= 1;
        out.push(Effect::Send {
            connection,
            to: SERVER,
            correlation: CorrelationId(0),
            request: Box::new(Request::BrokerHeartbeat(BrokerHeartbeatRequest {
                broker: BrokerId(1),
                broker_epoch: BrokerEpoch(1),
                current_metadata_offset: None,
                want_fence: false,
                want_shutdown: false,
                offline_log_dirs: Vec::new(),
            })),
        });
    }
}

impl Machine for Echo {
    fn handle(&mut self, _now: Now, input: Input, out: &mut Effects) {
        match input {
            Input::Request {
                connection,
                correlation,
                ..
            } => out.respond(
                ReplyTo {
                    connection,
                    correlation,
                },
                Response::BrokerHeartbeat(BrokerHeartbeatResponse {
                    error: ErrorCode::None,
                    is_caught_up: true,
                    is_fenced: false,
                    should_shut_down: false,
                }),
            ),
            Input::Response { connection, .. } => {
                self.answered.fetch_add(1, Ordering::Relaxed);
                self.ask(connection, out);
            }
            Input::Connected { .. }
            | Input::Disconnected { .. }
            | Input::Timer(_)
            | Input::Command(_) => {}
        }
    }

    fn deadlines(&self, _visit: &mut dyn FnMut(Lane, Timestamp)) {}

    fn lane(&self, _input: &Input) -> Lane {
        Lane::Main
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot::Client(ClientSnapshot::default())
    }
}

/// Starts both nodes and does nothing more.
struct Starter(bool);

impl Director for Starter {
    fn observe(&mut self, _entry: &Entry) {}

    fn is_due(&self) -> bool {
        false
    }

    fn act(&mut self, _now: Timestamp, orders: &mut Vec<Order>) {
        if std::mem::take(&mut self.0) {
            orders.push(Order::Start(SERVER));
            orders.push(Order::Start(CLIENT));
        } else {
            orders.push(Order::End(EndReason::TimeLimit));
        }
    }
}

/// Messages per second of our world.
fn our_world(requests: u64) -> f64 {
    let answered = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&answered);
    let started = Instant::now();
    std::thread::spawn(move || {
        let config = WorldConfig {
            seed: 1,
            nodes: vec![CLIENT, SERVER],
            network: NetworkPlan::default(),
            ..WorldConfig::default()
        };
        let factory: Factory = Arc::new(move |birth, out| {
            let mut echo = Echo {
                left: requests,
                answered: Arc::clone(&counter),
            };
            if birth.node == CLIENT {
                for number in 0..IN_FLIGHT {
                    let connection = ConnectionId {
                        client: CLIENT,
                        incarnation: Incarnation(0),
                        number: u32::try_from(number).unwrap() % CONNECTIONS,
                    };
                    echo.ask(connection, out);
                }
            }
            Ok(Box::new(echo) as Box<dyn Machine>)
        });
        run(&config, &factory, Box::new(Starter(true)));
    })
    .join()
    .unwrap();
    let messages = 2 * answered.load(Ordering::Relaxed);
    assert_eq!(messages, 2 * requests);
    rate(messages, started)
}

/// Messages per second of madsim's own endpoints.
fn madsim_endpoint(requests: u64) -> f64 {
    let started = Instant::now();
    std::thread::spawn(move || {
        let runtime = Runtime::new();
        let server = runtime
            .create_node()
            .ip("10.0.0.1".parse().unwrap())
            .build();
        let client = runtime
            .create_node()
            .ip("10.0.0.2".parse().unwrap())
            .build();
        server.spawn(async move {
            let endpoint = Endpoint::bind("10.0.0.1:1").await.unwrap();
            let mut buffer = [0; 64];
            loop {
                let (length, from) = endpoint.recv_from(1, &mut buffer).await.unwrap();
                endpoint.send_to(from, 2, &buffer[..length]).await.unwrap();
            }
        });
        let done = client.spawn(async move {
            sleep(Duration::from_secs(1)).await;
            let endpoint = Endpoint::bind("10.0.0.2:1").await.unwrap();
            let mut buffer = [0; 64];
            let mut answered = 0;
            while answered < requests {
                for _ in 0..IN_FLIGHT {
                    endpoint.send_to("10.0.0.1:1", 1, &[0; 40]).await.unwrap();
                }
                for _ in 0..IN_FLIGHT {
                    endpoint.recv_from(2, &mut buffer).await.unwrap();
                    answered += 1;
                }
            }
        });
        runtime.block_on(done).unwrap();
    })
    .join()
    .unwrap();
    rate(2 * requests, started)
}

#[expect(clippy::cast_precision_loss, reason = "a rate, rounded anyway")]
fn rate(messages: u64, started: Instant) -> f64 {
    messages as f64 / started.elapsed().as_secs_f64()
}

fn main() {
    // `cargo test --benches` passes `--test`: then a short run is enough.
    let requests = if std::env::args().any(|argument| argument == "--bench") {
        2_000_000
    } else {
        10_000
    };
    let madsim = madsim_endpoint(requests.min(500_000));
    let best = (0..3).map(|_| our_world(requests)).fold(0.0, f64::max);
    println!("madsim's endpoints   {:>6.2} M messages/s", madsim / 1e6);
    println!("our world            {:>6.2} M messages/s", best / 1e6);
    println!("ratio                {:>6.2}", best / madsim);
}
