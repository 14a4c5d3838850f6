//! What a follower does with its log: append what the leader sent, take over its high watermark, and
//! cut off what parts from the leader's log.
//!
//! Where to cut, given the leader's largest epoch at or below ours and that epoch's end:
//! - the leader knows none: at the offset that would be fetched next, which is the high watermark at
//!   first, and later where an earlier answer has cut;
//! - the answer names no epoch (KIP-101): at the leader's end, if ours is longer;
//! - we have that epoch: at the smaller of both ends; the logs agree below;
//! - we do not have it: at the end of our next lower epoch, and then ask again, for the logs may part
//!   further down (KIP-279).
//!
//! Source: `AbstractFetcherThread.getOffsetTruncationState`, `ReplicaFetcherThread.processPartitionData`.
//! Next: `broker/fetcher.rs` calls it.

use super::{Context, Partition};
use crate::event::{Event, TruncationCause};
use crate::log::{AppendError, AppendedBatch};
use crate::machine::Effects;
use crate::offset::{EpochOffset, LeaderEpoch, Offset};
use crate::storage::StorageError;
use bytes::Bytes;

/// Where the leader says that the logs part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Divergence {
    /// The leader's largest epoch at or below ours; `None` = the answer does not say.
    pub(crate) epoch: Option<LeaderEpoch>,
    /// That epoch's end on the leader; `None` = the leader does not know.
    pub(crate) end: Option<Offset>,
}

/// Where a follower's log is to be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CutAt {
    /// The log's new end.
    pub(crate) offset: Offset,
    /// Below it the logs agree; else the leader has to be asked again.
    pub(crate) complete: bool,
}

impl Partition {
    /// Where to cut the log. `fetch_offset` is what the fetcher would fetch next.
    pub(crate) fn cut_at(&self, divergence: Divergence, fetch_offset: Offset) -> CutAt {
        let log_end = self.log.log_end_offset();
        let complete = |offset: Offset| CutAt {
            offset: offset.min(log_end),
            complete: true,
        };
        match divergence {
            Divergence { end: None, .. } => complete(fetch_offset),
            Divergence {
                epoch: None,
                end: Some(end),
            } => complete(end),
            Divergence {
                epoch: Some(epoch),
                end: Some(end),
            } => match self.log.end_offset_for_epoch(epoch) {
                None => complete(end),
                Some(ours) if ours.epoch == epoch => complete(ours.offset.min(end)),
                Some(ours) => CutAt {
                    offset: ours.offset.min(log_end),
                    complete: false,
                },
            },
        }
    }

    /// Cuts the log and reports it. Returns where it ends now.
    pub(crate) fn truncate(
        &mut self,
        context: &mut Context<'_>,
        to: Offset,
        cause: TruncationCause,
        out: &mut Effects,
    ) -> Result<Offset, StorageError> {
        let from = self.log.log_end_offset();
        let high_watermark = self.log.high_watermark();
        let done = self.log.truncate_to(context.storage, to);
        // A disk that fails after the cut does not undo it.
        let to = self.log.log_end_offset();
        if to < from {
            out.observe(Event::Truncated {
                partition: self.name().clone(),
                from,
                to,
                cause,
            });
            self.observe_high_watermark(high_watermark, out);
        }
        done?;
        Ok(to)
    }

    /// Drops the whole log and starts again at `offset`.
    pub(crate) fn restart_log(
        &mut self,
        context: &mut Context<'_>,
        offset: Offset,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        let from = self.log.log_end_offset();
        let high_watermark = self.log.high_watermark();
        let log = &mut self.log;
        let done = log.truncate_fully_and_start_at(context.storage, offset, context.now);
        if done.is_ok() || self.log.log_end_offset() != from {
            let cause = TruncationCause::OutOfRange;
            out.observe(Event::Truncated {
                partition: self.name().clone(),
                from,
                to: offset,
                cause,
            });
            self.observe_high_watermark(high_watermark, out);
        }
        done
    }

    /// Appends what the leader sent, then takes over its high watermark as far as the log reaches.
    pub(crate) fn append_fetched(
        &mut self,
        context: &mut Context<'_>,
        records: &Bytes,
        leader_high_watermark: Offset,
        out: &mut Effects,
    ) -> Result<Vec<AppendedBatch>, AppendError> {
        let epoch = self.leader_epoch;
        let batches = if records.is_empty() {
            Vec::new()
        } else {
            self.log
                .append_as_follower(context.storage, records, epoch, context.now)?
        };
        for batch in &batches {
            self.observe_append(batch, out);
        }
        self.log.flush_if_due(context.storage)?;
        self.follow_high_watermark(leader_high_watermark, out);
        Ok(batches)
    }

    /// Takes over the leader's high watermark as far as the log reaches.
    pub(crate) fn follow_high_watermark(&mut self, of_leader: Offset, out: &mut Effects) {
        let before = self.log.high_watermark();
        self.log.set_high_watermark(of_leader);
        self.observe_high_watermark(before, out);
    }

    /// The last epoch and the end of this log: what a fetch tells the leader.
    pub(crate) fn log_end(&self) -> (Option<LeaderEpoch>, Offset) {
        (self.log.latest_epoch(), self.log.log_end_offset())
    }

    fn observe_high_watermark(&self, before: Offset, out: &mut Effects) {
        let offset = self.log.high_watermark();
        if offset != before {
            out.observe(Event::HighWatermark {
                partition: self.name().clone(),
                offset,
            });
        }
    }
}

impl Divergence {
    /// What a fetch response told.
    pub(crate) fn of(diverging: EpochOffset) -> Self {
        Self {
            epoch: Some(diverging.epoch),
            end: Some(diverging.offset),
        }
    }

    /// How a truncation by it is reported.
    pub(crate) fn cause(self) -> TruncationCause {
        match (self.epoch, self.end) {
            (epoch, Some(end)) => TruncationCause::DivergingEpoch(EpochOffset::new(
                epoch.unwrap_or(LeaderEpoch(-1)),
                end,
            )),
            (_, None) => TruncationCause::HighWatermark,
        }
    }
}
