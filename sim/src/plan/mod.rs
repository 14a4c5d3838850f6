//! A trial, fully decided: a scenario and a seed resolved into plain data. Replay, comparison and
//! shrinking all act on plans. As JSON it is a public format; unknown fields are an error.
//!
//! | file | what it is |
//! |---|---|
//! | `mod.rs` | the cluster, its world, and when steps are due |
//! | `condition.rs` | what a step can wait for |
//! | `target.rs` | who an action is about, by name or by role |
//! | `fault.rs` | what can go wrong with links, disks and clocks |
//! | `action.rs` | what a step does |
//!
//! A plan has two lists of steps. `steps` is a script: one after the other, as a story is told.
//! `timeline` is everything that happens by itself beside it: loads, random faults. A step's index is
//! its place in the first list, or the length of the first list plus its place in the second.
//!
//! Next: `condition.rs`.

mod action;
mod condition;
mod fault;
mod target;

pub use action::{Action, StopKind};
pub use condition::{BrokerStatus, Condition, Reached};
pub use fault::{ClockFault, DiskCall, DiskFault, Latency, LinkFault};
pub use target::{NoTarget, Target};

use ktrial_core::config::Settings;
use ktrial_core::message::NewTopic;
use ktrial_core::{BrokerId, ControllerId, NodeId, Rules, TopicPartition, ZooKeeperId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of the plan format.
pub const PLAN_VERSION: u32 = 2;

/// Everything that decides a trial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// [`PLAN_VERSION`].
    pub version: u32,
    /// The scenario's name.
    pub scenario: String,
    /// The scenario's title.
    pub title: String,
    /// Decides what the plan leaves open: latencies, jitter, scheduling.
    pub seed: u64,
    /// The settings that make this cell of the scenario's matrix (and `--set`), for display.
    pub cell: BTreeMap<String, String>,
    /// The Kafka release whose rules and defaults hold.
    pub release: String,
    /// The protocol switches: those of the release, some perhaps flipped.
    pub rules: Rules,
    /// The controllers: the voters of the metadata quorum. One that has a broker's number is one process
    /// with it (`process.roles=broker,controller`). With ZooKeeper there are no such processes: the
    /// controller is one of the brokers, with the settings of the first one here.
    pub controllers: Vec<ControllerPlan>,
    /// The brokers.
    pub brokers: Vec<BrokerPlan>,
    /// The ensemble of ZooKeeper, if the cluster is one with ZooKeeper.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zookeeper: Option<ZooKeeperPlan>,
    /// Settings that hold for every topic without its own.
    pub topic_defaults: Settings,
    /// Topics that exist before the first step.
    pub topics: Vec<NewTopic>,
    /// The producers.
    pub producers: Vec<ProducerPlan>,
    /// The consumers.
    pub consumers: Vec<ConsumerPlan>,
    /// How the network behaves when nothing is wrong with it.
    pub network: NetworkPlan,
    /// How the disks behave when nothing is wrong with them.
    pub disk: DiskPlan,
    /// Nodes whose wall clock is not right.
    pub clocks: BTreeMap<NodeId, ClockPlan>,
    /// What happens, one after the other.
    pub steps: Vec<Step>,
    /// What happens by itself beside the steps, each when its own time or condition has come.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub timeline: Vec<Step>,
    /// What is mended after the last step; `None` = nothing: all stays as it was left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<Recovery>,
    /// After the last step the trial goes on until the cluster has converged, or nothing has changed
    /// for this long (simulated).
    pub settle_ms: u64,
    /// The trial ends here whatever happens (simulated).
    pub time_limit_ms: u64,
    /// The trial ends when its record has this many entries; `None` = however long it gets. A cluster
    /// that runs in circles without letting much time go by is ended by this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record_limit: Option<u64>,
    /// Whether the record holds every message, not just what changed.
    pub record_messages: bool,
}

impl Plan {
    /// Whether there are eligible leader replicas outside the ISR: never with ZooKeeper.
    pub fn has_elr(&self) -> bool {
        self.rules.elr && self.zookeeper.is_none()
    }

    /// The step of an index: of the script, then of the timeline.
    pub fn step(&self, index: usize) -> Option<&Step> {
        let beside = |place| self.timeline.get(place);
        let step = self.steps.get(index);
        step.or_else(|| index.checked_sub(self.steps.len()).and_then(beside))
    }

