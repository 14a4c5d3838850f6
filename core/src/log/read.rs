//! Reads batches and looks up offsets by time.
//!
//! The offset is found in three steps: segment by base offset, an index entry below it, then batch by
//! batch. What is read is whole batches, so the first may begin below the wanted offset; the reader
//! skips those records.
//!
//! Simplified: Kafka cuts the last batch at the byte limit and the client drops it; here it is left
//! out. A damaged batch is handed out as it is and found by the reader's CRC check, as in Kafka.
//! Source: `LocalLog.read`, `UnifiedLog.fetchOffsetByTimestamp`.
//! Next: `truncate.rs`.

use super::segment::Segment;
use super::{Log, ReadError, TimedOffset};
use crate::offset::{EpochOffset, Offset};
use crate::storage::{Storage, StorageError};
use crate::time::WallClock;
use bytes::Bytes;

impl Log {
    /// Reads whole batches from the one that holds `from`, ending before `upper_bound`, at most
    /// `max_bytes` of them but, with `at_least_one`, one batch in any case. Empty if `from` is at or
    /// above `upper_bound`. All of one answer comes from one segment.
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
        if from < self.log_start_offset || from > self.log_end_offset {
            return Err(ReadError::OutOfRange(from));
        }
        let upper_bound = upper_bound.min(self.log_end_offset);
        if from >= upper_bound {
            return Ok(Bytes::new());
        }
        let after = self.older.partition_point(|s| s.base_offset <= from);
        let first = after.saturating_sub(usize::from(self.active.base_offset > from));
        for segment in self.segments().skip(first) {
            let found = segment.read(storage, from, upper_bound, max_bytes, at_least_one)?;
            if let Some(bytes) = found {
                return Ok(bytes);
            }
        }
        Ok(Bytes::new())
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
        let found = self.timed_offset_for_time(storage, time)?;
        Ok(found.map(|found| EpochOffset::new(found.leader_epoch, found.offset)))
    }

    /// As [`Log::offset_for_time`], with the record's own time too.
    ///
    /// # Errors
    /// The disk failed.
    pub fn timed_offset_for_time(
        &mut self,
        storage: &mut dyn Storage,
        time: WallClock,
    ) -> Result<Option<TimedOffset>, StorageError> {
        let start = self.log_start_offset;
        for segment in self.segments() {
            if segment.max_timestamp.timestamp >= time.0
                && let Some(found) = segment.find_time(storage, time.0, start)?
            {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// All segments, in order.
    pub(super) fn segments(&self) -> impl Iterator<Item = &Segment> {
        self.older.iter().chain(std::iter::once(&self.active))
    }
}
