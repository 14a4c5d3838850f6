//! What the active controller knows and decides from, without its log: a decision reads this state
//! and gives records; the state changes only when they are replayed.
//!
//! The state runs ahead of the log: records are replayed as soon as they are decided, so that the next
//! decision sees them, and are written a moment later. Nothing that follows from them leaves the
//! controller before.
//!
//! Invariants:
//! - Index and heartbeats agree with the image after each record.
//!
//! Source: `QuorumController.ControllerWriteEvent`, `ClusterControlManager.replay`.
//! Next: `registry.rs` for brokers, `leadership.rs` for partitions.

use super::heartbeats::Heartbeats;
use super::index::{PartitionIndex, PartitionKey};
use crate::config::{ControllerConfig, TopicConfig};
use crate::event::Event;
use crate::id::{BrokerId, TopicPartition};
use crate::message::ConfigResource;
use crate::metadata::{
    ConfigRecord, ELR_VERSION, FeatureLevelRecord, METADATA_VERSION, MetadataImage, MetadataRecord,
    PartitionRegistration, TopicImage,
};
use crate::offset::Offset;
use crate::random::Random;
use crate::rules::Rules;
use crate::time::Timestamp;
use std::collections::BTreeMap;

/// `metadata.version` 4.3-IV0.
const NEWEST_METADATA_VERSION: i16 = 30;
/// The setting that decides when replicas become eligible leaders.
pub(super) const MIN_INSYNC_REPLICAS: &str = "min.insync.replicas";

/// What a decision brings about.
#[derive(Clone, Debug, Default)]
pub(super) struct Changes {
    /// To be written as one atomic batch.
    pub(super) records: Vec<MetadataRecord>,
    /// For the history.
    pub(super) events: Vec<Event>,
    /// The request failed as a whole: its answer waits for nothing (an exception in Kafka).
    pub(super) answer_at_once: bool,
    /// A broker that is in controlled shutdown after this: the end of the records is remembered.
    pub(super) stopping: Option<BrokerId>,
}

/// The controller's state.
#[derive(Clone, Debug)]
pub(super) struct Cluster {
    pub(super) image: MetadataImage,
    pub(super) index: PartitionIndex,
    pub(super) heartbeats: Heartbeats,
    /// Where each broker's registration is in the log: once applied, the broker is caught up.
    pub(super) register_offsets: BTreeMap<BrokerId, Offset>,
    pub(super) config: ControllerConfig,
    pub(super) topic_defaults: TopicConfig,
    pub(super) rules: Rules,
    pub(super) random: Random,
}

impl Cluster {
    pub(super) fn new(
        config: ControllerConfig,
        topic_defaults: TopicConfig,
        rules: Rules,
        random: Random,
    ) -> Self {
        Self {
            image: MetadataImage::new(rules),
            index: PartitionIndex::default(),
            heartbeats: Heartbeats::new(
                config.broker_session_timeout,
                rules.session_outlives_fencing,
            ),
            register_offsets: BTreeMap::new(),
            config,
            topic_defaults,
            rules,
            random,
        }
    }

    /// Takes in one record.
    ///
    /// # Errors
    /// What the record names that is not there.
    pub(super) fn replay(&mut self, offset: Offset, record: &MetadataRecord) -> Result<(), String> {
        let touched = self.touched_partitions(record);
        self.image.apply(offset, record)?;
        for (key, before) in touched {
            match self.image.partition_by_id(key.0, key.1) {
                Some(after) => self.index.update(key, before.as_ref(), after),
                None => self.index.remove(key, before.as_ref()),
            }
        }
        match record {
            MetadataRecord::RegisterBroker(record) => {
                if self
                    .register_offsets
                    .insert(record.broker, offset)
                    .is_some()
                {
                    self.heartbeats.remove(record.broker);
                }
                self.heartbeats.register(record.broker, record.fenced);
            }
            MetadataRecord::BrokerRegistrationChange(record) => {
                let registration = self.image.brokers().get(&record.broker);
                let fenced = registration.is_none_or(|broker| broker.fenced);
                self.heartbeats.register(record.broker, fenced);
            }
            MetadataRecord::Topic(_)
            | MetadataRecord::Partition(_)
            | MetadataRecord::Config(_)
            | MetadataRecord::PartitionChange(_)
            | MetadataRecord::RemoveTopic(_)
            | MetadataRecord::FeatureLevel(_)
            | MetadataRecord::NoOp
            | MetadataRecord::ClearElr(_) => {}
        }
        Ok(())
    }

