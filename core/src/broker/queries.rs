//! ListOffsets, OffsetForLeaderEpoch and Metadata: what clients and followers ask without changing
//! anything.
//!
//! Source: `KafkaApis.handleListOffsetRequest`, `handleOffsetForLeaderEpochRequest`,
//! `KRaftMetadataCache.getTopicMetadata`. Simplified: topics are never created by asking for them.
//! Next: `partition/leader.rs`.

use super::Broker;
use crate::error::ErrorCode;
use crate::event::Event;
use crate::id::{BrokerId, TopicId, TopicName, TopicPartition};
use crate::machine::{Effects, ReplyTo};
use crate::message::{
    Api, EpochAnswer, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse,
    MetadataRequest, MetadataResponse, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
    PartitionMetadata, Response, TopicMetadata,
};
use crate::metadata::{PartitionRegistration, TopicImage};
use crate::partition::Refusal;
use crate::storage::StorageError;
use crate::time::Now;

impl Broker {
    pub(super) fn list_offsets(
        &mut self,
        now: Now,
        reply: ReplyTo,
        request: &ListOffsetsRequest,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        let mut partitions = Vec::with_capacity(request.partitions.len());
        for one in &request.partitions {
            let hosted = self.replicas.hosted(&self.shared, &one.partition);
            let result = hosted.map_err(Refusal::Code).and_then(|partition| {
                partition.list_offset(&mut self.shared.context(now), request.fetcher, one)
            });
            partitions.push(match result {
                Ok(found) => found,
                Err(refusal) => {
                    let error = refusal.code(&mut self.shared)?;
                    refused(reply, Api::ListOffsets, &one.partition, error, out);
                    let partition = one.partition.clone();
                    ListOffsetsPartitionResponse {
                        partition,
                        error,
                        offset: None,
                        leader_epoch: None,
                    }
                }
            });
        }
        out.respond(
            reply,
            Response::ListOffsets(ListOffsetsResponse { partitions }),
        );
        Ok(())
    }

    pub(super) fn epoch_ends(
        &mut self,
        reply: ReplyTo,
        request: &OffsetForLeaderEpochRequest,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        let truncation = self.shared.rules.truncation;
        let mut partitions = Vec::with_capacity(request.partitions.len());
        for question in &request.partitions {
            let hosted = self.replicas.hosted(&self.shared, &question.partition);
            let result = hosted
                .map_err(Refusal::Code)
                .and_then(|partition| partition.epoch_end(truncation, question));
            partitions.push(match result {
                Ok(answer) => answer,
                Err(refusal) => {
                    let error = refusal.code(&mut self.shared)?;
                    refused(
                        reply,
                        Api::OffsetForLeaderEpoch,
                        &question.partition,
                        error,
                        out,
                    );
                    let partition = question.partition.clone();
                    EpochAnswer {
                        partition,
                        error,
                        leader_epoch: None,
                        end_offset: None,
                    }
                }
            });
        }
        let response = OffsetForLeaderEpochResponse { partitions };
        out.respond(reply, Response::OffsetForLeaderEpoch(response));
        Ok(())
    }

    pub(super) fn metadata(&self, reply: ReplyTo, request: &MetadataRequest, out: &mut Effects) {
        let image = &self.shared.image;
        let topics = match &request.topics {
            None => image.topics().map(|topic| self.describe(topic)).collect(),
            Some(names) => names
                .iter()
                .map(|name| {
                    image
                        .topic(name)
                        .map_or_else(|| unknown(name), |topic| self.describe(topic))
                })
                .collect(),
        };
        let brokers = image.brokers().iter().filter(|(_, broker)| !broker.fenced);
        let brokers = brokers.map(|(id, _)| *id).collect();
        out.respond(
            reply,
            Response::Metadata(MetadataResponse { brokers, topics }),
        );
    }

    fn describe(&self, topic: &TopicImage) -> TopicMetadata {
        let partitions = topic
            .partitions
            .iter()
            .map(|(number, partition)| self.describe_partition(*number, partition));
        TopicMetadata {
            error: ErrorCode::None,
            topic: topic.topic.clone(),
            topic_id: topic.topic_id,
            partitions: partitions.collect(),
        }
    }

    fn describe_partition(
        &self,
        number: i32,
        partition: &PartitionRegistration,
    ) -> PartitionMetadata {
        let is_alive = |id: &BrokerId| {
            self.shared
                .image
                .brokers()
                .get(id)
                .is_some_and(|broker| !broker.fenced)
        };
        let leader = partition.leader.filter(is_alive);
        PartitionMetadata {
            error: if leader.is_some() {
                ErrorCode::None
            } else {
                ErrorCode::LeaderNotAvailable
            },
            partition: number,
            leader,
            leader_epoch: partition.leader_epoch,
            replicas: partition.replicas.clone(),
            isr: partition.isr.clone(),
            elr: partition.elr.clone(),
        }
    }
}

fn unknown(name: &TopicName) -> TopicMetadata {
    TopicMetadata {
        error: ErrorCode::UnknownTopicOrPartition,
        topic: name.clone(),
        topic_id: TopicId::default(),
        partitions: Vec::new(),
    }
}

fn refused(
    reply: ReplyTo,
    api: Api,
    partition: &TopicPartition,
    error: ErrorCode,
    out: &mut Effects,
) {
    let from = reply.connection.client;
    out.observe(Event::Refused {
        api,
        partition: Some(partition.clone()),
        from,
        error,
    });
}
