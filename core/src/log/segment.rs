//! One segment: a `.log` file of batches with its two indexes, named by its first possible offset.
//!
//! Only the last segment of a log is written to. Sizes, indexes and the places of the latest batches
//! are kept in memory, so that an append writes once and a read reads once.
//!
//! Index rule: a batch gets an entry (its last offset -> its position) when more than
//! `index.interval.bytes` were written since the last one.
//!
//! Simplified: no transaction index yet; no preallocation; no roll jitter (`segment.jitter.ms` is 0 by
//! default).
//! Source: `LogSegment`.
//! Next: `recovery.rs`, which opens segments; `append.rs`, which rolls them.

use super::index::{OFFSET_ENTRY, OffsetIndex, TIME_ENTRY, TimeEntry, TimeIndex, relative};
use super::scan::{Found, Scanner};
use crate::config::TopicConfig;
use crate::offset::Offset;
use crate::record::layout;
use crate::storage::{Storage, StorageError};
use crate::time::WallClock;
use bytes::Bytes;
use std::collections::VecDeque;

/// So many of the latest batches are found without a search: readers mostly want those.
const RECENT: usize = 64;
/// Bytes that a search reads at a time.
const SEARCH_CHUNK: usize = 8 * 1024;

/// What a roll decision looks at (`RollParams`).
#[derive(Clone, Copy, Debug)]
pub(super) struct Incoming {
    pub(super) size: u64,
    pub(super) last_offset: Offset,
    pub(super) max_timestamp: i64,
}

/// A segment.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) base_offset: Offset,
    pub(super) path: String,
    pub(super) size: u64,
    pub(super) offset_index: OffsetIndex,
    pub(super) time_index: TimeIndex,
    /// The latest time so far, and the last offset of the first batch that has it.
    pub(super) max_timestamp: TimeEntry,
    bytes_since_index_entry: u64,
    /// The latest time of the first batch, once it is known.
    first_timestamp: Option<i64>,
    created: WallClock,
    /// Base offset and position of the latest batches, without gaps up to the end.
    recent: VecDeque<(Offset, u64)>,
}

impl Segment {
    /// A segment that knows nothing of its files yet.
    pub(super) fn new(directory: &str, base_offset: Offset, created: WallClock) -> Self {
        let path = |suffix| format!("{directory}/{:020}.{suffix}", base_offset.0);
        Self {
            base_offset,
            path: path("log"),
            size: 0,
            offset_index: OffsetIndex::empty(path("index"), base_offset),
            time_index: TimeIndex::empty(path("timeindex"), base_offset),
            max_timestamp: no_time(base_offset),
            bytes_since_index_entry: 0,
            first_timestamp: None,
            created,
            recent: VecDeque::new(),
        }
    }

    /// Creates the files of an empty segment. Files that are there already go first: a roll or a
    /// truncation that was cut short by a crash left them.
    pub(super) fn create(
        storage: &mut dyn Storage,
        directory: &str,
        base_offset: Offset,
        created: WallClock,
    ) -> Result<Self, StorageError> {
        let segment = Self::new(directory, base_offset, created);
        segment.delete(storage)?;
        for path in segment.paths() {
            storage.append(path, &[])?;
        }
        Ok(segment)
    }

    fn paths(&self) -> [&str; 3] {
        [&self.path, self.offset_index.path(), self.time_index.path()]
    }

    /// Deletes the files.
    pub(super) fn delete(&self, storage: &mut dyn Storage) -> Result<(), StorageError> {
        for path in self.paths() {
            if storage.exists(path)? {
                storage.delete(path)?;
            }
        }
        Ok(())
    }

    /// Forces the files to disk.
    pub(super) fn flush(&self, storage: &mut dyn Storage) -> Result<(), StorageError> {
        for path in self.paths() {
            storage.flush(path)?;
        }
        Ok(())
    }

    /// When the segment was created, as far as this process knows.
    pub(super) fn created(&self) -> WallClock {
        self.created
    }

