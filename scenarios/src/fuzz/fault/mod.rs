//! Families of faults. Which ones a trial has at all is drawn first; then each draws its faults from a
//! stream of its own.
//!
//! | file | families |
//! |---|---|
//! | `scene.rs` | what there is to disturb |
//! | `process.rs` | processes and machines that stop, freeze and come back |
//! | `link.rs` | the network |
//! | `disk.rs` | disks and clocks |
//! | `operator.rs` | what people do to a cluster |
//! | `leaders.rs` | a leadership that moves, and news of it that come late: all that `pair` and `trio` have |
//! | `rejoin.rs` | replicas that join the ISR at the wrong moment: all that `rejoin` has |
//!
//! Next: `scene.rs`.

mod disk;
mod leaders;
mod link;
mod operator;
mod process;
mod rejoin;
mod scene;

pub(super) use disk::SECOND;

use super::dice::Dice;
use super::profile::Profile;
use ktrial_sim::plan::{Plan, Step};
use scene::Scene;

/// A family of faults.
#[derive(Clone, Copy)]
pub struct Family {
    /// Its name in the draw.
    pub name: &'static str,
    /// What its faults do.
    pub meaning: &'static str,
    /// The tamest profile that has it.
    pub from: Profile,
    /// Draws one fault: one or more steps of the timeline.
    draw: fn(&mut Dice, &Scene<'_>) -> Vec<Step>,
}

macro_rules! families {
    ($(#[doc = $doc:literal])+ $list:ident; $($from:ident $name:literal $meaning:literal $draw:path;)*) => {
        $(#[doc = $doc])+
        pub const $list: &[Family] = &[$(Family {
            name: $name,
            meaning: $meaning,
            from: Profile::$from,
            draw: $draw,
        }),*];
    };
}

families! {
    /// The families of `light`, `swarm` and `harsh`.
    FAMILIES;
    Light "kill" "a process dies and comes back" process::kill;
    Light "shutdown" "a broker is shut down in order and comes back" process::shutdown;
    Light "pause" "a process freezes for a while" process::pause;
    Swarm "power loss" "a machine loses power and comes back" process::power_loss;
    Swarm "rack" "several machines lose power at once" process::rack;
    Swarm "cascade" "the replicas of a partition die one after the other and come back in any order" process::cascade;
    Swarm "last stand" "the followers go, then the last member of the ISR" process::last_stand;
    Swarm "restart storm" "one broker is restarted again and again" process::storm;
    Swarm "rolling restart" "every broker is restarted, one after the other" process::rolling;
    Swarm "controller" "the controller dies, freezes or is cut off" process::controller;
    Swarm "quorum" "controllers of a quorum, or servers of ZooKeeper, die, lose power, freeze or do not hear each other" process::quorum;
    Swarm "sessions" "brokers lose ZooKeeper for a while, and nobody else" process::sessions;
    Swarm "clients" "a client dies or freezes" process::clients;
    Light "partition" "two groups of nodes cannot reach each other" link::partition;
    Light "isolate" "one broker is cut off from everybody, perhaps one way" link::isolate;
    Swarm "deposed leader" "a leader loses the other servers, but not its clients" link::deposed;
    Swarm "ring" "brokers reach only their neighbours, or each other only over one of them" link::ring;
    Swarm "slow links" "messages between two groups take long" link::slow;
    Swarm "slow api" "only one kind of request is late, or held back" link::slow_api;
    Swarm "loss" "segments are lost: they come late, or reset their connection" link::loss;
    Swarm "throttle" "a link carries few bytes" link::throttle;
    Swarm "slow disk" "a disk takes many times as long" disk::slow;
    Swarm "stalled disk" "no disk call comes back" disk::stall;
    Swarm "failing disk" "disk calls fail" disk::fail;
    Swarm "full disk" "there is no room on a disk" disk::full;
    Swarm "torn writes" "power is lost in the middle of a write" disk::torn;
    Harsh "lying flush" "flushes do nothing, and then power is lost" disk::lying;
    Harsh "bit rot" "a bit of a log flips" disk::rot;
    Harsh "wiped disk" "a broker comes back with an empty disk" disk::wipe;
    Swarm "clocks" "a wall clock jumps and drifts" disk::clock;
    Swarm "settings" "an operator changes a topic's settings" operator::settings;
    Swarm "elections" "an operator asks for elections" operator::elections;
    Swarm "reassignments" "an operator moves replicas to other brokers, and perhaps takes it back" operator::reassignments;
}

families! {
    /// The families of `pair` and `trio`.
    MODEL_FAMILIES;
    Pair "move" "an operator makes a replica the leader" leaders::moved;
    Pair "back and forth" "an operator moves the leadership several times at once" leaders::back_and_forth;
    Pair "late news" "a broker hears late, or not, who leads" leaders::late_news;
    Pair "epochs apart" "the leadership goes and comes back; one broker hears of it late, one not at all" leaders::epochs_apart;
    Pair "fenced" "a broker loses the controllers, and goes on to fetch and to serve" leaders::fenced;
    Pair "held fetch" "followers get nothing from a broker, or one from another" leaders::held_fetch;
    Pair "stop" "a process dies, freezes or is shut down, and comes back" leaders::stopped;
}

families! {
    /// The families of `rejoin`.
    REJOIN_FAMILIES;
    Rejoin "epoch start" "a replica comes back to a new leader whose high watermark is old" rejoin::epoch_start;
    Rejoin "late proposal" "a replica loses power while the proposal that takes it in is under way" rejoin::late_proposal;
    Rejoin "overtaken proposal" "a member is fenced while a proposal that still has it is under way" rejoin::overtaken_proposal;
}

/// The families of a profile.
fn families(profile: Profile) -> &'static [Family] {
    match profile {
        Profile::Pair | Profile::Trio => MODEL_FAMILIES,
        Profile::Rejoin => REJOIN_FAMILIES,
        Profile::Light | Profile::Swarm | Profile::Harsh => FAMILIES,
    }
}

/// Draws all faults of a plan.
pub(super) fn draw(seed: u64, profile: Profile, window_ms: u64, plan: &mut Plan) {
    let mut steps = Vec::new();
    let scene = Scene::new(plan, window_ms);
    let families = families(profile).iter();
    for family in families.filter(|family| family.from <= profile) {
        let mut dice = Dice::new(seed, &format!("fault {}", family.name));
        if !dice.percent(profile.family()) {
            continue;
        }
        for _ in 0..dice.count(profile.faults()) {
            steps.extend((family.draw)(&mut dice, &scene));
        }
    }
    plan.timeline.extend(steps);
}
