//! Forces a log to disk.
//!
//! Kafka leaves durability to replication: by default nothing is forced but the segments that a roll
//! left behind, and the whole log at a clean stop. The recovery point says how far the forcing came:
//! below it, a power loss takes nothing, and recovery looks at nothing.
//!
//! Invariants: the recovery point moves up only after everything below it was forced.
//! Simplified: also forced are a directory whose files were deleted and a segment that was cut, as a file
//! system with a journal does with the next fsync; Kafka itself forces the directory for new segments
//! only. That hides what other file systems may bring back.
//! Source: `UnifiedLog.flush`, `LocalLog.flush`.
//! Next: `recovery.rs`, which relies on it.

use super::Log;
use crate::offset::Offset;
use crate::planted::Bug;
use crate::storage::{Storage, StorageError};

impl Log {
    /// Forces everything below `offset` to disk and moves the recovery point there.
    ///
    /// # Errors
    /// The disk failed.
    pub fn flush(&mut self, storage: &mut dyn Storage, offset: Offset) -> Result<(), StorageError> {
        let offset = offset.min(self.log_end_offset);
        if offset <= self.recovery_point {
            return Ok(());
        }
        if !self.rules.has(Bug::FlushForcesNothing) {
            self.force(storage, offset)?;
        }
        self.recovery_point = offset;
        Ok(())
    }

    /// Forces everything to disk if `flush.messages` records have come since the last time: what follows
    /// an append.
    ///
    /// # Errors
    /// The disk failed.
    pub fn flush_if_due(&mut self, storage: &mut dyn Storage) -> Result<(), StorageError> {
        let unflushed = u64::try_from(self.log_end_offset - self.recovery_point);
        if unflushed.is_ok_and(|records| records >= self.config.flush_messages) {
            self.flush(storage, self.log_end_offset)?;
        }
        Ok(())
    }

    /// A roll left segments behind that are to be forced to disk up to this offset, by the
    /// scheduler, soon (`UnifiedLog.roll`).
    pub fn flush_wanted(&self) -> Option<Offset> {
        self.flush_wanted
            .filter(|wanted| *wanted > self.recovery_point)
    }

    /// Forces everything to disk: the last act before a clean stop.
    ///
    /// # Errors
    /// The disk failed.
    pub fn close(&mut self, storage: &mut dyn Storage) -> Result<(), StorageError> {
        self.active.finish(storage)?;
        // One more than the end, so that an empty last segment is forced too.
        self.force(storage, self.log_end_offset.next())?;
        self.recovery_point = self.log_end_offset;
        Ok(())
    }

    /// Forces the segments from the recovery point's up to the one that holds `end - 1`. Also one that
    /// ends at the recovery point because it was cut there: undone, the cut would put old records in
    /// front of the new ones.
    fn force(&mut self, storage: &mut dyn Storage, end: Offset) -> Result<(), StorageError> {
        let after = self
            .older
            .partition_point(|s| s.base_offset <= self.recovery_point);
        let active_is_after = self.active.base_offset > self.recovery_point;
        let first = after.saturating_sub(usize::from(active_is_after));
        let all = self
            .older
            .iter_mut()
            .chain(std::iter::once(&mut self.active));
        for (index, segment) in all.enumerate() {
            if segment.base_offset < end && (index >= first || segment.unforced_cut) {
                segment.flush(storage)?;
                segment.unforced_cut = false;
            }
        }
        if self.directory_changed {
            storage.flush_directory(&self.directory)?;
            self.directory_changed = false;
        }
        Ok(())
    }
}
