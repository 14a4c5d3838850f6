//! Applies committed metadata to the broker: which replicas it has, which it leads, whom it follows.
//!
//! Nothing is applied before the broker has caught up with its own registration: then its logs are
//! opened for everything that the metadata assigns to it, and from then on what a fetch brings is applied
//! as it comes.
//!
//! All batches of one fetch are applied with the cluster as it is after the last of them, leader epochs
//! included: of a partition that changes twice meanwhile the broker never sees the state between.
//!
//! A replica whose topic is deleted, or that was moved to another broker, is stopped and its folder renamed
//! to `-delete`; a folder that no assignment speaks of when the broker starts is renamed to `-stray`.
//!
//! Source: `MetadataLoader.handleCommit` (one publication for all batches), `BrokerMetadataPublisher`,
//! `ReplicaManager.applyDelta`, `LogManager.isStrayReplica`.
//! Next: `partition/mod.rs` (`apply`), `fetcher.rs` (`follow`).

use super::Broker;
use super::lifecycle::State;
use crate::event::Event;
use crate::id::{TopicId, TopicIdPartition, TopicName, TopicPartition};
use crate::machine::Effects;
use crate::message::ConfigResource;
use crate::metadata::{MetadataImage, MetadataRecord, PartitionRegistration, TopicImage};
use crate::partition::Became;
use crate::planted::Bug;
use crate::raft::News;
use crate::storage::StorageError;
use crate::time::Now;
use std::collections::BTreeSet;

/// What a batch of records changed.
#[derive(Default)]
struct Delta {
    /// Topics that are no more.
    removed: Vec<TopicImage>,
    partitions: BTreeSet<(TopicId, i32)>,
    /// Topics whose settings changed; `None` = all.
    configs: BTreeSet<Option<TopicName>>,
    /// A broker registered, was fenced or unfenced; or everything may be new.
    brokers: bool,
}

impl Delta {
    /// What a snapshot changed: everything that is not as before.
    /// Source: `MetadataDelta.finishSnapshot`.
    fn between(before: &MetadataImage, after: &MetadataImage) -> Self {
        let gone = |topic: &&TopicImage| after.topic_by_id(topic.topic_id).is_none();
        let removed = before.topics().filter(gone).cloned().collect();
        let partitions = after.topics().flat_map(|topic| {
            let changed = topic.partitions.iter().filter(|(number, state)| {
                before.partition_by_id(topic.topic_id, **number) != Some(state)
            });
            changed.map(|(number, _)| (topic.topic_id, *number))
        });
        Self {
            removed,
            partitions: partitions.collect(),
            configs: BTreeSet::from([None]),
            brokers: true,
        }
    }

    /// Notes what `record` is about to change in `image`.
    fn note(&mut self, image: &MetadataImage, record: &MetadataRecord) {
        match record {
            MetadataRecord::Partition(one) => {
                self.partitions.insert((one.topic_id, one.partition));
            }
            MetadataRecord::PartitionChange(one) => {
                self.partitions.insert((one.topic_id, one.partition));
            }
            MetadataRecord::RemoveTopic(one) => {
                self.removed
                    .extend(image.topic_by_id(one.topic_id).cloned());
            }
            MetadataRecord::Config(one) => {
                self.configs.insert(match &one.resource {
                    ConfigResource::Topic(topic) => Some(topic.clone()),
                    ConfigResource::Cluster | ConfigResource::Broker(_) => None,
                });
            }
            MetadataRecord::RegisterBroker(_) | MetadataRecord::BrokerRegistrationChange(_) => {
                self.brokers = true;
            }
            MetadataRecord::Topic(_) | MetadataRecord::FeatureLevel(_) | MetadataRecord::NoOp => {}
            // Where there was an ELR the partition epoch rises, and a leader that does not hear of that
            // is refused every wish for another ISR (`TopicDelta.replay(ClearElrRecord)`).
            MetadataRecord::ClearElr(one) => {
                for topic in image.topics() {
                    if one.topic.as_ref().is_some_and(|name| *name != topic.topic) {
                        continue;
                    }
                    let cleared = topic.partitions.iter().filter(|(_, partition)| {
                        !partition.elr.is_empty() || !partition.last_known_elr.is_empty()
                    });
                    let cleared = cleared.map(|(number, _)| (topic.topic_id, *number));
                    self.partitions.extend(cleared);
                }
            }
        }
    }
}

