//! What the brokers' disks hold at the end, read from the segment files' bytes, whatever the machines
//! believe. Disks are whatever is a [`Storage`]: those of a trial, or folders of a real broker.
//!
//! Next: `../check/mod.rs`, which compares it with what was promised.

use crate::disk::Disk;
use crate::history::{FinalLog, FinalRecord};
use crate::plan::Plan;
use bytes::Bytes;
use ktrial_core::event::text;
use ktrial_core::log::checkpoint::{LEADER_EPOCHS, read_leader_epochs};
use ktrial_core::record::{RecordBatch, batches};
use ktrial_core::{BrokerId, NodeId, Storage, TopicPartition};
use std::collections::{BTreeMap, BTreeSet};

/// Where brokers keep their logs.
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

/// The logs of the plan's topics on one broker's disk, below [`LOG_DIRECTORY`], by partition.
pub fn on_disk(
    plan: &Plan,
    broker: BrokerId,
    disk: &mut dyn Storage,
    read: ReadSegment,
) -> Vec<FinalLog> {
    let files = disk.list(LOG_DIRECTORY).unwrap_or_default();
    let partitions = partitions(plan, &files).into_iter();
    partitions
        .map(|partition| log(disk, broker, partition, read))
        .collect()
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
    partition: TopicPartition,
    read: ReadSegment,
) -> FinalLog {
    let directory = format!("{LOG_DIRECTORY}/{partition}");
    let mut log = FinalLog {
        partition,
        broker,
        records: Vec::new(),
        leader_epochs: Vec::new(),
        damage: None,
    };
    let files = disk.list(&directory).unwrap_or_default();
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
