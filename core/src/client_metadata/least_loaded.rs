//! Which broker a client asks for metadata.
//!
//! Rule: the broker with the fewest requests in flight among those with an established connection, and
//! rather one that has answered on it; if there is none, but a connection is opening, that is waited
//! for; else the one that was tried longest ago among those that may be tried; if none may, the same
//! among the bootstrap brokers.
//! Source: `NetworkClient.leastLoadedNode`, `DefaultMetadataUpdater.maybeUpdate`; KIP-899 (rebootstrap).
//! Next: `refresh.rs`, for when it asks.

use super::network::Network;
use crate::id::BrokerId;
use crate::time::{Timestamp, earliest};

/// How well a broker can be asked for metadata: the best comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Candidate {
    /// Its connection is established.
    Ready { unproven: bool, in_flight: usize },
    /// Its connection is being opened: wait for that.
    Opening,
    /// It has no connection, and may be tried from `ready_at` on.
    Closed {
        tried_at: Option<Timestamp>,
        ready_at: Timestamp,
    },
    /// Too many requests are in flight.
    Full,
}

impl Candidate {
    /// From when on it can be chosen; `None` = not for now.
    fn usable_from(self) -> Option<Timestamp> {
        match self {
            Self::Ready { .. } | Self::Opening => Some(Timestamp::ZERO),
            Self::Closed { ready_at, .. } => Some(ready_at),
            Self::Full => None,
        }
    }
}

impl<T> Network<T> {
    /// Whom to ask for metadata; `None` = nobody now.
    pub(super) fn least_loaded(&mut self, now: Timestamp) -> Option<BrokerId> {
        let start = self.random.draw();
        for brokers in [self.metadata.brokers(), self.metadata.bootstrap()] {
            let Some(count) = u64::try_from(brokers.len()).ok().filter(|n| *n > 0) else {
                continue;
            };
            let start = usize::try_from(start % count).unwrap_or(0);
            let rotated = brokers[start..].iter().chain(&brokers[..start]).copied();
            let candidates = rotated.map(|broker| (self.candidate(broker), broker));
            let usable = candidates
                .filter(|(candidate, _)| candidate.usable_from().is_some_and(|from| from <= now));
            match usable.min_by_key(|(candidate, _)| *candidate) {
                None => {}
                Some((Candidate::Opening, _)) => return None,
                Some((_, broker)) => return Some(broker),
            }
        }
        None
    }

    /// How well a broker can be asked for metadata.
    fn candidate(&self, broker: BrokerId) -> Candidate {
        let Some(channel) = self.channels.get(&broker) else {
            return Candidate::Closed {
                tried_at: None,
                ready_at: Timestamp::ZERO,
            };
        };
        if channel.is_opening() {
            Candidate::Opening
        } else if !channel.is_established() {
            Candidate::Closed {
                tried_at: channel.tried_at(),
                ready_at: channel.ready_at(),
            }
        } else if channel.in_flight() >= self.settings.max_in_flight {
            Candidate::Full
        } else {
            Candidate::Ready {
                unproven: !channel.is_proven(),
                in_flight: channel.in_flight(),
            }
        }
    }

    /// When somebody can be asked for metadata; `None` = not before something else happens.
    pub(super) fn askable_at(&self) -> Option<Timestamp> {
        let mut first = None;
        for brokers in [self.metadata.brokers(), self.metadata.bootstrap()] {
            let candidates = || brokers.iter().map(|broker| self.candidate(*broker));
            if candidates().min() == Some(Candidate::Opening) {
                return first;
            }
            let usable = candidates().filter_map(|candidate| candidate.usable_from());
            first = earliest(first, usable.min());
        }
        first
    }
}
