//! What a step can wait for: something about the cluster that is true or not. Each can be asked of a real
//! cluster too, through the admin API or the clients.
//!
//! Next: `action.rs`.

use ktrial_core::{BrokerId, ControllerId, Offset, TopicPartition};
use serde::{Deserialize, Serialize};

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
    /// The committed ISR has no more members than this.
    IsrAtMost {
        /// Of which partition.
        partition: TopicPartition,
        /// How many.
        members: usize,
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
    /// The active controller is this one, or nobody is.
    Controller {
        /// Who.
        is: Option<ControllerId>,
    },
    /// The voters of the metadata quorum have elected this controller; it may not be active yet.
    ControllerElected {
        /// Whom.
        controller: ControllerId,
    },
    /// A controller has become active so many times since the start.
    ControllerActivations {
        /// At least this many.
        at_least: usize,
    },
    /// Replicas of the metadata log know that so many more records are committed than any of them knew when
    /// the wait began. In a quorum of one only the controller counts, for the others do not tell.
    Metadata {
        /// How many more.
        more: i64,
        /// Which of them.
        by: Reached,
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

/// How many of the replicas of the metadata log, voters and observers, whose processes run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reached {
    /// Every one.
    All,
    /// So many.
    AtLeast(usize),
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
