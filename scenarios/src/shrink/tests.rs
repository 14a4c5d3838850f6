//! What goes with what: each row takes something from one plan.

use super::measure::Measure;
use super::without::{Gone, without};
use crate::compile::compile;
use crate::file::parse;
use ktrial_core::{BrokerId, ClientId, NodeId, TopicName};
use ktrial_sim::plan::{Action, Plan, Step, When};
use ktrial_sim::trial;

const FILE: &str = r#"
title = "Something of everything"
why = "a test"
[cluster]
brokers = 3
[topics.orders]
replicas = [[1, 2, 3], [2, 3, 1]]
[topics.other]
replicas = [[3]]
[producers.p1]
[producers.p2]
[consumers.c1]
assign = ["orders-0", "orders-1", "other-0"]
[[step]]
send = { producer = "p1", topic = "orders", partition = 1, values = ["A", "B"] }
[[step]]
after = "2s"
kill = { broker = 3 }
[[step]]
after = "3s"
send = { producer = "p2", topic = "other", partition = 0, values = ["C"] }
[[step]]
until = { all = [{ ended = { values = ["A", "B"] } }, { isr = { partition = "orders-1", is = [1, 2] } }] }
start = { broker = 3 }
"#;

fn plan() -> Plan {
    let scenario = parse("file", "file.toml", FILE).unwrap_or_else(|p| panic!("{p}"));
    let mut plan = compile(&scenario, 1, &[]).unwrap().plans.remove(0);
    // The second producer freezes: a client is named by its number.
    let mut step = plan.steps[0].clone();
    step.when = When::After { ms: 1_000 };
    step.action = Some(Action::Pause {
        nodes: vec![NodeId::Client(ClientId(1)).into()],
    });
    plan.steps.push(step);
    plan
}

fn script(plan: &Plan) -> String {
    let steps = plan
        .steps
        .iter()
        .map(|step| serde_json::to_string(step).unwrap());
    steps.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_step_hands_its_delay_to_the_next_one() {
    let gone = Gone {
        steps: [1].into(),
        ..Gone::default()
    };
    let less = without(&plan(), &gone);
    assert_eq!(less.steps[1].when, When::After { ms: 5_000 });
    assert_eq!(less.steps.len(), 4);
}

#[test]
fn conditions_do_not_wait_for_what_is_gone() {
    let gone = Gone {
        values: ["A".to_owned()].into(),
        brokers: [BrokerId(2)].into(),
        ..Gone::default()
    };
    let text = script(&without(&plan(), &gone));
    assert!(text.contains(r#"{"ended":{"values":["B"]}}"#), "{text}");
    assert!(text.contains(r#""is":[1]"#), "{text}");
    let gone = Gone {
        steps: [0].into(),
        ..Gone::default()
    };
    let text = script(&without(&plan(), &gone));
    assert!(!text.contains("ended") && text.contains("isr"), "{text}");
}

#[test]
fn replicas_clients_and_partitions_go_with_their_owners() {
    let gone = Gone {
        brokers: [BrokerId(3)].into(),
        ..Gone::default()
    };
    let less = without(&plan(), &gone);
    let kills = |plan: &Plan| {
        let actions = plan.steps.iter().filter_map(|step| step.action.as_ref());
        actions.filter(|action| action.is_fault()).count()
    };
    assert_eq!(kills(&less), 1, "only the pause is left: {}", script(&less));
    let placed = serde_json::to_string(&less.topics).unwrap();
    assert!(
        placed.contains("[[1,2],[2,1]]") && placed.contains("[[1]]"),
        "{placed}"
    );

    let gone = Gone {
        clients: ["p1".to_owned()].into(),
        ..Gone::default()
    };
    let text = script(&without(&plan(), &gone));
    assert!(
        text.contains("\"k0\"") && !text.contains("\"k1\""),
        "{text}"
    );

    let gone = Gone {
        only: [(TopicName::from("orders"), vec![1])].into(),
        topics: [TopicName::from("other")].into(),
        ..Gone::default()
    };
    let less = without(&plan(), &gone);
    let text = script(&less);
    assert!(
        text.contains("orders-0") && !text.contains("orders-1"),
        "{text}"
    );
    assert!(!text.contains("other"), "{text}");
    assert_eq!(less.consumers[0].assign.len(), 1);
}

#[test]
fn what_is_left_can_be_run() {
    let plan = plan();
    let count = plan.steps.len();
    for (step, broker) in (0..count).flat_map(|step| (1..=3).map(move |id| (step, BrokerId(id)))) {
        let gone = Gone {
            steps: [step].into(),
            brokers: [broker].into(),
            ..Gone::default()
        };
        let less = without(&plan, &gone);
        assert!(Measure::of(&less) < Measure::of(&plan));
        // A start without its kill is the one thing that is refused.
        let starts = |step: &Step| matches!(step.action, Some(Action::Start { .. }));
        let kills = less
            .steps
            .iter()
            .any(|s| matches!(s.action, Some(Action::Stop { .. })));
        if kills || !less.steps.iter().any(starts) {
            trial::run(&less).unwrap();
        } else {
            trial::run(&less).unwrap_err();
        }
    }
}

#[test]
fn fewer_faults_are_smaller_whatever_else_grows() {
    let (plan, mut other) = (plan(), plan());
    other.steps.remove(4);
    other.steps[0].action = Some(Action::Send {
        producer: "p1".to_owned(),
        topic: "orders".into(),
        partition: Some(0),
        key: None,
        values: (0..100).map(|n| n.to_string()).collect(),
    });
    other.seed = u64::MAX;
    assert!(Measure::of(&other) < Measure::of(&plan));
}
