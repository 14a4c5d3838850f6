//! The cluster as the record's entries tell it, kept up to date one entry at a time. Conditions of
//! steps and checks look at it. CONTRACT; the owner writes the rest.

use crate::history::Entry;
use crate::plan::{Condition, Plan};
use ktrial_core::Timestamp;

/// The cluster so far.
#[derive(Clone, Debug)]
pub struct View {}

impl View {
    /// Before the first entry.
    pub fn new(plan: &Plan) -> Self {
        let _ = plan;
        unimplemented!()
    }

    /// Takes in one entry. Cost does not grow with the size of the cluster or the record.
    pub fn apply(&mut self, entry: &Entry) {
        let _ = entry;
        unimplemented!()
    }

    /// Whether a condition holds at `now`.
    pub fn holds(&self, condition: &Condition, now: Timestamp) -> bool {
        let _ = (condition, now);
        unimplemented!()
    }

    /// Whether every partition has all its replicas in the ISR with equal logs, every broker of the
    /// plan is unfenced, and no send is pending.
    pub fn converged(&self) -> bool {
        unimplemented!()
    }

    /// When a log, leader, ISR, registration or send last changed.
    pub fn last_change(&self) -> Timestamp {
        unimplemented!()
    }

    /// Whether every topic of the plan exists with a leader for each partition, and every broker is
    /// unfenced: the steps may begin.
    pub fn ready(&self) -> bool {
        unimplemented!()
    }
}
