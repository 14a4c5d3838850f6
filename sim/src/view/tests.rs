//! The view against hand-made stories.

use super::View;
use crate::check::story::{Story, brokers, change, orders};
use crate::history::What;
use crate::plan::{BrokerStatus, Condition, StopKind};
use ktrial_core::event::SendOutcome;
use ktrial_core::metadata::{LeaderChange, PartitionChangeRecord};
use ktrial_core::{BrokerId, ErrorCode, Event, LeaderEpoch, NodeId, Offset, PartitionEpoch};

fn view(story: &Story) -> View {
    let mut view = View::new(&story.plan);
    for entry in &story.entries {
        view.apply(entry);
    }
    view
}

#[track_caller]
#[expect(
    clippy::needless_pass_by_value,
    reason = "the calls read better without &"
)]
fn check(story: &Story, condition: Condition, expected: bool) {
    let holds = view(story).holds(&condition, story.now());
    assert_eq!(holds, expected, "{condition:?}");
}

fn broker_is(id: i32, is: BrokerStatus) -> Condition {
    let broker = BrokerId(id);
    Condition::Broker { broker, is }
}

fn log_end(id: i32, at_least: i64) -> Condition {
    Condition::LogEnd {
        partition: orders(),
        broker: BrokerId(id),
        at_least: Offset(at_least),
    }
}

#[test]
fn a_cluster_that_is_up_is_ready_and_converged() {
    let mut story = Story::empty();
    assert!(!view(&story).ready());
    story = Story::new();
    assert!(view(&story).ready() && view(&story).converged());
    story.at(10).send("a");
    assert!(!view(&story).converged(), "a send is pending");
    story
        .append(0, 0, 0, "a")
        .high_watermark(0, 1)
        .acknowledged("a", 0);
    assert!(!view(&story).converged(), "the followers lack a");
    story.append(1, 0, 0, "a").append(2, 0, 0, "a");
    assert!(view(&story).converged());
    check(
        &story,
        Condition::InSync {
            partition: orders(),
        },
        true,
    );
    story.stop(2, StopKind::Kill);
    assert!(!view(&story).converged(), "the process of 2 is gone");
}

#[test]
fn the_controllers_truth_is_the_isr_leader_and_epochs() {
    let mut story = Story::new();
    story.isr(&[0, 1]);
    let isr = |ids: &[i32]| Condition::Isr {
        partition: orders(),
        is: brokers(ids),
    };
    check(&story, isr(&[1, 0]), true);
    check(&story, isr(&[0]), false);
    story.write_change(PartitionChangeRecord {
        isr: Some(vec![]),
        leader: LeaderChange::NoLeader,
        elr: Some(brokers(&[0])),
        last_known_elr: Some(brokers(&[0])),
        ..change()
    });
    let leader = |is| Condition::Leader {
        partition: orders(),
        is,
    };
    check(&story, leader(None), true);
    check(&story, leader(Some(BrokerId(0))), false);
    let view = view(&story);
    let committed = view
        .partition(&orders())
        .unwrap()
        .committed
        .as_ref()
        .unwrap();
    assert_eq!(committed.leader_epoch, LeaderEpoch(1));
    assert_eq!(committed.partition_epoch, PartitionEpoch(2));
    assert_eq!(committed.elr, brokers(&[0]));
    assert!(!view.ready());
}

#[test]
fn a_replicas_log_grows_and_is_cut() {
    let mut story = Story::new();
    story
        .append(1, 0, 0, "a")
        .append(1, 1, 0, "b")
        .append(1, 2, 0, "c");
    story.high_watermark(1, 2).flushed(1, 2);
    check(&story, log_end(1, 3), true);
    story.truncate(1, 3, 1);
    check(&story, log_end(1, 2), false);
    check(&story, log_end(1, 1), true);
    let after = view(&story);
    let replica = &after.partition(&orders()).unwrap().replicas[&BrokerId(1)];
    assert_eq!(replica.high_watermark, Offset(1));
    assert_eq!(replica.recovery_point, Offset(1));
    assert!(replica.log.batch_at(Offset(0)).is_some());
    assert!(replica.log.batch_at(Offset(1)).is_none());
    story
        .append(1, 1, 2, "d")
        .stop(1, StopKind::PowerLoss)
        .loaded(1, 1, 1);
    check(&story, log_end(1, 2), false);
}

