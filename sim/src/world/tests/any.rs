//! Any orders at any time: what must hold of every network.

use super::toy::{Play, Traffic, b, close, k, send_on};
use crate::history::{EndReason, Entry, What, Why};
use crate::plan::{ClockFault, DiskFault, Latency, LinkFault, NetworkPlan, StopKind};
use crate::world::{Finished, Order, Outcome};
use ktrial_core::message::Api;
use ktrial_core::{NodeId, Timestamp};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Something that can be ordered.
#[derive(Clone, Debug)]
enum Move {
    Send {
        client: u32,
        connection: u32,
        slow: bool,
    },
    Close {
        client: u32,
        connection: u32,
    },
    Order(Order),
}

fn node() -> impl Strategy<Value = NodeId> {
    prop_oneof![4 => Just(b(1)), 2 => Just(k(0)), 1 => Just(k(1))]
}

/// Anything wrong with the links between a client, or both, and the broker.
fn link_fault() -> impl Strategy<Value = Order> {
    let latency = prop_oneof![
        (0..20_000_u64).prop_map(|us| Latency::Fixed { us }),
        (0..5_000_u64, 0..20_000_u64).prop_map(|(min_us, more)| Latency::Uniform {
            min_us,
            max_us: min_us + more,
        }),
        (0..5_000_u64, 0..20_000_u64)
            .prop_map(|(min_us, mean_us)| Latency::Exponential { min_us, mean_us }),
    ];
    let fault = prop_oneof![
        3 => Just(LinkFault::Cut),
        1 => latency.prop_map(LinkFault::Delay),
        2 => (prop_oneof![Just(1_000), 1..1_000_u32], any::<bool>())
            .prop_map(|(per_mille, reset)| LinkFault::Lose { per_mille, reset }),
        2 => (1..200_u64).prop_map(|bytes_per_ms| LinkFault::Throttle { bytes_per_ms }),
    ];
    let clients = prop_oneof![
        Just(vec![k(0)]),
        Just(vec![k(1)]),
        Just(vec![k(0), k(1), b(2)])
    ];
    let api = prop_oneof![
        2 => Just(Vec::new()),
        1 => Just(vec![Api::BrokerHeartbeat]),
        1 => Just(vec![Api::BrokerRegistration]),
    ];
    (2..6_usize, clients, any::<(bool, bool)>(), api, fault).prop_map(
        |(step, clients, (up, one_way), api, fault)| {
            let (from, to) = if up {
                (clients, vec![b(1)])
            } else {
                (vec![b(1)], clients)
            };
            Order::Link {
                step,
                from,
                to,
                one_way,
                api,
                fault,
            }
        },
    )
}

/// What a toy's disk can do without an error, which the toy does not expect.
fn disk_fault() -> impl Strategy<Value = Order> {
    let fault = prop_oneof![
        (2..50_u32).prop_map(|times| DiskFault::Slow { times }),
        Just(DiskFault::Stall),
        Just(DiskFault::LyingFlush),
        Just(DiskFault::TornWrite),
        Just(DiskFault::Wipe),
    ];
    (2..6_usize, fault, 60_000..200_000_u64).prop_map(|(step, fault, until)| Order::Disk {
        step,
        nodes: vec![b(1)],
        directory: None,
        fault,
        until: Some(Timestamp(until)),
    })
}

fn some_move() -> impl Strategy<Value = Move> {
    let how = prop_oneof![
        Just(StopKind::Kill),
        Just(StopKind::PowerLoss),
        Just(StopKind::Shutdown)
    ];
    let fault = prop_oneof![
        (node(), how).prop_map(|(node, how)| Order::Stop(node, how)),
        node().prop_map(Order::Start),
        node().prop_map(Order::Start),
        node().prop_map(|node| Order::Pause(1, node)),
        node().prop_map(Order::Resume),
        link_fault(),
        link_fault(),
        disk_fault(),
        (2..6_usize, node(), -50..50_i64, -1_000..1_000_i64).prop_map(
            |(step, node, jump_ms, drift_ppm)| Order::Clock {
                step,
                nodes: vec![node],
                fault: ClockFault { jump_ms, drift_ppm },
            }
        ),
        (2..6_usize).prop_map(Order::EndFault),
        (2..6_usize).prop_map(Order::EndFault),
        Just(Order::Heal),
        Just(Order::Recover),
    ];
    prop_oneof![
        6 => (0..2_u32, 0..3_u32, prop::bool::weighted(0.3))
            .prop_map(|(client, connection, slow)| Move::Send { client, connection, slow }),
        1 => (0..2_u32, 0..3_u32)
            .prop_map(|(client, connection)| Move::Close { client, connection }),
        3 => fault.prop_map(Move::Order),
    ]
}

