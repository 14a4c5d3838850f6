//! Offsets and epochs: the numbers that order everything in Kafka.

use crate::id::number;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::{Add, Sub};

number! {
    /// The position of a record in a partition's log. Ends (`log_end_offset`, `high_watermark`) are
    /// exclusive: the offset after the last one.
    Offset(i64)
}
number! {
    /// Rises with each leader of a partition; a log entry carries the one it was appended in.
    LeaderEpoch(i32)
}
number! {
    /// Rises with each change of a partition's metadata, ISR changes included (KIP-497).
    PartitionEpoch(i32)
}
number! {
    /// A broker's registration: the metadata offset of its RegisterBrokerRecord (KIP-380, KIP-631).
    BrokerEpoch(i64)
}
number! {
    /// The epoch of the metadata quorum's leader.
    ControllerEpoch(i32)
}
number! {
    /// Identifies an idempotent producer; -1 is none.
    ProducerId(i64)
}
number! {
    /// Fences earlier uses of a producer id; -1 is none.
    ProducerEpoch(i16)
}

impl Offset {
    /// The start of a log that never lost its beginning.
    pub const ZERO: Self = Self(0);

    /// The offset after this one. Saturates, as offsets from a rotten disk may be anything.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl Add<i64> for Offset {
    type Output = Self;

    fn add(self, count: i64) -> Self {
        Self(self.0.saturating_add(count))
    }
}

impl Sub for Offset {
    type Output = i64;

    fn sub(self, other: Self) -> i64 {
        self.0.saturating_sub(other.0)
    }
}

impl LeaderEpoch {
    /// The epoch of the next leader. Saturates, as epochs from a rotten disk may be anything.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl PartitionEpoch {
    /// The epoch after one more change.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl ProducerId {
    /// No producer id: the batch is not idempotent.
    pub const NONE: Self = Self(-1);
}

impl ProducerEpoch {
    /// No producer epoch: the batch is not idempotent.
    pub const NONE: Self = Self(-1);
}

/// An entry of a leader epoch cache, or the answer to "where does this epoch end": an epoch and an
/// offset that belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EpochOffset {
    /// The leader epoch.
    pub epoch: LeaderEpoch,
    /// Its first offset (in a cache), or its end (in an answer).
    pub offset: Offset,
}

impl EpochOffset {
    /// The pair of `epoch` and `offset`.
    pub fn new(epoch: LeaderEpoch, offset: Offset) -> Self {
        Self { epoch, offset }
    }
}

/// `offset@epoch`
impl fmt::Display for EpochOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.offset, self.epoch)
    }
}
