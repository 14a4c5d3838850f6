//! One entry and all that the checks ask about it, looked up once: the view with the entry taken in,
//! and the partition that the entry is about.

use crate::history::{Entry, What};
use crate::view::{PartitionView, Replica, View};
use ktrial_core::{BrokerId, Event, NodeId, Timestamp, TopicName, TopicPartition};

/// One entry, just taken into the view.
#[derive(Clone, Copy)]
pub(super) struct Moment<'a> {
    pub(super) view: &'a View,
    pub(super) entry: &'a Entry,
    /// The partition that it is about, if about one that the view knows.
    pub(super) partition: Option<(&'a TopicPartition, &'a PartitionView)>,
}

impl<'a> Moment<'a> {
    pub(super) fn at(&self) -> Timestamp {
        self.entry.at
    }

    /// The event, if the entry is one.
    pub(super) fn event(&self) -> Option<&'a Event> {
        match &self.entry.what {
            What::Event(event) => Some(event),
            _ => None,
        }
    }

    /// The topic that the controller has just deleted.
    pub(super) fn deleted_topic(&self) -> Option<TopicName> {
        match self.event() {
            Some(Event::MetadataWritten { record, .. }) => self.view.deleted_by(record),
            _ => None,
        }
    }

    /// The broker that the entry is from.
    pub(super) fn broker(&self) -> Option<BrokerId> {
        self.entry.node.and_then(NodeId::broker)
    }

    /// The replica that the entry is about.
    pub(super) fn replica(&self) -> Option<(BrokerId, &'a Replica)> {
        let broker = self.broker()?;
        let replica = self.partition?.1.replicas.get(&broker)?;
        Some((broker, replica))
    }
}

/// The partition that an entry names by itself.
pub(super) fn named_partition(what: &What) -> Option<&TopicPartition> {
    match what {
        What::Event(
            Event::LogLoaded { partition, .. }
            | Event::BecameLeader { partition, .. }
            | Event::BecameFollower { partition, .. }
            | Event::Appended { partition, .. }
            | Event::Truncated { partition, .. }
            | Event::HighWatermark { partition, .. }
            | Event::Flushed { partition, .. }
            | Event::IsrAdopted { partition, .. }
            | Event::IsrProposed { partition, .. }
            | Event::ReplicaDeleted { partition }
            | Event::Elected { partition, .. },
        ) => Some(partition),
        What::FinalLog(log) => Some(&log.partition),
        _ => None,
    }
}
