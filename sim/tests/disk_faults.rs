//! Disks that fail under whole clusters: what each fault does to Kafka, and that it touched something.

#![expect(clippy::unwrap_used, reason = "a test")]

mod common;

use common::{CONTROLLER, after, b, ended, plan, send};
use ktrial_core::event::SendOutcome;
use ktrial_core::message::Api;
use ktrial_core::{ErrorCode, Event, NodeId, TopicPartition};
use ktrial_sim::check;
use ktrial_sim::history::{EndReason, Entry, FinalLog, Record, Touched, What, codec};
use ktrial_sim::plan::{
    Action, Condition, DiskCall, DiskFault, Plan, PowerLoss, Recovery, Step, StopKind, When,
};
use ktrial_sim::trial;

const LOG: &str = "data/orders-0/00000000000000000000.log";

fn disk(ids: &[i32], directory: Option<&str>, fault: DiskFault) -> Action {
    Action::Disk {
        nodes: ids.iter().map(|id| b(*id).into()).collect(),
        directory: directory.map(str::to_owned),
        fault,
    }
}

fn stop(ids: &[i32], how: StopKind) -> Step {
    let nodes = ids.iter().map(|id| b(*id).into()).collect();
    after(1_000, Action::Stop { nodes, how })
}

fn start(ids: &[i32]) -> Step {
    let nodes = ids.iter().map(|id| b(*id).into()).collect();
    after(5_000, Action::Start { nodes })
}

/// A step that lasts.
fn lasting(action: Action, for_ms: u64) -> Step {
    Step {
        for_ms: Some(for_ms),
        ..after(1_000, action)
    }
}

fn until_ended(prefix: &str) -> Step {
    Step {
        when: ended(prefix),
        action: None,
        for_ms: None,
        may_miss: false,
    }
}

fn until_in_sync() -> Step {
    Step {
        when: When::Until {
            condition: Condition::InSync {
                partition: TopicPartition::new("orders", 0),
            },
            within_ms: 120_000,
        },
        action: None,
        for_ms: None,
        may_miss: false,
    }
}

/// The common plan's cluster; only what was flushed survives a power loss.
fn story(steps: Vec<Step>) -> Plan {
    let mut plan = plan(11);
    plan.disk.power_loss = PowerLoss::LoseUnflushed;
    plan.steps = vec![after(0, send("a")), until_ended("a")];
    plan.steps.extend(steps);
    plan.recovery = Some(Recovery { nodes: Vec::new() });
    plan
}

fn flush_each_record(plan: &mut Plan) {
    let configs = &mut plan.topics[0].configs;
    configs.insert("flush.messages".to_owned(), "1".to_owned());
}

fn run(plan: &Plan) -> Record {
    let record = trial::run(plan).unwrap();
    let panics: Vec<&Entry> = record
        .entries
        .iter()
        .filter(|entry| matches!(entry.what, What::Panicked { .. }))
        .collect();
    assert!(panics.is_empty(), "{panics:?}");
    record
}

/// What the fault of a step touched.
fn touched(record: &Record, step: usize) -> (u64, Touched) {
    let effect = |entry: &Entry| match entry.what {
        What::FaultEffect {
            step: of_step,
            touched,
            of,
        } if of_step == step => Some((touched, of)),
        _ => None,
    };
    record.entries.iter().find_map(effect).unwrap()
}

fn ended_in(record: &Record) -> EndReason {
    let reason = |entry: &Entry| match entry.what {
        What::Ended { reason } => Some(reason),
        _ => None,
    };
    record.entries.iter().find_map(reason).unwrap()
}

/// The events of a node.
fn events(record: &Record, node: NodeId) -> impl Iterator<Item = (u64, &Event)> {
    record
        .entries
        .iter()
        .filter(move |entry| entry.node == Some(node))
        .filter_map(|entry| match &entry.what {
            What::Event(event) => Some((entry.at.as_millis(), event)),
            _ => None,
        })
}

