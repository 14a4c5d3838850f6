//! The bytes of metadata records: as Kafka 4.3 writes them, and read as Kafka 3.3 to 4.3 wrote them.
//!
//! A record is a frame (version 1), its type and its schema version, all as unsigned varints, then
//! the fields in the "flexible" encoding of Kafka's messages: compact strings and arrays, UUIDs of 16
//! bytes, and at the end the tagged fields, which are left out when they have their default.
//!
//! | record | type | version written | versions read |
//! |---|---|---|---|
//! | RegisterBroker | 0 | 4 | 0 to 4 |
//! | Topic | 2 | 0 | 0 |
//! | Partition | 3 | 2 | 0 to 2 |
//! | Config | 4 | 0 | 0 |
//! | PartitionChange | 5 | 2 | 0 to 2 |
//! | FenceBroker, UnfenceBroker | 7, 8 | never | 0, as a BrokerRegistrationChange |
//! | RemoveTopic | 9 | 0 | 0 |
//! | FeatureLevel | 12 | 0 | 0 |
//! | BrokerRegistrationChange | 17 | 0, 1 with a controlled shutdown, 2 with log directories | 0 to 3 |
//! | NoOp | 20 | 0 | 0 |
//! | ClearElr | 28 | 0 | 0 |
//!
//! The other types of record up to 28 say nothing of what is told here (users, quotas, ACLs, producer ids,
//! controllers, metadata transactions, removals of brokers): they are skipped, whatever their version. So
//! is a setting of something else than a topic, a broker or the whole cluster.
//!
//! Invariants:
//! - What is encoded decodes to the same record; unknown tagged fields are skipped.
//! - A record type that Kafka does not have, or a newer version than those above, is an error.
//!
//! Simplified: endpoints and features are written empty, and log directories for brokers that have but
//! one, so a real broker could read such a log but not find its peers in it; they are skipped when read.
//! Of a real incarnation's UUID only a fold of 32 bits is kept: two are told apart but for one chance in
//! four thousand million. The records of a metadata transaction count even if it is aborted later: Kafka
//! writes one only when it makes a new cluster's first records.
//! Source: `AbstractApiMessageSerde.write`, `common/metadata/*Record.json`, `MetadataVersion`.
//! Next: `fields.rs` for the fields, `wire.rs` for the encoding, `image.rs` for what the records mean.

use super::fields::{
    read_config, read_fencing, read_partition, read_partition_change, read_register_broker,
    read_registration_change, write_config, write_partition, write_partition_change,
    write_register_broker, write_registration_change,
};
use super::wire::{Reader, Writer};
use super::{ClearElrRecord, FeatureLevelRecord, MetadataRecord, RemoveTopicRecord, TopicRecord};
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

/// The records of a batch with their offsets; none for a control batch, and without those that have no
/// meaning here.
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
        Ok(decode(&value)?.map(|known| (record.offset, known)))
    });
    decoded.filter_map(Result::transpose).collect()
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
        MetadataRecord::RemoveTopic(record) => {
            out.uuid(record.topic_id.0);
            out.no_tags();
        }
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

/// The record in these bytes; `None` for one that has no meaning here.
///
/// # Errors
/// What cannot be read.
pub fn decode(bytes: &[u8]) -> Result<Option<MetadataRecord>, String> {
    let mut input = Reader::new(bytes);
    let frame = input.uvarint()?;
    if frame != FRAME_VERSION {
        return Err(format!("unknown frame version {frame}"));
    }
    let api = input.uvarint()?;
    let version = input.uvarint()?;
    let record = match (api, version) {
        (0, 0..=4) => return read_register_broker(&mut input, version).map(Some),
        (2, 0) => MetadataRecord::Topic(TopicRecord {
            topic: input.string()?.into(),
            topic_id: TopicId(input.uuid()?),
        }),
        (3, 0..=2) => return read_partition(&mut input, version).map(Some),
        (4, 0) => {
            let setting = read_config(&mut input)?;
            input.tags()?;
            return Ok(setting);
        }
        (5, 0..=2) => return read_partition_change(&mut input).map(Some),
        (7 | 8, 0) => read_fencing(&mut input, api == 7)?,
        (9, 0) => MetadataRecord::RemoveTopic(RemoveTopicRecord {
            topic_id: TopicId(input.uuid()?),
        }),
        (12, 0) => MetadataRecord::FeatureLevel(FeatureLevelRecord {
            name: input.string()?,
            level: input.i16()?,
        }),
        (17, 0..=3) => return read_registration_change(&mut input).map(Some),
        (20, 0) => MetadataRecord::NoOp,
        (28, 0) => MetadataRecord::ClearElr(ClearElrRecord {
            topic: Some(input.string()?)
                .filter(|name| !name.is_empty())
                .map(Into::into),
        }),
        (1 | 10 | 11 | 14 | 15 | 18 | 19 | 21..=27, _) => return Ok(None),
        _ => return Err(format!("unknown metadata record {api} version {version}")),
    };
    input.tags()?;
    Ok(Some(record))
}

fn api_and_version(record: &MetadataRecord) -> (u32, u32) {
    match record {
        MetadataRecord::RegisterBroker(_) => (0, 4),
        MetadataRecord::Topic(_) => (2, 0),
        MetadataRecord::Partition(_) => (3, 2),
        MetadataRecord::Config(_) => (4, 0),
        MetadataRecord::PartitionChange(_) => (5, 2),
        MetadataRecord::RemoveTopic(_) => (9, 0),
        MetadataRecord::FeatureLevel(_) => (12, 0),
        MetadataRecord::BrokerRegistrationChange(record) => {
            let version = match record {
                record if record.log_dirs.is_some() => 2,
                record => u32::from(record.in_controlled_shutdown.is_some()),
            };
            (17, version)
        }
        MetadataRecord::NoOp => (20, 0),
        MetadataRecord::ClearElr(_) => (28, 0),
    }
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
