//! Whole trials with the real machines: the same plan gives the same record, and the record holds
//! together.

#![expect(clippy::unwrap_used, reason = "a test")]

use ktrial_core::message::{NewTopic, Placement};
use ktrial_core::{BrokerId, ControllerId, NodeId, TopicPartition};
use ktrial_sim::history::{EndReason, FinalLog, Record, What, codec};
use ktrial_sim::plan::{
    Action, BrokerPlan, Condition, ConsumerPlan, ControllerPlan, DiskPlan, NetworkPlan,
    PLAN_VERSION, Plan, PowerLoss, ProducerPlan, Step, StopKind, When,
};
use ktrial_sim::trial;
use std::collections::BTreeMap;

const CONTROLLER: NodeId = NodeId::Controller(ControllerId(3000));

fn b(id: i32) -> NodeId {
    NodeId::Broker(BrokerId(id))
}

fn values(prefix: &str) -> Vec<String> {
    (0..20).map(|n| format!("{prefix}{n}")).collect()
}

fn send(prefix: &str) -> Action {
    Action::Send {
        producer: "app".to_owned(),
        topic: "orders".into(),
        partition: Some(0),
        key: None,
        values: values(prefix),
    }
}

fn ended(prefix: &str) -> When {
    When::Until {
        condition: Condition::Ended {
            values: values(prefix),
        },
        within_ms: 150_000,
    }
}

fn after(ms: u64, action: Action) -> Step {
    Step {
        when: When::After { ms },
        action: Some(action),
    }
}

fn steps() -> Vec<Step> {
    let stop = |id, how| Action::Stop {
        nodes: vec![b(id)],
        how,
    };
    let start = |id| Action::Start { nodes: vec![b(id)] };
    vec![
        after(0, send("a")),
        Step {
            when: ended("a"),
            action: Some(Action::Cut {
                from: vec![b(3)],
                to: vec![b(1), b(2), CONTROLLER],
                one_way: false,
            }),
        },
        after(15_000, send("b")),
        Step {
            when: ended("b"),
            action: Some(Action::Heal),
        },
        after(5_000, stop(1, StopKind::PowerLoss)),
        after(12_000, send("c")),
        after(1_000, start(1)),
        after(5_000, stop(2, StopKind::Shutdown)),
        after(5_000, start(2)),
    ]
}

fn plan(seed: u64) -> Plan {
    let setting = |key: &str, value: &str| BTreeMap::from([(key.to_owned(), value.to_owned())]);
    let brokers = (1..=3).map(|id| BrokerPlan {
        id: BrokerId(id),
        config: BTreeMap::new(),
    });
    Plan {
        version: PLAN_VERSION,
        scenario: "trial".to_owned(),
        title: "A cut, a power loss, a shutdown".to_owned(),
        seed,
        cell: BTreeMap::new(),
        release: ktrial_core::rules::NEWEST.to_owned(),
        rules: ktrial_core::Rules::default(),
        controllers: vec![ControllerPlan {
            id: ControllerId(3000),
            config: BTreeMap::new(),
        }],
        brokers: brokers.collect(),
        topic_defaults: BTreeMap::new(),
        topics: vec![NewTopic {
            topic: "orders".into(),
            placement: Placement::Manual(vec![vec![BrokerId(1), BrokerId(2), BrokerId(3)]]),
            configs: setting("min.insync.replicas", "2"),
        }],
        producers: vec![ProducerPlan {
            name: "app".to_owned(),
            config: BTreeMap::new(),
        }],
        consumers: vec![ConsumerPlan {
            name: "reader".to_owned(),
            config: setting("auto.offset.reset", "earliest"),
            assign: vec![TopicPartition::new("orders", 0)],
        }],
        network: NetworkPlan::default(),
        disk: DiskPlan {
            power_loss: PowerLoss::RandomPrefix,
            ..DiskPlan::default()
        },
        clocks: BTreeMap::new(),
        steps: steps(),
        settle_ms: 30_000,
        time_limit_ms: 600_000,
        record_messages: true,
    }
}

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
            What::FinalLog(log) => Some(log),
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
        What::FaultEffect { step, messages } => Some((step, messages)),
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
    }];
    assert_eq!(end(&trial::run(&plan).unwrap()), EndReason::StepFailed);
    plan.steps.clear();
    plan.time_limit_ms = 1;
    assert_eq!(end(&trial::run(&plan).unwrap()), EndReason::TimeLimit);
}
