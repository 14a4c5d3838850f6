//! The image of the cluster that the metadata records add up to. The controller decides from it,
//! brokers act on it; both change it in one way only: by the next record.
//!
//! - What a record does to a broker or partition is in `registration.rs`.
//! - A topic's setting is its own, else that of the node that asks, else the cluster's dynamic one, else the
//!   default of the process.
//! - A setting with value `None` is deleted.
//!
//! Invariants:
//! - A record that names something unknown is an error: the log is broken.
//!
//! Simplified: no removal of brokers.
//! Source: `PartitionRegistration.merge`, `ReplicationControlManager.replay`, `TopicsDelta.replay`,
//! `ClusterControlManager.replay`, `ConfigurationControlManager.replay`.
//! Next: `controller/cluster.rs`.

use super::{
    BrokerRegistration, BrokerRegistrationChangeRecord, ClearElrRecord, ConfigRecord,
    MetadataRecord, PartitionChangeRecord, PartitionRecord, PartitionRegistration,
    RegisterBrokerRecord, RemoveTopicRecord, TopicImage, TopicRecord,
};
use crate::config::{Config, Settings, TopicConfig};
use crate::id::{BrokerId, TopicId, TopicName, TopicPartition};
use crate::message::ConfigResource;
use crate::offset::Offset;
use crate::rules::Rules;
use std::collections::BTreeMap;

/// Feature that carries the generation of the metadata records.
pub const METADATA_VERSION: &str = "metadata.version";
/// Feature that lets replicas below `min.insync.replicas` stay eligible as leaders (KIP-966).
pub const ELR_VERSION: &str = "eligible.leader.replicas.version";

/// The whole cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetadataImage {
    end_offset: Offset,
    brokers: BTreeMap<BrokerId, BrokerRegistration>,
    topics: BTreeMap<TopicId, TopicImage>,
    names: BTreeMap<TopicName, TopicId>,
    /// Names with `.` or `_`, which metrics cannot tell apart, under one spelling.
    colliding_names: BTreeMap<String, TopicName>,
    topic_settings: BTreeMap<TopicName, Settings>,
    cluster_settings: Settings,
    broker_settings: BTreeMap<BrokerId, Settings>,
    features: BTreeMap<String, i16>,
    rules: Rules,
}

