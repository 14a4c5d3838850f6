//! Fetch sessions as a leader keeps them: a request names what changed, the answer what there is to say.
//!
//! | request | session | answer |
//! |---|---|---|
//! | id 0, epoch -1 | none wanted | everything |
//! | any id, epoch 0 | that one ends, a new one begins if there is room | everything, with the new id or 0 |
//! | id, epoch -1 | that one ends | everything |
//! | id, epoch n | must be known, and at epoch n | partitions with records, an error, a divergence, or another high watermark or log start than last told |
//!
//! An id that is not known is FETCH_SESSION_ID_NOT_FOUND, another epoch INVALID_FETCH_SESSION_EPOCH: the
//! other side then begins anew with a full request. A partition that records came of goes to the end of the
//! session, so that it is read last next time.
//!
//! When all slots are taken, a new session may have the place of one that was not used for two minutes, or,
//! once that is so old, of one that is worth less: of a consumer if it is a follower's, or with fewer
//! partitions.
//!
//! Invariants: never more sessions than slots; a session is in the cache exactly once.
//! Simplified: one shard of the cache, where Kafka has eight (KAFKA-9401), so that eviction looks
//! at all; topic ids only, so never FETCH_SESSION_TOPIC_ID_ERROR; what decides between two sessions of one
//! worth is their id.
//! Source: KIP-227, `FetchManager.newContext`, `FetchSessionCacheShard`, `IncrementalFetchContext`,
//! `CachedPartition.maybeUpdateResponseData`.
//! Next: `fetch_rest.rs`, `fetch.rs`.

use super::purgatory::Ticket;
use super::replicas::Replicas;
use crate::error::ErrorCode;
use crate::id::{BrokerId, TopicId, TopicIdPartition, TopicPartition};
use crate::message::{FetchPartition, FetchPartitionResponse, FetchRequest, FetchSession, Fetcher};
use crate::offset::Offset;
use crate::random::Random;
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// `MIN_INCREMENTAL_FETCH_SESSION_EVICTION_MS`
const EVICTION: Duration = Duration::from_secs(120);

/// A session's name.
pub(super) type SessionId = i32;

/// The sessions of a broker.
#[derive(Debug)]
pub(super) struct FetchSessions {
    /// `max.incremental.fetch.session.cache.slots`
    slots: usize,
    random: Random,
    pub(super) sessions: BTreeMap<SessionId, Session>,
    /// Of each partition that rests, where it does.
    pub(super) resting: BTreeMap<TopicPartition, Vec<(SessionId, u64)>>,
    /// Fetches that wait, and a partition of their session that does not rest any more.
    pub(super) roused: Vec<(TopicPartition, Ticket)>,
    /// Fetches that wait in a session that has ended, and all that they want.
    pub(super) ended: Vec<(Ticket, Vec<FetchPartition>)>,
}

#[derive(Debug)]
pub(super) struct Session {
    /// What the next request has to name.
    epoch: i32,
    /// Whose it is, if it is a follower's.
    pub(super) follower: Option<BrokerId>,
    created: Timestamp,
    pub(super) last_used: Timestamp,
    /// In the order in which they are read.
    pub(super) partitions: BTreeMap<u64, Cached>,
    places: BTreeMap<(TopicId, i32), u64>,
    next_place: u64,
    /// The places of those that do not rest.
    pub(super) awake: BTreeSet<u64>,
    /// Its fetches that wait.
    pub(super) parked: Vec<Ticket>,
}

/// A partition of a session.
#[derive(Clone, Debug)]
pub(super) struct Cached {
    pub(super) asked: FetchPartition,
    high_watermark: Offset,
    log_start_offset: Offset,
}

/// What a request means.
#[derive(Clone, Copy, Debug)]
pub(super) enum Context {
    /// These partitions, all of which are answered; the session that has begun, or 0.
    Full(SessionId),
    /// All of the session's partitions, of which only what is new is answered.
    Incremental(SessionId),
    /// Nothing, with this error.
    Refused(ErrorCode),
}

