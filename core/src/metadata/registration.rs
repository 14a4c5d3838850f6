//! What the image holds of a broker, a partition and a topic.
//!
//! - A partition change raises the partition epoch by one, whatever it says. One that names a leader
//!   raises the leader epoch too, even if the leader stays.
//!
//! - A replica in a log directory that its broker has lost is no candidate for leadership (KIP-858). Where no
//!   directory is known, the replica is where its broker lives.
//!
//! Simplified: no endpoints and features.
//! Source: `BrokerRegistration`, `PartitionRegistration.merge`,
//! `ReplicationControlManager.removeTopicElrs`.
//! Next: `image.rs`.

use super::{LeaderChange, PartitionChangeRecord, PartitionRecord};
use crate::id::{BrokerId, Incarnation, TopicId, TopicName};
use crate::message::LeaderRecoveryState;
use crate::offset::{BrokerEpoch, LeaderEpoch, PartitionEpoch};
use crate::planted::Bug;
use crate::raft::DirectoryId;
use crate::rules::Rules;
use std::collections::BTreeMap;

/// A registered broker (`BrokerRegistration`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerRegistration {
    /// Which start of it.
    pub incarnation: Incarnation,
    /// Its registration.
    pub broker_epoch: BrokerEpoch,
    /// It may not serve.
    pub fenced: bool,
    /// It is stopping.
    pub in_controlled_shutdown: bool,
    /// The rack that it stands in, if that is known.
    pub rack: Option<String>,
    /// The log directories that it can use, sorted; empty if it has but one.
    pub log_dirs: Vec<DirectoryId>,
}

impl BrokerRegistration {
    /// It serves and is not about to stop.
    pub fn is_active(&self) -> bool {
        !self.fenced && !self.in_controlled_shutdown
    }

    /// Whether it can use this log directory. Source: `DirectoryId.isOnline`.
    pub fn has_online_dir(&self, directory: DirectoryId) -> bool {
        matches!(directory, DirectoryId::MIGRATING | DirectoryId::UNASSIGNED)
            || self.log_dirs.is_empty()
            || self.log_dirs.contains(&directory)
    }

    /// Where a new replica on it is taken to be. Source: `ClusterControlManager.defaultDir`.
    pub fn default_dir(&self) -> DirectoryId {
        match self.log_dirs[..] {
            [] => DirectoryId::MIGRATING,
            [only] => only,
            _ => DirectoryId::UNASSIGNED,
        }
    }
}

/// A partition (`PartitionRegistration`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionRegistration {
    /// Its replicas; the first is preferred as leader.
    pub replicas: Vec<BrokerId>,
    /// In-sync replicas.
    pub isr: Vec<BrokerId>,
    /// Eligible leader replicas (KIP-966).
    pub elr: Vec<BrokerId>,
    /// The last known leader, when nobody leads (KIP-966).
    pub last_known_elr: Vec<BrokerId>,
    /// Its leader.
    pub leader: Option<BrokerId>,
    /// Whether the leader has recovered.
    pub leader_recovery_state: LeaderRecoveryState,
    /// The leader's epoch.
    pub leader_epoch: LeaderEpoch,
    /// The epoch of this state.
    pub partition_epoch: PartitionEpoch,
    /// Replicas that a reassignment takes away, still among `replicas`.
    pub removing: Vec<BrokerId>,
    /// Replicas that a reassignment brings, already among `replicas`.
    pub adding: Vec<BrokerId>,
    /// The log directory of each replica, in their order; empty if none is known.
    pub directories: Vec<DirectoryId>,
}

impl PartitionRegistration {
    /// What a record says of a new partition.
    pub fn from_record(record: &PartitionRecord) -> Self {
        Self {
            replicas: record.replicas.clone(),
            isr: record.isr.clone(),
            elr: record.elr.clone(),
            last_known_elr: record.last_known_elr.clone(),
            leader: record.leader,
            leader_recovery_state: record.leader_recovery_state,
            leader_epoch: record.leader_epoch,
            partition_epoch: record.partition_epoch,
            removing: record.removing.clone(),
            adding: record.adding.clone(),
            directories: record.directories.clone(),
        }
    }

    /// Takes in a change.
    pub fn merge(&mut self, change: &PartitionChangeRecord, rules: Rules) {
        let leader = match change.leader {
            LeaderChange::Unchanged => None,
            LeaderChange::NoLeader => Some(None),
            LeaderChange::Leader(leader) => Some(Some(leader)),
        };
        if let Some(leader) = leader {
            self.leader = leader;
            if !rules.has(Bug::LeaderEpochKept) {
                self.leader_epoch = self.leader_epoch.next();
            }
        }
        let lists = [
            (&mut self.isr, &change.isr),
            (&mut self.elr, &change.elr),
            (&mut self.last_known_elr, &change.last_known_elr),
            (&mut self.replicas, &change.replicas),
            (&mut self.removing, &change.removing),
            (&mut self.adding, &change.adding),
        ];
        for (list, new) in lists {
            if let Some(new) = new {
                list.clone_from(new);
            }
        }
        if let Some(directories) = &change.directories {
            self.directories.clone_from(directories);
        }
        if let Some(state) = change.leader_recovery_state {
            self.leader_recovery_state = state;
        }
        self.partition_epoch = self.partition_epoch.next();
    }

    /// The log directory of a broker's replica.
    pub fn directory(&self, broker: BrokerId) -> DirectoryId {
        let at = self.replicas.iter().position(|replica| *replica == broker);
        let known = at.and_then(|at| self.directories.get(at));
        known.copied().unwrap_or(DirectoryId::MIGRATING)
    }

    /// A reassignment is under way.
    pub fn is_reassigned(&self) -> bool {
        !self.removing.is_empty() || !self.adding.is_empty()
    }

    /// Its first replica leads.
    pub fn has_preferred_leader(&self) -> bool {
        self.leader.is_some() && self.leader == self.replicas.first().copied()
    }

    /// Forgets ELR and last known leader; no change if there are none.
    pub(super) fn clear_elr(&mut self) {
        if self.elr.is_empty() && self.last_known_elr.is_empty() {
            return;
        }
        self.elr.clear();
        self.last_known_elr.clear();
        self.partition_epoch = self.partition_epoch.next();
    }
}

/// A topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicImage {
    /// Its name.
    pub topic: TopicName,
    /// Its id.
    pub topic_id: TopicId,
    /// Its partitions, by number.
    pub partitions: BTreeMap<i32, PartitionRegistration>,
}
