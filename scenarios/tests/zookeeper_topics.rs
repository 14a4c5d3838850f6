//! Topics with ZooKeeper: more partitions, and deletions while a broker is away.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

use ktrial::compile::compile;
use ktrial::file::parse;
use ktrial_core::{BrokerId, ErrorCode, Event, NodeId};
use ktrial_sim::check;
use ktrial_sim::history::{FinalRecord, Record, What};
use ktrial_sim::trial;
use ktrial_sim::verdict::{Class, Verdict};

const HEAD: &str = r#"
title = "t"
why = "a test"
time_limit = "5m"
[cluster]
brokers = 4
[zookeeper]
servers = 3
[topics.orders]
replicas = [[1, 2, 3]]
[producers.p1]
acks = "all"
"#;

fn run(steps: &str) -> (Record, Verdict) {
    let text = format!("{HEAD}{steps}");
    let scenario =
        parse("test", "test.toml", &text).unwrap_or_else(|p| panic!("{}", p.render(false)));
    let plan = compile(&scenario, 1, &[]).unwrap().plans.remove(0);
    let record = trial::run(&plan).unwrap();
    let verdict = check::judge(&plan, &record);
    (record, verdict)
}

/// Who did something, in order, by the events that `what` picks.
fn told<T>(record: &Record, what: impl Fn(&Event) -> Option<T>) -> Vec<(Option<NodeId>, T)> {
    let events = record.entries.iter().filter_map(|entry| match &entry.what {
        What::Event(event) => what(event).map(|one| (entry.node, one)),
        _ => None,
    });
    events.collect()
}

fn operators(record: &Record) -> Vec<ErrorCode> {
    let answers = told(record, |event| match event {
        Event::Administered { error, .. } => Some(*error),
        _ => None,
    });
    answers.into_iter().map(|(_, error)| error).collect()
}

#[test]
fn more_partitions_are_led_under_one_controller_and_the_next() {
    let (record, verdict) = run(r#"
[[step]]
add_partitions = { topic = "orders", count = 2, replicas = [[2, 3, 1]] }
[[step]]
after = "5s"
kill = { node = "controller" }
[[step]]
add_partitions = { topic = "orders", count = 4 }
[[step]]
after = "30s"
shutdown = { node = "p1" }
[[step]]
after = "1s"
start = { node = "p1" }
[[step]]
send = { key = "a", values = ["A"] }
[[step]]
send = { key = "b", values = ["B"] }
[[step]]
send = { key = "c", values = ["C"] }
[[step]]
send = { key = "d", values = ["D"] }
[[step]]
until = { acknowledged = { values = ["A", "B", "C", "D"] } }
"#);
    let led = told(&record, |event| match event {
        Event::BecameLeader { partition, .. } => Some(partition.to_string()),
        _ => None,
    });
    for number in 0..4 {
        let name = format!("orders-{number}");
        assert!(led.iter().any(|(_, one)| *one == name), "{name}: {led:?}");
    }
    let second = (Some(NodeId::Broker(BrokerId(2))), "orders-1".to_owned());
    assert!(
        led.contains(&second),
        "where the operator wanted it: {led:?}"
    );
    assert!(operators(&record).iter().all(|error| error.is_none()));
    assert_eq!(verdict.verdict, Class::Kept, "{:?}", verdict.findings);
    let used = verdict.logs.iter();
    let used = used.filter(|(_, logs)| logs.values().any(|log| !log.is_empty()));
    assert!(used.count() > 1, "the keys are spread: {:?}", verdict.logs);
}

#[test]
fn the_name_of_a_topic_is_free_when_the_last_replica_is_deleted() {
    let (record, verdict) = run(r#"
[[step]]
send = { values = ["A"] }
[[step]]
until = { all = [{ acknowledged = { values = ["A"] } }, { in_sync = {} }] }
kill = { broker = 3 }
[[step]]
until = { isr = { is = [1, 2] } }
delete_topic = { topic = "orders" }
[[step]]
after = "10s"
create_topic = { topic = "orders" }
[[step]]
after = "5s"
start = { broker = 3 }
[[step]]
after = "30s"
create_topic = { topic = "orders" }
[[step]]
until = { in_sync = {} }
send = { values = ["B"] }
[[step]]
until = { acknowledged = { values = ["B"] } }
"#);
    let expected = [
        ErrorCode::None,
        ErrorCode::TopicAlreadyExists,
        ErrorCode::None,
    ];
    let answers = operators(&record);
    assert!(answers.ends_with(&expected), "{answers:?}");
    // Brokers 1 and 2 delete what they have at once, 3 when it is back.
    let deleted = told(&record, |event| {
        let refused = matches!(event, Event::Administered { error, .. } if !error.is_none());
        match event {
            Event::ReplicaDeleted { .. } => Some("deletes"),
            _ => refused.then_some("is refused"),
        }
    });
    let who = |(node, what): &(Option<NodeId>, &str)| match node {
        Some(NodeId::Broker(id)) => format!("{id} {what}"),
        _ => (*what).to_owned(),
    };
    let mut deleted: Vec<String> = deleted.iter().map(who).collect();
    deleted[..2].sort();
    assert_eq!(
        deleted,
        ["1 deletes", "2 deletes", "is refused", "3 deletes"]
    );
    assert_eq!(verdict.findings, [], "{:?}", verdict.verdict);
    let values = |log: &Vec<FinalRecord>| {
        let values = log.iter().map(|one| one.value.clone());
        values.collect::<Vec<_>>()
    };
    let logs: Vec<Vec<String>> = verdict
        .logs
        .values()
        .flat_map(|of| of.values().map(values))
        .collect();
    assert_eq!(logs, [["B"], ["B"], ["B"]]);
}
