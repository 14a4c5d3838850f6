//! The verdict on a trial, as plain data. `check/` makes it from the plan and the record.

use crate::history::FinalRecord;
use ktrial_core::{BrokerId, Offset, TopicName, TopicPartition};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What became of the promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Nothing was lost or duplicated, and nothing that was promised broke.
    Kept,
    /// Records were lost or duplicated as the configuration allows, each with its reason.
    Permitted,
    /// A partition rightly has no leader at the end; nothing that was promised broke.
    Unavailable,
    /// A step's condition never came true, a fault touched nothing, or a goal was not reached.
    Inconclusive,
    /// A promise was broken.
    Broken,
}

/// The verdict on a trial: `verdict.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The settings of its cell.
    pub settings: BTreeMap<String, String>,
    /// What became of the promise.
    pub verdict: Class,
    /// In a sentence.
    pub summary: String,
    /// What Kafka promised under this configuration and these faults.
    pub promise: Promise,
    /// Records that were acknowledged.
    pub acknowledged: u64,
    /// Records whose send ended without a known outcome, or did not end.
    pub unknown: u64,
    /// Records whose send certainly failed.
    pub failed: u64,
    /// Acknowledged records that are in no leader's log at the end.
    pub lost: Vec<Lost>,
    /// Values that are at more than one offset of a partition at the end.
    pub duplicated: Vec<Duplicated>,
    /// When partitions had no leader.
    pub unavailable: Vec<Outage>,
    /// Final logs: partition, broker, records.
    pub logs: BTreeMap<TopicPartition, BTreeMap<BrokerId, Vec<FinalRecord>>>,
    /// Final leader epoch checkpoints: partition, broker, `[epoch, start_offset]`.
    pub leader_epochs: BTreeMap<TopicPartition, BTreeMap<BrokerId, Vec<(i32, i64)>>>,
    /// What the checks found.
    pub findings: Vec<Finding>,
    /// How often each coverage goal was reached (`check::goals::GOALS`); those that were not are absent.
    #[serde(default)]
    pub goals: BTreeMap<String, u64>,
    /// Entries in the record.
    pub events: u64,
    /// Simulated time, in milliseconds.
    pub simulated_ms: u64,
    /// Digest of the record, in hexadecimal.
    pub digest: String,
}

/// What Kafka promises under a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promise {
    /// No acknowledged record is ever lost.
    pub no_loss: bool,
    /// No record is ever written twice.
    pub no_duplicates: bool,
    /// Why it promises that, or not: one sentence each.
    pub because: Vec<String>,
}

/// An acknowledged record that is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// Its topic.
    pub topic: TopicName,
    /// Its partition.
    pub partition: i32,
    /// Where it was when it was acknowledged.
    pub offset: Offset,
    /// Its value.
    pub value: String,
    /// How it came to be lost, in a sentence or two.
    pub why: String,
    /// The chain of events behind that, in order.
    pub chain: Vec<Link>,
    /// The configuration allows this loss.
    pub permitted: bool,
}

/// One event in the explanation of a loss.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// When, in milliseconds of simulated time.
    pub at_ms: u64,
    /// What happened.
    pub what: String,
}

/// A value that was written more than once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Duplicated {
    /// Its topic.
    pub topic: TopicName,
    /// Its partition.
    pub partition: i32,
    /// Where it is.
    pub offsets: Vec<Offset>,
    /// Its value.
    pub value: String,
    /// How that came.
    pub why: String,
    /// The configuration allows it.
    pub permitted: bool,
}

/// A time in which a partition had no leader in the controller's metadata. A leader that is down but
/// not yet fenced (up to `broker.session.timeout.ms`) counts as a leader here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outage {
    /// Its topic.
    pub topic: TopicName,
    /// Its partition.
    pub partition: i32,
    /// From, in milliseconds of simulated time.
    pub from_ms: u64,
    /// To; `None` = it still had none at the end.
    pub to_ms: Option<u64>,
    /// Brokers whose return would have ended it, as the controller knew.
    pub waiting_for: Vec<BrokerId>,
    /// In a sentence.
    pub why: String,
}

/// What a check found wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Finding {
    /// The check's name, such as `one_leader_per_epoch` or `lost_write`.
    pub check: String,
    /// What it found.
    pub what: String,
    /// In which partition, if in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<TopicPartition>,
    /// When, in milliseconds of simulated time, if at a time.
    pub at_ms: Option<u64>,
    /// The configuration allows it.
    pub permitted: bool,
}
