//! One partition's log: segment files with their indexes, and the leader epoch cache, on a disk.
//!
//! ```text
//! log start          recovery point        high watermark        log end
//!    |-------------------|---------------------|-------------------|
//!    [ 00..000.log  ][ 00..042.log  ][ 00..087.log (active)        ]
//! ```
//!
//! A log is written only at its end and read from anywhere. Its bytes are those of Kafka: the same
//! files, names and formats. What it holds in memory (indexes, sizes, epochs) can be found again in
//! its files. It never forces anything to disk on its own.
//!
//! | file | what |
//! |---|---|
//! | `append.rs`, `validate.rs` | leader and follower append, rolls |
//! | `read.rs` | reads, offsets by time |
//! | `truncate.rs` | cutting the end off |
//! | `flush.rs` | forcing to disk, recovery point |
//! | `recovery.rs` | opening, after a clean stop or a crash |
//! | `segment.rs`, `segment_read.rs`, `index.rs`, `scan.rs` | one segment's files |
//! | `leader_epoch_cache.rs`, `checkpoint.rs` | the small files |
//!
//! Invariants: log start <= high watermark <= log end; recovery point <= log end; segments' base
//! offsets rise and, unless a power loss undid a deletion, lie at or above the end of the one before.
//! Simplified: no retention, compaction, producer state or transaction index yet. After an error of
//! the disk the log must be opened anew.
//! Source: `UnifiedLog`, `LocalLog`.
//! Next: `append.rs`.

mod append;
pub mod checkpoint;
mod flush;
mod index;
mod leader_epoch_cache;
mod offset_checkpoint;
mod read;
mod recovery;
mod scan;
mod segment;
mod segment_read;
mod truncate;
mod validate;

use crate::config::TopicConfig;
use crate::error::ErrorCode;
use crate::offset::{EpochOffset, LeaderEpoch, Offset};
use crate::planted::Bug;
use crate::rules::Rules;
use crate::storage::{Storage, StorageError};
use crate::time::WallClock;
use leader_epoch_cache::LeaderEpochCache;
pub use offset_checkpoint::OffsetCheckpoint;
use segment::Segment;

/// What the log directory's checkpoints say of a log that is to be opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenFrom {
    /// Offsets below it were forced to disk.
    pub recovery_point: Offset,
    /// The log's start.
    pub log_start_offset: Offset,
    /// The checkpointed high watermark.
    pub high_watermark: Offset,
    /// The last stop was clean: no recovery is needed.
    pub clean: bool,
    /// The rules, for the bugs that may be planted in them.
    pub rules: Rules,
}

/// A batch that was appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppendedBatch {
    /// Offset of its first record.
    pub base_offset: Offset,
    /// Offset of its last record.
    pub last_offset: Offset,
    /// The leader epoch it was first appended in.
    pub leader_epoch: LeaderEpoch,
    /// Its checksum.
    pub crc: u32,
    /// The broker's time for its records, with LogAppendTime.
    pub log_append_time: Option<WallClock>,
}

/// Why records were not appended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The records are not acceptable: nothing was written.
    #[error("{error}: {reason}")]
    Rejected {
        /// The code for the client.
        error: ErrorCode,
        /// In words.
        reason: String,
    },
    /// A follower's records do not continue its log (`UnexpectedAppendOffsetException`).
    #[error("the records start at {first}, but the log ends at {log_end_offset}")]
    UnexpectedOffset {
        /// Where the records start.
        first: Offset,
        /// Where the log ends.
        log_end_offset: Offset,
    },
    /// The disk failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Why records were not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The offset is below the log's start or above its end.
    #[error("offset {0} is out of range")]
    OutOfRange(Offset),
    /// The disk failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// A record found by its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedOffset {
    /// The record's time.
    pub timestamp: WallClock,
    /// Its offset.
    pub offset: Offset,
    /// The leader epoch of its batch.
    pub leader_epoch: LeaderEpoch,
}

