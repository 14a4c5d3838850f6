//! The script, shown a cluster's entries as a story tells them.

use super::cluster::Cluster;
use super::script::{REST, Script};
use crate::check::story::{Story, brokers, orders};
use crate::history::{EndReason, Entry, What};
use crate::plan::{Action, Condition, Plan, Step, When};
use crate::world::{Director, Order};
use ktrial_core::message::Placement;
use ktrial_core::{
    BrokerId, ClientId, Command, ControllerId, Event, NodeId, OperationId, Timestamp,
};
use std::sync::Arc;

/// A script under way, and what it ordered last.
struct Stage {
    script: Script,
    /// Everything but wake-ups.
    ordered: Vec<Order>,
    wakes: Vec<u64>,
}

impl Stage {
    fn new(plan: Plan) -> Self {
        let cluster = Cluster::new(&plan).unwrap();
        let mut stage = Self {
            script: Script::new(Arc::new(plan), Arc::new(cluster)),
            ordered: Vec::new(),
            wakes: Vec::new(),
        };
        stage.act(Timestamp::ZERO);
        stage
    }

    /// A stage whose steps begin at 0, with everything ordered before forgotten.
    fn ready(steps: Vec<Step>) -> Self {
        let mut story = Story::new();
        story.plan.steps = steps;
        let mut stage = Self::new(story.plan.clone());
        stage.script_sees(&story.entries);
        stage
    }

    fn script_sees(&mut self, entries: &[Entry]) {
        for entry in entries {
            self.ordered.clear();
            self.script.observe(entry);
            self.go_on(entry.at);
        }
    }

    fn act(&mut self, at: Timestamp) {
        self.ordered.clear();
        self.once(at);
        self.go_on(at);
    }

    fn at(&mut self, ms: u64) -> &[Order] {
        self.act(Timestamp::from_millis(ms));
        &self.ordered
    }

    fn go_on(&mut self, at: Timestamp) {
        while self.script.is_due() {
            self.once(at);
        }
    }

    fn once(&mut self, at: Timestamp) {
        let mut orders = Vec::new();
        self.script.act(at, &mut orders);
        for order in orders {
            match order {
                Order::WakeAt(at) => self.wakes.push(at.as_millis()),
                order => self.ordered.push(order),
            }
        }
    }
}

fn step(when: When, action: Option<Action>) -> Step {
    Step {
        when,
        action,
        for_ms: None,
        may_miss: false,
    }
}

fn done(index: usize, action: Option<Action>) -> Order {
    let action = action.map(Box::new);
    Order::Record(What::Step { index, action })
}

fn steps_done() -> Order {
    Order::Record(What::StepsDone)
}

fn isr_of(ids: &[i32]) -> Condition {
    Condition::Isr {
        partition: orders(),
        is: brokers(ids),
    }
}

fn isr(ids: &[i32]) -> When {
    When::Until {
        condition: isr_of(ids),
        within_ms: 5_000,
    }
}

#[test]
fn start_up_waits_for_brokers_then_topics_then_replicas() {
    let story = Story::new();
    let mut stage = Stage::new(story.plan.clone());
    let client = |id| NodeId::Client(ClientId(id));
    let mut expected = vec![Order::Start(NodeId::Controller(ControllerId(3000)))];
    expected.extend((0..3).map(|id| Order::Start(NodeId::Broker(BrokerId(id)))));
    expected.push(Order::Start(client(0)));
    expected.push(Order::Start(client(1)));
    let partitions = vec![orders()];
    expected.push(Order::Command(client(1), Command::Assign { partitions }));
    expected.push(Order::Start(client(2)));
    assert_eq!(stage.ordered, expected);
    assert_eq!(stage.wakes, [600_000]);

    // Three times started, registered, unfenced; then the topic.
    stage.script_sees(&story.entries[..8]);
    assert!(stage.ordered.is_empty());
    stage.script_sees(&story.entries[8..9]);
    let Order::Command(node, Command::Administer { operation, .. }) = &stage.ordered[0] else {
        panic!("{:?}", stage.ordered);
    };
    assert_eq!((*node, *operation), (client(2), OperationId(0)));
    // The topic, its partition, and two of three replicas: not yet.
    stage.script_sees(&story.entries[9..13]);
    assert!(stage.ordered.is_empty());
    stage.script_sees(&story.entries[13..14]);
    assert_eq!(stage.ordered, [steps_done()]);
}