    /// Every step, of the script and then of the timeline.
    pub fn all_steps(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().chain(&self.timeline)
    }
}

/// A controller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControllerPlan {
    /// Its `node.id`.
    pub id: ControllerId,
    /// Settings other than the defaults.
    pub config: Settings,
}

/// A broker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BrokerPlan {
    /// Its `node.id`.
    pub id: BrokerId,
    /// Settings other than the defaults.
    pub config: Settings,
}

/// The ensemble of ZooKeeper.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZooKeeperPlan {
    /// Its servers, each by its `myid`.
    pub servers: Vec<ZooKeeperId>,
    /// Settings of all of them other than the defaults.
    pub config: Settings,
}

/// A producer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProducerPlan {
    /// Its name in the scenario.
    pub name: String,
    /// Settings other than the defaults.
    pub config: Settings,
}

/// A consumer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsumerPlan {
    /// Its name in the scenario.
    pub name: String,
    /// Settings other than the defaults.
    pub config: Settings,
    /// The partitions it reads from the start.
    pub assign: Vec<TopicPartition>,
}

/// The network between any two nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkPlan {
    /// Shortest one-way latency, in microseconds.
    pub latency_min_us: u64,
    /// Longest one-way latency, in microseconds; drawn evenly for each message.
    pub latency_max_us: u64,
    /// A long tail: so many microseconds more on average, drawn from an exponential distribution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tail_us: Option<u64>,
    /// Bytes that each direction of each link takes per millisecond (1 = 1 kB/s), at least 1; `None` =
    /// any number at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_per_ms: Option<u64>,
}

impl Default for NetworkPlan {
    /// One data centre.
    fn default() -> Self {
        Self {
            latency_min_us: 200,
            latency_max_us: 1_000,
            tail_us: None,
            bytes_per_ms: None,
        }
    }
}

/// The disk of each server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskPlan {
    /// Time of a write to or read from the page cache, in microseconds.
    pub cache_us: u64,
    /// Time of a flush, in microseconds, whatever it flushes.
    pub flush_us: u64,
    /// Bytes that a flush writes per microsecond on top of that (1 = 1 MB/s).
    pub flush_bytes_per_us: u64,
    /// What a power loss leaves of bytes that were not flushed.
    pub power_loss: PowerLoss,
}

impl Default for DiskPlan {
    /// A local SSD.
    fn default() -> Self {
        Self {
            cache_us: 2,
            flush_us: 500,
            flush_bytes_per_us: 400,
            power_loss: PowerLoss::LoseUnflushed,
        }
    }
}

/// What a power loss leaves of bytes that were not flushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PowerLoss {
    /// Nothing: each file is as it was at its last flush.
    LoseUnflushed,
    /// A random prefix of them, perhaps torn within a sector; creations and renames that were not
    /// flushed stay or vanish at random.
    RandomPrefix,
}

/// A wall clock that is not right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockPlan {
    /// Ahead of the true time by this many milliseconds (behind, if negative).
    pub offset_ms: i64,
    /// Gains this many microseconds per second (loses, if negative).
    pub drift_ppm: i64,
}

/// What is mended after the last step: links, disks and clocks are as they were at the start, frozen
/// processes go on, and these nodes start if they do not run. From then on progress is demanded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recovery {
    /// The nodes that start. One that was stopped and is not among them stays down.
    pub nodes: Vec<NodeId>,
}

/// One step: wait, then act.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// What to wait for first.
    pub when: When,
    /// What to do then; `None` = the step only waits.
    pub action: Option<Action>,
    /// After so many milliseconds the action ends: what stopped starts again, what was wrong is right
    /// again. The next step does not wait for that. `None` = it lasts until something else ends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_ms: Option<u64>,
    /// The trial is not inconclusive if this step touches nothing, or if what it waits for never comes
    /// true: a fault that was drawn at random may miss.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub may_miss: bool,
}

/// When a step's action is due.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum When {
    /// At once.
    Now,
    /// This long after the step before; in the timeline, after the cluster was ready for the first step.
    After {
        /// Milliseconds.
        ms: u64,
    },
    /// At this time of the trial (at once if it is past).
    At {
        /// Milliseconds since the start.
        ms: u64,
    },
    /// As soon as this holds.
    Until {
        /// What has to hold.
        condition: Condition,
        /// If it does not hold after this long, the step is given up and the trial is inconclusive; it
        /// ends there if the step is one of the script.
        within_ms: u64,
    },
}
