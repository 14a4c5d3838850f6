//! The small text and JSON files of a log directory. CONTRACT; the module's owner writes the rest.

use crate::id::{TopicId, TopicPartition};
use crate::offset::{BrokerEpoch, EpochOffset, Offset};
use crate::storage::{Storage, StorageError};
use std::collections::BTreeMap;

/// File of the recovery points in a log directory.
pub const RECOVERY_POINTS: &str = "recovery-point-offset-checkpoint";
/// File of the high watermarks in a log directory.
pub const HIGH_WATERMARKS: &str = "replication-offset-checkpoint";
/// File of the log start offsets in a log directory.
pub const LOG_STARTS: &str = "log-start-offset-checkpoint";
/// File of the leader epoch cache in a partition's directory.
pub const LEADER_EPOCHS: &str = "leader-epoch-checkpoint";
/// Marks a clean shutdown of a log directory, with the broker epoch.
pub const CLEAN_SHUTDOWN: &str = ".kafka_cleanshutdown";

/// Offsets by partition from a checkpoint file; empty if there is none, and empty if it is malformed
/// (Kafka logs an error and goes on without it).
///
/// # Errors
/// The disk failed.
pub fn read_offsets(
    storage: &mut dyn Storage,
    path: &str,
) -> Result<BTreeMap<TopicPartition, Offset>, StorageError> {
    let _ = (storage, path);
    unimplemented!()
}

/// Writes a checkpoint file as a whole.
///
/// # Errors
/// The disk failed.
pub fn write_offsets(
    storage: &mut dyn Storage,
    path: &str,
    offsets: &BTreeMap<TopicPartition, Offset>,
) -> Result<(), StorageError> {
    let _ = (storage, path, offsets);
    unimplemented!()
}

/// The entries of a leader epoch checkpoint; empty if there is none.
///
/// # Errors
/// The disk failed.
pub fn read_leader_epochs(
    storage: &mut dyn Storage,
    path: &str,
) -> Result<Vec<EpochOffset>, StorageError> {
    let _ = (storage, path);
    unimplemented!()
}

/// The broker epoch in the clean shutdown marker of `directory`; deletes the marker. `None` = no
/// marker; `Some(None)` = a marker without epoch.
///
/// # Errors
/// The disk failed.
pub fn take_clean_shutdown(
    storage: &mut dyn Storage,
    directory: &str,
) -> Result<Option<Option<BrokerEpoch>>, StorageError> {
    let _ = (storage, directory);
    unimplemented!()
}

/// Writes the clean shutdown marker.
///
/// # Errors
/// The disk failed.
pub fn write_clean_shutdown(
    storage: &mut dyn Storage,
    directory: &str,
    epoch: Option<BrokerEpoch>,
) -> Result<(), StorageError> {
    let _ = (storage, directory, epoch);
    unimplemented!()
}

/// Reads `partition.metadata`.
///
/// # Errors
/// The disk failed.
pub fn read_topic_id(
    storage: &mut dyn Storage,
    directory: &str,
) -> Result<Option<TopicId>, StorageError> {
    let _ = (storage, directory);
    unimplemented!()
}

/// Writes `partition.metadata`.
///
/// # Errors
/// The disk failed.
pub fn write_topic_id(
    storage: &mut dyn Storage,
    directory: &str,
    id: TopicId,
) -> Result<(), StorageError> {
    let _ = (storage, directory, id);
    unimplemented!()
}
