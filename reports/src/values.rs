//! Which value is where: a record's value by partition, offset and leader epoch, and what was
//! acknowledged.
//!
//! Appends carry no values, so they are taken from what else the record knows: final logs and polls
//! name offset and epoch; an acknowledgement names the offset only, and the epoch is the newest one
//! in which anything had been appended there when the acknowledgement came.
//!
//! Next: `model.rs`, for the state that changes.

use ktrial_core::event::SendOutcome;
use ktrial_core::metadata::MetadataRecord;
use ktrial_core::{
    BrokerId, Event, LeaderEpoch, NodeId, Offset, OperationId, Timestamp, TopicName, TopicPartition,
};
use ktrial_sim::history::{Entry, Record, What};
use std::collections::{BTreeMap, BTreeSet};

/// The place of a record: partition, offset and the epoch it was first appended in.
type Place = (TopicPartition, Offset, LeaderEpoch);

/// An acknowledged record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ack {
    /// When its application was told.
    pub(crate) at: Timestamp,
    /// In which partition it is.
    pub(crate) partition: TopicPartition,
    /// Where.
    pub(crate) offset: Offset,
    /// Its value.
    pub(crate) value: String,
}

/// What is known of values in the whole record.
#[derive(Clone, Debug, Default)]
pub(crate) struct Values {
    known: BTreeMap<Place, String>,
    sent: BTreeMap<OperationId, String>,
    acknowledged: BTreeSet<String>,
    topics: BTreeSet<TopicName>,
    /// Topics that were created more than once.
    reborn: BTreeSet<TopicName>,
    /// Acknowledgements that name an offset, in order.
    pub(crate) acks: Vec<Ack>,
}

impl Values {
    /// Gathers the values of a record.
    pub(crate) fn of(record: &Record) -> Self {
        let mut values = Self::default();
        for entry in &record.entries {
            values.learn_from_reads(entry);
        }
        let mut epochs = BTreeMap::new();
        for entry in &record.entries {
            values.learn_from_sends(entry, &mut epochs);
        }
        values
    }

    /// The value at a place, if known.
    pub(crate) fn at(
        &self,
        partition: &TopicPartition,
        offset: Offset,
        epoch: LeaderEpoch,
    ) -> Option<&str> {
        let place = (partition.clone(), offset, epoch);
        self.known.get(&place).map(String::as_str)
    }

    /// The value that an operation sends, if its start is in the record.
    pub(crate) fn sent_by(&self, operation: OperationId) -> &str {
        self.sent.get(&operation).map_or("?", String::as_str)
    }

    /// Whether the value was acknowledged at any time of the trial.
    pub(crate) fn is_acknowledged(&self, value: &str) -> bool {
        self.acknowledged.contains(value)
    }

    fn learn_from_reads(&mut self, entry: &Entry) {
        match &entry.what {
            What::FinalLog(log) => {
                for record in &log.records {
                    let place = (log.partition.clone(), record.offset, record.epoch);
                    self.known.insert(place, record.value.clone());
                }
            }
            What::Event(Event::MetadataWritten { record, .. }) => {
                if let MetadataRecord::Topic(topic) = &**record
                    && !self.topics.insert(topic.topic.clone())
                {
                    self.reborn.insert(topic.topic.clone());
                }
            }
            What::Event(Event::Polled { records }) => {
                for record in records {
                    let place = (record.partition.clone(), record.offset, record.leader_epoch);
                    self.known.insert(place, record.value.clone());
                }
            }
            _ => {}
        }
    }

    fn learn_from_sends(
        &mut self,
        entry: &Entry,
        epochs: &mut BTreeMap<(TopicPartition, Offset), BTreeSet<LeaderEpoch>>,
    ) {
        match &entry.what {
            What::Event(Event::SendStarted {
                operation, value, ..
            }) => {
                self.sent.insert(*operation, value.clone());
            }
            What::Event(Event::Appended {
                partition,
                base_offset,
                last_offset,
                leader_epoch,
                ..
            }) => {
                for offset in base_offset.0..=last_offset.0 {
                    let place = (partition.clone(), Offset(offset));
                    epochs.entry(place).or_default().insert(*leader_epoch);
                }
            }
            What::Event(Event::SendEnded {
                operation,
                partition,
                outcome: SendOutcome::Acknowledged { offset },
            }) => {
                let value = self.sent_by(*operation).to_owned();
                self.acknowledged.insert(value.clone());
                if let (Some(partition), Some(offset)) = (partition, offset) {
                    let ack = Ack {
                        at: entry.at,
                        partition: partition.clone(),
                        offset: *offset,
                        value,
                    };
                    self.learn_from_ack(ack, epochs);
                }
            }
            _ => {}
        }
    }

    fn learn_from_ack(
        &mut self,
        ack: Ack,
        epochs: &BTreeMap<(TopicPartition, Offset), BTreeSet<LeaderEpoch>>,
    ) {
        let here = (ack.partition.clone(), ack.offset);
        let fits = |epoch: &&LeaderEpoch| {
            let known = self.at(&ack.partition, ack.offset, **epoch);
            known.is_none_or(|known| known == ack.value)
        };
        let epochs = epochs.get(&here);
        let epoch = epochs.and_then(|all| all.iter().rev().find(fits));
        // Another value may be there only if the topic was deleted and is another one by now.
        let newest = epochs.and_then(BTreeSet::last).filter(|_| epoch.is_none());
        if let Some(newest) = newest.filter(|_| self.reborn.contains(&ack.partition.topic)) {
            let place = (ack.partition.clone(), ack.offset, *newest);
            let both = self.known.entry(place).or_default();
            *both = format!("{}, then {both}", ack.value);
        }
        if let Some(epoch) = epoch {
            let place = (ack.partition.clone(), ack.offset, *epoch);
            self.known.insert(place, ack.value.clone());
        }
        self.acks.push(ack);
    }
}

/// The broker that an entry is of.
pub(crate) fn broker_of(entry: &Entry) -> Option<BrokerId> {
    entry.node.and_then(NodeId::broker)
}
