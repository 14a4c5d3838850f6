//! Toy machines on the real world: order, faults of the network, processes, lanes, timers.

mod any;
mod links;
mod toy;

use super::{Finished, Order, Outcome};
use crate::history::{EndReason, Message, What, Why};
use crate::plan::{Latency, LinkFault, NetworkPlan, StopKind};
use ktrial_core::message::Api;
use ktrial_core::{Command, NodeId, Timestamp};
use toy::{Play, b, close, k, send, send_on};

const MS: u64 = 1_000;

fn drops(finished: &Finished) -> Vec<(u64, Why)> {
    let dropped = |what: &What| match what {
        What::Dropped { why, .. } => Some(*why),
        _ => None,
    };
    let entries = finished.entries.iter();
    entries
        .filter_map(|entry| dropped(&entry.what).map(|why| (entry.at.0, why)))
        .collect()
}

fn effects(finished: &Finished) -> Vec<(usize, u64)> {
    let effect = |what: &What| match what {
        What::FaultEffect { step, touched, .. } => Some((*step, *touched)),
        _ => None,
    };
    finished
        .entries
        .iter()
        .filter_map(|entry| effect(&entry.what))
        .collect()
}

fn cut(one_way: bool) -> Order {
    Order::Link {
        step: 3,
        from: vec![k(0)],
        to: vec![b(1)],
        one_way,
        api: Vec::new(),
        fault: LinkFault::Cut,
    }
}

#[test]
fn the_first_request_waits_for_the_handshake() {
    let (log, _) = Play::new().at(10, send(0, 1)).at(20, send(0, 2)).run();
    // A millisecond each way: a round trip for the handshake, then the request.
    assert_eq!(
        log,
        [
            "13000 b1 got 1",
            "14000 k0 answer 1",
            "21000 b1 got 2",
            "22000 k0 answer 2"
        ]
    );
}

#[test]
fn one_connection_keeps_order_and_two_overtake() {
    let mut overtaken = 0;
    for seed in 0..20 {
        let mut play = Play::new().seed(seed).network(NetworkPlan {
            latency_min_us: 100,
            latency_max_us: 5_000,
            ..NetworkPlan::default()
        });
        for tag in 1..=20 {
            play = play.at(100, send_on(0, 0, tag));
        }
        play = play.at(200, send_on(0, 1, 30)).at(200, send_on(0, 2, 31));
        let (log, _) = play.run();
        let got = |prefix: &str| -> Vec<i64> {
            let of = |line: &String| line.split_once(prefix).map(|(_, tag)| tag.parse().unwrap());
            log.iter().filter_map(of).collect()
        };
        let order: Vec<i64> = got("b1 got ").into_iter().filter(|t| *t <= 20).collect();
        assert_eq!(order, (1..=20).collect::<Vec<_>>());
        let position = |tag| got("b1 got ").iter().position(|t| *t == tag);
        overtaken += usize::from(position(31) < position(30));
    }
    assert!((1..20).contains(&overtaken), "{overtaken}");
}

#[test]
fn a_process_that_is_down_refuses() {
    let play = Play::new().at(5, Order::Stop(b(1), StopKind::Kill));
    let (log, finished) = play.at(10, send(0, 1)).run();
    assert_eq!(log, ["12000 k0 lost 0"]);
    assert_eq!(drops(&finished), [(12 * MS, Why::ReceiverDown)]);
}

#[test]
fn a_machine_without_power_is_silent_until_it_is_back() {
    let play = Play::new()
        .at(10, send_on(0, 0, 1))
        .at(20, Order::Stop(b(1), StopKind::PowerLoss))
        .at(30, send_on(0, 0, 2))
        .at(31, send_on(0, 1, 3))
        .at(1_000, Order::Record(What::StepsDone))
        .at(2_000, Order::Start(b(1)));
    let (log, finished) = play.run();
    assert_eq!(log[..2], ["13000 b1 got 1", "14000 k0 answer 1"]);
    // The old connection is reset, the new one succeeds; both up to 200 ms after the return.
    let rest: Vec<&str> = log[2..]
        .iter()
        .map(|l| l.split_once(' ').unwrap().1)
        .collect();
    assert_eq!(rest.len(), 3, "{log:?}");
    for line in ["k0 lost 0", "b1 got 3", "k0 answer 3"] {
        assert!(rest.contains(&line), "{log:?}");
    }
    let times = log[2..].iter().map(|l| l.split_once(' ').unwrap().0);
    for time in times {
        let time: u64 = time.parse().unwrap();
        assert!((2_000 * MS..2_205 * MS).contains(&time), "{log:?}");
    }
    let dropped = drops(&finished);
    assert_eq!(dropped.len(), 1);
    assert_eq!(dropped[0].1, Why::ConnectionClosed);
}