#[test]
fn steps_wait_for_their_time() {
    let send = Action::Send {
        producer: "app".to_owned(),
        topic: "orders".into(),
        partition: None,
        key: None,
        values: vec!["a".to_owned(), "b".to_owned()],
    };
    let mut stage = Stage::ready(vec![
        step(When::After { ms: 100 }, Some(send.clone())),
        step(When::After { ms: 50 }, Some(Action::Heal)),
        step(When::At { ms: 120 }, None),
        step(When::Now, None),
    ]);
    assert_eq!(stage.wakes.last(), Some(&100));
    assert!(stage.at(99).is_empty());
    let ordered = stage.at(100);
    assert_eq!(ordered[0], done(0, Some(send)));
    let operations = ordered[1..].iter().map(|order| match order {
        Order::Command(_, Command::Send { operation, .. }) => operation.0,
        other => panic!("{other:?}"),
    });
    assert_eq!(operations.collect::<Vec<_>>(), [1, 2]);
    assert_eq!(stage.wakes.last(), Some(&150));
    let expected = [
        done(1, Some(Action::Heal)),
        Order::Heal,
        done(2, None),
        done(3, None),
        steps_done(),
    ];
    assert_eq!(stage.at(150), expected);
}

#[test]
fn a_condition_acts_at_the_entry_that_makes_it_true() {
    let mut stage = Stage::ready(vec![step(isr(&[0]), None), step(isr(&[0, 1, 2]), None)]);
    let mut story = Story::new();
    let known = story.entries.len();
    story.at(1_000).isr(&[0, 1]).isr(&[0]).isr(&[0, 1]);
    story.at(2_000).isr(&[0, 1, 2]);
    // The controller's entries: what a leader makes of them is no condition's business.
    let written = |entry: &&Entry| matches!(entry.what, What::Event(Event::MetadataWritten { .. }));
    let entries = story.entries[known..].iter().filter(written).cloned();
    let entries: Vec<Entry> = entries.collect();
    stage.script_sees(&entries[..1]);
    assert!(stage.ordered.is_empty());
    stage.script_sees(&entries[1..2]);
    assert_eq!(stage.ordered, [done(0, None)]);
    stage.script_sees(&entries[2..]);
    assert_eq!(stage.ordered, [done(1, None), steps_done()]);
}

#[test]
fn a_condition_that_does_not_come_true_ends_the_trial() {
    let mut stage = Stage::ready(vec![step(isr(&[0]), None)]);
    assert_eq!(stage.wakes.last(), Some(&5_000));
    assert!(stage.at(4_999).is_empty());
    let ordered = stage.at(5_000);
    assert!(matches!(
        &ordered[0],
        Order::Record(What::StepFailed { index: 0, .. })
    ));
    assert_eq!(ordered[1..], [Order::End(EndReason::StepFailed)]);
}

#[test]
fn silence_is_waited_for() {
    let quiet = When::Until {
        condition: Condition::All(vec![Condition::Quiet { ms: 300 }]),
        within_ms: 5_000,
    };
    let mut stage = Stage::ready(vec![step(quiet, None)]);
    assert_eq!(stage.wakes.last(), Some(&300));
    let mut story = Story::new();
    let known = story.entries.len();
    story.at(200).isr(&[0, 1]);
    stage.script_sees(&story.entries[known..]);
    assert!(stage.at(300).is_empty());
    assert_eq!(stage.wakes.last(), Some(&500));
    assert_eq!(stage.at(500), [done(0, None), steps_done()]);
}

