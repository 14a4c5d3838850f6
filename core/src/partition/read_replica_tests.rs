//! Whom the leader names.

use super::super::tests::{Node, registration};
use super::*;
use crate::id::BrokerId;
use crate::rules::Rules;

/// Broker 1 leads orders-0 with 2 and 3 in sync; each stands in the rack of its number.
fn leader(rules: Rules) -> Node {
    let mut node = Node::new(1, rules, 1);
    for id in 1..=3 {
        node.stand(id, &format!("r{id}"));
    }
    node.apply(&super::super::tests::metadata(1, 0, &[1, 2, 3], 0));
    node.append(-1, "A").unwrap();
    node.fetched(2, 1);
    node.fetched(3, 0);
    node
}

#[track_caller]
fn check(node: &mut Node, rack: &str, offset: i64, named: Option<i32>) {
    let found = node.call(|partition, context, _| {
        partition.preferred_read_replica(context, rack, Offset(offset))
    });
    assert_eq!(found, named.map(BrokerId), "{rack} at {offset}");
}

#[test]
fn a_member_of_the_isr_in_that_rack_that_has_the_offset_is_named() {
    let mut node = leader(Rules::default());
    check(&mut node, "r2", 1, Some(2));
    check(&mut node, "r3", 0, Some(3));
    check(&mut node, "r3", 1, None);
    check(&mut node, "r1", 0, None);
    check(&mut node, "elsewhere", 0, None);
    check(&mut node, "", 0, None);
}

#[test]
fn who_is_fenced_or_out_of_the_isr_is_not_named_and_of_two_the_one_with_more_is() {
    let mut node = leader(Rules::default());
    node.stand(3, "r2");
    check(&mut node, "r2", 0, Some(2));
    node.fetched(3, 1);
    check(&mut node, "r2", 0, Some(3));
    let mut fenced = registration(103);
    fenced.fenced = true;
    fenced.rack = Some("r2".to_owned());
    node.brokers.insert(BrokerId(3), fenced);
    check(&mut node, "r2", 0, Some(2));
    node.apply(&super::super::tests::metadata(1, 0, &[1, 3], 1));
    check(&mut node, "r2", 0, None);
}

#[test]
fn before_3_3_2_a_follower_outside_the_isr_is_named_too() {
    let named = |rules: Rules| {
        let mut node = leader(rules);
        node.apply(&super::super::tests::metadata(1, 0, &[1, 3], 1));
        node.call(|partition, context, _| {
            partition.preferred_read_replica(context, "r2", Offset(0))
        })
    };
    let mut rules = Rules::default();
    assert_eq!(named(rules), None);
    rules.read_replica_in_isr = false;
    assert_eq!(named(rules), Some(BrokerId(2)));
}
