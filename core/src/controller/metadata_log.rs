//! The metadata log as the only voter of its quorum sees it, and the records that wait to be written.
//!
//! - At start: the epoch goes up by one and to the disk, then a LEADER_CHANGE control batch opens it.
//! - Records are given offsets at once, but written `controller.quorum.append.linger.ms` after the
//!   first of them, all that came meanwhile as one batch.
//! - A written batch is forced to disk; with one voter that commits it: the high watermark is the end.
//!
//! Invariants:
//! - A record has the offset in the log that it was given when it was decided.
//! - The high watermark never passes what is forced to disk.
//!
//! Simplified: one voter, so no votes, no truncation, nothing uncommitted in the log; no snapshots,
//! the log is kept whole; a batch has no size limit (Kafka: 8 MiB). Kafka lets observers see a batch
//! just before it is forced to disk.
//! Source: `KafkaRaftClient`, `BatchAccumulator`, `KafkaRaftLog`.
//! Next: `quorum_state.rs`, `fetch.rs`.

use super::quorum_state;
use crate::config::TopicConfig;
use crate::event::Event;
use crate::id::ControllerId;
use crate::invariant::invariant;
use crate::log::{AppendError, Log, OpenFrom, ReadError};
use crate::machine::{Effects, StartError};
use crate::metadata::wire::Writer;
use crate::metadata::{MetadataRecord, codec};
use crate::offset::{EpochOffset, LeaderEpoch, Offset};
use crate::planted::Bug;
use crate::record::{BatchBuilder, batches};
use crate::rules::Rules;
use crate::storage::{Storage, StorageError};
use crate::time::{Now, Timestamp};
use bytes::Bytes;
use std::time::Duration;

const DIRECTORY: &str = "data/__cluster_metadata-0";
/// Bytes read at a time when the log is replayed.
const REPLAY_CHUNK: usize = 1 << 20;
/// `ControlRecordType.LEADER_CHANGE`.
const LEADER_CHANGE: i16 = 2;

/// The log and what waits to be in it.
pub(super) struct MetadataLog {
    storage: Box<dyn Storage>,
    log: Log,
    epoch: LeaderEpoch,
    rules: Rules,
    linger: Duration,
    pending: Vec<MetadataRecord>,
    write_at: Option<Timestamp>,
}

impl MetadataLog {
    /// Opens the log, hands each record in it to `replay`, and begins a new epoch.
    ///
    /// # Errors
    /// The disk failed, or the log cannot be used.
    pub(super) fn open(
        id: ControllerId,
        (linger, rules): (Duration, Rules),
        mut storage: Box<dyn Storage>,
        now: Now,
        replay: &mut dyn FnMut(Offset, &MetadataRecord) -> Result<(), String>,
    ) -> Result<Self, StartError> {
        let config = TopicConfig::default();
        let (log, _) = Log::open(&mut *storage, DIRECTORY, OpenFrom::default(), config, now)?;
        let stored = quorum_state::read_epoch(&mut *storage)?;
        let last = stored.max(log.latest_epoch()).unwrap_or_default();
        let mut this = Self {
            storage,
            log,
            epoch: last.next(),
            rules,
            linger,
            pending: Vec::new(),
            write_at: None,
        };
        this.replay_all(replay)?;
        quorum_state::write(&mut *this.storage, id, this.epoch)?;
        let end = this.log.log_end_offset();
        this.log.assign_epoch(&mut *this.storage, this.epoch, end)?;
        this.append(&leader_change(id, now), now)
            .map_err(unusable)?;
        Ok(this)
    }

    fn replay_all(
        &mut self,
        replay: &mut dyn FnMut(Offset, &MetadataRecord) -> Result<(), String>,
    ) -> Result<(), StartError> {
        let end = self.log.log_end_offset();
        let mut next = self.log.log_start_offset();
        while next < end {
            let read = self
                .log
                .read(&mut *self.storage, next, end, REPLAY_CHUNK, true);
            let bytes = read.map_err(|error| unusable(error.to_string()))?;
            if bytes.is_empty() {
                return Err(unusable(format!("nothing to read at offset {next}")));
            }
            for batch in batches(&bytes) {
                let sound = batch.and_then(|batch| batch.verify().map(|()| batch));
                let batch = sound.map_err(|error| unusable(error.to_string()))?;
                for (offset, record) in codec::decode_batch(&batch).map_err(unusable)? {
                    replay(offset, &record).map_err(unusable)?;
                }
                next = batch.last_offset().next();
            }
        }
        Ok(())
    }

    /// The epoch of this leadership.
    pub(super) fn epoch(&self) -> LeaderEpoch {
        self.epoch
    }