#[test]
fn a_killed_process_resets_and_a_power_loss_does_not() {
    let play = |how| {
        let play = Play::new()
            .at(10, send(0, 1))
            .at(20, Order::Stop(b(1), how));
        play.run().0
    };
    let mut expected = vec!["13000 b1 got 1", "14000 k0 answer 1"];
    assert_eq!(play(StopKind::PowerLoss), expected);
    expected.push("21000 k0 lost 0");
    assert_eq!(play(StopKind::Kill), expected);
}

#[test]
fn after_a_close_what_is_under_way_still_arrives() {
    let play = Play::new().at(10, send(0, 1)).at(20, send(0, 2));
    let (log, finished) = play.at(20, close(0, 0)).run();
    assert_eq!(
        log,
        ["13000 b1 got 1", "14000 k0 answer 1", "21000 b1 got 2"]
    );
    assert_eq!(drops(&finished), [(22 * MS, Why::ConnectionClosed)]);
}

#[test]
fn a_cut_link_holds_messages_until_it_is_healed() {
    let play = Play::new()
        .at(10, send(0, 1))
        .at(20, cut(false))
        .at(30, send(0, 2))
        .at(31, send(0, 3))
        .at(500, Order::Heal)
        .at(500, send(0, 4));
    let (log, finished) = play.run();
    let tags: Vec<&str> = log[2..]
        .iter()
        .filter_map(|line| line.split_once("b1 got "))
        .map(|(_, tag)| tag)
        .collect();
    assert_eq!(tags, ["2", "3", "4"]);
    let first: u64 = log[2].split_once(' ').unwrap().0.parse().unwrap();
    assert!((501 * MS..=701 * MS).contains(&first), "{log:?}");
    assert_eq!(effects(&finished), [(3, 2)]);
    assert!(drops(&finished).is_empty());
}

#[test]
fn a_cut_stops_what_is_under_way_and_lasts_to_the_end() {
    let play = Play::new().at(10, send(0, 1)).at(20, send(0, 2));
    let (log, finished) = play.at_us(20_500, cut(false)).run();
    assert_eq!(log.len(), 2);
    assert_eq!(drops(&finished).len(), 1);
    assert_eq!(drops(&finished)[0].1, Why::Cut);
}

#[test]
fn a_one_way_cut_lets_the_other_direction_pass() {
    let play = Play::new().at(10, send(0, 1)).at(20, send(0, 2));
    // The request is there; its answer passes.
    let (log, _) = play.at_us(21_500, cut(true)).at(30, send(0, 3)).run();
    assert_eq!(log.len(), 4, "{log:?}");
    assert_eq!(log[3], "22000 k0 answer 2");
}

#[test]
fn held_messages_go_with_the_power_of_their_sender_but_not_with_its_process() {
    let play = |how| {
        Play::new()
            .at(10, send(0, 1))
            .at(20, cut(false))
            .at(30, send(0, 2))
            .at(40, Order::Stop(k(0), how))
            .at(50, Order::Heal)
            .run()
    };
    let (log, finished) = play(StopKind::PowerLoss);
    assert_eq!(log.len(), 2);
    assert_eq!(drops(&finished), [(40 * MS, Why::SenderStopped)]);
    let (log, _) = play(StopKind::Kill);
    assert!(log[2].ends_with("b1 got 2"), "{log:?}");
}

#[test]
fn a_delay_makes_one_direction_slow() {
    let delay = Order::Link {
        step: 7,
        from: vec![k(0)],
        to: vec![b(1)],
        one_way: true,
        api: Vec::new(),
        fault: LinkFault::Delay(Latency::Fixed { us: 50_000 }),
    };
    let play = Play::new()
        .at(10, send(0, 1))
        .at(20, delay)
        .at(30, send(0, 2));
    let (log, finished) = play.at(90, Order::Heal).at(100, send(0, 3)).run();
    assert_eq!(log[2..4], ["81000 b1 got 2", "82000 k0 answer 2"]);
    assert_eq!(log[4], "101000 b1 got 3");
    assert_eq!(effects(&finished), [(7, 1)]);
}

