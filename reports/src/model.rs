//! The cluster as the record tells it, entry by entry: what the story and the charts look up while
//! they go through a record. It only repeats what entries say and decides nothing.
//!
//! Next: `story/narrate.rs` and `chart/data.rs`, which fold a record over it.

use crate::values::broker_of;
use ktrial_core::message::LeaderRecoveryState;
use ktrial_core::metadata::{LeaderChange, MetadataRecord, PartitionChangeRecord, PartitionRecord};
use ktrial_core::{BrokerId, Event, LeaderEpoch, Offset, TopicId, TopicName, TopicPartition};
use ktrial_sim::history::{Entry, What};
use std::collections::BTreeMap;

/// The cluster so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct World {
    topics: BTreeMap<TopicId, TopicName>,
    /// What the controller committed of each partition.
    pub(crate) partitions: BTreeMap<TopicPartition, Partition>,
    replicas: BTreeMap<(TopicPartition, BrokerId), Replica>,
    /// The brokers seen so far.
    pub(crate) brokers: BTreeMap<BrokerId, Broker>,
}

/// What the controller committed of a partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Partition {
    pub(crate) replicas: Vec<BrokerId>,
    /// Those that a reassignment takes away, and those that it brings.
    pub(crate) removing: Vec<BrokerId>,
    pub(crate) adding: Vec<BrokerId>,
    pub(crate) isr: Vec<BrokerId>,
    pub(crate) elr: Vec<BrokerId>,
    pub(crate) last_known_leader: Vec<BrokerId>,
    pub(crate) leader: Option<BrokerId>,
    pub(crate) leader_epoch: LeaderEpoch,
    pub(crate) recovering: bool,
}

/// A replica's log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Replica {
    /// The broker leads the partition, as far as it knows.
    pub(crate) leads: bool,
    pub(crate) log_end: Offset,
    pub(crate) high_watermark: Offset,
    /// The epoch of each record.
    pub(crate) epochs: BTreeMap<Offset, LeaderEpoch>,
}

/// A broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Broker {
    pub(crate) running: bool,
    pub(crate) paused: bool,
    /// It has stopped before.
    pub(crate) stopped: bool,
    /// As the controller committed it.
    pub(crate) fenced: bool,
}

impl World {
    /// Takes over what an entry says.
    pub(crate) fn apply(&mut self, entry: &Entry) {
        match (&entry.what, broker_of(entry)) {
            (What::Event(Event::MetadataWritten { record, .. }), _) => self.metadata(record),
            (What::Event(event), Some(broker)) => self.broker_event(broker, event),
            (what, Some(broker)) => self.process(broker, what),
            _ => {}
        }
    }

    /// The name of a topic.
    pub(crate) fn topic(&self, topic_id: TopicId) -> TopicName {
        let name = self.topics.get(&topic_id).cloned();
        name.unwrap_or_else(|| topic_id.to_string().into())
    }

    /// The name of the partition that a metadata record is about.
    pub(crate) fn name(&self, topic_id: TopicId, partition: i32) -> TopicPartition {
        TopicPartition::new(self.topic(topic_id), partition)
    }

    /// A broker's replica; an empty one if it has none.
    pub(crate) fn replica(&self, partition: &TopicPartition, broker: BrokerId) -> &Replica {
        static NONE: Replica = Replica {
            leads: false,
            log_end: Offset::ZERO,
            high_watermark: Offset::ZERO,
            epochs: BTreeMap::new(),
        };
        let key = (partition.clone(), broker);
        self.replicas.get(&key).unwrap_or(&NONE)
    }

    /// The replicas that a broker has, by partition.
    pub(crate) fn replicas_on(
        &self,
        broker: BrokerId,
    ) -> impl Iterator<Item = (&TopicPartition, &Replica)> {
        self.replicas
            .iter()
            .filter(move |((_, on), _)| *on == broker)
            .map(|((partition, _), replica)| (partition, replica))
    }

    fn process(&mut self, id: BrokerId, what: &What) {
        let broker = self.broker(id);
        match what {
            What::ProcessStarted => (broker.running, broker.paused) = (true, false),
            What::ProcessStopped { .. } => {
                (broker.running, broker.paused) = (false, false);
                broker.stopped = true;
                for ((_, on), replica) in &mut self.replicas {
                    replica.leads &= *on != id;
                }
            }
            What::ProcessPaused => broker.paused = true,
            What::ProcessResumed => broker.paused = false,
            _ => {}
        }
    }

    fn broker(&mut self, id: BrokerId) -> &mut Broker {
        self.brokers.entry(id).or_insert(Broker {
            running: false,
            paused: false,
            stopped: false,
            fenced: true,
        })
    }

