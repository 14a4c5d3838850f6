//! Finding a position: ListOffsets for the log's start or end, as `auto.offset.reset` says.
//!
//! Rule: the leader is asked; an error or a lost request is tried again after a backoff with fresh
//! metadata. The found position carries no epoch, so it is not validated.
//! Invariants: at most one request in flight per partition (until its timeout).
//! Simplified: no `by_duration` (KIP-1106).
//! Source: `OffsetFetcher.resetPositionsAsync`, `OffsetFetcherUtils.handleListOffsetResponse`.
//! Next: `validation.rs`.

use super::positions::FetchState;
use super::{Consumer, Tag};
use crate::config::AutoOffsetReset;
use crate::id::{BrokerId, TopicPartition};
use crate::machine::Effects;
use crate::message::{Fetcher, ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse};
use crate::message::{OffsetTarget, Request};
use crate::planted::Bug;
use crate::time::Timestamp;
use std::collections::BTreeMap;

impl Consumer {
    /// Asks the leaders of all partitions that await a reset.
    pub(super) fn ask_offsets(&mut self, now: Timestamp, out: &mut Effects) {
        let mut by_leader: BTreeMap<BrokerId, Vec<TopicPartition>> = BTreeMap::new();
        for (partition, assigned) in self.positions.iter() {
            let awaits = matches!(assigned.state, FetchState::AwaitReset(..));
            if !awaits || assigned.retry_at > now {
                continue;
            }
            match self.network.metadata.leadership(partition).leader {
                Some(leader) if self.network.is_ready(now, leader, out) => {
                    by_leader.entry(leader).or_default().push(partition.clone());
                }
                Some(_) => {}
                None => self.network.metadata.request_update(),
            }
        }
        for (leader, partitions) in by_leader {
            self.ask_offsets_of(now, leader, partitions, out);
        }
    }

    fn ask_offsets_of(
        &mut self,
        now: Timestamp,
        leader: BrokerId,
        partitions: Vec<TopicPartition>,
        out: &mut Effects,
    ) {
        let target = match self.config.auto_offset_reset {
            _ if self.rules.has(Bug::ResetsToLatest) => OffsetTarget::Latest,
            AutoOffsetReset::Earliest => OffsetTarget::Earliest,
            AutoOffsetReset::Latest | AutoOffsetReset::None => OffsetTarget::Latest,
        };
        let ask = |partition: &TopicPartition| ListOffsetsPartition {
            partition: partition.clone(),
            current_leader_epoch: self
                .fencing_epoch(self.network.metadata.leadership(partition).epoch),
            target,
        };
        let request = Request::ListOffsets(ListOffsetsRequest {
            fetcher: Fetcher::Consumer,
            partitions: partitions.iter().map(ask).collect(),
        });
        for partition in &partitions {
            self.positions
                .wait(partition, now + self.config.request_timeout);
        }
        let tag = Tag::Offsets(partitions);
        self.network.send(now, leader, request, tag, out);
    }

    /// Takes over the offsets that were found.
    pub(super) fn take_offsets(
        &mut self,
        now: Timestamp,
        asked: Vec<TopicPartition>,
        response: &ListOffsetsResponse,
        out: &mut Effects,
    ) {
        let mut retry = Vec::new();
        for (partition, answer) in asked.into_iter().zip(&response.partitions) {
            match answer.offset.filter(|_| answer.error.is_none()) {
                Some(offset) => {
                    let leadership = self.network.metadata.leadership(&partition);
                    self.positions
                        .complete_reset(&partition, offset, leadership, out);
                    if let Some(epoch) = answer.leader_epoch {
                        self.network.metadata.observe_epoch(&partition, epoch);
                    }
                }
                None => retry.push(partition),
            }
        }
        self.retry_later(now, &retry);
    }
}