fn storage_failure(record: &Record, broker: i32) -> Option<String> {
    events(record, b(broker)).find_map(|(_, event)| match event {
        Event::StorageFailed { error, .. } => Some(error.clone()),
        _ => None,
    })
}

/// When the step's action began, in milliseconds.
fn began(record: &Record, step: usize) -> u64 {
    let is_step = |entry: &&Entry| matches!(entry.what, What::Step { index, .. } if index == step);
    record.entries.iter().find(is_step).unwrap().at.as_millis()
}

fn acknowledged(record: &Record) -> usize {
    let acknowledged = |entry: &&Entry| {
        matches!(
            entry.what,
            What::Event(Event::SendEnded {
                outcome: SendOutcome::Acknowledged { .. },
                ..
            })
        )
    };
    record.entries.iter().filter(acknowledged).count()
}

fn logs(record: &Record) -> Vec<&FinalLog> {
    record
        .entries
        .iter()
        .filter_map(|entry| match &entry.what {
            What::FinalLog(log) => Some(&**log),
            _ => None,
        })
        .collect()
}

/// Every replica holds the same so many records.
fn holds(record: &Record, records: usize) {
    assert_eq!(ended_in(record), EndReason::Converged);
    let logs = logs(record);
    assert_eq!(logs.len(), 3);
    for log in &logs {
        assert_eq!(log.damage, None);
        assert_eq!(log.records.len(), records);
        assert_eq!(log.records, logs[0].records);
    }
}

/// Bytes that recoveries of a broker's replica cut off.
fn cut_by_recovery(record: &Record, broker: i32) -> u64 {
    let cut = events(record, b(broker)).map(|(_, event)| match event {
        Event::LogLoaded {
            truncated_bytes, ..
        } => *truncated_bytes,
        _ => 0,
    });
    cut.sum()
}

#[test]
fn a_leader_with_a_stalled_disk_stays_leader_and_serves_nobody() {
    let stall = lasting(disk(&[1], None, DiskFault::Stall), 20_000);
    let plan = story(vec![stall, after(1_000, send("b")), until_ended("b")]);
    let record = run(&plan);
    let (touched, of) = touched(&record, 2);
    assert!(touched > 0 && of == Touched::DiskCalls);
    let stalled = began(&record, 2)..began(&record, 2) + 20_000;
    let during = |entry: &&Entry| stalled.contains(&entry.at.as_millis());
    let during: Vec<&Entry> = record.entries.iter().filter(during).collect();
    let told = |wanted: fn(&Event) -> bool| {
        let told = |entry: &&&Entry| matches!(&entry.what, What::Event(event) if wanted(event));
        during.iter().filter(told).count()
    };
    assert_eq!(told(|e| matches!(e, Event::SendStarted { .. })), 20);
    assert_eq!(told(|e| matches!(e, Event::SendEnded { .. })), 0);
    assert_eq!(told(|e| matches!(e, Event::BecameLeader { .. })), 0);
    assert_eq!(told(|e| matches!(e, Event::BrokerFenced)), 0);
    let heartbeats = during.iter().filter(|entry| match &entry.what {
        What::Delivered(message) => {
            message.from == b(1) && message.to == CONTROLLER && message.api == Api::BrokerHeartbeat
        }
        _ => false,
    });
    assert!(heartbeats.count() >= 8);
    assert_eq!(acknowledged(&record), 40);
    holds(&record, 40);
}

#[test]
fn a_slow_disk_slows_its_broker() {
    let slow = lasting(disk(&[1], None, DiskFault::Slow { times: 20_000 }), 30_000);
    let steps = |first| vec![first, after(1_000, send("b")), until_ended("b")];
    let record = run(&story(steps(slow)));
    assert!(touched(&record, 2).0 > 0);
    let took = |record: &Record| {
        let ends = record
            .entries
            .iter()
            .filter(|entry| matches!(entry.what, What::Event(Event::SendEnded { .. })));
        ends.max_by_key(|entry| entry.at).unwrap().at.as_millis() - began(record, 3)
    };
    let swift = run(&story(steps(after(1_000, Action::Heal))));
    assert!(
        took(&record) > 5 * took(&swift),
        "{} {}",
        took(&record),
        took(&swift)
    );
    holds(&record, 40);
}

