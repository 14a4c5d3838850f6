//! Processes and machines that stop, freeze and come back.
//!
//! Next: `link.rs`.

use super::scene::{Scene, broker, step, stop};
use crate::fuzz::dice::Dice;
use ktrial_sim::plan::{Action, Condition, LinkFault, Step, StopKind, Target, When};

/// Any way to stop.
fn how(dice: &mut Dice) -> StopKind {
    dice.pick(&[StopKind::Kill, StopKind::PowerLoss, StopKind::Shutdown])
}

fn one(dice: &mut Dice, scene: &Scene<'_>, how: StopKind) -> Vec<Step> {
    let (begin, down) = (scene.begin(dice), scene.duration(dice));
    vec![stop(begin, scene.somebody(dice), how, down)]
}

pub(super) fn kill(dice: &mut Dice, scene: &Scene<'_>) -> Vec<Step> {
    one(dice, scene, StopKind::Kill)
}

pub(super) fn power_loss(dice: &mut Dice, scene: &Scene<'_>) -> Vec<Step> {
    one(dice, scene, StopKind::PowerLoss)
}

pub(super) fn shutdown(dice: &mut Dice, scene: &Scene<'_>) -> Vec<Step> {
    one(dice, scene, StopKind::Shutdown)
}

pub(super) fn pause(dice: &mut Dice, scene: &Scene<'_>) -> Vec<Step> {
    let (begin, length) = (scene.begin(dice), scene.duration(dice));
    let nodes = scene.somebody(dice);
    vec![step(begin, Action::Pause { nodes }, Some(length))]
}

pub(super) fn rack(dice: &mut Dice, scene: &Scene<'_>) -> Vec<Step> {
    let count = dice.count(1..=scene.brokers.len());
    let rack = dice.some(&scene.brokers, count);
    let (begin, down) = (scene.begin(dice), scene.duration(dice));
    let nodes = rack.into_iter().map(broker).collect();
    vec![stop(begin, nodes, StopKind::PowerLoss, down)]
}

pub(super) fn cascade(dice: &mut Dice, scene: &Scene<'_>) -> Vec<Step> {
    let (_, replicas) = scene.partition(dice);
    let how = how(dice);
    let gap = dice.span_ms(500..=12_000);
    let mut begin = scene.begin(dice);
    let fallen = begin + gap * u64::try_from(replicas.len()).unwrap_or(0);
    let mut steps = Vec::new();
    for replica in dice.some(&replicas, replicas.len()) {
        let back = fallen + dice.span_ms(500..=40_000);
        steps.push(stop(begin, vec![broker(replica)], how, back - begin));
        begin += gap;
    }
    steps
}

pub(super) fn last_stand(dice: &mut Dice, scene: &Scene<'_>) -> Vec<Step> {
    let (partition, _) = scene.partition(dice);
    let (begin, down) = (scene.begin(dice), dice.span_ms(10_000..=60_000));
    let followers = vec![Target::Followers(partition.clone())];
    let (how, last) = (how(dice), how(dice));
    let leave = match dice.between(0..=2) {
        0 => Action::Link {
            from: followers,
            to: vec![Target::Rest],
            one_way: false,
            api: Vec::new(),
            fault: LinkFault::Cut,
        },
        1 => Action::Pause { nodes: followers },
        _ => Action::Stop {
            nodes: followers,
            how,
        },
    };
    let alone = Condition::IsrAtMost {
        partition: partition.clone(),
        members: 1,
    };
    let fall = Step {
        when: When::Until {
            condition: alone,
            within_ms: scene.window_ms + 60_000,
        },
        action: Some(Action::Stop {
            nodes: vec![Target::LastInIsr(partition)],
            how: last,
        }),
        for_ms: Some(dice.span_ms(1_000..=60_000)),
        may_miss: true,
    };
    vec![step(begin, leave, Some(down)), fall]
}

pub(super) fn storm(dice: &mut Dice, scene: &Scene<'_>) -> Vec<Step> {
    let victim = scene.broker(dice);
    let how = how(dice);
    let every = dice.span_ms(500..=8_000);
    let down = dice.span_ms(50..=every);
    let begin = scene.begin(dice);
    let times = dice.between(2..=6);
    let nth = |n: u64| stop(begin + n * every, vec![broker(victim)], how, down);
    (0..times).map(nth).collect()
}

