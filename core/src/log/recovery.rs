//! Opens a log: finds its segments, and after an unclean stop keeps only what can be trusted.
//!
//! | segment | clean stop | unclean stop |
//! |---|---|---|
//! | ends below the recovery point | trusted | trusted: it was forced to disk |
//! | holds the recovery point, or later | trusted | every batch checked |
//! | index missing | every batch checked | every batch checked |
//!
//! A checked segment is cut at its first bad batch and all later segments go, for their records
//! would follow a hole. (Not so if its index was missing: Kafka recovers such a segment before it
//! looks for damage, and then finds none.) Each newer epoch of a checked batch enters the epoch
//! cache, which is then cut at the log's new end. So a lost epoch checkpoint stays lost below the
//! recovery point, and such a replica cuts at its high watermark when it follows next. Recovery
//! itself forces nothing to disk: the recovery point stays where it was.
//!
//! Invariants: log start <= recovered end; recovery point <= log end.
//! As in Kafka, a segment that begins above its predecessor's end is fine (compaction and followers make
//! such gaps). So a power loss that takes an unforced segment's tail, but keeps the name of the next one,
//! leaves a hole without notice: the log ends at the last segment's base offset.
//!
//! One that begins below its predecessor's end (a deletion that a power loss undid) stays too: records
//! of its range are then found in it, or in its predecessor by a reader that comes from below.
//!
//! Simplified: no `.cleaned`/`.swap` files (no compaction), no producer state. Cares beyond Kafka's: a
//! segment whose index is insane or whose last batch is cut off is checked even if it is trusted (Kafka
//! uses it as it is), which hides what rot and a disk that lies about fsync do to indexes and ends;
//! offsets within a segment must rise (Kafka notices it at index entries only).
//! Source: `LogLoader.load`, `recoverLog`; `LogSegment.recover`.
//! Next: `truncate.rs`.

use super::leader_epoch_cache::LeaderEpochCache;
use super::segment::Segment;
use super::{Log, OpenFrom};
use crate::config::TopicConfig;
use crate::offset::Offset;
use crate::planted::Bug;
use crate::rules::Rules;
use crate::storage::{Storage, StorageError};
use crate::time::{Now, WallClock};

/// What is fixed while the segments are loaded.
struct Loader<'a> {
    directory: &'a str,
    now: WallClock,
    index_interval: u64,
    /// Segments from this base offset on are checked.
    check_from: Offset,
    recovery_point: Offset,
    rules: Rules,
    epochs: LeaderEpochCache,
    epochs_changed: bool,
}

/// The segments that stay, the end of the last one, and what had to go.
#[derive(Default)]
struct Loaded {
    segments: Vec<Segment>,
    next_offset: Offset,
    bytes_cut: u64,
    /// A segment was cut, so those after it go.
    damaged: bool,
}

impl Log {
    /// Opens the log in `directory` (such as `data/orders-0`), creating it if missing. After an
    /// unclean stop, recovers it: checks every batch from the recovery point on, cuts it at the first
    /// bad one, rebuilds what was lost of indexes and the epoch cache.
    /// Returns the log and how many bytes recovery cut off.
    ///
    /// # Errors
    /// The disk failed.
    pub fn open(
        storage: &mut dyn Storage,
        directory: &str,
        from: OpenFrom,
        config: TopicConfig,
        now: Now,
    ) -> Result<(Self, u64), StorageError> {
        let bases = segment_files(storage, directory)?;
        let epochs = LeaderEpochCache::load(storage, directory, from.rules)?;
        let mut loader = Loader {
            directory,
            now: now.wall,
            index_interval: config.index_interval_bytes,
            check_from: check_from(&bases, from),
            recovery_point: from.recovery_point,
            rules: from.rules,
            epochs,
            epochs_changed: false,
        };
        let mut loaded = loader.load(storage, &bases)?;
        if loaded.next_offset < from.log_start_offset && !loaded.segments.is_empty() {
            // The start moved past what is left: only an empty log fits it.
            for segment in loaded.segments.drain(..) {
                loaded.bytes_cut += segment.size;
                segment.delete(storage)?;
            }
            loader.epochs.clear(storage)?;
        }
        let bytes_cut = loaded.bytes_cut;
        let mut log = loader.finish(storage, loaded, from, config)?;
        if from.rules.has(Bug::RecoveryCutsAtRecoveryPoint) && !from.clean {
            log.truncate_to(storage, from.recovery_point)?;
        }
        Ok((log, bytes_cut))
    }
}