#[test]
fn a_full_disk_halts_its_broker_and_another_leads() {
    let full = lasting(disk(&[1], None, DiskFault::Full), 60_000);
    let steps = vec![
        full,
        after(15_000, send("b")),
        until_ended("b"),
        start(&[1]),
    ];
    // The disk is still full when it starts again: it is halted once more, and then mended.
    let mut plan = story(steps);
    plan.recovery = Some(Recovery { nodes: vec![b(1)] });
    let record = run(&plan);
    assert!(touched(&record, 2).0 > 0);
    let error = storage_failure(&record, 1).unwrap();
    assert!(error.starts_with("no space left on device"), "{error}");
    let leads = events(&record, b(2)).chain(events(&record, b(3)));
    assert!(
        leads
            .filter(|(_, event)| matches!(event, Event::BecameLeader { .. }))
            .count()
            > 0
    );
    assert_eq!(acknowledged(&record), 40);
    holds(&record, 40);
}

#[test]
fn a_flush_that_fails_halts_its_broker() {
    let fail = DiskFault::Fail {
        calls: vec![DiskCall::Flush],
    };
    let fail = lasting(disk(&[2], Some("data/orders-0"), fail), 5_000);
    let steps = vec![fail, after(1_000, send("b")), until_ended("b"), start(&[2])];
    let mut plan = story(steps);
    flush_each_record(&mut plan);
    let record = run(&plan);
    assert!(touched(&record, 2).0 > 0);
    let error = storage_failure(&record, 2).unwrap();
    assert!(
        error.starts_with("I/O error on flush of data/orders-0/"),
        "{error}"
    );
    assert_eq!(acknowledged(&record), 40);
    holds(&record, 40);
    // Nobody flushes without `flush.messages`: the same fault touches nothing.
    let steps = story(plan.steps[2..].to_vec());
    let record = run(&steps);
    assert_eq!(touched(&record, 2).0, 0);
    assert_eq!(storage_failure(&record, 2), None);
}

#[test]
fn a_broker_that_cannot_read_its_disk_does_not_start_and_may_try_again() {
    let fail = DiskFault::Fail {
        calls: vec![DiskCall::Read],
    };
    let fail = lasting(disk(&[2], None, fail), 10_000);
    let mut wait = start(&[2]);
    wait.when = When::After { ms: 10_000 };
    // The first checkpoint of high watermarks comes after 5 s: then there is something to read.
    let mut kill = stop(&[2], StopKind::Kill);
    kill.when = When::After { ms: 10_000 };
    let plan = story(vec![kill, fail, start(&[2]), wait, until_in_sync()]);
    let record = run(&plan);
    assert!(touched(&record, 3).0 > 0);
    let failed = |entry: &&Entry| matches!(entry.what, What::StartFailed { .. });
    let failed: Vec<&Entry> = record.entries.iter().filter(failed).collect();
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert_eq!(failed[0].node, Some(b(2)));
    holds(&record, 20);
    let verdict = check::judge(&plan, &record);
    assert_eq!(verdict.findings, []);
}

#[test]
fn a_shutdown_that_cannot_flush_is_not_clean() {
    let fail = DiskFault::Fail {
        calls: vec![DiskCall::Flush],
    };
    let fail = lasting(disk(&[2], Some("data/orders-0"), fail), 5_000);
    let mut again = start(&[2]);
    again.when = When::After { ms: 15_000 };
    let record = run(&story(vec![fail, stop(&[2], StopKind::Shutdown), again]));
    assert!(touched(&record, 2).0 > 0);
    assert!(storage_failure(&record, 2).is_some());
    let of_2 = || events(&record, b(2)).map(|(_, event)| event);
    assert!(!of_2().any(|event| *event == Event::BrokerStopped));
    let starts = of_2().filter(|event| **event == Event::BrokerStarted { clean: false });
    assert_eq!(starts.count(), 2);
    holds(&record, 20);
}

