//! Replicas that leave the ISR and join it again at the wrong moment: the courses of events that lose records
//! where one of the guards of an ISR's growth is taken out.
//!
//! | family | the guard |
//! |---|---|
//! | `epoch_start` | who joins has reached the start of the leader epoch |
//! | `late_proposal` | a member of a proposed ISR is the process that the leader saw |
//! | `overtaken_proposal` | a proposed ISR builds on the newest partition epoch |
//!
//! Rule: who takes part, how long everything takes and what else goes on is drawn; only the order of the
//! steps is given. A course is aimed, so it often misses; trials are many.
//!
//! Source: Vanlightly/kafka-tlaplus, `kafka_replication_v3_5.tla`, what is marked with `CHECK`; KAFKA-7128,
//! KIP-903, KIP-497.
//! Next: `../describe.rs`.

use super::scene::{Scene, broker, step, stop};
use crate::fuzz::dice::Dice;
use ktrial_core::BrokerId;
use ktrial_core::message::Api;
use ktrial_sim::plan::{Action, Latency, LinkFault, Step, StopKind, Target};

/// `broker.session.timeout.ms`, as these trials have it.
const SESSION_MS: u64 = 3_000;

/// This broker gets nothing from the leaders that it follows; it hears of everything else.
fn fetches_nothing(scene: &Scene<'_>, ms: u64, id: BrokerId, length: u64) -> Step {
    let others = scene.brokers.iter().copied().filter(|other| *other != id);
    let action = Action::Link {
        from: vec![broker(id)],
        to: others.map(broker).collect(),
        one_way: false,
        api: vec![Api::Fetch],
        fault: LinkFault::Cut,
    };
    step(ms, action, Some(length))
}

/// What brokers propose to the controllers takes this long.
fn proposals_take(scene: &Scene<'_>, ms: u64, late_ms: u64, length: u64) -> Step {
    let us = 1_000 * late_ms;
    let action = Action::Link {
        from: scene.brokers.iter().copied().map(broker).collect(),
        to: scene.keepers(),
        one_way: true,
        api: vec![Api::AlterPartition],
        fault: LinkFault::Delay(Latency::Fixed { us }),
    };
    step(ms, action, Some(length))
}

/// `replica.lag.time.max.ms`: who has not caught up for so long, or half as long again, is out of the ISR.
fn lag_ms(scene: &Scene<'_>) -> u64 {
    let broker = scene.plan.brokers.first();
    let told = broker.and_then(|broker| broker.config.get("replica.lag.time.max.ms"));
    told.and_then(|text| text.parse().ok()).unwrap_or(30_000)
}

/// A replica leaves the ISR, and what waited for it is acknowledged. Just then the leader goes: its followers
/// do not know yet how far that goes. One of them is slow to follow the next leader, which so learns no more.
/// Then the first replica is back, and lacks what was acknowledged without it.
pub(super) fn epoch_start(dice: &mut Dice, scene: &Scene<'_>) -> Vec<Step> {
    let (partition, replicas) = scene.partition(dice);
    let order = dice.some(&replicas, replicas.len());
    let [behind, slow, ..] = order.as_slice() else {
        return Vec::new();
    };
    let (begin, lag) = (scene.begin(dice), lag_ms(scene));
    let goes = begin + lag + dice.between(50..=lag * 6 / 10 + 300);
    let how = dice.pick(&[StopKind::Shutdown, StopKind::Kill, StopKind::PowerLoss]);
    // Who does not shut down in order is missed when its session has ended.
    let elected = match how {
        StopKind::Shutdown => goes + 300,
        StopKind::Kill | StopKind::PowerLoss => goes + SESSION_MS,
    };
    let back = elected + dice.between(1..=lag);
    let held = back - goes + dice.between(500..=2_000);
    let down = dice.span_ms(6_000..=20_000);
    let leader = vec![Target::Leader(partition)];
    vec![
        fetches_nothing(scene, begin, *behind, back - begin),
        fetches_nothing(scene, goes, *slow, held),
        stop(goes, leader, how, down),
    ]
}

/// A replica falls behind, catches up and is proposed for the ISR; what is proposed arrives late. When it
/// caught up and how long the proposal is under way.
fn proposes(dice: &mut Dice, scene: &Scene<'_>, id: BrokerId) -> (Vec<Step>, u64, u64) {
    let begin = scene.begin(dice);
    let away = lag_ms(scene) * 3 / 2 + dice.between(300..=2_500);
    let back = begin + away;
    let late = dice.between(5_000..=14_000);
    let during = dice.between(2_000..=6_000);
    let steps = vec![
        fetches_nothing(scene, begin, id, away),
        proposals_take(scene, back.saturating_sub(100), late, during),
    ];
    (steps, back, late)
}

/// While the proposal that takes it in is under way, the replica loses power, comes back and is behind again.
pub(super) fn late_proposal(dice: &mut Dice, scene: &Scene<'_>) -> Vec<Step> {
    let id = scene.broker(dice);
    let (mut steps, back, late) = proposes(dice, scene, id);
    // When it has caught up, which takes it some rounds.
    let dies = back + dice.span_ms(300..=5_000);
    let down = dice.span_ms(50..=1_000);
    steps.push(stop(dies, vec![broker(id)], StopKind::PowerLoss, down));
    let behind = late + dice.between(500..=3_000);
    steps.push(fetches_nothing(scene, dies, id, behind));
    steps
}

/// While a proposal is under way, another member of the ISR is fenced, and so leaves it; it is heard of
/// again, but does not follow yet.
pub(super) fn overtaken_proposal(dice: &mut Dice, scene: &Scene<'_>) -> Vec<Step> {
    let order = dice.some(&scene.brokers, scene.brokers.len());
    let [joins, leaves, ..] = order.as_slice() else {
        return Vec::new();
    };
    let (mut steps, back, late) = proposes(dice, scene, *joins);
    let gone = back + dice.span_ms(50..=500);
    let action = Action::Link {
        from: vec![broker(*leaves)],
        to: scene.keepers(),
        one_way: false,
        api: Vec::new(),
        fault: LinkFault::Cut,
    };
    let silent = dice.between(3_000..=5_000);
    steps.push(step(gone, action, Some(silent)));
    let behind = late + dice.between(500..=3_000);
    steps.push(fetches_nothing(scene, gone, *leaves, behind));
    steps
}
