//! What a leader answers about its log: offsets by time, ends of epochs, who leads.
//!
//! Source: `Partition.fetchOffsetForTimestamp`, `lastOffsetForLeaderEpoch`; KIP-207, KIP-951.
//! Next: `broker/queries.rs` calls it.

use super::leader::Refusal;
use super::{Context, Partition};
use crate::error::ErrorCode;
use crate::message::{
    EpochAnswer, EpochQuestion, Fetcher, LeaderIdAndEpoch, ListOffsetsPartition,
    ListOffsetsPartitionResponse, OffsetTarget,
};
use crate::offset::EpochOffset;
use crate::rules::Truncation;

impl Partition {
    /// Answers ListOffsets for this partition.
    pub(crate) fn list_offset(
        &mut self,
        context: &mut Context<'_>,
        fetcher: Fetcher,
        request: &ListOffsetsPartition,
    ) -> Result<ListOffsetsPartitionResponse, Refusal> {
        self.check_epoch(request.current_leader_epoch, true)?;
        let is_client = fetcher == Fetcher::Consumer;
        let bound = if is_client {
            self.log.high_watermark()
        } else {
            self.log.log_end_offset()
        };
        // A new leader learns only from its followers' fetches how far its epoch's start is
        // replicated; until then its high watermark may be behind what clients have seen (KIP-207).
        let start = self
            .leadership
            .as_ref()
            .map(|leadership| leadership.epoch_start_offset);
        let lagging = is_client && start.is_some_and(|start| start > self.log.high_watermark());
        let not_available = Refusal::Code(ErrorCode::OffsetNotAvailable);
        let found = match request.target {
            OffsetTarget::Latest if lagging => return Err(not_available),
            OffsetTarget::Latest => Some((bound, Some(self.leader_epoch))),
            OffsetTarget::Earliest => {
                let start = self.log.log_start_offset();
                Some((start, self.log.epoch_at(start)))
            }
            OffsetTarget::At(time) => {
                let found = self.log.offset_for_time(context.storage, time)?;
                match found {
                    Some(found) if found.offset < bound => Some((found.offset, Some(found.epoch))),
                    _ if lagging => return Err(not_available),
                    _ => None,
                }
            }
        };
        Ok(ListOffsetsPartitionResponse {
            partition: request.partition.clone(),
            error: ErrorCode::None,
            offset: found.map(|(offset, _)| offset),
            leader_epoch: found.and_then(|(_, epoch)| epoch),
        })
    }

    /// Answers OffsetForLeaderEpoch for this partition.
    pub(crate) fn epoch_end(
        &self,
        truncation: Truncation,
        question: &EpochQuestion,
    ) -> Result<EpochAnswer, Refusal> {
        self.check_epoch(question.current_leader_epoch, true)?;
        let mut found = self.log.end_offset_for_epoch(question.leader_epoch);
        if found.is_none() && truncation == Truncation::Epoch279Proposed {
            let last = self.log.latest_epoch();
            found = last.map(|epoch| EpochOffset::new(epoch, self.log.log_end_offset()));
        }
        // KIP-101's answer did not say which epoch it is about.
        let names_epoch = truncation > Truncation::Epoch101;
        Ok(EpochAnswer {
            partition: question.partition.clone(),
            error: ErrorCode::None,
            leader_epoch: found.filter(|_| names_epoch).map(|found| found.epoch),
            end_offset: found.map(|found| found.offset),
        })
    }

    /// Who leads now, as a hint to a client that came to the wrong broker (KIP-951).
    pub(crate) fn leader_hint(&self) -> LeaderIdAndEpoch {
        LeaderIdAndEpoch {
            leader: self.leader,
            epoch: self.leader_epoch,
        }
    }
}