impl Broker {
    /// Takes what is committed into the image, and applies what it changed if the logs are open.
    pub(super) fn apply_metadata(
        &mut self,
        news: &News,
        now: Now,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        let mut delta = Delta::default();
        let unusable = |why| StorageError::Io(format!("metadata log: {why}"));
        if let Some((end, records)) = &news.snapshot {
            let rules = self.shared.rules;
            let image = MetadataImage::from_records(rules, *end, records).map_err(unusable)?;
            let (offset, crc) = (*end, image.checksum());
            out.observe(Event::QuorumSnapshotLoaded { offset, crc });
            delta = Delta::between(&self.shared.image, &image);
            self.shared.image = image;
        }
        for (offset, record) in news.batches.iter().flatten() {
            delta.note(&self.shared.image, record);
            self.shared.image.apply(*offset, record).map_err(unusable)?;
        }
        if self.published && (news.snapshot.is_some() || !news.batches.is_empty()) {
            self.publish(delta, now, out)?;
        }
        Ok(())
    }

    /// The broker has caught up: opens its logs and applies everything there is.
    pub(super) fn first_publish(
        &mut self,
        now: Now,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        let mut delta = Delta::default();
        for topic in self.shared.image.topics() {
            let numbers = topic.partitions.keys();
            delta
                .partitions
                .extend(numbers.map(|number| (topic.topic_id, *number)));
        }
        self.published = true;
        let (replicas, shared) = (&mut self.replicas, &mut self.shared);
        replicas.move_strays(shared, out)?;
        self.publish(delta, now, out)?;
        self.scheduler.start(&self.shared, now.monotonic);
        self.scheduler.deleted(self.replicas.next_deletion());
        self.lifecycle.logs_are_ready(now.monotonic);
        Ok(())
    }

    fn publish(&mut self, delta: Delta, now: Now, out: &mut Effects) -> Result<(), StorageError> {
        if delta.brokers {
            self.rouse_all();
        }
        let moved = !delta.partitions.is_empty() || !delta.removed.is_empty();
        for topic in delta.removed {
            self.unpublish_topic(&topic, now, out)?;
        }
        for (topic_id, number) in delta.partitions {
            let Some(topic) = self.shared.image.topic_by_id(topic_id) else {
                continue;
            };
            let partition = TopicPartition::new(topic.topic.clone(), number);
            let id = TopicIdPartition {
                topic_id,
                partition,
            };
            let Some(registration) = topic.partitions.get(&number) else {
                continue;
            };
            if registration.replicas.contains(&self.shared.id) {
                self.publish_partition(&id, now, out)?;
            } else if self.replicas.get(&id.partition).is_some() {
                self.stop_replica(&id.partition, now, out)?;
            }
        }
        for topic in delta.configs {
            self.replicas.reconfigure(&self.shared, topic.as_ref());
        }
        if moved {
            self.after_moves(now, out)?;
        }
        Ok(())
    }

    /// The fetchers take up what they follow now.
    pub(super) fn after_moves(&mut self, now: Now, out: &mut Effects) -> Result<(), StorageError> {
        for fetcher in self.fetchers.each() {
            fetcher.retire_if_idle();
            fetcher.work(&mut self.shared, &mut self.replicas, now, out)?;
        }
        Ok(())
    }

    /// A topic is no more, and so are its replicas here.
    fn unpublish_topic(
        &mut self,
        topic: &TopicImage,
        now: Now,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        for number in topic.partitions.keys() {
            let name = TopicPartition::new(topic.topic.clone(), *number);
            let replica = self.replicas.get(&name);
            if replica.is_some_and(|replica| replica.id().topic_id == topic.topic_id) {
                self.stop_replica(&name, now, out)?;
            }
        }
        Ok(())
    }

