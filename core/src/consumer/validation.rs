//! Checking a position against a new leader (KIP-320): was the record before it truncated?
//!
//! Rule: OffsetForLeaderEpoch asks where the position's epoch ends on the leader. Below the position:
//! the log was truncated, and what the consumer read from there on is gone.
//! Invariants: an answer counts only for the position that was asked about.
//! Simplified: nothing.
//! Source: `OffsetsForLeaderEpochUtils`, `SubscriptionState.maybeCompleteValidation`.
//! Next: `positions.rs`, `complete_validation`.

use super::positions::{FetchState, Position};
use super::{Consumer, Tag};
use crate::id::{BrokerId, TopicPartition};
use crate::machine::Effects;
use crate::message::{EpochQuestion, Fetcher, OffsetForLeaderEpochRequest};
use crate::message::{OffsetForLeaderEpochResponse, Request};
use crate::time::Timestamp;
use std::collections::BTreeMap;

/// A question that was sent: which position of which partition.
pub(super) type Asked = Vec<(TopicPartition, Position)>;

impl Consumer {
    /// Asks the leaders of all partitions that await validation.
    pub(super) fn ask_epochs(&mut self, now: Timestamp, out: &mut Effects) {
        let mut by_leader: BTreeMap<BrokerId, Asked> = BTreeMap::new();
        for (partition, assigned) in self.positions.iter() {
            if assigned.state != FetchState::AwaitValidation || assigned.retry_at > now {
                continue;
            }
            let Some(position) = assigned.position else {
                continue;
            };
            if let Some(leader) = position.leadership.leader
                && self.network.is_ready(now, leader, out)
            {
                let asked = by_leader.entry(leader).or_default();
                asked.push((partition.clone(), position));
            }
        }
        for (leader, asked) in by_leader {
            let question = |(partition, position): &(TopicPartition, Position)| {
                Some(EpochQuestion {
                    partition: partition.clone(),
                    current_leader_epoch: self.fencing_epoch(position.leadership.epoch),
                    leader_epoch: position.epoch?,
                })
            };
            let request = Request::OffsetForLeaderEpoch(OffsetForLeaderEpochRequest {
                fetcher: Fetcher::Consumer,
                partitions: asked.iter().filter_map(question).collect(),
            });
            for (partition, _) in &asked {
                self.positions
                    .wait(partition, now + self.config.request_timeout);
            }
            let tag = Tag::Epochs(asked);
            self.network.send(now, leader, request, tag, out);
        }
    }

    /// Takes over where the epochs end.
    pub(super) fn take_epochs(
        &mut self,
        now: Timestamp,
        asked: Asked,
        response: &OffsetForLeaderEpochResponse,
        out: &mut Effects,
    ) {
        let mut retry = Vec::new();
        for ((partition, position), answer) in asked.into_iter().zip(&response.partitions) {
            if answer.error.is_none() {
                self.positions
                    .complete_validation(&partition, position, answer, out);
            } else {
                retry.push(partition);
            }
        }
        self.retry_later(now, &retry);
    }
}