#[test]
fn a_registration_does_not_speak_for_the_next_process() {
    let mut story = Story::new();
    check(&story, broker_is(1, BrokerStatus::Unfenced), true);
    story.stop(1, StopKind::Kill);
    check(&story, broker_is(1, BrokerStatus::Down), true);
    check(&story, broker_is(1, BrokerStatus::Unfenced), false);
    story.process_started(1).loaded(1, 0, 0);
    check(&story, broker_is(1, BrokerStatus::Down), false);
    check(&story, broker_is(1, BrokerStatus::Unfenced), false);
    assert!(!view(&story).converged());
    story.register(1);
    check(&story, broker_is(1, BrokerStatus::Fenced), true);
    story.unfence(1);
    check(&story, broker_is(1, BrokerStatus::Unfenced), true);
}

#[test]
fn a_controlled_stop_ends_when_the_broker_has_closed_its_logs() {
    let mut story = Story::new();
    story.stop(1, StopKind::Shutdown);
    check(&story, broker_is(1, BrokerStatus::Down), false);
    story.broker(1, Event::BrokerStopped);
    check(&story, broker_is(1, BrokerStatus::Down), true);
    let node = NodeId::Broker(BrokerId(1));
    let view = view(&story);
    assert_eq!(
        view.process_of(node).unwrap().stopped,
        Some(StopKind::Shutdown)
    );

    // The same, told by one entry at the very end.
    let mut story = Story::new();
    story
        .broker(1, Event::BrokerStopped)
        .stop(1, StopKind::Shutdown);
    check(&story, broker_is(1, BrokerStatus::Down), true);
}

#[test]
fn operations_are_found_by_value() {
    let mut story = Story::new();
    let acknowledged = |values: &[&str]| Condition::Acknowledged {
        values: values.iter().map(|value| (*value).to_owned()).collect(),
    };
    story.written("a", 0, 0, &[0, 1, 2]).send("b");
    check(&story, acknowledged(&["a"]), true);
    check(&story, acknowledged(&["a", "b"]), false);
    story.ended("b", SendOutcome::Unknown(ErrorCode::RequestTimedOut));
    check(&story, acknowledged(&["b"]), false);
    check(
        &story,
        Condition::Ended {
            values: vec!["b".into()],
        },
        true,
    );
    let consumed = |value: &str| Condition::Consumed {
        consumer: "reader".to_owned(),
        values: vec![value.to_owned()],
    };
    check(&story, consumed("a"), false);
    story.polled(&[(0, 0, "a")]);
    check(&story, consumed("a"), true);
    check(&story, consumed("b"), false);
}

#[test]
fn quiet_is_counted_from_the_last_change_and_high_watermarks_are_none() {
    let mut story = Story::new();
    story.at(1_000).append(0, 0, 0, "a");
    story.at(1_400).high_watermark(0, 1);
    check(&story, Condition::Quiet { ms: 400 }, true);
    check(&story, Condition::Quiet { ms: 401 }, false);
    story.entry(Some(NodeId::Broker(BrokerId(2))), What::ProcessPaused);
    check(&story, Condition::Quiet { ms: 1 }, false);
    let both = |conditions| Condition::All(conditions);
    check(&story, both(vec![log_end(0, 1), log_end(1, 1)]), false);
    check(
        &story,
        Condition::Any(vec![log_end(0, 1), log_end(1, 1)]),
        true,
    );
}

#[test]
fn messages_without_epochs_are_of_the_leader_that_wrote_them() {
    let mut story = Story::new();
    story.append(0, 0, -1, "a").append(1, 0, -1, "a");
    story.write_change(PartitionChangeRecord {
        leader: LeaderChange::Leader(BrokerId(1)),
        ..change()
    });
    story.append(1, 1, -1, "b").append(2, 0, -1, "a");
    let view = view(&story);
    let replicas = &view.partition(&orders()).unwrap().replicas;
    let epoch = |broker: i32, offset: i64| {
        let log = &replicas[&BrokerId(broker)].log;
        log.batch_at(Offset(offset)).unwrap().epoch
    };
    assert_eq!([epoch(0, 0), epoch(1, 0), epoch(2, 0)], [LeaderEpoch(0); 3]);
    assert_eq!(epoch(1, 1), LeaderEpoch(1));
}
