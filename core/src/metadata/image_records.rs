//! The image as records: what a snapshot holds. Replayed into an empty image they make the same image again.
//!
//! Features first, then brokers, topics with their partitions, settings: whatever a record names is there
//! before it.
//!
//! Source: `MetadataImage.write`. Next: `../raft/snapshots.rs`.

use super::{
    ConfigRecord, FeatureLevelRecord, MetadataImage, MetadataRecord, PartitionRecord,
    PartitionRegistration, RegisterBrokerRecord, TopicImage, TopicRecord, codec,
};
use crate::config::Settings;
use crate::message::ConfigResource;
use crate::offset::Offset;
use crate::rules::Rules;

impl MetadataImage {
    /// The image that these records make; they stand for everything below `end`.
    ///
    /// # Errors
    /// What a record names that is not there.
    pub fn from_records(
        rules: Rules,
        end: Offset,
        records: &[MetadataRecord],
    ) -> Result<Self, String> {
        let mut image = Self::new(rules);
        for record in records {
            image.apply(end + -1, record)?;
        }
        Ok(image)
    }

    /// The records that make this image.
    pub fn records(&self) -> Vec<MetadataRecord> {
        let features = self.features().iter().map(|(name, level)| {
            MetadataRecord::FeatureLevel(FeatureLevelRecord {
                name: name.clone(),
                level: *level,
            })
        });
        let brokers = self.brokers().iter().map(|(broker, registration)| {
            MetadataRecord::RegisterBroker(RegisterBrokerRecord {
                broker: *broker,
                incarnation: registration.incarnation,
                broker_epoch: registration.broker_epoch,
                fenced: registration.fenced,
                in_controlled_shutdown: registration.in_controlled_shutdown,
                rack: registration.rack.clone(),
                log_dirs: registration.log_dirs.clone(),
            })
        });
        let topics = self.topics().flat_map(topic);
        let all = features.chain(brokers).chain(topics);
        all.chain(self.setting_records()).collect()
    }

    fn setting_records(&self) -> impl Iterator<Item = MetadataRecord> {
        let cluster = self.settings(&ConfigResource::Cluster);
        let cluster = cluster.map(|settings| (ConfigResource::Cluster, settings));
        let topics = self.topic_settings().iter();
        let topics = topics.map(|(name, settings)| (ConfigResource::Topic(name.clone()), settings));
        let brokers = self.broker_settings().iter();
        let brokers = brokers.map(|(id, settings)| (ConfigResource::Broker(*id), settings));
        let all = cluster.into_iter().chain(brokers).chain(topics);
        all.flat_map(|(resource, settings)| set(&resource, settings))
    }

    /// A checksum of the image: equal images have the same one.
    pub fn checksum(&self) -> u32 {
        let records = self.records();
        let bytes = records.iter().map(codec::encode);
        bytes.fold(0, |crc, record| crc32c::crc32c_append(crc, &record))
    }
}

fn set(resource: &ConfigResource, settings: &Settings) -> Vec<MetadataRecord> {
    let record = |(key, value): (&String, &String)| {
        MetadataRecord::Config(ConfigRecord {
            resource: resource.clone(),
            key: key.clone(),
            value: Some(value.clone()),
        })
    };
    settings.iter().map(record).collect()
}

fn topic(topic: &TopicImage) -> Vec<MetadataRecord> {
    let head = MetadataRecord::Topic(TopicRecord {
        topic: topic.topic.clone(),
        topic_id: topic.topic_id,
    });
    let partitions = topic.partitions.iter();
    let partitions = partitions.map(|(number, state)| partition(topic, *number, state));
    std::iter::once(head).chain(partitions).collect()
}

fn partition(topic: &TopicImage, number: i32, state: &PartitionRegistration) -> MetadataRecord {
    MetadataRecord::Partition(PartitionRecord {
        topic_id: topic.topic_id,
        partition: number,
        replicas: state.replicas.clone(),
        isr: state.isr.clone(),
        leader: state.leader,
        leader_recovery_state: state.leader_recovery_state,
        leader_epoch: state.leader_epoch,
        partition_epoch: state.partition_epoch,
        elr: state.elr.clone(),
        last_known_elr: state.last_known_elr.clone(),
        removing: state.removing.clone(),
        adding: state.adding.clone(),
        directories: state.directories.clone(),
    })
}