impl FetchSessions {
    pub(super) fn new(slots: usize, random: Random) -> Self {
        Self {
            slots,
            random,
            sessions: BTreeMap::new(),
            resting: BTreeMap::new(),
            roused: Vec::new(),
            ended: Vec::new(),
        }
    }

    /// Finds out what a request means, and brings its session up to date. The partitions to read, those
    /// that do not rest, take the place of those that it names.
    pub(super) fn enter(
        &mut self,
        replicas: &mut Replicas,
        now: Timestamp,
        request: &mut FetchRequest,
    ) -> Context {
        let session = std::mem::replace(&mut request.session, FetchSession::none());
        if session.is_full() {
            self.end(replicas, session.id);
            let wanted = session.epoch == FetchSession::INITIAL_EPOCH;
            let begins = wanted && !request.partitions.is_empty();
            return Context::Full(if begins {
                self.create(replicas, now, request)
            } else {
                0
            });
        }
        match self.sessions.get(&session.id).map(|known| known.epoch) {
            None => return Context::Refused(ErrorCode::FetchSessionIdNotFound),
            Some(epoch) if epoch != session.epoch => {
                return Context::Refused(ErrorCode::InvalidFetchSessionEpoch);
            }
            Some(_) => {}
        }
        let named = request.partitions.iter().map(|one| &one.partition);
        for one in named.chain(&session.forgotten) {
            self.rouse(replicas, &one.partition);
        }
        let Some(known) = self.sessions.get_mut(&session.id) else {
            return Context::Refused(ErrorCode::FetchSessionIdNotFound);
        };
        known.epoch = FetchSession::next_epoch(session.epoch);
        known.last_used = now;
        known.update(&session.forgotten, &request.partitions);
        if known.partitions.is_empty() {
            self.end(replicas, session.id);
            return Context::Full(0);
        }
        request.partitions = known.to_read();
        Context::Incremental(session.id)
    }

    /// What there is to say of what was read in a session.
    pub(super) fn answer(
        &mut self,
        id: SessionId,
        read: Vec<FetchPartitionResponse>,
    ) -> Vec<FetchPartitionResponse> {
        match self.sessions.get_mut(&id) {
            Some(session) => read.into_iter().filter(|one| session.says(one)).collect(),
            None => read,
        }
    }

    /// Takes note of what the first answer of a session says.
    pub(super) fn told_all(&mut self, id: SessionId, told: &[FetchPartitionResponse]) {
        if let Some(session) = self.sessions.get_mut(&id) {
            for one in told {
                session.told(one);
            }
        }
    }

    fn create(
        &mut self,
        replicas: &mut Replicas,
        now: Timestamp,
        request: &FetchRequest,
    ) -> SessionId {
        let follower = match request.fetcher {
            Fetcher::Replica { id, .. } => Some(id),
            Fetcher::Consumer | Fetcher::Quorum { .. } => None,
        };
        let worth = (follower.is_some(), request.partitions.len());
        if self.sessions.len() >= self.slots && !self.evict(replicas, now, worth) {
            return 0;
        }
        let id = loop {
            let draw = self.random.below(i32::MAX.unsigned_abs().into());
            let id = i32::try_from(draw).unwrap_or(0);
            if id > 0 && !self.sessions.contains_key(&id) {
                break id;
            }
        };
        let mut session = Session {
            epoch: 1,
            follower,
            created: now,
            last_used: now,
            partitions: BTreeMap::new(),
            places: BTreeMap::new(),
            next_place: 0,
            awake: BTreeSet::new(),
            parked: Vec::new(),
        };
        session.update(&[], &request.partitions);
        self.sessions.insert(id, session);
        id
    }

