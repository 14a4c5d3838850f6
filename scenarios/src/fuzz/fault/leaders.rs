//! A leadership that moves, and news of it that come late: what the specifications of one partition let
//! happen, each as something that can happen to a real cluster.
//!
//! | in hachikuji's `KafkaReplication.tla` | here |
//! |---|---|
//! | `ControllerElectLeader`: any member of the ISR, at any time | an operator puts it first and asks for the preferred leader |
//! | `ControllerShrinkIsr` | a process stops, or the controllers do not hear of a broker |
//! | a replica picks any `LeaderAndIsr` request, or none yet | metadata comes late, or not for a while |
//! | `FollowerReplicate` happens or does not | fetches of one broker, or of one from another, are held |
//!
//! Rule: nothing here loses what was written. Processes die; machines do not lose power.
//!
//! Next: `../describe.rs`.

use super::scene::{Scene, broker, step, stop};
use crate::fuzz::dice::Dice;
use ktrial_core::BrokerId;
use ktrial_core::message::{Api, ElectionType};
use ktrial_sim::plan::{Action, Latency, LinkFault, Step, StopKind, Target};

/// Between the new order and the election: both are on their way at once.
const MEANWHILE_MS: u64 = 5;

/// Faults gather around a few moments: what comes alone finds a cluster that knows all about itself.
fn begin(dice: &mut Dice, scene: &Scene<'_>) -> u64 {
    let moment = scene.window_ms * dice.between(1..=2) / 3;
    moment + dice.span_ms(1..=1_500)
}

/// This replica becomes the preferred leader of every partition.
fn prefer(scene: &Scene<'_>, ms: u64, first: BrokerId) -> Vec<Step> {
    let order = scene.partitions.iter().map(|(partition, replicas)| {
        let rest = replicas.iter().copied().filter(|id| *id != first);
        let order = Action::Reassign {
            partition: partition.clone(),
            replicas: Some(std::iter::once(first).chain(rest).collect()),
        };
        step(ms, order, None)
    });
    order.collect()
}

/// The preferred leaders shall lead.
fn elect(scene: &Scene<'_>, ms: u64) -> Step {
    let partitions = scene.partitions.iter();
    let action = Action::ElectLeaders {
        election: ElectionType::Preferred,
        partitions: partitions.map(|(partition, _)| partition.clone()).collect(),
    };
    step(ms, action, None)
}

/// This replica shall lead: it becomes the preferred one, and is asked for.
fn lead(scene: &Scene<'_>, ms: u64, first: BrokerId) -> Vec<Step> {
    let mut steps = prefer(scene, ms, first);
    steps.push(elect(scene, ms + MEANWHILE_MS));
    steps
}

pub(super) fn moved(dice: &mut Dice, scene: &Scene<'_>) -> Vec<Step> {
    let first = scene.broker(dice);
    lead(scene, begin(dice, scene), first)
}

pub(super) fn back_and_forth(dice: &mut Dice, scene: &Scene<'_>) -> Vec<Step> {
    let mut begin = begin(dice, scene);
    let mut steps = Vec::new();
    for _ in 0..dice.between(2..=4) {
        let first = scene.broker(dice);
        steps.extend(lead(scene, begin, first));
        begin += dice.span_ms(20..=2_000);
    }
    steps
}

/// Cut, or late by a fixed time: what is late by a varying time mostly comes in the wrong order's place.
fn late(dice: &mut Dice) -> LinkFault {
    if dice.percent(50) {
        return LinkFault::Cut;
    }
    let us = 1_000 * dice.span_ms(50..=3_000);
    LinkFault::Delay(Latency::Fixed { us })
}

fn between(
    dice: &mut Dice,
    scene: &Scene<'_>,
    (from, to): (Vec<Target>, Vec<Target>),
    (one_way, api): (bool, Vec<Api>),
    fault: LinkFault,
) -> Vec<Step> {
    let action = Action::Link {
        from,
        to,
        one_way,
        api,
        fault,
    };
    let (begin, length) = (begin(dice, scene), dice.span_ms(200..=8_000));
    vec![step(begin, action, Some(length))]
}

/// Where news of leaders come from, and by which requests: brokers fetch them from the controllers, or the
/// controller sends them.
fn news(scene: &Scene<'_>) -> (Vec<Target>, Vec<Api>) {
    if scene.has_zookeeper() {
        let requests = vec![Api::LeaderAndIsr, Api::UpdateMetadata, Api::StopReplica];
        return (vec![Target::Controller], requests);
    }
    (scene.keepers(), vec![Api::Fetch])
}