/// Requests of the toy are heartbeats, its answers those of registrations.
#[test]
fn a_delay_may_be_of_one_api_only() {
    let delay = |step, api| Order::Link {
        step,
        from: vec![k(0), b(1)],
        to: vec![b(1), k(0)],
        one_way: true,
        api: vec![api],
        fault: LinkFault::Delay(Latency::Fixed { us: 50_000 }),
    };
    let play = Play::new()
        .at(10, delay(7, Api::BrokerHeartbeat))
        .at(10, delay(8, Api::AlterPartition))
        .at(20, send(0, 1));
    let (log, finished) = play.run();
    assert_eq!(log, ["73000 b1 got 1", "74000 k0 answer 1"]);
    assert_eq!(effects(&finished), [(7, 1), (8, 0)]);
}

/// What comes behind a message that is held back waits for it, of whatever API it is.
#[test]
fn a_cut_of_one_api_holds_its_connection() {
    let cut = Order::Link {
        step: 3,
        from: vec![b(1)],
        to: vec![k(0)],
        one_way: true,
        api: vec![Api::BrokerRegistration],
        fault: LinkFault::Cut,
    };
    let play = Play::new().at(10, cut).at(20, send(0, 1));
    let (log, finished) = play.at(30, send(0, 2)).run();
    assert_eq!(log, ["23000 b1 got 1", "31000 b1 got 2"]);
    assert_eq!(effects(&finished), [(3, 2)]);
}

#[test]
fn a_paused_process_answers_when_it_goes_on() {
    let play = Play::new()
        .at(10, Order::Pause(4, b(1)))
        .at(20, send(0, 1))
        .at(21, send(0, 2))
        .at(100, Order::Resume(b(1)));
    let (log, finished) = play.run();
    assert_eq!(
        log,
        [
            "100000 b1 got 1",
            "100000 b1 got 2",
            "101000 k0 answer 1",
            "101000 k0 answer 2"
        ]
    );
    assert_eq!(effects(&finished), [(4, 2)]);
}

#[test]
fn a_paused_process_that_is_killed_gets_nothing() {
    let play = Play::new()
        .at(10, Order::Pause(4, b(1)))
        .at(20, send(0, 1))
        .at(100, Order::Stop(b(1), StopKind::Kill))
        .at(200, Order::Start(b(1)))
        .at(300, send_on(0, 1, 2));
    let (log, finished) = play.run();
    assert_eq!(
        log,
        ["101000 k0 lost 0", "303000 b1 got 2", "304000 k0 answer 2"]
    );
    assert_eq!(drops(&finished), [(100 * MS, Why::ReceiverDown)]);
}

#[test]
fn what_a_kernel_has_no_later_cut_holds_back() {
    let play = Play::new()
        .at(10, send(0, 1))
        .at(20, Order::Pause(4, b(1)))
        .at(30, send(0, 2))
        .at(40, cut(true))
        .at(50, Order::Resume(b(1)));
    let (log, finished) = play.run();
    assert_eq!(log[2..], ["50000 b1 got 2", "51000 k0 answer 2"]);
    assert_eq!(effects(&finished), [(4, 1), (3, 0)]);
}

#[test]
fn what_a_kernel_has_goes_with_the_power() {
    let play = Play::new()
        .at(10, send(0, 1))
        .at(20, Order::Pause(4, b(1)))
        .at(30, send(0, 2))
        .at(40, Order::Stop(b(1), StopKind::PowerLoss))
        .at(50, Order::Start(b(1)))
        .at(60, send(0, 3));
    let (log, finished) = play.run();
    assert_eq!(log[2..], ["62000 k0 lost 0"]);
    let expected = [
        (40 * MS, Why::ReceiverDown),
        (61 * MS, Why::ConnectionClosed),
    ];
    assert_eq!(drops(&finished), expected);
}

/// The answer that the server's machine forgot with its power must not swallow the reset after it.
#[test]
fn a_reset_does_not_wait_for_bytes_that_are_gone() {
    let deaf = Order::Link {
        step: 3,
        from: vec![b(1)],
        to: vec![k(0)],
        one_way: true,
        api: Vec::new(),
        fault: LinkFault::Cut,
    };
    let play = Play::new()
        .at(10, send(0, 1))
        .at(20, deaf)
        .at(30, send(0, 2))
        .at(40, Order::Stop(b(1), StopKind::PowerLoss))
        .at(50, Order::Heal)
        .at(60, Order::Start(b(1)))
        .at(70, send(0, 3));
    let (log, finished) = play.run();
    assert_eq!(log[2..], ["31000 b1 got 2", "72000 k0 lost 0"]);
    let expected = [
        (40 * MS, Why::SenderStopped),
        (71 * MS, Why::ConnectionClosed),
    ];
    assert_eq!(drops(&finished), expected);
}

