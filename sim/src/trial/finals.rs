//! What the brokers' disks hold at the end, read from the segment files' bytes, whatever the machines
//! believe. Disks are whatever is a [`Storage`]: those of a trial, or folders of a real broker.
//!
//! Next: `../check/mod.rs`, which compares it with what was promised.

use crate::disk::Disk;
use crate::history::{FinalLog, FinalRecord};
use crate::plan::Plan;
use bytes::Bytes;
use ktrial_core::config::{BrokerConfig, Config};
use ktrial_core::event::text;
use ktrial_core::log::checkpoint::{LEADER_EPOCHS, read_leader_epochs};
use ktrial_core::record::{RecordBatch, batches};
use ktrial_core::{BrokerId, NodeId, Storage, TopicPartition};
use std::collections::{BTreeMap, BTreeSet};

/// Where brokers keep their logs, unless `log.dirs` says that there are more places.
pub const LOG_DIRECTORY: &str = "data";

/// Reads the records in a segment's bytes, up to the first damage, which is the error.
pub type ReadSegment = fn(&Bytes, &mut Vec<FinalRecord>) -> Result<(), String>;

/// The logs of the plan's topics on each broker, by broker and partition.
pub(super) fn logs(plan: &Plan, disks: &BTreeMap<NodeId, Disk>) -> Vec<FinalLog> {
    let mut logs = Vec::new();
    for (node, disk) in disks {
        if let NodeId::Broker(broker) = *node {
            logs.extend(on_disk(plan, broker, &mut disk.clone(), read_segment));
        }
    }
    logs
}

/// The logs of the plan's topics on one broker's disk, below its log directories, by partition. (A folder
/// in a lost directory and one that was made anew since for another topic of that name: the first is
/// told.)
pub fn on_disk(
    plan: &Plan,
    broker: BrokerId,
    disk: &mut dyn Storage,
    read: ReadSegment,
) -> Vec<FinalLog> {
    let mut logs = BTreeMap::new();
    for directory in directories(plan, broker) {
        let files = disk.list(&directory).unwrap_or_default();
        for partition in partitions(plan, &files) {
            let folder = format!("{directory}/{partition}");
            let name = partition.clone();
            logs.entry(name)
                .or_insert_with(|| log(disk, broker, (partition, &folder), read));
        }
    }
    logs.into_values().collect()
}

/// The log directories of a broker.
fn directories(plan: &Plan, broker: BrokerId) -> Vec<String> {
    let planned = plan.brokers.iter().find(|one| one.id == broker);
    let config = planned.map(|one| BrokerConfig::from_settings(&one.config));
    config.and_then(Result::ok).unwrap_or_default().log_dirs
}

/// The partitions of the plan's topics that have a directory.
fn partitions(plan: &Plan, files: &[String]) -> BTreeSet<TopicPartition> {
    files
        .iter()
        .filter_map(|path| path.rsplit_once('/'))
        .filter_map(|(directory, _)| directory.rsplit('/').next()?.parse().ok())
        .filter(|partition: &TopicPartition| {
            plan.topics.iter().any(|new| new.topic == partition.topic)
        })
        .collect()
}

fn log(
    disk: &mut dyn Storage,
    broker: BrokerId,
    (partition, directory): (TopicPartition, &str),
    read: ReadSegment,
) -> FinalLog {
    let mut log = FinalLog {
        partition,
        broker,
        records: Vec::new(),
        leader_epochs: Vec::new(),
        damage: None,
    };
    let files = disk.list(directory).unwrap_or_default();
    for path in files.iter().filter(|path| path.ends_with(".log")) {
        let bytes = disk.read_all(path).map_err(|error| error.to_string());
        let result = bytes.and_then(|bytes| read(&bytes.unwrap_or_default(), &mut log.records));
        if let Err(damage) = result {
            log.damage = Some(format!("{path}: {damage}"));
            break;
        }
    }
    match read_leader_epochs(disk, &format!("{directory}/{LEADER_EPOCHS}")) {
        Ok(epochs) => log.leader_epochs = epochs,
        Err(error) => {
            log.damage.get_or_insert(error.to_string());
        }
    }
    log
}

/// Reads a segment of record batches, the format of Kafka 0.11 and later.
///
/// # Errors
/// The first damage.
pub fn read_segment(bytes: &Bytes, records: &mut Vec<FinalRecord>) -> Result<(), String> {
    for batch in batches(bytes) {
        let batch = batch.map_err(|error| error.to_string())?;
        read_batch(&batch, records)
            .map_err(|error| format!("batch at offset {}: {error}", batch.base_offset()))?;
    }
    Ok(())
}

fn read_batch(batch: &RecordBatch, records: &mut Vec<FinalRecord>) -> Result<(), String> {
    batch.verify().map_err(|error| error.to_string())?;
    if batch.is_control() {
        return Ok(());
    }
    for record in batch.records().map_err(|error| error.to_string())? {
        let value = record.value.unwrap_or_default();
        records.push(FinalRecord {
            offset: record.offset,
            epoch: batch.leader_epoch(),
            value: text(&value),
        });
    }
    Ok(())
}
