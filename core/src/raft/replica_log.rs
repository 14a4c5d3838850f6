//! The replica's copy of the metadata log: appends as leader and as follower, reads, where two copies part,
//! and what is committed.
//!
//! - A voter forces what it wrote to the disk before anybody learns that it has it (`raft_flush_before_ack`).
//! - The log of a raft node is always recovered from its start.
//! - What a snapshot holds need not be in the log; where the log begins later than at 0, there is a snapshot
//!   that ends there.
//!
//! Invariants: the high watermark is within the log, and the log is never cut below it.
//! Simplified: a batch has no size limit (Kafka: 8 MiB).
//! Source: `KafkaRaftLog` (`KafkaMetadataLog` before 4.1), `RaftLog.validateOffsetAndEpoch`.
//! Next: `leader.rs` moves the high watermark.

use super::growth::Growth;
use super::snapshots::Snapshots;
use crate::config::TopicConfig;
use crate::id::ControllerId;
use crate::log::{AppendError, AppendedBatch, Log, OpenFrom, ReadError};
use crate::metadata::wire::Writer;
use crate::metadata::{MetadataRecord, codec, metadata_partition};
use crate::offset::{EpochOffset, LeaderEpoch, Offset};
use crate::planted::Bug;
use crate::record::{self, BatchBuilder};
use crate::rules::Rules;
use crate::storage::{Storage, StorageError};
use crate::time::{Now, WallClock};
use bytes::Bytes;

/// `ControlRecordType.LEADER_CHANGE`.
const LEADER_CHANGE: i16 = 2;
/// Bytes read at a time when committed records are handed over.
const CHUNK: usize = 1 << 20;

/// A batch of committed records, each with its offset. A control batch has none.
pub(crate) type Committed = Vec<(Offset, MetadataRecord)>;

/// The log.
#[derive(Debug)]
pub(super) struct ReplicaLog {
    log: Log,
    rules: Rules,
    /// A voter's: what is appended is forced to disk.
    durable: bool,
    pub(super) snapshots: Snapshots,
    pub(super) growth: Growth,
}

