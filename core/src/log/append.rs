//! Appends batches: a leader gives them offsets, a follower keeps its leader's.
//!
//! | who | offsets | leader epoch | checks |
//! |---|---|---|---|
//! | leader, for a client | from the log's end | its own | all of `validate.rs` |
//! | controller | from the log's end | its own | structure and CRC |
//! | follower | as they are; gaps allowed | as they are | CRC, rising, above the log's end |
//!
//! All of a call's batches are checked before the first is written. Each new leader epoch is in the
//! epoch cache before its batch is in the log. A segment that cannot take the batches is closed and a
//! new one started; its predecessor should then be forced to disk soon, which nobody waits for.
//!
//! An append forces nothing to disk; whoever appends then asks for what `flush.messages` wants
//! ([`Log::flush_if_due`]), so that an append is told even if the flush that follows fails.
//!
//! Invariants: offsets rise; the CRC is computed once per batch and append.
//! Simplified: a follower that got more than `segment.bytes` writes it in parts, where Kafka refuses it
//! (Kafka's segments are never smaller than a fetch). After a failed write the log must be opened
//! again before use: Kafka takes the whole log directory offline then.
//! Source: `UnifiedLog.append`, `analyzeAndValidateRecords`, `maybeRoll`; `LocalLog.roll`.
//! Next: `validate.rs`.

use super::segment::{Incoming, Segment};
use super::validate::{self, Stamp};
use super::{AppendError, AppendedBatch, Log};
use crate::error::ErrorCode;
use crate::offset::{LeaderEpoch, Offset};
use crate::planted::Bug;
use crate::record::{BatchError, RecordBatch, batches, layout};
use crate::storage::{Storage, StorageError};
use crate::time::{Now, WallClock};
use bytes::Bytes;

/// Consecutive batches that are written together.
struct Run {
    start: usize,
    end: usize,
    first: usize,
    incoming: Incoming,
}

