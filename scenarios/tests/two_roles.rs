//! Processes that are broker and controller at once (`process.roles=broker,controller`): whatever befalls
//! one role befalls the other, in Kafka's order.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

use ktrial::compile::compile;
use ktrial::file::parse;
use ktrial_core::{BrokerId, ControllerId, NodeId};
use ktrial_sim::history::{Record, What};
use ktrial_sim::plan::StopKind;
use ktrial_sim::{check, trial};

/// Three such processes and a partition; these steps come once it is in sync.
fn tried(steps: &str) -> Record {
    let text = format!(
        r#"
title = "Three processes with two roles"
why = "a test"
[cluster]
controllers = [1, 2, 3]
[topics.orders]
replicas = [[1, 2, 3]]
[producers.p1]
acks = "all"
[[step]]
send = {{ values = ["A"] }}
[[step]]
until = {{ acknowledged = {{ values = ["A"] }} }}
{steps}
"#
    );
    let scenario = parse("two", "two", &text).unwrap_or_else(|problems| panic!("{problems}"));
    let plan = compile(&scenario, 1, &[]).unwrap().plans.remove(0);
    let record = trial::run(&plan).unwrap();
    assert!(check::judge(&plan, &record).findings.is_empty());
    record
}

/// The starts (`true`) and stops of both roles of process 2, in order.
fn of_process_2(record: &Record) -> Vec<(NodeId, Option<Option<StopKind>>)> {
    let roles = [
        NodeId::Broker(BrokerId(2)),
        NodeId::Controller(ControllerId(2)),
    ];
    let all = record.entries.iter().filter_map(|entry| {
        let node = entry.node.filter(|node| roles.contains(node))?;
        match &entry.what {
            What::ProcessStarted => Some((node, None)),
            What::ProcessStopped { how, .. } => Some((node, Some(*how))),
            _ => None,
        }
    });
    // Without the first start of each.
    all.skip(2).collect()
}

const BROKER: NodeId = NodeId::Broker(BrokerId(2));
const CONTROLLER: NodeId = NodeId::Controller(ControllerId(2));

#[test]
fn they_die_together() {
    for (name, how) in [
        ("kill", StopKind::Kill),
        ("power_loss", StopKind::PowerLoss),
    ] {
        for who in ["b2", "c2"] {
            let record = tried(&format!("{name} = {{ node = \"{who}\" }}"));
            let mut stopped = of_process_2(&record);
            stopped.sort_by_key(|(node, _)| *node);
            let expected = [(CONTROLLER, Some(Some(how))), (BROKER, Some(Some(how)))];
            assert_eq!(stopped, expected, "{name} {who}");
        }
    }
}

#[test]
fn the_controller_goes_on_until_the_broker_has_shut_down() {
    let steps = r#"
shutdown = { broker = 2 }
[[step]]
until = { quiet = "3s" }
start = { node = "c2" }
[[step]]
until = { quiet = "3s" }
"#;
    let done = Some(Some(StopKind::Shutdown));
    let seen = of_process_2(&tried(steps));
    assert_eq!(seen[..2], [(BROKER, done), (CONTROLLER, done)]);
    assert_eq!(seen.len(), 4, "both start: {seen:?}");
}

#[test]
fn one_that_is_started_while_it_shuts_down_starts_afterwards() {
    let steps = "shutdown = { broker = 2 }\n[[step]]\nafter = \"2ms\"\nstart = { broker = 2 }\n\
                 [[step]]\nuntil = { quiet = \"3s\" }";
    let seen = of_process_2(&tried(steps));
    let stopped = seen.iter().take(2).all(|(_, how)| how.is_some());
    let started = seen.iter().skip(2).filter(|(_, how)| how.is_none()).count();
    assert!(stopped && started == 2 && seen.len() == 4, "{seen:?}");
}

#[test]
fn a_broker_that_gives_up_takes_the_controller_with_it() {
    let steps = "disk = { broker = 2, full = true, directory = \"data\" }\n[[step]]\n\
                 send = { values = [\"B\"] }\n[[step]]\nuntil = { quiet = \"3s\" }";
    let seen = of_process_2(&tried(steps));
    let halted = [
        (BROKER, Some(None)),
        (CONTROLLER, Some(Some(StopKind::Kill))),
    ];
    assert_eq!(seen, halted);
}
