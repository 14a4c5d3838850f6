//! Runs a plan.
//!
//! | file | what it is |
//! |---|---|
//! | `cluster.rs` | the plan's machines: settings, nodes, who is who |
//! | `validate.rs`, `fault.rs`, `so_far.rs` | what a plan may not say, and when |
//! | `script/` | the director: start-up, steps one after the other, the timeline beside them, the wait at the end |
//! | `waiting.rs` | the condition that a step waits for |
//! | `roles.rs` | who holds a role when an action begins |
//! | `action.rs` | what a step's action orders |
//! | `finals.rs` | what the disks hold at the end |
//! | `znodes.rs` | the tree of znodes at any time |
//!
//! A trial has a thread and a runtime of its own, so that trials next to each other or after each other
//! cannot touch. A panic of a machine is an entry of the record; a panic of the simulator is an error.
//!
//! Invariants: the same plan gives the same record, byte for byte.
//!
//! Next: `cluster.rs`.

mod action;
mod cluster;
mod fault;
pub mod finals;
mod roles;
mod script;
mod so_far;
#[cfg(test)]
mod tests;
mod validate;
mod waiting;
pub mod znodes;

use crate::history::{Entry, Header, RECORD_VERSION, Record, What};
use crate::host::panic;
use crate::plan::Plan;
use crate::world::{self, Director, Finished, Outcome, WorldConfig};
use cluster::Cluster;
use ktrial_core::NodeId;
use script::Script;
use std::sync::Arc;

/// Enough for deep recursion in debug builds; the pages are only touched when used.
const STACK_BYTES: usize = 16 << 20;

/// A trial that could not be run: the plan or the world is at fault, not the system under trial.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrialError {
    /// The plan contradicts itself.
    #[error("the plan cannot be run: {0}")]
    InvalidPlan(String),
    /// The simulator failed.
    #[error("the simulator failed: {0}")]
    Simulator(String),
}

/// Looks whether the plan can be run, without running it.
///
/// # Errors
/// The plan contradicts itself.
pub fn check(plan: &Plan) -> Result<(), TrialError> {
    let cluster = Cluster::new(plan);
    cluster.map(drop).map_err(TrialError::InvalidPlan)
}

/// Runs the plan on a thread and a runtime of its own. The same plan gives the same record.
///
/// # Errors
/// The plan contradicts itself, or the simulator failed.
pub fn run(plan: &Plan) -> Result<Record, TrialError> {
    run_with_madsim_seed(plan, 0)
}

/// As [`run`], under another seed of madsim's scheduler, which must not matter: for the test that it
/// does not.
///
/// # Errors
/// As [`run`].
pub fn run_with_madsim_seed(plan: &Plan, madsim_seed: u64) -> Result<Record, TrialError> {
    let plan = Arc::new(plan.clone());
    let cluster = Cluster::new(&plan).map_err(TrialError::InvalidPlan)?;
    isolated(move || run_here(&plan, cluster, madsim_seed))?
}

/// Runs `work` on a thread of its own, whose panics are silent and come back as an error.
fn isolated<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, TrialError> {
    std::thread::Builder::new()
        .name("trial".to_owned())
        .stack_size(STACK_BYTES)
        .spawn(move || {
            panic::silence();
            panic::caught(work)
        })
        .map_err(|error| error.to_string())
        .and_then(|thread| thread.join().map_err(|panic| panic::message(&*panic)))
        .and_then(|result| result)
        .map_err(TrialError::Simulator)
}

/// What it takes to play a plan in a world, simulated or real.
pub struct Stage {
    /// Decides what is done.
    pub director: Box<dyn Director>,
    /// Who takes part: servers of ZooKeeper, controllers, brokers, then clients, of which the last is the
    /// operator.
    pub nodes: Vec<NodeId>,
    /// The beginning of the record.
    pub header: Header,
}

/// Prepares a plan to be played in another world than [`run`]'s: its director gives the orders, the
/// world obeys and shows it each entry of the record.
///
/// # Errors
/// The plan contradicts itself.
pub fn stage(plan: &Plan) -> Result<Stage, TrialError> {
    let cluster = Cluster::new(plan).map_err(TrialError::InvalidPlan)?;
    Ok(set(&Arc::new(plan.clone()), &Arc::new(cluster)))
}

fn set(plan: &Arc<Plan>, cluster: &Arc<Cluster>) -> Stage {
    Stage {
        director: Box::new(Script::new(Arc::clone(plan), Arc::clone(cluster))),
        nodes: cluster.nodes(),
        header: Header {
            version: RECORD_VERSION,
            scenario: plan.scenario.clone(),
            seed: plan.seed,
            cell: plan.cell.clone(),
            clients: cluster.client_names(),
            real: None,
        },
    }
}

fn run_here(plan: &Arc<Plan>, cluster: Cluster, madsim_seed: u64) -> Result<Record, TrialError> {
    let (header, mut finished) = play(plan, cluster, madsim_seed)?;
    let entries = with_finals(plan, &mut finished);
    Ok(Record { header, entries })
}

/// Plays the plan to its end.
fn play(
    plan: &Arc<Plan>,
    cluster: Cluster,
    madsim_seed: u64,
) -> Result<(Header, Finished), TrialError> {
    let cluster = Arc::new(cluster);
    let Stage {
        director,
        nodes,
        header,
    } = set(plan, &cluster);
    let config = WorldConfig {
        seed: plan.seed,
        nodes,
        network: plan.network,
        disk: plan.disk,
        clocks: plan.clocks.clone(),
        record_messages: plan.record_messages,
    };
    let factory = cluster::factory(cluster);
    let finished = world::run_with_madsim_seed(&config, &factory, director, madsim_seed);
    match finished.outcome {
        Outcome::Ended(_) => {}
        Outcome::Idle => {
            let error = "nothing was left to happen before the time limit";
            return Err(TrialError::Simulator(error.to_owned()));
        }
        Outcome::Livelock(at) => {
            return Err(TrialError::Simulator(format!(
                "more than {} events at {at}: an endless loop",
                world::LIVELOCK
            )));
        }
    }
    Ok((header, finished))
}

/// Adds what is left at the end.
fn with_finals(plan: &Plan, finished: &mut Finished) -> Vec<Entry> {
    let mut entries = std::mem::take(&mut finished.entries);
    let at = finished.at;
    for log in finals::logs(plan, &finished.disks) {
        entries.push(Entry {
            at,
            node: Some(NodeId::Broker(log.broker)),
            what: What::FinalLog(Box::new(log)),
        });
    }
    entries.push(Entry {
        at,
        node: None,
        what: What::FinalPending {
            messages: finished.pending,
        },
    });
    entries
}
