//! What the brokers' disks hold at the end, read from the segment files' bytes, whatever the machines
//! believe.
//!
//! Next: `../check/mod.rs`, which compares it with what was promised.

use crate::disk::Disk;
use crate::history::{FinalLog, FinalRecord};
use crate::plan::Plan;
use ktrial_core::event::text;
use ktrial_core::log::checkpoint::{LEADER_EPOCHS, read_leader_epochs};
use ktrial_core::record::{RecordBatch, batches};
use ktrial_core::{BrokerId, NodeId, Storage, StorageError, TopicPartition};
use std::collections::{BTreeMap, BTreeSet};

/// Where brokers keep their logs.
const LOG_DIRECTORY: &str = "data";

/// The logs of the plan's topics on each broker, by broker and partition.
pub(super) fn logs(plan: &Plan, disks: &BTreeMap<NodeId, Disk>) -> Vec<FinalLog> {
    let mut logs = Vec::new();
    for (node, disk) in disks {
        let NodeId::Broker(broker) = *node else {
            continue;
        };
        let mut disk = disk.clone();
        let files = disk.list(LOG_DIRECTORY).unwrap_or_default();
        for partition in partitions(plan, &files) {
            logs.push(log(&mut disk, broker, partition));
        }
    }
    logs
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

fn log(disk: &mut Disk, broker: BrokerId, partition: TopicPartition) -> FinalLog {
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
        if let Err(damage) = read_segment(disk, path, &mut log.records) {
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

/// Reads a segment's records, up to the first damage.
fn read_segment(disk: &mut Disk, path: &str, records: &mut Vec<FinalRecord>) -> Result<(), String> {
    let bytes = disk
        .read_all(path)
        .map_err(|e: StorageError| e.to_string())?;
    for batch in batches(&bytes.unwrap_or_default()) {
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
