//! Metadata records in their order, as entries of the record, with what follows from them.
//!
//! Derived, for no file says it: why a leader was elected. From the state before the change:
//!
//! | the new leader was | rule |
//! |---|---|
//! | in the ISR | `Isr` |
//! | in the ELR | `Elr` |
//! | the only last known leader, with ISR and ELR empty | `LastKnownLeader` |
//! | anything else | `Unclean` |
//! | nobody | `Nobody` |
//!
//! Available is who is registered, not fenced and not stopping; but not the leader that is replaced by
//! nobody, nor who leaves the ISR with this change: such a change is written before the broker is fenced.
//! `Elected` stands just before the record that names the leader, as the simulated controller has it. A
//! record that names the leader that is (a shrunk ISR, before 3.6 and with ZooKeeper) is no election.
//! A change of a registration that changes only log directories is left out.
//!
//! Simplified: elections that found nobody and changed nothing leave no trace in a log. An election that
//! an operator asked for looks like any other. An unclean election of the last known leader, which empties
//! the ELR too, passes for one by that rule.
//! Source: KIP-966, `PartitionChangeBuilder.electLeader`, `ReplicationControlManager`.
//! Next: `quorum.rs` and `zookeeper/mod.rs`, which read the records.

use ktrial_core::event::{Candidate, ElectionRule};
use ktrial_core::message::LeaderRecoveryState;
use ktrial_core::metadata::{
    LeaderChange, MetadataImage, MetadataRecord, PartitionChangeRecord, PartitionRegistration,
};
use ktrial_core::{BrokerId, Event, Incarnation, LeaderEpoch, NodeId, Offset, TopicPartition};
use std::collections::BTreeMap;

/// An event and the node that it is of.
pub(super) type Told = (NodeId, Event);

/// Who led in an epoch, and the ISR that it began with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reign {
    pub(super) leader: BrokerId,
    pub(super) isr: Vec<BrokerId>,
}

/// The cluster as its metadata records add up to it.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    image: MetadataImage,
    /// The incarnations of each broker in the order of their registration.
    incarnations: BTreeMap<BrokerId, Vec<Incarnation>>,
    reigns: BTreeMap<(TopicPartition, LeaderEpoch), Reign>,
    unfenced: Vec<BrokerId>,
}

impl Ledger {
    /// Who leads a partition in its newest epoch, and in which.
    pub(super) fn leader(&self, partition: &TopicPartition) -> Option<(BrokerId, LeaderEpoch)> {
        let state = self.image.partition(partition)?;
        Some((state.leader?, state.leader_epoch))
    }

    /// Who led a partition in an epoch.
    pub(super) fn reign(&self, partition: &TopicPartition, epoch: LeaderEpoch) -> Option<&Reign> {
        self.reigns.get(&(partition.clone(), epoch))
    }

    /// The brokers that were unfenced since the last call.
    pub(super) fn take_unfenced(&mut self) -> Vec<BrokerId> {
        std::mem::take(&mut self.unfenced)
    }

    /// Takes in the next record, which `node` has written at `offset`.
    pub(super) fn write(
        &mut self,
        node: NodeId,
        offset: Offset,
        mut record: MetadataRecord,
        out: &mut Vec<Told>,
    ) {
        if let MetadataRecord::BrokerRegistrationChange(one) = &record
            && one.fenced.is_none()
            && one.in_controlled_shutdown.is_none()
        {
            return;
        }
        self.number_incarnation(&mut record);
        self.note_unfenced(&record);
        if let MetadataRecord::PartitionChange(change) = &record {
            out.extend(self.elected(change).map(|event| (node, event)));
        }
        // What the image does not know it leaves out.
        let _unknown = self.image.apply(offset, &record);
        self.note_reign(&record);
        let record = Box::new(record);
        out.push((node, Event::MetadataWritten { offset, record }));
    }

