//! The replicas of a broker, each in one of its log directories, and the checkpoints of those.
//!
//! A replica is opened where its folder is. A new one goes where the metadata says that it is, else where the
//! fewest are; not at all while a directory is lost that may hold it already (before KIP-858 it was made
//! anew, empty, in another one).
//!
//! Source: `ReplicaManager.allPartitions`, `HostedPartition`, `LogManager.getOrCreateLog`, `nextLogDirs`,
//! `Partition.createLogInAssignedDirectoryId`, `ReplicaManager.checkpointHighWatermarks`.
//! Simplified: log start offsets are not
//! checkpointed, for nothing here moves them away from the first segment. A checkpoint that would say
//! the same again is not written, where Kafka writes it every time: a broker that is idle notices a dead
//! disk only with its next write, not within 5 s.
//! Next: `partition/mod.rs`; `deletion.rs`, for those that go; `log_dirs.rs`.

use super::deletion;
use super::log_dirs::LogDirs;
use super::shared::Shared;
use crate::error::ErrorCode;
use crate::event::Event;
use crate::id::{TopicId, TopicIdPartition, TopicName, TopicPartition};
use crate::log::checkpoint::{self, HIGH_WATERMARKS, RECOVERY_POINTS};
use crate::log::{Log, OffsetCheckpoint, OpenFrom};
use crate::machine::Effects;
use crate::offset::{BrokerEpoch, Offset};
use crate::partition::Partition;
use crate::raft::DirectoryId;
use crate::storage::StorageError;
use crate::time::{Now, Timestamp};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The replicas of a broker.
#[derive(Debug, Default)]
pub(super) struct Replicas {
    pub(super) partitions: BTreeMap<TopicPartition, Partition>,
    /// Those that may have changed since the periodic tasks last asked.
    changed: Vec<TopicPartition>,
    /// Those that each periodic task has to look at.
    due: Due,
    /// The log directories that can be used.
    pub(super) directories: Vec<Directory>,
    /// Replicas in directories that are lost.
    pub(super) lost: BTreeMap<TopicPartition, TopicId>,
    /// Folders of deleted replicas, and when their files go.
    pub(super) deleted: VecDeque<(Timestamp, String)>,
}

/// The replicas that may be news to a periodic task.
#[derive(Debug, Default)]
struct Due {
    high_watermarks: BTreeSet<TopicPartition>,
    recovery_points: BTreeSet<TopicPartition>,
    isrs: BTreeSet<TopicPartition>,
}

/// What a log directory holds.
#[derive(Debug)]
pub(super) struct Directory {
    pub(super) name: String,
    /// What its checkpoints say.
    recovery_points: OffsetCheckpoint,
    high_watermarks: OffsetCheckpoint,
    /// The run before has closed its logs.
    clean: bool,
    /// The partitions that have a folder.
    pub(super) folders: BTreeSet<TopicPartition>,
}

impl Directory {
    /// Reads what is there. Returns the broker epoch of the run before and the folders of deleted
    /// replicas too.
    fn start(
        storage: &mut LogDirs,
        name: &str,
    ) -> Result<(Self, Option<BrokerEpoch>, Vec<String>), StorageError> {
        // The marker is deleted before anything is loaded: a crash from here on is unclean.
        let marker = checkpoint::take_clean_shutdown(storage, name)?;
        let (folders, deleted) = deletion::folders(storage, name)?;
        let path = |file: &str| format!("{name}/{file}");
        let directory = Self {
            name: name.to_owned(),
            recovery_points: OffsetCheckpoint::read(storage, path(RECOVERY_POINTS))?,
            high_watermarks: OffsetCheckpoint::read(storage, path(HIGH_WATERMARKS))?,
            clean: marker.is_some(),
            folders,
        };
        Ok((directory, marker.flatten(), deleted))
    }

    fn holds(&self, partition: &Partition) -> bool {
        let folder = partition.log().directory().strip_prefix(&self.name);
        folder.is_some_and(|rest| rest.starts_with('/'))
    }

    /// Forgets a replica.
    pub(super) fn forget(&mut self, name: &TopicPartition) {
        self.folders.remove(name);
        self.recovery_points.remove(name);
        self.high_watermarks.remove(name);
    }
}

