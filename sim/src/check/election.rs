//! What the controller's records say about how a leader was found, whatever the controller says of it.
//!
//! | the new leader was | kind |
//! |---|---|
//! | a member of the ISR or the ELR; or one that a leader on its way out took into the ISR with the same record | clean |
//! | the last known leader, with nobody else left in ISR and ELR | last known |
//! | anybody else | unclean |
//!
//! A reassignment that is taken back when nobody in sync stays, puts the first of the old replicas into
//! the ISR as it is. Kafka calls that an unclean election and asks for the same setting, whether or not
//! that replica is there to lead.
//!
//! Source: KIP-966, `PartitionChangeBuilder.electLeader`; `PartitionReassignmentRevert`.

use crate::view::Committed;
use ktrial_core::message::LeaderRecoveryState;
use ktrial_core::{BrokerId, LeaderEpoch};

/// How a leader was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It has every record below the high watermark, if it lost nothing with its power.
    Clean,
    /// It led last, but has stopped uncleanly since.
    LastKnown,
    /// It may lack records.
    Unclean,
}

/// A partition's sets before a record changed them.
#[derive(Clone, Debug, Default)]
pub(super) struct Before {
    pub(super) isr: Vec<BrokerId>,
    pub(super) elr: Vec<BrokerId>,
    last_known_elr: Vec<BrokerId>,
    adding: Vec<BrokerId>,
    removing: Vec<BrokerId>,
    leader_epoch: LeaderEpoch,
    known: bool,
}

impl Before {
    pub(super) fn of(committed: &Committed) -> Self {
        Self {
            isr: committed.isr.clone(),
            elr: committed.elr.clone(),
            last_known_elr: committed.last_known_elr.clone(),
            adding: committed.adding.clone(),
            removing: committed.removing.clone(),
            leader_epoch: committed.leader_epoch,
            known: true,
        }
    }

    /// The new leader and how it was found, if the record that led from here to `now` elected one.
    pub(super) fn election(&self, now: &Committed, last_known: bool) -> Option<(BrokerId, Kind)> {
        let leader = now.leader?;
        if !self.known || now.leader_epoch == self.leader_epoch {
            return None;
        }
        // A leader that is on its way out may have taken it into the ISR with its last wish.
        let recovered = now.leader_recovery_state == LeaderRecoveryState::Recovered;
        let taken_in = now.isr.len() > 1 && now.isr.contains(&leader);
        // So may one whose move away from the partition ends with that wish.
        let all_came = self.adding.iter().all(|id| now.replicas.contains(id));
        let moved_in = self.stops_moving(now) && all_came && !self.takes_back(now) && recovered;
        let taken_in = taken_in || moved_in;
        if self.isr.contains(&leader) || self.elr.contains(&leader) || taken_in {
            return Some((leader, Kind::Clean));
        }
        // Of ISR and ELR may be left who leaves them with this very record.
        let left = self.isr.len() + self.elr.len();
        let led_last = self.last_known_elr == [leader] && left <= 1;
        let kind = if last_known && led_last {
            Kind::LastKnown
        } else {
            Kind::Unclean
        };
        Some((leader, kind))
    }

    /// Whether the record that led from here to `now` took a reassignment back, and nobody of whom it left
    /// in the ISR was in sync.
    pub(super) fn is_taken_back_uncleanly(&self, now: &Committed) -> bool {
        let synced = |id: &BrokerId| self.isr.contains(id) || self.elr.contains(id);
        let unclean = !now.isr.is_empty() && !now.isr.iter().any(synced);
        unclean && self.stops_moving(now) && self.takes_back(now)
    }

    fn stops_moving(&self, now: &Committed) -> bool {
        let moving = !self.adding.is_empty() || !self.removing.is_empty();
        moving && !is_moving(now)
    }

    /// Nobody who was to come is there, and everybody who was to go.
    fn takes_back(&self, now: &Committed) -> bool {
        let is_there = |id: &BrokerId| now.replicas.contains(id);
        !self.adding.iter().any(is_there) && self.removing.iter().all(is_there)
    }
}

fn is_moving(committed: &Committed) -> bool {
    !committed.adding.is_empty() || !committed.removing.is_empty()
}
