//! Builds a world on madsim, runs it to its end and clears it away.
//!
//! A fresh runtime on the calling thread, which should be fresh too (on a used one std's HashMap order
//! differs; ours has none, madsim's does not matter). Afterwards every node is killed and madsim run
//! once more for a moment: dropping a runtime would leak every task (madsim issue 242).
//!
//! Next: `pump.rs`.

use super::pump::Pump;
use super::wake::Clock;
use super::{Director, Holder, Node, Outcome, Shared, World};
use crate::agenda::Agenda;
use crate::clock::WallClock;
use crate::disk::{Disk, Disks};
use crate::history::recorder::Recorder;
use crate::history::{Entry, What};
use crate::host::Host;
use crate::network::{Connections, Links, Network};
use crate::plan::{ClockPlan, DiskPlan, NetworkPlan};
use ktrial_core::machine::StartError;
use ktrial_core::{Effects, Incarnation, Machine, NodeId, Now, Random, Timestamp};
use madsim::plugin::simulator;
use madsim::runtime::{Handle, Runtime};
use madsim::time::{TimeHandle, sleep};
use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

/// What a world is made of.
#[derive(Clone, Debug, Default)]
pub struct WorldConfig {
    /// Decides all its random streams.
    pub seed: u64,
    /// Its nodes. None runs until the director starts it.
    pub nodes: Vec<NodeId>,
    /// The network between them.
    pub network: NetworkPlan,
    /// The disk of each server (clients have none).
    pub disk: DiskPlan,
    /// Wall clocks that are not right.
    pub clocks: BTreeMap<NodeId, ClockPlan>,
    /// Whether the record holds every message.
    pub record_messages: bool,
}

/// What a process is given at its start.
#[derive(Debug)]
pub struct Birth {
    /// Its node.
    pub node: NodeId,
    /// Which start of it.
    pub incarnation: Incarnation,
    /// When.
    pub now: Now,
    /// Its randomness.
    pub random: Random,
    /// Its disk; `None` for a client.
    pub disk: Option<Disk>,
}

/// Makes the machine of a process.
pub type Factory =
    Arc<dyn Fn(Birth, &mut Effects) -> Result<Box<dyn Machine>, StartError> + Send + Sync>;

/// A world that has ended.
#[derive(Debug)]
pub struct Finished {
    /// Everything that happened.
    pub entries: Vec<Entry>,
    /// How it ended.
    pub outcome: Outcome,
    /// When.
    pub at: Timestamp,
    /// Messages under way at the end.
    pub pending: u64,
    /// The disks.
    pub disks: BTreeMap<NodeId, Disk>,
}

/// Runs a world until its director ends it, or nothing is left to happen.
///
/// # Panics
/// The director panicked, or the world is at fault. A panic of a machine is recorded instead.
pub fn run(config: &WorldConfig, factory: &Factory, director: Box<dyn Director>) -> Finished {
    run_with_madsim_seed(config, factory, director, 0)
}

/// As [`run`], under another seed of madsim's scheduler, which must not matter.
///
/// # Panics
/// As [`run`].
pub fn run_with_madsim_seed(
    config: &WorldConfig,
    factory: &Factory,
    director: Box<dyn Director>,
    madsim_seed: u64,
) -> Finished {
    let runtime = Runtime::with_seed_and_config(madsim_seed, madsim::Config::default());
    runtime.add_simulator::<Disks>();
    runtime.add_simulator::<Network>();
    let mut tasks = Vec::new();
    let result = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async {
            let shared = simulator::<Network>().world();
            build(&shared, config, director);
            tasks = spawn(&shared, factory);
            Pump::new(shared.clone()).await;
            finish(&shared)
        })
    }));
    clear(&runtime, &tasks);
    result.unwrap_or_else(|panic| resume_unwind(panic))
}

fn build(shared: &Shared, config: &WorldConfig, director: Box<dyn Director>) {
    let mut nodes = config.nodes.clone();
    nodes.sort_unstable();
    nodes.dedup();
    let world = World {
        seed: config.seed,
        now: Timestamp::ZERO,
        agenda: Agenda::default(),
        nodes: nodes.iter().map(|id| node(*id, config)).collect(),
        connections: Connections::new(nodes.len()),
        links: Links::new(config.seed, config.network, nodes),
        recorder: Recorder::new(config.record_messages),
        director,
        director_woken: true,
        orders: VecDeque::new(),
        holder: Holder::Pump,
        work: None,
        pump: None,
        outcome: None,
        at_this_instant: 0,
        clock: Clock::new(TimeHandle::current()),
    };
    *shared.lock() = Some(world);
}

fn node(id: NodeId, config: &WorldConfig) -> Node {
    let disk = match id {
        NodeId::Broker(_) | NodeId::Controller(_) | NodeId::ZooKeeper(_) => {
            Some(simulator::<Disks>().of(id, config.disk))
        }
        NodeId::Client(_) => None,
    };
    Node {
        id,
        task: None,
        powered: true,
        process: None,
        next: Incarnation(0),
        paused: false,
        inbox: Vec::new(),
        waker: None,
        disk,
        clock: WallClock::new(config.clocks.get(&id).copied().unwrap_or_default()),
        crash: Random::stream(config.seed, &format!("disk {id}")),
        rot: Random::stream(config.seed, &format!("rot {id}")),
        paused_by: 0,
        stopping: None,
        shutdown: false,
        start_again: false,
    }
}

/// Makes the nodes on madsim, each with its host, which waits until its process is started.
fn spawn(shared: &Shared, factory: &Factory) -> Vec<madsim::task::NodeId> {
    let ids: Vec<NodeId> = match shared.lock().as_ref() {
        Some(world) => world.nodes.iter().map(|node| node.id).collect(),
        None => Vec::new(),
    };
    let mut tasks = Vec::new();
    for (index, id) in ids.into_iter().enumerate() {
        let (shared_by_host, factory) = (shared.clone(), Arc::clone(factory));
        let task = Handle::current()
            .create_node()
            .name(id.to_string())
            .init(move || Host::new(index, shared_by_host.clone(), Arc::clone(&factory)))
            .build();
        tasks.push(task.id());
        if let Some(world) = shared.lock().as_mut() {
            world.nodes[index].task = Some(task.id());
        }
    }
    tasks
}

/// Takes the ended world apart.
fn finish(shared: &Shared) -> Finished {
    let mut guard = shared.lock();
    let Some(mut world) = guard.take() else {
        return Finished {
            entries: Vec::new(),
            outcome: Outcome::Idle,
            at: Timestamp::ZERO,
            pending: 0,
            disks: BTreeMap::new(),
        };
    };
    for index in 0..world.nodes.len() {
        world.unfreeze(index, false);
    }
    world.end_disk_faults(None);
    world.end_clock_faults(None);
    let pending = world.close_network();
    let outcome = world.outcome.unwrap_or(Outcome::Idle);
    if let Outcome::Ended(reason) = outcome {
        world.record(None, What::Ended { reason });
    }
    let disks = world
        .nodes
        .iter()
        .filter_map(|node| node.disk.clone().map(|disk| (node.id, disk)));
    Finished {
        disks: disks.collect(),
        entries: world.recorder.take(),
        outcome,
        at: world.now,
        pending,
    }
}

/// Drops every task: see the header.
fn clear(runtime: &Runtime, tasks: &[madsim::task::NodeId]) {
    for task in tasks {
        runtime.handle().kill(*task);
    }
    runtime.block_on(async { sleep(Duration::from_millis(1)).await });
}
