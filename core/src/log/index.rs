//! The two indexes of a segment: sparse, sorted, without checksum.
//!
//! | file | entry | meaning |
//! |---|---|---|
//! | `.index` | i32 relative offset, i32 position | a batch with this last offset starts here |
//! | `.timeindex` | i64 time, i32 relative offset | no batch up to this last offset has a later time |
//!
//! Relative offsets count from the segment's base offset, so a segment spans less than 2^31 offsets.
//! The entries are kept in memory too: lookups never touch the disk.
//!
//! Invariants: both columns of both indexes rise strictly.
//! Simplified: files grow with each entry; Kafka maps them at full size and trims them on roll.
//! Source: `OffsetIndex`, `TimeIndex`.
//! Next: `segment.rs`.

use crate::offset::Offset;
use crate::storage::{Storage, StorageError};

/// Bytes of an entry of the offset index.
pub(super) const OFFSET_ENTRY: usize = 8;
/// Bytes of an entry of the time index.
pub(super) const TIME_ENTRY: usize = 12;

/// `offset` as indexes store it, or `None` if it does not belong into a segment that begins at `base`.
/// Source: `AbstractIndex.toRelative`.
pub(super) fn relative(base: Offset, offset: Offset) -> Option<u32> {
    let difference = offset.0.checked_sub(base.0)?;
    let difference = i32::try_from(difference).ok()?;
    u32::try_from(difference).ok()
}

/// From last offsets of batches to their positions in the `.log` file.
#[derive(Debug)]
pub(super) struct OffsetIndex {
    path: String,
    base: Offset,
    entries: Vec<(u32, u32)>,
}

impl OffsetIndex {
    /// An index without entries, which stands in for a file that is about to be rebuilt.
    pub(super) fn empty(path: String, base: Offset) -> Self {
        Self {
            path,
            base,
            entries: Vec::new(),
        }
    }

    /// Reads the file's entries. False if it is missing or cannot be the index of a segment of
    /// `segment_size` bytes: then there are no entries.
    pub(super) fn load(
        &mut self,
        storage: &mut dyn Storage,
        segment_size: u64,
    ) -> Result<bool, StorageError> {
        let Some(bytes) = storage.read_all(&self.path)? else {
            return Ok(false);
        };
        let entries = bytes.chunks_exact(OFFSET_ENTRY).map(|entry| {
            let (offset, position) = entry.split_at(4);
            (unsigned(offset), unsigned(position))
        });
        self.entries = entries.collect();
        let rises = self.entries.is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1);
        let inside = self
            .entries
            .last()
            .is_none_or(|last| u64::from(last.1) < segment_size);
        let sane = bytes.len().is_multiple_of(OFFSET_ENTRY) && rises && inside;
        if !sane {
            self.entries.clear();
        }
        Ok(sane)
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Adds an entry, in memory and in the file.
    pub(super) fn append(
        &mut self,
        storage: &mut dyn Storage,
        offset: Offset,
        position: u64,
    ) -> Result<(), StorageError> {
        if self.push(offset, position) {
            let entry = self.entries.last().map(encode_offset).unwrap_or_default();
            storage.append(&self.path, &entry)?;
        }
        Ok(())
    }

    /// Adds an entry in memory; false if it would not rise.
    pub(super) fn push(&mut self, offset: Offset, position: u64) -> bool {
        let entry = relative(self.base, offset).zip(u32::try_from(position).ok());
        let Some(entry) = entry else { return false };
        let rises = self.entries.last().is_none_or(|last| last.0 < entry.0);
        if rises {
            self.entries.push(entry);
        }
        rises
    }

    /// Writes the file anew from the entries in memory.
    pub(super) fn rewrite(&self, storage: &mut dyn Storage) -> Result<(), StorageError> {
        let bytes: Vec<u8> = self.entries.iter().flat_map(encode_offset).collect();
        rewrite(storage, &self.path, &bytes)
    }

    /// Where to begin and where to end the search for the batch that holds `offset`: it starts at or
    /// between the two positions. The end is `None` after the last entry.
    pub(super) fn bounds(&self, offset: Offset) -> (u64, Option<u64>) {
        let target = offset.0.saturating_sub(self.base.0);
        let after = self
            .entries
            .partition_point(|entry| i64::from(entry.0) <= target);
        let before = after.checked_sub(1).and_then(|i| self.entries.get(i));
        let next = self.entries.get(after);
        (
            before.map_or(0, |entry| u64::from(entry.1)),
            next.map(|entry| u64::from(entry.1)),
        )
    }

    /// The position of the last entry; 0 without entries.
    pub(super) fn last_position(&self) -> u64 {
        self.entries.last().map_or(0, |entry| u64::from(entry.1))
    }

    /// Drops the entries at and above `offset`.
    pub(super) fn truncate(
        &mut self,
        storage: &mut dyn Storage,
        offset: Offset,
    ) -> Result<(), StorageError> {
        let target = offset.0.saturating_sub(self.base.0);
        let keep = self
            .entries
            .partition_point(|entry| i64::from(entry.0) < target);
        self.entries.truncate(keep);
        storage.truncate(&self.path, (keep * OFFSET_ENTRY) as u64)
    }
}

