//! Who lives: sessions of brokers and the state that each is in. Only in memory: a controller that
//! starts gives every unfenced broker a fresh session.
//!
//! | from | heartbeat | to |
//! |---|---|---|
//! | fenced | wants to stop | shut down now |
//! | fenced | does not want to be fenced, has applied its registration | unfenced |
//! | unfenced | wants to be fenced and to stop | shut down now |
//! | unfenced | wants to be fenced | fenced |
//! | unfenced | wants to stop, leads something | controlled shutdown |
//! | unfenced | wants to stop, leads nothing | shut down now |
//! | controlled shutdown | leads nothing, every active broker has applied the moves | shut down now |
//!
//! Everything else stays. A session is kept by any heartbeat, even a refused one.
//!
//! Before KAFKA-17793 (4.0) nobody looks for sessions that have expired until a broker has registered or sent
//! a heartbeat: a new controller that no broker talks to fences nobody. Since then it looks whenever the
//! oldest one expires, and that one ends first; those of one age, as after an activation, in the order of
//! Kafka's hash table of registrations.
//!
//! Simplified: that holds before 3.3 too, where a quorum stands for ZooKeeper, which needs no broker to look.
//! Source: `BrokerHeartbeatManager`, `BrokerHeartbeatTracker`, `BrokerControlState`.
//! Next: `registry.rs`.

use crate::id::BrokerId;
use crate::message::BrokerHeartbeatRequest;
use crate::offset::{BrokerEpoch, Offset};
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The state of a broker as the controller answers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BrokerState {
    /// It may not serve.
    Fenced,
    /// It serves.
    Unfenced,
    /// It hands over its leaderships.
    ControlledShutdown,
    /// It may stop.
    ShutdownNow,
}

