//! Whole trials with the real machines: the same plan gives the same record, and the record holds
//! together.

#![expect(clippy::unwrap_used, reason = "a test")]

mod common;

use common::{CONTROLLER, after, b, plan};
use ktrial_core::TopicPartition;
use ktrial_core::message::Api;
use ktrial_sim::history::{EndReason, FinalLog, Record, Touched, What, codec};
use ktrial_sim::plan::{Action, Condition, Latency, LinkFault, Step, StopKind, When};
use ktrial_sim::trial;

fn end(record: &Record) -> EndReason {
    let reason = record.entries.iter().find_map(|entry| match entry.what {
        What::Ended { reason } => Some(reason),
        _ => None,
    });
    reason.unwrap()
}

#[test]
fn the_same_plan_gives_the_same_record() {
    for seed in 0..3 {
        let plan = plan(seed);
        let digests: Vec<String> = [0, 0, 1, 2]
            .map(|madsim_seed| trial::run_with_madsim_seed(&plan, madsim_seed).unwrap())
            .iter()
            .map(codec::digest)
            .collect();
        assert!(digests.iter().all(|d| *d == digests[0]), "{digests:?}");
    }
}

#[test]
fn a_cluster_converges_after_its_faults_and_keeps_what_it_acknowledged() {
    let record = trial::run(&plan(7)).unwrap();
    assert_eq!(end(&record), EndReason::Converged);
    let logs: Vec<&FinalLog> = record
        .entries
        .iter()
        .filter_map(|entry| match &entry.what {
            What::FinalLog(log) => Some(&**log),
            _ => None,
        })
        .collect();
    assert_eq!(logs.len(), 3);
    for log in &logs {
        assert_eq!(log.damage, None);
        assert_eq!(log.records, logs[0].records);
        assert_eq!(log.records.len(), 60);
    }
    let cut_effect = record.entries.iter().find_map(|entry| match entry.what {
        What::FaultEffect {
            step,
            touched,
            of: Touched::Messages,
        } => Some((step, touched)),
        _ => None,
    });
    assert!(matches!(cut_effect, Some((1, 1..))), "{cut_effect:?}");
    let times: Vec<_> = record.entries.iter().map(|entry| entry.at).collect();
    assert!(times.is_sorted());
}

#[test]
fn a_record_survives_the_way_through_jsonl() {
    let record = trial::run(&plan(7)).unwrap();
    let text = codec::to_jsonl(&record);
    assert_eq!(codec::from_jsonl(&text).unwrap(), record);
}

#[test]
fn a_condition_that_does_not_hold_in_time_ends_the_trial() {
    let mut plan = plan(7);
    plan.steps = vec![Step {
        when: When::Until {
            condition: Condition::Leader {
                partition: TopicPartition::new("orders", 0),
                is: None,
            },
            within_ms: 1_000,
        },
        action: None,
        for_ms: None,
        may_miss: false,
    }];
    assert_eq!(end(&trial::run(&plan).unwrap()), EndReason::StepFailed);
    plan.steps.clear();
    plan.record_limit = Some(100);
    assert_eq!(end(&trial::run(&plan).unwrap()), EndReason::RecordLimit);
    plan.time_limit_ms = 1;
    assert_eq!(end(&trial::run(&plan).unwrap()), EndReason::TimeLimit);
}

/// Broker 1 still says that it lives, while what it wants of the ISR takes long to arrive.
#[test]
fn a_delay_of_one_api_leaves_the_others_alone() {
    let mut plan = plan(7);
    let slow = Action::Link {
        from: vec![b(1).into()],
        to: vec![CONTROLLER.into()],
        one_way: true,
        api: vec![Api::AlterPartition],
        fault: LinkFault::Delay(Latency::Fixed { us: 20_000_000 }),
    };
    let stop = Action::Stop {
        nodes: vec![b(3).into()],
        how: StopKind::Shutdown,
    };
    let start = Action::Start {
        nodes: vec![b(3).into()],
    };
    plan.steps = vec![
        after(0, slow),
        after(0, stop),
        after(10_000, start),
        after(60_000, Action::Heal),
    ];
    let record = trial::run(&plan).unwrap();
    let took = |wanted: Api| {
        record
            .entries
            .iter()
            .filter_map(move |entry| match &entry.what {
                What::Delivered(m) if m.api == wanted && m.from == b(1) && !m.response => {
                    Some(entry.at - m.sent)
                }
                _ => None,
            })
    };
    let second = std::time::Duration::from_secs(1);
    assert!(took(Api::BrokerHeartbeat).all(|time| time < second));
    assert!(took(Api::AlterPartition).any(|time| time > 20 * second));
    let effect = record.entries.iter().find_map(|entry| match entry.what {
        What::FaultEffect {
            step: 0, touched, ..
        } => Some(touched),
        _ => None,
    });
    assert!(effect.is_some_and(|messages| messages > 0), "{effect:?}");
}
