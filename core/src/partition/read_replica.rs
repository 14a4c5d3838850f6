//! Where a consumer should read: from a replica in its own rack, if one is good enough (KIP-392).
//!
//! | the leader's answer to a consumer | when |
//! |---|---|
//! | records | it has no selector; the consumer tells no rack; the leader is in that rack; nobody else there is good enough |
//! | the replica to read from, no records | a member of the ISR in that rack has what is asked for (before 3.3.2 any replica); of several the one with the longest log, then the one that last caught up, then the highest id |
//!
//! A follower shows a consumer what is below its own high watermark, which trails the leader's by a fetch
//! or two. Who asks it for more waits; who asks for more than it has is told OFFSET_OUT_OF_RANGE, and
//! goes back to the leader. (The KIP wanted OFFSET_NOT_AVAILABLE there; no release answers a fetch with
//! it.)
//!
//! Invariants: what a consumer reads at a follower is below the leader's high watermark.
//!
//! Rule: `read_replica_in_isr`. A leader that names a follower outside its ISR sends a consumer back to one
//! that is cut off, each time that it comes.
//!
//! Simplified: of what a follower has, only the end is looked at: logs are not cut at their beginning here.
//! Source: KIP-392, KAFKA-14372, `ReplicaManager.findPreferredReadReplica`, `RackAwareReplicaSelector`,
//! `ReplicaView.comparator`.
//! Next: `consumer/read_replica.rs`, which goes there.

use super::{Context, Partition};
use crate::id::BrokerId;
use crate::offset::Offset;

impl Partition {
    /// The follower that a consumer in this rack should read from; `None` = here.
    pub(crate) fn preferred_read_replica(
        &self,
        context: &Context<'_>,
        rack: &str,
        fetch_offset: Offset,
    ) -> Option<BrokerId> {
        let leadership = self.leadership.as_ref()?;
        let stands_in = |broker: BrokerId| {
            let registration = context.brokers.get(&broker).filter(|known| !known.fenced);
            registration.is_some_and(|known| known.rack.as_deref() == Some(rack))
        };
        if rack.is_empty() || stands_in(context.local) {
            return None;
        }
        let members = leadership.isr.committed();
        let any = !context.rules.read_replica_in_isr;
        let good = leadership.remotes.iter().filter(|(id, replica)| {
            (any || members.contains(id)) && replica.log_end_offset >= Some(fetch_offset)
        });
        let near = good.filter(|(id, _)| stands_in(**id));
        let best =
            near.max_by_key(|(id, replica)| (replica.log_end_offset, replica.last_caught_up, **id));
        best.map(|(id, _)| *id)
    }
}

#[cfg(test)]
#[path = "read_replica_tests.rs"]
mod tests;
