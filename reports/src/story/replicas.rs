//! What becomes of brokers and of the logs on them.
//!
//! Next: `clients.rs`.

use super::lines::{Body, Item, extend};
use super::narrate::{NAMED_AT_MOST, Narrator};
use crate::words;
use ktrial_core::{BrokerId, Event, Offset, Timestamp, TopicPartition};
use ktrial_sim::plan::StopKind;
use std::collections::BTreeMap;

impl Narrator<'_> {
    /// A process stopped: how, and what it leaves behind.
    pub(super) fn stopped(
        &self,
        broker: Option<BrokerId>,
        how: Option<StopKind>,
        bytes_lost: u64,
    ) -> String {
        let mut text = match how {
            Some(StopKind::Kill) => "is killed".to_owned(),
            Some(StopKind::PowerLoss) => format!(
                "loses power: {} not flushed, gone",
                words::count(bytes_lost, "byte")
            ),
            Some(StopKind::Shutdown) | None => "has stopped".to_owned(),
        };
        let log = match how {
            Some(StopKind::PowerLoss) => "its log so far of",
            _ => "its log of",
        };
        let replicas = broker.map(|broker| self.world.replicas_on(broker));
        for (partition, replica) in replicas.into_iter().flatten().take(NAMED_AT_MOST) {
            let epoch = |offset| replica.epochs.get(&offset).copied();
            let items = self.items(partition, Offset::ZERO, replica.log_end, epoch);
            let values: Vec<&str> = items.iter().map(|item| item.value.as_str()).collect();
            let values = words::values(&values);
            text.push_str(&format!("; {log} {partition}: [{values}]"));
        }
        text
    }

    /// Something became of a broker or of its replica.
    pub(super) fn replica(&mut self, at: Timestamp, who: &str, broker: BrokerId, event: &Event) {
        match event {
            Event::BrokerStarted { clean } => {
                self.lines.barrier();
                let again = self.world.brokers.get(&broker).is_some_and(|b| b.stopped);
                let text = match (again, *clean) {
                    (false, _) => "starts",
                    (true, true) => "starts again after a clean stop",
                    (true, false) => "starts again after an unclean stop",
                };
                self.lines.plain(at, who, text);
            }
            Event::BrokerFenced if self.world.brokers.get(&broker).is_some_and(|b| !b.fenced) => {
                self.lines.plain(at, who, "learns that it is fenced");
            }
            Event::ControlledShutdownStarted => {
                self.lines
                    .plain(at, who, "asks the controller for a controlled shutdown");
            }
            Event::BrokerStopped => {
                self.lines
                    .plain(at, who, "closes its logs and marks the stop as clean");
            }
            Event::LogLoaded { .. } => self.log_loaded(at, who, event),
            Event::ReplicaDeleted { partition } => {
                let text = format!("has {partition} no more: its folder is put aside");
                self.lines.plain(at, who, text);
            }
            Event::BecameLeader {
                partition,
                leader_epoch,
                start_offset,
                ..
            } => {
                self.lines.barrier();
                let text = format!(
                    "leads {partition} in epoch {leader_epoch}, which starts at offset \
                     {start_offset}"
                );
                self.lines.plain(at, who, text);
            }
            Event::Truncated { .. } => self.truncated(at, who, broker, event),
            Event::HighWatermark { partition, offset } => {
                let before = self.world.replica(partition, broker).high_watermark;
                if *offset < before {
                    let text = format!("high watermark back {before} → {offset}");
                    self.lines.append(at, who, &text);
                }
            }
            _ => self.disk_failed(at, who, event),
        }
    }

    /// What a broker has lost with a disk.
    fn disk_failed(&mut self, at: Timestamp, who: &str, event: &Event) {
        match event {
            Event::ReplicaOffline { partition } => {
                let text = format!("{partition} is offline: its log directory is, or may be, lost");
                self.lines.plain(at, who, text);
            }
            Event::LogDirectoryFailed {
                directory,
                error,
                partitions,
            } => {
                self.lines.barrier();
                let held: Vec<String> = partitions.iter().map(ToString::to_string).collect();
                let held = if held.is_empty() {
                    "nothing of the topics".to_owned()
                } else {
                    held.join(", ")
                };
                let text = format!("LOSES LOG DIRECTORY {directory} with {held}: {error}");
                self.lines.plain(at, who, text);
            }
            Event::StorageFailed { partition, error } => {
                let what = partition
                    .as_ref()
                    .map_or_else(|| "its own files".to_owned(), ToString::to_string);
                self.lines
                    .plain(at, who, format!("DISK FAILS under {what}: {error}"));
            }
            _ => {}
        }
    }

    fn log_loaded(&mut self, at: Timestamp, who: &str, event: &Event) {
        let Event::LogLoaded {
            partition,
            log_end_offset,
            high_watermark,
            truncated_bytes,
            ..
        } = event
        else {
            return;
        };
        let mut text = format!(
            "{partition} loaded: log end {log_end_offset}, high watermark {high_watermark}"
        );
        if *truncated_bytes > 0 {
            let bytes = words::count(*truncated_bytes, "torn byte");
            text.push_str(&format!(", {bytes} cut off"));
        }
        self.lines.append(at, who, &text);
    }

    fn truncated(&mut self, at: Timestamp, who: &str, broker: BrokerId, event: &Event) {
        let Event::Truncated {
            partition,
            from,
            to,
            cause,
        } = event
        else {
            return;
        };
        let replica = self.world.replica(partition, broker);
        let epoch = |offset| replica.epochs.get(&offset).copied();
        let fell = self.items(partition, *to, *from, epoch);
        let name = |value: &str| {
            let acknowledged = self.values.is_acknowledged(value);
            format!(
                "{value}{}",
                if acknowledged { " (acknowledged)" } else { "" }
            )
        };
        let fell: Vec<String> = fell.iter().map(|item| name(&item.value)).collect();
        let why = words::cause(*cause, self.leader(partition));
        let mut text = format!("TRUNCATES {partition} {from} → {to}: {why}");
        if !fell.is_empty() {
            text.push_str(&format!("; gone here: {}", words::values(&fell)));
        }
        self.lines.barrier();
        self.lines.plain(at, who, text);
    }

    pub(super) fn appended(&mut self, at: Timestamp, who: &str, broker: BrokerId, event: &Event) {
        let Event::Appended {
            partition,
            base_offset,
            last_offset,
            leader_epoch,
            ..
        } = event
        else {
            return;
        };
        let end = last_offset.next();
        let more = self.items(partition, *base_offset, end, |_| Some(*leader_epoch));
        let leads = self.world.replica(partition, broker).leads;
        if !leads && self.copied(who, partition, &more) {
            return;
        }
        let folded = self.lines.fold("", |body| match body {
            Body::Written {
                partition: of,
                epoch,
                records,
                ends,
            } if of == partition && *epoch == leader_epoch.0 => {
                let known = more.iter().all(|item| records.contains(item));
                let fits = known || (leads && extend(records, &more));
                if fits {
                    ends.insert(broker, end);
                }
                fits
            }
            _ => false,
        });
        if folded {
            return;
        }
        let body = if leads {
            Body::Written {
                partition: partition.clone(),
                epoch: leader_epoch.0,
                records: more,
                ends: BTreeMap::from([(broker, end)]),
            }
        } else {
            let from = self.leader(partition);
            Body::Copied {
                partition: partition.clone(),
                from,
                records: more,
            }
        };
        self.lines.push(at, who, body);
    }

    fn copied(&mut self, who: &str, partition: &TopicPartition, more: &[Item]) -> bool {
        self.lines.fold(who, |body| match body {
            Body::Copied {
                partition: of,
                records,
                ..
            } => of == partition && extend(records, more),
            _ => false,
        })
    }
}