/// Every entry in its order: who runs, and that nobody else gets anything.
fn nobody_dead_gets_anything(entries: &[Entry]) -> BTreeSet<NodeId> {
    let (mut running, mut frozen) = (BTreeSet::new(), BTreeSet::new());
    for entry in entries {
        match (&entry.what, entry.node) {
            (What::ProcessStarted, Some(node)) => assert!(running.insert(node)),
            (What::ProcessStopped { .. }, Some(node)) => {
                running.remove(&node);
                frozen.remove(&node);
            }
            (What::ProcessPaused, Some(node)) => assert!(frozen.insert(node)),
            (What::ProcessResumed, Some(node)) => assert!(frozen.remove(&node)),
            (What::Delivered(message), _) => {
                assert!(running.contains(&message.to), "{entry:?}");
                assert!(!frozen.contains(&message.to), "{entry:?}");
                assert!(message.sent <= entry.at);
            }
            _ => {}
        }
    }
    frozen
}

fn cut_off(entry: &Entry) -> bool {
    matches!(entry.what, What::Dropped { why: Why::Cut, .. })
}

fn ended(finished: &Finished) -> u64 {
    let ends = |entry: &&Entry| matches!(entry.what, What::Delivered(_) | What::Dropped { .. });
    finished.entries.iter().filter(ends).count() as u64 + finished.pending
}

/// What came on each connection came in the order in which it was sent.
fn in_order(traffic: &Traffic) {
    let mut last = BTreeMap::new();
    for (connection, response, tag) in &traffic.got {
        // The number in the sequence of all sends, whatever it asks for.
        let number = tag % 1_000;
        let before = last.insert((*connection, *response), number);
        assert!(before < Some(number), "{number} after {before:?}");
    }
}

fn check(moves: &[(u64, Move)], seed: u64, latency: (u64, u64), bytes_per_ms: Option<u64>) {
    let mut play = Play::new().seed(seed).madsim(seed).messages();
    play = play.network(NetworkPlan {
        latency_min_us: latency.0,
        latency_max_us: latency.0 + latency.1,
        bytes_per_ms,
        ..NetworkPlan::default()
    });
    // Machines carry out orders of one time as they were given.
    let mut moves = moves.to_vec();
    moves.sort_by_key(|(at, _)| *at);
    for (number, (at, wanted)) in (0_i64..).zip(&moves) {
        play = match wanted {
            Move::Send {
                client,
                connection,
                slow,
            } => {
                let tag = if *slow { 1_000 + number } else { number };
                play.at_us(*at, send_on(*client, *connection, tag))
            }
            Move::Close { client, connection } => play.at_us(*at, close(*client, *connection)),
            Move::Order(order) => play.at_us(*at, order.clone()),
        };
    }
    // Whoever is frozen at the end has not sent what its disk holds back; and nothing is cut then.
    play = play.at(5_000, Order::Recover);
    for node in [b(1), k(0), k(1)] {
        play = play.at(5_000, Order::Resume(node));
    }
    let traffic = Arc::clone(&play.traffic);
    let (_, finished) = play.run();
    let traffic = traffic.lock().unwrap();
    assert_eq!(finished.outcome, Outcome::Ended(EndReason::TimeLimit));
    assert!(!finished.entries.iter().any(cut_off));
    assert!(nobody_dead_gets_anything(&finished.entries).is_empty());
    in_order(&traffic);
    assert_eq!(ended(&finished), traffic.sent);
    assert!(finished.entries.is_sorted_by_key(|entry| entry.at));
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// One connection keeps its order, nothing reaches a dead or frozen process, and each message ends
    /// exactly once: delivered, dropped, or under way at the end.
    #[test]
    fn the_network_keeps_its_promises(
        moves in prop::collection::vec((0..60_000_u64, some_move()), 0..60),
        seed in 0..1_000_u64,
        latency in prop_oneof![Just((1_000, 0)), Just((0, 0)), (0..2_000_u64, 0..5_000_u64)],
        bandwidth in prop_oneof![2 => Just(None), 1 => (10..500_u64).prop_map(Some)],
    ) {
        check(&moves, seed, latency, bandwidth);
    }
}

/// Found by the property above.
#[test]
fn a_client_that_starts_again_asks_a_machine_without_power() {
    let send = |connection| Move::Send {
        client: 0,
        connection,
        slow: false,
    };
    let moves = [
        (8_430, send(0)),
        (0, Move::Order(Order::Pause(1, k(1)))),
        (21_172, send(1)),
        (21_173, Move::Order(Order::Stop(k(0), StopKind::PowerLoss))),
        (6_883, send(1)),
        (25_109, Move::Order(Order::Stop(b(1), StopKind::PowerLoss))),
        (25_109, Move::Order(Order::Start(k(0)))),
        (5_608, send(1)),
    ];
    check(&moves, 9, (1_718, 4_731), None);
}
