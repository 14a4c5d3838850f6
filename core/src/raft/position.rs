//! Where two copies of the metadata log part, and what is done about it.
//!
//! | the other copy | has to |
//! |---|---|
//! | has nothing, and there is a snapshot; or ends before this log begins | fetch the latest snapshot |
//! | parts from this log | cut its end off |
//! | else | read on |
//!
//! Invariants: a log is never cut below its high watermark.
//! Source: `RaftLog.validateOffsetAndEpoch`, `KafkaRaftLog.endOffsetForEpoch`, `truncateToEndOffset`.
//! Next: `serve.rs`, `follow.rs`.

use super::replica_log::ReplicaLog;
use crate::offset::{EpochOffset, LeaderEpoch, Offset};
use crate::storage::{Storage, StorageError};

/// Whether a fetch can go on from where it asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Position {
    /// It can.
    Valid,
    /// The logs part there.
    Diverging(EpochOffset),
    /// What it needs is only in this snapshot.
    Snapshot(EpochOffset),
}

impl ReplicaLog {
    /// Whether another copy, which ends at `from` with a record of `last_epoch`, can go on from there, and
    /// if not what it has to do. `epoch` is that of the leader. A copy that has no epoch is compared when
    /// it reads.
    /// Source: `RaftLog.validateOffsetAndEpoch`, `KafkaRaftClient.tryCompleteFetchRequest`.
    pub(super) fn position(
        &self,
        from: Offset,
        last_epoch: Option<LeaderEpoch>,
        epoch: LeaderEpoch,
    ) -> Position {
        let (start, end) = (self.log.log_start_offset(), self.log.log_end_offset());
        let snapshots = (self.snapshots.earliest(), self.snapshots.latest());
        if let (Some(earliest), Some(latest)) = snapshots {
            let other = from == start && last_epoch != Some(earliest.epoch);
            let older = last_epoch.is_none_or(|epoch| epoch < earliest.epoch);
            // Who has nothing is better off with a snapshot, even if the log has everything.
            if from == Offset::ZERO || from < start || other || older {
                return Position::Snapshot(latest);
            }
        }
        let Some(last_epoch) = last_epoch else {
            return Position::Valid;
        };
        if start == Offset::ZERO && from == Offset::ZERO {
            return Position::Valid;
        }
        let known = self.log.end_offset_for_epoch(last_epoch);
        let mut known = known.unwrap_or(EpochOffset::new(epoch, end));
        if let Some(earliest) = snapshots.0
            && known.offset == earliest.offset
            && known.epoch == last_epoch
        {
            known = earliest;
        }
        if known.epoch != last_epoch || known.offset < from {
            Position::Diverging(known)
        } else {
            Position::Valid
        }
    }

    /// Cuts what parts from the leader's log. Returns the new end.
    pub(super) fn cut(
        &mut self,
        storage: &mut dyn Storage,
        diverging: EpochOffset,
    ) -> Result<Offset, StorageError> {
        let to = match self.log.end_offset_for_epoch(diverging.epoch) {
            Some(ours) if ours.epoch == diverging.epoch => ours.offset.min(diverging.offset),
            Some(ours) => ours.offset,
            None => diverging.offset,
        };
        let committed = self.log.high_watermark();
        if to < committed {
            // The quorum has forgotten what it committed: `KafkaRaftLog.truncateTo` throws, and the
            // process ends.
            let why =
                format!("the leader's metadata log ends at {to}, but {committed} was committed");
            return Err(StorageError::Malformed(why));
        }
        self.log.truncate_to(storage, to)?;
        self.growth.cut(to);
        Ok(self.end_offset())
    }
}