#[test]
fn a_free_slot_does_not_wait_for_a_busy_connection() {
    let play = Play::new()
        .at(10, send_on(0, 0, 1))
        .at(10, send_on(0, 1, 2));
    let play = play.at(20, send_on(0, 0, 1_000)).at(20, send_on(0, 0, 3));
    let (log, _) = play.at(20, send_on(0, 1, 4)).run();
    assert_eq!(
        log[4..],
        [
            "21000 b1 got 1000",
            "21000 b1 got 4",
            "21502 b1 got 3",
            "22000 k0 answer 4",
            "22502 k0 answer 1000",
            "22502 k0 answer 3"
        ]
    );
}

#[test]
fn slow_disk_calls_hold_their_slot_and_no_other_lane() {
    // 1xxx flushes (502 us) in the request handlers, of which there are 2; 5xx is another lane.
    let mut play = Play::new();
    for connection in 0..4 {
        play = play.at(10, send_on(0, connection, connection.into()));
    }
    for connection in 0..3 {
        play = play.at(20, send_on(0, connection, 1_000 + i64::from(connection)));
    }
    let (log, _) = play.at(20, send_on(0, 3, 500)).run();
    assert_eq!(
        log[8..],
        [
            "21000 b1 got 1000",
            "21000 b1 got 1001",
            "21000 b1 got 500",
            // The third waits for a slot: the first's disk time.
            "21502 b1 got 1002",
            "22000 k0 answer 500",
            "22502 k0 answer 1000",
            // The device has one queue: the second flush waits for the first.
            "23002 k0 answer 1001",
            "23502 k0 answer 1002",
        ]
    );
}

#[test]
fn requests_of_one_connection_are_worked_on_one_at_a_time() {
    let play = Play::new().at(10, send(0, 1)).at(20, send(0, 1_000));
    let (log, _) = play.at(20, send(0, 2)).run();
    assert_eq!(
        log[2..],
        [
            "21000 b1 got 1000",
            "21502 b1 got 2",
            "22502 k0 answer 1000",
            "22502 k0 answer 2"
        ]
    );
}

#[test]
fn effects_that_the_disk_holds_back_die_with_the_process() {
    let play = Play::new().at(10, send(0, 1)).at(20, send(0, 1_000));
    let stop = Order::Stop(b(1), StopKind::Kill);
    let (log, finished) = play.at_us(21_100, stop).run();
    assert_eq!(log[2..], ["21000 b1 got 1000", "22100 k0 lost 0"]);
    assert_eq!(drops(&finished), [(21_502, Why::SenderStopped)]);
}

#[test]
fn timers_are_exact() {
    // Tag 9xxx sets the timer to xxx ms after the trial's start.
    let play = Play::new().at(10, send(0, 9_300)).at(20, send(0, 9_100));
    let (log, _) = play.at(150, send(0, 9_200)).run();
    let timers: Vec<&String> = log.iter().filter(|line| line.contains("timer")).collect();
    assert_eq!(timers, ["100000 b1 timer", "200000 b1 timer"]);
}

#[test]
fn a_shutdown_ends_by_the_process_itself() {
    let stop = Order::Stop(b(1), StopKind::Shutdown);
    let (log, finished) = Play::new().at(10, send(0, 1)).at(20, stop).run();
    assert_eq!(log[2..], ["21000 k0 lost 0"]);
    let stopped = finished.entries.iter().any(|entry| {
        entry.what
            == What::ProcessStopped {
                how: Some(StopKind::Shutdown),
                bytes_lost: 0,
            }
    });
    assert!(stopped);
}

#[test]
fn a_start_waits_for_the_shutdown() {
    let stop = Order::Stop(b(1), StopKind::Shutdown);
    let play = Play::new().at(20, stop).at(20, Order::Start(b(1)));
    let (log, _) = play.at(30, send(0, 1)).run();
    assert_eq!(log, ["33000 b1 got 1", "34000 k0 answer 1"]);
}