impl MetadataImage {
    /// An empty cluster under these rules.
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            ..Self::default()
        }
    }

    /// Takes in one record. A record that names something unknown is a broken log.
    ///
    /// # Errors
    /// What the record names that is not there.
    pub fn apply(&mut self, offset: Offset, record: &MetadataRecord) -> Result<(), String> {
        match record {
            MetadataRecord::RegisterBroker(record) => self.register(record),
            MetadataRecord::Topic(record) => self.add_topic(record)?,
            MetadataRecord::Partition(record) => self.add_partition(record)?,
            MetadataRecord::Config(record) => self.configure(record),
            MetadataRecord::PartitionChange(record) => self.change_partition(record)?,
            MetadataRecord::RemoveTopic(record) => self.remove_topic(record)?,
            MetadataRecord::FeatureLevel(record) => {
                self.features.insert(record.name.clone(), record.level);
            }
            MetadataRecord::BrokerRegistrationChange(record) => self.change_broker(record)?,
            MetadataRecord::NoOp => {}
            MetadataRecord::ClearElr(record) => self.clear_elr(record)?,
        }
        self.end_offset = offset.next();
        Ok(())
    }

    /// The offset after the last record that was taken in.
    pub fn end_offset(&self) -> Offset {
        self.end_offset
    }

    /// The registered brokers.
    pub fn brokers(&self) -> &BTreeMap<BrokerId, BrokerRegistration> {
        &self.brokers
    }

    /// Whether a broker is registered, serves and is not about to stop.
    pub fn is_active(&self, broker: BrokerId) -> bool {
        let registration = self.brokers.get(&broker);
        registration.is_some_and(BrokerRegistration::is_active)
    }

    /// The topics, by name.
    pub fn topics(&self) -> impl Iterator<Item = &TopicImage> {
        self.names.values().filter_map(|id| self.topics.get(id))
    }

    /// A topic by name.
    pub fn topic(&self, name: &str) -> Option<&TopicImage> {
        self.names.get(name).and_then(|id| self.topics.get(id))
    }

    /// A topic by id.
    pub fn topic_by_id(&self, id: TopicId) -> Option<&TopicImage> {
        self.topics.get(&id)
    }

    /// A topic whose name differs at most in `.` and `_`.
    pub fn colliding_topic(&self, name: &str) -> Option<&TopicName> {
        unified(name).and_then(|unified| self.colliding_names.get(&unified))
    }

    /// A partition by name.
    pub fn partition(&self, partition: &TopicPartition) -> Option<&PartitionRegistration> {
        self.topic(&partition.topic)?
            .partitions
            .get(&partition.partition)
    }

    /// A partition by its topic's id.
    pub fn partition_by_id(
        &self,
        topic_id: TopicId,
        partition: i32,
    ) -> Option<&PartitionRegistration> {
        self.topics.get(&topic_id)?.partitions.get(&partition)
    }

    /// All partitions, by topic name and number.
    pub fn partitions(&self) -> impl Iterator<Item = (TopicPartition, &PartitionRegistration)> {
        self.topics().flat_map(|topic| {
            topic.partitions.iter().map(|(number, registration)| {
                let partition = TopicPartition::new(topic.topic.clone(), *number);
                (partition, registration)
            })
        })
    }

    /// The level of a feature; 0 if it is off.
    pub fn feature_level(&self, name: &str) -> i16 {
        self.features.get(name).copied().unwrap_or(0)
    }

    /// Whether the ISR may become empty and eligible leader replicas are kept (KIP-966).
    pub fn is_elr_enabled(&self) -> bool {
        self.feature_level(ELR_VERSION) >= 1
    }

    /// A topic's settings on broker `at`: its own, else the broker's, else the cluster's dynamic ones, else
    /// `defaults`. Source: `ConfigurationControlManager.getTopicConfig`, `DynamicBrokerConfig`.
    pub fn topic_config(
        &self,
        topic: &str,
        at: Option<BrokerId>,
        defaults: &TopicConfig,
    ) -> TopicConfig {
        let mut config = defaults.clone();
        let own = self.topic_settings.get(topic).into_iter().flatten();
        let local = at.and_then(|broker| self.broker_settings.get(&broker));
        let local = local.into_iter().flatten();
        for (key, value) in self.cluster_settings.iter().chain(local).chain(own) {
            // The controller checked each setting before it wrote the record; one that this release
            // does not know is skipped, as in Kafka.
            let _unknown = config.set(key, value);
        }
        config
    }

    /// The levels of all features.
    pub(super) fn features(&self) -> &BTreeMap<String, i16> {
        &self.features
    }

    /// The settings of all topics that have any.
    pub(super) fn topic_settings(&self) -> &BTreeMap<TopicName, Settings> {
        &self.topic_settings
    }

    /// What was set of single brokers.
    pub(super) fn broker_settings(&self) -> &BTreeMap<BrokerId, Settings> {
        &self.broker_settings
    }

    /// The settings of one resource, as they were set.
    pub fn settings(&self, resource: &ConfigResource) -> Option<&Settings> {
        match resource {
            ConfigResource::Topic(topic) => self.topic_settings.get(topic),
            ConfigResource::Cluster => Some(&self.cluster_settings),
            ConfigResource::Broker(broker) => self.broker_settings.get(broker),
        }
    }

    fn register(&mut self, record: &RegisterBrokerRecord) {
        let registration = BrokerRegistration {
            incarnation: record.incarnation,
            broker_epoch: record.broker_epoch,
            fenced: record.fenced,
            in_controlled_shutdown: record.in_controlled_shutdown,
            rack: record.rack.clone(),
            log_dirs: record.log_dirs.clone(),
        };
        self.brokers.insert(record.broker, registration);
    }

    fn change_broker(&mut self, record: &BrokerRegistrationChangeRecord) -> Result<(), String> {
        let broker = self
            .brokers
            .get_mut(&record.broker)
            .filter(|broker| broker.broker_epoch == record.broker_epoch)
            .ok_or_else(|| {
                format!(
                    "no registration of broker {} with epoch {}",
                    record.broker, record.broker_epoch
                )
            })?;
        broker.fenced = record.fenced.unwrap_or(broker.fenced);
        if let Some(stopping) = record.in_controlled_shutdown {
            broker.in_controlled_shutdown = stopping;
        }
        if let Some(log_dirs) = &record.log_dirs {
            broker.log_dirs.clone_from(log_dirs);
        }
        Ok(())
    }

    fn add_topic(&mut self, record: &TopicRecord) -> Result<(), String> {
        if self.names.contains_key(&record.topic) || self.topics.contains_key(&record.topic_id) {
            return Err(format!(
                "a second topic {} {}",
                record.topic, record.topic_id
            ));
        }
        if let Some(unified) = unified(&record.topic) {
            self.colliding_names.insert(unified, record.topic.clone());
        }
        self.names.insert(record.topic.clone(), record.topic_id);
        let topic = TopicImage {
            topic: record.topic.clone(),
            topic_id: record.topic_id,
            partitions: BTreeMap::new(),
        };
        self.topics.insert(record.topic_id, topic);
        Ok(())
    }

    /// Source: `TopicsDelta.replay(RemoveTopicRecord)`, `ConfigurationControlManager.deleteTopicConfigs`.
    fn remove_topic(&mut self, record: &RemoveTopicRecord) -> Result<(), String> {
        let topic = self
            .topics
            .remove(&record.topic_id)
            .ok_or_else(|| format!("no topic {}", record.topic_id))?;
        self.names.remove(&topic.topic);
        self.topic_settings.remove(&topic.topic);
        if let Some(unified) = unified(&topic.topic) {
            self.colliding_names.remove(&unified);
        }
        Ok(())
    }

    fn add_partition(&mut self, record: &PartitionRecord) -> Result<(), String> {
        let topic = self
            .topics
            .get_mut(&record.topic_id)
            .ok_or_else(|| format!("no topic {}", record.topic_id))?;
        let registration = PartitionRegistration::from_record(record);
        topic.partitions.insert(record.partition, registration);
        Ok(())
    }

    fn change_partition(&mut self, record: &PartitionChangeRecord) -> Result<(), String> {
        let partition = self
            .topics
            .get_mut(&record.topic_id)
            .and_then(|topic| topic.partitions.get_mut(&record.partition))
            .ok_or_else(|| format!("no partition {}:{}", record.topic_id, record.partition))?;
        partition.merge(record, self.rules);
        Ok(())
    }

    fn clear_elr(&mut self, record: &ClearElrRecord) -> Result<(), String> {
        let Some(name) = &record.topic else {
            let partitions = self
                .topics
                .values_mut()
                .flat_map(|t| t.partitions.values_mut());
            partitions.for_each(PartitionRegistration::clear_elr);
            return Ok(());
        };
        let id = self.names.get(name).copied();
        let topic = id
            .and_then(|id| self.topics.get_mut(&id))
            .ok_or_else(|| format!("no topic {name}"))?;
        let partitions = topic.partitions.values_mut();
        partitions.for_each(PartitionRegistration::clear_elr);
        Ok(())
    }

    fn configure(&mut self, record: &ConfigRecord) {
        let settings = match &record.resource {
            ConfigResource::Topic(topic) => self.topic_settings.entry(topic.clone()).or_default(),
            ConfigResource::Cluster => &mut self.cluster_settings,
            ConfigResource::Broker(broker) => self.broker_settings.entry(*broker).or_default(),
        };
        match &record.value {
            Some(value) => settings.insert(record.key.clone(), value.clone()),
            None => settings.remove(&record.key),
        };
    }
}

/// The one spelling of names that metrics cannot tell apart; `None` if the name has no such letter.
fn unified(name: &str) -> Option<String> {
    name.contains(['.', '_']).then(|| name.replace('.', "_"))
}

#[cfg(test)]
#[path = "image_tests.rs"]
mod tests;
