//! The parts of a replica fetcher that look for the point where the logs part by asking: the
//! generations before truncation on fetch, and logs that are out of range.
//!
//! | generation | before it fetches, a follower |
//! |---|---|
//! | `hw` | cuts at its own high watermark: acknowledged records above it are gone if it is elected next |
//! | `epoch101` | asks where its last epoch ends and cuts there |
//! | `epoch279` | the same, and asks again while the leader names an epoch that it does not have |
//! | `on_fetch` | just fetches, if it knows its last epoch |
//!
//! Source: `AbstractFetcherThread.maybeTruncate`, `truncateToHighWatermark`,
//! `truncateToEpochEndOffsets`, `fetchOffsetAndTruncate`; KIP-101, KIP-279.
//! Next: `partition/follower.rs`.

use super::fetcher::{Asked, ReplicaFetcher, TO_HIGH_WATERMARK, replica};
use super::followed::{Following, Position, State};
use super::replicas::Replicas;
use super::shared::Shared;
use crate::event::TruncationCause;
use crate::id::TopicPartition;
use crate::machine::Effects;
use crate::message::{
    EpochAnswer, EpochQuestion, ListOffsetsPartition, ListOffsetsPartitionResponse,
    ListOffsetsRequest, OffsetForLeaderEpochRequest, OffsetTarget, Request,
};
use crate::partition::Divergence;
use crate::rules::Truncation;
use crate::storage::StorageError;
use crate::time::{Now, Timestamp};

impl ReplicaFetcher {
    /// Cuts at the high watermark where no epoch helps.
    pub(super) fn truncate_without_epochs(
        &mut self,
        shared: &mut Shared,
        replicas: &mut Replicas,
        now: Now,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        let by_epoch = shared.rules.truncation != Truncation::Hw;
        let due =
            |one: &&Following| one.state == State::Truncating && one.delayed_until <= now.monotonic;
        let due = self.followed.unsettled().filter(due);
        let due: Vec<TopicPartition> = due.map(|one| one.id.partition.clone()).collect();
        for name in due {
            let (Some(following), Some(partition)) =
                (self.followed.change(&name), replicas.get_mut(&name))
            else {
                continue;
            };
            if by_epoch && partition.log().latest_epoch().is_some() {
                continue;
            }
            let to = partition.log().high_watermark();
            let mut context = shared.context(now);
            let done = partition.truncate(&mut context, to, TO_HIGH_WATERMARK, out);
            following.state = match shared.survive(done)? {
                Some(end) => {
                    following.offset = end;
                    State::Fetching
                }
                None => State::Failed,
            };
        }
        Ok(())
    }

    /// Asks where the last epochs of the partitions that look for the point end.
    pub(super) fn epoch_request(
        &self,
        shared: &Shared,
        replicas: &Replicas,
        now: Timestamp,
    ) -> Option<(Request, Asked)> {
        let (mut partitions, mut positions) = (Vec::new(), Vec::new());
        let due = |one: &&Following| one.state == State::Truncating && one.delayed_until <= now;
        for one in self.followed.unsettled().filter(due) {
            let name = &one.id.partition;
            let epoch = replicas
                .get(name)
                .and_then(|partition| partition.log().latest_epoch());
            let Some(leader_epoch) = epoch else { continue };
            positions.push(one.position());
            partitions.push(EpochQuestion {
                partition: name.clone(),
                current_leader_epoch: one.request_epoch(shared),
                leader_epoch,
            });
        }
        let request = OffsetForLeaderEpochRequest {
            fetcher: replica(shared),
            partitions,
        };
        (!positions.is_empty()).then(|| {
            (
                Request::OffsetForLeaderEpoch(request),
                Asked::Epochs(positions),
            )
        })
    }

    /// Cuts where the leader says that the logs part.
    pub(super) fn take_epoch_end(
        &mut self,
        shared: &mut Shared,
        replicas: &mut Replicas,
        position: &Position,
        answer: &EpochAnswer,
        now: Now,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        let Some(following) = self.unchanged(position, shared.rules) else {
            return Ok(());
        };
        if !answer.error.is_none() {
            following.refused(shared, answer.error, now.monotonic);
            return Ok(());
        }
        let Some(partition) = replicas.get_mut(&position.partition) else {
            return Ok(());
        };
        let divergence = Divergence {
            epoch: answer.leader_epoch,
            end: answer.end_offset,
        };
        let cut = partition.cut_at(divergence, following.offset);
        let mut context = shared.context(now);
        following.offset = partition.truncate(&mut context, cut.offset, divergence.cause(), out)?;
        if cut.complete {
            following.state = State::Fetching;
        }
        Ok(())
    }

    /// Asks for the bounds of the leader's logs where ours are out of range.
    pub(super) fn range_request(
        &self,
        shared: &Shared,
        now: Timestamp,
    ) -> Option<(Request, Asked)> {
        let wants = |one: &&Following, end| {
            one.state == State::OutOfRange { end } && one.delayed_until <= now
        };
        let end = self.followed.unsettled().any(|one| wants(&one, true));
        let partitions: Vec<&Following> = self
            .followed
            .unsettled()
            .filter(|one| wants(one, end))
            .collect();
        if partitions.is_empty() {
            return None;
        }
        let question = |one: &&Following| ListOffsetsPartition {
            partition: one.id.partition.clone(),
            current_leader_epoch: one.request_epoch(shared),
            target: if end {
                OffsetTarget::Latest
            } else {
                OffsetTarget::Earliest
            },
        };
        let request = ListOffsetsRequest {
            fetcher: replica(shared),
            partitions: partitions.iter().map(question).collect(),
        };
        let positions = partitions.iter().map(|one| one.position()).collect();
        Some((
            Request::ListOffsets(request),
            Asked::Range { positions, end },
        ))
    }

    /// Cuts the log to the leader's end, or starts it again at the leader's start.
    pub(super) fn take_range(
        &mut self,
        shared: &mut Shared,
        replicas: &mut Replicas,
        asked: (&Position, bool),
        answer: &ListOffsetsPartitionResponse,
        now: Now,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        let (position, is_end) = asked;
        let Some(following) = self.unchanged(position, shared.rules) else {
            return Ok(());
        };
        let Some(offset) = answer.offset.filter(|_| answer.error.is_none()) else {
            following.refused(shared, answer.error, now.monotonic);
            return Ok(());
        };
        let Some(partition) = replicas.get_mut(&position.partition) else {
            return Ok(());
        };
        let mut context = shared.context(now);
        let end = partition.log().log_end_offset();
        if is_end && offset >= end {
            // The leader has more than we do, so its log must begin above our end: ask where.
            following.state = State::OutOfRange { end: false };
            return Ok(());
        }
        if is_end {
            let cause = TruncationCause::OutOfRange;
            following.offset = partition.truncate(&mut context, offset, cause, out)?;
        } else if offset > end {
            partition.restart_log(&mut context, offset, out)?;
            following.offset = offset;
        } else {
            following.offset = end;
        }
        let on_fetch = shared.rules.truncation == Truncation::OnFetch;
        following.last_fetched_epoch = partition.log().latest_epoch().filter(|_| on_fetch);
        following.state = State::Fetching;
        Ok(())
    }
}
