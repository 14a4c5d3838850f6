//! Links alone: what each draws, and from which stream.

use super::link::{Links, Passage};
use super::rule::Rule;
use crate::plan::{Latency, LinkFault, NetworkPlan};
use ktrial_core::{BrokerId, NodeId};

const LINK: (usize, usize) = (0, 1);

fn links(plan: NetworkPlan, fault: Option<LinkFault>) -> Links {
    let nodes = vec![NodeId::Broker(BrokerId(1)), NodeId::Broker(BrokerId(2))];
    let mut links = Links::new(7, plan, nodes);
    if let Some(fault) = fault {
        links.add(Rule {
            step: 0,
            from: vec![true, false],
            to: vec![false, true],
            both_ways: false,
            api: Vec::new(),
            fault,
            touched: 0,
        });
    }
    links
}

/// The latencies of what passes, in microseconds.
fn latencies(plan: NetworkPlan, fault: Option<LinkFault>, tries: usize) -> Vec<u64> {
    let mut links = links(plan, fault);
    let taken = (0..tries).filter_map(|_| match links.pass(LINK, None, true) {
        Passage::Takes(latency) => Some(u64::try_from(latency.as_micros()).unwrap()),
        _ => None,
    });
    taken.collect()
}

fn lose(per_mille: u32, reset: bool) -> LinkFault {
    LinkFault::Lose { per_mille, reset }
}

#[test]
fn faults_do_not_shift_the_usual_latencies() {
    let plan = NetworkPlan::default();
    let plain = latencies(plan, None, 1_000);
    let lossy = latencies(plan, Some(lose(300, false)), 1_000);
    assert!((650..750).contains(&lossy.len()), "{}", lossy.len());
    assert_eq!(lossy, plain[..lossy.len()]);
    let delay = Latency::Uniform {
        min_us: 5_000,
        max_us: 9_000,
    };
    let slow = latencies(plan, Some(LinkFault::Delay(delay)), 1_000);
    let added = slow.iter().zip(&plain).map(|(slow, plain)| slow - plain);
    assert!(added.clone().all(|us| (5_000..=9_000).contains(&us)));
    assert!(added.clone().max() > added.min());
    let tail_us = Some(0);
    assert_eq!(
        latencies(NetworkPlan { tail_us, ..plan }, None, 1_000),
        plain
    );
}

#[test]
fn a_tail_adds_its_mean() {
    let plan = NetworkPlan {
        latency_min_us: 200,
        latency_max_us: 200,
        tail_us: Some(10_000),
        ..NetworkPlan::default()
    };
    let drawn = latencies(plan, None, 20_000);
    let mean = drawn.iter().sum::<u64>() / 20_000;
    assert!((9_900..10_500).contains(&mean), "{mean}");
    assert!(drawn.iter().all(|us| *us >= 200));
    assert!(drawn.iter().any(|us| *us > 60_000));
}

#[test]
fn a_reset_is_drawn_only_where_there_is_something_to_reset() {
    let mut links = links(NetworkPlan::default(), Some(lose(1_000, true)));
    assert!(matches!(links.pass(LINK, None, true), Passage::Reset(_)));
    assert!(matches!(links.pass(LINK, None, false), Passage::Takes(_)));
    assert_eq!(links.end(None)[0].touched, 1);
}

/// The way back, and links of others, are not touched.
#[test]
fn a_rule_is_about_its_links_only() {
    let throttle = LinkFault::Throttle { bytes_per_ms: 5 };
    let mut links = links(NetworkPlan::default(), Some(throttle));
    assert_eq!(links.rate(LINK, None), Some(5));
    assert_eq!(links.rate((1, 0), None), None);
    links.end(Some(0));
    assert_eq!(links.rate(LINK, None), None);
}
