//! Replicas that a broker has no more: what becomes of their folders.
//!
//! | folder | when | files |
//! |---|---|---|
//! | `orders-0` | the replica is assigned to this broker | stay |
//! | `orders-0.<topic id>-delete` | its topic was deleted, or the replica was moved away | go after a minute |
//! | `orders-0.<topic id>-stray` | found when the logs are opened, and assigned to nobody here | stay |
//!
//! So a topic that is created again under the same name finds no records of the first, even on a broker
//! that was away: the id in `partition.metadata` tells whose a folder is. One without id is a stray too:
//! the file is flushed before anything is appended.
//!
//! Invariants: a replica opened for a topic id never holds bytes of another; a folder that was renamed
//! stays so when the power is lost.
//! Simplified: a disk here renames files, not folders, and `partition.metadata` goes last: a crash in
//! between leaves a folder that is a stray at the next start. The suffix is the topic's id, where Kafka
//! draws a UUID; `file.delete.delay.ms` cannot be set.
//! Source: `LogManager.asyncDelete`, `deleteLogs`, `isStrayReplica`, `UnifiedLog.logDeleteDirName`,
//! `Utils.atomicMoveWithFallback` (which forces the names to disk).
//! Next: `publish.rs`, which says when.

use super::log_dirs::LogDirs;
use super::replicas::{Directory, Replicas};
use super::shared::Shared;
use crate::event::Event;
use crate::id::{BrokerId, TopicId, TopicPartition};
use crate::log::checkpoint::{self, PARTITION_METADATA};
use crate::machine::Effects;
use crate::metadata::{MetadataImage, metadata_partition};
use crate::storage::{Storage, StorageError};
use crate::time::Timestamp;
use std::collections::BTreeSet;
use std::time::Duration;

/// How the folder of a deleted replica ends (`UnifiedLog.DELETE_DIR_SUFFIX`).
const DELETED: &str = "-delete";
/// How the folder ends of a replica that nobody assigned to this broker (`UnifiedLog.STRAY_DIR_SUFFIX`).
const STRAY: &str = "-stray";
/// `file.delete.delay.ms`
const DELETE_DELAY: Duration = Duration::from_secs(60);

impl Replicas {
    /// Deletes a replica, if there is one: nobody finds it from now on, and its files go later.
    pub(super) fn delete(
        &mut self,
        storage: &mut LogDirs,
        name: &TopicPartition,
        now: Timestamp,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        let Some(partition) = self.partitions.remove(name) else {
            return Ok(());
        };
        for directory in &mut self.directories {
            directory.forget(name);
        }
        let topic_id = Some(partition.id().topic_id);
        let moved = move_away(storage, partition.log().directory(), topic_id, DELETED);
        if let Some(folder) = storage.survive(moved)? {
            self.deleted.push_back((now + DELETE_DELAY, folder));
        }
        out.observe(Event::ReplicaDeleted {
            partition: name.clone(),
        });
        Ok(())
    }

    /// Puts aside the folders that no assignment speaks of, before any log is opened.
    pub(super) fn move_strays(
        &mut self,
        shared: &mut Shared,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        for directory in &mut self.directories {
            let done = directory.move_strays(shared, out);
            shared.survive(done)?;
        }
        Ok(())
    }

    /// Deletes the files of replicas that were deleted long enough ago.
    pub(super) fn delete_files(
        &mut self,
        storage: &mut LogDirs,
        now: Timestamp,
    ) -> Result<(), StorageError> {
        while let Some((_, folder)) = self.deleted.pop_front_if(|(due, _)| *due <= now) {
            let done = delete_folder(storage, &folder);
            storage.survive(done)?;
        }
        Ok(())
    }

    /// When the next files go.
    pub(super) fn next_deletion(&self) -> Option<Timestamp> {
        self.deleted.front().map(|(due, _)| *due)
    }
}

impl Directory {
    fn move_strays(&mut self, shared: &mut Shared, out: &mut Effects) -> Result<(), StorageError> {
        let storage = &mut shared.storage;
        for name in self.folders.clone() {
            let folder = format!("{}/{name}", self.name);
            let topic_id = checkpoint::read_topic_id(storage, &folder)?;
            if is_assigned(&shared.image, shared.id, &name, topic_id) {
                continue;
            }
            self.forget(&name);
            move_away(storage, &folder, topic_id, STRAY)?;
            out.observe(Event::ReplicaDeleted { partition: name });
        }
        Ok(())
    }
}

/// What a log directory holds: the partitions that have a folder, and the folders of deleted ones.
pub(super) fn folders(
    storage: &mut dyn Storage,
    directory: &str,
) -> Result<(BTreeSet<TopicPartition>, Vec<String>), StorageError> {
    let files = storage.list(directory)?;
    let mut folders: Vec<&str> = files
        .iter()
        .filter_map(|file| file.rsplit_once('/'))
        .map(|(folder, _)| folder)
        .collect();
    folders.dedup();
    let name = |folder: &&str| folder.rsplit('/').next()?.parse().ok();
    let partitions = folders.iter().filter_map(name);
    let partitions = partitions.filter(|name| *name != metadata_partition().partition);
    let deleted = folders.iter().filter(|folder| folder.ends_with(DELETED));
    Ok((
        partitions.collect(),
        deleted.map(|folder| (*folder).to_owned()).collect(),
    ))
}

fn delete_folder(storage: &mut LogDirs, folder: &str) -> Result<(), StorageError> {
    for file in storage.list(folder)? {
        storage.delete(&file)?;
    }
    Ok(())
}

/// Whether the broker has this replica of this topic.
fn is_assigned(
    image: &MetadataImage,
    broker: BrokerId,
    name: &TopicPartition,
    topic_id: Option<TopicId>,
) -> bool {
    let topic = topic_id.and_then(|id| image.topic_by_id(id));
    let partition = topic
        .filter(|topic| topic.topic == name.topic)
        .and_then(|topic| topic.partitions.get(&name.partition));
    partition.is_some_and(|partition| partition.replicas.contains(&broker))
}

/// Renames a replica's folder. Returns its new name.
fn move_away(
    storage: &mut dyn Storage,
    from: &str,
    topic_id: Option<TopicId>,
    suffix: &str,
) -> Result<String, StorageError> {
    let to = format!("{from}.{}{suffix}", topic_id.unwrap_or_default());
    let metadata = format!("{from}/{PARTITION_METADATA}");
    let mut files = storage.list(from)?;
    files.sort_by_key(|file| *file == metadata);
    for file in files {
        let rest = file.strip_prefix(from).unwrap_or(&file);
        storage.rename(&file, &format!("{to}{rest}"))?;
    }
    storage.flush_directory(&to)?;
    Ok(to)
}
