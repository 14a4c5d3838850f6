//! The switch with fake packets and a fake clock.

use super::MTU;
use super::packet::Packet;
use super::rule::Rule;
use super::switch::Switch;
use ktrial_sim::plan::{Latency, LinkFault};
use std::net::Ipv4Addr;
use std::time::Duration;

/// The flag of data: it acknowledges.
const DATA: u8 = 0x10;
const RST: u8 = 0x04;
/// Bytes of a packet's headers.
const HEADERS: usize = 40;

fn address(host: usize) -> Ipv4Addr {
    super::nth_address(host)
}

/// Three hosts: b1, b2, b3.
fn switch() -> Switch {
    let hosts = ["b1", "b2", "b3"]
        .map(str::to_owned)
        .into_iter()
        .enumerate();
    Switch::new(1, hosts.map(|(host, name)| (name, address(host))).collect())
}

fn rule(step: usize, (from, to): (usize, usize), both_ways: bool, fault: LinkFault) -> Rule {
    let only = |member: usize| (0..3).map(|host| host == member).collect();
    Rule {
        step,
        from: only(from),
        to: only(to),
        both_ways,
        fault,
        touched: 0,
    }
}

fn one_way(step: usize, way: (usize, usize), fault: LinkFault) -> Rule {
    rule(step, way, false, fault)
}

/// A packet of so many bytes on a connection; the last byte of the port tells it.
fn packet((from, to): (usize, usize), connection: u8, size: usize) -> Packet {
    Packet::fake(
        [address(from), address(to)],
        connection,
        DATA,
        size - HEADERS,
    )
}

