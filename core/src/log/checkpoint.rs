//! The small text and JSON files of a log directory.
//!
//! | file | contents |
//! |---|---|
//! | recovery points, high watermarks, log starts | `0`, the count, then `topic partition offset` lines |
//! | leader epochs | `0`, the count, then `epoch start` lines |
//! | clean shutdown marker | `{"version":0,"brokerEpoch":7}` |
//! | `partition.metadata` | `version: 0` and `topic_id: <base64url>` |
//!
//! All are replaced as a whole ([`Storage::replace`]), so a crash leaves the old or the new one.
//!
//! | malformed file | what Kafka does |
//! |---|---|
//! | recovery points, high watermarks, leader epochs, `partition.metadata` | the log directory goes offline |
//! | clean shutdown marker | clean, but of an unknown broker epoch |
//!
//! A checkpoint that is cut off after its first line, or empty, counts as none.
//!
//! (`LogManager.loadLogs` says that it resets the recovery points then; but whoever read them has told
//! `LogDirFailureChannel`, and the directory goes offline all the same.)
//!
//! Source: `CheckpointFile`, `CheckpointFileWithFailureHandler`, `OffsetCheckpointFile`,
//! `LeaderEpochCheckpointFile`, `CleanShutdownFileHandler`, `PartitionMetadataFile`.
//! Next: `leader_epoch_cache.rs`.

use crate::id::{TopicId, TopicPartition};
use crate::offset::{BrokerEpoch, EpochOffset, LeaderEpoch, Offset};
use crate::storage::{Storage, StorageError};
use std::collections::BTreeMap;
use std::fmt::Write;

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
/// File of the topic's id in a partition's directory.
pub const PARTITION_METADATA: &str = "partition.metadata";

/// Offsets by partition from a checkpoint file; empty if there is none.
///
/// # Errors
/// The disk failed, or the file is malformed.
pub fn read_offsets(
    storage: &mut dyn Storage,
    path: &str,
) -> Result<BTreeMap<TopicPartition, Offset>, StorageError> {
    let entries = read_entries(storage, path, offset_line)?;
    Ok(entries.into_iter().collect())
}

fn offset_line(line: &str) -> Option<(TopicPartition, Offset)> {
    let [topic, partition, offset] = fields(line)?;
    let partition = TopicPartition::new(topic, partition.parse().ok()?);
    Some((partition, Offset(offset.parse().ok()?)))
}

/// The entries of a leader epoch checkpoint; empty if there is none.
///
/// # Errors
/// The disk failed, or the file is malformed.
pub fn read_leader_epochs(
    storage: &mut dyn Storage,
    path: &str,
) -> Result<Vec<EpochOffset>, StorageError> {
    read_entries(storage, path, epoch_line)
}

fn epoch_line(line: &str) -> Option<EpochOffset> {
    let [epoch, start] = fields(line)?;
    let entry = EpochOffset::new(
        LeaderEpoch(epoch.parse().ok()?),
        Offset(start.parse().ok()?),
    );
    (entry.epoch.0 >= 0 && entry.offset.0 >= 0).then_some(entry)
}

/// Writes a leader epoch checkpoint as a whole.
///
/// # Errors
/// The disk failed.
pub fn write_leader_epochs(
    storage: &mut dyn Storage,
    path: &str,
    entries: &[EpochOffset],
) -> Result<(), StorageError> {
    let mut text = format!("0\n{}\n", entries.len());
    for EpochOffset { epoch, offset } in entries {
        let _ = writeln!(text, "{epoch} {offset}");
    }
    storage.replace(path, text.as_bytes())
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
    let path = format!("{directory}/{CLEAN_SHUTDOWN}");
    let Some(bytes) = storage.read_all(&path)? else {
        return Ok(None);
    };
    storage.delete(&path)?;
    let json: Option<serde_json::Value> = serde_json::from_slice(&bytes).ok();
    let epoch = json.as_ref().and_then(|json| json.get("brokerEpoch"));
    let epoch = epoch.and_then(serde_json::Value::as_i64);
    Ok(Some(epoch.filter(|epoch| *epoch >= 0).map(BrokerEpoch)))
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
    // Kafka writes -1 for an epoch that it does not know.
    let epoch = epoch.map_or(-1, |epoch| epoch.0);
    let json = format!("{{\"version\":0,\"brokerEpoch\":{epoch}}}");
    storage.replace(&format!("{directory}/{CLEAN_SHUTDOWN}"), json.as_bytes())
}

