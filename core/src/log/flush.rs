//! Forces a log to disk.
//!
//! Kafka leaves durability to replication: by default nothing is forced but the segments that a roll
//! left behind, and the whole log at a clean stop. The recovery point says how far the forcing came:
//! below it, a power loss takes nothing, and recovery looks at nothing.
//!
//! Invariants: the recovery point moves up only after everything below it was forced.
//! Simplified: the directory is forced when a file was created or deleted since; Kafka does it when a
//! new segment is among the forced ones, and file systems with a journal do the rest.
//! Source: `UnifiedLog.flush`, `LocalLog.flush`.
//! Next: `recovery.rs`, which relies on it.

use super::Log;
use crate::offset::Offset;
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
        self.force(storage, offset)?;
        self.recovery_point = offset;
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

    /// Forces the segments from the recovery point's up to the one that holds `end - 1`.
    fn force(&mut self, storage: &mut dyn Storage, end: Offset) -> Result<(), StorageError> {
        let after = self
            .older
            .partition_point(|s| s.base_offset <= self.recovery_point);
        let active_is_after = self.active.base_offset > self.recovery_point;
        let first = after.saturating_sub(usize::from(active_is_after));
        let unflushed = self.segments().skip(first);
        for segment in unflushed.take_while(|segment| segment.base_offset < end) {
            segment.flush(storage)?;
        }
        if self.directory_changed {
            storage.flush_directory(&self.directory)?;
            self.directory_changed = false;
        }
        Ok(())
    }
}
