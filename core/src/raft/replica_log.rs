//! The replica's copy of the metadata log: appends as leader and as follower, reads, where two copies part,
//! and what is committed.
//!
//! - A voter forces what it wrote to the disk before anybody learns that it has it
//!   (`raft_flush_before_ack`).
//! - An observer forces only what a roll left behind, as any log does: else a power loss could take a
//!   segment and leave the name of the next one, and the records between would be missing without notice.
//! - The log of a raft node is always recovered from its start.
//! - What a snapshot holds need not be in the log; where the log begins later than at 0, there is a
//!   snapshot that ends there.
//!
//! Invariants: the high watermark is within the log, and the log is never cut below it.
//! Simplified: a batch has no size limit (Kafka: 8 MiB). What a roll left is forced at once, in Kafka a
//! moment later by another thread: a power loss within that moment is not tried.
//! Source: `KafkaRaftLog` (`KafkaMetadataLog` before 4.1), `RaftLog.validateOffsetAndEpoch`,
//! `UnifiedLog.roll`.
//! Next: `leader.rs` moves the high watermark.

use super::control::leader_change;
use super::growth::Growth;
use super::snapshots::Snapshots;
use crate::config::TopicConfig;
use crate::id::ControllerId;
use crate::log::{AppendError, AppendedBatch, Log, OpenFrom, ReadError};
use crate::metadata::{MetadataRecord, codec, metadata_partition};
use crate::offset::{LeaderEpoch, Offset};
use crate::planted::Bug;
use crate::record;
use crate::rules::Rules;
use crate::storage::{Storage, StorageError};
use crate::time::Now;
use bytes::Bytes;

/// Bytes read at a time when committed records are handed over.
pub(super) const CHUNK: usize = 1 << 20;

/// A batch of committed records, each with its offset. A control batch has none.
pub(crate) type Committed = Vec<(Offset, MetadataRecord)>;

/// The log.
#[derive(Debug)]
pub(super) struct ReplicaLog {
    pub(super) log: Log,
    rules: Rules,
    /// A voter's: what is appended is forced to disk.
    durable: bool,
    pub(super) snapshots: Snapshots,
    pub(super) growth: Growth,
}

impl ReplicaLog {
    pub(super) fn open(
        storage: &mut dyn Storage,
        rules: Rules,
        durable: bool,
        segment_bytes: u64,
        now: Now,
    ) -> Result<Self, StorageError> {
        let directory = format!("data/{}", metadata_partition().partition);
        let config = TopicConfig {
            segment_bytes,
            ..TopicConfig::default()
        };
        let (log, _) = Log::open(storage, &directory, OpenFrom::default(), config, now)?;
        let durable = durable && rules.raft_flush_before_ack && !rules.has(Bug::MetadataNotForced);
        let snapshots = Snapshots::open(storage, directory)?;
        let growth = Growth::new(log.log_end_offset(), log.size(), now.monotonic);
        let mut opened = Self {
            log,
            rules,
            durable,
            snapshots,
            growth,
        };
        opened.follow_snapshots(storage, now)?;
        Ok(opened)
    }

    pub(super) fn start_offset(&self) -> Offset {
        self.log.log_start_offset()
    }

    pub(super) fn end_offset(&self) -> Offset {
        self.log.log_end_offset()
    }

    pub(super) fn high_watermark(&self) -> Offset {
        self.log.high_watermark()
    }

    /// The epoch of the last record, if there is one, or was one that only a snapshot holds now.
    pub(super) fn latest_epoch(&self) -> Option<LeaderEpoch> {
        let snapshot = self.snapshots.latest().map(|id| id.epoch);
        self.log.latest_epoch().or(snapshot)
    }

    /// Last epoch and end, as elections compare them.
    pub(super) fn end(&self) -> (LeaderEpoch, Offset) {
        (self.latest_epoch().unwrap_or_default(), self.end_offset())
    }

    pub(super) fn set_high_watermark(&mut self, offset: Offset) -> bool {
        let moved = self.log.set_high_watermark(offset).is_some();
        self.growth.committed(self.log.high_watermark());
        moved
    }