impl Replicas {
    /// Reads the checkpoints. Returns the broker epoch of the run before too, if that ended cleanly.
    pub(super) fn start(
        storage: &mut LogDirs,
    ) -> Result<(Self, Option<BrokerEpoch>, bool), StorageError> {
        let names: Vec<String> = storage.online().map(str::to_owned).collect();
        let (mut directories, mut epochs) = (Vec::new(), BTreeSet::new());
        let mut deleted = VecDeque::new();
        for name in names {
            let started = Directory::start(storage, &name);
            let Some((directory, epoch, folders)) = storage.survive(started)? else {
                continue;
            };
            directories.push(directory);
            epochs.insert(epoch);
            // What an earlier run has not got round to.
            deleted.extend(folders.into_iter().map(|folder| (Timestamp::ZERO, folder)));
        }
        // A directory that is lost, or says otherwise, leaves doubt.
        let epoch = epochs.first().copied().flatten();
        let previous = epoch.filter(|_| epochs.len() == 1 && !storage.any_lost());
        let clean = directories.iter().all(|one| one.clean);
        let replicas = Self {
            directories,
            deleted,
            ..Self::default()
        };
        Ok((replicas, previous, clean))
    }

    /// The replica, opened (and recovered, after an unclean stop) if it was not yet; `None` if it is, or
    /// may be, in a lost directory.
    pub(super) fn get_or_open(
        &mut self,
        shared: &mut Shared,
        id: &TopicIdPartition,
        now: Now,
        out: &mut Effects,
    ) -> Result<Option<&mut Partition>, StorageError> {
        let name = &id.partition;
        // Of another topic of that name nothing is lost.
        self.lost
            .retain(|lost, topic_id| lost != name || *topic_id == id.topic_id);
        let known = self.lost.contains_key(name);
        while !self.partitions.contains_key(name) && !self.lost.contains_key(name) {
            let Some(at) = self.place(shared, id) else {
                self.lost.insert(name.clone(), id.topic_id);
                break;
            };
            let Some(directory) = self.directories.get_mut(at) else {
                break;
            };
            let opened = directory.open(shared, id, now, out);
            match shared.survive(opened)? {
                Some(partition) => {
                    directory.folders.insert(name.clone());
                    self.partitions.insert(name.clone(), partition);
                }
                None if directory.folders.contains(name) => {
                    self.lost.insert(name.clone(), id.topic_id);
                }
                None => {} // A new one finds another place.
            }
        }
        if !known && self.lost.contains_key(name) {
            out.observe(Event::ReplicaOffline {
                partition: name.clone(),
            });
        }
        Ok(self.get_mut(name))
    }

    /// The directory of a replica that is to be opened.
    fn place(&self, shared: &Shared, id: &TopicIdPartition) -> Option<usize> {
        let (storage, name) = (&shared.storage, &id.partition);
        let usable = |one: &Directory| storage.online().any(|online| online == one.name);
        let all = || {
            self.directories
                .iter()
                .enumerate()
                .filter(|(_, one)| usable(one))
        };
        let there = all().find(|(_, one)| one.folders.contains(name));
        let registration = shared.image.partition(name);
        let assigned = registration.map(|partition| partition.directory(shared.id));
        let assigned = assigned.unwrap_or(DirectoryId::MIGRATING);
        let told = storage.online_with(assigned);
        let told = told.and_then(|told| all().find(|(_, one)| one.name == told));
        let is_new = !storage.any_lost() || assigned == DirectoryId::UNASSIGNED;
        let anew = is_new || !shared.rules.log_dir_failure_told;
        let emptiest = all()
            .filter(|_| anew)
            .min_by_key(|(_, one)| one.folders.len());
        there.or(told).or(emptiest).map(|(at, _)| at)
    }

    /// Whether a replica is in a directory that was lost.
    pub(super) fn is_lost(&self, name: &TopicPartition) -> bool {
        self.lost.contains_key(name)
    }

    /// The replicas in a directory that was lost: they are offline from now on.
    pub(super) fn take_offline(&mut self, directory: &str) -> Vec<TopicPartition> {
        let Some(at) = self
            .directories
            .iter()
            .position(|one| one.name == directory)
        else {
            return Vec::new(); // It was lost at the start.
        };
        let gone = self.directories.remove(at);
        let below = format!("{directory}/");
        self.deleted
            .retain(|(_, folder)| !folder.starts_with(&below));
        let held = gone.folders.into_iter().filter(|name| {
            let partition = self.partitions.remove(name);
            if let Some(partition) = &partition {
                self.lost.insert(name.clone(), partition.id().topic_id);
            }
            partition.is_some()
        });
        held.collect()
    }

    /// The replica of a partition that this broker hosts. It is looked at by the next periodic tasks.
    pub(super) fn get_mut(&mut self, name: &TopicPartition) -> Option<&mut Partition> {
        let partition = self.partitions.get_mut(name)?;
        if !partition.is_due {
            partition.is_due = true;
            self.changed.push(name.clone());
        }
        Some(partition)
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
        let absent = self.why_absent(shared, partition);
        self.get_mut(partition).ok_or(absent)
    }