/// An open log.
#[derive(Debug)]
pub struct Log {
    directory: String,
    config: TopicConfig,
    rules: Rules,
    /// The segments that are no longer written to, in order.
    older: Vec<Segment>,
    active: Segment,
    epochs: LeaderEpochCache,
    log_start_offset: Offset,
    log_end_offset: Offset,
    recovery_point: Offset,
    high_watermark: Offset,
    /// Where the last roll began a segment.
    flush_wanted: Option<Offset>,
    /// Files were created or deleted, and the directory was not forced to disk since.
    directory_changed: bool,
    /// Room for the one copy that an append makes, kept from call to call.
    scratch: Vec<u8>,
}

impl Log {
    /// Its directory, such as `data/orders-0`.
    pub fn directory(&self) -> &str {
        &self.directory
    }

    /// Its settings.
    pub fn config(&self) -> &TopicConfig {
        &self.config
    }

    /// Bytes of all segments' batches.
    pub fn size(&self) -> u64 {
        self.segments().map(|segment| segment.size).sum()
    }

    /// Base offsets of the segments, rising; the last is the one that is written to.
    pub fn segment_base_offsets(&self) -> impl Iterator<Item = Offset> {
        self.segments().map(|segment| segment.base_offset)
    }

    /// The rules that it was opened with.
    pub(crate) fn rules(&self) -> Rules {
        self.rules
    }

    /// First offset of the log.
    pub fn log_start_offset(&self) -> Offset {
        self.log_start_offset
    }

    /// The offset after the last.
    pub fn log_end_offset(&self) -> Offset {
        self.log_end_offset
    }

    /// Offsets below it survive a power loss.
    pub fn recovery_point(&self) -> Offset {
        self.recovery_point
    }

    /// Offsets below it are on every member of the ISR, as far as this replica knows.
    pub fn high_watermark(&self) -> Offset {
        self.high_watermark
    }

    /// Sets the high watermark, within the log. Returns it if it changed.
    pub fn set_high_watermark(&mut self, offset: Offset) -> Option<Offset> {
        let end = if self.rules.has(Bug::HighWatermarkBeyondLogEnd) {
            offset
        } else {
            self.log_end_offset
        };
        let within = offset.max(self.log_start_offset).min(end);
        if within == self.high_watermark {
            return None;
        }
        self.high_watermark = within;
        Some(within)
    }

    /// The leader epoch cache: strictly increasing in both numbers.
    pub fn leader_epochs(&self) -> &[EpochOffset] {
        self.epochs.entries()
    }

    /// The latest epoch in the cache.
    pub fn latest_epoch(&self) -> Option<LeaderEpoch> {
        self.epochs.latest_epoch()
    }

    /// Enters an epoch into the cache (`LeaderEpochFileCache.assign`) and writes its checkpoint.
    /// Negative epochs and offsets are ignored.
    ///
    /// # Errors
    /// The disk failed.
    pub fn assign_epoch(
        &mut self,
        storage: &mut dyn Storage,
        epoch: LeaderEpoch,
        start: Offset,
    ) -> Result<(), StorageError> {
        self.epochs.assign(storage, epoch, start)
    }

    /// The largest epoch at or below `epoch` and its end (`LeaderEpochFileCache.endOffsetFor`).
    pub fn end_offset_for_epoch(&self, epoch: LeaderEpoch) -> Option<EpochOffset> {
        self.epochs.end_offset_for(epoch, self.log_end_offset)
    }

    /// The epoch of the record at `offset`, from the cache.
    pub fn epoch_at(&self, offset: Offset) -> Option<LeaderEpoch> {
        self.epochs.epoch_at(offset)
    }

    /// Takes over changed settings.
    pub fn set_config(&mut self, config: TopicConfig) {
        self.config = config;
    }
}

#[cfg(test)]
mod tests;