impl BrokerState {
    /// Whether a broker in this state may not serve.
    pub(super) fn is_fenced(self) -> bool {
        matches!(self, Self::Fenced | Self::ShutdownNow)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Heartbeat {
    fenced: bool,
    /// What it has applied; `None` orders before every offset, as Kafka's -1.
    metadata_offset: Option<Offset>,
    /// The end of the records that moved its leaderships; `None` = it is not stopping.
    controlled_shutdown_offset: Option<Offset>,
}

/// Sessions and states.
#[derive(Clone, Debug)]
pub(super) struct Heartbeats {
    session_timeout: Duration,
    /// `Rules::session_outlives_fencing`.
    outlives_fencing: bool,
    contacts: BTreeMap<(BrokerId, BrokerEpoch), Timestamp>,
    /// A broker has called since this controller is active.
    called: bool,
    brokers: BTreeMap<BrokerId, Heartbeat>,
    /// Unfenced brokers that are not stopping, by what they have applied.
    active: BTreeSet<(Option<Offset>, BrokerId)>,
}

impl Heartbeats {
    pub(super) fn new(session_timeout: Duration, outlives_fencing: bool) -> Self {
        Self {
            session_timeout,
            outlives_fencing,
            contacts: BTreeMap::new(),
            called: false,
            brokers: BTreeMap::new(),
            active: BTreeSet::new(),
        }
    }

    /// Keeps a session.
    pub(super) fn contact(&mut self, broker: BrokerId, epoch: BrokerEpoch, now: Timestamp) {
        self.contacts.insert((broker, epoch), now);
    }

    /// Whether a registration has a live session.
    pub(super) fn has_session(&self, broker: BrokerId, epoch: BrokerEpoch, now: Timestamp) -> bool {
        let contact = self.contacts.get(&(broker, epoch));
        self.counts(broker) && contact.is_some_and(|at| !self.is_expired(*at, now))
    }

    /// Whether the broker can have a session at all.
    fn counts(&self, broker: BrokerId) -> bool {
        let known = self.brokers.get(&broker);
        self.outlives_fencing || known.is_some_and(|known| !known.fenced)
    }

    /// A broker has registered or sent a heartbeat.
    pub(super) fn called(&mut self) {
        self.called = true;
    }

    /// When to look for the oldest session; `None` = it is looked for every now and then.
    /// Source: `BrokerHeartbeatManager.nextCheckTimeNs` (3.9).
    pub(super) fn next_check(&self) -> Option<Timestamp> {
        if self.outlives_fencing {
            return None;
        }
        let sessions = self.contacts.iter().filter(|_| self.called);
        let counting = sessions.filter(|((broker, _), _)| self.counts(*broker));
        let oldest = counting.map(|(_, at)| *at).min();
        let after = self.session_timeout + Duration::from_micros(1);
        Some(oldest.map_or(Timestamp::NEVER, |at| at + after))
    }

    /// Takes out one session that has expired.
    pub(super) fn take_expired(&mut self, now: Timestamp) -> Option<(BrokerId, BrokerEpoch)> {
        let sessions = self.contacts.iter();
        let mut expired =
            sessions.filter(|((broker, _), at)| self.counts(*broker) && self.is_expired(**at, now));
        let found = match (self.outlives_fencing, self.called) {
            (true, _) => expired.next(),
            (false, true) => expired.min_by_key(|((broker, _), at)| (**at, slot(*broker))),
            (false, false) => None,
        };
        let key = found.map(|(key, _)| *key)?;
        self.contacts.remove(&key);
        Some(key)
    }

    fn is_expired(&self, contact: Timestamp, now: Timestamp) -> bool {
        contact + self.session_timeout < now
    }

    /// Takes in that a registration was written or changed.
    pub(super) fn register(&mut self, broker: BrokerId, fenced: bool) {
        let known = self.brokers.get(&broker);
        let changed = known.filter(|known| known.fenced != fenced);
        let metadata_offset = changed.and_then(|known| known.metadata_offset);
        self.touch(broker, fenced, metadata_offset);
    }

    /// Sets what a heartbeat says.
    pub(super) fn touch(&mut self, broker: BrokerId, fenced: bool, offset: Option<Offset>) {
        let before = self.take(broker);
        let stopping = before.and_then(|before| before.controlled_shutdown_offset);
        let heartbeat = Heartbeat {
            fenced,
            metadata_offset: offset,
            controlled_shutdown_offset: stopping.filter(|_| !fenced),
        };
        self.put(broker, heartbeat);
    }

    /// Forgets a broker.
    pub(super) fn remove(&mut self, broker: BrokerId) {
        self.take(broker);
    }

    /// Marks a broker as fenced.
    pub(super) fn fence(&mut self, broker: BrokerId) {
        if let Some(heartbeat) = self.take(broker) {
            let fenced = true;
            self.put(
                broker,
                Heartbeat {
                    fenced,
                    ..heartbeat
                },
            );
        }
    }

    /// Remembers where the records end that moved a stopping broker's leaderships, the first time.
    pub(super) fn set_controlled_shutdown_offset(&mut self, broker: BrokerId, offset: Offset) {
        if let Some(mut heartbeat) = self.take(broker) {
            heartbeat.controlled_shutdown_offset.get_or_insert(offset);
            self.put(broker, heartbeat);
        }
    }

    /// Brokers that replicas may be placed on, and whether each is fenced.
    pub(super) fn usable(&self) -> impl Iterator<Item = (BrokerId, bool)> {
        let staying = self.brokers.iter();
        staying
            .filter(|(_, heartbeat)| heartbeat.controlled_shutdown_offset.is_none())
            .map(|(broker, heartbeat)| (*broker, heartbeat.fenced))
    }

    /// The state of a broker.
    pub(super) fn state(&self, broker: BrokerId) -> BrokerState {
        match self.brokers.get(&broker) {
            Some(known) if known.controlled_shutdown_offset.is_some() => {
                BrokerState::ControlledShutdown
            }
            Some(known) if !known.fenced => BrokerState::Unfenced,
            Some(_) | None => BrokerState::Fenced,
        }
    }

    /// The state that a heartbeat leads to.
    pub(super) fn next_state(
        &self,
        request: &BrokerHeartbeatRequest,
        register_offset: Offset,
        has_leaderships: bool,
    ) -> BrokerState {
        let state = self.state(request.broker);
        match state {
            BrokerState::Fenced if request.want_shutdown => BrokerState::ShutdownNow,
            BrokerState::Fenced if !request.want_fence => {
                if request.current_metadata_offset >= Some(register_offset) {
                    BrokerState::Unfenced
                } else {
                    BrokerState::Fenced
                }
            }
            BrokerState::Unfenced if request.want_fence && request.want_shutdown => {
                BrokerState::ShutdownNow
            }
            BrokerState::Unfenced if request.want_fence => BrokerState::Fenced,
            BrokerState::Unfenced if request.want_shutdown && has_leaderships => {
                BrokerState::ControlledShutdown
            }
            BrokerState::Unfenced if request.want_shutdown => BrokerState::ShutdownNow,
            BrokerState::ControlledShutdown
                if !has_leaderships && self.all_have_applied(request.broker) =>
            {
                BrokerState::ShutdownNow
            }
            BrokerState::Fenced
            | BrokerState::Unfenced
            | BrokerState::ControlledShutdown
            | BrokerState::ShutdownNow => state,
        }
    }

    /// Every active broker has applied the records that moved this broker's leaderships.
    fn all_have_applied(&self, broker: BrokerId) -> bool {
        let moved = self.brokers.get(&broker);
        let moved = moved.and_then(|heartbeat| heartbeat.controlled_shutdown_offset);
        self.active
            .first()
            .is_none_or(|(lowest, _)| moved <= *lowest)
    }

    fn take(&mut self, broker: BrokerId) -> Option<Heartbeat> {
        let heartbeat = self.brokers.remove(&broker)?;
        self.active.remove(&(heartbeat.metadata_offset, broker));
        Some(heartbeat)
    }

    fn put(&mut self, broker: BrokerId, heartbeat: Heartbeat) {
        if !heartbeat.fenced && heartbeat.controlled_shutdown_offset.is_none() {
            self.active.insert((heartbeat.metadata_offset, broker));
        }
        self.brokers.insert(broker, heartbeat);
    }
}

/// Where a broker is in Kafka's hash table. Source: `BaseHashTable.findSlot`.
fn slot(broker: BrokerId) -> u64 {
    u64::from(broker.0.unsigned_abs()).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

#[cfg(test)]
#[path = "heartbeats_tests.rs"]
mod tests;
