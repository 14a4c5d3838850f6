//! The snapshots that lie beside the metadata log, `<end>-<epoch>.checkpoint`: each stands for everything
//! below its end, which is the end of a batch; the epoch is that of the last record in it.
//!
//! - A snapshot is one file of batches: a control batch that opens it, the records of the image, a control
//!   batch that closes it. Without the last it is not whole.
//! - It is written under another name, forced to disk and renamed, so that a file of that name is whole.
//!
//! Simplified: what a fetched snapshot has so far is kept in memory, not in a file; the records are one
//! batch.
//! Source: `Snapshots`, `FileRawSnapshotWriter`, `RecordsSnapshotWriter`, `KafkaRaftLog.recoverSnapshots`.
//! Next: `replica_log.rs` makes and uses them.

use crate::metadata::wire::Writer;
use crate::metadata::{MetadataRecord, codec};
use crate::offset::{EpochOffset, LeaderEpoch, Offset};
use crate::record::{self, BatchBuilder};
use crate::storage::{Storage, StorageError};
use crate::time::WallClock;
use bytes::Bytes;
use std::collections::BTreeMap;

/// `ControlRecordType.SNAPSHOT_HEADER` and `SNAPSHOT_FOOTER`.
const HEADER: i16 = 3;
const FOOTER: i16 = 4;
const SUFFIX: &str = ".checkpoint";

/// The snapshots of one replica, with their sizes.
#[derive(Debug)]
pub(super) struct Snapshots {
    directory: String,
    known: BTreeMap<EpochOffset, u64>,
}

impl Snapshots {
    /// What lies in the directory of the log.
    pub(super) fn open(storage: &mut dyn Storage, directory: String) -> Result<Self, StorageError> {
        let mut known = BTreeMap::new();
        for path in storage.list(&directory)? {
            let name = path.strip_prefix(&directory).unwrap_or_default();
            if let Some(id) = parse(name.trim_start_matches('/')) {
                known.insert(id, storage.length(&path)?);
            }
        }
        Ok(Self { directory, known })
    }

    pub(super) fn latest(&self) -> Option<EpochOffset> {
        self.known.last_key_value().map(|(id, _)| *id)
    }

    pub(super) fn earliest(&self) -> Option<EpochOffset> {
        self.known.first_key_value().map(|(id, _)| *id)
    }

    pub(super) fn contains(&self, id: EpochOffset) -> bool {
        self.known.contains_key(&id)
    }

    /// The two oldest, the size of the oldest, and the size of all.
    pub(super) fn oldest_two(&self) -> Option<(EpochOffset, EpochOffset, u64)> {
        let mut ids = self.known.keys();
        let (first, second) = (ids.next()?, ids.next()?);
        Some((*first, *second, self.known.values().sum()))
    }

    /// All bytes of a snapshot.
    pub(super) fn read(
        &self,
        storage: &mut dyn Storage,
        id: EpochOffset,
    ) -> Result<Option<Bytes>, StorageError> {
        if !self.contains(id) {
            return Ok(None);
        }
        storage.read_all(&self.path(id))
    }

    /// Writes one, for good.
    pub(super) fn write(
        &mut self,
        storage: &mut dyn Storage,
        id: EpochOffset,
        bytes: &Bytes,
    ) -> Result<(), StorageError> {
        storage.replace(&self.path(id), bytes)?;
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.known.insert(id, size);
        Ok(())
    }

    /// Deletes those before this one.
    pub(super) fn forget_before(
        &mut self,
        storage: &mut dyn Storage,
        id: EpochOffset,
    ) -> Result<(), StorageError> {
        while let Some(first) = self.earliest().filter(|first| *first < id) {
            storage.delete(&self.path(first))?;
            self.known.remove(&first);
        }
        Ok(())
    }

    fn path(&self, id: EpochOffset) -> String {
        let (offset, epoch) = (id.offset.0, id.epoch.0);
        format!("{}/{offset:020}-{epoch:010}{SUFFIX}", self.directory)
    }
}

fn parse(name: &str) -> Option<EpochOffset> {
    let (offset, epoch) = name.strip_suffix(SUFFIX)?.split_once('-')?;
    let whole = offset.len() == 20 && epoch.len() == 10;
    let id = EpochOffset::new(
        LeaderEpoch(epoch.parse().ok()?),
        Offset(offset.parse().ok()?),
    );
    whole.then_some(id)
}

/// The file that holds these records.
pub(super) fn encode(records: &[MetadataRecord], now: WallClock) -> Bytes {
    let mut bytes = control(HEADER, now).to_vec();
    if !records.is_empty() {
        bytes.extend_from_slice(&codec::encode_batch(records, now));
    }
    bytes.extend_from_slice(&control(FOOTER, now));
    bytes.into()
}

/// The records of a file.
///
/// # Errors
/// What of it cannot be read, or that it is not whole.
pub(super) fn decode(bytes: &Bytes) -> Result<Vec<MetadataRecord>, String> {
    let (mut records, mut controls) = (Vec::new(), 0);
    for batch in record::batches(bytes) {
        let sound = batch.and_then(|batch| batch.verify().map(|()| batch));
        let batch = sound.map_err(|error| error.to_string())?;
        controls += u8::from(batch.is_control());
        let decoded = codec::decode_batch(&batch)?;
        records.extend(decoded.into_iter().map(|(_, record)| record));
    }
    if controls < 2 {
        return Err("the snapshot is not whole".to_owned());
    }
    Ok(records)
}

/// Source: `SnapshotHeaderRecord.json`, `SnapshotFooterRecord.json`, both version 0.
fn control(kind: i16, now: WallClock) -> Bytes {
    let mut key = Writer::default();
    key.i16(0);
    key.i16(kind);
    let mut value = Writer::default();
    value.i16(0);
    if kind == HEADER {
        value.i64(now.0);
    }
    value.no_tags();
    let mut batch = BatchBuilder::new();
    batch.append(now, Some(&key.into_bytes()), Some(&value.into_bytes()), &[]);
    batch.control().finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory_storage::MemoryStorage;

    #[test]
    fn a_snapshot_is_found_again() {
        let mut storage = MemoryStorage::default();
        let id = EpochOffset::new(LeaderEpoch(2), Offset(17));
        let bytes = encode(&[MetadataRecord::NoOp], WallClock(5));
        let mut snapshots = Snapshots::open(&mut storage, "data/m".to_owned()).unwrap();
        assert_eq!(snapshots.latest(), None);
        snapshots.write(&mut storage, id, &bytes).unwrap();
        let path = "data/m/00000000000000000017-0000000002.checkpoint";
        assert!(storage.exists(path).unwrap());
        let again = Snapshots::open(&mut storage, "data/m".to_owned()).unwrap();
        assert_eq!(again.latest(), Some(id));
        assert_eq!(again.read(&mut storage, id).unwrap(), Some(bytes));
    }

    #[test]
    fn half_a_snapshot_is_none() {
        let bytes = encode(&[MetadataRecord::NoOp], WallClock(5));
        assert_eq!(decode(&bytes), Ok(vec![MetadataRecord::NoOp]));
        let footer = control(FOOTER, WallClock(5)).len();
        let half = bytes.slice(..bytes.len() - footer);
        assert!(decode(&half).unwrap_err().contains("not whole"));
    }
}
