//! Fetch sessions as the one who fetches keeps them: what the other side knows already is not said again.
//!
//! | the next request | when | names |
//! |---|---|---|
//! | full | there is no session, or it was lost | every partition |
//! | incremental | the session is at an epoch | partitions that are new or have another position; and those that are wanted no more |
//!
//! The answer to a full request gives the session its id, or none if there is no room for it; then every
//! request is full. The answer to an incremental one leaves out partitions of which there is nothing to say.
//! After an error of the session, or a connection that broke, the next request is full.
//!
//! Invariants: after an answer without error, both sides have the same partitions at the same positions.
//! Source: KIP-227, `FetchSessionHandler`, `FetchMetadata`.
//! Next: `broker/fetch_session.rs`, the other side.

use crate::error::ErrorCode;
use crate::id::{TopicId, TopicIdPartition};
use crate::message::{FetchPartition, FetchResponse, FetchSession};
use std::collections::BTreeMap;

/// What a request says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SessionRequest {
    pub(crate) session: FetchSession,
    pub(crate) partitions: Vec<FetchPartition>,
}

/// One session, with one broker.
#[derive(Clone, Debug)]
pub(crate) struct FetchSessionHandler {
    /// As the next request names it: its id (0 = none yet), and the number of that request.
    id: i32,
    epoch: i32,
    /// What the broker knows: each partition as it was last asked for, and which request last wanted it.
    asked: BTreeMap<(TopicId, i32), (FetchPartition, u64)>,
    requests: u64,
}

impl Default for FetchSessionHandler {
    fn default() -> Self {
        Self {
            id: 0,
            epoch: FetchSession::INITIAL_EPOCH,
            asked: BTreeMap::new(),
            requests: 0,
        }
    }
}

/// The name of a partition in a session.
fn key(partition: &TopicIdPartition) -> (TopicId, i32) {
    (partition.topic_id, partition.partition.partition)
}

impl FetchSessionHandler {
    /// Whether the next request names every partition. `sessions`: the generation knows sessions.
    pub(crate) fn is_full(&self, sessions: bool) -> bool {
        !sessions || self.epoch == FetchSession::INITIAL_EPOCH
    }

    /// What to ask for these partitions, in their order, and no others.
    pub(crate) fn request(
        &mut self,
        wanted: Vec<FetchPartition>,
        sessions: bool,
    ) -> SessionRequest {
        if self.is_full(sessions) {
            return self.request_all(wanted, sessions);
        }
        let count = wanted.len();
        let partitions = self.take_in(wanted);
        // Usually none, as their number says.
        let mut forgotten = Vec::new();
        if self.asked.len() != count {
            let now = self.requests;
            let gone = self.asked.extract_if(.., |_, (_, last)| *last != now);
            forgotten.extend(gone.map(|(_, (one, _))| one.partition));
        }
        self.incremental(partitions, forgotten)
    }

    /// What to ask for these partitions, in their order, no more for those that are not wanted, and as
    /// before for all others. Not if the request has to be full.
    pub(crate) fn request_changes(
        &mut self,
        wanted: Vec<FetchPartition>,
        mut unwanted: Vec<TopicIdPartition>,
    ) -> SessionRequest {
        let partitions = self.take_in(wanted);
        unwanted.sort_by_key(key);
        unwanted.retain(|one| {
            let known = self.asked.get(&key(one));
            let gone = known.is_some_and(|(_, last)| *last != self.requests);
            gone && self.asked.remove(&key(one)).is_some()
        });
        self.incremental(partitions, unwanted)
    }

    fn request_all(&mut self, wanted: Vec<FetchPartition>, sessions: bool) -> SessionRequest {
        self.requests += 1;
        let now = self.requests;
        let named = wanted.iter();
        let named = named.map(|one| (key(&one.partition), (one.clone(), now)));
        self.asked = named.collect();
        let epoch = if sessions {
            self.epoch
        } else {
            FetchSession::FINAL_EPOCH
        };
        SessionRequest {
            session: FetchSession {
                id: self.id,
                epoch,
                forgotten: Vec::new(),
            },
            partitions: wanted,
        }
    }

    fn incremental(
        &self,
        partitions: Vec<FetchPartition>,
        forgotten: Vec<TopicIdPartition>,
    ) -> SessionRequest {
        SessionRequest {
            session: FetchSession {
                id: self.id,
                epoch: self.epoch,
                forgotten,
            },
            partitions,
        }
    }

    /// Notes what is wanted now. Returns what of it the broker does not know.
    fn take_in(&mut self, wanted: Vec<FetchPartition>) -> Vec<FetchPartition> {
        self.requests += 1;
        let now = self.requests;
        let mut partitions = Vec::new();
        for one in wanted {
            match self.asked.get_mut(&key(&one.partition)) {
                Some((known, last)) => {
                    *last = now;
                    if *known == one {
                        continue;
                    }
                    known.clone_from(&one);
                }
                None => {
                    let new = (one.clone(), now);
                    self.asked.insert(key(&one.partition), new);
                }
            }
            partitions.push(one);
        }
        partitions
    }

    /// Takes an answer. Returns whether its partitions count.
    pub(crate) fn answered(&mut self, response: &FetchResponse) -> bool {
        if !response.error.is_none() {
            if response.error == ErrorCode::FetchSessionIdNotFound {
                self.id = 0;
            }
            self.epoch = FetchSession::INITIAL_EPOCH;
            return false;
        }
        let begins = self.epoch == FetchSession::INITIAL_EPOCH;
        (self.id, self.epoch) = match response.session_id {
            // No room for a session, or it has ended.
            0 => (0, FetchSession::INITIAL_EPOCH),
            id if begins => (id, 1),
            id => (id, FetchSession::next_epoch(self.epoch)),
        };
        true
    }

    /// A request got no answer: what the other side knows is not certain.
    pub(crate) fn failed(&mut self) {
        self.epoch = FetchSession::INITIAL_EPOCH;
    }
}

#[cfg(test)]
#[path = "fetch_session_tests.rs"]
mod tests;