#[test]
fn a_controller_whose_disk_is_full_halts_until_it_is_mended() {
    let full = Action::Disk {
        nodes: vec![CONTROLLER.into()],
        directory: Some("data/__cluster_metadata-0".to_owned()),
        fault: DiskFault::Full,
    };
    let mut plan = story(vec![lasting(full, 5_000), after(10_000, send("b"))]);
    plan.recovery = Some(Recovery {
        nodes: vec![CONTROLLER],
    });
    let record = run(&plan);
    assert_eq!(touched(&record, 2), (1, Touched::DiskCalls));
    let mut told = events(&record, CONTROLLER);
    assert!(told.any(|(_, event)| matches!(event, Event::StorageFailed { .. })));
    assert!(told.any(|(_, event)| matches!(event, Event::ControllerActivated { .. })));
    holds(&record, 40);
}

/// Kafka's observers refuse to cut below their high watermark, and end.
#[test]
fn brokers_halt_when_the_controller_has_forgotten_what_it_committed() {
    let rot = |position| Action::Disk {
        nodes: vec![CONTROLLER.into()],
        directory: None,
        fault: DiskFault::BitRot {
            file: Some("data/__cluster_metadata-0/00000000000000000000.log".to_owned()),
            position: Some(position),
        },
    };
    let nodes = || vec![CONTROLLER.into()];
    let how = StopKind::Kill;
    let steps = |position| {
        vec![
            after(
                1_000,
                Action::Stop {
                    nodes: nodes(),
                    how,
                },
            ),
            after(1_000, rot(position)),
            after(1_000, Action::Start { nodes: nodes() }),
            after(5_000, Action::Heal),
        ]
    };
    let record = run(&story(steps(400)));
    assert_eq!(touched(&record, 3), (1, Touched::Bytes));
    for broker in 1..=3 {
        let error = storage_failure(&record, broker).unwrap();
        assert!(error.contains("was committed"), "{error}");
    }
    let record = run(&story(steps(1_000_000)));
    assert_eq!(touched(&record, 3), (0, Touched::Bytes));
    assert_eq!(storage_failure(&record, 1), None);
}

#[test]
fn a_replaced_disk_is_filled_again_from_the_leader() {
    let wipe = after(1_000, disk(&[3], None, DiskFault::Wipe));
    let steps = vec![stop(&[3], StopKind::Kill), wipe, start(&[3])];
    let record = run(&story(steps));
    let (touched, of) = touched(&record, 3);
    assert!(touched > 1_000 && of == Touched::Bytes);
    holds(&record, 20);
}

#[test]
fn a_disk_that_is_in_use_cannot_be_replaced() {
    let wipe = after(1_000, disk(&[3], None, DiskFault::Wipe));
    let record = run(&story(vec![wipe]));
    assert_eq!(touched(&record, 2), (0, Touched::Bytes));
    holds(&record, 20);
}

#[test]
fn a_rotten_batch_is_cut_by_recovery_and_fetched_again() {
    let rot = |position| DiskFault::BitRot {
        file: Some(LOG.to_owned()),
        position: Some(position),
    };
    let steps = |position| {
        vec![
            stop(&[2], StopKind::Kill),
            after(1_000, disk(&[2], Some("data"), rot(position))),
            start(&[2]),
        ]
    };
    let record = run(&story(steps(70)));
    assert_eq!(touched(&record, 3), (1, Touched::Bytes));
    assert!(cut_by_recovery(&record, 2) > 0);
    holds(&record, 20);
    let record = run(&story(steps(1_000_000)));
    assert_eq!(touched(&record, 3), (0, Touched::Bytes));
    assert_eq!(cut_by_recovery(&record, 2), 0);
}