impl Log {
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
        let (batch, stamp) = validate::client_batch(records, &self.config, now.wall)?;
        self.append_assigned(storage, &batch, stamp, leader_epoch, now.wall)
    }

    /// Appends one batch of the controller's own to the metadata log: control batches are welcome,
    /// times stay, and neither `max.message.bytes` nor the client's rules apply.
    ///
    /// # Errors
    /// Not exactly one batch (INVALID_RECORD), corrupt (CORRUPT_MESSAGE), larger than a segment
    /// (RECORD_LIST_TOO_LARGE), or the disk failed.
    pub fn append_as_controller(
        &mut self,
        storage: &mut dyn Storage,
        records: &Bytes,
        leader_epoch: LeaderEpoch,
        now: Now,
    ) -> Result<AppendedBatch, AppendError> {
        let batch = validate::single_batch(records)?;
        validate::check_crc(&batch)?;
        self.append_assigned(storage, &batch, None, leader_epoch, now.wall)
    }

    /// Writes a batch at the log's end. The one copy of its bytes takes offset, epoch and times.
    fn append_assigned(
        &mut self,
        storage: &mut dyn Storage,
        batch: &RecordBatch,
        stamp: Option<Stamp>,
        leader_epoch: LeaderEpoch,
        now: WallClock,
    ) -> Result<AppendedBatch, AppendError> {
        validate::check_segment_size(batch.size(), &self.config)?;
        let base_offset = self.log_end_offset;
        let last_offset = base_offset + i64::from(batch.last_offset_delta());
        let mut bytes = std::mem::take(&mut self.scratch);
        bytes.clear();
        bytes.extend_from_slice(batch.bytes());
        layout::write(
            &mut bytes,
            layout::BASE_OFFSET,
            &base_offset.0.to_be_bytes(),
        );
        layout::write(
            &mut bytes,
            layout::LEADER_EPOCH,
            &leader_epoch.0.to_be_bytes(),
        );
        if let Some(stamp) = stamp {
            stamp.put(&mut bytes);
        }
        let incoming = Incoming {
            size: bytes.len() as u64,
            last_offset,
            max_timestamp: layout::read_i64(&bytes, layout::MAX_TIMESTAMP),
        };
        self.epochs.assign(storage, leader_epoch, base_offset)?;
        self.write(storage, &bytes, base_offset, incoming, now)?;
        let crc = layout::read_u32(&bytes, layout::CRC);
        self.scratch = bytes;
        Ok(AppendedBatch {
            base_offset,
            last_offset,
            leader_epoch,
            crc,
            log_append_time: stamp.and_then(Stamp::log_append_time),
        })
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
        let accepted = self.check_replicated(records, current_leader_epoch)?;
        for run in self.runs(&accepted)? {
            let batches = accepted.get(run.first..).unwrap_or_default();
            for batch in batches {
                if batch.base_offset() > run.incoming.last_offset {
                    break;
                }
                self.epochs
                    .assign(storage, batch.leader_epoch(), batch.base_offset())?;
            }
            let first = batches
                .first()
                .map_or(self.log_end_offset, RecordBatch::base_offset);
            let bytes = records.get(run.start..run.end).unwrap_or_default();
            self.write(storage, bytes, first, run.incoming, now.wall)?;
        }
        Ok(accepted.iter().map(appended).collect())
    }

    /// The batches of `records` that a follower takes, each checked.
    fn check_replicated(
        &self,
        records: &Bytes,
        current_leader_epoch: LeaderEpoch,
    ) -> Result<Vec<RecordBatch>, AppendError> {
        let mut accepted: Vec<RecordBatch> = Vec::new();
        for batch in batches(records) {
            let batch = match batch {
                Ok(batch) => batch,
                Err(BatchError::Incomplete) => break,
                Err(error) => return Err(validate::corrupt(&error)),
            };
            let newer = batch.leader_epoch() > current_leader_epoch;
            if newer && self.rules.follower_stops_at_newer_epoch {
                break;
            }
            validate::check_crc(&batch)?;
            let next = accepted
                .last()
                .map_or(self.log_end_offset, RecordBatch::next_offset);
            if batch.base_offset() < next && accepted.is_empty() {
                return Err(AppendError::UnexpectedOffset {
                    first: batch.base_offset(),
                    log_end_offset: next,
                });
            }
            if batch.base_offset() < next {
                let reason = format!("offset {} after {next}", batch.base_offset());
                return Err(validate::rejected(ErrorCode::UnknownServerError, reason));
            }
            accepted.push(batch);
        }
        Ok(accepted)
    }

    /// Groups the batches into runs that fit a segment.
    fn runs(&self, batches: &[RecordBatch]) -> Result<Vec<Run>, AppendError> {
        let mut runs: Vec<Run> = Vec::new();
        let mut run_base = Offset::ZERO;
        let mut start = 0;
        for (index, batch) in batches.iter().enumerate() {
            validate::check_segment_size(batch.size(), &self.config)?;
            let size = batch.size() as u64;
            let end = start + batch.size();
            let timestamp = batch.max_timestamp().0;
            let last_offset = batch.last_offset();
            match runs.last_mut() {
                Some(run)
                    if run.incoming.size + size <= self.config.segment_bytes
                        && last_offset - run_base <= i64::from(i32::MAX) =>
                {
                    run.end = end;
                    run.incoming.size += size;
                    run.incoming.last_offset = last_offset;
                    run.incoming.max_timestamp = run.incoming.max_timestamp.max(timestamp);
                }
                _ => {
                    run_base = batch.base_offset();
                    let incoming = Incoming {
                        size,
                        last_offset,
                        max_timestamp: timestamp,
                    };
                    runs.push(Run {
                        start,
                        end,
                        first: index,
                        incoming,
                    });
                }
            }
            start = end;
        }
        Ok(runs)
    }

    /// Writes checked batches behind the log's end, on a new segment if need be.
    fn write(
        &mut self,
        storage: &mut dyn Storage,
        batches: &[u8],
        first_offset: Offset,
        incoming: Incoming,
        now: WallClock,
    ) -> Result<(), StorageError> {
        let config = &self.config;
        let rolls = self.active.should_roll(storage, config, incoming, now)?;
        if rolls {
            self.roll(storage, first_offset.max(self.log_end_offset), now)?;
        }
        let interval = self.config.index_interval_bytes;
        if !(rolls && self.rules.has(Bug::RollingBatchNotWritten)) {
            self.active.append(storage, batches, interval)?;
        }
        self.log_end_offset = if self.rules.has(Bug::OffsetReused) {
            incoming.last_offset
        } else {
            incoming.last_offset.next()
        };
        Ok(())
    }

    /// Starts a new segment at `base_offset`.
    fn roll(
        &mut self,
        storage: &mut dyn Storage,
        base_offset: Offset,
        now: WallClock,
    ) -> Result<(), StorageError> {
        self.active.finish(storage)?;
        let next = Segment::create(storage, &self.directory, base_offset, now)?;
        self.older.push(std::mem::replace(&mut self.active, next));
        self.directory_changed = true;
        self.flush_wanted = Some(base_offset);
        Ok(())
    }
}

fn appended(batch: &RecordBatch) -> AppendedBatch {
    AppendedBatch {
        base_offset: batch.base_offset(),
        last_offset: batch.last_offset(),
        leader_epoch: batch.leader_epoch(),
        crc: batch.crc(),
        log_append_time: batch.is_log_append_time().then(|| batch.max_timestamp()),
    }
}
