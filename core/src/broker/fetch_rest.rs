//! The partitions of fetch sessions that rest, so that a fetch costs what is new and not what there is.
//!
//! A fetcher that is at the end of what it may read asks for the same again and again. Such a fetch finds
//! nothing and changes nothing but the time when the follower was last known to have everything. So its
//! partition *rests* in the session: fetches pass over it, until something happens to it (it is *roused*).
//! Then the leader is told until when the follower has fetched, as if it had looked at each of its fetches.
//!
//! | a partition | when |
//! |---|---|
//! | rests | an incremental fetch found nothing there, the fetcher knows its high watermark, and a follower is in the ISR |
//! | is roused | it is written, its high watermark moves, metadata speaks of it or of a broker, the fetcher names it |
//!
//! Invariants: rousing is always allowed; what a fetch answers does not depend on what rests.
//! Source: none in Kafka, which reads every partition of a session at each fetch
//! (`IncrementalFetchContext.foreachPartition`); the answers are the same.
//! Next: `fetch_session.rs`, `purgatory.rs` (`wake` rouses).

use super::Broker;
use super::fetch_session::{Context, FetchSessions, Session, SessionId};
use super::purgatory::Ticket;
use super::replicas::Replicas;
use crate::config::ReplicaSelector;
use crate::id::{TopicIdPartition, TopicPartition};
use crate::message::{FetchPartition, FetchRequest};
use crate::offset::Offset;
use crate::time::Timestamp;

impl FetchSessions {
    /// The partition has to be read again, in every session where it rests.
    pub(super) fn rouse(&mut self, replicas: &mut Replicas, name: &TopicPartition) {
        for (id, place) in self.resting.remove(name).unwrap_or_default() {
            let Some(session) = self.sessions.get_mut(&id) else {
                continue;
            };
            session.awake.insert(place);
            let waiting = session.parked.iter();
            self.roused
                .extend(waiting.map(|ticket| (name.clone(), *ticket)));
            settle(session, replicas, name);
        }
    }

    /// Ends a session. Fetches that wait in it want all of its partitions from now on.
    pub(super) fn end(&mut self, replicas: &mut Replicas, id: SessionId) {
        let Some(session) = self.sessions.remove(&id) else {
            return;
        };
        for (place, cached) in &session.partitions {
            let name = &cached.asked.partition.partition;
            if session.awake.contains(place) {
                continue;
            }
            settle(&session, replicas, name);
            if let Some(resting) = self.resting.get_mut(name) {
                resting.retain(|one| *one != (id, *place));
                if resting.is_empty() {
                    self.resting.remove(name);
                }
            }
        }
        for ticket in &session.parked {
            let all = session.partitions.values();
            let all = all.map(|cached| cached.asked.clone()).collect();
            self.ended.push((*ticket, all));
        }
    }

    /// A fetch of the session waits.
    pub(super) fn parked(&mut self, id: SessionId, ticket: Ticket) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.parked.push(ticket);
        }
    }

    /// A fetch of the session waits no more.
    pub(super) fn unparked(&mut self, id: SessionId, ticket: Ticket) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.parked.retain(|one| *one != ticket);
        }
    }

    /// The partitions of a session that have to be read; `None` if it has ended.
    pub(super) fn awake(&self, id: SessionId) -> Option<Vec<FetchPartition>> {
        self.sessions.get(&id).map(Session::to_read)
    }

    /// Nothing was found there: it rests, if the fetcher has been told of this high watermark and log start.
    pub(super) fn rest(
        &mut self,
        id: SessionId,
        partition: &TopicIdPartition,
        to_tell: (Offset, Offset),
    ) {
        let session = self.sessions.get_mut(&id);
        if let Some(session) = session
            && let Some(place) = session.place_if_told(partition, to_tell)
        {
            session.awake.remove(&place);
            let name = partition.partition.clone();
            self.resting.entry(name).or_default().push((id, place));
        }
    }
}

impl Session {
    /// The partitions that do not rest, in the order in which they are read.
    pub(super) fn to_read(&self) -> Vec<FetchPartition> {
        let awake = self.awake.iter();
        let awake = awake.filter_map(|place| self.partitions.get(place));
        awake.map(|cached| cached.asked.clone()).collect()
    }
}

/// Tells the leader until when a follower has fetched from the partition that rests, or did.
fn settle(session: &Session, replicas: &mut Replicas, name: &TopicPartition) {
    if let Some(follower) = session.follower
        && let Some(partition) = replicas.get_mut(name)
    {
        partition.rested_until(follower, session.last_used);
    }
}

impl Broker {
    /// Finds out what a fetch means.
    pub(super) fn enter_session(&mut self, now: Timestamp, request: &mut FetchRequest) -> Context {
        let sessions = &mut self.fetch_sessions;
        let context = sessions.enter(&mut self.replicas, now, request);
        for (ticket, all) in std::mem::take(&mut sessions.ended) {
            self.purgatory.widen(ticket, all);
        }
        self.watch_roused();
        context
    }

    /// Who waits, waits on what rests no more too.
    fn watch_roused(&mut self) {
        for (partition, ticket) in std::mem::take(&mut self.fetch_sessions.roused) {
            self.purgatory.watch(&partition, ticket);
        }
    }

    /// Something happened to a partition: who fetches it has to look.
    pub(super) fn rouse(&mut self, partition: &TopicPartition) {
        self.fetch_sessions.rouse(&mut self.replicas, partition);
        self.watch_roused();
    }

    /// Something happened to the cluster.
    pub(super) fn rouse_all(&mut self) {
        let names: Vec<_> = self.fetch_sessions.resting.keys().cloned().collect();
        for name in names {
            self.rouse(&name);
        }
    }

    /// Fetches of this session pass over these partitions for now. Not where something goes by the times of
    /// the fetches, which are not kept here: where a consumer may be sent to the replica that was last known
    /// to have everything, and where a follower leaves the ISR that has everything and does not fetch.
    pub(super) fn rest(&mut self, id: SessionId, partitions: Vec<TopicIdPartition>) {
        let by_times = self.shared.config.replica_selector != ReplicaSelector::None
            || !self.shared.rules.equal_end_stays_in_isr;
        if by_times {
            return;
        }
        for one in partitions {
            if let Some(partition) = self.replicas.get(&one.partition) {
                let log = partition.log();
                let to_tell = (log.high_watermark(), log.log_start_offset());
                self.fetch_sessions.rest(id, &one, to_tell);
            }
        }
    }
}
