//! Faults of links that begin, end and overlap: cuts, losses, resets, throttles.

use super::toy::{Play, b, k, send, send_on};
use super::{MS, drops, effects};
use crate::history::Why;
use crate::plan::{LinkFault, NetworkPlan, StopKind};
use crate::world::Order;
use ktrial_core::NodeId;
use ktrial_core::message::Api;

/// What is wrong from one node to another.
fn link(step: usize, from: NodeId, to: NodeId, fault: LinkFault) -> Order {
    Order::Link {
        step,
        from: vec![from],
        to: vec![to],
        one_way: true,
        api: Vec::new(),
        fault,
    }
}

fn up(step: usize, fault: LinkFault) -> Order {
    link(step, k(0), b(1), fault)
}

fn down(step: usize, fault: LinkFault) -> Order {
    link(step, b(1), k(0), fault)
}

/// The same, of one API only.
fn only(api: Api, mut order: Order) -> Order {
    if let Order::Link { api: apis, .. } = &mut order {
        apis.push(api);
    }
    order
}

fn both_ways(mut order: Order) -> Order {
    if let Order::Link { one_way, .. } = &mut order {
        *one_way = false;
    }
    order
}

/// All of them.
fn lose(reset: bool) -> LinkFault {
    LinkFault::Lose {
        per_mille: 1_000,
        reset,
    }
}

/// A request of the toy takes two milliseconds, an answer 58 / 62 of that.
fn slow() -> LinkFault {
    LinkFault::Throttle { bytes_per_ms: 62 }
}

/// A world with a connection that is open, from 20 ms on.
fn connected() -> Play {
    Play::new().at(10, send(0, 1))
}

fn time_of(line: &str) -> u64 {
    line.split_once(' ').unwrap().0.parse().unwrap()
}

#[test]
fn a_lost_segment_is_sent_again_and_what_follows_waits_for_it() {
    let play = connected().at(20, up(3, lose(false)));
    let play = play.at(30, send(0, 2)).at(31, send(0, 3));
    let (log, finished) = play.at(100, Order::EndFault(3)).run();
    let expected = [
        "231000 b1 got 2",
        "231000 b1 got 3",
        "232000 k0 answer 2",
        "232000 k0 answer 3",
    ];
    assert_eq!(log[2..], expected);
    assert_eq!(effects(&finished), [(3, 1)]);
    assert!(drops(&finished).is_empty());
}

/// Lost at 30, 230, 630 and 1430 ms; then the next loss begins at 200 ms again.
#[test]
fn timeouts_double_until_something_passes() {
    let play = connected().at(20, up(3, lose(false))).at(30, send(0, 2));
    let play = play.at(1_500, Order::EndFault(3));
    let play = play.at(4_000, up(4, lose(false))).at(4_030, send(0, 3));
    let (log, finished) = play.at(4_100, Order::Heal).run();
    assert_eq!(log[2..4], ["3031000 b1 got 2", "3032000 k0 answer 2"]);
    assert_eq!(log[4..], ["4231000 b1 got 3", "4232000 k0 answer 3"]);
    assert_eq!(effects(&finished), [(3, 4), (4, 1)]);
}

/// What was lost when the trial ends is still under way: no cut holds it.
#[test]
fn a_loss_at_the_end_is_no_cut() {
    let play = connected().at(20, up(3, lose(false)));
    let (_, finished) = play.at(30, send(0, 2)).at(31, send(0, 3)).run();
    assert!(drops(&finished).is_empty());
    assert_eq!(finished.pending, 2);
}

#[test]
fn a_lost_segment_goes_with_the_power_of_its_sender() {
    let play = connected().at(20, up(3, lose(false))).at(30, send(0, 2));
    let off = Order::Stop(k(0), StopKind::PowerLoss);
    let play = play.at(40, off).at(50, Order::Heal);
    let (log, finished) = play.run();
    assert_eq!(log.len(), 2);
    assert_eq!(drops(&finished), [(40 * MS, Why::SenderStopped)]);
}

/// 120 requests and as many answers, one in ten lost: 24 of 240, and again what was sent again.
#[test]
fn a_loss_of_a_tenth_loses_about_a_tenth_and_nothing_for_ever() {
    let tenth = LinkFault::Lose {
        per_mille: 100,
        reset: false,
    };
    let mut play = connected().at(20, both_ways(up(3, tenth)));
    for number in 0..120 {
        play = play.at(30 + number * 70, send(0, i64::try_from(number).unwrap()));
    }
    let (log, finished) = play.run();
    assert_eq!(log.len(), 242);
    let [(3, lost)] = effects(&finished)[..] else {
        panic!("{:?}", effects(&finished));
    };
    assert!((13..42).contains(&lost), "{lost}");
}