#[test]
fn a_silence_that_is_broken_while_something_else_is_waited_for_is_waited_for_anew() {
    let quiet = When::Until {
        condition: Condition::All(vec![isr_of(&[0, 1]), Condition::Quiet { ms: 300 }]),
        within_ms: 5_000,
    };
    let mut stage = Stage::ready(vec![step(quiet, None)]);
    assert!(stage.at(300).is_empty());
    let mut story = Story::new();
    let known = story.entries.len();
    story.at(500).isr(&[0, 1]);
    stage.script_sees(&story.entries[known..]);
    assert_eq!(stage.wakes.last(), Some(&600));
    assert!(stage.at(600).is_empty());
    assert_eq!(stage.wakes.last(), Some(&800));
    assert_eq!(stage.at(800), [done(0, None), steps_done()]);
}

#[test]
fn a_converged_cluster_rests_before_the_end() {
    let mut stage = Stage::ready(Vec::new());
    let rest = u64::try_from(REST.as_millis()).unwrap();
    assert_eq!(stage.wakes.last(), Some(&rest));
    assert!(stage.at(rest - 1).is_empty());
    assert_eq!(stage.at(rest), [Order::End(EndReason::Converged)]);
}

#[test]
fn a_cluster_that_comes_undone_is_waited_for_until_nothing_changes() {
    let mut stage = Stage::ready(Vec::new());
    let mut story = Story::new();
    let known = story.entries.len();
    story.at(1_000).isr(&[0, 1]);
    stage.script_sees(&story.entries[known..]);
    assert!(stage.at(2_000).is_empty());
    assert!(stage.at(30_999).is_empty());
    assert_eq!(stage.at(31_000), [Order::End(EndReason::Settled)]);
}

#[test]
fn the_time_limit_ends_any_phase() {
    let mut stage = Stage::new(Story::new().plan);
    assert_eq!(stage.at(600_000), [Order::End(EndReason::TimeLimit)]);
    assert!(stage.at(600_001).is_empty());
}

#[test]
fn plans_that_contradict_themselves_are_refused() {
    let check = |change: &dyn Fn(&mut Plan), expected: &str| {
        let mut plan = Story::new().plan;
        change(&mut plan);
        let error = super::run(&plan).unwrap_err().to_string();
        assert_eq!(error, format!("the plan cannot be run: {expected}"));
    };
    check(
        &|plan| plan.version = 9,
        "it is version 9 of the format, expected 2",
    );
    check(
        &|plan| plan.brokers.clear(),
        "it needs a controller and a broker",
    );
    check(
        &|plan| plan.brokers[1].id = BrokerId(0),
        "there are two of broker 0",
    );
    check(
        &|plan| plan.consumers[0].name = "app".to_owned(),
        "two clients are called `app`",
    );
    check(
        &|plan| {
            let nodes = vec![NodeId::Broker(BrokerId(7)).into()];
            plan.steps = vec![step(When::Now, Some(Action::Start { nodes }))];
        },
        "step 0 names node `b7`, which it does not have",
    );
    check(
        &|plan| {
            let nodes = vec![NodeId::Broker(BrokerId(1)).into()];
            plan.steps = vec![step(When::Now, Some(Action::Start { nodes }))];
        },
        "step 0 starts b1, which runs",
    );
    check(
        &|plan| plan.topics[0].placement = Placement::Manual(vec![vec![BrokerId(9)]]),
        "topic `orders` is placed on broker `9`, which it does not have",
    );
    check(
        &|plan| {
            let values = vec!["never".to_owned()];
            let condition = Condition::Ended { values };
            let within_ms = 1;
            plan.steps = vec![step(
                When::Until {
                    condition,
                    within_ms,
                },
                None,
            )];
        },
        "step 0 waits for `never`, which no step before it sends",
    );
}
