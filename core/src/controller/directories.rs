//! Which replica is in which log directory of its broker, and what follows when a broker loses one.
//!
//! | what happens | records, in order |
//! |---|---|
//! | a heartbeat names a directory as lost that was not before | changes of the partitions in it; the registration |
//! | a broker tells where its replicas are | their directories; if one of those is lost already, its leaders and ISRs |
//!
//! A new replica is taken to be in the broker's only directory; with several nobody knows until the
//! broker has told. A replica in a lost directory leaves the ISR and cannot be elected
//! (`partition_change.rs`); the broker goes on with its others. Only a broker that starts again brings a
//! directory back.
//!
//! Simplified: a broker with one directory tells of none, for with that one lost it halts; no cordoned
//! directories (KIP-1066).
//! Source: KIP-858, `ReplicationControlManager.handleDirectoriesOffline`, `handleAssignReplicasToDirs`,
//! `ClusterControlManager.defaultDir`.
//! Next: `leadership.rs`; the broker's side is `broker/log_dirs.rs`.

use super::cluster::{Changes, Cluster};
use super::leadership::{BrokerChange, push};
use crate::error::ErrorCode;
use crate::id::{BrokerId, TopicIdPartition};
use crate::message::{
    AssignReplicasToDirsRequest, AssignReplicasToDirsResponse, BrokerHeartbeatRequest,
};
use crate::metadata::{BrokerRegistration, BrokerRegistrationChangeRecord, MetadataRecord};
use crate::raft::DirectoryId;

impl Cluster {
    /// Takes in which log directories a heartbeat names as lost.
    pub(super) fn directories_offline(
        &self,
        request: &BrokerHeartbeatRequest,
        changes: &mut Changes,
    ) {
        let Some(registration) = self.image.brokers().get(&request.broker) else {
            return;
        };
        let is_lost = |id: &DirectoryId| request.offline_log_dirs.contains(id);
        let (lost, left): (Vec<_>, Vec<_>) =
            registration.log_dirs.iter().copied().partition(is_lost);
        if lost.is_empty() {
            return;
        }
        for directory in lost {
            let partitions = self.index.in_directory(directory);
            self.update_leaders(BrokerChange::Removed(request.broker), partitions, changes);
        }
        let change = BrokerRegistrationChangeRecord {
            broker: request.broker,
            broker_epoch: request.broker_epoch,
            fenced: None,
            in_controlled_shutdown: None,
            log_dirs: Some(left),
        };
        changes
            .records
            .push(MetadataRecord::BrokerRegistrationChange(change));
    }

    /// A broker tells where its replicas are.
    pub(super) fn assign_to_dirs(
        &self,
        request: &AssignReplicasToDirsRequest,
        changes: &mut Changes,
    ) -> AssignReplicasToDirsResponse {
        let registration = self.image.brokers().get(&request.broker);
        let current = registration.filter(|known| known.broker_epoch == request.broker_epoch);
        let Some(registration) = current else {
            changes.answer_at_once = true;
            return AssignReplicasToDirsResponse {
                error: ErrorCode::StaleBrokerEpoch,
                replicas: Vec::new(),
            };
        };
        let (mut replicas, mut lost) = (Vec::with_capacity(request.replicas.len()), Vec::new());
        for (id, directory) in &request.replicas {
            let assigned = self.assign((request.broker, *directory), id, changes);
            if assigned.is_ok() && !registration.has_online_dir(*directory) {
                lost.push((id.topic_id, id.partition.partition));
            }
            replicas.push((id.clone(), assigned.err().unwrap_or_default()));
        }
        self.update_leaders(BrokerChange::Removed(request.broker), lost, changes);
        AssignReplicasToDirsResponse {
            error: ErrorCode::None,
            replicas,
        }
    }

    fn assign(
        &self,
        told: (BrokerId, DirectoryId),
        id: &TopicIdPartition,
        changes: &mut Changes,
    ) -> Result<(), ErrorCode> {
        if self.image.topic_by_id(id.topic_id).is_none() {
            return Err(ErrorCode::UnknownTopicId);
        }
        let (mut builder, name) = self
            .change_of((id.topic_id, id.partition.partition))
            .ok_or(ErrorCode::UnknownTopicOrPartition)?;
        if !builder.partition.replicas.contains(&told.0) {
            return Err(ErrorCode::NotLeaderOrFollower);
        }
        builder.directory = Some(told);
        push(
            builder.build(&|broker| self.image.is_active(broker)),
            name,
            changes,
        );
        Ok(())
    }

    /// Where new replicas on these brokers are taken to be; empty if nothing is known of any.
    pub(super) fn default_dirs(&self, replicas: &[BrokerId]) -> Vec<DirectoryId> {
        let default = |broker: &BrokerId| {
            let registration = self.image.brokers().get(broker);
            registration.map_or(DirectoryId::MIGRATING, BrokerRegistration::default_dir)
        };
        let directories: Vec<DirectoryId> = replicas.iter().map(default).collect();
        let known = directories.iter().any(|id| *id != DirectoryId::MIGRATING);
        if known { directories } else { Vec::new() }
    }
}

#[cfg(test)]
#[path = "directories_tests.rs"]
mod tests;