/// The server did what it was asked, and nobody knows: the case for doing it twice.
#[test]
fn a_lost_answer_resets_the_connection_at_both_ends() {
    let deaf = only(Api::BrokerRegistration, down(3, lose(true)));
    let play = connected().at(20, deaf).at(30, send(0, 2));
    // On its way when the server's end is closed.
    let play = play.at_us(31_500, send(0, 3)).at(40, Order::EndFault(3));
    let (log, finished) = play.at(50, send_on(0, 1, 4)).run();
    let expected = [
        "31000 b1 got 2",
        "32000 k0 lost 0",
        "53000 b1 got 4",
        "54000 k0 answer 4",
    ];
    assert_eq!(log[2..], expected);
    assert_eq!(effects(&finished), [(3, 1)]);
    let expected = [(31 * MS, Why::Reset), (32_500, Why::ConnectionClosed)];
    assert_eq!(drops(&finished), expected);
}

/// What left before is there before the reset, and its answer comes after it.
#[test]
fn a_lost_request_resets_the_connection_at_both_ends() {
    let play = connected().at_us(29_500, send(0, 2));
    let play = play.at_us(29_800, up(3, lose(true))).at(30, send(0, 3));
    let (log, finished) = play.run();
    assert_eq!(log[2..], ["30500 b1 got 2", "31000 k0 lost 0"]);
    let expected = [(30 * MS, Why::Reset), (31_500, Why::ConnectionClosed)];
    assert_eq!(drops(&finished), expected);
    assert_eq!(effects(&finished), [(3, 1)]);
}

/// A reset is no segment that could be lost with a reset again, so there is an end to it.
#[test]
fn a_lost_handshake_is_a_refusal() {
    let play = Play::new().at(5, both_ways(up(3, lose(true))));
    let (log, finished) = play.at(10, send(0, 1)).run();
    assert_eq!(log, ["11000 k0 lost 0"]);
    assert_eq!(drops(&finished), [(11 * MS, Why::Reset)]);
    assert_eq!(effects(&finished), [(3, 1)]);
}

/// All connections share the queue of their link; the way back is free.
#[test]
fn a_throttled_link_sends_one_after_the_other() {
    let play = connected().at(10, send_on(0, 1, 2)).at(20, up(3, slow()));
    let play = play.at(30, send(0, 3)).at(30, send_on(0, 1, 4));
    let (log, finished) = play.at(30, send(0, 5)).run();
    let expected = [
        "33000 b1 got 3",
        "34000 k0 answer 3",
        "35000 b1 got 4",
        "36000 k0 answer 4",
        "37000 b1 got 5",
        "38000 k0 answer 5",
    ];
    assert_eq!(log[4..], expected);
    assert_eq!(effects(&finished), [(3, 3)]);
}

#[test]
fn the_slowest_throttle_limits_and_a_queue_without_a_limit_is_empty() {
    let wide = LinkFault::Throttle { bytes_per_ms: 124 };
    let play = connected().at(20, up(3, slow())).at(20, up(4, wide));
    let play = play
        .at(30, send(0, 2))
        .at(30, send(0, 3))
        .at(30, send(0, 4));
    // The second is half on the wire and begins anew, at one millisecond.
    let play = play.at(33, Order::EndFault(3)).at(100, Order::Heal);
    let (log, _) = play.run();
    let got: Vec<&String> = log[2..].iter().filter(|l| l.contains("got")).collect();
    assert_eq!(got, ["33000 b1 got 2", "35000 b1 got 3", "36000 b1 got 4"]);
    let play = connected().at(20, up(3, slow()));
    let play = play
        .at(30, send(0, 2))
        .at(30, send(0, 3))
        .at(30, send(0, 4));
    let (log, _) = play.at(33, Order::EndFault(3)).run();
    let got: Vec<&String> = log[2..].iter().filter(|l| l.contains("got")).collect();
    assert_eq!(got, ["33000 b1 got 2", "34000 b1 got 3", "34000 b1 got 4"]);
}

#[test]
fn a_queue_goes_with_the_power_of_its_sender_but_not_with_its_process() {
    let play = |how| {
        let play = connected().at(20, up(3, slow()));
        let play = play.at(30, send(0, 2)).at(30, send(0, 3));
        play.at(33, Order::Stop(k(0), how)).run()
    };
    let (log, finished) = play(StopKind::PowerLoss);
    assert_eq!(log[2..], ["33000 b1 got 2"]);
    let [first, second] = drops(&finished)[..] else {
        panic!("{:?}", drops(&finished));
    };
    assert_eq!(first, (33 * MS, Why::SenderStopped));
    assert_eq!(second.1, Why::ReceiverDown);
    let (log, _) = play(StopKind::Kill);
    assert_eq!(log[2..], ["33000 b1 got 2", "35000 b1 got 3"]);
}

/// The close costs nothing by this rule, and still does not overtake the answer.
#[test]
fn what_follows_a_queued_segment_queues_too() {
    let answers = LinkFault::Throttle { bytes_per_ms: 58 };
    let answers = only(Api::BrokerRegistration, down(3, answers));
    let play = connected().at(20, answers).at(30, send(0, 2));
    let (log, finished) = play.at(32, Order::Stop(b(1), StopKind::Kill)).run();
    let expected = ["31000 b1 got 2", "34000 k0 answer 2", "34000 k0 lost 0"];
    assert_eq!(log[2..], expected);
    assert_eq!(effects(&finished), [(3, 1)]);
}

