//! Runs many small worlds one after the other and shows that memory does not grow:
//! `cargo run --release -p ktrial-sim --example memory`.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "an example, for people to read"
)]

use ktrial_core::snapshot::{ClientSnapshot, Snapshot};
use ktrial_core::{BrokerId, Effects, Input, Lane, Machine, NodeId, Now, Timestamp};
use ktrial_sim::history::{EndReason, Entry};
use ktrial_sim::world::{Director, Factory, Order, WorldConfig, run};
use std::sync::Arc;

/// Holds memory, and wakes each 10 ms.
struct Ticker {
    _ballast: Vec<u8>,
    next: Timestamp,
}

impl Machine for Ticker {
    fn handle(&mut self, now: Now, _input: Input, _out: &mut Effects) {
        self.next = now.monotonic + std::time::Duration::from_millis(10);
    }

    fn deadlines(&self, visit: &mut dyn FnMut(Lane, Timestamp)) {
        visit(Lane::Main, self.next);
    }

    fn lane(&self, _input: &Input) -> Lane {
        Lane::Main
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot::Client(ClientSnapshot::default())
    }
}

/// Starts, kills and restarts.
struct Bounce;

impl Director for Bounce {
    fn observe(&mut self, _entry: &Entry) {}

    fn is_due(&self) -> bool {
        false
    }

    fn act(&mut self, now: Timestamp, orders: &mut Vec<Order>) {
        let nodes = (0..3).map(|id| NodeId::Broker(BrokerId(id)));
        match now.as_millis() {
            0 => {
                orders.extend(nodes.map(Order::Start));
                orders.push(Order::WakeAt(Timestamp::from_millis(500)));
                orders.push(Order::WakeAt(Timestamp::from_millis(1_000)));
            }
            500 => {
                let how = ktrial_sim::plan::StopKind::Kill;
                orders.extend(nodes.clone().map(|node| Order::Stop(node, how)));
                orders.extend(nodes.map(Order::Start));
            }
            _ => orders.push(Order::End(EndReason::Settled)),
        }
    }
}

fn trial() {
    let config = WorldConfig {
        nodes: (0..3).map(|id| NodeId::Broker(BrokerId(id))).collect(),
        ..WorldConfig::default()
    };
    let factory: Factory = Arc::new(|birth, _| {
        Ok(Box::new(Ticker {
            _ballast: vec![1; 64 << 10],
            next: birth.now.monotonic,
        }))
    });
    let finished = run(&config, &factory, Box::new(Bounce));
    assert_eq!(finished.entries.len(), 10);
}

/// Resident memory in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.unwrap().parse().unwrap()
}

fn main() {
    for round in 0..=5 {
        println!("after {:>5} trials: {:>6} KiB", round * 1_000, resident());
        let started = std::time::Instant::now();
        for _ in 0..1_000 {
            std::thread::spawn(trial).join().unwrap();
        }
        println!("  {:?} per trial", started.elapsed() / 1_000);
    }
}