/// One of the replicas, mostly by name.
fn replica(dice: &mut Dice, scene: &Scene<'_>) -> Vec<Target> {
    let (partition, _) = scene.partition(dice);
    match dice.between(0..=4) {
        0 => vec![Target::Leader(partition)],
        _ => vec![broker(scene.broker(dice))],
    }
}

pub(super) fn late_news(dice: &mut Dice, scene: &Scene<'_>) -> Vec<Step> {
    let (from, api) = news(scene);
    let groups = (from, replica(dice, scene));
    let fault = late(dice);
    between(dice, scene, groups, (true, api), fault)
}

/// The leadership goes away and comes back. Who led in between leaves the ISR without having heard that it is
/// over, and all others hear of all that late: each broker is in another leader epoch. Mostly the leader dies
/// when they have heard the first half.
pub(super) fn epochs_apart(dice: &mut Dice, scene: &Scene<'_>) -> Vec<Step> {
    let order = dice.some(&scene.brokers, scene.brokers.len());
    let [leader, between, late @ ..] = order.as_slice() else {
        return Vec::new();
    };
    let mut now = begin(dice, scene);
    let mut steps = lead(scene, now, *leader);
    now += dice.span_ms(300..=1_500);
    // Before anything is late: else both elections would be in one piece of news.
    steps.extend(prefer(scene, now, *between));
    now += dice.span_ms(300..=1_500);
    let late_ms = dice.between(1_000..=3_000);
    let lasts = late_ms + dice.span_ms(1_000..=8_000);
    if !late.is_empty() {
        let us = 1_000 * late_ms;
        let by = LinkFault::Delay(Latency::Fixed { us });
        let late = late.iter().copied().map(broker).collect();
        steps.push(step(now, news_to(scene, late, by), Some(lasts)));
    }
    let moves = now + dice.span_ms(10..=200);
    steps.push(elect(scene, moves));
    now = moves + dice.between(200..=1_000);
    let deaf = news_to(scene, vec![broker(*between)], LinkFault::Cut);
    steps.push(step(now, deaf, Some(lasts)));
    now += dice.span_ms(1..=100);
    if dice.percent(70) {
        let nodes = vec![broker(*between)];
        steps.push(stop(now, nodes, StopKind::Shutdown, lasts));
    } else {
        steps.extend(lead(scene, now, *leader));
    }
    if dice.percent(80) {
        let half = moves + late_ms + dice.between(100..=1_000);
        let nodes = vec![broker(*leader)];
        let down = dice.span_ms(1_000..=8_000);
        steps.push(stop(half, nodes, StopKind::Kill, down));
    }
    steps
}

fn news_to(scene: &Scene<'_>, to: Vec<Target>, fault: LinkFault) -> Action {
    let (from, api) = news(scene);
    Action::Link {
        from,
        to,
        one_way: true,
        api,
        fault,
    }
}

pub(super) fn fenced(dice: &mut Dice, scene: &Scene<'_>) -> Vec<Step> {
    let groups = (replica(dice, scene), scene.keepers());
    between(dice, scene, groups, (false, Vec::new()), LinkFault::Cut)
}

pub(super) fn held_fetch(dice: &mut Dice, scene: &Scene<'_>) -> Vec<Step> {
    let one = scene.broker(dice);
    let others: Vec<BrokerId> = scene
        .brokers
        .iter()
        .copied()
        .filter(|b| *b != one)
        .collect();
    let others = match dice.percent(50) {
        true => others,
        false => dice.some(&others, 1),
    };
    let groups = (vec![broker(one)], others.into_iter().map(broker).collect());
    let (fault, one_way) = (late(dice), dice.percent(70));
    between(dice, scene, groups, (one_way, vec![Api::Fetch]), fault)
}

pub(super) fn stopped(dice: &mut Dice, scene: &Scene<'_>) -> Vec<Step> {
    let (begin, length) = (begin(dice, scene), dice.span_ms(100..=8_000));
    let nodes = replica(dice, scene);
    match dice.between(0..=2) {
        0 => vec![step(begin, Action::Pause { nodes }, Some(length))],
        1 => vec![stop(begin, nodes, StopKind::Shutdown, length)],
        _ => vec![stop(begin, nodes, StopKind::Kill, length)],
    }
}