/// Whether a fetch can go on from where it asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Position {
    /// It can.
    Valid,
    /// The logs part there.
    Diverging(EpochOffset),
    /// What it needs is only in this snapshot.
    Snapshot(EpochOffset),
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

    /// What the snapshots on the disk say of the log: where it begins, what is committed at least.
    /// Source: `KafkaRaftLog.createLog`.
    fn follow_snapshots(
        &mut self,
        storage: &mut dyn Storage,
        now: Now,
    ) -> Result<(), StorageError> {
        // The process ended between writing a fetched snapshot and beginning the log anew.
        self.start_at_latest_snapshot(storage, now)?;
        let Some(latest) = self.snapshots.latest() else {
            return Ok(());
        };
        self.log.set_high_watermark(latest.offset);
        if self.log.log_start_offset() > Offset::ZERO
            && let Some(earliest) = self.snapshots.earliest()
        {
            self.log.raise_log_start(storage, earliest.offset)?;
        }
        let mut bytes = 0;
        let (mut at, end) = (latest.offset, self.end_offset());
        while at < end {
            let chunk = self
                .log
                .read(storage, at, end, CHUNK, true)
                .map_err(unread)?;
            let last = record::batches(&chunk).filter_map(Result::ok).last();
            let Some(last) = last else { break };
            bytes += u64::try_from(chunk.len()).unwrap_or(0);
            at = last.last_offset().next();
        }
        self.growth = Growth::new(end, bytes, now.monotonic);
        Ok(())
    }

    /// Begins the log anew behind the latest snapshot, if that is ahead of it. Returns whether it did.
    /// Source: `KafkaRaftLog.truncateToLatestSnapshot`.
    pub(super) fn start_at_latest_snapshot(
        &mut self,
        storage: &mut dyn Storage,
        now: Now,
    ) -> Result<bool, StorageError> {
        let Some(latest) = self.snapshots.latest() else {
            return Ok(false);
        };
        if latest <= EpochOffset::new(self.end().0, self.end().1) {
            return Ok(false);
        }
        let offset = latest.offset;
        self.log.truncate_fully_and_start_at(storage, offset, now)?;
        self.snapshots.forget_before(storage, latest)?;
        self.growth = Growth::new(offset, 0, now.monotonic);
        Ok(true)
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
        if self.durable {
            let end = self.log.log_end_offset();
            self.log.flush(storage, end)?;
        }
        Ok(())
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

    /// Whether another copy, which ends at `from` with a record of `last_epoch`, can go on from there, and if
    /// not what it has to do. `epoch` is that of the leader. A copy that has no epoch is compared when it reads.
    /// Source: `RaftLog.validateOffsetAndEpoch`, `KafkaRaftClient.tryCompleteFetchRequest`.
    pub(super) fn position(
        &self,
        from: Offset,
        last_epoch: Option<LeaderEpoch>,
        epoch: LeaderEpoch,
    ) -> Position {
        let (start, end) = (self.log.log_start_offset(), self.log.log_end_offset());
        let snapshots = (self.snapshots.earliest(), self.snapshots.latest());
        if let (Some(earliest), Some(latest)) = snapshots {
            let other = from == start && last_epoch != Some(earliest.epoch);
            let older = last_epoch.is_none_or(|epoch| epoch < earliest.epoch);
            // Who has nothing is better off with a snapshot, even if the log has everything.
            if from == Offset::ZERO || from < start || other || older {
                return Position::Snapshot(latest);
            }
        }
        let Some(last_epoch) = last_epoch else {
            return Position::Valid;
        };
        if start == Offset::ZERO && from == Offset::ZERO {
            return Position::Valid;
        }
        let known = self.log.end_offset_for_epoch(last_epoch);
        let mut known = known.unwrap_or(EpochOffset::new(epoch, end));
        if let Some(earliest) = snapshots.0
            && known.offset == earliest.offset
            && known.epoch == last_epoch
        {
            known = earliest;
        }
        if known.epoch != last_epoch || known.offset < from {
            Position::Diverging(known)
        } else {
            Position::Valid
        }
    }

    /// Cuts what parts from the leader's log. Returns the new end.
    pub(super) fn cut(
        &mut self,
        storage: &mut dyn Storage,
        diverging: EpochOffset,
    ) -> Result<Offset, StorageError> {
        let to = match self.log.end_offset_for_epoch(diverging.epoch) {
            Some(ours) if ours.epoch == diverging.epoch => ours.offset.min(diverging.offset),
            Some(ours) => ours.offset,
            None => diverging.offset,
        };
        let committed = self.log.high_watermark();
        if to < committed {
            // The quorum has forgotten what it committed: `KafkaRaftLog.truncateTo` throws, and the
            // process ends.
            let why =
                format!("the leader's metadata log ends at {to}, but {committed} was committed");
            return Err(StorageError::Malformed(why));
        }
        self.log.truncate_to(storage, to)?;
        self.growth.cut(to);
        Ok(self.end_offset())
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

    /// The log below the snapshots.
    pub(super) fn log(&mut self) -> &mut Log {
        &mut self.log
    }
}

fn unread(error: ReadError) -> StorageError {
    match error {
        ReadError::OutOfRange(offset) => StorageError::Io(format!("metadata at {offset}")),
        ReadError::Storage(error) => error,
    }
}

/// The control batch that opens an epoch. Source: `LeaderChangeMessage.json` version 0.
fn leader_change(
    leader: ControllerId,
    voters: &[ControllerId],
    granting: &[ControllerId],
    now: WallClock,
) -> Bytes {
    let mut key = Writer::default();
    key.i16(0);
    key.i16(LEADER_CHANGE);
    let mut value = Writer::default();
    value.i16(0);
    value.i32(leader.0);
    for list in [voters, granting] {
        value.compact_length(list.len());
        for voter in list {
            value.i32(voter.0);
            value.no_tags();
        }
    }
    value.no_tags();
    let mut batch = BatchBuilder::new();
    batch.append(now, Some(&key.into_bytes()), Some(&value.into_bytes()), &[]);
    batch.control().finish()
}