    /// Whether `incoming` must go to a new segment.
    /// Source: `LogSegment.shouldRoll`.
    pub(super) fn should_roll(
        &mut self,
        storage: &mut dyn Storage,
        config: &TopicConfig,
        incoming: Incoming,
        now: WallClock,
    ) -> Result<bool, StorageError> {
        let index_bytes = usize::try_from(config.segment_index_bytes).unwrap_or(usize::MAX);
        let too_far = relative(self.base_offset, incoming.last_offset).is_none();
        if self.size == 0 {
            // Its successor would have the same name, unless the offsets jump.
            return Ok(too_far);
        }
        let full = self.size + incoming.size > config.segment_bytes
            || self.offset_index.len() >= index_bytes / OFFSET_ENTRY
            || self.time_index.len() + 1 >= index_bytes / TIME_ENTRY;
        if full || too_far {
            return Ok(true);
        }
        // Record time decides, so that replicas roll alike; the clock only if records have none.
        let waited = match self.first_batch_timestamp(storage)? {
            Some(first) if first >= 0 => incoming.max_timestamp.saturating_sub(first),
            _ => now.0.saturating_sub(self.created.0),
        };
        let limit = i64::try_from(config.segment_ms.as_millis()).unwrap_or(i64::MAX);
        Ok(waited > limit)
    }

    fn first_batch_timestamp(
        &mut self,
        storage: &mut dyn Storage,
    ) -> Result<Option<i64>, StorageError> {
        if self.first_timestamp.is_none() && self.size > 0 {
            let header = storage.read(&self.path, 0, crate::record::BATCH_HEADER_SIZE)?;
            self.first_timestamp = Some(layout::read_i64(&header, layout::MAX_TIMESTAMP));
        }
        Ok(self.first_timestamp)
    }

    /// Appends whole batches, with their index entries.
    /// Source: `LogSegment.append`.
    pub(super) fn append(
        &mut self,
        storage: &mut dyn Storage,
        batches: &[u8],
        index_interval: u64,
    ) -> Result<(), StorageError> {
        storage.append(&self.path, batches)?;
        let mut rest = batches;
        while let Ok(size) = layout::whole_size(rest) {
            let (batch, after) = rest.split_at(size);
            rest = after;
            let position = self.size;
            let last_offset = Offset(layout::last_offset(batch));
            self.note(batch, position, last_offset);
            if self.bytes_since_index_entry > index_interval {
                self.offset_index.append(storage, last_offset, position)?;
                self.time_index.append(storage, self.max_timestamp)?;
                self.bytes_since_index_entry = 0;
            }
            self.bytes_since_index_entry += size as u64;
            self.size += size as u64;
        }
        Ok(())
    }

    /// Remembers what is kept in memory of each batch.
    fn note(&mut self, batch: &[u8], position: u64, last_offset: Offset) {
        let timestamp = layout::read_i64(batch, layout::MAX_TIMESTAMP);
        if timestamp > self.max_timestamp.timestamp {
            let offset = last_offset;
            self.max_timestamp = TimeEntry { timestamp, offset };
        }
        if position == 0 {
            self.first_timestamp = Some(timestamp);
        }
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        let base_offset = Offset(layout::read_i64(batch, layout::BASE_OFFSET));
        self.recent.push_back((base_offset, position));
    }

    /// The last act before the next segment takes over, or before a clean stop: the time index gets
    /// the latest time, index interval or not. Source: `LogSegment.onBecomeInactiveSegment`.
    pub(super) fn finish(&mut self, storage: &mut dyn Storage) -> Result<(), StorageError> {
        self.time_index.append(storage, self.max_timestamp)
    }

    /// Reads the files' sizes and indexes and the batches after the last index entry. Returns the
    /// offset after the last batch, or `None` if indexes are missing or insane or the last batch is cut
    /// off: then the segment must be recovered.
    /// Source: `LogSegment.sanityCheck`, `readNextOffset`.
    pub(super) fn open(
        &mut self,
        storage: &mut dyn Storage,
    ) -> Result<Option<Offset>, StorageError> {
        self.size = storage.length(&self.path)?;
        let sane = self.offset_index.load(storage, self.size)? && self.time_index.load(storage)?;
        if !sane {
            return Ok(None);
        }
        self.scan_tail(storage)
    }

    /// Finds the latest time and the next offset from the batches after the last index entry.
    fn scan_tail(&mut self, storage: &mut dyn Storage) -> Result<Option<Offset>, StorageError> {
        self.max_timestamp = self.time_index.last();
        self.recent.clear();
        let path = self.path.clone();
        let from = self.offset_index.last_position();
        let mut scanner = Scanner::new(&path, from, self.size, SEARCH_CHUNK);
        let mut next_offset = self.base_offset;
        while let Some(found) = scanner.next(storage)? {
            let Ok((position, batch)) = found else {
                return Ok(None);
            };
            self.note(batch.bytes(), position, batch.last_offset());
            next_offset = batch.next_offset();
        }
        Ok((next_offset >= self.base_offset).then_some(next_offset))
    }