/// A time and the last offset of the batch that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TimeEntry {
    pub(super) timestamp: i64,
    pub(super) offset: Offset,
}

/// From times to offsets.
#[derive(Debug)]
pub(super) struct TimeIndex {
    path: String,
    base: Offset,
    entries: Vec<(i64, u32)>,
}

impl TimeIndex {
    /// An index without entries, which stands in for a file that is about to be rebuilt.
    pub(super) fn empty(path: String, base: Offset) -> Self {
        Self {
            path,
            base,
            entries: Vec::new(),
        }
    }

    /// Reads the file's entries. False if it is missing or insane: then there are no entries.
    pub(super) fn load(&mut self, storage: &mut dyn Storage) -> Result<bool, StorageError> {
        let Some(bytes) = storage.read_all(&self.path)? else {
            return Ok(false);
        };
        let entries = bytes.chunks_exact(TIME_ENTRY).map(|entry| {
            let (time, offset) = entry.split_at(8);
            let time = time.try_into().map_or(0, i64::from_be_bytes);
            (time, unsigned(offset))
        });
        self.entries = entries.collect();
        let rises = self.entries.is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1);
        let sane = bytes.len().is_multiple_of(TIME_ENTRY) && rises;
        if !sane {
            self.entries.clear();
        }
        Ok(sane)
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Adds an entry, in memory and in the file, if it is later than the last.
    /// Source: `TimeIndex.maybeAppend`.
    pub(super) fn append(
        &mut self,
        storage: &mut dyn Storage,
        entry: TimeEntry,
    ) -> Result<(), StorageError> {
        if self.push(entry) {
            let entry = self.entries.last().map(encode_time).unwrap_or_default();
            storage.append(&self.path, &entry)?;
        }
        Ok(())
    }

    /// Adds an entry in memory; false if it would not rise.
    pub(super) fn push(&mut self, entry: TimeEntry) -> bool {
        let Some(offset) = relative(self.base, entry.offset) else {
            return false;
        };
        let rises = match self.entries.last() {
            None => entry.timestamp > -1,
            Some(last) => last.0 < entry.timestamp && last.1 < offset,
        };
        if rises {
            self.entries.push((entry.timestamp, offset));
        }
        rises
    }

    /// Writes the file anew from the entries in memory.
    pub(super) fn rewrite(&self, storage: &mut dyn Storage) -> Result<(), StorageError> {
        let bytes: Vec<u8> = self.entries.iter().flat_map(encode_time).collect();
        rewrite(storage, &self.path, &bytes)
    }

    /// An offset such that all batches up to it are earlier than `timestamp`, or have it at its end.
    pub(super) fn lookup(&self, timestamp: i64) -> Offset {
        let after = self.entries.partition_point(|entry| entry.0 <= timestamp);
        let before = after.checked_sub(1).and_then(|i| self.entries.get(i));
        self.base + before.map_or(0, |entry| i64::from(entry.1))
    }

    /// The last entry; time -1 at the base offset without entries.
    pub(super) fn last(&self) -> TimeEntry {
        let last = self.entries.last().copied();
        let (timestamp, offset) = last.unwrap_or((-1, 0));
        let offset = self.base + i64::from(offset);
        TimeEntry { timestamp, offset }
    }

    /// Drops the entries at and above `offset`.
    pub(super) fn truncate(
        &mut self,
        storage: &mut dyn Storage,
        offset: Offset,
    ) -> Result<(), StorageError> {
        let target = offset.0.saturating_sub(self.base.0);
        let keep = self
            .entries
            .partition_point(|entry| i64::from(entry.1) < target);
        self.entries.truncate(keep);
        storage.truncate(&self.path, (keep * TIME_ENTRY) as u64)
    }
}

/// Replaces a file's contents in place: an index that tears here is rebuilt once more.
fn rewrite(storage: &mut dyn Storage, path: &str, bytes: &[u8]) -> Result<(), StorageError> {
    if storage.exists(path)? {
        storage.truncate(path, 0)?;
    }
    storage.append(path, bytes)?;
    Ok(())
}

fn encode_offset((offset, position): &(u32, u32)) -> [u8; OFFSET_ENTRY] {
    let mut entry = [0; OFFSET_ENTRY];
    let (first, second) = entry.split_at_mut(4);
    first.copy_from_slice(&offset.to_be_bytes());
    second.copy_from_slice(&position.to_be_bytes());
    entry
}

fn encode_time((time, offset): &(i64, u32)) -> [u8; TIME_ENTRY] {
    let mut entry = [0; TIME_ENTRY];
    let (first, second) = entry.split_at_mut(8);
    first.copy_from_slice(&time.to_be_bytes());
    second.copy_from_slice(&offset.to_be_bytes());
    entry
}

fn unsigned(field: &[u8]) -> u32 {
    field.try_into().map_or(0, u32::from_be_bytes)
}
