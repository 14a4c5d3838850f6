//! Which leader epoch begins at which offset: what followers compare with their leader to find where
//! their logs part (KIP-101).
//!
//! A new leader enters its epoch at its log's end; each appended batch with a new epoch enters it
//! too. Every change is written to `leader-epoch-checkpoint` at once, before the batch is: after a
//! crash the file may be ahead of the log, never behind.
//!
//! Invariants: epochs and offsets rise strictly.
//! Simplified: Kafka writes a truncation to the file a little later, on another thread.
//! Source: KIP-101, KIP-279; `LeaderEpochFileCache`.
//! Next: `append.rs`.

use super::checkpoint;
use crate::invariant::invariant;
use crate::offset::{EpochOffset, LeaderEpoch, Offset};
use crate::planted::Bug;
use crate::rules::Rules;
use crate::storage::{Storage, StorageError};

/// The cache of one log, and its file.
#[derive(Debug)]
pub(super) struct LeaderEpochCache {
    path: String,
    rules: Rules,
    entries: Vec<EpochOffset>,
}

impl LeaderEpochCache {
    /// The cache of the log in `directory`; empty without a file. Entries that contradict later ones
    /// go, as when they are assigned one by one.
    ///
    /// # Errors
    /// The disk failed, or the file is malformed.
    pub(super) fn load(
        storage: &mut dyn Storage,
        directory: &str,
        rules: Rules,
    ) -> Result<Self, StorageError> {
        let path = format!("{directory}/{}", checkpoint::LEADER_EPOCHS);
        let read = checkpoint::read_leader_epochs(storage, &path)?;
        let mut cache = Self {
            path,
            rules,
            entries: Vec::with_capacity(read.len()),
        };
        for entry in read {
            cache.enter(entry.epoch, entry.offset);
        }
        Ok(cache)
    }

    pub(super) fn entries(&self) -> &[EpochOffset] {
        &self.entries
    }

    pub(super) fn latest_epoch(&self) -> Option<LeaderEpoch> {
        self.entries.last().map(|entry| entry.epoch)
    }

    /// Enters that `epoch` begins at `start`. Entries that would make it the second of its kind or not
    /// rise go first: the log above them is another leader's now.
    /// Source: `LeaderEpochFileCache.assign`, `maybeTruncateNonMonotonicEntries`.
    pub(super) fn assign(
        &mut self,
        storage: &mut dyn Storage,
        epoch: LeaderEpoch,
        start: Offset,
    ) -> Result<(), StorageError> {
        if self.enter(epoch, start) {
            self.write(storage)?;
        }
        Ok(())
    }

    /// As [`Self::assign`], in memory only: recovery enters many and writes once.
    pub(super) fn enter(&mut self, epoch: LeaderEpoch, start: Offset) -> bool {
        let known = self
            .entries
            .last()
            .is_some_and(|last| last.epoch == epoch && start >= last.offset);
        if known || epoch.0 < 0 || start.0 < 0 {
            return false;
        }
        while let Some(last) = self.entries.last()
            && (last.epoch >= epoch || last.offset >= start)
        {
            self.entries.pop();
        }
        self.entries.push(EpochOffset::new(epoch, start));
        let rises = |a: &EpochOffset, b: &EpochOffset| a.epoch < b.epoch && a.offset < b.offset;
        let last_two = self.entries.len().saturating_sub(2);
        invariant!(
            self.entries
                .iter()
                .skip(last_two)
                .is_sorted_by(|a, b| rises(a, b)),
            "leader epochs and their starts rise strictly"
        );
        true
    }

    /// The largest epoch at or below `requested` and where it ends; if all are above, `requested`
    /// itself and where the first one starts. `None` for an epoch above all.
    /// Source: `LeaderEpochFileCache.endOffsetFor`.
    pub(super) fn end_offset_for(
        &self,
        requested: LeaderEpoch,
        log_end_offset: Offset,
    ) -> Option<EpochOffset> {
        if requested.0 < 0 {
            return None;
        }
        if self.latest_epoch() == Some(requested) {
            return Some(EpochOffset::new(requested, log_end_offset));
        }
        let above = self
            .entries
            .partition_point(|entry| entry.epoch <= requested);
        let end = self.entries.get(above)?.offset;
        let floor = above.checked_sub(1).and_then(|i| self.entries.get(i));
        let epoch = floor.map_or(requested, |entry| entry.epoch);
        Some(EpochOffset::new(epoch, end))
    }

    /// The epoch of `offset`; `None` below the first entry.
    /// Source: `LeaderEpochFileCache.epochForOffset`.
    pub(super) fn epoch_at(&self, offset: Offset) -> Option<LeaderEpoch> {
        let after = self.entries.partition_point(|entry| entry.offset <= offset);
        let entry = after.checked_sub(1).and_then(|i| self.entries.get(i));
        entry.map(|entry| entry.epoch)
    }

    /// Drops the entries that start at or above `end`.
    pub(super) fn truncate_from_end(
        &mut self,
        storage: &mut dyn Storage,
        end: Offset,
    ) -> Result<(), StorageError> {
        let keep = self.entries.partition_point(|entry| entry.offset < end);
        if keep < self.entries.len() {
            self.entries.truncate(keep);
            self.write(storage)?;
        }
        Ok(())
    }

