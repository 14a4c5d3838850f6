//! The partitions that a replica fetcher follows, and how far it is with each.
//!
//! A partition is *settled* when it was asked for as it is now: nothing has to be done about it but to ask
//! for it again, which an incremental fetch does by not naming it (KIP-227). So a fetcher looks only at those
//! that are not.
//!
//! Source: `PartitionFetchState`, `PartitionStates`, `AbstractFetcherThread.processPartitionData`.
//! Next: `fetcher.rs`.

use super::shared::Shared;
use crate::error::ErrorCode;
use crate::id::{TopicIdPartition, TopicPartition};
use crate::message::FetchPartition;
use crate::offset::{LeaderEpoch, Offset};
use crate::time::{Timestamp, earliest};
use std::collections::{BTreeMap, BTreeSet};

/// A partition at the time of asking.
#[derive(Clone, Debug)]
pub(super) struct Position {
    pub(super) partition: TopicPartition,
    pub(super) offset: Offset,
    pub(super) leader_epoch: LeaderEpoch,
}

/// What a fetcher does with a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Looks for the point where the logs part.
    Truncating,
    /// Fetches.
    Fetching,
    /// Looks for the bounds of the leader's log; whether it asks for its end.
    OutOfRange { end: bool },
    /// Waits for metadata.
    Failed,
}

/// A partition that a fetcher follows.
#[derive(Clone, Debug)]
pub(super) struct Following {
    pub(super) id: TopicIdPartition,
    pub(super) offset: Offset,
    pub(super) leader_epoch: LeaderEpoch,
    pub(super) last_fetched_epoch: Option<LeaderEpoch>,
    pub(super) state: State,
    pub(super) delayed_until: Timestamp,
    /// What it was last asked for with, if the last fetch was about it too.
    pub(super) asked: Option<(Offset, LeaderEpoch)>,
}

/// What a fetch wants now, of what is not settled, and what it wants no more.
type Questions = (Vec<FetchPartition>, Vec<TopicIdPartition>);

/// All that one fetcher follows.
#[derive(Debug, Default)]
pub(super) struct Followed {
    all: BTreeMap<TopicPartition, Following>,
    /// Those of them that are not settled.
    unsettled: BTreeSet<TopicPartition>,
    /// Those that are followed no more, until a fetch has said so.
    dropped: Vec<TopicIdPartition>,
    /// The last partition that records came for: the next one is asked for first.
    turn: Option<TopicPartition>,
}

impl Followed {
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn get(&self, partition: &TopicPartition) -> Option<&Following> {
        self.all.get(partition)
    }

    /// Begins with a partition.
    pub(super) fn insert(&mut self, following: Following) {
        let name = following.id.partition.clone();
        self.unsettled.insert(name.clone());
        self.all.insert(name, following);
    }

    /// Ends with a partition.
    pub(super) fn remove(&mut self, partition: &TopicPartition) -> Option<Following> {
        let left = self.all.remove(partition)?;
        self.unsettled.remove(partition);
        self.dropped.push(left.id.clone());
        Some(left)
    }

    /// A partition that is followed, to be changed.
    pub(super) fn change(&mut self, partition: &TopicPartition) -> Option<&mut Following> {
        let following = self.all.get_mut(partition)?;
        self.unsettled.insert(partition.clone());
        Some(following)
    }

    /// Those that are not as they were last asked for, in order of their names.
    pub(super) fn unsettled(&self) -> impl Iterator<Item = &Following> {
        let names = self.unsettled.iter();
        names.filter_map(|name| self.all.get(name))
    }

    /// The next fetch begins a session: nothing has to be taken back.
    pub(super) fn end_session(&mut self) {
        self.dropped.clear();
    }

    /// Changes all that the last fetch was about.
    pub(super) fn change_asked(&mut self, change: impl Fn(&mut Following)) {
        for (name, one) in self.all.iter_mut().filter(|(_, one)| one.asked.is_some()) {
            change(one);
            self.unsettled.insert(name.clone());
        }
    }

    /// Everything has to be asked for anew.
    pub(super) fn unsettle_all(&mut self) {
        self.unsettled.extend(self.all.keys().cloned());
    }

    /// Records came for a partition.
    pub(super) fn served(&mut self, partition: &TopicPartition) {
        self.turn = Some(partition.clone());
    }

    /// What the next fetch asks for of those that are not settled, and they are settled by it; `None` if
    /// there is nothing to fetch at all.
    pub(super) fn questions(&mut self, shared: &Shared, now: Timestamp) -> Option<Questions> {
        let (mut wanted, mut unwanted) = (Vec::new(), Vec::new());
        for name in self.in_turn() {
            let Some(one) = self.all.get_mut(&name) else {
                continue;
            };
            let ready = one.state == State::Fetching && one.delayed_until <= now;
            one.asked = ready.then_some((one.offset, one.leader_epoch));
            if ready {
                wanted.push(one.question(shared));
            } else {
                unwanted.push(one.id.clone());
            }
        }
        if wanted.is_empty() && self.unsettled.len() == self.all.len() {
            return None;
        }
        for one in &wanted {
            self.unsettled.remove(&one.partition.partition);
        }
        unwanted.append(&mut self.dropped);
        Some((wanted, unwanted))
    }

    /// The partitions that are not settled, beginning after the one that was served last.
    fn in_turn(&self) -> Vec<TopicPartition> {
        let is_later = |name: &&TopicPartition| self.turn.as_ref().is_none_or(|turn| *name > turn);
        let all = || self.unsettled.iter();
        let earlier = all().filter(|name| !is_later(name));
        all().filter(is_later).chain(earlier).cloned().collect()
    }

    /// When the first of them can be asked for.
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        // What is settled is asked for with every fetch, so at once.
        let settled = self.all.len() > self.unsettled.len();
        let at_once = settled.then_some(Timestamp::ZERO);
        let waiting = self.unsettled().filter(|one| one.state != State::Failed);
        earliest(at_once, waiting.map(|one| one.delayed_until).min())
    }
}

impl Following {
    pub(super) fn position(&self) -> Position {
        Position {
            partition: self.id.partition.clone(),
            offset: self.offset,
            leader_epoch: self.leader_epoch,
        }
    }

    /// How it is asked for.
    fn question(&self, shared: &Shared) -> FetchPartition {
        FetchPartition {
            partition: self.id.clone(),
            fetch_offset: self.offset,
            current_leader_epoch: self.request_epoch(shared),
            last_fetched_epoch: self.last_fetched_epoch,
            log_start_offset: Some(Offset::ZERO),
            max_bytes: shared.config.replica_fetch_max_bytes,
        }
    }

    /// The leader epoch that requests about this partition carry (KIP-320).
    pub(super) fn request_epoch(&self, shared: &Shared) -> Option<LeaderEpoch> {
        shared
            .rules
            .fetch_epoch_fencing
            .then_some(self.leader_epoch)
    }

    /// Waits `replica.fetch.backoff.ms`.
    pub(super) fn delay(&mut self, shared: &Shared, now: Timestamp) {
        self.delayed_until = now + shared.config.replica_fetch_backoff;
    }

    /// Takes an error of the leader.
    pub(super) fn refused(&mut self, shared: &Shared, error: ErrorCode, now: Timestamp) {
        match error {
            ErrorCode::OffsetOutOfRange => self.state = State::OutOfRange { end: true },
            // Our epoch is old: metadata with a newer one is on its way.
            ErrorCode::FencedLeaderEpoch => self.state = State::Failed,
            _ => self.delay(shared, now),
        }
    }
}