    /// Checks every batch, rebuilds both indexes and cuts the file at the first batch that is bad or
    /// does not lie above `next_offset` (then `next_offset` is the end of those that stay). `visit`
    /// sees each batch that stays. Returns how many bytes were cut.
    /// Source: `LogSegment.recover`.
    pub(super) fn recover(
        &mut self,
        storage: &mut dyn Storage,
        index_interval: u64,
        next_offset: &mut Offset,
        mut visit: impl FnMut(&crate::record::RecordBatch),
    ) -> Result<u64, StorageError> {
        let length = storage.length(&self.path)?;
        let (offset_path, time_path) = (self.offset_index.path(), self.time_index.path());
        self.offset_index = OffsetIndex::empty(offset_path.to_owned(), self.base_offset);
        self.time_index = TimeIndex::empty(time_path.to_owned(), self.base_offset);
        self.max_timestamp = no_time(self.base_offset);
        self.first_timestamp = None;
        self.recent.clear();
        let path = self.path.clone();
        let mut scanner = Scanner::new(&path, 0, length, 256 * 1024);
        let (mut valid, mut last_entry) = (0, 0);
        while let Some(Ok((position, batch))) = scanner.next(storage)? {
            let last_offset = batch.last_offset();
            let fits = batch.base_offset() >= *next_offset
                && relative(self.base_offset, last_offset).is_some();
            if !fits || !batch.is_valid() {
                break;
            }
            self.note(batch.bytes(), position, last_offset);
            if position - last_entry > index_interval {
                self.offset_index.push(last_offset, position);
                self.time_index.push(self.max_timestamp);
                last_entry = position;
            }
            visit(&batch);
            *next_offset = batch.next_offset();
            valid = scanner.position();
        }
        self.time_index.push(self.max_timestamp);
        self.offset_index.rewrite(storage)?;
        self.time_index.rewrite(storage)?;
        if valid < length {
            storage.truncate(&path, valid)?;
        }
        self.size = valid;
        Ok(length - valid)
    }

    /// The first batch that ends at or above `offset`.
    /// Source: `LogSegment.translateOffset`.
    pub(super) fn find(
        &self,
        storage: &mut dyn Storage,
        offset: Offset,
    ) -> Result<Option<Found>, StorageError> {
        let (from, _) = self.bounds(offset);
        let mut scanner = Scanner::new(&self.path, from, self.size, SEARCH_CHUNK);
        while let Some(Ok(found)) = scanner.next(storage)? {
            if found.1.last_offset() >= offset {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The batch that holds `offset` starts at or between these positions.
    fn bounds(&self, offset: Offset) -> (u64, u64) {
        let after = self.recent.partition_point(|(base, _)| *base <= offset);
        let before = after.checked_sub(1).and_then(|i| self.recent.get(i));
        if let Some((_, position)) = before {
            // It may also lie in a gap behind that batch; then the next one is wanted.
            let next = self.recent.get(after);
            return (*position, next.map_or(*position, |(_, position)| *position));
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
        let first = first.filter(|first| Offset(layout::last_offset(first)) < upper_bound);
        Ok(Some(first.unwrap_or_default()))
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

    /// Cuts the file before the batch that holds `offset`. Returns that batch's base offset.
    /// Source: `LogSegment.truncateTo`.
    pub(super) fn truncate(
        &mut self,
        storage: &mut dyn Storage,
        offset: Offset,
    ) -> Result<Option<Offset>, StorageError> {
        let found = self.find(storage, offset)?;
        self.offset_index.truncate(storage, offset)?;
        self.time_index.truncate(storage, offset)?;
        let cut = found.map(|(position, batch)| (position, batch.base_offset()));
        if let Some((position, _)) = cut {
            storage.truncate(&self.path, position)?;
            self.size = position;
        }
        if self.size == 0 {
            self.first_timestamp = None;
        }
        self.bytes_since_index_entry = 0;
        self.scan_tail(storage)?;
        Ok(cut.map(|(_, base_offset)| base_offset))
    }

    /// The first record at or above `start` whose time is at or after `time`.
    /// Source: `LogSegment.findOffsetByTimestamp`.
    pub(super) fn find_time(
        &self,
        storage: &mut dyn Storage,
        time: i64,
        start: Offset,
    ) -> Result<Option<super::TimedOffset>, StorageError> {
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
                return Ok(Some(super::TimedOffset {
                    timestamp: record.timestamp,
                    offset: record.offset,
                    leader_epoch: batch.leader_epoch(),
                }));
            }
        }
        Ok(None)
    }
}

fn no_time(base_offset: Offset) -> TimeEntry {
    TimeEntry {
        timestamp: -1,
        offset: base_offset,
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
