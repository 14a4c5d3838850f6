//! Faults of links under the real machines: the cases that a broken network makes of a healthy cluster.

#![expect(clippy::unwrap_used, reason = "a test")]

mod common;

use common::{CONTROLLER, after, b, plan};
use ktrial_core::message::Api;
use ktrial_core::{ClientId, NodeId, Timestamp};
use ktrial_sim::history::{FinalLog, Message, Record, What, Why};
use ktrial_sim::plan::{Action, Condition, Latency, LinkFault, Plan, Step, When};
use ktrial_sim::trial;

/// The producer `app`.
const APP: NodeId = NodeId::Client(ClientId(0));

/// What is wrong with one API from one node to another, for a time.
fn link((from, to): (NodeId, NodeId), api: Api, fault: LinkFault, for_ms: u64) -> Step {
    Step {
        for_ms: Some(for_ms),
        ..after(
            0,
            Action::Link {
                from: vec![from.into()],
                to: vec![to.into()],
                one_way: true,
                api: vec![api],
                fault,
            },
        )
    }
}

/// Sends one value, waits for its outcome, and then so long.
fn send_x(wait_ms: u64) -> Vec<Step> {
    let values = vec!["x".to_owned()];
    let send = Action::Send {
        producer: "app".to_owned(),
        topic: "orders".into(),
        partition: Some(0),
        key: None,
        values: values.clone(),
    };
    let ended = When::Until {
        condition: Condition::Ended { values },
        within_ms: 150_000,
    };
    let wait = |when| Step {
        when,
        action: None,
        for_ms: None,
        may_miss: false,
    };
    vec![
        after(100, send),
        wait(ended),
        wait(When::After { ms: wait_ms }),
    ]
}

/// A producer that does not number what it sends, so that its leader takes a retry for something new.
fn run(fault: Step, wait_ms: u64) -> Record {
    let mut plan: Plan = plan(7);
    let idempotence = ("enable.idempotence".to_owned(), "false".to_owned());
    plan.producers[0].config.extend([idempotence]);
    plan.steps = vec![fault];
    plan.steps.extend(send_x(wait_ms));
    trial::run(&plan).unwrap()
}

/// How often the value is in every replica's log: all of them agree.
fn copies(record: &Record) -> usize {
    let logs: Vec<&FinalLog> = record
        .entries
        .iter()
        .filter_map(|entry| match &entry.what {
            What::FinalLog(log) => Some(&**log),
            _ => None,
        })
        .collect();
    assert_eq!(logs.len(), 3);
    assert!(logs.iter().all(|log| log.records == logs[0].records));
    let records = logs[0].records.iter();
    records.filter(|record| record.value == "x").count()
}

fn effect(record: &Record, step: usize) -> u64 {
    let effects = record.entries.iter().filter_map(|entry| match entry.what {
        What::FaultEffect {
            step: of, touched, ..
        } if of == step => Some(touched),
        _ => None,
    });
    effects.sum()
}

fn dropped(record: &Record, wanted: Why) -> Vec<(Timestamp, Message)> {
    let dropped = record.entries.iter().filter_map(|entry| match &entry.what {
        What::Dropped { message, why } if *why == wanted => Some((entry.at, *message)),
        _ => None,
    });
    dropped.collect()
}

const LOST: LinkFault = LinkFault::Lose {
    per_mille: 1_000,
    reset: true,
};

/// The leader has it, its answer is lost, the producer sends it again: the same request twice.
#[test]
fn a_lost_answer_makes_a_producer_write_twice() {
    let record = run(link((b(1), APP), Api::Produce, LOST, 1_000), 0);
    let lost = dropped(&record, Why::Reset);
    assert!(lost.iter().all(|(_, message)| message.response));
    assert!(!lost.is_empty());
    assert_eq!(effect(&record, 0), lost.len() as u64);
    assert_eq!(copies(&record), lost.len() + 1);
}

/// The near miss: what is lost on its way to the leader was never written.
#[test]
fn a_lost_request_is_written_once() {
    let record = run(link((APP, b(1)), Api::Produce, LOST, 1_000), 0);
    let lost = dropped(&record, Why::Reset);
    assert!(lost.iter().all(|(_, message)| !message.response));
    assert!(!lost.is_empty());
    assert_eq!(copies(&record), 1);
}

fn late(ms: u64) -> Step {
    let delay = LinkFault::Delay(Latency::Fixed { us: ms * 1_000 });
    link((APP, b(1)), Api::Produce, delay, 5_000)
}

/// The producer has given up on the connection and written the value by another; what it sent by the
/// first arrives all the same. Only the answer finds nobody.
#[test]
fn a_request_from_a_dead_connection_is_written_late() {
    let record = run(late(40_000), 30_000);
    assert_eq!(effect(&record, 0), 1);
    assert_eq!(copies(&record), 2);
    let unheard = dropped(&record, Why::ConnectionClosed);
    let [(at, answer)] = &unheard[..] else {
        panic!("{unheard:?}");
    };
    assert!(answer.response && answer.api == Api::Produce);
    assert!(*at > Timestamp::from_millis(40_000));
}

/// The near miss: it arrives before `request.timeout.ms` has passed.
#[test]
fn a_late_request_that_is_waited_for_is_written_once() {
    let record = run(late(25_000), 30_000);
    assert_eq!(effect(&record, 0), 1);
    assert_eq!(copies(&record), 1);
}

/// When what arrived that broker 1 sent to the controller.
fn delivered(record: &Record, api: Api) -> Vec<(Timestamp, Timestamp)> {
    let delivered = record.entries.iter().filter_map(|entry| match &entry.what {
        What::Delivered(m) if m.api == api && m.from == b(1) && !m.response => {
            Some((m.sent, entry.at))
        }
        _ => None,
    });
    delivered.collect()
}

/// Broker 3 falls out of the ISR, and its leader cannot tell the controller for a minute.
#[test]
fn a_cut_of_one_api_holds_it_and_releases_it_in_order() {
    let mut plan = plan(7);
    let cut = LinkFault::Cut;
    plan.steps = vec![
        link((b(1), CONTROLLER), Api::AlterPartition, cut.clone(), 60_000),
        link((b(3), b(1)), Api::Fetch, cut, 80_000),
        Step {
            when: When::After { ms: 100_000 },
            action: None,
            for_ms: None,
            may_miss: false,
        },
    ];
    let record = trial::run(&plan).unwrap();
    let begun = |wanted: usize| {
        let mut entries = record.entries.iter();
        let begun = entries
            .find(|entry| matches!(&entry.what, What::Step { index, .. } if *index == wanted));
        begun.unwrap().at
    };
    let begin = begun(0);
    let end = Timestamp(begin.0 + 60_000_000);
    let proposals = delivered(&record, Api::AlterPartition);
    let during = |at: Timestamp| begin < at && at < end;
    let held: Vec<_> = proposals.iter().filter(|(sent, _)| during(*sent)).collect();
    assert!(!held.is_empty());
    assert_eq!(effect(&record, 0), held.len() as u64);
    assert!(proposals.iter().all(|(_, at)| !during(*at)));
    assert!(held.iter().all(|(_, at)| at.since(end).as_millis() <= 210));
    assert!(held.is_sorted());
    let lives = delivered(&record, Api::BrokerHeartbeat);
    let in_time = lives.iter().filter(|(_, at)| during(*at));
    assert!(in_time.count() > 20);
}
