//! Random plans: everything about a trial is drawn from its seed, and then nothing is random any more.
//!
//! | file | what it draws |
//! |---|---|
//! | `profile.rs` | how wild: `pair`, `trio`, `rejoin`, `light`, `swarm`, `harsh` |
//! | `dice.rs` | how numbers, picks and chances are drawn |
//! | `cluster.rs` | brokers, topics, replicas, clients |
//! | `settings.rs` | settings other than Kafka's defaults |
//! | `fault/` | which families of faults exist at all, and each one's place and time |
//! | `workload.rs` | who sends what, when, with which keys |
//! | `describe.rs` | the draw, for people |
//! | `source.rs` | random plans as a source of a sweep |
//!
//! Rules:
//! - Swarm testing: a family of faults that is not drawn does not occur in the trial at all. Trials with
//!   few families reach states that a bit of everything hides.
//! - Each purpose draws from a stream of its own, so a family more or less changes no other.
//! - A plan ends in a recovery: then the cluster must come to rest, or a judge must find a reason.
//!
//! Source: Groce et al., "Swarm Testing" (2012); `options_swarm` of TigerBeetle's VOPR.
//! Next: `profile.rs`.

mod cluster;
mod describe;
mod dice;
mod fault;
mod profile;
mod settings;
mod snapshots;
mod source;
mod workload;

pub use describe::describe;
pub use fault::{FAMILIES, Family, MODEL_FAMILIES, REJOIN_FAMILIES};
pub use profile::Profile;
pub use source::FuzzSource;

use crate::file::empty_plan;
use dice::Dice;
use ktrial_core::NodeId;
use ktrial_sim::plan::{Plan, PowerLoss, Recovery, Step, When};

/// Longer than `delivery.timeout.ms` and than the controller's own round of unclean elections and of
/// leader balancing (both every 300 s), so that whatever would still happen by itself has happened.
const SETTLE_MS: u64 = 330_000;
/// Long enough that every replica is back in the ISR; what stands still is not asked of a model.
const MODEL_SETTLE_MS: u64 = 20_000;
/// Simulated. A cluster that is still changing then has never come to rest.
const TIME_LIMIT_MS: u64 = 3_600_000;

/// Many times what a trial comes to that does not run in circles.
const RECORD_LIMIT: u64 = 200_000;

/// The plan of a seed, for a cluster with a metadata quorum.
pub fn plan(profile: Profile, seed: u64) -> Plan {
    plan_with(profile, seed, 0)
}

/// The plan of a seed, for a cluster with an ensemble of so many servers; 0 = with a metadata quorum. What
/// befalls a controller's process there befalls a server of the ensemble here.
pub fn plan_with(profile: Profile, seed: u64, servers: u8) -> Plan {
    let dice = |purpose: &str| Dice::new(seed, purpose);
    let mut plan = empty(profile, seed);
    if servers == 0 {
        cluster::quorum(&mut dice("quorum"), profile, &mut plan);
    } else {
        cluster::ensemble(&mut dice("ensemble"), profile, servers, &mut plan);
    }
    cluster::draw(&mut dice("cluster"), profile, &mut plan);
    settings::draw(&mut dice("settings"), profile, &mut plan);
    if !profile.is_model() {
        snapshots::draw(&mut dice("snapshots"), &mut plan);
        settings::racks(&mut dice("racks"), &mut plan);
    }
    world(&mut dice("world"), profile, &mut plan);
    let window_ms = dice("window").between(profile.window_ms());
    fault::draw(seed, profile, window_ms, &mut plan);
    workload::draw(&mut dice("workload"), profile, window_ms, &mut plan);
    plan.timeline.sort_by_key(due);
    plan.recovery = Some(recovery(&mut dice("recovery"), profile, &plan));
    plan
}

/// For the order of the timeline: conditions last.
fn due(step: &Step) -> u64 {
    match step.when {
        When::After { ms } => ms,
        _ => u64::MAX,
    }
}

/// A controller, and nothing else yet.
fn empty(profile: Profile, seed: u64) -> Plan {
    Plan {
        title: format!("Drawn from seed {seed}"),
        seed,
        brokers: Vec::new(),
        settle_ms: if profile.is_model() {
            MODEL_SETTLE_MS
        } else {
            SETTLE_MS
        },
        time_limit_ms: TIME_LIMIT_MS,
        record_limit: Some(RECORD_LIMIT),
        ..empty_plan(&format!("fuzz-{}", profile.name()))
    }
}

/// What the world is like when nothing is wrong with it.
fn world(dice: &mut Dice, profile: Profile, plan: &mut Plan) {
    if profile.is_model() {
        // A slow network makes every gap between two messages wide enough for a fault.
        let (min, max) = dice.pick(&[(100, 1_000), (10_000, 40_000), (100, 200_000)]);
        plan.network.latency_min_us = min;
        plan.network.latency_max_us = max;
        return;
    }
    if dice.percent(30) {
        let (min, max) = dice.pick(&[(50, 200), (1_000, 3_000), (10_000, 40_000), (100, 100_000)]);
        plan.network.latency_min_us = min;
        plan.network.latency_max_us = max;
    }
    if dice.percent(30) {
        plan.disk.flush_us = dice.pick(&[50, 5_000, 50_000]);
        plan.disk.cache_us = dice.pick(&[1, 10, 200]);
    }
    if dice.percent(50) {
        plan.disk.power_loss = PowerLoss::RandomPrefix;
    }
}

/// Who runs after the last fault: mostly everybody, else clients, keepers of the metadata and some brokers.
fn recovery(dice: &mut Dice, profile: Profile, plan: &Plan) -> Recovery {
    let all = dice.percent(profile.everybody_recovers());
    let mut nodes = cluster::keepers(plan);
    let clients = plan.producers.len() + plan.consumers.len();
    let brokers = plan.brokers.iter().map(|broker| NodeId::Broker(broker.id));
    nodes.extend(brokers.filter(|_| all || dice.percent(60)));
    nodes.extend((0..clients).map(cluster::client));
    Recovery { nodes }
}
