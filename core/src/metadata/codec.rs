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
//! Next: `wire.rs` for the encoding, `image.rs` for what the records mean.

use super::wire::{Reader, Tags, Writer};
use super::{
    BrokerRegistrationChangeRecord, ClearElrRecord, ConfigRecord, FeatureLevelRecord, LeaderChange,
    MetadataRecord, PartitionChangeRecord, PartitionRecord, RegisterBrokerRecord, TopicRecord,
};
use crate::id::{BrokerId, Incarnation, TopicId};
use crate::message::{ConfigResource, LeaderRecoveryState};
use crate::offset::{BrokerEpoch, LeaderEpoch, Offset, PartitionEpoch};
use crate::record::{BatchBuilder, RecordBatch};
use crate::time::WallClock;
use bytes::Bytes;

const FRAME_VERSION: u32 = 1;
/// `ConfigResource.Type.TOPIC`.
const TOPIC_RESOURCE: i8 = 2;
/// `ConfigResource.Type.BROKER`; with an empty name it is the whole cluster.
const BROKER_RESOURCE: i8 = 4;

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

fn write_register_broker(record: &RegisterBrokerRecord, out: &mut Writer) {
    out.i32(record.broker.0);
    out.bool(false); // isMigratingZkBroker
    out.uuid(u128::from(record.incarnation.0));
    out.i64(record.broker_epoch.0);
    out.empty_array(); // endPoints
    out.empty_array(); // features
    out.null(); // rack
    out.bool(record.fenced);
    out.bool(record.in_controlled_shutdown);
    out.no_tags();
}

fn read_register_broker(input: &mut Reader<'_>) -> Result<MetadataRecord, String> {
    let broker = BrokerId(input.i32()?);
    input.bool()?;
    let incarnation =
        u32::try_from(input.uuid()?).map_err(|_| "an incarnation that is not ours")?;
    let broker_epoch = BrokerEpoch(input.i64()?);
    input.expect_empty_array()?;
    input.expect_empty_array()?;
    input.nullable_string()?;
    Ok(MetadataRecord::RegisterBroker(RegisterBrokerRecord {
        broker,
        incarnation: Incarnation(incarnation),
        broker_epoch,
        fenced: input.bool()?,
        in_controlled_shutdown: input.bool()?,
    }))
}

fn write_partition(record: &PartitionRecord, out: &mut Writer) {
    out.i32(record.partition);
    out.uuid(record.topic_id.0);
    out.brokers(&record.replicas);
    out.brokers(&record.isr);
    out.empty_array(); // removingReplicas
    out.empty_array(); // addingReplicas
    out.i32(record.leader.map_or(-1, |leader| leader.0));
    out.i32(record.leader_epoch.0);
    out.i32(record.partition_epoch.0);
    out.empty_array(); // directories
    let mut tags = Tags::default();
    if record.leader_recovery_state == LeaderRecoveryState::Recovering {
        tags.add(0, |out| out.i8(1));
    }
    if !record.elr.is_empty() {
        tags.add(1, |out| out.brokers(&record.elr));
    }
    if !record.last_known_elr.is_empty() {
        tags.add(2, |out| out.brokers(&record.last_known_elr));
    }
    out.tags(tags);
}

fn read_partition(input: &mut Reader<'_>) -> Result<MetadataRecord, String> {
    let partition = input.i32()?;
    let topic_id = TopicId(input.uuid()?);
    let replicas = input.brokers()?;
    let isr = input.brokers()?;
    input.expect_empty_array()?;
    input.expect_empty_array()?;
    let leader = Some(BrokerId(input.i32()?)).filter(|leader| leader.0 >= 0);
    let leader_epoch = LeaderEpoch(input.i32()?);
    let partition_epoch = PartitionEpoch(input.i32()?);
    input.expect_empty_array()?;
    let mut record = PartitionRecord {
        topic_id,
        partition,
        replicas,
        isr,
        leader,
        leader_recovery_state: LeaderRecoveryState::Recovered,
        leader_epoch,
        partition_epoch,
        elr: Vec::new(),
        last_known_elr: Vec::new(),
    };
    for (tag, mut value) in input.tags()? {
        match tag {
            0 => record.leader_recovery_state = recovery_state(value.i8()?)?,
            1 => record.elr = value.brokers()?,
            2 => record.last_known_elr = value.brokers()?,
            _ => {}
        }
    }
    Ok(MetadataRecord::Partition(record))
}

