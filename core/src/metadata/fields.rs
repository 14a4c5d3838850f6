//! The fields of the larger metadata records, one pair of functions for each.
//!
//! Simplified: fields without a use here are written empty, and skipped.
//! Source: `common/metadata/*Record.json`.
//! Next: `wire.rs`.

use super::wire::{Reader, Tags, Writer};
use super::{
    BrokerRegistrationChangeRecord, ConfigRecord, LeaderChange, MetadataRecord,
    PartitionChangeRecord, PartitionRecord, RegisterBrokerRecord,
};
use crate::id::{BrokerId, Incarnation, TopicId};
use crate::message::{ConfigResource, LeaderRecoveryState};
use crate::offset::{BrokerEpoch, LeaderEpoch, PartitionEpoch};
use crate::raft::DirectoryId;

/// `ConfigResource.Type.TOPIC`.
const TOPIC_RESOURCE: i8 = 2;
/// `ConfigResource.Type.BROKER`; with an empty name it is the whole cluster.
const BROKER_RESOURCE: i8 = 4;

pub(super) fn write_register_broker(record: &RegisterBrokerRecord, out: &mut Writer) {
    out.i32(record.broker.0);
    out.bool(false); // isMigratingZkBroker
    out.uuid(u128::from(record.incarnation.0));
    out.i64(record.broker_epoch.0);
    out.empty_array(); // endPoints
    out.empty_array(); // features
    match &record.rack {
        Some(rack) => out.string(rack),
        None => out.null(),
    }
    out.bool(record.fenced);
    out.bool(record.in_controlled_shutdown);
    let mut tags = Tags::default();
    if !record.log_dirs.is_empty() {
        tags.add(0, |out| write_directories(&record.log_dirs, out));
    }
    out.tags(tags);
}

pub(super) fn read_register_broker(
    input: &mut Reader<'_>,
    version: u32,
) -> Result<MetadataRecord, String> {
    let broker = BrokerId(input.i32()?);
    if version >= 2 {
        input.bool()?;
    }
    let incarnation = Incarnation(fold(input.uuid()?));
    let broker_epoch = BrokerEpoch(input.i64()?);
    input.skip_array(|endpoint| {
        endpoint.string()?; // name
        endpoint.string()?; // host
        endpoint.i16()?; // port
        endpoint.i16()?; // security protocol
        endpoint.skip_tags()
    })?;
    input.skip_array(|feature| {
        feature.string()?;
        feature.i16()?; // minimum
        feature.i16()?; // maximum
        feature.skip_tags()
    })?;
    let rack = input.nullable_string()?;
    let fenced = input.bool()?;
    let in_controlled_shutdown = version >= 1 && input.bool()?;
    let mut log_dirs = Vec::new();
    for (tag, mut value) in input.tags()? {
        if tag == 0 {
            log_dirs = read_directories(&mut value)?;
        }
    }
    Ok(MetadataRecord::RegisterBroker(RegisterBrokerRecord {
        broker,
        incarnation,
        broker_epoch,
        fenced,
        in_controlled_shutdown,
        rack,
        log_dirs,
    }))
}

/// 32 bits of a UUID. A number of 32 bits stays as it is.
fn fold(uuid: u128) -> u32 {
    let words = [uuid >> 96, uuid >> 64, uuid >> 32, uuid];
    let low = words.map(|word| u32::try_from(word & 0xffff_ffff).unwrap_or(0));
    low.into_iter().fold(0, |sum, word| sum ^ word)
}

