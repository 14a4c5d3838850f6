//! Cuts the end off a log, or all of it: what a follower does when its log and its leader's part ways.
//!
//! Batches are never split: the one that holds the offset goes whole. The log then ends at the asked
//! offset even so, with a hole behind the last batch that no later append can fill (leaders name ends of
//! batches, so it takes damage to get there). Epoch cache, high watermark, recovery point and log start
//! come down with the end.
//!
//! Invariants: nothing above the new end stays in the log, its indexes or the epoch cache.
//! Simplified: files go at once; Kafka renames them to `.deleted` and deletes them a minute later. A
//! segment is also cut at a batch header that cannot be read, where Kafka's partition fails, or the file
//! keeps what follows: that hides a replica that stays behind until somebody mends it.
//! Also cuts off the beginning, which a snapshot has replaced.
//!
//! Source: `UnifiedLog.truncateTo`, `truncateFullyAndStartAt`; `LocalLog.truncateTo`.
//! Next: `flush.rs`.

use super::Log;
use super::segment::Segment;
use crate::offset::Offset;
use crate::storage::{Storage, StorageError};
use crate::time::{Now, WallClock};

impl Log {
    /// Cuts the log so that it ends at `offset` (a batch that spans it goes whole, as in Kafka); the
    /// high watermark and recovery point move down with it. Returns whether anything was cut.
    ///
    /// # Errors
    /// The disk failed.
    pub fn truncate_to(
        &mut self,
        storage: &mut dyn Storage,
        offset: Offset,
    ) -> Result<bool, StorageError> {
        if offset >= self.log_end_offset {
            self.epochs
                .truncate_from_end(storage, self.log_end_offset)?;
            return Ok(false);
        }
        let first_base = self.segments().next().map(|segment| segment.base_offset);
        if first_base.is_some_and(|base| base > offset) {
            self.restart_at(storage, offset, self.active.created())?;
            return Ok(true);
        }
        while self.active.base_offset > offset
            && let Some(previous) = self.older.pop()
        {
            self.active.delete(storage)?;
            self.active = previous;
            self.directory_changed = true;
        }
        self.active.truncate(storage, self.rules, offset)?;
        self.log_end_offset = offset;
        self.log_start_offset = self.log_start_offset.min(offset);
        self.recovery_point = self.recovery_point.min(offset);
        self.high_watermark = self.high_watermark.min(offset);
        self.flush_wanted = self.flush_wanted.filter(|wanted| *wanted <= offset);
        // Last: if the checkpoint cannot be written, the log is shorter all the same.
        self.epochs.truncate_from_end(storage, offset)?;
        Ok(true)
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
        self.restart_at(storage, offset, now.wall)
    }

    /// Raises the log's start, up to the high watermark, and deletes the segments that lie below it.
    /// Returns whether it did.
    /// Source: `UnifiedLog.maybeIncrementLogStartOffset`, `deleteOldSegments`.
    ///
    /// # Errors
    /// The disk failed.
    pub fn raise_log_start(
        &mut self,
        storage: &mut dyn Storage,
        offset: Offset,
    ) -> Result<bool, StorageError> {
        if offset <= self.log_start_offset || offset > self.high_watermark {
            return Ok(false);
        }
        self.log_start_offset = offset;
        self.epochs.truncate_from_start(storage, offset)?;
        let bases = self.older.iter().skip(1).map(|segment| segment.base_offset);
        let next_bases = bases.chain([self.active.base_offset]);
        let below = next_bases.take_while(|next| *next <= offset).count();
        for segment in self.older.drain(..below.min(self.older.len())) {
            segment.delete(storage)?;
            self.directory_changed = true;
        }
        Ok(true)
    }

    fn restart_at(
        &mut self,
        storage: &mut dyn Storage,
        offset: Offset,
        created: WallClock,
    ) -> Result<(), StorageError> {
        // From the end, so that a crash in between leaves a log without holes.
        self.active.delete(storage)?;
        while let Some(segment) = self.older.pop() {
            segment.delete(storage)?;
        }
        self.active = Segment::create(storage, &self.directory, offset, created)?;
        self.directory_changed = true;
        self.log_end_offset = offset;
        self.log_start_offset = offset;
        self.high_watermark = offset;
        self.recovery_point = self.recovery_point.min(offset);
        self.flush_wanted = None;
        self.epochs.clear(storage)
    }
}
