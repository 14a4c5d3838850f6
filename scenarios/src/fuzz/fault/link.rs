//! The network: cut, slow, lossy.
//!
//! Next: `disk.rs`.

use super::scene::{Scene, broker, step};
use crate::fuzz::dice::Dice;
use ktrial_core::message::Api;
use ktrial_sim::plan::{Action, Latency, LinkFault, Step, Target};

/// What is worth delaying by itself.
const APIS: [Api; 6] = [
    Api::Produce,
    Api::Fetch,
    Api::AlterPartition,
    Api::BrokerHeartbeat,
    Api::OffsetForLeaderEpoch,
    Api::BrokerRegistration,
];
/// The same where the controller is one of the brokers.
const APIS_WITH_ZOOKEEPER: [Api; 8] = [
    Api::Produce,
    Api::Fetch,
    Api::AlterPartition,
    Api::LeaderAndIsr,
    Api::OffsetForLeaderEpoch,
    Api::UpdateMetadata,
    Api::StopReplica,
    Api::ZooKeeper,
];

fn lasting(
    dice: &mut Dice,
    scene: &Scene<'_>,
    (from, to): (Vec<Target>, Vec<Target>),
    (one_way, api): (bool, Vec<Api>),
    fault: LinkFault,
) -> Step {
    let action = Action::Link {
        from,
        to,
        one_way,
        api,
        fault,
    };
    step(scene.begin(dice), action, Some(scene.duration(dice)))
}

pub(super) fn partition(dice: &mut Dice, scene: &Scene<'_>) -> Vec<Step> {
    let groups = scene.two_groups(dice);
    let one_way = dice.percent(30);
    vec![lasting(
        dice,
        scene,
        groups,
        (one_way, Vec::new()),
        LinkFault::Cut,
    )]
}

pub(super) fn isolate(dice: &mut Dice, scene: &Scene<'_>) -> Vec<Step> {
    let somebody = scene.somebody(dice);
    let rest = vec![Target::Rest];
    let (groups, one_way) = match dice.between(0..=3) {
        0 => ((somebody, rest), true),
        1 => ((rest, somebody), true),
        _ => ((somebody, rest), false),
    };
    vec![lasting(
        dice,
        scene,
        groups,
        (one_way, Vec::new()),
        LinkFault::Cut,
    )]
}

/// Long enough that the others elect another leader; perhaps the controller can still be reached.
pub(super) fn deposed(dice: &mut Dice, scene: &Scene<'_>) -> Vec<Step> {
    let (partition, replicas) = scene.partition(dice);
    let mut others: Vec<Target> = replicas.iter().copied().map(broker).collect();
    if dice.percent(70) {
        others.extend(scene.keepers());
    }
    let action = Action::Link {
        from: vec![Target::Leader(partition)],
        to: others,
        one_way: dice.percent(20),
        api: Vec::new(),
        fault: LinkFault::Cut,
    };
    let length = dice.between(8_000..=50_000);
    vec![step(scene.begin(dice), action, Some(length))]
}

/// A ring, or a bridge: pairs of brokers that cannot reach each other, all for the same time.
pub(super) fn ring(dice: &mut Dice, scene: &Scene<'_>) -> Vec<Step> {
    let brokers = dice.some(&scene.brokers, scene.brokers.len());
    let bridge = dice.percent(50);
    let (begin, length) = (scene.begin(dice), scene.duration(dice));
    let (half, last) = (brokers.len() / 2, brokers.len().saturating_sub(1));
    let mut steps = Vec::new();
    for (one, first) in brokers.iter().enumerate() {
        for (other, second) in brokers.iter().enumerate().skip(one + 1) {
            let apart = if bridge {
                // The first one reaches everybody; the others only those of their half.
                one > 0 && one <= half && other > half
            } else {
                other - one > 1 && !(one == 0 && other == last)
            };
            if apart {
                let action = Action::Link {
                    from: vec![broker(*first)],
                    to: vec![broker(*second)],
                    one_way: false,
                    api: Vec::new(),
                    fault: LinkFault::Cut,
                };
                steps.push(step(begin, action, Some(length)));
            }
        }
    }
    steps
}

fn latency(dice: &mut Dice) -> Latency {
    let us = 1_000 * dice.span_ms(5..=12_000);
    match dice.between(0..=2) {
        0 => Latency::Fixed { us },
        1 => Latency::Uniform {
            min_us: 0,
            max_us: us,
        },
        _ => Latency::Exponential {
            min_us: us / 10,
            mean_us: us / 2,
        },
    }
}

pub(super) fn slow(dice: &mut Dice, scene: &Scene<'_>) -> Vec<Step> {
    let groups = scene.two_groups(dice);
    let (one_way, by) = (dice.percent(50), latency(dice));
    let way = (one_way, Vec::new());
    vec![lasting(dice, scene, groups, way, LinkFault::Delay(by))]
}

pub(super) fn slow_api(dice: &mut Dice, scene: &Scene<'_>) -> Vec<Step> {
    let api = match scene.has_zookeeper() {
        true => dice.pick(&APIS_WITH_ZOOKEEPER),
        false => dice.pick(&APIS),
    };
    let fault = if dice.percent(50) {
        LinkFault::Cut
    } else {
        LinkFault::Delay(latency(dice))
    };
    let groups = (scene.somebody(dice), vec![Target::Rest]);
    let one_way = dice.percent(30);
    vec![lasting(dice, scene, groups, (one_way, vec![api]), fault)]
}

pub(super) fn loss(dice: &mut Dice, scene: &Scene<'_>) -> Vec<Step> {
    let groups = scene.two_groups(dice);
    let fault = LinkFault::Lose {
        per_mille: u32::try_from(dice.span_ms(10..=500)).unwrap_or(100),
        reset: dice.percent(50),
    };
    let one_way = dice.percent(50);
    vec![lasting(dice, scene, groups, (one_way, Vec::new()), fault)]
}

pub(super) fn throttle(dice: &mut Dice, scene: &Scene<'_>) -> Vec<Step> {
    let groups = scene.two_groups(dice);
    let fault = LinkFault::Throttle {
        bytes_per_ms: dice.span_ms(1..=100),
    };
    vec![lasting(dice, scene, groups, (false, Vec::new()), fault)]
}
