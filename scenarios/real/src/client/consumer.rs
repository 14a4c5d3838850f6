//! A consumer: reads the partitions that it was assigned and tells what it got.
//!
//! It has no group, so positions begin where `auto.offset.reset` says. A position that goes back is told
//! as reset: librdkafka does so after a truncation (KIP-320), and does not say more.
//!
//! Simplified: librdkafka does not hand out a record's leader epoch; it is told as -1, Kafka's "unknown".

use super::{Told, settings};
use crate::failure::Failure;
use ktrial_core::event::{PolledRecord, ResetCause, text};
use ktrial_core::{Event, LeaderEpoch, NodeId, Offset, TopicName, TopicPartition};
use ktrial_sim::plan::ConsumerPlan;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::{Offset as Position, TopicPartitionList};
use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How long a poll waits.
const POLL: Duration = Duration::from_millis(50);

/// A consumer's process.
pub(super) struct Reader {
    /// Dropped to end the thread.
    assign: Option<Sender<Vec<TopicPartition>>>,
    thread: Option<JoinHandle<()>>,
}

/// What its thread works with.
struct Loop {
    consumer: BaseConsumer,
    node: NodeId,
    start: Position,
    positions: BTreeMap<TopicPartition, Offset>,
    tell: Sender<Told>,
}

impl Reader {
    pub(super) fn new(
        node: NodeId,
        plan: &ConsumerPlan,
        bootstrap: &str,
        tell: Sender<Told>,
    ) -> Result<Self, Failure> {
        let config = settings::consumer(&plan.config, bootstrap);
        let consumer = config
            .create()
            .map_err(|error| settings::refused(&format!("consumer {}", plan.name), &error))?;
        let reset = plan.config.get("auto.offset.reset").map(String::as_str);
        let (assign, assigned) = channel();
        let mut work = Loop {
            consumer,
            node,
            start: match reset {
                Some("earliest") => Position::Beginning,
                _ => Position::End,
            },
            positions: BTreeMap::new(),
            tell,
        };
        let thread = thread::Builder::new()
            .name(format!("consumer-{node}"))
            .spawn(move || work.run(&assigned))
            .map_err(|error| Failure::Rig(format!("no thread for a consumer: {error}")))?;
        Ok(Self {
            assign: Some(assign),
            thread: Some(thread),
        })
    }

    /// Reads these partitions from now on.
    pub(super) fn assign(&self, partitions: Vec<TopicPartition>) {
        if let Some(assign) = &self.assign {
            let _ = assign.send(partitions);
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.assign = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Loop {
    fn run(&mut self, assigned: &Receiver<Vec<TopicPartition>>) {
        loop {
            match assigned.try_recv() {
                Ok(partitions) => self.assign(&partitions),
                Err(TryRecvError::Disconnected) => return,
                Err(TryRecvError::Empty) => {}
            }
            // Errors of a poll are about brokers that are away: it goes on.
            if let Some(Ok(message)) = self.consumer.poll(POLL) {
                let record = PolledRecord {
                    partition: TopicPartition::new(
                        TopicName::from(message.topic()),
                        message.partition(),
                    ),
                    offset: Offset(message.offset()),
                    leader_epoch: LeaderEpoch(-1),
                    value: text(message.payload().unwrap_or_default()),
                };
                drop(message);
                self.got(record);
            }
        }
    }

    fn assign(&mut self, partitions: &[TopicPartition]) {
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            let _ = list.add_partition_offset(&partition.topic, partition.partition, self.start);
        }
        self.positions.clear();
        let _ = self.consumer.assign(&list);
    }

    fn got(&mut self, record: PolledRecord) {
        let next = record.offset.next();
        let before = self.positions.insert(record.partition.clone(), next);
        if let Some(before) = before.filter(|before| record.offset < *before) {
            self.tell(Event::PositionReset {
                partition: record.partition.clone(),
                from: Some(before),
                to: Some(record.offset),
                cause: ResetCause::Truncated(None),
            });
        }
        let records = vec![record];
        self.tell(Event::Polled { records });
    }

    fn tell(&self, event: Event) {
        let _ = self.tell.send(Told::Event(self.node, event));
    }
}
