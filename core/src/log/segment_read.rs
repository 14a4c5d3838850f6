//! Finds and reads batches of one segment.
//!
//! A search begins at a batch that is remembered as recent, or at an index entry, and goes on batch by
//! batch. A read fetches the bytes of the search and of the answer at once.
//!
//! Source: `LogSegment.read`, `translateOffset`, `findOffsetByTimestamp`; `FileRecords`.
//! Next: `append.rs`.

use super::TimedOffset;
use super::scan::{SEARCH_CHUNK, Scanner};
use super::segment::Segment;
use crate::offset::Offset;
use crate::record::layout;
use crate::storage::{Storage, StorageError};
use bytes::Bytes;

impl Segment {
    /// Where the first batch starts that ends at or above `offset` or cannot be read; the file's end
    /// if there is none.
    /// Source: `LogSegment.translateOffset`.
    pub(super) fn position_of(
        &self,
        storage: &mut dyn Storage,
        offset: Offset,
    ) -> Result<u64, StorageError> {
        let (from, _) = self.bounds(offset);
        let mut scanner = Scanner::new(&self.path, from, self.size, SEARCH_CHUNK);
        while let Some(Ok((position, batch))) = scanner.next(storage)? {
            if batch.last_offset() >= offset {
                return Ok(position);
            }
        }
        Ok(scanner.position())
    }

    /// The batch that holds `offset` starts at or between these positions.
    fn bounds(&self, offset: Offset) -> (u64, u64) {
        let after = self.recent.partition_point(|(base, _)| *base <= offset);
        let before = after.checked_sub(1).and_then(|i| self.recent.get(i));
        if let Some((_, position)) = before {
            // It may also lie in a gap behind that batch; then the next one is wanted.
            let next = self.recent.get(after);
            return (*position, next.map_or(self.size, |(_, position)| *position));
        }
        let (from, to) = self.offset_index.bounds(offset);
        (from, to.unwrap_or(self.size))
    }

    /// Reads whole batches from the one that holds `from` (or the next one) on, as `Log::read` says.
    /// `None` if the segment has no batch that ends at or above `from`.
    pub(super) fn read(
        &self,
        storage: &mut dyn Storage,
        from: Offset,
        upper_bound: Offset,
        max_bytes: usize,
        at_least_one: bool,
    ) -> Result<Option<Bytes>, StorageError> {
        let (start, to) = self.bounds(from);
        let span = usize::try_from(to - start).unwrap_or(usize::MAX);
        let left = usize::try_from(self.size - start).unwrap_or(usize::MAX);
        let wanted = span.saturating_add(max_bytes).min(left);
        let block = storage.read(&self.path, start, wanted)?;
        let skipped = skip_below(&block, from);
        let position = start + skipped as u64;
        if position >= self.size {
            return Ok(None);
        }
        let block = block.slice(skipped..);
        let taken = whole_batches(&block, upper_bound, max_bytes);
        if taken > 0 || !at_least_one {
            return Ok(Some(block.slice(..taken)));
        }
        // The first batch is larger than `max_bytes`, damaged, or at the bound.
        let first = self.first_batch(storage, from, position)?;
        let below_bound = |first: &Bytes| Offset(layout::last_offset(first)) < upper_bound;
        Ok(first.map(|first| {
            if below_bound(&first) {
                first
            } else {
                Bytes::new()
            }
        }))
    }

    /// The batch at or soon after `position` that holds `from`. A damaged one comes as it is: the
    /// reader's own CRC check finds it.
    fn first_batch(
        &self,
        storage: &mut dyn Storage,
        from: Offset,
        position: u64,
    ) -> Result<Option<Bytes>, StorageError> {
        let mut scanner = Scanner::new(&self.path, position, self.size, SEARCH_CHUNK);
        while let Some(found) = scanner.next(storage)? {
            let Ok((_, batch)) = found else {
                let damaged = storage.read(&self.path, scanner.position(), SEARCH_CHUNK)?;
                return Ok(Some(damaged));
            };
            if batch.last_offset() >= from {
                return Ok(Some(batch.bytes().clone()));
            }
        }
        Ok(None)
    }

    /// The first record at or above `start` whose time is at or after `time`.
    /// Source: `LogSegment.findOffsetByTimestamp`.
    pub(super) fn find_time(
        &self,
        storage: &mut dyn Storage,
        time: i64,
        start: Offset,
    ) -> Result<Option<TimedOffset>, StorageError> {
        let (from, _) = self
            .offset_index
            .bounds(self.time_index.lookup(time).max(start));
        let mut scanner = Scanner::new(&self.path, from, self.size, SEARCH_CHUNK);
        while let Some(Ok((_, batch))) = scanner.next(storage)? {
            if batch.max_timestamp().0 < time {
                continue;
            }
            let records = batch.records().unwrap_or_default();
            let found = records
                .iter()
                .find(|r| r.timestamp.0 >= time && r.offset >= start);
            if let Some(record) = found {
                return Ok(Some(TimedOffset {
                    timestamp: record.timestamp,
                    offset: record.offset,
                    leader_epoch: batch.leader_epoch(),
                }));
            }
        }
        Ok(None)
    }
}

/// Bytes of the whole batches at the front of `block` that end below `from`.
fn skip_below(block: &[u8], from: Offset) -> usize {
    let mut skipped = 0;
    while let Some(rest) = block.get(skipped..)
        && let Ok(size) = layout::whole_size(rest)
        && Offset(layout::last_offset(rest)) < from
    {
        skipped += size;
    }
    skipped
}

/// Bytes of the whole batches at the front of `block` that end below `upper_bound`, up to `max_bytes`.
fn whole_batches(block: &[u8], upper_bound: Offset, max_bytes: usize) -> usize {
    let mut taken = 0;
    while let Some(rest) = block.get(taken..)
        && let Ok(size) = layout::whole_size(rest)
        && taken + size <= max_bytes
        && Offset(layout::last_offset(rest)) < upper_bound
    {
        taken += size;
    }
    taken
}