    /// Collapses the entries that start at or below `start` into the last of them, which then starts
    /// there.
    pub(super) fn truncate_from_start(
        &mut self,
        storage: &mut dyn Storage,
        start: Offset,
    ) -> Result<(), StorageError> {
        let gone = self.entries.partition_point(|entry| entry.offset <= start);
        let Some(last) = gone.checked_sub(1) else {
            return Ok(());
        };
        let unchanged = last == 0 && self.entries.first().is_some_and(|e| e.offset == start);
        self.entries.drain(..last);
        if let Some(first) = self.entries.first_mut() {
            first.offset = start;
        }
        if unchanged {
            return Ok(());
        }
        self.write(storage)
    }

    /// Drops everything.
    pub(super) fn clear(&mut self, storage: &mut dyn Storage) -> Result<(), StorageError> {
        self.entries.clear();
        self.write(storage)
    }

    /// Replaces the file.
    pub(super) fn write(&self, storage: &mut dyn Storage) -> Result<(), StorageError> {
        if self.rules.has(Bug::EpochCheckpointNotWritten) {
            return Ok(());
        }
        checkpoint::write_leader_epochs(storage, &self.path, &self.entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory_storage::MemoryStorage;

    fn cache(entries: &[(i32, i64)]) -> LeaderEpochCache {
        let entry =
            |&(epoch, start): &(i32, i64)| EpochOffset::new(LeaderEpoch(epoch), Offset(start));
        LeaderEpochCache {
            path: "d/leader-epoch-checkpoint".to_owned(),
            rules: Rules::default(),
            entries: entries.iter().map(entry).collect(),
        }
    }

    #[test]
    fn an_assigned_epoch_drops_what_contradicts_it() {
        type Entries = &'static [(i32, i64)];
        let table: &[(Entries, (i32, i64), Entries)] = &[
            (&[], (0, 0), &[(0, 0)]),
            (&[(1, 5)], (1, 9), &[(1, 5)]),
            (&[(1, 5)], (1, 3), &[(1, 3)]),
            (&[(1, 5)], (2, 9), &[(1, 5), (2, 9)]),
            (&[(1, 5)], (2, 5), &[(2, 5)]),
            (&[(1, 5), (3, 9)], (2, 12), &[(1, 5), (2, 12)]),
            (&[(1, 5), (3, 9)], (4, 7), &[(1, 5), (4, 7)]),
            (&[(1, 5)], (-1, 9), &[(1, 5)]),
        ];
        for (before, (epoch, start), after) in table {
            let mut disk = MemoryStorage::new();
            let mut epochs = cache(before);
            epochs
                .assign(&mut disk, LeaderEpoch(*epoch), Offset(*start))
                .unwrap();
            assert_eq!(epochs.entries, cache(after).entries, "{epoch}@{start}");
        }
    }

    #[test]
    fn an_epoch_ends_where_the_next_one_starts() {
        let epochs = cache(&[(2, 10), (4, 20), (6, 30)]);
        let table = [
            (-1, None),
            (1, Some((1, 10))),
            (2, Some((2, 20))),
            (3, Some((2, 20))),
            (5, Some((4, 30))),
            (6, Some((6, 35))),
            (7, None),
        ];
        for (requested, expected) in table {
            let expected = expected.map(|(e, o)| EpochOffset::new(LeaderEpoch(e), Offset(o)));
            let found = epochs.end_offset_for(LeaderEpoch(requested), Offset(35));
            assert_eq!(found, expected, "epoch {requested}");
        }
        assert_eq!(cache(&[]).end_offset_for(LeaderEpoch(0), Offset(0)), None);
    }

    #[test]
    fn truncation_from_either_side() {
        let mut disk = MemoryStorage::new();
        for (start, expected) in [
            (9, [(2, 10), (4, 20)].as_slice()),
            (10, &[(2, 10), (4, 20)]),
            (15, &[(2, 15), (4, 20)]),
            (25, &[(4, 25)]),
        ] {
            let mut epochs = cache(&[(2, 10), (4, 20)]);
            epochs
                .truncate_from_start(&mut disk, Offset(start))
                .unwrap();
            assert_eq!(epochs.entries, cache(expected).entries, "start {start}");
        }
        for (end, expected) in [
            (21, [(2, 10), (4, 20)].as_slice()),
            (20, &[(2, 10)]),
            (10, &[]),
        ] {
            let mut epochs = cache(&[(2, 10), (4, 20)]);
            epochs.truncate_from_end(&mut disk, Offset(end)).unwrap();
            assert_eq!(epochs.entries, cache(expected).entries, "end {end}");
        }
        let epochs = cache(&[(2, 10), (4, 20)]);
        let at = |offset| epochs.epoch_at(Offset(offset)).map(|epoch| epoch.0);
        assert_eq!(
            [at(9), at(10), at(19), at(20)],
            [None, Some(2), Some(2), Some(4)]
        );
    }
}
