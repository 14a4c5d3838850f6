//! Where a consumer stands in each of its partitions, and what it has to do before it may read on.
//!
//! Rule: a partition without a position awaits a reset; one whose leader or leader epoch changed awaits
//! validation (KIP-320), if its position has an epoch; only a fetching one is read.
//! Invariants: a fetching or validating partition has a position, the others have none (a stopped one
//! keeps its last, for the reports).
//! Simplified: an application that is told of an error it would have to handle (no reset policy, a
//! corrupt record) does not: the partition stops. Partitions cannot be paused.
//! Source: `SubscriptionState`, `OffsetFetcherUtils.resetPositionIfNeeded`.
//! Next: `fetcher.rs`, `offset_reset.rs`, `validation.rs`.

use super::read_replica::ReadReplica;
use crate::client_metadata::{ClientMetadata, Leadership};
use crate::config::AutoOffsetReset;
use crate::error::ErrorCode;
use crate::event::{Event, ResetCause};
use crate::id::TopicPartition;
use crate::machine::Effects;
use crate::message::EpochAnswer;
use crate::offset::{EpochOffset, LeaderEpoch, Offset};
use crate::planted::Bug;
use crate::rules::Rules;
use crate::time::Timestamp;
use std::collections::BTreeMap;

/// A place in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    /// The next record to read.
    pub(super) offset: Offset,
    /// The leader epoch of the record before, if any was read.
    pub(super) epoch: Option<LeaderEpoch>,
    /// The leader that the position is known to be good for.
    pub(super) leadership: Leadership,
}

/// What a partition waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FetchState {
    /// It was just assigned.
    Initializing,
    /// Nothing: it is read.
    Fetching,
    /// An offset from ListOffsets, because of this, with the position before.
    AwaitReset(ResetCause, Option<Offset>),
    /// The answer whether the new leader has what was read.
    AwaitValidation,
    /// The application, for ever.
    Stopped,
}

/// One partition of the consumer.
#[derive(Clone, Debug)]
pub(super) struct Assigned {
    pub(super) state: FetchState,
    pub(super) position: Option<Position>,
    /// No request for it is sent before this.
    pub(super) retry_at: Timestamp,
    /// Partitions are fetched in the order of their turns.
    pub(super) turn: u64,
    /// The follower that its leader has named to read from.
    pub(super) read_replica: Option<ReadReplica>,
}

/// All partitions of the consumer.
#[derive(Debug)]
pub(super) struct Positions {
    partitions: BTreeMap<TopicPartition, Assigned>,
    policy: AutoOffsetReset,
    rules: Rules,
    next_turn: u64,
}

impl Positions {
    pub(super) fn new(policy: AutoOffsetReset, rules: Rules) -> Self {
        Self {
            partitions: BTreeMap::new(),
            policy,
            rules,
            next_turn: 0,
        }
    }

    /// Takes over an assignment. Partitions that were there before keep their positions.
    pub(super) fn assign(&mut self, partitions: Vec<TopicPartition>) {
        let mut old = std::mem::take(&mut self.partitions);
        for partition in partitions {
            let turn = self.take_turn();
            let assigned = old.remove(&partition).unwrap_or(Assigned {
                state: FetchState::Initializing,
                position: None,
                retry_at: Timestamp::ZERO,
                turn,
                read_replica: None,
            });
            self.partitions.insert(partition, assigned);
        }
    }

