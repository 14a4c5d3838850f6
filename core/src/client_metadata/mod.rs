//! What a client (producer or consumer) knows of brokers, topics and leaders.
//!
//! Rule: the leader epoch that is known of a partition never goes back while the topic id stays; an
//! answer with an older epoch (from a broker that lags) is passed over. An answer replaces everything
//! else that was known of its topics.
//! Invariants: a leader is only named together with the epoch that was last seen of its partition.
//! Simplified: a request names all wanted topics (Kafka asks for new ones alone first); topics are
//! not dropped after `metadata.max.idle.ms`; nothing is asked before the first topic is wanted.
//! Source: `Metadata`, `MetadataSnapshot`, `ProducerMetadata`; KIP-951 for hints in responses.
//! Next: `network.rs`, for who is asked.

mod least_loaded;
pub(crate) mod network;
mod refresh;

use crate::channel::Backoff;
use crate::error::ErrorCode;
use crate::id::{BrokerId, TopicId, TopicName, TopicPartition};
use crate::message::{LeaderIdAndEpoch, MetadataRequest, MetadataResponse};
use crate::message::{PartitionMetadata, TopicMetadata};
use crate::offset::LeaderEpoch;
use crate::random::Random;
use crate::time::Timestamp;
use refresh::Refresh;
use std::collections::BTreeMap;
use std::time::Duration;

/// A client's view of the cluster.
#[derive(Clone, Debug)]
pub struct ClientMetadata {
    bootstrap: Vec<BrokerId>,
    brokers: Vec<BrokerId>,
    topics: BTreeMap<TopicName, Topic>,
    refresh: Refresh,
    version: u64,
}

/// Who leads a partition, as far as a client knows. Two of them differ when the client has to look
/// whether its position is still good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leadership {
    /// The leader; `None` if there is none or it is not known.
    pub leader: Option<BrokerId>,
    /// The newest epoch seen.
    pub epoch: Option<LeaderEpoch>,
}

#[derive(Clone, Debug, Default)]
struct Topic {
    id: Option<TopicId>,
    error: ErrorCode,
    /// How many partitions the last answer named; 0 if it had an error.
    count: usize,
    partitions: Vec<Partition>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Partition {
    leader: Option<BrokerId>,
    epoch: Option<LeaderEpoch>,
    last_seen: Option<LeaderEpoch>,
}

impl ClientMetadata {
    /// Knows nothing but whom to ask first.
    pub fn new(mut bootstrap: Vec<BrokerId>, backoff: Backoff, max_age: Duration) -> Self {
        bootstrap.sort_unstable();
        bootstrap.dedup();
        Self {
            brokers: bootstrap.clone(),
            bootstrap,
            topics: BTreeMap::new(),
            refresh: Refresh::new(backoff, max_age),
            version: 0,
        }
    }

    /// Changes whenever a leader may have changed.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The brokers of the last answer, or those to ask first, by id.
    pub fn brokers(&self) -> &[BrokerId] {
        &self.brokers
    }

    /// The brokers to ask first (KIP-899: also when no other one can be reached).
    pub fn bootstrap(&self) -> &[BrokerId] {
        &self.bootstrap
    }

    /// Wants `topic` to be known from now on.
    pub fn want(&mut self, topic: &TopicName) {
        if !self.topics.contains_key(topic) {
            self.topics.insert(topic.clone(), Topic::default());
            self.refresh.request_for_new_topic();
        }
    }

    /// Forgets the topics that `keep` does not want.
    pub fn retain(&mut self, keep: impl Fn(&TopicName) -> bool) {
        self.topics.retain(|topic, _| keep(topic));
    }

    /// Wants a refresh as soon as the backoff allows.
    pub fn request_update(&mut self) {
        self.refresh.request();
    }

    /// When the next request is to be sent, if any.
    pub fn due(&self) -> Option<Timestamp> {
        self.refresh.due().filter(|_| !self.topics.is_empty())
    }

    /// The next request, which the caller sends now.
    pub fn next_request(&mut self) -> MetadataRequest {
        self.refresh.sent();
        MetadataRequest {
            topics: Some(self.topics.keys().cloned().collect()),
            allow_auto_topic_creation: true,
        }
    }

    /// Takes over an answer.
    pub fn update(&mut self, now: Timestamp, response: MetadataResponse, random: &mut Random) {
        if response.brokers.is_empty() {
            // A broker that knows no broker, not even itself, has just started: ask again.
            self.failed(now, random);
            return;
        }
        self.brokers = response.brokers;
        self.brokers.sort_unstable();
        self.version += 1;
        let mut change = Change::default();
        for metadata in &response.topics {
            if let Some(topic) = self.topics.get_mut(&metadata.topic) {
                topic.update(metadata, &self.brokers, &mut change);
            }
        }
        self.refresh.succeeded(now, change.news, random);
        if change.incomplete {
            self.refresh.request();
        }
    }

    /// Takes note that a request was not answered.
    pub fn failed(&mut self, now: Timestamp, random: &mut Random) {
        self.refresh.failed(now, random);
    }

