//! The replicas of a broker and the checkpoints of its log directory.
//!
//! Source: `ReplicaManager.getPartitionOrError`, `LogManager.loadLog`, `LogManager.shutdown`,
//! `ReplicaManager.checkpointHighWatermarks`. Simplified: one log directory; log start offsets are not
//! checkpointed, for nothing here moves them away from the first segment. A checkpoint that would say
//! the same again is not written, where Kafka writes it every time: a broker that is idle notices a dead
//! disk only with its next write, not within 5 s.
//! Next: `partition/mod.rs`; `deletion.rs`, for those that go.

use super::deletion;
use super::shared::{LOG_DIRECTORY, Shared};
use crate::error::ErrorCode;
use crate::event::Event;
use crate::id::{TopicIdPartition, TopicName, TopicPartition};
use crate::log::checkpoint::{self, HIGH_WATERMARKS, RECOVERY_POINTS};
use crate::log::{Log, OpenFrom};
use crate::machine::Effects;
use crate::offset::{BrokerEpoch, Offset};
use crate::partition::Partition;
use crate::storage::{Storage, StorageError};
use crate::time::{Now, Timestamp};
use std::collections::{BTreeMap, VecDeque};

/// The replicas of a broker.
#[derive(Debug)]
pub(super) struct Replicas {
    pub(super) partitions: BTreeMap<TopicPartition, Partition>,
    /// What the checkpoints said at start.
    pub(super) recovery_points: BTreeMap<TopicPartition, Offset>,
    pub(super) high_watermarks: BTreeMap<TopicPartition, Offset>,
    clean: bool,
    /// The partitions that had a folder at start, until it is known whose they are.
    pub(super) found: Vec<TopicPartition>,
    /// Folders of deleted replicas, and when their files go.
    pub(super) deleted: VecDeque<(Timestamp, String)>,
}

fn path(file: &str) -> String {
    format!("{LOG_DIRECTORY}/{file}")
}

impl Replicas {
    /// Reads the checkpoints. Returns the broker epoch of the run before too, if that ended cleanly.
    pub(super) fn start(
        storage: &mut dyn Storage,
    ) -> Result<(Self, Option<BrokerEpoch>, bool), StorageError> {
        // The marker is deleted before anything is loaded: a crash from here on is unclean.
        let marker = checkpoint::take_clean_shutdown(storage, LOG_DIRECTORY)?;
        let clean = marker.is_some();
        let (found, deleted) = deletion::folders(storage)?;
        let replicas = Self {
            partitions: BTreeMap::new(),
            recovery_points: checkpoint::read_offsets(storage, &path(RECOVERY_POINTS))?,
            high_watermarks: checkpoint::read_offsets(storage, &path(HIGH_WATERMARKS))?,
            clean,
            found,
            // What an earlier run has not got round to.
            deleted: deleted
                .into_iter()
                .map(|folder| (Timestamp::ZERO, folder))
                .collect(),
        };
        Ok((replicas, marker.flatten(), clean))
    }

    /// The replica, opened (and recovered, after an unclean stop) if it was not yet.
    pub(super) fn get_or_open(
        &mut self,
        shared: &mut Shared,
        id: &TopicIdPartition,
        now: Now,
        out: &mut Effects,
    ) -> Result<&mut Partition, StorageError> {
        if !self.partitions.contains_key(&id.partition) {
            let partition = self.open(shared, id, now, out)?;
            self.partitions.insert(id.partition.clone(), partition);
        }
        self.partitions
            .get_mut(&id.partition)
            .ok_or_else(|| StorageError::NotFound(id.partition.to_string()))
    }

    fn open(
        &self,
        shared: &mut Shared,
        id: &TopicIdPartition,
        now: Now,
        out: &mut Effects,
    ) -> Result<Partition, StorageError> {
        let name = &id.partition;
        let config = shared
            .image
            .topic_config(&name.topic, &shared.topic_defaults);
        let of = |offsets: &BTreeMap<TopicPartition, Offset>| {
            offsets.get(name).copied().unwrap_or_default()
        };
        let from = OpenFrom {
            recovery_point: of(&self.recovery_points),
            log_start_offset: Offset::ZERO,
            high_watermark: of(&self.high_watermarks),
            clean: self.clean,
            rules: shared.rules,
        };
        let directory = path(&name.to_string());
        let storage = shared.storage.as_mut();
        if checkpoint::read_topic_id(storage, &directory)?.is_none() {
            checkpoint::write_topic_id(storage, &directory, id.topic_id)?;
        }
        let (log, truncated_bytes) = Log::open(storage, &directory, from, config.clone(), now)?;
        out.observe(Event::LogLoaded {
            partition: name.clone(),
            log_start_offset: log.log_start_offset(),
            log_end_offset: log.log_end_offset(),
            high_watermark: log.high_watermark(),
            leader_epochs: log.leader_epochs().to_vec(),
            truncated_bytes,
        });
        Ok(Partition::new(id.clone(), log, &config))
    }

