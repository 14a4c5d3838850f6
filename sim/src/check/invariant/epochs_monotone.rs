//! Epochs only rise: the controller's for each partition, and those that a replica acts on; and no
//! replica acts on an epoch that the controller has not written.
//!
//! Source: Kafka's simulation `MonotonicEpoch`, KIP-497 (partition epoch), TLA+ kip-966
//! `MetadataLogMatching` in part.
//!
//! False positives avoided: a broker that starts again begins anew, for it may read older metadata
//! first; a topic that is created again under its name has another id and begins anew. A stale leader
//! may take up an epoch that is over. With ZooKeeper the assignment is in a znode of its own: a record that
//! changes it and nothing else has the partition epoch of before.

use super::{Excuses, Findings, Invariant, Moment};
use crate::view::Committed;
use ktrial_core::metadata::MetadataRecord;
use ktrial_core::{
    BrokerId, Event, LeaderEpoch, Offset, PartitionEpoch, TopicName, TopicPartition,
};
use std::collections::BTreeMap;

const NAME: &str = "epochs_monotone";

#[derive(Default)]
pub(super) struct EpochsMonotone {
    metadata_offset: Option<Offset>,
    committed: BTreeMap<TopicPartition, Committed>,
    replicas: BTreeMap<(TopicPartition, BrokerId), LeaderEpoch>,
}

impl Invariant for EpochsMonotone {
    fn forget(&mut self, topic: &TopicName) {
        self.committed.retain(|name, _| name.topic != *topic);
        self.replicas.retain(|(name, _), _| name.topic != *topic);
    }

    fn observe(&mut self, moment: &Moment<'_>, _: Excuses<'_>, findings: &mut Findings) {
        match moment.event() {
            Some(Event::MetadataWritten { offset, record }) => {
                self.metadata(moment, *offset, record, findings);
            }
            Some(Event::LogLoaded { partition, .. }) => {
                if let Some(broker) = moment.broker() {
                    self.replicas.remove(&(partition.clone(), broker));
                }
            }
            Some(Event::BecameLeader { leader_epoch, .. }) => {
                self.role(moment, *leader_epoch, true, findings);
            }
            Some(Event::BecameFollower { leader_epoch, .. }) => {
                self.role(moment, *leader_epoch, false, findings);
            }
            Some(Event::IsrAdopted {
                partition_epoch, ..
            }) => {
                adopted(moment, *partition_epoch, findings);
            }
            _ => {}
        }
    }
}

impl EpochsMonotone {
    fn metadata(
        &mut self,
        moment: &Moment<'_>,
        offset: Offset,
        record: &MetadataRecord,
        findings: &mut Findings,
    ) {
        if let Some(before) = self.metadata_offset.filter(|before| *before >= offset) {
            let what = format!("metadata offset {offset} was written after {before}");
            findings.report(NAME, None, Some(moment.at()), false, what);
        }
        self.metadata_offset = Some(offset);
        let of_partition = matches!(
            record,
            MetadataRecord::Partition(_) | MetadataRecord::PartitionChange(_)
        );
        let Some((name, partition)) = moment.partition.filter(|_| of_partition) else {
            return;
        };
        let Some(now) = &partition.committed else {
            return;
        };
        let before = self.committed.insert(name.clone(), now.clone());
        let before = before.filter(|before| before.topic_id == now.topic_id);
        let rises = |before: &Committed| {
            now.leader_epoch >= before.leader_epoch && now.partition_epoch > before.partition_epoch
        };
        if before.is_some_and(|before| !rises(&before) && !now.is_assigned_anew(&before)) {
            let what = format!("the controller's epochs of {name} did not rise");
            findings.broken(NAME, name, moment.at(), what);
        }
    }

    fn role(
        &mut self,
        moment: &Moment<'_>,
        epoch: LeaderEpoch,
        leads: bool,
        findings: &mut Findings,
    ) {
        let (Some((name, partition)), Some(broker)) = (moment.partition, moment.broker()) else {
            return;
        };
        let mut report = |what| findings.broken(NAME, name, moment.at(), what);
        let before = self.replicas.insert((name.clone(), broker), epoch);
        if let Some(before) = before.filter(|before| *before > epoch) {
            report(format!(
                "broker {broker} went back from leader epoch {before} to {epoch} on {name}"
            ));
        }
        let Some(committed) = &partition.committed else {
            return;
        };
        if epoch > committed.leader_epoch || (leads && !may_lead(committed, epoch, broker)) {
            report(format!(
                "broker {broker} took up leader epoch {epoch} of {name}, which the controller did not \
                 give it"
            ));
        }
    }
}

/// A leader of the newest epoch is the controller's; of an older one it may be anybody.
fn may_lead(committed: &Committed, epoch: LeaderEpoch, broker: BrokerId) -> bool {
    epoch != committed.leader_epoch || committed.leader == Some(broker)
}

fn adopted(moment: &Moment<'_>, epoch: PartitionEpoch, findings: &mut Findings) {
    let (Some((name, partition)), Some(broker)) = (moment.partition, moment.broker()) else {
        return;
    };
    let committed = partition.committed.as_ref();
    if committed.is_some_and(|committed| epoch > committed.partition_epoch) {
        let what = format!(
            "broker {broker} adopted partition epoch {epoch} of {name}, which the controller has not \
             written"
        );
        findings.broken(NAME, name, moment.at(), what);
    }
}