#[test]
fn a_rotten_batch_of_the_leader_reaches_nobody() {
    let rot = DiskFault::BitRot {
        file: Some(LOG.to_owned()),
        position: Some(70),
    };
    let wipe = after(1_000, disk(&[3], None, DiskFault::Wipe));
    let steps = vec![
        stop(&[3], StopKind::Kill),
        wipe,
        after(1_000, disk(&[1], None, rot)),
        start(&[3]),
        after(20_000, Action::Heal),
    ];
    let record = run(&story(steps));
    // The follower begins anew, and refuses the batch each time that it fetches it.
    let refused = events(&record, b(3)).filter(|(_, event)| {
        matches!(event, Event::Refused { error, .. }
            if *error == ErrorCode::CorruptMessage)
    });
    assert!(refused.count() > 5);
    let of_3 = logs(&record).into_iter().find(|log| log.broker.0 == 3);
    assert!(of_3.unwrap().records.is_empty());
}

#[test]
fn acknowledged_records_are_lost_where_flushes_lie() {
    let all = [1, 2, 3];
    let steps = |fault| {
        vec![
            after(1_000, disk(&all, None, fault)),
            after(1_000, send("b")),
            until_ended("b"),
            stop(&all, StopKind::PowerLoss),
            start(&all),
        ]
    };
    let mut plan = story(steps(DiskFault::LyingFlush));
    flush_each_record(&mut plan);
    let record = run(&plan);
    assert!(touched(&record, 2).0 >= 9);
    assert_eq!(acknowledged(&record), 40);
    holds(&record, 20);
    let mut honest = story(steps(DiskFault::Slow { times: 2 }));
    flush_each_record(&mut honest);
    let record = run(&honest);
    assert_eq!(acknowledged(&record), 40);
    holds(&record, 40);
}

#[test]
fn a_torn_write_is_cut_by_recovery() {
    let steps = vec![
        after(1_000, disk(&[2], None, DiskFault::TornWrite)),
        after(1_000, send("b")),
        until_ended("b"),
        stop(&[2], StopKind::PowerLoss),
        start(&[2]),
    ];
    let record = run(&story(steps));
    let (torn, of) = touched(&record, 2);
    assert!(torn > 0 && of == Touched::DiskCalls);
    assert!(cut_by_recovery(&record, 2) > 0);
    holds(&record, 40);
}

/// Whatever rots, tears or fails, no machine panics, and the same plan gives the same record.
#[test]
fn no_disk_fault_makes_a_machine_panic() {
    for seed in 0..40 {
        let rot = DiskFault::BitRot {
            file: None,
            position: None,
        };
        let nodes = vec![b(1).into(), b(2).into(), b(3).into(), CONTROLLER.into()];
        let rot = after(
            500,
            Action::Disk {
                nodes: nodes.clone(),
                directory: Some("data".to_owned()),
                fault: rot,
            },
        );
        let how = [StopKind::Kill, StopKind::PowerLoss, StopKind::Shutdown];
        let how = how[usize::try_from(seed % 3).unwrap()];
        let stop = Step {
            for_ms: Some(5_000),
            ..after(1_000, Action::Stop { nodes, how })
        };
        let torn = disk(&[1, 2], None, DiskFault::TornWrite);
        let mut plan = story(vec![
            after(100, torn),
            rot.clone(),
            rot.clone(),
            stop.clone(),
            after(10_000, send("b")),
            rot.clone(),
            rot,
            stop,
            after(30_000, send("c")),
        ]);
        plan.seed = seed;
        plan.topics[0]
            .configs
            .insert("segment.bytes".to_owned(), "1024".to_owned());
        let record = run(&plan);
        if seed < 3 {
            assert_eq!(codec::digest(&record), codec::digest(&run(&plan)));
        }
    }
}