fn small(way: (usize, usize), connection: u8) -> Packet {
    packet(way, connection, HEADERS)
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn fixed(millis: u64) -> LinkFault {
    LinkFault::Delay(Latency::Fixed { us: millis * 1_000 })
}

fn lose(per_mille: u32, reset: bool) -> LinkFault {
    LinkFault::Lose { per_mille, reset }
}

fn slow(bytes_per_ms: u64) -> LinkFault {
    LinkFault::Throttle { bytes_per_ms }
}

/// What is due until then: when, to whom, how many bytes.
fn due_until(switch: &mut Switch, end: Duration) -> Vec<(Duration, usize, usize)> {
    let mut all = Vec::new();
    while let Some(at) = switch.next()
        && at <= end
    {
        let due = switch.due(at).into_iter();
        all.extend(due.map(|(host, packet)| (at, host, packet.bytes().len())));
    }
    all
}

#[test]
fn a_packet_goes_to_its_destination_at_once() {
    let mut switch = switch();
    switch.take(ms(5), 0, small((0, 1), 1));
    switch.take(ms(5), 2, packet((2, 0), 1, 100));
    switch.take(ms(5), 0, small((0, 7), 1));
    assert_eq!(switch.next(), Some(ms(5)));
    let due = [(ms(5), 1, 40), (ms(5), 0, 100)];
    assert_eq!(due_until(&mut switch, ms(5)), due, "nothing for nobody");
    assert_eq!(switch.next(), None);
}

#[test]
fn a_cut_keeps_the_last_of_each_connection_until_it_ends() {
    let mut switch = switch();
    switch.begin(one_way(3, (0, 1), LinkFault::Cut));
    for (connection, size) in [(1, 50), (2, 60), (1, 70)] {
        switch.take(ms(1), 0, packet((0, 1), connection, size));
    }
    switch.take(ms(1), 1, small((1, 0), 1));
    switch.take(ms(1), 0, small((0, 2), 1));
    assert_eq!(
        due_until(&mut switch, ms(9)),
        [(ms(1), 0, 40), (ms(1), 2, 40)]
    );
    assert_eq!(switch.touched(3), 3);
    assert_eq!(switch.end(ms(10), Some(3)), [(3, 3)]);
    assert_eq!(
        due_until(&mut switch, ms(10)),
        [(ms(10), 1, 60), (ms(10), 1, 70)]
    );
    switch.take(ms(11), 0, small((0, 1), 1));
    assert_eq!(due_until(&mut switch, ms(11)).len(), 1);
    assert_eq!(switch.touched(3), 3, "known after the end");
}

#[test]
fn what_two_cuts_hold_goes_on_with_the_last_one() {
    let mut switch = switch();
    switch.begin(rule(3, (0, 1), true, LinkFault::Cut));
    switch.take(ms(1), 1, small((1, 0), 1));
    switch.begin(one_way(4, (0, 1), LinkFault::Cut));
    switch.begin(one_way(5, (1, 0), LinkFault::Cut));
    assert_eq!(
        [3, 4, 5].map(|step| switch.touched(step)),
        [1, 0, 1],
        "held already"
    );
    switch.end(ms(2), Some(3));
    assert_eq!(switch.next(), None);
    assert_eq!(switch.end(ms(3), None), [(4, 0), (5, 1)]);
    assert_eq!(due_until(&mut switch, ms(3)), [(ms(3), 0, 40)]);
}

#[test]
fn what_is_under_way_does_not_pass_a_later_cut() {
    let mut switch = switch();
    switch.begin(one_way(3, (0, 1), fixed(10)));
    switch.take(ms(0), 0, small((0, 1), 1));
    switch.begin(one_way(4, (0, 1), LinkFault::Cut));
    assert_eq!(due_until(&mut switch, ms(20)), []);
    assert_eq!([switch.touched(3), switch.touched(4)], [1, 1]);
    switch.end(ms(20), Some(4));
    assert_eq!(
        due_until(&mut switch, ms(40)),
        [(ms(30), 1, 40)],
        "with what is left"
    );
}

#[test]
fn delays_add_up_and_end_for_what_is_sent_later() {
    let mut switch = switch();
    switch.begin(one_way(3, (0, 1), fixed(10)));
    switch.begin(rule(4, (1, 0), true, fixed(5)));
    switch.take(ms(0), 0, small((0, 1), 1));
    switch.take(ms(0), 1, small((1, 0), 1));
    assert_eq!(
        due_until(&mut switch, ms(20)),
        [(ms(5), 0, 40), (ms(15), 1, 40)]
    );
    switch.take(ms(20), 0, packet((0, 1), 1, 100));
    switch.end(ms(21), Some(3));
    switch.take(ms(21), 0, packet((0, 1), 1, 50));
    switch.take(ms(21), 0, packet((0, 1), 2, 60));
    let due = [(ms(26), 1, 60), (ms(35), 1, 100), (ms(35), 1, 50)];
    assert_eq!(
        due_until(&mut switch, ms(99)),
        due,
        "a connection keeps its order, others overtake"
    );
}

#[test]
fn a_drawn_delay_keeps_the_order_and_comes_from_the_seed() {
    let drawn = || {
        let mut switch = switch();
        let latency = Latency::Uniform {
            min_us: 1_000,
            max_us: 90_000,
        };
        switch.begin(one_way(3, (0, 1), LinkFault::Delay(latency)));
        for n in 0..40 {
            switch.take(
                ms(n),
                0,
                packet((0, 1), 1, 50 + usize::try_from(n).unwrap()),
            );
        }
        due_until(&mut switch, ms(1_000))
    };
    let due = drawn();
    assert!(due.iter().map(|(_, _, size)| *size).eq(50..90), "{due:?}");
    assert!(
        due.iter().zip(0..).all(|((at, _, _), n)| *at >= ms(n + 1)),
        "{due:?}"
    );
    assert_eq!(due, drawn());
}

#[test]
fn a_loss_takes_its_share_and_nothing_of_other_ways() {
    let mut switch = switch();
    switch.begin(one_way(3, (0, 1), lose(300, false)));
    for _ in 0..1_000 {
        switch.take(ms(0), 0, small((0, 1), 1));
        switch.take(ms(0), 1, small((1, 0), 1));
    }
    let due = due_until(&mut switch, ms(0));
    let arrived = due.iter().filter(|(_, host, _)| *host == 1).count();
    assert!((640..760).contains(&arrived), "{arrived}");
    assert_eq!(due.len() - arrived, 1_000);
    assert_eq!(usize::try_from(switch.touched(3)).unwrap(), 1_000 - arrived);
}

#[test]
fn a_reset_reaches_both_ends_and_spares_a_close() {
    let mut switch = switch();
    switch.begin(one_way(3, (0, 1), lose(1_000, true)));
    switch.begin(one_way(4, (0, 1), lose(1_000, false)));
    switch.take(ms(0), 0, packet((0, 1), 1, 500));
    let due = switch.due(ms(0));
    let mut ends: Vec<usize> = due.iter().map(|(host, _)| *host).collect();
    ends.sort_unstable();
    assert_eq!(ends, [0, 1]);
    assert!(
        due.iter()
            .all(|(_, packet)| packet.resets().is_none() && packet.bytes().len() == 40)
    );
    assert_eq!(
        [switch.touched(3), switch.touched(4)],
        [1, 1],
        "the reset is stronger"
    );
    switch.end(ms(0), Some(4));
    let close = Packet::fake([address(0), address(1)], 1, RST, 0);
    switch.take(ms(1), 0, close.clone());
    assert_eq!(switch.due(ms(1)), [(1, close)]);
    assert_eq!(switch.touched(3), 1);
}

#[test]
fn the_slowest_throttle_limits_and_the_queue_is_in_order() {
    let mut switch = switch();
    switch.begin(one_way(3, (0, 1), slow(100)));
    switch.begin(one_way(4, (0, 1), slow(50)));
    switch.begin(one_way(5, (0, 1), fixed(7)));
    switch.take(ms(0), 0, packet((0, 1), 1, 1_000));
    switch.take(ms(1), 0, packet((0, 1), 2, 500));
    switch.take(ms(1), 0, small((0, 2), 1));
    let due = [(ms(1), 2, 40), (ms(27), 1, 1_000), (ms(37), 1, 500)];
    assert_eq!(due_until(&mut switch, ms(99)), due);
    assert_eq!([3, 4, 5].map(|step| switch.touched(step)), [2, 2, 2]);
}

#[test]
fn without_its_limit_a_queue_is_empty_at_once() {
    let mut switch = switch();
    switch.begin(one_way(3, (0, 1), slow(1)));
    switch.begin(one_way(4, (0, 1), slow(10)));
    switch.take(ms(0), 0, packet((0, 1), 1, 1_000));
    switch.take(ms(0), 0, packet((0, 1), 1, 500));
    switch.end(ms(20), Some(3));
    assert_eq!(
        switch.next(),
        Some(ms(120)),
        "begins anew under the limit that is left"
    );
    assert_eq!(due_until(&mut switch, ms(120)), [(ms(120), 1, 1_000)]);
    switch.end(ms(130), None);
    assert_eq!(due_until(&mut switch, ms(130)), [(ms(130), 1, 500)]);
    assert_eq!(switch.next(), None);
}

#[test]
fn a_full_queue_loses_what_comes() {
    let mut switch = switch();
    switch.begin(one_way(3, (0, 1), slow(10)));
    let large = usize::from(MTU);
    for _ in 0..20 {
        switch.take(ms(0), 0, packet((0, 1), 1, large));
    }
    let due = due_until(&mut switch, ms(100_000));
    assert_eq!(due.len(), 10, "{due:?}");
    assert_eq!(switch.touched(3), 20);
}

#[test]
fn a_queue_meets_a_cut_as_it_leaves_the_wire() {
    let mut switch = switch();
    switch.begin(one_way(3, (0, 1), slow(10)));
    switch.take(ms(0), 0, packet((0, 1), 1, 100));
    switch.begin(one_way(4, (0, 1), LinkFault::Cut));
    assert_eq!(due_until(&mut switch, ms(50)), []);
    assert_eq!(switch.touched(4), 1);
    switch.end(ms(50), Some(4));
    assert_eq!(due_until(&mut switch, ms(99)), [(ms(60), 1, 100)]);
}
