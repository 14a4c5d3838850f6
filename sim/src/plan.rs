//! A trial, fully decided: a scenario and a seed resolved into plain data. Replay, comparison and
//! shrinking all act on plans. As JSON it is a public format; unknown fields are an error.
//!
//! Next: `trial.rs` runs it.

use ktrial_core::config::Settings;
use ktrial_core::message::{Api, ConfigChange, ElectionType, NewTopic};
use ktrial_core::{BrokerId, ControllerId, NodeId, Offset, Rules, TopicName, TopicPartition};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of the plan format.
pub const PLAN_VERSION: u32 = 1;

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
    /// The controllers (one for now).
    pub controllers: Vec<ControllerPlan>,
    /// The brokers.
    pub brokers: Vec<BrokerPlan>,
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
    /// After the last step the trial goes on until the cluster has converged, or nothing has changed
    /// for this long (simulated).
    pub settle_ms: u64,
    /// The trial ends here whatever happens (simulated).
    pub time_limit_ms: u64,
    /// Whether the record holds every message, not just what changed.
    pub record_messages: bool,
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
}

impl Default for NetworkPlan {
    /// One data centre.
    fn default() -> Self {
        Self {
            latency_min_us: 200,
            latency_max_us: 1_000,
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

/// One step: wait, then act. Steps run one after the other; each begins when the one before is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// What to wait for first.
    pub when: When,
    /// What to do then; `None` = the step only waits.
    pub action: Option<Action>,
}

/// When a step's action is due.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum When {
    /// At once.
    Now,
    /// This long after the step before.
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
        /// If it does not hold after this long, the trial ends as inconclusive.
        within_ms: u64,
    },
}

/// Something about the cluster that can be true or not. Each can be asked of a real cluster too,
/// through the admin API or the clients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Condition {
    /// The committed ISR is exactly this set.
    Isr {
        /// Of which partition.
        partition: TopicPartition,
        /// The members, in order of their ids.
        is: Vec<BrokerId>,
    },
    /// The committed leader is this broker, or nobody.
    Leader {
        /// Of which partition.
        partition: TopicPartition,
        /// Who.
        is: Option<BrokerId>,
    },
    /// A replica's log has reached this end.
    LogEnd {
        /// Of which partition.
        partition: TopicPartition,
        /// On which broker.
        broker: BrokerId,
        /// Its log end offset is at least this.
        at_least: Offset,
    },
    /// A replica's high watermark has reached this offset.
    HighWatermark {
        /// Of which partition.
        partition: TopicPartition,
        /// On which broker.
        broker: BrokerId,
        /// At least this.
        at_least: Offset,
    },
    /// Each of these values has been acknowledged.
    Acknowledged {
        /// The values.
        values: Vec<String>,
    },
    /// Each of these values has ended: acknowledged, failed or unknown.
    Ended {
        /// The values.
        values: Vec<String>,
    },
    /// The consumer has got each of these values.
    Consumed {
        /// Its name.
        consumer: String,
        /// The values.
        values: Vec<String>,
    },
    /// The broker's process and registration.
    Broker {
        /// Which broker.
        broker: BrokerId,
        /// In which state.
        is: BrokerStatus,
    },
    /// Every replica of the partition is in the ISR, and all logs end alike.
    InSync {
        /// Which partition.
        partition: TopicPartition,
    },
    /// No log, leader, ISR, registration or pending send has changed for this long.
    Quiet {
        /// Milliseconds.
        ms: u64,
    },
    /// All of these hold.
    All(Vec<Self>),
    /// One of these holds.
    Any(Vec<Self>),
}

/// What can be said of a broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BrokerStatus {
    /// Its process does not run.
    Down,
    /// The controller has fenced it (or it never registered).
    Fenced,
    /// The controller lets it serve.
    Unfenced,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// A producer's application sends records, one after the other without waiting.
    Send {
        /// The producer's name.
        producer: String,
        /// To which topic.
        topic: TopicName,
        /// To which partition; `None` lets the producer choose.
        partition: Option<i32>,
        /// The key of each.
        key: Option<String>,
        /// Their values; each value occurs once in a plan.
        values: Vec<String>,
    },
    /// Processes of these nodes stop.
    Stop {
        /// Which.
        nodes: Vec<NodeId>,
        /// How.
        how: StopKind,
    },
    /// Processes of these nodes start again.
    Start {
        /// Which.
        nodes: Vec<NodeId>,
    },
    /// Processes of these nodes freeze (SIGSTOP).
    Pause {
        /// Which.
        nodes: Vec<NodeId>,
    },
    /// Frozen processes go on (SIGCONT).
    Resume {
        /// Which.
        nodes: Vec<NodeId>,
    },
    /// Links are cut between two groups of nodes.
    Cut {
        /// From these ...
        from: Vec<NodeId>,
        /// ... to those.
        to: Vec<NodeId>,
        /// Only in that direction.
        one_way: bool,
        /// Only messages of these APIs, requests and responses; empty = all, and TCP's own.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        api: Vec<Api>,
    },
    /// Links between two groups of nodes become slow.
    Delay {
        /// From these ...
        from: Vec<NodeId>,
        /// ... to those.
        to: Vec<NodeId>,
        /// Added to each message, in microseconds.
        by_us: u64,
        /// Only messages of these APIs, requests and responses; empty = all, and TCP's own.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        api: Vec<Api>,
    },
    /// All links are as they were at the start.
    Heal,
    /// An operator changes settings.
    AlterConfig {
        /// Which and how.
        changes: Vec<ConfigChange>,
    },
    /// An operator asks for an election.
    ElectLeaders {
        /// Of which kind.
        election: ElectionType,
        /// For which partitions.
        partitions: Vec<TopicPartition>,
    },
    /// A consumer reads these partitions from now on.
    Assign {
        /// The consumer's name.
        consumer: String,
        /// Which.
        partitions: Vec<TopicPartition>,
    },
}

/// How a process stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopKind {
    /// The process dies (SIGKILL): what it wrote stays in the page cache.
    Kill,
    /// The machine loses power: what was not flushed is gone.
    PowerLoss,
    /// A controlled stop (SIGTERM): a broker hands over its leaderships and closes its logs.
    Shutdown,
}
