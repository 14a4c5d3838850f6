//! The record of a trial: everything that happened, typed, in order. Verdict, explanation and every
//! report are made from it alone.
//!
//! As JSON Lines it is a public format, `record.jsonl`: the first line is the [`Header`], each further
//! line one [`Entry`].

pub mod codec;
pub(crate) mod recorder;

use crate::plan::{Action, Condition, StopKind};
use ktrial_core::message::Api;
use ktrial_core::{
    BrokerId, EpochOffset, Event, LeaderEpoch, NodeId, Offset, Timestamp, TopicPartition,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of the record format.
pub const RECORD_VERSION: u32 = 2;

/// Everything that happened in a trial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What the record is about.
    pub header: Header,
    /// In order.
    pub entries: Vec<Entry>,
}

/// What a record is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// [`RECORD_VERSION`].
    pub version: u32,
    /// The scenario's name.
    pub scenario: String,
    /// The trial's seed.
    pub seed: u64,
    /// The settings of its cell.
    pub cell: BTreeMap<String, String>,
    /// Names of the clients.
    pub clients: BTreeMap<NodeId, String>,
    /// The real cluster that the record is of; `None` = a simulated one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub real: Option<RealCluster>,
}

/// A real Apache Kafka cluster. Its record is what its files and clients showed, each thing soon after
/// it had happened: an effect may be entered before its cause if both came within some milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RealCluster {
    /// The release of Apache Kafka.
    pub release: String,
    /// What keeps its metadata: `kraft` or `zookeeper`.
    pub mode: String,
}

impl std::fmt::Display for RealCluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Apache Kafka {} ({})", self.release, self.mode)
    }
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When, in microseconds since the start.
    pub at: Timestamp,
    /// Where; `None` for the world.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeId>,
    /// What.
    pub what: What,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A machine reported something.
    Event(Event),
    /// A node's process started.
    ProcessStarted,
    /// A node's process stopped, or was told to.
    ProcessStopped {
        /// How; `None` = by its own will.
        how: Option<StopKind>,
        /// Bytes that the disk lost with it.
        bytes_lost: u64,
    },
    /// A node's process was frozen.
    ProcessPaused,
    /// A frozen process goes on.
    ProcessResumed,
    /// A machine panicked: a bug of the code under trial.
    Panicked {
        /// The panic's message.
        message: String,
    },
    /// A machine could not start over what its disk holds.
    StartFailed {
        /// Why.
        error: String,
    },
    /// A step's condition came true, or its time came, and its action was carried out.
    Step {
        /// Its index in the plan, from 0.
        index: usize,
        /// What it did.
        action: Option<Box<Action>>,
    },
    /// A step's condition did not come true in time. The trial ends if it is a step of the script; one
    /// of the timeline is given up.
    StepFailed {
        /// Its index in the plan, from 0.
        index: usize,
        /// What it waited for.
        condition: Condition,
    },
    /// What a fault did until it ended: one that touched nothing proves nothing. Whom it was about is in
    /// the entry of its step.
    FaultEffect {
        /// The index of the step that caused it.
        step: usize,
        /// How many of these ...
        touched: u64,
        /// ... it touched.
        of: Touched,
    },
    /// A message arrived.
    Delivered(Message),
    /// A message was not sent on, or not taken.
    Dropped {
        /// Which.
        message: Message,
        /// Why.
        why: Why,
    },
    /// The steps are done. If the plan has a recovery, from here on nothing is disturbed.
    StepsDone,
    /// How the trial ended.
    Ended {
        /// Why then.
        reason: EndReason,
    },
    /// What a broker's disk holds of a partition at the end, read back from its segment files.
    FinalLog(Box<FinalLog>),
    /// What was not delivered, not answered or not written when the trial ended.
    FinalPending {
        /// Messages under way.
        messages: u64,
    },
}

/// What a fault touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Touched {
    /// Processes that stopped, or machines that lost power.
    Processes,
    /// Messages that were held back, slowed or lost.
    Messages,
    /// Disk calls that were slowed or failed, or did not do what they said.
    DiskCalls,
    /// Bytes on a disk that are others now, or gone.
    Bytes,
    /// Times that a process was told.
    ClockReadings,
}

/// A message between two nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// When it was sent.
    pub sent: Timestamp,
    /// Who sent it.
    pub from: NodeId,
    /// To whom.
    pub to: NodeId,
    /// Of which API.
    pub api: Api,
    /// A response (else a request).
    pub response: bool,
}

/// Why a message did not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The link was cut until the end.
    Cut,
    /// The sender stopped before it left.
    SenderStopped,
    /// The receiver does not run.
    ReceiverDown,
    /// The connection was closed.
    ConnectionClosed,
    /// It was lost on the way, and its connection reset.
    Reset,
}

/// Why a trial ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// Every partition has all its replicas in sync and nothing is pending.
    Converged,
    /// Nothing has changed for the settling time.
    Settled,
    /// A step's condition did not come true in time.
    StepFailed,
    /// The time limit.
    TimeLimit,
    /// The limit on the number of entries.
    RecordLimit,
    /// A machine panicked or could not start.
    Panicked,
}

/// A replica's log at the end, from the bytes on its disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinalLog {
    /// Of which partition.
    pub partition: TopicPartition,
    /// On which broker.
    pub broker: BrokerId,
    /// Every record.
    pub records: Vec<FinalRecord>,
    /// The leader epoch checkpoint.
    pub leader_epochs: Vec<EpochOffset>,
    /// What could not be read, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damage: Option<String>,
}

/// A record at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinalRecord {
    /// Its offset.
    pub offset: Offset,
    /// Its leader epoch.
    pub epoch: LeaderEpoch,
    /// Its value as text.
    pub value: String,
}