    /// The partitions that a record changes, as they are before it.
    fn touched_partitions(
        &self,
        record: &MetadataRecord,
    ) -> Vec<(PartitionKey, Option<PartitionRegistration>)> {
        let before = |key: PartitionKey| (key, self.image.partition_by_id(key.0, key.1).cloned());
        let all = |topic: &TopicImage| {
            let keys = topic.partitions.keys();
            let list: Vec<_> = keys
                .map(|number| before((topic.topic_id, *number)))
                .collect();
            list
        };
        match record {
            MetadataRecord::Partition(record) => vec![before((record.topic_id, record.partition))],
            MetadataRecord::PartitionChange(record) => {
                vec![before((record.topic_id, record.partition))]
            }
            MetadataRecord::RemoveTopic(record) => {
                let topic = self.image.topic_by_id(record.topic_id);
                topic.map(all).unwrap_or_default()
            }
            MetadataRecord::ClearElr(record) => match &record.topic {
                Some(name) => self.image.topic(name).map(all).unwrap_or_default(),
                None => self.image.topics().flat_map(all).collect(),
            },
            MetadataRecord::RegisterBroker(_)
            | MetadataRecord::Topic(_)
            | MetadataRecord::Config(_)
            | MetadataRecord::FeatureLevel(_)
            | MetadataRecord::BrokerRegistrationChange(_)
            | MetadataRecord::NoOp => Vec::new(),
        }
    }

    /// Begins to decide: every unfenced broker gets a fresh session. Returns what an empty log needs.
    pub(super) fn activate(&mut self, now: Timestamp) -> Changes {
        self.heartbeats = Heartbeats::new(
            self.config.broker_session_timeout,
            self.rules.session_outlives_fencing,
        );
        for (broker, registration) in self.image.brokers() {
            self.heartbeats.register(*broker, registration.fenced);
            if !registration.fenced {
                self.heartbeats
                    .contact(*broker, registration.broker_epoch, now);
            }
        }
        let mut changes = Changes::default();
        if self.image.feature_level(METADATA_VERSION) == 0 {
            changes.records = self.bootstrap_records();
        }
        changes
    }

    /// Source: `BootstrapMetadata`, `ActivationRecordsGenerator.recordsForEmptyLog`. Simplified: not
    /// inside a metadata transaction, for they are one batch.
    fn bootstrap_records(&self) -> Vec<MetadataRecord> {
        let feature = |name: &str, level| {
            MetadataRecord::FeatureLevel(FeatureLevelRecord {
                name: name.to_owned(),
                level,
            })
        };
        let mut records = vec![
            feature(METADATA_VERSION, NEWEST_METADATA_VERSION),
            feature(ELR_VERSION, i16::from(self.rules.elr)),
        ];
        if self.rules.elr {
            // With ELR the cluster has one `min.insync.replicas` that no broker may override.
            records.push(MetadataRecord::Config(ConfigRecord {
                resource: ConfigResource::Cluster,
                key: MIN_INSYNC_REPLICAS.to_owned(),
                value: Some(self.topic_defaults.min_insync_replicas.to_string()),
            }));
        }
        records
    }

    /// A topic's settings.
    pub(super) fn topic_config(&self, topic: &str) -> TopicConfig {
        self.image.topic_config(topic, None, &self.topic_defaults)
    }

    /// A partition's name.
    pub(super) fn partition_name(&self, key: PartitionKey) -> Option<TopicPartition> {
        let topic = self.image.topic_by_id(key.0)?;
        Some(TopicPartition::new(topic.topic.clone(), key.1))
    }
}