    /// Takes over a leader that a response named (KIP-951), if it is news. Returns whether it was.
    pub fn update_leader(&mut self, partition: &TopicPartition, hint: LeaderIdAndEpoch) -> bool {
        let Some(leader) = hint.leader else {
            return false;
        };
        let Some(known) = self.partition_mut(partition) else {
            return false;
        };
        if known.last_seen.is_some_and(|seen| hint.epoch <= seen) {
            return false;
        }
        known.leader = Some(leader);
        known.epoch = Some(hint.epoch);
        known.last_seen = Some(hint.epoch);
        if let Err(place) = self.brokers.binary_search(&leader) {
            self.brokers.insert(place, leader);
        }
        self.version += 1;
        true
    }

    /// Takes note of an epoch that a response named. If it is newer, the leader is not known until
    /// the next refresh, which this asks for.
    pub fn observe_epoch(&mut self, partition: &TopicPartition, epoch: LeaderEpoch) {
        let Some(known) = self.partition_mut(partition) else {
            return;
        };
        if known.last_seen.is_some_and(|seen| epoch > seen) {
            known.last_seen = Some(epoch);
            self.version += 1;
            self.refresh.request();
        }
    }

    /// How many partitions the topic has; 0 if that is not known.
    pub fn partition_count(&self, topic: &TopicName) -> usize {
        self.topics.get(topic).map_or(0, |topic| topic.count)
    }

    /// The error of the last answer about the topic.
    pub fn topic_error(&self, topic: &TopicName) -> ErrorCode {
        self.topics
            .get(topic)
            .map_or(ErrorCode::None, |topic| topic.error)
    }

    /// The topic's id; the zero id if that is not known.
    pub fn topic_id(&self, topic: &TopicName) -> TopicId {
        self.topics
            .get(topic)
            .and_then(|topic| topic.id)
            .unwrap_or_default()
    }

    /// The numbers of the topic's partitions that have a leader.
    pub fn available(&self, topic: &TopicName) -> impl Iterator<Item = usize> {
        let partitions = self.topics.get(topic).map_or(&[][..], Topic::known);
        partitions
            .iter()
            .enumerate()
            .filter(|(_, partition)| partition.current().leader.is_some())
            .map(|(number, _)| number)
    }

    /// Who leads the partition now.
    pub fn leadership(&self, partition: &TopicPartition) -> Leadership {
        let number = usize::try_from(partition.partition).unwrap_or(usize::MAX);
        self.topics
            .get(&partition.topic)
            .and_then(|topic| topic.known().get(number))
            .map_or_else(Leadership::default, Partition::current)
    }

    fn partition_mut(&mut self, partition: &TopicPartition) -> Option<&mut Partition> {
        let number = usize::try_from(partition.partition).ok()?;
        let topic = self.topics.get_mut(&partition.topic)?;
        topic.partitions.get_mut(..topic.count)?.get_mut(number)
    }
}

/// What an answer brought.
#[derive(Clone, Copy, Debug, Default)]
struct Change {
    /// A newer epoch, or a partition that was not known.
    news: bool,
    /// Something is still missing, so it is worth asking again.
    incomplete: bool,
}

impl Topic {
    fn known(&self) -> &[Partition] {
        self.partitions.get(..self.count).unwrap_or_default()
    }

    fn update(&mut self, metadata: &TopicMetadata, brokers: &[BrokerId], change: &mut Change) {
        let old_id = self.id.take();
        self.id = Some(metadata.topic_id).filter(|id| *id != TopicId::default());
        // A topic without an id in between may have been deleted: then its epochs start anew.
        let another = self.id.is_some() && self.id != old_id;
        self.error = metadata.error;
        self.count = 0;
        if !metadata.error.is_none() {
            change.incomplete |= metadata.error.is_invalid_metadata();
            return;
        }
        for partition in &metadata.partitions {
            let Ok(number) = usize::try_from(partition.partition) else {
                continue;
            };
            self.count = self.count.max(number + 1);
            if self.partitions.len() < self.count {
                self.partitions.resize(self.count, Partition::default());
            }
            self.partitions[number].update(partition, another, brokers, change);
        }
    }
}

impl Partition {
    /// The leader goes with its epoch: with a newer epoch seen elsewhere, the leader is not known.
    fn current(&self) -> Leadership {
        Leadership {
            leader: self.leader.filter(|_| self.epoch == self.last_seen),
            epoch: self.last_seen,
        }
    }

    fn update(
        &mut self,
        metadata: &PartitionMetadata,
        another_topic: bool,
        brokers: &[BrokerId],
        change: &mut Change,
    ) {
        change.incomplete |= metadata.error.is_invalid_metadata();
        let epoch = Some(metadata.leader_epoch).filter(|epoch| epoch.0 >= 0);
        if !another_topic && epoch < self.last_seen && epoch.is_some() {
            return;
        }
        change.news |= another_topic || epoch != self.last_seen || epoch.is_none();
        self.epoch = epoch;
        self.last_seen = epoch;
        self.leader = metadata
            .leader
            .filter(|leader| brokers.binary_search(leader).is_ok());
    }
}

#[cfg(test)]
mod tests;