#[test]
fn what_a_restart_finds_depends_on_the_crash() {
    // 3000 appends and flushes file and name, 2000 only appends.
    let bytes = |how| {
        let play = Play::new().at(10, send(0, 3_000)).at(20, send(0, 2_000));
        let play = play
            .at(30, Order::Stop(b(1), how))
            .at(40, Order::Start(b(1)));
        let (_, finished) = play.run();
        let lost = finished.entries.iter().find_map(|entry| match entry.what {
            What::ProcessStopped { bytes_lost, .. } => Some(bytes_lost),
            _ => None,
        });
        let mut disk = finished.disks[&b(1)].clone();
        let held = ktrial_core::Storage::length(&mut disk, "data/toy").unwrap();
        (lost.unwrap(), held)
    };
    assert_eq!(bytes(StopKind::Kill), (0, 200));
    assert_eq!(bytes(StopKind::PowerLoss), (100, 100));
}

#[test]
fn a_machine_that_loses_power_twice_starts_again() {
    let off = || Order::Stop(b(1), StopKind::PowerLoss);
    let play = Play::new().at(10, Order::Stop(b(1), StopKind::Kill));
    let play = play.at(20, off()).at(30, off()).at(40, Order::Start(b(1)));
    let (log, finished) = play.at(50, send(0, 1)).run();
    assert_eq!(log, ["53000 b1 got 1", "54000 k0 answer 1"]);
    let stops = finished
        .entries
        .iter()
        .filter(|entry| matches!(entry.what, What::ProcessStopped { .. }));
    assert_eq!(stops.count(), 2);
}

#[test]
fn a_panic_is_a_finding() {
    let (_, finished) = Play::new().at(10, send(0, 666)).at(20, send(0, 1)).run();
    assert_eq!(finished.outcome, Outcome::Ended(EndReason::Panicked));
    let panicked = finished.entries.iter().find_map(|entry| match &entry.what {
        What::Panicked { message } => Some((entry.at, entry.node, message.clone())),
        _ => None,
    });
    let (at, node, message) = panicked.unwrap();
    assert_eq!((at, node), (Timestamp(13 * MS), Some(b(1))));
    assert!(message.starts_with("666 is not a number for a toy"));
}

#[test]
fn an_endless_loop_is_told() {
    let (_, finished) = Play::new().at(10, send(0, 777)).run();
    assert_eq!(finished.outcome, Outcome::Ended(EndReason::Panicked));
    let last = &finished.entries[finished.entries.len() - 2];
    assert_eq!((last.at, last.node), (Timestamp(13 * MS), Some(b(1))));
    let What::Panicked { message } = &last.what else {
        panic!("{last:?}");
    };
    assert!(message.starts_with("an endless loop"), "{message}");
}

#[test]
fn commands_to_a_process_that_is_down_are_lost() {
    let stop = Order::Stop(k(0), StopKind::Kill);
    let (log, _) = Play::new().at(10, stop).at(20, send(0, 1)).run();
    assert!(log.is_empty());
    let shutdown = Order::Command(NodeId::Client(ktrial_core::ClientId(9)), Command::Shutdown);
    assert!(Play::new().at(10, shutdown).run().0.is_empty());
}

/// Random latencies, faults, disks: the record does not depend on madsim's seed, nor on the thread.
#[test]
fn the_same_world_gives_the_same_record() {
    let play = |madsim_seed| {
        let mut play = Play::new()
            .seed(5)
            .madsim(madsim_seed)
            .messages()
            .network(NetworkPlan {
                latency_min_us: 50,
                latency_max_us: 900,
                ..NetworkPlan::default()
            });
        for number in 0_u32..200 {
            let at = u64::from(number) * 3;
            let tag = 1 + i64::from(number % 5) * 1_000 % 3_000 + i64::from(number % 7) * 100;
            play = play.at(at, send_on(number % 2, number / 8, tag));
        }
        play.at(100, cut(false))
            .at(130, Order::Pause(1, b(1)))
            .at(180, Order::Heal)
            .at(190, Order::Resume(b(1)))
            .at(200, Order::Stop(b(1), StopKind::PowerLoss))
            .at(250, Order::Start(b(1)))
            .at(300, Order::Stop(b(2), StopKind::Kill))
            .at(301, Order::Start(b(2)))
            .run()
    };
    let (log, finished) = play(1);
    assert!(log.len() > 200);
    for madsim_seed in [1, 2, 3] {
        let (other_log, other) = play(madsim_seed);
        assert_eq!(log, other_log);
        assert_eq!(finished.entries, other.entries);
    }
    let delivered = |what: &What| matches!(what, What::Delivered(Message { .. }));
    assert!(finished.entries.iter().any(|entry| delivered(&entry.what)));
}