pub(super) fn rolling(dice: &mut Dice, scene: &Scene<'_>) -> Vec<Step> {
    let how = dice.pick(&[StopKind::Shutdown, StopKind::Shutdown, StopKind::Kill]);
    let every = dice.span_ms(1_000..=20_000);
    let down = dice.span_ms(100..=every);
    let mut begin = scene.begin(dice);
    let mut steps = Vec::new();
    for id in &scene.brokers {
        steps.push(stop(begin, vec![broker(*id)], how, down));
        begin += every;
    }
    steps
}

pub(super) fn controller(dice: &mut Dice, scene: &Scene<'_>) -> Vec<Step> {
    let nodes = vec![Target::Controller];
    let (begin, length) = (scene.begin(dice), scene.duration(dice));
    let action = match dice.between(0..=3) {
        0 => Action::Pause { nodes },
        1 => Action::Link {
            from: nodes,
            to: vec![Target::Rest],
            one_way: dice.percent(50),
            api: Vec::new(),
            fault: LinkFault::Cut,
        },
        2 => Action::Stop {
            nodes,
            how: StopKind::PowerLoss,
        },
        _ => Action::Stop {
            nodes,
            how: StopKind::Kill,
        },
    };
    vec![step(begin, action, Some(length))]
}

pub(super) fn quorum(dice: &mut Dice, scene: &Scene<'_>) -> Vec<Step> {
    let ids = &scene.keepers;
    if ids.len() < 2 {
        return Vec::new();
    }
    let count = dice.count(1..=ids.len());
    let nodes: Vec<Target> = dice
        .some(ids, count)
        .into_iter()
        .map(Target::Node)
        .collect();
    let (begin, length) = (scene.begin(dice), scene.duration(dice));
    let action = match dice.between(0..=5) {
        0 => Action::Pause { nodes },
        1 => Action::Link {
            from: if scene.has_zookeeper() {
                nodes
            } else {
                vec![Target::Controller]
            },
            to: if scene.has_zookeeper() {
                vec![Target::Rest]
            } else {
                vec![Target::StandbyControllers]
            },
            one_way: dice.percent(50),
            api: Vec::new(),
            fault: LinkFault::Cut,
        },
        2 => Action::Link {
            to: ids[1..].iter().copied().map(Target::Node).collect(),
            from: vec![Target::Node(ids[0])],
            one_way: dice.percent(50),
            api: Vec::new(),
            fault: LinkFault::Cut,
        },
        3 => Action::Stop {
            nodes,
            how: StopKind::Shutdown,
        },
        4 => Action::Stop {
            nodes,
            how: StopKind::Kill,
        },
        _ => Action::Stop {
            nodes,
            how: StopKind::PowerLoss,
        },
    };
    vec![step(begin, action, Some(length))]
}

/// Brokers lose ZooKeeper and nobody else: their sessions end, and each goes on until it hears of it.
pub(super) fn sessions(dice: &mut Dice, scene: &Scene<'_>) -> Vec<Step> {
    if !scene.has_zookeeper() {
        return Vec::new();
    }
    let from = match dice.between(0..=3) {
        0 => vec![Target::Controller],
        1 => {
            let count = dice.count(1..=scene.brokers.len());
            let some = dice.some(&scene.brokers, count);
            some.into_iter().map(broker).collect()
        }
        _ => scene.somebody(dice),
    };
    let action = Action::Link {
        from,
        to: scene.keepers(),
        one_way: dice.percent(30),
        api: Vec::new(),
        fault: LinkFault::Cut,
    };
    let (begin, length) = (scene.begin(dice), dice.between(500..=50_000));
    vec![step(begin, action, Some(length))]
}

pub(super) fn clients(dice: &mut Dice, scene: &Scene<'_>) -> Vec<Step> {
    let nodes = vec![Target::Node(dice.pick(&scene.clients))];
    let (begin, length) = (scene.begin(dice), scene.duration(dice));
    let action = if dice.percent(50) {
        Action::Pause { nodes }
    } else {
        let how = StopKind::Kill;
        Action::Stop { nodes, how }
    };
    vec![step(begin, action, Some(length))]
}