    /// The replica of a partition that this broker hosts.
    pub(super) fn get_mut(&mut self, partition: &TopicPartition) -> Option<&mut Partition> {
        self.partitions.get_mut(partition)
    }

    /// The replica of a partition that this broker hosts.
    pub(super) fn get(&self, partition: &TopicPartition) -> Option<&Partition> {
        self.partitions.get(partition)
    }

    /// The replica, or how to refuse a request for it.
    pub(super) fn hosted(
        &mut self,
        shared: &Shared,
        partition: &TopicPartition,
    ) -> Result<&mut Partition, ErrorCode> {
        let hosted = self.partitions.get_mut(partition);
        hosted.ok_or_else(|| not_hosted(shared, partition))
    }

    /// As [`Replicas::hosted`], with the topic's id checked too.
    pub(super) fn hosted_by_id(
        &mut self,
        shared: &Shared,
        id: &TopicIdPartition,
    ) -> Result<&mut Partition, ErrorCode> {
        let hosted = self.partitions.get(&id.partition);
        let same = hosted.is_some_and(|partition| partition.id() == id);
        // With ZooKeeper a replica leads before the broker has been told of its topic.
        if !same && shared.image.topic_by_id(id.topic_id).is_none() {
            return Err(ErrorCode::UnknownTopicId);
        }
        let partition = self.hosted(shared, &id.partition)?;
        if partition.id().topic_id != id.topic_id {
            return Err(ErrorCode::InconsistentTopicId);
        }
        Ok(partition)
    }

    /// All replicas, in order of their names.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Partition> {
        self.partitions.values()
    }

    /// All replicas, in order of their names.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Partition> {
        self.partitions.values_mut()
    }

    /// Takes over changed settings of a topic, or of all.
    pub(super) fn reconfigure(&mut self, shared: &Shared, topic: Option<&TopicName>) {
        for partition in self.partitions.values_mut() {
            let name = partition.name().topic.clone();
            if topic.is_none_or(|topic| *topic == name) {
                partition.set_config(&shared.image.topic_config(&name, &shared.topic_defaults));
            }
        }
    }

    /// Writes the high watermarks. Those of replicas that are not opened keep what they were.
    pub(super) fn checkpoint_high_watermarks(
        &mut self,
        storage: &mut dyn Storage,
    ) -> Result<(), StorageError> {
        let current = self
            .iter()
            .map(|replica| (replica.name().clone(), replica.log().high_watermark()));
        let current: BTreeMap<_, _> = current.collect();
        if current
            .iter()
            .all(|(name, offset)| self.high_watermarks.get(name) == Some(offset))
        {
            return Ok(()); // The file says so already.
        }
        self.high_watermarks.extend(current);
        checkpoint::write_offsets(storage, &path(HIGH_WATERMARKS), &self.high_watermarks)
    }

    /// Writes the recovery points.
    pub(super) fn checkpoint_recovery_points(
        &mut self,
        storage: &mut dyn Storage,
    ) -> Result<(), StorageError> {
        let current = self
            .iter()
            .map(|replica| (replica.name().clone(), replica.log().recovery_point()));
        let current: BTreeMap<_, _> = current.collect();
        if current
            .iter()
            .all(|(name, offset)| self.recovery_points.get(name) == Some(offset))
        {
            return Ok(());
        }
        self.recovery_points.extend(current);
        checkpoint::write_offsets(storage, &path(RECOVERY_POINTS), &self.recovery_points)
    }

    /// Closes every log and says on disk that the stop is clean.
    pub(super) fn close(
        &mut self,
        storage: &mut dyn Storage,
        epoch: Option<BrokerEpoch>,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        self.checkpoint_high_watermarks(storage)?;
        for partition in self.partitions.values_mut() {
            let before = partition.log().recovery_point();
            partition.log_mut().close(storage)?;
            let recovery_point = partition.log().recovery_point();
            if recovery_point != before {
                out.observe(Event::Flushed {
                    partition: partition.name().clone(),
                    recovery_point,
                });
            }
        }
        self.checkpoint_recovery_points(storage)?;
        checkpoint::write_clean_shutdown(storage, LOG_DIRECTORY, epoch)
    }
}

/// Why a request is refused for a partition without a replica here.
pub(super) fn not_hosted(shared: &Shared, partition: &TopicPartition) -> ErrorCode {
    if shared.image.partition(partition).is_some() {
        ErrorCode::NotLeaderOrFollower
    } else {
        ErrorCode::UnknownTopicOrPartition
    }
}