/// 60 bytes for each half of the handshake, 124 for the request: 967 and 2000 microseconds.
#[test]
fn a_plan_may_limit_every_link() {
    let play = Play::new().network(NetworkPlan {
        latency_min_us: 1_000,
        latency_max_us: 1_000,
        bytes_per_ms: Some(62),
        ..NetworkPlan::default()
    });
    let (log, _) = play.at(10, send(0, 1)).run();
    assert_eq!(log[0], "16934 b1 got 1");
}

/// A message that two cuts hold goes on when both have ended, and each counts it.
#[test]
fn overlapping_cuts_end_at_different_times() {
    for (first, second) in [(3, 4), (4, 3)] {
        let play = connected().at(20, both_ways(up(3, LinkFault::Cut)));
        let play = play.at(20, up(4, LinkFault::Cut)).at(30, send(0, 2));
        let play = play.at(100, Order::EndFault(first));
        let (log, finished) = play.at(500, Order::EndFault(second)).run();
        assert_eq!(log.len(), 4, "{log:?}");
        assert!((501 * MS..=701 * MS).contains(&time_of(&log[2])), "{log:?}");
        assert_eq!(effects(&finished), [(first, 1), (second, 1)]);
    }
}

#[test]
fn a_cut_counts_what_another_held_before_it() {
    let play = connected().at(20, up(3, LinkFault::Cut)).at(30, send(0, 2));
    let play = play
        .at(40, up(4, LinkFault::Cut))
        .at(40, down(5, LinkFault::Cut));
    let play = play.at(50, Order::EndFault(3)).at(50, Order::EndFault(5));
    let (log, finished) = play.at(500, Order::EndFault(4)).run();
    assert!((501 * MS..=701 * MS).contains(&time_of(&log[2])), "{log:?}");
    assert_eq!(effects(&finished), [(3, 1), (5, 0), (4, 1)]);
}

/// The two-way cut ends, the one-way cut of the answers does not.
#[test]
fn a_way_may_be_free_in_one_direction_only() {
    let play = connected().at(20, both_ways(up(3, LinkFault::Cut)));
    let play = play.at(20, down(4, LinkFault::Cut)).at(30, send(0, 2));
    let play = play.at(500, Order::EndFault(3));
    let (log, finished) = play.at(1_000, Order::EndFault(4)).run();
    assert!((501 * MS..=701 * MS).contains(&time_of(&log[2])), "{log:?}");
    assert!(
        (1_001 * MS..=1_201 * MS).contains(&time_of(&log[3])),
        "{log:?}"
    );
    assert_eq!(effects(&finished), [(3, 1), (4, 1)]);
}

/// The cut ends while the receiver has no power, or the power comes back while the cut lasts: either
/// alone frees nothing.
#[test]
fn a_cut_and_a_power_loss_both_hold() {
    let off = || Order::Stop(b(1), StopKind::PowerLoss);
    let held = || connected().at(20, up(3, LinkFault::Cut)).at(30, send(0, 2));
    let ends = [
        (Order::EndFault(3), Order::Start(b(1))),
        (Order::Start(b(1)), Order::EndFault(3)),
    ];
    for (first, second) in ends {
        let play = held().at(40, off()).at(100, first).at(1_000, second);
        let (log, finished) = play.run();
        // It finds a process that knows nothing of the connection.
        assert_eq!(log.len(), 3, "{log:?}");
        assert!(log[2].ends_with("k0 lost 0"), "{log:?}");
        let [(at, Why::ConnectionClosed)] = drops(&finished)[..] else {
            panic!("{:?}", drops(&finished));
        };
        assert!((1_001 * MS..=1_201 * MS).contains(&at), "{at}");
    }
}

/// The close passes the cut of the answers, and waits for them at the other side.
#[test]
fn what_overtakes_a_held_segment_waits_for_it() {
    let cut = || only(Api::BrokerRegistration, down(3, LinkFault::Cut));
    let play = connected().at(30, send(0, 2));
    let play = play.at_us(31_200, Order::Stop(b(1), StopKind::Kill));
    let play = play.at_us(31_500, cut()).at(500, Order::EndFault(3));
    let (log, _) = play.run();
    let at = time_of(&log[3]);
    assert!((501 * MS..=701 * MS).contains(&at), "{log:?}");
    assert_eq!(
        log[3..],
        [format!("{at} k0 answer 2"), format!("{at} k0 lost 0")]
    );
    // The power of its sender takes both.
    let play = connected().at(30, send(0, 2));
    let play = play.at_us(31_200, Order::Stop(b(1), StopKind::Kill));
    let play = play
        .at_us(31_500, cut())
        .at(40, Order::Stop(b(1), StopKind::PowerLoss));
    let (log, finished) = play.at(500, Order::EndFault(3)).run();
    assert_eq!(log.len(), 3, "{log:?}");
    assert_eq!(drops(&finished), [(40 * MS, Why::SenderStopped)]);
}
