//! Topics are created and deleted. Names, settings and places are checked, and one atomic batch says it all.
//!
//! A deletion is one record, RemoveTopic; a topic that is created later under the same name has another id.
//!
//! For each new topic: Topic, its Configs (with a ClearElr if `min.insync.replicas` is among them), its
//! Partitions. The first ISR is the live replicas in order, the first of them leads, with leader epoch
//! and partition epoch 0. One topic's failure does not touch the others.
//!
//! Simplified: no policies, quotas or limits on the number of partitions.
//! Source: `ReplicationControlManager.createTopics`, `createTopic`, `deleteTopics`, `Topic.validate`;
//! KIP-516.
//! Next: `partitions.rs`, `placement.rs`, `configs.rs`.

use super::cluster::{Changes, Cluster};
use super::placement;
use crate::error::ErrorCode;
use crate::id::{BrokerId, TopicId, TopicName};
use crate::message::{
    ConfigResource, CreateTopicsRequest, CreateTopicsResponse, CreatedTopic, DeleteTopicsRequest,
    DeleteTopicsResponse, NewTopic, Placement,
};
use crate::metadata::{METADATA_TOPIC, MetadataRecord, RemoveTopicRecord, TopicRecord};
use std::collections::{BTreeMap, BTreeSet};

/// An error with words for the operator.
pub(super) type Refusal = (ErrorCode, String);

const MAX_NAME_LENGTH: usize = 249;

impl Cluster {
    /// Creates topics.
    pub(super) fn create_topics(
        &mut self,
        request: &CreateTopicsRequest,
        changes: &mut Changes,
    ) -> CreateTopicsResponse {
        let mut topics = Vec::with_capacity(request.topics.len());
        let mut times: BTreeMap<&TopicName, usize> = BTreeMap::new();
        for topic in &request.topics {
            *times.entry(&topic.topic).or_default() += 1;
        }
        for topic in &request.topics {
            let created = if times.get(&topic.topic).is_some_and(|times| *times > 1) {
                let reason = format!("Topic '{}' is in the request more than once.", topic.topic);
                Err((ErrorCode::InvalidRequest, reason))
            } else {
                self.create_topic(topic, changes)
            };
            topics.push(match created {
                Ok(topic_id) => CreatedTopic {
                    topic: topic.topic.clone(),
                    topic_id: Some(topic_id),
                    error: ErrorCode::None,
                    message: None,
                },
                Err((error, message)) => CreatedTopic {
                    topic: topic.topic.clone(),
                    topic_id: None,
                    error,
                    message: Some(message),
                },
            });
        }
        CreateTopicsResponse { topics }
    }

    /// Deletes topics.
    pub(super) fn delete_topics(
        &self,
        request: &DeleteTopicsRequest,
        changes: &mut Changes,
    ) -> DeleteTopicsResponse {
        let mut deleted = BTreeSet::new();
        let mut topics = Vec::with_capacity(request.topics.len());
        for name in &request.topics {
            let error = match self.image.topic(name) {
                None => ErrorCode::UnknownTopicOrPartition,
                Some(topic) if !deleted.insert(topic.topic_id) => ErrorCode::InvalidRequest,
                Some(topic) => {
                    let topic_id = topic.topic_id;
                    let record = RemoveTopicRecord { topic_id };
                    changes.records.push(MetadataRecord::RemoveTopic(record));
                    ErrorCode::None
                }
            };
            topics.push((name.clone(), error));
        }
        DeleteTopicsResponse { topics }
    }

    fn create_topic(
        &mut self,
        topic: &NewTopic,
        changes: &mut Changes,
    ) -> Result<TopicId, Refusal> {
        self.check_name(&topic.topic)?;
        let resource = ConfigResource::Topic(topic.topic.clone());
        let settings = topic.configs.iter();
        let settings = settings.map(|(key, value)| (key.clone(), Some(value.clone())));
        let configs = self.config_records(&resource, settings.collect())?;
        let partitions = match &topic.placement {
            Placement::Manual(partitions) => self.check_placement(partitions)?,
            Placement::Spread {
                partitions,
                replication_factor,
            } => self.spread(*partitions, *replication_factor)?,
        };
        let topic_id = self.new_topic_id();
        let name = topic.topic.clone();
        changes.records.push(MetadataRecord::Topic(TopicRecord {
            topic: name,
            topic_id,
        }));
        changes.records.extend(configs);
        for (number, (replicas, isr)) in (0..).zip(partitions) {
            self.add_partition((topic_id, number), (replicas, isr), changes);
        }
        Ok(topic_id)
    }