    /// Every partition that was just assigned gets a position, if the policy can give one.
    pub(super) fn initialize(&mut self, out: &mut Effects) {
        let fresh: Vec<TopicPartition> = self
            .partitions
            .iter()
            .filter(|(_, assigned)| assigned.state == FetchState::Initializing)
            .map(|(partition, _)| partition.clone())
            .collect();
        for partition in fresh {
            self.reset(&partition, ResetCause::NoPosition, out);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&TopicPartition, &Assigned)> {
        self.partitions.iter()
    }

    pub(super) fn get_mut(&mut self, partition: &TopicPartition) -> Option<&mut Assigned> {
        self.partitions.get_mut(partition)
    }

    /// The position, if the partition is fetching.
    pub(super) fn fetching(&self, partition: &TopicPartition) -> Option<Position> {
        let assigned = self.partitions.get(partition)?;
        assigned
            .position
            .filter(|_| assigned.state == FetchState::Fetching)
    }

    pub(super) fn is_assigned_topic(&self, topic: &str) -> bool {
        self.partitions
            .keys()
            .any(|partition| &*partition.topic == topic)
    }

    /// Looks at who leads now: positions under another leader await validation.
    pub(super) fn update_leaders(&mut self, metadata: &ClientMetadata) {
        for (partition, assigned) in &mut self.partitions {
            assigned.update_leader(metadata.leadership(partition), self.rules);
        }
    }

    /// As `update_leaders`, for one partition.
    pub(super) fn update_leader(&mut self, partition: &TopicPartition, leadership: Leadership) {
        if let Some(assigned) = self.partitions.get_mut(partition) {
            assigned.update_leader(leadership, self.rules);
        }
    }

    /// The application got the records before `offset`, the last of `epoch`.
    pub(super) fn advance(
        &mut self,
        partition: &TopicPartition,
        offset: Offset,
        epoch: Option<LeaderEpoch>,
    ) {
        let turn = self.take_turn();
        if let Some(assigned) = self.partitions.get_mut(partition) {
            assigned.turn = turn;
            if let Some(position) = &mut assigned.position {
                position.offset = offset;
                position.epoch = epoch;
            }
        }
    }

    /// The position is gone: by the policy, another one is to be found, or the application is told.
    pub(super) fn reset(
        &mut self,
        partition: &TopicPartition,
        cause: ResetCause,
        out: &mut Effects,
    ) {
        if self.policy == AutoOffsetReset::None {
            self.give_up(partition, cause, out);
        } else if let Some(assigned) = self.partitions.get_mut(partition) {
            let from = assigned.position.take().map(|position| position.offset);
            assigned.state = FetchState::AwaitReset(cause, from);
            assigned.retry_at = Timestamp::ZERO;
        }
    }

    fn give_up(&mut self, partition: &TopicPartition, cause: ResetCause, out: &mut Effects) {
        if let Some(assigned) = self.partitions.get_mut(partition) {
            assigned.state = FetchState::Stopped;
            out.observe(Event::PositionReset {
                partition: partition.clone(),
                from: assigned.position.map(|position| position.offset),
                to: None,
                cause,
            });
        }
    }

    /// The application is told of an error; the partition is no longer read.
    pub(super) fn stop(&mut self, partition: &TopicPartition, error: ErrorCode, out: &mut Effects) {
        if let Some(assigned) = self.partitions.get_mut(partition) {
            assigned.state = FetchState::Stopped;
            out.observe(Event::FetchFailed {
                partition: partition.clone(),
                error,
            });
        }
    }

    /// ListOffsets found where to start. Without an epoch, the position needs no validation.
    pub(super) fn complete_reset(
        &mut self,
        partition: &TopicPartition,
        offset: Offset,
        leadership: Leadership,
        out: &mut Effects,
    ) {
        let Some(assigned) = self.partitions.get_mut(partition) else {
            return;
        };
        let FetchState::AwaitReset(cause, from) = assigned.state else {
            return;
        };
        assigned.state = FetchState::Fetching;
        assigned.retry_at = Timestamp::ZERO;
        assigned.position = Some(Position {
            offset,
            epoch: None,
            leadership,
        });
        out.observe(Event::PositionReset {
            partition: partition.clone(),
            from,
            to: Some(offset),
            cause,
        });
    }

    /// The leader told where the epoch of the position ends there. If that is below the position,
    /// what was read from there on has been truncated.
    pub(super) fn complete_validation(
        &mut self,
        partition: &TopicPartition,
        asked: Position,
        answer: &EpochAnswer,
        out: &mut Effects,
    ) {
        let Some(assigned) = self.partitions.get_mut(partition) else {
            return;
        };
        if assigned.state != FetchState::AwaitValidation || assigned.position != Some(asked) {
            return;
        }
        let (Some(epoch), Some(end)) = (answer.leader_epoch, answer.end_offset) else {
            self.reset(partition, ResetCause::Truncated(None), out);
            return;
        };
        if end >= asked.offset {
            assigned.state = FetchState::Fetching;
            assigned.retry_at = Timestamp::ZERO;
            if self.rules.has(Bug::ValidPositionJumps) {
                assigned.position = Some(Position {
                    offset: end,
                    ..asked
                });
            }
            return;
        }
        let cause = ResetCause::Truncated(Some(EpochOffset::new(epoch, end)));
        if self.policy == AutoOffsetReset::None {
            self.give_up(partition, cause, out);
            return;
        }
        assigned.state = FetchState::Fetching;
        assigned.retry_at = Timestamp::ZERO;
        assigned.position = Some(Position {
            offset: end,
            epoch: Some(epoch),
            leadership: asked.leadership,
        });
        out.observe(Event::PositionReset {
            partition: partition.clone(),
            from: Some(asked.offset),
            to: Some(end),
            cause,
        });
    }

    /// No request for the partition before `at`.
    pub(super) fn wait(&mut self, partition: &TopicPartition, at: Timestamp) {
        if let Some(assigned) = self.partitions.get_mut(partition) {
            assigned.retry_at = at;
        }
    }

    /// After an error: the others first.
    pub(super) fn move_to_end(&mut self, partition: &TopicPartition) {
        let turn = self.take_turn();
        if let Some(assigned) = self.partitions.get_mut(partition) {
            assigned.turn = turn;
        }
    }

    fn take_turn(&mut self) -> u64 {
        self.next_turn += 1;
        self.next_turn
    }
}

impl Assigned {
    /// Positions are validated since KIP-320.
    fn update_leader(&mut self, leadership: Leadership, rules: Rules) {
        let active = matches!(
            self.state,
            FetchState::Fetching | FetchState::AwaitValidation
        );
        let Some(position) = self.position.as_mut().filter(|_| active) else {
            return;
        };
        if leadership.leader.is_none() || position.leadership == leadership {
            return;
        }
        position.leadership = leadership;
        self.read_replica = None;
        let known = position.epoch.is_some() && leadership.epoch.is_some();
        if rules.has(Bug::RereadsAfterLeaderChange) {
            position.offset = Offset::ZERO.max(position.offset + -1);
        }
        self.state = if rules.fetch_epoch_fencing && known {
            FetchState::AwaitValidation
        } else {
            FetchState::Fetching
        };
        self.retry_at = Timestamp::ZERO;
    }
}
