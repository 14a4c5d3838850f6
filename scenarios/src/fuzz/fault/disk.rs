//! Disks and wall clocks.
//!
//! Next: `operator.rs`.

use super::scene::{Scene, broker, step, stop};
use crate::fuzz::dice::Dice;
use ktrial_core::BrokerId;
use ktrial_sim::plan::{Action, ClockFault, DiskCall, DiskFault, Step, StopKind, Target};

/// Where a broker keeps its logs.
const LOGS: &str = "data";
/// Where those that have a second place for them keep the others.
pub(in crate::fuzz) const SECOND: &str = "disk2";

fn disk(nodes: Vec<Target>, directory: Option<&str>, fault: DiskFault) -> Action {
    Action::Disk {
        nodes,
        directory: directory.map(str::to_owned),
        fault,
    }
}

fn lasting(dice: &mut Dice, scene: &Scene<'_>, fault: DiskFault) -> Vec<Step> {
    let nodes = scene.somebody(dice);
    let directory = dice.percent(50).then_some(LOGS);
    let (begin, length) = (scene.begin(dice), scene.duration(dice));
    vec![step(begin, disk(nodes, directory, fault), Some(length))]
}

pub(super) fn slow(dice: &mut Dice, scene: &Scene<'_>) -> Vec<Step> {
    let times = u32::try_from(dice.span_ms(5..=200)).unwrap_or(10);
    lasting(dice, scene, DiskFault::Slow { times })
}

pub(super) fn stall(dice: &mut Dice, scene: &Scene<'_>) -> Vec<Step> {
    lasting(dice, scene, DiskFault::Stall)
}

/// A broker halts when its only log directory fails: it is started again when the disk is well.
pub(super) fn fail(dice: &mut Dice, scene: &Scene<'_>) -> Vec<Step> {
    let calls = dice.pick(&[
        vec![DiskCall::Read],
        vec![DiskCall::Write],
        vec![DiskCall::Flush],
        vec![DiskCall::Read, DiskCall::Write, DiskCall::Flush],
    ]);
    halting(dice, scene, DiskFault::Fail { calls })
}

pub(super) fn full(dice: &mut Dice, scene: &Scene<'_>) -> Vec<Step> {
    halting(dice, scene, DiskFault::Full)
}

/// Of a broker that has a second directory, that one may be hit: the broker goes on without.
fn hit(dice: &mut Dice, scene: &Scene<'_>, id: BrokerId) -> &'static str {
    let planned = scene.plan.brokers.iter().find(|one| one.id == id);
    let several = planned.is_some_and(|one| one.config.contains_key("log.dirs"));
    if several && dice.percent(50) {
        SECOND
    } else {
        LOGS
    }
}

fn halting(dice: &mut Dice, scene: &Scene<'_>, fault: DiskFault) -> Vec<Step> {
    let id = scene.broker(dice);
    let who = broker(id);
    let directory = hit(dice, scene, id);
    let (begin, length) = (scene.begin(dice), scene.duration(dice));
    let again = begin + length + dice.span_ms(50..=5_000);
    let start = Action::Start {
        nodes: vec![who.clone()],
    };
    vec![
        step(begin, disk(vec![who], Some(directory), fault), Some(length)),
        step(again, start, None),
    ]
}

/// Something about a disk that shows only when power is lost.
fn before_power_loss(dice: &mut Dice, scene: &Scene<'_>, fault: DiskFault) -> Vec<Step> {
    let who = broker(scene.broker(dice));
    let begin = scene.begin(dice);
    let later = dice.span_ms(500..=20_000);
    let down = scene.duration(dice);
    vec![
        step(begin, disk(vec![who.clone()], None, fault), Some(later + 1)),
        stop(begin + later, vec![who], StopKind::PowerLoss, down),
    ]
}

pub(super) fn torn(dice: &mut Dice, scene: &Scene<'_>) -> Vec<Step> {
    before_power_loss(dice, scene, DiskFault::TornWrite)
}

pub(super) fn lying(dice: &mut Dice, scene: &Scene<'_>) -> Vec<Step> {
    before_power_loss(dice, scene, DiskFault::LyingFlush)
}

/// Mostly while the broker is down, so that its recovery finds it.
pub(super) fn rot(dice: &mut Dice, scene: &Scene<'_>) -> Vec<Step> {
    let who = broker(scene.broker(dice));
    let (begin, down) = (scene.begin(dice), scene.duration(dice));
    let (file, position) = (None, None);
    let rot = DiskFault::BitRot { file, position };
    let rot = step(
        begin + down / 2,
        disk(vec![who.clone()], Some(LOGS), rot),
        None,
    );
    if dice.percent(30) {
        return vec![rot];
    }
    vec![stop(begin, vec![who], StopKind::Kill, down), rot]
}

pub(super) fn wipe(dice: &mut Dice, scene: &Scene<'_>) -> Vec<Step> {
    let who = broker(scene.broker(dice));
    let (begin, down) = (scene.begin(dice), dice.span_ms(1_000..=40_000));
    vec![
        stop(begin, vec![who.clone()], StopKind::Kill, down),
        step(
            begin + down / 2,
            disk(vec![who], None, DiskFault::Wipe),
            None,
        ),
    ]
}

pub(super) fn clock(dice: &mut Dice, scene: &Scene<'_>) -> Vec<Step> {
    let jump = i64::try_from(dice.span_ms(10..=100_000_000)).unwrap_or(0);
    let fault = ClockFault {
        jump_ms: if dice.percent(50) { jump } else { -jump },
        drift_ppm: if dice.percent(50) { 0 } else { 50_000 },
    };
    let nodes = scene.somebody(dice);
    let (begin, length) = (scene.begin(dice), scene.duration(dice));
    vec![step(begin, Action::Clock { nodes, fault }, Some(length))]
}