    /// Begins to lead in `epoch` with the control batch that says so. Returns where the epoch starts, and
    /// the batch.
    /// Source: `LeaderState.appendStartOfEpochControlRecords`.
    pub(super) fn begin_epoch(
        &mut self,
        storage: &mut dyn Storage,
        (leader, epoch): (ControllerId, LeaderEpoch),
        (voters, granting): (&[ControllerId], &[ControllerId]),
        now: Now,
    ) -> Result<(Offset, AppendedBatch), StorageError> {
        let start = self.end_offset();
        self.log.assign_epoch(storage, epoch, start)?;
        let batch = leader_change(leader, voters, granting, now.wall);
        let appended = self.append(storage, &batch, epoch, now)?;
        Ok((start, appended))
    }

    /// Appends a batch as the leader of `epoch`.
    pub(super) fn append(
        &mut self,
        storage: &mut dyn Storage,
        batch: &Bytes,
        epoch: LeaderEpoch,
        now: Now,
    ) -> Result<AppendedBatch, StorageError> {
        let before = self.log.size();
        let appended = self.log.append_as_controller(storage, batch, epoch, now);
        let appended = appended.map_err(|error| match error {
            AppendError::Storage(error) => error,
            other => StorageError::Malformed(other.to_string()),
        })?;
        self.force(storage)?;
        self.grown(before);
        Ok(appended)
    }

    /// Appends what the leader of `epoch` sent. What is corrupt or out of place is left out, for it will
    /// be fetched again (`KafkaRaftClient.appendAsFollower`): then `None`.
    pub(super) fn append_as_follower(
        &mut self,
        storage: &mut dyn Storage,
        records: &Bytes,
        epoch: LeaderEpoch,
        now: Now,
    ) -> Result<Option<Vec<AppendedBatch>>, StorageError> {
        let before = self.log.size();
        match self.log.append_as_follower(storage, records, epoch, now) {
            Ok(appended) => {
                self.force(storage)?;
                self.grown(before);
                Ok(Some(appended))
            }
            Err(AppendError::Storage(error)) => Err(error),
            Err(AppendError::Rejected { .. } | AppendError::UnexpectedOffset { .. }) => Ok(None),
        }
    }

    fn grown(&mut self, before: u64) {
        let bytes = self.log.size().saturating_sub(before);
        self.growth.appended(self.log.log_end_offset(), bytes);
    }

    fn force(&mut self, storage: &mut dyn Storage) -> Result<(), StorageError> {
        let whole = self.durable.then(|| self.log.log_end_offset());
        match whole.or(self.log.flush_wanted()) {
            Some(end) => self.log.flush(storage, end),
            None => Ok(()),
        }
    }

    /// Reads batches for another replica: also what is not committed.
    pub(super) fn read(
        &mut self,
        storage: &mut dyn Storage,
        from: Offset,
        max_bytes: usize,
    ) -> Result<Bytes, ReadError> {
        let end = self.log.log_end_offset();
        self.log.read(storage, from, end, max_bytes, true)
    }

    /// The committed batches from `next` on, and where they end.
    pub(super) fn committed(
        &mut self,
        storage: &mut dyn Storage,
        next: Offset,
    ) -> Result<(Vec<Committed>, Offset), StorageError> {
        let (mut next, end) = (next, self.log.high_watermark());
        let mut committed = Vec::new();
        while next < end {
            let read = self.log.read(storage, next, end, CHUNK, true);
            let bytes = read.map_err(unread)?;
            let before = next;
            for batch in record::batches(&bytes) {
                let unreadable = |why: String| StorageError::Io(format!("metadata log: {why}"));
                let sound = batch.and_then(|batch| batch.verify().map(|()| batch));
                let batch = sound.map_err(|error| unreadable(error.to_string()))?;
                committed.push(codec::decode_batch(&batch).map_err(unreadable)?);
                next = batch.last_offset().next();
            }
            if next == before {
                break;
            }
        }
        Ok((committed, next))
    }

    pub(super) fn close(&mut self, storage: &mut dyn Storage) -> Result<(), StorageError> {
        self.log.close(storage)
    }

    pub(super) fn rules(&self) -> Rules {
        self.rules
    }
}

pub(super) fn unread(error: ReadError) -> StorageError {
    match error {
        ReadError::OutOfRange(offset) => StorageError::Io(format!("metadata at {offset}")),
        ReadError::Storage(error) => error,
    }
}
