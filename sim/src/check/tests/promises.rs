//! The promise of a plan, and the class of a trial.

use super::judged;
use crate::check::promise::Promises;
use crate::check::story::{Story, orders};
use crate::history::{EndReason, Touched, What};
use crate::plan::{Action, Condition, StopKind};
use crate::verdict::Class;
use ktrial_core::message::{ConfigChange, ConfigResource, ElectionType};

fn no_loss(story: &Story) -> bool {
    Promises::new(&story.plan).promise.no_loss
}

#[test]
fn acks_all_and_kills_promise_no_loss() {
    assert!(no_loss(&Story::new()));
    assert!(no_loss(
        &Story::new().plans_stop(&[0, 1, 2], StopKind::Kill)
    ));
    assert!(!no_loss(&Story::new().producer_setting("acks", "1")));
    let mut old = Story::new();
    old.plan.release = "2.8".to_owned();
    assert!(!no_loss(&old), "acks=1 was the default then");
}

#[test]
fn unclean_elections_take_the_promise_away_whenever_they_are_allowed() {
    let key = "unclean.leader.election.enable";
    assert!(!no_loss(&Story::new().topic_setting(key, "true")));
    let alter = |resource| {
        Story::new().step(Action::AlterConfig {
            changes: vec![ConfigChange {
                resource,
                key: key.into(),
                value: Some("true".into()),
            }],
        })
    };
    assert!(!no_loss(&alter(ConfigResource::Cluster)));
    assert!(!no_loss(&alter(ConfigResource::Topic("orders".into()))));
    assert!(no_loss(&alter(ConfigResource::Topic("other".into()))));
    let elect = |election| {
        let partitions = vec![orders()];
        Story::new().step(Action::ElectLeaders {
            election,
            partitions,
        })
    };
    assert!(!no_loss(&elect(ElectionType::Unclean)));
    assert!(no_loss(&elect(ElectionType::Preferred)));
}

#[test]
fn power_loss_is_tolerated_below_min_insync_replicas() {
    let story = |min: &str, power: &[i32], killed: &[i32]| {
        Story::new()
            .topic_setting("min.insync.replicas", min)
            .plans_stop(power, StopKind::PowerLoss)
            .plans_stop(killed, StopKind::Kill)
    };
    assert!(!no_loss(&story("1", &[0], &[])));
    assert!(no_loss(&story("2", &[0], &[])));
    assert!(!no_loss(&story("2", &[0, 1], &[])));
    // The controller takes a kill for a power loss, so both count.
    assert!(!no_loss(&story("2", &[0], &[1])));
    assert!(no_loss(&story("1", &[], &[0, 1, 2])));
    assert!(no_loss(
        &story("1", &[0, 1, 2], &[]).topic_setting("flush.messages", "1")
    ));
}

#[test]
fn old_rules_are_no_permission() {
    let mut story = Story::new().producer_setting("acks", "all");
    story.plan.rules = ktrial_core::Rules::kafka("0.10.2").unwrap();
    assert!(no_loss(&story));
}

#[test]
fn a_trial_that_proves_nothing_is_inconclusive() {
    let mut story = Story::new();
    story.end(EndReason::Converged);
    assert_eq!(judged(&story).verdict, Class::Kept);
    story.world(What::FaultEffect {
        step: 0,
        touched: 1,
        of: Touched::Messages,
    });
    assert_eq!(judged(&story).verdict, Class::Kept);
    story.world(What::FaultEffect {
        step: 1,
        touched: 0,
        of: Touched::Messages,
    });
    let verdict = judged(&story);
    assert_eq!(verdict.verdict, Class::Inconclusive);
    assert_eq!(verdict.summary, "The fault of step 2 touched nothing.");

    let mut story = Story::new();
    let condition = Condition::Quiet { ms: 1 };
    story
        .world(What::StepFailed {
            index: 0,
            condition,
        })
        .end(EndReason::StepFailed);
    assert_eq!(judged(&story).verdict, Class::Inconclusive);
    let mut story = Story::new();
    story.end(EndReason::TimeLimit);
    assert_eq!(judged(&story).verdict, Class::Inconclusive);
    assert_eq!(judged(&Story::new()).verdict, Class::Inconclusive);
}