pub(super) fn write_partition(record: &PartitionRecord, out: &mut Writer) {
    out.i32(record.partition);
    out.uuid(record.topic_id.0);
    out.brokers(&record.replicas);
    out.brokers(&record.isr);
    out.brokers(&record.removing);
    out.brokers(&record.adding);
    out.i32(record.leader.map_or(-1, |leader| leader.0));
    out.i32(record.leader_epoch.0);
    out.i32(record.partition_epoch.0);
    write_directories(&record.directories, out);
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

pub(super) fn read_partition(
    input: &mut Reader<'_>,
    version: u32,
) -> Result<MetadataRecord, String> {
    let partition = input.i32()?;
    let topic_id = TopicId(input.uuid()?);
    let replicas = input.brokers()?;
    let isr = input.brokers()?;
    let removing = input.brokers()?;
    let adding = input.brokers()?;
    let leader = Some(BrokerId(input.i32()?)).filter(|leader| leader.0 >= 0);
    let leader_epoch = LeaderEpoch(input.i32()?);
    let partition_epoch = PartitionEpoch(input.i32()?);
    let directories = if version >= 1 {
        read_directories(input)?
    } else {
        Vec::new()
    };
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
        removing,
        adding,
        directories,
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

pub(super) fn write_partition_change(record: &PartitionChangeRecord, out: &mut Writer) {
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
    let assignment = [
        (2, &record.replicas),
        (3, &record.removing),
        (4, &record.adding),
    ];
    for (tag, list) in assignment {
        if let Some(list) = list {
            tags.add(tag, |out| out.brokers(list));
        }
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
    if let Some(directories) = &record.directories {
        tags.add(8, |out| write_directories(directories, out));
    }
    out.tags(tags);
}

pub(super) fn read_partition_change(input: &mut Reader<'_>) -> Result<MetadataRecord, String> {
    let mut record = PartitionChangeRecord {
        partition: input.i32()?,
        topic_id: TopicId(input.uuid()?),
        isr: None,
        leader: LeaderChange::Unchanged,
        leader_recovery_state: None,
        elr: None,
        last_known_elr: None,
        replicas: None,
        removing: None,
        adding: None,
        directories: None,
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
            2 => record.replicas = Some(value.brokers()?),
            3 => record.removing = Some(value.brokers()?),
            4 => record.adding = Some(value.brokers()?),
            5 => record.leader_recovery_state = Some(recovery_state(value.i8()?)?),
            6 => record.elr = Some(value.brokers()?),
            7 => record.last_known_elr = Some(value.brokers()?),
            8 => record.directories = Some(read_directories(&mut value)?),
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

pub(super) fn write_config(record: &ConfigRecord, out: &mut Writer) {
    let (kind, name) = match &record.resource {
        ConfigResource::Topic(topic) => (TOPIC_RESOURCE, topic.to_string()),
        ConfigResource::Cluster => (BROKER_RESOURCE, String::new()),
        ConfigResource::Broker(broker) => (BROKER_RESOURCE, broker.0.to_string()),
    };
    out.i8(kind);
    out.string(&name);
    out.string(&record.key);
    match &record.value {
        Some(value) => out.string(value),
        None => out.null(),
    }
    out.no_tags();
}

/// `None` for the setting of something else.
pub(super) fn read_config(input: &mut Reader<'_>) -> Result<Option<MetadataRecord>, String> {
    let kind = input.i8()?;
    let name = input.string()?;
    let resource = match kind {
        TOPIC_RESOURCE => Some(ConfigResource::Topic(name.into())),
        BROKER_RESOURCE if name.is_empty() => Some(ConfigResource::Cluster),
        BROKER_RESOURCE => name.parse().ok().map(BrokerId).map(ConfigResource::Broker),
        _ => None,
    };
    let (key, value) = (input.string()?, input.nullable_string()?);
    let record = |resource| {
        MetadataRecord::Config(ConfigRecord {
            resource,
            key,
            value,
        })
    };
    Ok(resource.map(record))
}

/// FenceBrokerRecord and UnfenceBrokerRecord, which releases before 3.3 wrote.
pub(super) fn read_fencing(input: &mut Reader<'_>, fenced: bool) -> Result<MetadataRecord, String> {
    Ok(MetadataRecord::BrokerRegistrationChange(
        BrokerRegistrationChangeRecord {
            broker: BrokerId(input.i32()?),
            broker_epoch: BrokerEpoch(input.i64()?),
            fenced: Some(fenced),
            in_controlled_shutdown: None,
            log_dirs: None,
        },
    ))
}

pub(super) fn write_registration_change(record: &BrokerRegistrationChangeRecord, out: &mut Writer) {
    out.i32(record.broker.0);
    out.i64(record.broker_epoch.0);
    let mut tags = Tags::default();
    if let Some(fenced) = record.fenced {
        tags.add(0, |out| out.i8(if fenced { 1 } else { -1 }));
    }
    if let Some(true) = record.in_controlled_shutdown {
        tags.add(1, |out| out.i8(1));
    }
    if let Some(log_dirs) = &record.log_dirs {
        tags.add(2, |out| write_directories(log_dirs, out));
    }
    out.tags(tags);
}

pub(super) fn read_registration_change(input: &mut Reader<'_>) -> Result<MetadataRecord, String> {
    let mut record = BrokerRegistrationChangeRecord {
        broker: BrokerId(input.i32()?),
        broker_epoch: BrokerEpoch(input.i64()?),
        fenced: None,
        in_controlled_shutdown: None,
        log_dirs: None,
    };
    for (tag, mut value) in input.tags()? {
        match tag {
            0 => {
                record.fenced = Some(value.i8()?)
                    .filter(|code| *code != 0)
                    .map(|code| code > 0);
            }
            1 => record.in_controlled_shutdown = (value.i8()? != 0).then_some(true),
            2 => record.log_dirs = Some(read_directories(&mut value)?),
            _ => {}
        }
    }
    Ok(MetadataRecord::BrokerRegistrationChange(record))
}

fn write_directories(directories: &[DirectoryId], out: &mut Writer) {
    out.compact_length(directories.len());
    for directory in directories {
        out.uuid(directory.0);
    }
}

fn read_directories(input: &mut Reader<'_>) -> Result<Vec<DirectoryId>, String> {
    let mut directories = Vec::new();
    input.skip_array(|one| {
        directories.push(DirectoryId(one.uuid()?));
        Ok(())
    })?;
    Ok(directories)
}