    fn check_name(&self, name: &TopicName) -> Result<(), Refusal> {
        let allowed = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
        let reason = if name.is_empty() || **name == *"." || **name == *".." {
            Some(format!("Topic name is invalid: '{name}'"))
        } else if name.len() > MAX_NAME_LENGTH {
            Some(format!(
                "Topic name is longer than {MAX_NAME_LENGTH} characters: '{name}'"
            ))
        } else if !name.chars().all(allowed) {
            Some(format!(
                "Topic name '{name}' has characters other than [a-zA-Z0-9._-]"
            ))
        } else if **name == *METADATA_TOPIC {
            Some(format!("Topic name '{name}' is the metadata log's"))
        } else if self.image.topic(name).is_some() {
            let reason = format!("Topic '{name}' already exists.");
            return Err((ErrorCode::TopicAlreadyExists, reason));
        } else {
            let colliding = self.image.colliding_topic(name);
            colliding.map(|other| format!("Topic '{name}' collides with existing topic: {other}"))
        };
        reason.map_or(Ok(()), |reason| {
            Err((ErrorCode::InvalidTopicException, reason))
        })
    }

    /// Checks where an operator wants the replicas. Returns each partition's replicas and ISR.
    pub(super) fn check_placement(
        &self,
        partitions: &[Vec<BrokerId>],
    ) -> Result<Vec<ReplicasAndIsr>, Refusal> {
        let refuse = |reason: String| Err((ErrorCode::InvalidReplicaAssignment, reason));
        if partitions.is_empty() {
            let reason = "The assignment has no partitions.".to_owned();
            return Err((ErrorCode::InvalidPartitions, reason));
        }
        let factor = partitions.first().map_or(0, Vec::len);
        let mut placed = Vec::with_capacity(partitions.len());
        for (number, replicas) in partitions.iter().enumerate() {
            let distinct: BTreeSet<&BrokerId> = replicas.iter().collect();
            if replicas.is_empty() {
                return refuse(format!("The replica list of partition {number} is empty."));
            }
            if let Some(broker) = distinct
                .iter()
                .find(|b| !self.image.brokers().contains_key(b))
            {
                return refuse(format!("Broker {broker} is not registered."));
            }
            if distinct.len() != replicas.len() {
                return refuse(format!("Partition {number} has a broker more than once."));
            }
            if replicas.len() != factor {
                return refuse(format!(
                    "Partition {number} has {} replicas.",
                    replicas.len()
                ));
            }
            let (replicas, isr) = self.with_isr(replicas.clone());
            if isr.is_empty() {
                return refuse(format!("All brokers of partition {number} are fenced."));
            }
            placed.push((replicas, isr));
        }
        Ok(placed)
    }

    /// Chooses where the replicas go. Returns each partition's replicas and ISR.
    pub(super) fn spread(
        &mut self,
        partitions: Option<i32>,
        factor: Option<i32>,
    ) -> Result<Vec<ReplicasAndIsr>, Refusal> {
        let factor = factor.unwrap_or(self.config.default_replication_factor);
        let partitions = partitions.unwrap_or(self.config.num_partitions);
        let positive = |number: i32| usize::try_from(number).ok().filter(|number| *number > 0);
        let factor = positive(factor).ok_or_else(|| {
            let reason = "Replication factor must be larger than 0.".to_owned();
            (ErrorCode::InvalidReplicationFactor, reason)
        })?;
        let partitions = positive(partitions).ok_or_else(|| {
            let reason = "Number of partitions must be larger than 0.".to_owned();
            (ErrorCode::InvalidPartitions, reason)
        })?;
        let refuse = |reason: String| {
            let reason = format!("Unable to replicate the partition {factor} time(s): {reason}");
            (ErrorCode::InvalidReplicationFactor, reason)
        };
        let brokers = self.image.brokers();
        let rack = |id: &BrokerId| brokers.get(id).and_then(|broker| broker.rack.clone());
        let usable = self.heartbeats.usable();
        let usable = usable.map(|(id, fenced)| (rack(&id), id, fenced));
        let placed =
            placement::place(usable, partitions, factor, &mut self.random).map_err(refuse)?;
        let placed: Vec<_> = placed.into_iter().map(|list| self.with_isr(list)).collect();
        if placed.iter().any(|(_, isr)| isr.is_empty()) {
            return Err(refuse("all brokers are fenced or stopping".to_owned()));
        }
        Ok(placed)
    }

    fn with_isr(&self, replicas: Vec<BrokerId>) -> ReplicasAndIsr {
        let live = replicas.iter().copied();
        let isr = live
            .filter(|broker| self.image.is_active(*broker))
            .collect();
        (replicas, isr)
    }

    /// Source: `Uuid.randomUuid`, which never gives a reserved one.
    fn new_topic_id(&mut self) -> TopicId {
        loop {
            let id = (u128::from(self.random.draw()) << 64) | u128::from(self.random.draw());
            // Kafka keeps ids below 100 for itself.
            if id >= 100 && self.image.topic_by_id(TopicId(id)).is_none() {
                return TopicId(id);
            }
        }
    }
}

/// Replicas of a partition and those of them that live.
pub(super) type ReplicasAndIsr = (Vec<BrokerId>, Vec<BrokerId>);
