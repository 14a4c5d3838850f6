//! The image of the cluster that the metadata records add up to. CONTRACT; the owner writes the rest.

use super::MetadataRecord;
use crate::config::TopicConfig;
use crate::id::{BrokerId, Incarnation, TopicId, TopicName, TopicPartition};
use crate::message::LeaderRecoveryState;
use crate::offset::{BrokerEpoch, LeaderEpoch, Offset, PartitionEpoch};
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

/// The whole cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetadataImage {}

impl MetadataImage {
    /// Takes in one record. A record that names something unknown is a broken log.
    ///
    /// # Errors
    /// What the record names that is not there.
    pub fn apply(&mut self, offset: Offset, record: &MetadataRecord) -> Result<(), String> {
        let _ = (offset, record);
        unimplemented!()
    }

    /// The registered brokers.
    pub fn brokers(&self) -> &BTreeMap<BrokerId, BrokerRegistration> {
        unimplemented!()
    }

    /// The topics, by name.
    pub fn topics(&self) -> impl Iterator<Item = &TopicImage> {
        std::iter::empty()
    }

    /// A topic by name.
    pub fn topic(&self, name: &str) -> Option<&TopicImage> {
        let _ = name;
        unimplemented!()
    }

    /// A topic by id.
    pub fn topic_by_id(&self, id: TopicId) -> Option<&TopicImage> {
        let _ = id;
        unimplemented!()
    }

    /// A partition by name.
    pub fn partition(&self, partition: &TopicPartition) -> Option<&PartitionRegistration> {
        let _ = partition;
        unimplemented!()
    }

    /// A topic's settings: its own, else the cluster's dynamic ones, else `defaults`.
    pub fn topic_config(&self, topic: &str, defaults: &TopicConfig) -> TopicConfig {
        let _ = (topic, defaults);
        unimplemented!()
    }
}
