//! A topic gets more partitions. Checked in this order; the first failure is the answer:
//!
//! | check | error |
//! |---|---|
//! | the topic exists | UNKNOWN_TOPIC_OR_PARTITION |
//! | there are to be more than there are | INVALID_PARTITIONS |
//! | as many places are given as partitions are new | INVALID_REPLICA_ASSIGNMENT |
//! | each with as many replicas as the first partition has, on brokers that are registered, one of them alive | INVALID_REPLICA_ASSIGNMENT |
//! | without places: enough brokers that live | INVALID_REPLICATION_FACTOR |
//!
//! Records that have a key go elsewhere from then on: a producer's partitioner counts the partitions.
//!
//! Source: `ReplicationControlManager.createPartitions`, KIP-195. Next: `placement.rs`.

use super::cluster::{Changes, Cluster};
use super::index::PartitionKey;
use super::topics::{Refusal, ReplicasAndIsr};
use crate::error::ErrorCode;
use crate::message::{CreatePartitionsRequest, CreatePartitionsResponse, LeaderRecoveryState};
use crate::metadata::{MetadataRecord, PartitionRecord};
use crate::offset::{LeaderEpoch, PartitionEpoch};

impl Cluster {
    /// Gives a topic more partitions.
    pub(super) fn create_partitions(
        &mut self,
        request: &CreatePartitionsRequest,
        changes: &mut Changes,
    ) -> CreatePartitionsResponse {
        let (error, message) = match self.add_partitions(request, changes) {
            Ok(()) => (ErrorCode::None, None),
            Err((error, reason)) => (error, Some(reason)),
        };
        CreatePartitionsResponse { error, message }
    }

    fn add_partitions(
        &mut self,
        request: &CreatePartitionsRequest,
        changes: &mut Changes,
    ) -> Result<(), Refusal> {
        let name = &request.topic;
        let unknown = || (ErrorCode::UnknownTopicOrPartition, name.to_string());
        let topic = self.image.topic(name).ok_or_else(unknown)?;
        let topic_id = topic.topic_id;
        let factor = topic
            .partitions
            .values()
            .next()
            .map_or(0, |one| one.replicas.len());
        let before = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
        if request.count <= before {
            let count = request.count;
            let reason = format!(
                "The topic {name} currently has {before} partition(s); {count} would not be an increase."
            );
            return Err((ErrorCode::InvalidPartitions, reason));
        }
        let placed = match &request.replicas {
            Some(replicas) => {
                let new = usize::try_from(request.count - before).unwrap_or(usize::MAX);
                if replicas.len() != new || replicas.iter().any(|list| list.len() != factor) {
                    let reason = format!(
                        "{new} additional partition(s) of {factor} replica(s) were asked for, and {} \
                         assignment(s) were specified.",
                        replicas.len()
                    );
                    return Err((ErrorCode::InvalidReplicaAssignment, reason));
                }
                self.check_placement(replicas)?
            }
            None => {
                let factor = i32::try_from(factor).ok();
                self.spread(Some(request.count - before), factor)?
            }
        };
        for (number, placed) in (before..).zip(placed) {
            self.add_partition((topic_id, number), placed, changes);
        }
        Ok(())
    }

    /// A new partition, led by the first of its replicas that lives.
    pub(super) fn add_partition(
        &self,
        (topic_id, partition): PartitionKey,
        (replicas, isr): ReplicasAndIsr,
        changes: &mut Changes,
    ) {
        let record = PartitionRecord {
            topic_id,
            partition,
            directories: self.default_dirs(&replicas),
            replicas,
            leader: isr.first().copied(),
            isr,
            leader_recovery_state: LeaderRecoveryState::Recovered,
            leader_epoch: LeaderEpoch(0),
            partition_epoch: PartitionEpoch(0),
            elr: Vec::new(),
            last_known_elr: Vec::new(),
            removing: Vec::new(),
            adding: Vec::new(),
        };
        changes.records.push(MetadataRecord::Partition(record));
    }
}