    fn broker_event(&mut self, broker: BrokerId, event: &Event) {
        let Some(partition) = subject(event) else {
            return;
        };
        let key = (partition.clone(), broker);
        if matches!(event, Event::ReplicaDeleted { .. }) {
            self.replicas.remove(&key);
            return;
        }
        let replica = self.replicas.entry(key).or_default();
        match event {
            Event::LogLoaded {
                log_end_offset,
                high_watermark,
                ..
            } => {
                replica.cut(*log_end_offset);
                replica.high_watermark = *high_watermark;
            }
            Event::BecameLeader { .. } => replica.leads = true,
            Event::BecameFollower { .. } => replica.leads = false,
            Event::Appended {
                base_offset,
                last_offset,
                leader_epoch,
                ..
            } => {
                let offsets = (base_offset.0..=last_offset.0).map(Offset);
                replica.epochs.extend(offsets.map(|o| (o, *leader_epoch)));
                replica.log_end = last_offset.next();
            }
            Event::Truncated { to, .. } => replica.cut(*to),
            Event::HighWatermark { offset, .. } => replica.high_watermark = *offset,
            _ => {}
        }
    }

    fn metadata(&mut self, record: &MetadataRecord) {
        match record {
            MetadataRecord::Topic(topic) => {
                self.topics.insert(topic.topic_id, topic.topic.clone());
            }
            MetadataRecord::Partition(created) => {
                let name = self.name(created.topic_id, created.partition);
                self.partitions.insert(name, Partition::from(created));
            }
            MetadataRecord::PartitionChange(change) => {
                let name = self.name(change.topic_id, change.partition);
                let partition = self.partitions.entry(name).or_default();
                *partition = partition.after(change);
            }
            MetadataRecord::RegisterBroker(registered) => {
                self.broker(registered.broker).fenced = registered.fenced;
            }
            MetadataRecord::BrokerRegistrationChange(change) => {
                let broker = self.broker(change.broker);
                broker.fenced = change.fenced.unwrap_or(broker.fenced);
            }
            MetadataRecord::ClearElr(cleared) => {
                let of_topic = |name: &TopicPartition| {
                    cleared
                        .topic
                        .as_ref()
                        .is_none_or(|topic| *topic == name.topic)
                };
                for (_, partition) in self
                    .partitions
                    .iter_mut()
                    .filter(|(name, _)| of_topic(name))
                {
                    partition.elr.clear();
                }
            }
            MetadataRecord::RemoveTopic(removed) => {
                let topic = self.topic(removed.topic_id);
                self.partitions.retain(|name, _| name.topic != topic);
            }
            MetadataRecord::Config(_) | MetadataRecord::FeatureLevel(_) | MetadataRecord::NoOp => {}
        }
    }
}

impl Replica {
    fn cut(&mut self, end: Offset) {
        self.epochs.split_off(&end);
        self.log_end = end;
    }
}

impl Partition {
    /// The partition after a change.
    pub(crate) fn after(&self, change: &PartitionChangeRecord) -> Self {
        let mut after = self.clone();
        let or_old = |new: &Option<Vec<BrokerId>>, old: &Vec<BrokerId>| {
            new.clone().unwrap_or_else(|| old.clone())
        };
        after.replicas = or_old(&change.replicas, &self.replicas);
        after.removing = or_old(&change.removing, &self.removing);
        after.adding = or_old(&change.adding, &self.adding);
        after.isr = or_old(&change.isr, &self.isr);
        after.elr = or_old(&change.elr, &self.elr);
        after.last_known_leader = or_old(&change.last_known_elr, &self.last_known_leader);
        match change.leader {
            LeaderChange::Unchanged => {}
            LeaderChange::NoLeader => after.leader = None,
            LeaderChange::Leader(leader) => after.leader = Some(leader),
        }
        if !change.leader.is_unchanged() {
            after.leader_epoch = self.leader_epoch.next();
        }
        if let Some(state) = change.leader_recovery_state {
            after.recovering = state == LeaderRecoveryState::Recovering;
        }
        after
    }
}

impl From<&PartitionRecord> for Partition {
    fn from(record: &PartitionRecord) -> Self {
        Self {
            replicas: record.replicas.clone(),
            removing: record.removing.clone(),
            adding: record.adding.clone(),
            isr: record.isr.clone(),
            elr: record.elr.clone(),
            last_known_leader: record.last_known_elr.clone(),
            leader: record.leader,
            leader_epoch: record.leader_epoch,
            recovering: record.leader_recovery_state == LeaderRecoveryState::Recovering,
        }
    }
}

/// The partition whose replica an event changes.
fn subject(event: &Event) -> Option<&TopicPartition> {
    match event {
        Event::LogLoaded { partition, .. }
        | Event::BecameLeader { partition, .. }
        | Event::BecameFollower { partition, .. }
        | Event::Appended { partition, .. }
        | Event::Truncated { partition, .. }
        | Event::HighWatermark { partition, .. }
        | Event::ReplicaDeleted { partition } => Some(partition),
        _ => None,
    }
}