/// Base offsets of the segments in the directory, rising. Index files without a segment are deleted.
fn segment_files(storage: &mut dyn Storage, directory: &str) -> Result<Vec<Offset>, StorageError> {
    let paths = storage.list(directory)?;
    let base_of = |path: &str, suffix: &str| -> Option<Offset> {
        let name = path.strip_prefix(directory)?.strip_prefix('/')?;
        let digits = name.strip_suffix(suffix)?;
        let whole = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
        whole.then(|| digits.parse().ok().map(Offset))?
    };
    let mut bases: Vec<Offset> = paths.iter().filter_map(|p| base_of(p, ".log")).collect();
    bases.sort_unstable();
    for path in &paths {
        let index = base_of(path, ".index").or_else(|| base_of(path, ".timeindex"));
        if index.is_some_and(|base| bases.binary_search(&base).is_err()) {
            storage.delete(path)?;
        }
    }
    Ok(bases)
}

/// The base offset of the first segment that must be checked.
fn check_from(bases: &[Offset], from: OpenFrom) -> Offset {
    if from.clean {
        return Offset(i64::MAX);
    }
    let after = bases.partition_point(|base| *base <= from.recovery_point);
    let holds = after.checked_sub(1).and_then(|i| bases.get(i));
    holds.copied().unwrap_or(Offset::ZERO)
}

impl Loader<'_> {
    fn load(
        &mut self,
        storage: &mut dyn Storage,
        bases: &[Offset],
    ) -> Result<Loaded, StorageError> {
        let mut loaded = Loaded::default();
        for base in bases {
            let mut segment = Segment::new(self.directory, *base, self.now);
            if loaded.damaged {
                loaded.bytes_cut += storage.length(&segment.path)?;
                segment.delete(storage)?;
                continue;
            }
            let has_index = storage.exists(segment.offset_index.path())?;
            let opened = segment.open(storage)?.filter(|_| *base < self.check_from);
            match opened {
                Some(next_offset) => loaded.next_offset = next_offset,
                None => {
                    loaded.next_offset = *base;
                    let end = &mut loaded.next_offset;
                    let cut = self.recover(storage, &mut segment, end)?;
                    loaded.bytes_cut += cut;
                    loaded.damaged = cut > 0 && has_index;
                }
            }
            loaded.segments.push(segment);
        }
        // The crash may have come between a cut, which lowers the recovery point, and its way to the
        // disk. The cut may have left a hole below the recovery point, so ends do not tell.
        let below = |segment: &Segment| segment.base_offset < self.recovery_point;
        let after = loaded.segments.partition_point(below);
        let last_below = after.checked_sub(1);
        if let Some(segment) = last_below.and_then(|i| loaded.segments.get_mut(i)) {
            segment.unforced_cut = true;
        }
        Ok(loaded)
    }

    fn recover(
        &mut self,
        storage: &mut dyn Storage,
        segment: &mut Segment,
        next_offset: &mut Offset,
    ) -> Result<u64, StorageError> {
        let (epochs, changed) = (&mut self.epochs, &mut self.epochs_changed);
        let (interval, rules) = (self.index_interval, self.rules);
        segment.recover(storage, interval, rules, next_offset, |batch| {
            if epochs
                .latest_epoch()
                .is_none_or(|latest| batch.leader_epoch() > latest)
            {
                *changed |= epochs.enter(batch.leader_epoch(), batch.base_offset());
            }
        })
    }

    /// Makes the log of what was loaded, with its numbers in order.
    fn finish(
        mut self,
        storage: &mut dyn Storage,
        loaded: Loaded,
        from: OpenFrom,
        config: TopicConfig,
    ) -> Result<Log, StorageError> {
        let mut older = loaded.segments;
        let first_base = older.first().map(|segment| segment.base_offset);
        let (active, log_end_offset) = match older.pop() {
            Some(last) => (last, loaded.next_offset),
            None => {
                let start = from.log_start_offset;
                (
                    Segment::create(storage, self.directory, start, self.now)?,
                    start,
                )
            }
        };
        if self.epochs_changed {
            self.epochs.write(storage)?;
        }
        self.epochs.truncate_from_end(storage, log_end_offset)?;
        self.epochs
            .truncate_from_start(storage, from.log_start_offset)?;
        let first_base = first_base.unwrap_or(active.base_offset);
        let log_start_offset = from.log_start_offset.max(first_base).min(log_end_offset);
        let recovery_point = if from.clean && loaded.bytes_cut == 0 {
            log_end_offset
        } else {
            from.recovery_point.min(log_end_offset)
        };
        let high_watermark = from
            .high_watermark
            .max(log_start_offset)
            .min(log_end_offset);
        Ok(Log {
            directory: self.directory.to_owned(),
            config,
            rules: from.rules,
            older,
            active,
            epochs: self.epochs,
            log_start_offset,
            log_end_offset,
            recovery_point,
            high_watermark,
            flush_wanted: None,
            directory_changed: !from.clean || first_base == log_end_offset,
            scratch: Vec::new(),
        })
    }
}