    /// This broker has the replica no more: nobody follows, leads or waits here, and its folder goes.
    /// Source: `ReplicaManager.stopPartitions`.
    pub(super) fn stop_replica(
        &mut self,
        partition: &TopicPartition,
        now: Now,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        self.leave(partition);
        let storage = &mut self.shared.storage;
        self.replicas
            .delete(storage, partition, now.monotonic, out)?;
        self.flushed_at.remove(partition);
        self.scheduler.deleted(self.replicas.next_deletion());
        self.wake(now, partition, out)
    }

    fn publish_partition(
        &mut self,
        id: &TopicIdPartition,
        now: Now,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        let Some(registration) = self.shared.image.partition(&id.partition).cloned() else {
            return Ok(());
        };
        self.become_leader_or_follower(id, &registration, now, out)
    }

    /// A replica of this broker leads or follows as the controller says.
    pub(super) fn become_leader_or_follower(
        &mut self,
        id: &TopicIdPartition,
        registration: &PartitionRegistration,
        now: Now,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        let stopping = self.lifecycle.state() == State::Stopping;
        let follows = registration.leader != Some(self.shared.id);
        if stopping && follows && !self.shared.rules.stopping_broker_steps_down {
            return Ok(());
        }
        self.rouse(&id.partition);
        let opened = self.replicas.get_or_open(&mut self.shared, id, now, out)?;
        let Some(partition) = opened else {
            return Ok(()); // It is in a lost directory.
        };
        let mut context = self.shared.context(now);
        let applied = partition.apply(&mut context, registration, out);
        let directory = self.shared.storage.id_of(partition.log().directory());
        let Some((became, changes)) = self.shared.survive(applied)? else {
            return Ok(());
        };
        // With ZooKeeper no controller wants to know.
        let directory = directory.filter(|_| self.zookeeper.is_none());
        if let Some(directory) =
            directory.filter(|id| *id != registration.directory(self.shared.id))
        {
            self.assignments.tell(id, directory, now.monotonic);
        }
        match became {
            Became::Ignored => return Ok(()),
            Became::Leader { new_epoch: true } => self.leave(&id.partition),
            // The same epoch has the same leader: each change of it raises the epoch.
            Became::Leader { new_epoch: false } | Became::Follower { new_epoch: false } => {}
            Became::Follower { new_epoch: true } if self.goes_on(id, registration) => {}
            Became::Follower { new_epoch: true } => {
                self.leave(&id.partition);
                if let Some(leader) = registration.leader {
                    let fetcher = self.fetchers.from(leader);
                    fetcher.follow(&self.shared, &self.replicas, id, now.monotonic);
                }
            }
        }
        // A broker that is stopping and out of the ISR must not fetch its way back in.
        if stopping && !registration.isr.contains(&self.shared.id) {
            self.leave(&id.partition);
        }
        // What waits here for a leader of another epoch has to be refused; a leader that goes on in
        // a new one lets it wait (`completeDelayedOperationsWhenNotPartitionLeader`).
        let follows_anew = became == Became::Follower { new_epoch: true };
        if follows_anew || changes.high_watermark {
            self.wake(now, &id.partition, out)?;
        }
        Ok(())
    }

    /// Before KAFKA-7164 a broker did not look at its log again when the leader it follows leads in a
    /// newer epoch. Whether that is so.
    fn goes_on(&mut self, id: &TopicIdPartition, now: &PartitionRegistration) -> bool {
        let rules = self.shared.rules;
        let again = !rules.truncate_on_every_epoch_change || rules.has(Bug::FetcherGoesOn);
        let leader = now.leader.filter(|_| again);
        let fetcher = leader.and_then(|leader| self.fetchers.get_mut(leader));
        fetcher.is_some_and(|fetcher| fetcher.go_on(&id.partition, now.leader_epoch))
    }

    /// No fetcher follows the partition any more.
    pub(super) fn leave(&mut self, partition: &TopicPartition) {
        for fetcher in self.fetchers.each() {
            fetcher.leave(partition);
        }
    }
}