    /// The offset that the next record will have.
    pub(super) fn next_write_offset(&self) -> Offset {
        self.log.log_end_offset() + i64::try_from(self.pending.len()).unwrap_or(i64::MAX)
    }

    /// The end of what is written.
    pub(super) fn end_offset(&self) -> Offset {
        self.log.log_end_offset()
    }

    /// The end of what is committed.
    pub(super) fn high_watermark(&self) -> Offset {
        self.log.high_watermark()
    }

    /// The log's start.
    pub(super) fn start_offset(&self) -> Offset {
        self.log.log_start_offset()
    }

    /// The last offset given to a record that is not written yet.
    pub(super) fn highest_pending_offset(&self) -> Option<Offset> {
        (!self.pending.is_empty()).then(|| self.next_write_offset() + -1)
    }

    /// When the pending records are to be written.
    pub(super) fn write_at(&self) -> Option<Timestamp> {
        self.write_at
    }

    /// Takes records to be written. They have the offsets from `next_write_offset` on.
    pub(super) fn schedule(&mut self, records: Vec<MetadataRecord>, now: Timestamp) {
        self.pending.extend(records);
        if !self.pending.is_empty() {
            self.write_at.get_or_insert(now + self.linger);
        }
    }

    /// Writes what is pending as one batch, and so commits it.
    ///
    /// # Errors
    /// What failed, in words.
    pub(super) fn write_pending(&mut self, now: Now, out: &mut Effects) -> Result<(), String> {
        self.write_at = None;
        if self.pending.is_empty() {
            return Ok(());
        }
        let base = self.log.log_end_offset();
        let end = self.next_write_offset();
        self.append(&codec::encode_batch(&self.pending, now.wall), now)?;
        let written = self.log.log_end_offset();
        invariant!(
            written == end,
            "a record has the offset it was given: {written} is not {end}"
        );
        let mut offset = base;
        for record in self.pending.drain(..) {
            out.observe(Event::MetadataWritten {
                offset,
                record: Box::new(record),
            });
            offset = offset.next();
        }
        Ok(())
    }

    fn append(&mut self, batch: &Bytes, now: Now) -> Result<(), String> {
        let appended = self
            .log
            .append_as_controller(&mut *self.storage, batch, self.epoch, now);
        let appended = appended.map_err(|error: AppendError| error.to_string())?;
        let end = appended.last_offset.next();
        if !self.rules.has(Bug::MetadataNotForced) {
            let flushed = self.log.flush(&mut *self.storage, end);
            flushed.map_err(|error: StorageError| error.to_string())?;
        }
        self.log.set_high_watermark(end);
        Ok(())
    }

    /// Reads batches for an observer.
    ///
    /// # Errors
    /// The offset is outside the log, or the disk failed.
    pub(super) fn read(&mut self, from: Offset, max_bytes: usize) -> Result<Bytes, ReadError> {
        let end = self.log.log_end_offset();
        self.log
            .read(&mut *self.storage, from, end, max_bytes, true)
    }

    /// Where an observer's log parts from this one, if it does.
    /// Source: `RaftLog.validateOffsetAndEpoch`.
    pub(super) fn diverging(&self, from: Offset, last_epoch: LeaderEpoch) -> Option<EpochOffset> {
        if from == Offset::ZERO && last_epoch == LeaderEpoch(0) {
            return None;
        }
        let end = self.log.log_end_offset();
        let known = self.log.end_offset_for_epoch(last_epoch);
        let known = known.unwrap_or(EpochOffset::new(self.epoch, end));
        (known.epoch != last_epoch || known.offset < from).then_some(known)
    }

    /// Closes the log.
    ///
    /// # Errors
    /// What failed, in words.
    pub(super) fn close(&mut self) -> Result<(), String> {
        self.log
            .close(&mut *self.storage)
            .map_err(|error| error.to_string())
    }
}

/// The control batch that opens an epoch.
/// Source: `LeaderState.appendStartOfEpochControlRecords`, `LeaderChangeMessage.json` version 0.
fn leader_change(id: ControllerId, now: Now) -> Bytes {
    let mut key = Writer::default();
    key.i16(0);
    key.i16(LEADER_CHANGE);
    let mut value = Writer::default();
    value.i16(0);
    value.i32(id.0);
    // The voters, and those who granted their vote: this controller alone.
    for _ in 0..2 {
        value.compact_length(1);
        value.i32(id.0);
        value.no_tags();
    }
    value.no_tags();
    let mut batch = BatchBuilder::new();
    batch.append(
        now.wall,
        Some(&key.into_bytes()),
        Some(&value.into_bytes()),
        &[],
    );
    batch.control().finish()
}

fn unusable(reason: String) -> StartError {
    StartError::Unusable {
        path: DIRECTORY.to_owned(),
        reason,
    }
}
