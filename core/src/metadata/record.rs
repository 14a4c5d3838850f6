//! The records of the metadata log, `__cluster_metadata-0`: the only truth about the cluster. The
//! controller changes its state by writing them, brokers by reading them.
//!
//! Source: `metadata/src/main/resources/common/metadata/*.json`. Simplified: fields that the
//! simulation has no use for (endpoints, features, SCRAM, ...) are not here; the codec writes them empty.

use crate::id::{BrokerId, Incarnation, TopicId, TopicName};
use crate::message::{ConfigResource, LeaderRecoveryState};
use crate::offset::{BrokerEpoch, LeaderEpoch, PartitionEpoch};
use crate::raft::DirectoryId;
use serde::{Deserialize, Serialize};

/// One record of the metadata log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MetadataRecord {
    /// A broker registered (0).
    RegisterBroker(RegisterBrokerRecord),
    /// A topic exists (2).
    Topic(TopicRecord),
    /// A partition exists (3).
    Partition(PartitionRecord),
    /// A setting changed (4).
    Config(ConfigRecord),
    /// A partition changed (5).
    PartitionChange(PartitionChangeRecord),
    /// A topic is deleted, with its partitions and settings (9).
    RemoveTopic(RemoveTopicRecord),
    /// A feature level was set (12).
    FeatureLevel(FeatureLevelRecord),
    /// A broker was fenced or unfenced, or began or ended a controlled shutdown (17).
    BrokerRegistrationChange(BrokerRegistrationChangeRecord),
    /// Nothing; keeps the log moving (20).
    NoOp,
    /// `min.insync.replicas` changed, so the eligible leader replicas are forgotten (28).
    ClearElr(ClearElrRecord),
}

/// RegisterBrokerRecord.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterBrokerRecord {
    /// Who.
    pub broker: BrokerId,
    /// Which start of it.
    pub incarnation: Incarnation,
    /// Its registration: the offset of this record.
    pub broker_epoch: BrokerEpoch,
    /// It may not serve yet.
    pub fenced: bool,
    /// It is stopping.
    pub in_controlled_shutdown: bool,
    /// The rack that it stands in, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rack: Option<String>,
    /// Its log directories that it can use (KIP-858); empty if it has but one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log_dirs: Vec<DirectoryId>,
}

/// TopicRecord.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicRecord {
    /// Its name.
    pub topic: TopicName,
    /// Its id.
    pub topic_id: TopicId,
}

/// PartitionRecord.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionRecord {
    /// Its topic.
    pub topic_id: TopicId,
    /// Its number.
    pub partition: i32,
    /// Its replicas; the first is preferred as leader.
    pub replicas: Vec<BrokerId>,
    /// In-sync replicas.
    pub isr: Vec<BrokerId>,
    /// Its leader, `None` for -1.
    pub leader: Option<BrokerId>,
    /// Whether the leader has recovered.
    pub leader_recovery_state: LeaderRecoveryState,
    /// The leader's epoch.
    pub leader_epoch: LeaderEpoch,
    /// The epoch of this state.
    pub partition_epoch: PartitionEpoch,
    /// Eligible leader replicas (KIP-966).
    pub elr: Vec<BrokerId>,
    /// The last known leader, when nobody leads (KIP-966).
    pub last_known_elr: Vec<BrokerId>,
    /// Replicas that a reassignment takes away, still among `replicas`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removing: Vec<BrokerId>,
    /// Replicas that a reassignment brings, already among `replicas`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub adding: Vec<BrokerId>,
    /// The log directory of each replica, in their order (KIP-858); empty if none is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub directories: Vec<DirectoryId>,
}

/// PartitionChangeRecord. Every one raises the partition epoch by one; one with a `leader` raises the
/// leader epoch too, even if the leader stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionChangeRecord {
    /// Its topic.
    pub topic_id: TopicId,
    /// Its number.
    pub partition: i32,
    /// The new ISR, if it changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isr: Option<Vec<BrokerId>>,
    /// The new leader, if it is set.
    #[serde(default, skip_serializing_if = "LeaderChange::is_unchanged")]
    pub leader: LeaderChange,
    /// The new recovery state, if it changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader_recovery_state: Option<LeaderRecoveryState>,
    /// The new ELR, if it changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elr: Option<Vec<BrokerId>>,
    /// The new last known leader, if it changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_known_elr: Option<Vec<BrokerId>>,
    /// The new replicas, if they change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<Vec<BrokerId>>,
    /// The replicas that a reassignment takes away from now on, if they change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removing: Option<Vec<BrokerId>>,
    /// The replicas that a reassignment brings from now on, if they change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adding: Option<Vec<BrokerId>>,
    /// The log directory of each replica, if they change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directories: Option<Vec<DirectoryId>>,
}

/// What a change says of the leader.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeaderChange {
    /// Nothing (-2).
    #[default]
    Unchanged,
    /// Nobody leads (-1).
    NoLeader,
    /// This broker leads.
    Leader(BrokerId),
}

impl LeaderChange {
    /// Whether the change says nothing of the leader.
    pub fn is_unchanged(&self) -> bool {
        *self == Self::Unchanged
    }
}

/// RemoveTopicRecord.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoveTopicRecord {
    /// Which topic.
    pub topic_id: TopicId,
}

/// ConfigRecord.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigRecord {
    /// Whose setting.
    pub resource: ConfigResource,
    /// Its key.
    pub key: String,
    /// Its value; `None` deletes it.
    pub value: Option<String>,
}

/// ClearElrRecord.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClearElrRecord {
    /// Of which topic; `None` is all.
    pub topic: Option<TopicName>,
}

/// FeatureLevelRecord.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeatureLevelRecord {
    /// Which feature.
    pub name: String,
    /// Its level.
    pub level: i16,
}

/// BrokerRegistrationChangeRecord.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokerRegistrationChangeRecord {
    /// Who.
    pub broker: BrokerId,
    /// Its registration.
    pub broker_epoch: BrokerEpoch,
    /// Fenced (true), unfenced (false), or no change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fenced: Option<bool>,
    /// It began a controlled shutdown, or no change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_controlled_shutdown: Option<bool>,
    /// The log directories that it can use from now on, or no change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_dirs: Option<Vec<DirectoryId>>,
}
