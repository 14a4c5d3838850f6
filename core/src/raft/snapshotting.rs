//! When a snapshot is made, what it takes the place of, and what those get who start from it.
//!
//! - Every replica makes its own, leader or not, of what it knows to be committed: after so many bytes of
//!   records, or after a time (`growth.rs`). The image is made of the snapshot before and the log since.
//! - Once a minute: while log and snapshots are too large and there is a newer snapshot, the oldest goes, and
//!   with it the log below the next one.
//! - Who has applied nothing yet, or less than the log still holds, gets the latest snapshot and what
//!   follows.
//!
//! Invariants: a snapshot ends where a batch does, at or below the high watermark.
//! Simplified: it is made at once, in the thread of the quorum; files go at once, not a minute later; no
//! `metadata.max.retention.ms` (a week).
//! Source: `SnapshotGenerator`, `KafkaRaftLog.maybeClean`, `deleteBeforeSnapshot`, `createNewSnapshot`;
//! `KafkaRaftClient.updateListenersProgress`, `RaftMetadataLogCleanerManager`.
//! Next: `fetch_snapshot.rs`.

use super::growth::Growth;
use super::replica_log::{CHUNK, Committed, ReplicaLog, unread};
use super::{Context, Raft, snapshots};
use crate::event::Event;
use crate::metadata::{MetadataImage, MetadataRecord};
use crate::offset::{EpochOffset, Offset};
use crate::planted::Bug;
use crate::record;
use crate::storage::{Storage, StorageError};
use crate::time::{Now, Timestamp};
use std::time::Duration;

/// `KafkaRaftClient.snapshotCleaner`.
const CLEAN_INTERVAL: Duration = Duration::from_mins(1);

/// What is committed and was not handed over yet.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// In place of everything before: the end of what it holds, and the records that make it.
    pub(crate) snapshot: Option<(Offset, Vec<MetadataRecord>)>,
    pub(crate) batches: Vec<Committed>,
    /// Where they end.
    pub(crate) next: Offset,
}

impl Raft {
    /// Makes a snapshot, and cleans, if it is time.
    pub(super) fn snapshot_if_due(
        &mut self,
        context: &mut Context<'_>,
    ) -> Result<(), StorageError> {
        let now = context.now.monotonic;
        if self.log.growth.is_due(&self.settings, now)
            && let Some((id, crc)) = self.log.make_snapshot(context)?
        {
            let (offset, epoch) = (id.offset, id.epoch);
            let made = Event::QuorumSnapshot { offset, epoch, crc };
            context.out.observe(made);
            self.made = Some(offset);
            if self.log.snapshots.oldest_two().is_some() {
                self.clean_at.get_or_insert(now + CLEAN_INTERVAL);
            }
        }
        if self.clean_at.is_some_and(|at| at <= now) {
            self.clean(context)?;
            let more = self.log.snapshots.oldest_two().is_some();
            self.clean_at = more.then_some(now + CLEAN_INTERVAL);
        }
        Ok(())
    }

    fn clean(&mut self, context: &mut Context<'_>) -> Result<(), StorageError> {
        let Ok(most) = u64::try_from(self.settings.retention_bytes) else {
            return Ok(());
        };
        while let Some((_, next, sizes)) = self.log.snapshots.oldest_two()
            && self.log.log.size() + sizes > most
        {
            let raised = self.log.start_at(context.storage, next)?;
            let Some(offset) = raised else { break };
            context.out.observe(Event::QuorumLogStart { offset });
        }
        Ok(())
    }

    /// Where the snapshot ends that was made since the last call, if one was: its owner then tells what it
    /// knows itself.
    pub(crate) fn take_made(&mut self) -> Option<Offset> {
        self.made.take()
    }

    pub(super) fn clean_deadline(&self) -> Option<Timestamp> {
        self.clean_at
    }

    /// What is committed from `next` on.
    pub(crate) fn committed(
        &mut self,
        storage: &mut dyn Storage,
        next: Offset,
    ) -> Result<News, StorageError> {
        let behind = next == Offset::ZERO || next < self.log.start_offset();
        let latest = self.log.snapshots.latest();
        let latest = latest.filter(|id| behind && id.offset <= self.log.high_watermark());
        let snapshot = match latest {
            Some(id) => Some((id.offset, self.log.read_snapshot(storage, id)?)),
            None => None,
        };
        let from = snapshot.as_ref().map_or(next, |(end, _)| *end);
        let (batches, next) = self.log.committed(storage, from)?;
        Ok(News {
            snapshot,
            batches,
            next,
        })
    }
}

