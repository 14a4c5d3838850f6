//! The replica's copy of the metadata log: appends as leader and as follower, reads, where two copies part,
//! and what is committed.
//!
//! - A voter forces what it wrote to the disk before anybody learns that it has it (`raft_flush_before_ack`).
//! - The log of a raft node is always recovered from its start.
//!
//! Invariants: the high watermark is within the log, and the log is never cut below it.
//! Simplified: no snapshots, the log is kept whole; a batch has no size limit (Kafka: 8 MiB).
//! Source: `KafkaRaftLog` (`KafkaMetadataLog` before 4.1), `RaftLog.validateOffsetAndEpoch`.
//! Next: `leader.rs` moves the high watermark.

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
}

impl ReplicaLog {
    pub(super) fn open(
        storage: &mut dyn Storage,
        rules: Rules,
        durable: bool,
        now: Now,
    ) -> Result<Self, StorageError> {
        let directory = format!("data/{}", metadata_partition().partition);
        let from = OpenFrom::default();
        let (log, _) = Log::open(storage, &directory, from, Default::default(), now)?;
        let durable = durable && rules.raft_flush_before_ack && !rules.has(Bug::MetadataNotForced);
        Ok(Self {
            log,
            rules,
            durable,
        })
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

    /// The epoch of the last record, if there is one.
    pub(super) fn latest_epoch(&self) -> Option<LeaderEpoch> {
        self.log.latest_epoch()
    }

    /// Last epoch and end, as elections compare them.
    pub(super) fn end(&self) -> (LeaderEpoch, Offset) {
        (self.latest_epoch().unwrap_or_default(), self.end_offset())
    }

    pub(super) fn set_high_watermark(&mut self, offset: Offset) -> bool {
        self.log.set_high_watermark(offset).is_some()
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
        let appended = self.log.append_as_controller(storage, batch, epoch, now);
        let appended = appended.map_err(|error| match error {
            AppendError::Storage(error) => error,
            other => StorageError::Malformed(other.to_string()),
        })?;
        self.force(storage)?;
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
        match self.log.append_as_follower(storage, records, epoch, now) {
            Ok(appended) => {
                self.force(storage)?;
                Ok(Some(appended))
            }
            Err(AppendError::Storage(error)) => Err(error),
            Err(AppendError::Rejected { .. } | AppendError::UnexpectedOffset { .. }) => Ok(None),
        }
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

    /// Where another copy, which ends at `from` with a record of `last_epoch`, parts from this one, if it
    /// does. `epoch` is that of the leader.
    /// Source: `RaftLog.validateOffsetAndEpoch`.
    pub(super) fn diverging(
        &self,
        from: Offset,
        last_epoch: LeaderEpoch,
        epoch: LeaderEpoch,
    ) -> Option<EpochOffset> {
        if from == Offset::ZERO && last_epoch == LeaderEpoch(0) {
            return None;
        }
        let end = self.log.log_end_offset();
        let known = self.log.end_offset_for_epoch(last_epoch);
        let known = known.unwrap_or(EpochOffset::new(epoch, end));
        (known.epoch != last_epoch || known.offset < from).then_some(known)
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
            let bytes = read.map_err(|error| match error {
                ReadError::OutOfRange(offset) => StorageError::Io(format!("metadata at {offset}")),
                ReadError::Storage(error) => error,
            })?;
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