    /// Makes room for a session of this worth. Returns whether there is any.
    fn evict(&mut self, replicas: &mut Replicas, now: Timestamp, worth: (bool, usize)) -> bool {
        let oldest = self
            .sessions
            .iter()
            .min_by_key(|(id, one)| (one.last_used, **id));
        let stale = oldest.filter(|(_, one)| now.since(one.last_used) > EVICTION);
        let evictable = || {
            let open = |one: &Session| {
                let aged = now.since(one.created) > EVICTION;
                aged || (worth.0 && one.follower.is_none())
            };
            let candidates = self.sessions.iter().filter(|(_, one)| open(one));
            let least = candidates.min_by_key(|(id, one)| (one.worth(), **id));
            least.filter(|(_, one)| worth >= one.worth())
        };
        let Some(id) = stale.or_else(evictable).map(|(id, _)| *id) else {
            return false;
        };
        self.end(replicas, id);
        true
    }
}

impl Session {
    fn worth(&self) -> (bool, usize) {
        (self.follower.is_some(), self.partitions.len())
    }

    /// Takes in what a request changes.
    fn update(&mut self, forgotten: &[TopicIdPartition], partitions: &[FetchPartition]) {
        for forgotten in forgotten {
            if let Some(place) = self.places.remove(&key(forgotten)) {
                self.partitions.remove(&place);
                self.awake.remove(&place);
            }
        }
        for one in partitions {
            if let Some(place) = self.places.get(&key(&one.partition)) {
                if let Some(cached) = self.partitions.get_mut(place) {
                    cached.asked.clone_from(one);
                }
                continue;
            }
            let cached = Cached {
                asked: one.clone(),
                high_watermark: Offset(-1),
                log_start_offset: Offset(-1),
            };
            self.put_last(key(&one.partition), cached);
        }
    }

    fn put_last(&mut self, key: (TopicId, i32), cached: Cached) {
        self.partitions.insert(self.next_place, cached);
        self.awake.insert(self.next_place);
        self.places.insert(key, self.next_place);
        self.next_place += 1;
    }

    /// Takes note of what is told of a partition. Returns whether that is news.
    fn told(&mut self, read: &FetchPartitionResponse) -> bool {
        let place = self.places.get(&key(&read.partition));
        let Some(cached) = place.and_then(|place| self.partitions.get_mut(place)) else {
            return true;
        };
        let moved = read.high_watermark != cached.high_watermark
            || read.log_start_offset != cached.log_start_offset;
        // With an error it is -1: when that is over, the partition is told of again.
        cached.high_watermark = read.high_watermark;
        cached.log_start_offset = read.log_start_offset;
        let has_records = !read.records.is_empty();
        let elsewhere = read.preferred_read_replica.is_some();
        moved || has_records || elsewhere || !read.error.is_none() || read.diverging_epoch.is_some()
    }

    /// Where the partition is, if this is what was last told of it.
    pub(super) fn place_if_told(
        &self,
        partition: &TopicIdPartition,
        (high_watermark, log_start_offset): (Offset, Offset),
    ) -> Option<u64> {
        let place = *self.places.get(&key(partition))?;
        let cached = self.partitions.get(&place)?;
        let same =
            cached.high_watermark == high_watermark && cached.log_start_offset == log_start_offset;
        same.then_some(place)
    }

    /// As `told`; one with records goes to the end.
    fn says(&mut self, read: &FetchPartitionResponse) -> bool {
        let news = self.told(read);
        let key = key(&read.partition);
        if !read.records.is_empty()
            && let Some(place) = self.places.get(&key)
            && let Some(cached) = self.partitions.remove(place)
        {
            self.awake.remove(place);
            self.put_last(key, cached);
        }
        news
    }
}

fn key(partition: &TopicIdPartition) -> (TopicId, i32) {
    (partition.topic_id, partition.partition.partition)
}

#[cfg(test)]
#[path = "fetch_session_tests.rs"]
mod tests;
