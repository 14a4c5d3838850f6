//! What people do to a cluster.
//!
//! Next: `../describe.rs`.

use super::scene::{Scene, step};
use crate::fuzz::dice::Dice;
use ktrial_core::message::{ConfigChange, ConfigResource, ElectionType};
use ktrial_sim::plan::{Action, Step};

pub(super) fn settings(dice: &mut Dice, scene: &Scene<'_>) -> Vec<Step> {
    let (partition, replicas) = scene.partition(dice);
    let resource = if dice.percent(80) {
        ConfigResource::Topic(partition.topic)
    } else {
        ConfigResource::Cluster
    };
    let (key, value) = match dice.between(0..=3) {
        0 => ("unclean.leader.election.enable", "true".to_owned()),
        1 => ("unclean.leader.election.enable", "false".to_owned()),
        _ => {
            let min = dice.count(1..=replicas.len());
            ("min.insync.replicas", min.to_string())
        }
    };
    let change = ConfigChange {
        resource,
        key: key.to_owned(),
        value: dice.percent(90).then_some(value),
    };
    let changes = vec![change];
    vec![step(
        scene.begin(dice),
        Action::AlterConfig { changes },
        None,
    )]
}

pub(super) fn elections(dice: &mut Dice, scene: &Scene<'_>) -> Vec<Step> {
    let (partition, _) = scene.partition(dice);
    let election = if dice.percent(80) {
        ElectionType::Preferred
    } else {
        ElectionType::Unclean
    };
    let action = Action::ElectLeaders {
        election,
        partitions: vec![partition],
    };
    vec![step(scene.begin(dice), action, None)]
}

pub(super) fn reassignments(dice: &mut Dice, scene: &Scene<'_>) -> Vec<Step> {
    let (partition, replicas) = scene.partition(dice);
    let begin = scene.begin(dice);
    let most = scene.brokers.len();
    // Mostly as many replicas as before; sometimes more, fewer, or only another order.
    let count = if dice.percent(70) {
        replicas.len().min(most)
    } else {
        dice.count(1..=most)
    };
    let to = |replicas| Action::Reassign {
        partition: partition.clone(),
        replicas,
    };
    let target = dice.some(&scene.brokers, count);
    let mut steps = vec![step(begin, to(Some(target)), None)];
    if dice.percent(30) {
        let back = begin + dice.span_ms(1..=5_000);
        steps.push(step(back, to(None), None));
    }
    steps
}
