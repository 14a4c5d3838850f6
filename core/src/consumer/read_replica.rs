//! Reading from a follower that the leader has named (KIP-392).
//!
//! | what happens | the consumer reads from |
//! |---|---|
//! | the leader names a replica | that one, for `metadata.max.age.ms`, or until something of the below |
//! | its time is over; it is not among the brokers; its connection broke; it refused | the leader, which may name one again |
//! | it is asked for an offset that it does not have (OFFSET_OUT_OF_RANGE) | the leader: the position is not lost because a follower lags |
//! | another broker leads, or in another epoch | the leader |
//!
//! Source: KIP-392, `AbstractFetch.selectReadReplica`, `handleFetchFailure`,
//! `FetchCollector.updatePartitionState`, `handleInitializeErrors`,
//! `SubscriptionState.updatePreferredReadReplica`, `clearPreferredReadReplica`.
//! Next: `fetcher.rs`.

use super::Consumer;
use super::positions::{Assigned, Positions};
use crate::event::Event;
use crate::id::{BrokerId, TopicPartition};
use crate::machine::Effects;
use crate::time::Timestamp;

/// A follower to read from, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ReadReplica {
    pub(super) broker: BrokerId,
    pub(super) until: Timestamp,
}

impl Assigned {
    /// Whom it is read from: the named follower, else the leader.
    pub(super) fn read_from(&self, leader: BrokerId, now: Timestamp) -> BrokerId {
        let named = self.read_replica.filter(|named| now <= named.until);
        named.map_or(leader, |named| named.broker)
    }
}

impl Positions {
    /// The leader names a follower to read from. The same one again does not live longer.
    pub(super) fn name_read_replica(
        &mut self,
        partition: &TopicPartition,
        named: ReadReplica,
        out: &mut Effects,
    ) {
        let Some(assigned) = self.get_mut(partition) else {
            return;
        };
        if assigned.read_replica.map(|known| known.broker) != Some(named.broker) {
            assigned.read_replica = Some(named);
            out.observe(Event::ReadReplicaNamed {
                partition: partition.clone(),
                replica: Some(named.broker),
            });
        }
    }

    /// It is read from the leader again. Returns whether it was not.
    pub(super) fn clear_read_replica(
        &mut self,
        partition: &TopicPartition,
        out: &mut Effects,
    ) -> bool {
        let named = self
            .get_mut(partition)
            .and_then(|one| one.read_replica.take());
        if named.is_some() {
            out.observe(Event::ReadReplicaNamed {
                partition: partition.clone(),
                replica: None,
            });
        }
        named.is_some()
    }
}

impl Consumer {
    /// Followers whose time is over, or that the metadata does not know, are left.
    pub(super) fn leave_read_replicas(&mut self, now: Timestamp, out: &mut Effects) {
        let brokers = self.network.metadata.brokers();
        let named = self.positions.iter().filter_map(|(name, assigned)| {
            let named = assigned.read_replica?;
            let gone = !brokers.contains(&named.broker);
            (gone || now > named.until).then(|| (name.clone(), gone))
        });
        let left: Vec<(TopicPartition, bool)> = named.collect();
        for (partition, gone) in left {
            self.positions.clear_read_replica(&partition, out);
            if gone {
                self.network.metadata.request_update();
            }
        }
    }
}
