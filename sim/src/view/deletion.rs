//! Topics that were deleted, and the replicas of theirs that brokers still have.
//!
//! A broker learns of a deletion later than the controller writes it, or when it comes back after days. Until
//! it says that its replica is gone, what it says of that partition is about the old topic, though a new one
//! of the same name may exist: the view does not take it in, and no check sees it.
//!
//! A broker that starts again puts old folders aside before it opens any log; so the first log that it opens
//! then is the new topic's, even if its disk was empty and it had nothing to put aside.
//!
//! Simplified: names, not ids. What clients are told of a name that was ever deleted is only judged where it
//! must be about the new topic.
//!
//! Next: `mod.rs`.

use super::{Committed, View};
use ktrial_core::metadata::MetadataRecord;
use ktrial_core::{BrokerId, Event, NodeId, Timestamp, TopicName, TopicPartition};
use std::collections::BTreeMap;

/// Topics that were deleted.
#[derive(Clone, Debug, Default)]
pub(super) struct Deletions {
    topics: BTreeMap<TopicName, Deletion>,
    /// Replicas of theirs, and whether their broker has started again since.
    replicas: BTreeMap<(TopicPartition, BrokerId), bool>,
}

/// The last deletion of a topic of some name.
#[derive(Clone, Copy, Debug, Default)]
struct Deletion {
    /// When the controller wrote it.
    at: Timestamp,
    /// Since when nobody has a replica of it any more; `None` = somebody has.
    gone: Option<Timestamp>,
}

impl Deletions {
    /// A broker's process started.
    pub(super) fn started(&mut self, node: NodeId) {
        for ((_, broker), restarted) in &mut self.replicas {
            *restarted |= node.broker() == Some(*broker);
        }
    }

    /// Whether an event of a broker is about a replica of a deleted topic.
    pub(super) fn concerns(
        &mut self,
        at: Timestamp,
        partition: &TopicPartition,
        broker: BrokerId,
        event: &Event,
    ) -> bool {
        if self.replicas.is_empty() {
            return false;
        }
        let key = (partition.clone(), broker);
        let Some(restarted) = self.replicas.get(&key).copied() else {
            return false;
        };
        let gone = matches!(event, Event::ReplicaDeleted { .. });
        let anew = restarted && matches!(event, Event::LogLoaded { .. });
        if gone || anew {
            self.replicas.remove(&key);
            self.settle(at, &partition.topic);
        }
        !anew
    }

    fn settle(&mut self, at: Timestamp, topic: &TopicName) {
        let left = self.replicas.keys().any(|(name, _)| name.topic == *topic);
        let deletion = self.topics.entry(topic.clone()).or_default();
        deletion.gone = (!left).then_some(at);
    }
}

impl View {
    /// Whether a topic of that name was ever deleted.
    pub fn was_deleted(&self, topic: &TopicName) -> bool {
        self.deletions.topics.contains_key(topic)
    }

    /// Whether what happened to a topic of that name at that time may be about one that was deleted.
    pub fn may_be_deleted(&self, topic: &TopicName, at: Timestamp) -> bool {
        let deletion = self.deletions.topics.get(topic);
        deletion.is_some_and(|deletion| deletion.gone.is_none_or(|gone| at <= gone))
    }

    /// When the last topic of that name was deleted, if one was.
    pub fn deleted_at(&self, topic: &TopicName) -> Option<Timestamp> {
        self.deletions.topics.get(topic).map(|deletion| deletion.at)
    }

    /// The names of topics that were ever deleted.
    pub fn deleted_topics(&self) -> impl Iterator<Item = TopicName> {
        self.deletions.topics.keys().cloned()
    }

    /// Whether a broker still has that replica of a deleted topic.
    pub fn has_deleted(&self, partition: &TopicPartition, broker: Option<BrokerId>) -> bool {
        !self.deletions.replicas.is_empty()
            && broker.is_some_and(|broker| {
                let key = (partition.clone(), broker);
                self.deletions.replicas.contains_key(&key)
            })
    }

    /// The topic that a record deletes.
    pub fn deleted_by(&self, record: &MetadataRecord) -> Option<TopicName> {
        match record {
            MetadataRecord::RemoveTopic(removed) => self.cluster.name_of(removed.topic_id),
            _ => None,
        }
    }

    pub(super) fn remove_topic(&mut self, at: Timestamp, topic: &TopicName) {
        let gone: Vec<_> = self
            .partitions
            .extract_if(.., |name, _| name.topic == *topic)
            .collect();
        for (name, state) in gone {
            let leads = |committed: &Committed| committed.leader.is_some();
            if let Some(committed) = &state.committed {
                self.leaderless -= usize::from(!leads(committed));
                self.out_of_sync -= usize::from(!state.in_sync);
            }
            for broker in state.replicas.into_keys() {
                self.deletions
                    .replicas
                    .insert((name.clone(), broker), false);
            }
        }
        self.deletions.settle(at, topic);
        if let Some(deletion) = self.deletions.topics.get_mut(topic) {
            deletion.at = at;
        }
        self.last_change = at;
    }

    /// A broker has a replica no more.
    pub(super) fn remove_replica(
        &mut self,
        at: Timestamp,
        partition: &TopicPartition,
        broker: BrokerId,
    ) {
        let Some(state) = self.partitions.get_mut(partition) else {
            return;
        };
        if state.replicas.remove(&broker).is_some() {
            self.last_change = at;
            if state.committed.is_some() {
                super::recount(&mut self.out_of_sync, state);
            }
        }
    }
}