    /// Why a request is refused for a partition without a replica here that works.
    /// Source: `ReplicaManager.getPartitionOrError`.
    pub(super) fn why_absent(&self, shared: &Shared, partition: &TopicPartition) -> ErrorCode {
        if self.lost.contains_key(partition) {
            ErrorCode::KafkaStorageError
        } else if shared.image.partition(partition).is_some() {
            ErrorCode::NotLeaderOrFollower
        } else {
            ErrorCode::UnknownTopicOrPartition
        }
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

    /// Takes over changed settings of a topic, or of all.
    pub(super) fn reconfigure(&mut self, shared: &Shared, topic: Option<&TopicName>) {
        for partition in self.partitions.values_mut() {
            let name = partition.name().topic.clone();
            if topic.is_none_or(|topic| *topic == name) {
                partition.set_config(&shared.topic_config(&name));
            }
        }
    }

    /// What has changed is due for each periodic task.
    fn due(&mut self) -> &mut Due {
        for name in std::mem::take(&mut self.changed) {
            if let Some(partition) = self.partitions.get_mut(&name) {
                partition.is_due = false;
            }
            self.due.high_watermarks.insert(name.clone());
            self.due.recovery_points.insert(name.clone());
            self.due.isrs.insert(name);
        }
        &mut self.due
    }

    /// The replicas whose ISR may have to shrink, in order of their names: all but those that had nothing
    /// to lose when they were last looked at, and have not changed since.
    pub(super) fn with_unsure_isr(&mut self) -> Vec<TopicPartition> {
        std::mem::take(&mut self.due().isrs).into_iter().collect()
    }

    /// Writes the high watermarks. Those of replicas that are not opened keep what they were.
    pub(super) fn checkpoint_high_watermarks(
        &mut self,
        storage: &mut LogDirs,
    ) -> Result<(), StorageError> {
        let due = std::mem::take(&mut self.due().high_watermarks);
        let mark = |log: &Log| log.high_watermark();
        self.checkpoint(storage, due, mark, |one| &mut one.high_watermarks)
    }

    /// Writes the recovery points.
    pub(super) fn checkpoint_recovery_points(
        &mut self,
        storage: &mut LogDirs,
    ) -> Result<(), StorageError> {
        let due = std::mem::take(&mut self.due().recovery_points);
        let point = |log: &Log| log.recovery_point();
        self.checkpoint(storage, due, point, |one| &mut one.recovery_points)
    }

    /// Writes those checkpoints to which one of these replicas is news.
    fn checkpoint(
        &mut self,
        storage: &mut LogDirs,
        due: BTreeSet<TopicPartition>,
        offset: impl Fn(&Log) -> Offset,
        file: impl Fn(&mut Directory) -> &mut OffsetCheckpoint,
    ) -> Result<(), StorageError> {
        let mut news = BTreeSet::new();
        for name in due {
            let Some(partition) = self.partitions.get(&name) else {
                continue;
            };
            let mut directories = self.directories.iter_mut().enumerate();
            let held = directories.find(|(_, one)| one.holds(partition));
            if let Some((at, directory)) = held
                && file(directory).set(&name, offset(partition.log()))
            {
                news.insert(at);
            }
        }
        for at in news {
            if let Some(directory) = self.directories.get_mut(at) {
                let done = file(directory).write(storage);
                storage.survive(done)?;
            }
        }
        Ok(())
    }

    /// Closes every log and says on disk that the stop is clean.
    pub(super) fn close(
        &mut self,
        storage: &mut LogDirs,
        epoch: Option<BrokerEpoch>,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        self.checkpoint_high_watermarks(storage)?;
        let names: Vec<_> = self.partitions.keys().cloned().collect();
        for name in names {
            let Some(partition) = self.get_mut(&name) else {
                continue;
            };
            let before = partition.log().recovery_point();
            let done = partition.log_mut().close(storage);
            storage.survive(done)?;
            let recovery_point = partition.log().recovery_point();
            if recovery_point != before {
                out.observe(Event::Flushed {
                    partition: partition.name().clone(),
                    recovery_point,
                });
            }
        }
        self.checkpoint_recovery_points(storage)?;
        let names: Vec<String> = storage.online().map(str::to_owned).collect();
        for name in names {
            let done = checkpoint::write_clean_shutdown(storage, &name, epoch);
            storage.survive(done)?;
        }
        Ok(())
    }
}

impl Directory {
    fn open(
        &self,
        shared: &mut Shared,
        id: &TopicIdPartition,
        now: Now,
        out: &mut Effects,
    ) -> Result<Partition, StorageError> {
        let name = &id.partition;
        let config = shared.topic_config(&name.topic);
        let of = |file: &OffsetCheckpoint| file.get(name).unwrap_or_default();
        let from = OpenFrom {
            recovery_point: of(&self.recovery_points),
            log_start_offset: Offset::ZERO,
            high_watermark: of(&self.high_watermarks),
            clean: self.clean,
            rules: shared.rules,
        };
        let directory = format!("{}/{name}", self.name);
        let storage = &mut shared.storage;
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
}