impl ReplicaLog {
    /// What the snapshots on the disk say of the log: where it begins, what is committed at least.
    /// Source: `KafkaRaftLog.createLog`.
    pub(super) fn follow_snapshots(
        &mut self,
        storage: &mut dyn Storage,
        now: Now,
    ) -> Result<(), StorageError> {
        // The process ended between writing a fetched snapshot and beginning the log anew.
        self.start_at_latest_snapshot(storage, now)?;
        let Some(latest) = self.snapshots.latest() else {
            return Ok(());
        };
        self.log.set_high_watermark(latest.offset);
        if self.log.log_start_offset() > Offset::ZERO
            && let Some(earliest) = self.snapshots.earliest()
        {
            self.log.raise_log_start(storage, earliest.offset)?;
        }
        let mut bytes = 0;
        let (mut at, end) = (latest.offset, self.end_offset());
        while at < end {
            let chunk = self
                .log
                .read(storage, at, end, CHUNK, true)
                .map_err(unread)?;
            let last = record::batches(&chunk).filter_map(Result::ok).last();
            let Some(last) = last else { break };
            bytes += u64::try_from(chunk.len()).unwrap_or(0);
            at = last.last_offset().next();
        }
        self.growth = Growth::new(end, bytes, now.monotonic);
        Ok(())
    }

    /// Begins the log anew behind the latest snapshot, if that is ahead of it. Returns whether it did.
    /// Source: `KafkaRaftLog.truncateToLatestSnapshot`.
    pub(super) fn start_at_latest_snapshot(
        &mut self,
        storage: &mut dyn Storage,
        now: Now,
    ) -> Result<bool, StorageError> {
        let Some(latest) = self.snapshots.latest() else {
            return Ok(false);
        };
        if latest <= EpochOffset::new(self.end().0, self.end().1) {
            return Ok(false);
        }
        let offset = latest.offset;
        self.log.truncate_fully_and_start_at(storage, offset, now)?;
        self.snapshots.forget_before(storage, latest)?;
        self.growth = Growth::new(offset, 0, now.monotonic);
        Ok(true)
    }

    /// Makes a snapshot of everything that is committed. Returns its name and the checksum of the image.
    fn make_snapshot(
        &mut self,
        context: &mut Context<'_>,
    ) -> Result<Option<(EpochOffset, u32)>, StorageError> {
        let end = self.high_watermark();
        self.growth.reset(context.now.monotonic);
        let Some(epoch) = self.log.epoch_at(end + -1) else {
            return Ok(None);
        };
        let id = EpochOffset::new(epoch, end);
        if self.snapshots.contains(id) {
            return Ok(None);
        }
        let image = self.image(context.storage)?;
        let mut records = image.records();
        if self.rules().has(Bug::SnapshotWithoutSettings) {
            records.retain(|record| !matches!(record, MetadataRecord::Config(_)));
        }
        let bytes = snapshots::encode(&records, context.now.wall);
        self.snapshots.write(context.storage, id, &bytes)?;
        Ok(Some((id, image.checksum())))
    }

    /// The image of what is committed: the latest snapshot, and the log since.
    fn image(&mut self, storage: &mut dyn Storage) -> Result<MetadataImage, StorageError> {
        let mut image = MetadataImage::new(self.rules());
        let mut from = Offset::ZERO;
        if let Some(id) = self.snapshots.latest() {
            let records = self.read_snapshot(storage, id)?;
            let read = MetadataImage::from_records(self.rules(), id.offset, &records);
            image = read.map_err(StorageError::Malformed)?;
            from = id.offset;
        }
        let (batches, _) = self.committed(storage, from)?;
        for (offset, record) in batches.iter().flatten() {
            let applied = image.apply(*offset, record);
            applied.map_err(StorageError::Malformed)?;
        }
        Ok(image)
    }

    fn read_snapshot(
        &self,
        storage: &mut dyn Storage,
        id: EpochOffset,
    ) -> Result<Vec<MetadataRecord>, StorageError> {
        let bytes = self.snapshots.read(storage, id)?.unwrap_or_default();
        snapshots::decode(&bytes).map_err(StorageError::Malformed)
    }

    /// Deletes the log below a snapshot, and the snapshots before it. Returns where the log starts then, if
    /// it was raised.
    fn start_at(
        &mut self,
        storage: &mut dyn Storage,
        id: EpochOffset,
    ) -> Result<Option<Offset>, StorageError> {
        let to = if self.rules().has(Bug::MetadataLogCutTooFar) {
            self.high_watermark()
        } else {
            id.offset
        };
        if !self.log.raise_log_start(storage, to)? {
            return Ok(None);
        }
        self.snapshots.forget_before(storage, id)?;
        Ok(Some(to))
    }
}
