//! Fetches that wait for news of the metadata log, by when their time is up.
//!
//! Source: `KafkaRaftClient`'s `fetchPurgatory`. Next: `serve.rs`.

use crate::machine::ReplyTo;
use crate::message::FetchRequest;
use crate::time::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// A fetch waits at most this long (`KafkaRaftClient.MAX_FETCH_WAIT_MS`).
pub(super) const MAX_WAIT: Duration = Duration::from_millis(500);

/// The fetches.
#[derive(Clone, Debug, Default)]
pub(super) struct ParkedFetches {
    waiting: BTreeMap<(Timestamp, u64), (ReplyTo, FetchRequest)>,
    count: u64,
}

impl ParkedFetches {
    /// Parks a fetch.
    pub(super) fn park(&mut self, now: Timestamp, reply: ReplyTo, request: FetchRequest) {
        let deadline = now + request.max_wait.min(MAX_WAIT);
        self.count += 1;
        self.waiting
            .insert((deadline, self.count), (reply, request));
    }

    /// When the first one's time is up.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        self.waiting.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes out those whose time is up.
    pub(super) fn take_expired(&mut self, now: Timestamp) -> Vec<(ReplyTo, FetchRequest)> {
        let later = self.waiting.split_off(&(now, u64::MAX));
        let expired = std::mem::replace(&mut self.waiting, later);
        expired.into_values().collect()
    }

    /// Takes out all, in the order in which they came.
    pub(super) fn take_all(&mut self) -> Vec<(ReplyTo, FetchRequest)> {
        let mut all: Vec<_> = std::mem::take(&mut self.waiting).into_iter().collect();
        all.sort_by_key(|((_, number), _)| *number);
        all.into_iter().map(|(_, fetch)| fetch).collect()
    }
}