fn write_partition_change(record: &PartitionChangeRecord, out: &mut Writer) {
    out.i32(record.partition);
    out.uuid(record.topic_id.0);
    let mut tags = Tags::default();
    if let Some(isr) = &record.isr {
        tags.add(0, |out| out.brokers(isr));
    }
    match record.leader {
        LeaderChange::Unchanged => {}
        LeaderChange::NoLeader => tags.add(1, |out| out.i32(-1)),
        LeaderChange::Leader(leader) => tags.add(1, |out| out.i32(leader.0)),
    }
    if let Some(state) = record.leader_recovery_state {
        tags.add(5, |out| {
            out.i8(i8::from(state == LeaderRecoveryState::Recovering));
        });
    }
    if let Some(elr) = &record.elr {
        tags.add(6, |out| out.brokers(elr));
    }
    if let Some(last_known_elr) = &record.last_known_elr {
        tags.add(7, |out| out.brokers(last_known_elr));
    }
    out.tags(tags);
}

fn read_partition_change(input: &mut Reader<'_>) -> Result<MetadataRecord, String> {
    let mut record = PartitionChangeRecord {
        partition: input.i32()?,
        topic_id: TopicId(input.uuid()?),
        isr: None,
        leader: LeaderChange::Unchanged,
        leader_recovery_state: None,
        elr: None,
        last_known_elr: None,
    };
    for (tag, mut value) in input.tags()? {
        match tag {
            0 => record.isr = Some(value.brokers()?),
            1 => {
                record.leader = match value.i32()? {
                    -2 => LeaderChange::Unchanged,
                    -1 => LeaderChange::NoLeader,
                    leader => LeaderChange::Leader(BrokerId(leader)),
                }
            }
            5 => record.leader_recovery_state = Some(recovery_state(value.i8()?)?),
            6 => record.elr = Some(value.brokers()?),
            7 => record.last_known_elr = Some(value.brokers()?),
            _ => {}
        }
    }
    Ok(MetadataRecord::PartitionChange(record))
}

fn recovery_state(code: i8) -> Result<LeaderRecoveryState, String> {
    match code {
        0 => Ok(LeaderRecoveryState::Recovered),
        1 => Ok(LeaderRecoveryState::Recovering),
        _ => Err(format!("unknown leader recovery state {code}")),
    }
}

fn write_config(record: &ConfigRecord, out: &mut Writer) {
    let (kind, name) = match &record.resource {
        ConfigResource::Topic(topic) => (TOPIC_RESOURCE, &**topic),
        ConfigResource::Cluster => (BROKER_RESOURCE, ""),
    };
    out.i8(kind);
    out.string(name);
    out.string(&record.key);
    match &record.value {
        Some(value) => out.string(value),
        None => out.null(),
    }
    out.no_tags();
}

fn read_config(input: &mut Reader<'_>) -> Result<MetadataRecord, String> {
    let kind = input.i8()?;
    let name = input.string()?;
    let resource = match kind {
        TOPIC_RESOURCE => ConfigResource::Topic(name.into()),
        BROKER_RESOURCE if name.is_empty() => ConfigResource::Cluster,
        _ => return Err(format!("unknown config resource {kind} `{name}`")),
    };
    Ok(MetadataRecord::Config(ConfigRecord {
        resource,
        key: input.string()?,
        value: input.nullable_string()?,
    }))
}

fn write_registration_change(record: &BrokerRegistrationChangeRecord, out: &mut Writer) {
    out.i32(record.broker.0);
    out.i64(record.broker_epoch.0);
    let mut tags = Tags::default();
    if let Some(fenced) = record.fenced {
        tags.add(0, |out| out.i8(if fenced { 1 } else { -1 }));
    }
    if let Some(true) = record.in_controlled_shutdown {
        tags.add(1, |out| out.i8(1));
    }
    out.tags(tags);
}

fn read_registration_change(input: &mut Reader<'_>) -> Result<MetadataRecord, String> {
    let mut record = BrokerRegistrationChangeRecord {
        broker: BrokerId(input.i32()?),
        broker_epoch: BrokerEpoch(input.i64()?),
        fenced: None,
        in_controlled_shutdown: None,
    };
    for (tag, mut value) in input.tags()? {
        match tag {
            0 => {
                record.fenced = Some(value.i8()?)
                    .filter(|code| *code != 0)
                    .map(|code| code > 0);
            }
            1 => record.in_controlled_shutdown = (value.i8()? != 0).then_some(true),
            _ => {}
        }
    }
    Ok(MetadataRecord::BrokerRegistrationChange(record))
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
