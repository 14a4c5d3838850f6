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
//! Next: `segment_read.rs`; then `recovery.rs`, which opens segments.

use super::index::{OFFSET_ENTRY, OffsetIndex, TIME_ENTRY, TimeEntry, TimeIndex, relative};
use super::scan::{SEARCH_CHUNK, Scanner};
use crate::config::TopicConfig;
use crate::offset::Offset;
use crate::planted::Bug;
use crate::record::layout;
use crate::rules::Rules;
use crate::storage::{Storage, StorageError};
use crate::time::WallClock;
use std::collections::VecDeque;

/// So many of the latest batches are found without a search: readers mostly want those.
const RECENT: usize = 64;

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
    /// The end was cut off, which a power loss may still undo.
    pub(super) unforced_cut: bool,
    bytes_since_index_entry: u64,
    /// The latest time of the first batch, once it is known.
    first_timestamp: Option<i64>,
    created: WallClock,
    /// Base offset and position of the latest batches, without gaps up to the end.
    pub(super) recent: VecDeque<(Offset, u64)>,
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
            unforced_cut: false,
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
        rules: Rules,
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
            if !fits || !(batch.is_valid() || rules.has(Bug::RecoverySkipsChecksums)) {
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

    /// Cuts the file before the batch that holds `offset`, or before one that cannot be read.
    /// Source: `LogSegment.truncateTo`.
    pub(super) fn truncate(
        &mut self,
        storage: &mut dyn Storage,
        rules: Rules,
        offset: Offset,
    ) -> Result<(), StorageError> {
        let position = self.position_of(storage, offset)?;
        self.offset_index.truncate(storage, offset)?;
        self.time_index.truncate(storage, offset)?;
        if position < self.size {
            if !rules.has(Bug::TruncationNotOnDisk) {
                storage.truncate(&self.path, position)?;
            }
            self.size = position;
            self.unforced_cut = true;
        }
        if self.size == 0 {
            self.first_timestamp = None;
        }
        self.bytes_since_index_entry = 0;
        self.scan_tail(storage)?;
        Ok(())
    }
}

fn no_time(base_offset: Offset) -> TimeEntry {
    TimeEntry {
        timestamp: -1,
        offset: base_offset,
    }
}
