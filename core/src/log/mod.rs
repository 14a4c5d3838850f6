//! One partition's log: segment files with their indexes, and the leader epoch cache, on a disk.
//!
//! CONTRACT (the module's owner writes the rest, and may add; signatures below stay).

pub mod checkpoint;

use crate::config::TopicConfig;
use crate::error::ErrorCode;
use crate::offset::{EpochOffset, LeaderEpoch, Offset};
use crate::storage::{Storage, StorageError};
use crate::time::{Now, WallClock};
use bytes::Bytes;

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

/// An open log.
#[derive(Debug)]
pub struct Log {}

impl Log {
    /// Opens the log in `directory` (such as `data/orders-0`), creating it if missing. After an
    /// unclean stop, recovers it: checks every batch from the recovery point on, cuts it at the first
    /// bad one, rebuilds what was lost of indexes and the epoch cache.
    /// Returns the log and how many bytes recovery cut off.
    ///
    /// # Errors
    /// The disk failed.
    pub fn open(
        storage: &mut dyn Storage,
        directory: &str,
        from: OpenFrom,
        config: TopicConfig,
        now: Now,
    ) -> Result<(Self, u64), StorageError> {
        let _ = (storage, directory, from, config, now);
        unimplemented!()
    }

    /// Appends one batch from a client: checks it, gives it offsets, epoch and, with LogAppendTime,
    /// times. Exactly one batch v2, else INVALID_RECORD.
    ///
    /// # Errors
    /// The batch was refused, or the disk failed.
    pub fn append_as_leader(
        &mut self,
        storage: &mut dyn Storage,
        records: &Bytes,
        leader_epoch: LeaderEpoch,
        now: Now,
    ) -> Result<AppendedBatch, AppendError> {
        let _ = (storage, records, leader_epoch, now);
        unimplemented!()
    }

    /// Appends one batch of the controller's own making (metadata or control records) without the
    /// checks that a client's batch needs.
    ///
    /// # Errors
    /// The disk failed.
    pub fn append_as_controller(
        &mut self,
        storage: &mut dyn Storage,
        records: &Bytes,
        leader_epoch: LeaderEpoch,
        now: Now,
    ) -> Result<AppendedBatch, AppendError> {
        let _ = (storage, records, leader_epoch, now);
        unimplemented!()
    }

    /// Appends whole batches from a leader as they are. A batch whose epoch is above
    /// `current_leader_epoch` ends the append before it (KAFKA-18723); a cut-off batch at the end is
    /// left out.
    ///
    /// # Errors
    /// A batch is corrupt (CORRUPT_MESSAGE), does not continue the log, or the disk failed.
    pub fn append_as_follower(
        &mut self,
        storage: &mut dyn Storage,
        records: &Bytes,
        current_leader_epoch: LeaderEpoch,
        now: Now,
    ) -> Result<Vec<AppendedBatch>, AppendError> {
        let _ = (storage, records, current_leader_epoch, now);
        unimplemented!()
    }

    /// Reads whole batches from the one that holds `from`, ending before `upper_bound`, at most
    /// `max_bytes` of them but, with `at_least_one`, one batch in any case. Empty if `from` is at or
    /// above `upper_bound`.
    ///
    /// # Errors
    /// `from` is outside the log, or the disk failed.
    pub fn read(
        &mut self,
        storage: &mut dyn Storage,
        from: Offset,
        upper_bound: Offset,
        max_bytes: usize,
        at_least_one: bool,
    ) -> Result<Bytes, ReadError> {
        let _ = (storage, from, upper_bound, max_bytes, at_least_one);
        unimplemented!()
    }

    /// Cuts the log so that it ends at or before `offset` (a batch that spans it goes whole, as in
    /// Kafka); the high watermark and recovery point move down with it. Returns whether anything was cut.
    ///
    /// # Errors
    /// The disk failed.
    pub fn truncate_to(
        &mut self,
        storage: &mut dyn Storage,
        offset: Offset,
    ) -> Result<bool, StorageError> {
        let _ = (storage, offset);
        unimplemented!()
    }

    /// Drops everything and starts again at `offset`.
    ///
    /// # Errors
    /// The disk failed.
    pub fn truncate_fully_and_start_at(
        &mut self,
        storage: &mut dyn Storage,
        offset: Offset,
        now: Now,
    ) -> Result<(), StorageError> {
        let _ = (storage, offset, now);
        unimplemented!()
    }

    /// Forces everything below `offset` to disk and moves the recovery point there.
    ///
    /// # Errors
    /// The disk failed.
    pub fn flush(&mut self, storage: &mut dyn Storage, offset: Offset) -> Result<(), StorageError> {
        let _ = (storage, offset);
        unimplemented!()
    }

    /// A roll left segments behind that are to be forced to disk up to this offset, by the
    /// scheduler, soon (`UnifiedLog.roll`).
    pub fn flush_wanted(&self) -> Option<Offset> {
        unimplemented!()
    }

    /// Forces everything to disk: the last act before a clean stop.
    ///
    /// # Errors
    /// The disk failed.
    pub fn close(&mut self, storage: &mut dyn Storage) -> Result<(), StorageError> {
        let _ = storage;
        unimplemented!()
    }

    /// First offset of the log.
    pub fn log_start_offset(&self) -> Offset {
        unimplemented!()
    }

    /// The offset after the last.
    pub fn log_end_offset(&self) -> Offset {
        unimplemented!()
    }

    /// Offsets below it survive a power loss.
    pub fn recovery_point(&self) -> Offset {
        unimplemented!()
    }

    /// Offsets below it are on every member of the ISR, as far as this replica knows.
    pub fn high_watermark(&self) -> Offset {
        unimplemented!()
    }

    /// Sets the high watermark, within the log. Returns it if it changed.
    pub fn set_high_watermark(&mut self, offset: Offset) -> Option<Offset> {
        let _ = offset;
        unimplemented!()
    }

    /// The leader epoch cache: strictly increasing in both numbers.
    pub fn leader_epochs(&self) -> &[EpochOffset] {
        unimplemented!()
    }

    /// The latest epoch in the cache.
    pub fn latest_epoch(&self) -> Option<LeaderEpoch> {
        unimplemented!()
    }

    /// Enters an epoch into the cache (`LeaderEpochFileCache.assign`) and writes its checkpoint.
    ///
    /// # Errors
    /// The disk failed.
    pub fn assign_epoch(
        &mut self,
        storage: &mut dyn Storage,
        epoch: LeaderEpoch,
        start: Offset,
    ) -> Result<(), StorageError> {
        let _ = (storage, epoch, start);
        unimplemented!()
    }

    /// The largest epoch at or below `epoch` and its end (`LeaderEpochFileCache.endOffsetFor`).
    pub fn end_offset_for_epoch(&self, epoch: LeaderEpoch) -> Option<EpochOffset> {
        let _ = epoch;
        unimplemented!()
    }

    /// The first record at or after a time: its offset and leader epoch.
    ///
    /// # Errors
    /// The disk failed.
    pub fn offset_for_time(
        &mut self,
        storage: &mut dyn Storage,
        time: WallClock,
    ) -> Result<Option<EpochOffset>, StorageError> {
        let _ = (storage, time);
        unimplemented!()
    }

    /// The epoch of the record at `offset`, from the cache.
    pub fn epoch_at(&self, offset: Offset) -> Option<LeaderEpoch> {
        let _ = offset;
        unimplemented!()
    }

    /// Takes over changed settings.
    pub fn set_config(&mut self, config: TopicConfig) {
        let _ = config;
        unimplemented!()
    }
}