/// Reads `partition.metadata`; `None` if there is none.
///
/// # Errors
/// The disk failed, or the file is malformed.
pub fn read_topic_id(
    storage: &mut dyn Storage,
    directory: &str,
) -> Result<Option<TopicId>, StorageError> {
    let path = format!("{directory}/{PARTITION_METADATA}");
    let Some(bytes) = storage.read_all(&path)? else {
        return Ok(None);
    };
    let text = std::str::from_utf8(&bytes).ok();
    let id = text.and_then(|text| text.strip_prefix("version: 0\ntopic_id: "));
    let id = id.and_then(|id| parse_topic_id(id.trim_end()));
    id.map(Some).ok_or(StorageError::Malformed(path))
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
    let text = format!("version: 0\ntopic_id: {id}");
    storage.replace(
        &format!("{directory}/{PARTITION_METADATA}"),
        text.as_bytes(),
    )
}

/// Reads back what `TopicId` prints: 21 digits of 6 bits and one whose two high bits count.
fn parse_topic_id(text: &str) -> Option<TopicId> {
    if text.len() != 22 {
        return None;
    }
    let mut id = 0_u128;
    for (position, byte) in text.bytes().enumerate() {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        id = if position < 21 {
            id << 6 | u128::from(digit)
        } else {
            id << 2 | u128::from(digit >> 4)
        };
    }
    Some(TopicId(id))
}

