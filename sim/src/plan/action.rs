//! What a step does: applications send, operators ask, the world does its worst.
//!
//! | fault | written as |
//! |---|---|
//! | kill, power loss, controlled shutdown; restart, if it lasts | `Stop` |
//! | pause | `Pause` |
//! | partition, one way or both; hold and release of one API | `Link` with `Cut` |
//! | isolate | `Link` with `Cut` from somebody to `rest` |
//! | ring, bridge | one `Link` with `Cut` per pair that cannot reach each other |
//! | latency, slow link, late delivery from a dead connection | `Link` with `Delay` |
//! | loss as delay or reset | `Link` with `Lose` |
//! | the same request twice | `Link` with `Lose` and `reset` from the server to the client |
//! | bandwidth | `Link` with `Throttle` |
//! | everything about disks, clocks | `Disk`, `Clock` |
//! | restart storm, rolling restart | several steps |
//!
//! Next: `../trial.rs`, which runs plans.

use super::fault::{ClockFault, DiskFault, LinkFault};
use super::target::Target;
use ktrial_core::message::{Api, ConfigChange, ElectionType};
use ktrial_core::{BrokerId, TopicName, TopicPartition};
use serde::{Deserialize, Serialize};

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
    /// Processes of these nodes stop. If that lasts only for a time, they start again then.
    Stop {
        /// Which.
        nodes: Vec<Target>,
        /// How.
        how: StopKind,
    },
    /// Processes of these nodes start again.
    Start {
        /// Which.
        nodes: Vec<Target>,
    },
    /// Processes of these nodes freeze (SIGSTOP).
    Pause {
        /// Which.
        nodes: Vec<Target>,
    },
    /// Frozen processes go on (SIGCONT).
    Resume {
        /// Which.
        nodes: Vec<Target>,
    },
    /// Something is wrong with the links from one group of nodes to another.
    Link {
        /// From these ...
        from: Vec<Target>,
        /// ... to those.
        to: Vec<Target>,
        /// Only in that direction.
        one_way: bool,
        /// Only messages of these APIs, requests and responses; empty = all, and TCP's own.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        api: Vec<Api>,
        /// What.
        fault: LinkFault,
    },
    /// All links are as they were at the start.
    Heal,
    /// Something is wrong with the disks of these nodes.
    Disk {
        /// Which.
        nodes: Vec<Target>,
        /// Only files below this directory; `None` = all. All of a node's files are below `data`, its log
        /// directory: `data/orders-0` holds a replica, `data/__cluster_metadata-0` the metadata log (of
        /// brokers and controllers alike), `data` itself the checkpoints.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        directory: Option<String>,
        /// What.
        fault: DiskFault,
    },
    /// Something is wrong with the wall clocks of these nodes.
    Clock {
        /// Which.
        nodes: Vec<Target>,
        /// What.
        fault: ClockFault,
    },
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
    /// An operator creates a topic of the plan, once more.
    CreateTopic {
        /// Which.
        topic: TopicName,
        /// Where its partitions are; `None` = as the plan says of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        replicas: Option<Vec<Vec<BrokerId>>>,
    },
    /// An operator gives a topic more partitions.
    AddPartitions {
        /// Which.
        topic: TopicName,
        /// How many it is to have in all.
        count: i32,
        /// Where the new ones are; `None` = the controller chooses.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        replicas: Option<Vec<Vec<BrokerId>>>,
    },
    /// An operator deletes a topic.
    DeleteTopic {
        /// Which.
        topic: TopicName,
    },
    /// An operator moves replicas to other brokers, or takes such a move back.
    Reassign {
        /// Of which partition.
        partition: TopicPartition,
        /// Where they shall be, the preferred leader first; `None` = a move under way is taken back.
        replicas: Option<Vec<BrokerId>>,
    },
    /// A consumer reads these partitions from now on.
    Assign {
        /// The consumer's name.
        consumer: String,
        /// Which.
        partitions: Vec<TopicPartition>,
    },
}

impl Action {
    /// Whether it can last for a time and then end.
    pub fn can_last(&self) -> bool {
        match self {
            Self::Stop { .. } | Self::Pause { .. } | Self::Link { .. } | Self::Clock { .. } => true,
            Self::Disk { fault, .. } => !fault.is_instant(),
            _ => false,
        }
    }

    /// The groups of nodes that it is about.
    pub fn groups(&self) -> Vec<&[Target]> {
        match self {
            Self::Stop { nodes, .. }
            | Self::Start { nodes }
            | Self::Pause { nodes }
            | Self::Resume { nodes }
            | Self::Disk { nodes, .. }
            | Self::Clock { nodes, .. } => vec![nodes],
            Self::Link { from, to, .. } => vec![from, to],
            _ => Vec::new(),
        }
    }

    /// The same, to put others in their place.
    pub fn groups_mut(&mut self) -> Vec<&mut Vec<Target>> {
        match self {
            Self::Stop { nodes, .. }
            | Self::Start { nodes }
            | Self::Pause { nodes }
            | Self::Resume { nodes }
            | Self::Disk { nodes, .. }
            | Self::Clock { nodes, .. } => vec![nodes],
            Self::Link { from, to, .. } => vec![from, to],
            _ => Vec::new(),
        }
    }

    /// Whether it disturbs the cluster, rather than use or mend it.
    pub fn is_fault(&self) -> bool {
        matches!(
            self,
            Self::Stop { .. }
                | Self::Pause { .. }
                | Self::Link { .. }
                | Self::Disk { .. }
                | Self::Clock { .. }
        )
    }
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
