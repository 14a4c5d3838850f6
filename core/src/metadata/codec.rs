//! The bytes of metadata records, as Kafka 4.3 writes them.
//!
//! A record is a frame (version 1), its type and its schema version, all as unsigned varints, then
//! the fields in the "flexible" encoding of Kafka's messages: compact strings and arrays, UUIDs of 16
//! bytes, and at the end the tagged fields, which are left out when they have their default.
//!
//! | record | type | version written |
//! |---|---|---|
//! | RegisterBroker | 0 | 4 |
//! | Topic | 2 | 0 |
//! | Partition | 3 | 2 |
//! | Config | 4 | 0 |
//! | PartitionChange | 5 | 2 |
//! | FeatureLevel | 12 | 0 |
//! | BrokerRegistrationChange | 17 | 0, or 1 with a controlled shutdown |
//! | NoOp | 20 | 0 |
//! | ClearElr | 28 | 0 |
//!
//! Invariants:
//! - What is encoded decodes to the same record; unknown tagged fields are skipped.
//!
//! Simplified: endpoints, features, racks and log directories are written empty, so a real broker
//! could read such a log but not find its peers in it. Only the versions above are read.
//! Source: `AbstractApiMessageSerde.write`, `common/metadata/*Record.json`, `MetadataVersion`.
//! Next: `fields.rs` for the fields, `wire.rs` for the encoding, `image.rs` for what the records mean.

use super::fields::{
    read_config, read_partition, read_partition_change, read_register_broker,
    read_registration_change, write_config, write_partition, write_partition_change,
    write_register_broker, write_registration_change,
};
use super::wire::{Reader, Writer};
use super::{ClearElrRecord, FeatureLevelRecord, MetadataRecord, TopicRecord};
use crate::id::TopicId;
use crate::offset::Offset;
use crate::record::{BatchBuilder, RecordBatch};
use crate::time::WallClock;
use bytes::Bytes;

const FRAME_VERSION: u32 = 1;

/// One record batch that holds these records, atomically; for the leader to append.
pub fn encode_batch(records: &[MetadataRecord], now: WallClock) -> Bytes {
    let mut batch = BatchBuilder::new();
    for record in records {
        batch.append(now, None, Some(&encode(record)), &[]);
    }
    batch.finish()
}

/// The records of a batch with their offsets; none for a control batch.
///
/// # Errors
/// What cannot be read.
pub fn decode_batch(batch: &RecordBatch) -> Result<Vec<(Offset, MetadataRecord)>, String> {
    if batch.is_control() {
        return Ok(Vec::new());
    }
    let records = batch.records().map_err(|error| error.to_string())?;
    let decoded = records.into_iter().map(|record| {
        let value = record.value.ok_or("a metadata record without value")?;
        Ok((record.offset, decode(&value)?))
    });
    decoded.collect()
}

/// The bytes of one record.
pub fn encode(record: &MetadataRecord) -> Vec<u8> {
    let (api, version) = api_and_version(record);
    let mut out = Writer::default();
    out.uvarint(FRAME_VERSION);
    out.uvarint(api);
    out.uvarint(version);
    match record {
        MetadataRecord::RegisterBroker(record) => write_register_broker(record, &mut out),
        MetadataRecord::Topic(record) => {
            out.string(&record.topic);
            out.uuid(record.topic_id.0);
            out.no_tags();
        }
        MetadataRecord::Partition(record) => write_partition(record, &mut out),
        MetadataRecord::Config(record) => write_config(record, &mut out),
        MetadataRecord::PartitionChange(record) => write_partition_change(record, &mut out),
        MetadataRecord::FeatureLevel(record) => {
            out.string(&record.name);
            out.i16(record.level);
            out.no_tags();
        }
        MetadataRecord::BrokerRegistrationChange(record) => {
            write_registration_change(record, &mut out);
        }
        MetadataRecord::NoOp => out.no_tags(),
        MetadataRecord::ClearElr(record) => {
            out.string(record.topic.as_deref().unwrap_or(""));
            out.no_tags();
        }
    }
    out.into_bytes()
}

/// The record in these bytes.
///
/// # Errors
/// What cannot be read.
pub fn decode(bytes: &[u8]) -> Result<MetadataRecord, String> {
    let mut input = Reader::new(bytes);
    let frame = input.uvarint()?;
    if frame != FRAME_VERSION {
        return Err(format!("unknown frame version {frame}"));
    }
    let api = input.uvarint()?;
    let version = input.uvarint()?;
    let record = match (api, version) {
        (0, 4) => read_register_broker(&mut input)?,
        (2, 0) => MetadataRecord::Topic(TopicRecord {
            topic: input.string()?.into(),
            topic_id: TopicId(input.uuid()?),
        }),
        (3, 2) => return read_partition(&mut input),
        (4, 0) => read_config(&mut input)?,
        (5, 2) => return read_partition_change(&mut input),
        (12, 0) => MetadataRecord::FeatureLevel(FeatureLevelRecord {
            name: input.string()?,
            level: input.i16()?,
        }),
        (17, 0..=3) => return read_registration_change(&mut input),
        (20, 0) => MetadataRecord::NoOp,
        (28, 0) => MetadataRecord::ClearElr(ClearElrRecord {
            topic: Some(input.string()?)
                .filter(|name| !name.is_empty())
                .map(Into::into),
        }),
        _ => return Err(format!("unknown metadata record {api} version {version}")),
    };
    input.tags()?;
    Ok(record)
}

fn api_and_version(record: &MetadataRecord) -> (u32, u32) {
    match record {
        MetadataRecord::RegisterBroker(_) => (0, 4),
        MetadataRecord::Topic(_) => (2, 0),
        MetadataRecord::Partition(_) => (3, 2),
        MetadataRecord::Config(_) => (4, 0),
        MetadataRecord::PartitionChange(_) => (5, 2),
        MetadataRecord::FeatureLevel(_) => (12, 0),
        MetadataRecord::BrokerRegistrationChange(record) => {
            (17, u32::from(record.in_controlled_shutdown.is_some()))
        }
        MetadataRecord::NoOp => (20, 0),
        MetadataRecord::ClearElr(_) => (28, 0),
    }
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