/// The entries of a checkpoint file; none without a file.
fn read_entries<T>(
    storage: &mut dyn Storage,
    path: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Vec<T>, StorageError> {
    let Some(bytes) = storage.read_all(path)? else {
        return Ok(Vec::new());
    };
    let text = std::str::from_utf8(&bytes).ok();
    let entries = text.and_then(|text| parse_lines(text, parse));
    entries.ok_or_else(|| StorageError::Malformed(path.to_owned()))
}

/// The entries of a checkpoint; `None` if the version, the count or a line is wrong.
/// Source: `CheckpointFile.CheckpointReadBuffer.read`.
fn parse_lines<T>(text: &str, parse: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    let mut lines = text.lines();
    let Some(version) = lines.next() else {
        return Some(Vec::new());
    };
    if version.parse() != Ok(0) {
        return None;
    }
    let Some(count) = lines.next() else {
        return Some(Vec::new());
    };
    let count: usize = count.parse().ok()?;
    let entries: Option<Vec<T>> = lines.map(parse).collect();
    entries.filter(|entries| entries.len() == count)
}

fn fields<const N: usize>(line: &str) -> Option<[&str; N]> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    fields.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::OffsetCheckpoint;
    use crate::memory_storage::MemoryStorage;

    fn file(disk: &mut MemoryStorage, path: &str) -> String {
        let bytes = disk.read_all(path).unwrap().unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[test]
    fn offsets_as_kafka_writes_them() {
        let mut disk = MemoryStorage::new();
        let offsets = BTreeMap::from([
            (TopicPartition::new("orders", 1), Offset(7)),
            (TopicPartition::new("orders", 0), Offset(12)),
        ]);
        let mut written = OffsetCheckpoint::read(&mut disk, "data/hw".to_owned()).unwrap();
        for (name, offset) in &offsets {
            written.set(name, *offset);
        }
        written.write(&mut disk).unwrap();
        assert_eq!(
            file(&mut disk, "data/hw"),
            "0\n2\norders 0 12\norders 1 7\n"
        );
        assert_eq!(read_offsets(&mut disk, "data/hw").unwrap(), offsets);
        assert!(read_offsets(&mut disk, "data/none").unwrap().is_empty());
        for empty in ["", "0\n"] {
            disk.replace("data/empty", empty.as_bytes()).unwrap();
            assert!(read_offsets(&mut disk, "data/empty").unwrap().is_empty());
        }
        for wrong in [
            "1\n0\n",
            "0\n2\na 0 1\n",
            "0\n1\na 0\n",
            "0\n1\na x 1\n",
            "x",
        ] {
            disk.replace("data/wrong", wrong.as_bytes()).unwrap();
            let malformed = Err(StorageError::Malformed("data/wrong".to_owned()));
            assert_eq!(
                read_offsets(&mut disk, "data/wrong"),
                malformed,
                "{wrong:?}"
            );
        }
    }

    #[test]
    fn leader_epochs_as_kafka_writes_them() {
        let mut disk = MemoryStorage::new();
        let entries = [(0, 0), (3, 12)].map(|(e, o)| EpochOffset::new(LeaderEpoch(e), Offset(o)));
        write_leader_epochs(&mut disk, "d/e", &entries).unwrap();
        assert_eq!(file(&mut disk, "d/e"), "0\n2\n0 0\n3 12\n");
        assert_eq!(read_leader_epochs(&mut disk, "d/e").unwrap(), entries);
        disk.replace("d/e", b"0\n1\n-1 0\n").unwrap();
        assert!(read_leader_epochs(&mut disk, "d/e").is_err());
    }

    #[test]
    fn the_clean_shutdown_marker_is_read_once() {
        let mut disk = MemoryStorage::new();
        assert_eq!(take_clean_shutdown(&mut disk, "data"), Ok(None));
        write_clean_shutdown(&mut disk, "data", Some(BrokerEpoch(7))).unwrap();
        let json = file(&mut disk, "data/.kafka_cleanshutdown");
        assert_eq!(json, r#"{"version":0,"brokerEpoch":7}"#);
        let epoch = take_clean_shutdown(&mut disk, "data").unwrap();
        assert_eq!(epoch, Some(Some(BrokerEpoch(7))));
        assert_eq!(take_clean_shutdown(&mut disk, "data"), Ok(None));
        write_clean_shutdown(&mut disk, "data", None).unwrap();
        assert_eq!(take_clean_shutdown(&mut disk, "data"), Ok(Some(None)));
        disk.append("data/.kafka_cleanshutdown", b"").unwrap();
        assert_eq!(take_clean_shutdown(&mut disk, "data"), Ok(Some(None)));
    }

    #[test]
    fn the_topic_id_survives() {
        let mut disk = MemoryStorage::new();
        for id in [0, 1, u128::MAX, 0x0123_4567_89ab_cdef_0011_2233_4455_6677] {
            write_topic_id(&mut disk, "d", TopicId(id)).unwrap();
            assert_eq!(read_topic_id(&mut disk, "d"), Ok(Some(TopicId(id))));
        }
        write_topic_id(&mut disk, "d", TopicId(1)).unwrap();
        let text = file(&mut disk, "d/partition.metadata");
        assert_eq!(text, "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ");
        assert_eq!(read_topic_id(&mut disk, "e"), Ok(None));
        let path = "d/partition.metadata";
        let malformed = Err(StorageError::Malformed(path.to_owned()));
        for rotten in [
            "",
            "version: 1\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ",
            "version: 0\ntopic_iD: AAAAAAAAAAAAAAAAAAAAAQ",
            "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAA~",
        ] {
            disk.replace(path, rotten.as_bytes()).unwrap();
            assert_eq!(read_topic_id(&mut disk, "d"), malformed, "{rotten:?}");
        }
    }
}
