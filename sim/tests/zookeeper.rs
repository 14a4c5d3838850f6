//! An ensemble of ZooKeeper in a trial: servers that lose power or their links, on disks that keep a random
//! part of what was not flushed.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    reason = "a test fails by a panic"
)]

mod common;

use ktrial_core::metadata::MetadataRecord;
use ktrial_core::{Event, NodeId, ZooKeeperId};
use ktrial_sim::history::{Record, What};
use ktrial_sim::plan::{Action, LinkFault, Plan, Step, StopKind, Target, When, ZooKeeperPlan};
use ktrial_sim::trial::{self, znodes};
use std::collections::{BTreeMap, BTreeSet};

fn z(id: i32) -> NodeId {
    NodeId::ZooKeeper(ZooKeeperId(id))
}

fn after(ms: u64, action: Action) -> Step {
    Step {
        when: When::After { ms },
        action: Some(action),
        for_ms: None,
        may_miss: false,
    }
}

fn stop(id: i32, how: StopKind) -> Action {
    Action::Stop {
        nodes: vec![z(id).into()],
        how,
    }
}

fn start(id: i32) -> Action {
    Action::Start {
        nodes: vec![z(id).into()],
    }
}

fn cut(id: i32, from: &[i32]) -> Action {
    let others = from.iter().map(|id| Target::Node(z(*id)));
    Action::Link {
        from: vec![z(id).into()],
        to: others.collect(),
        one_way: false,
        api: Vec::new(),
        fault: LinkFault::Cut,
    }
}

fn plan(seed: u64, servers: i32, steps: Vec<Step>) -> Plan {
    Plan {
        zookeeper: Some(ZooKeeperPlan {
            servers: (1..=servers).map(ZooKeeperId).collect(),
            config: BTreeMap::new(),
        }),
        steps,
        record_messages: false,
        ..common::plan(seed)
    }
}

/// Who led in which epoch, in order.
fn leaders(record: &Record) -> Vec<(NodeId, u32)> {
    let entries = record.entries.iter();
    let led = entries.filter_map(|entry| match &entry.what {
        What::Event(Event::EnsembleLeading { epoch }) => Some((entry.node.unwrap(), *epoch)),
        What::Panicked { message } => panic!("{message}"),
        _ => None,
    });
    led.collect()
}

#[test]
fn each_epoch_has_one_leader_through_losses_of_power_and_links() {
    for seed in 0..10 {
        let steps = vec![
            after(10_000, stop(3, StopKind::PowerLoss)),
            after(10_000, start(3)),
            after(10_000, cut(2, &[1, 3])),
            after(10_000, Action::Heal),
            after(10_000, stop(1, StopKind::Kill)),
            after(0, stop(2, StopKind::PowerLoss)),
            after(10_000, start(1)),
            after(0, start(2)),
            after(70_000, stop(3, StopKind::Shutdown)),
            after(20_000, start(3)),
            after(20_000, Action::Heal),
        ];
        let plan = plan(seed, 3, steps);
        let led = leaders(&trial::run(&plan).unwrap());
        assert_eq!(
            led[0],
            (z(3), 1),
            "the highest id, with empty logs: {led:?}"
        );
        assert_eq!(led[1].0, z(2), "the next one: {led:?}");
        let epochs: BTreeSet<u32> = led.iter().map(|(_, epoch)| *epoch).collect();
        assert_eq!(
            epochs.len(),
            led.len(),
            "an epoch with two leaders: {led:?}"
        );
        assert!(led.is_sorted_by_key(|(_, epoch)| *epoch), "{led:?}");
        assert!(led.len() >= 4, "{led:?}");
    }
}

#[test]
fn without_a_quorum_nobody_leads() {
    let steps = vec![
        after(10_000, stop(1, StopKind::Kill)),
        after(0, stop(2, StopKind::Kill)),
        after(60_000, Action::Heal),
    ];
    let record = trial::run(&plan(1, 3, steps)).unwrap();
    assert_eq!(leaders(&record), [(z(3), 1)]);
    let looking = record
        .entries
        .iter()
        .rev()
        .find_map(|entry| match &entry.what {
            What::Event(event) if entry.node == Some(z(3)) => Some(event.clone()),
            _ => None,
        });
    assert_eq!(looking, Some(Event::EnsembleLooking));
}

#[test]
fn the_brokers_outlive_the_leader_of_the_ensemble() {
    let steps = vec![
        after(5_000, stop(3, StopKind::Kill)),
        after(30_000, Action::Heal),
    ];
    let record = trial::run(&plan(1, 3, steps)).unwrap();
    let written = record.entries.iter().filter_map(|entry| match &entry.what {
        What::Event(Event::MetadataWritten { record, .. }) => Some(&**record),
        _ => None,
    });
    let (mut registered, mut fenced) = (0, 0);
    for record in written {
        match record {
            MetadataRecord::RegisterBroker(_) => registered += 1,
            MetadataRecord::BrokerRegistrationChange(_) => fenced += 1,
            _ => {}
        }
    }
    assert_eq!(
        (registered, fenced),
        (3, 0),
        "each session goes on at another server"
    );
    let controllers = record
        .entries
        .iter()
        .filter(|entry| matches!(entry.what, What::Event(Event::ControllerActivated { .. })));
    assert_eq!(controllers.count(), 1);
}

#[test]
fn the_tree_is_read_at_any_time() {
    let plan = plan(1, 3, Vec::new());
    for (until, server, registered) in [
        (Some(1), None, false),
        (Some(10_000), None, true),
        (None, Some(ZooKeeperId(2)), true),
    ] {
        let found = znodes::at(&plan, until, server).unwrap();
        let paths: Vec<&str> = found.tree.iter().map(|(path, _)| path).collect();
        assert_eq!(paths[0], "/");
        assert!(paths.contains(&"/zookeeper"), "{paths:?}");
        let broker = paths.contains(&"/brokers/ids/1");
        assert_eq!(broker, registered, "{until:?}: {paths:?}");
    }
    let stranger = znodes::at(&plan, None, Some(ZooKeeperId(9)));
    assert!(stranger.unwrap_err().to_string().contains("no such server"));
}

#[test]
fn an_ensemble_has_servers_with_numbers() {
    for (servers, problem) in [
        (vec![], "no server"),
        (vec![1, 1], "there are two of ZooKeeper server 1"),
        (vec![0], "from 1 to 255"),
    ] {
        let mut plan = plan(1, 1, Vec::new());
        plan.zookeeper.as_mut().unwrap().servers = servers.into_iter().map(ZooKeeperId).collect();
        let error = trial::check(&plan).unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
    }
}