    /// Brokers draw a UUID at each start; the record counts their starts.
    fn number_incarnation(&mut self, record: &mut MetadataRecord) {
        let MetadataRecord::RegisterBroker(registration) = record else {
            return;
        };
        let known = self.incarnations.entry(registration.broker).or_default();
        let drawn = registration.incarnation;
        let place = known.iter().position(|one| *one == drawn);
        let place = place.unwrap_or_else(|| {
            known.push(drawn);
            known.len() - 1
        });
        registration.incarnation = Incarnation(u32::try_from(place).unwrap_or(u32::MAX));
    }

    fn note_unfenced(&mut self, record: &MetadataRecord) {
        match record {
            MetadataRecord::RegisterBroker(one) if !one.fenced => self.unfenced.push(one.broker),
            MetadataRecord::BrokerRegistrationChange(one) if one.fenced == Some(false) => {
                self.unfenced.push(one.broker);
            }
            _ => {}
        }
    }

    fn note_reign(&mut self, record: &MetadataRecord) {
        let (id, number) = match record {
            MetadataRecord::Partition(record) => (record.topic_id, record.partition),
            MetadataRecord::PartitionChange(change) if !change.leader.is_unchanged() => {
                (change.topic_id, change.partition)
            }
            _ => return,
        };
        let Some(topic) = self.image.topic_by_id(id) else {
            return;
        };
        let Some(state) = topic.partitions.get(&number) else {
            return;
        };
        if let Some(leader) = state.leader {
            let name = TopicPartition::new(topic.topic.clone(), number);
            let isr = state.isr.clone();
            self.reigns
                .insert((name, state.leader_epoch), Reign { leader, isr });
        }
    }

    /// The election that a change tells of, if it names a leader.
    fn elected(&self, change: &PartitionChangeRecord) -> Option<Event> {
        let topic = self.image.topic_by_id(change.topic_id)?;
        let before = topic.partitions.get(&change.partition)?;
        let leader = match change.leader {
            LeaderChange::Unchanged => return None,
            LeaderChange::NoLeader => None,
            LeaderChange::Leader(leader) => Some(leader),
        };
        if leader.is_some() && leader == before.leader {
            return None;
        }
        let candidate = |broker: &BrokerId| Candidate {
            broker: *broker,
            available: self.image.is_active(*broker) && !leaves(*broker, before, change),
            in_isr: before.isr.contains(broker) && !leaves(*broker, before, change),
            in_elr: before.elr.contains(broker),
            last_known_leader: before.last_known_elr.contains(broker),
        };
        Some(Event::Elected {
            partition: TopicPartition::new(topic.topic.clone(), change.partition),
            leader,
            rule: rule(leader, before, change),
            candidates: before.replicas.iter().map(candidate).collect(),
        })
    }
}

fn rule(
    leader: Option<BrokerId>,
    before: &PartitionRegistration,
    change: &PartitionChangeRecord,
) -> ElectionRule {
    let Some(leader) = leader else {
        return ElectionRule::Nobody;
    };
    // Who is back from an unclean stop leaves the ELR first, and that may be what lets another one lead.
    let elr = change.elr.as_ref().unwrap_or(&before.elr);
    if before.isr.contains(&leader) {
        ElectionRule::Isr
    } else if before.elr.contains(&leader) {
        ElectionRule::Elr
    } else if before.isr.is_empty() && elr.is_empty() && before.last_known_elr == [leader] {
        ElectionRule::LastKnownLeader
    } else {
        ElectionRule::Unclean
    }
}

/// Whether a broker is about to be fenced or to stop, as far as this change tells.
fn leaves(
    broker: BrokerId,
    before: &PartitionRegistration,
    change: &PartitionChangeRecord,
) -> bool {
    let deposed = before.leader == Some(broker) && change.leader == LeaderChange::NoLeader;
    // After an unclean election the ISR is the new leader alone, whoever else lives.
    let unclean = change.leader_recovery_state == Some(LeaderRecoveryState::Recovering);
    let dropped = change
        .isr
        .as_ref()
        .is_some_and(|isr| !isr.contains(&broker));
    deposed || (dropped && !unclean && before.isr.contains(&broker))
}
