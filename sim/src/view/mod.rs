//! The cluster as the record's entries tell it, kept up to date one entry at a time. Conditions of
//! steps, the end of a trial, the checks and the explanations look at it.
//!
//! Two truths stand side by side and are never mixed: what the *controller* has written to its
//! metadata log ([`Committed`], [`Registration`]), and what each *replica* has said of itself
//! ([`Replica`]). The view believes every entry; whether they fit together is for `check/` to say.
//!
//! Cost: an entry touches one partition, process or operation, each found in a map: O(log n) in the
//! size of the cluster. Only a stop of a broker visits all of its partitions, as its later start
//! does with one `LogLoaded` each.
//!
//! A *change* ([`View::last_change`]) is one of: a log's end, a committed leader, ISR or ELR, a
//! broker's registration, a process's state, a send that began or ended. A high watermark that moves
//! is none: it always follows one of those, and trails it by a fetch. Neither is a poll.
//!
//! Next: `replica.rs` (a log in brief), `cluster.rs` (the controller), `quorum.rs` (which one is active),
//! `operations.rs` (the clients), `condition.rs` (what can be asked).

mod cluster;
mod condition;
mod deletion;
mod operations;
mod process;
mod quorum;
mod replica;

pub use cluster::{Committed, Registration, TopicSettings};
pub use operations::{Operation, Operations};
pub use process::{Process, ProcessState};
pub use quorum::Quorum;
pub use replica::{Batch, Replica, ReplicaLog, Role};

use crate::history::{Entry, What};
use crate::plan::Plan;
use cluster::Cluster;
use deletion::Deletions;
use ktrial_core::event::ElectionRule;
use ktrial_core::metadata::MetadataRecord;
use ktrial_core::{BrokerId, Event, NodeId, Timestamp, TopicName, TopicPartition};
use std::collections::BTreeMap;

/// The cluster so far.
#[derive(Clone, Debug)]
pub struct View {
    /// The brokers of the plan.
    brokers: Vec<BrokerId>,
    /// How many controllers the plan has.
    controllers: usize,
    /// The consumers of the plan, by name. Clients are numbered producers first.
    consumers: BTreeMap<String, NodeId>,
    cluster: Cluster,
    partitions: BTreeMap<TopicPartition, PartitionView>,
    processes: BTreeMap<NodeId, Process>,
    operations: Operations,
    deletions: Deletions,
    quorum: Quorum,
    last_change: Timestamp,
    /// Partitions that do not have all their replicas in sync.
    out_of_sync: usize,
    /// Partitions that the controller knows and nobody leads.
    leaderless: usize,
}

/// One partition: what the controller wrote and what its replicas said.
#[derive(Clone, Debug, Default)]
pub struct PartitionView {
    /// The controller's truth; `None` before its first record.
    pub committed: Option<Committed>,
    /// The replicas that have said something, by broker.
    pub replicas: BTreeMap<BrokerId, Replica>,
    /// The rule of the newest election that found a leader; `None` for the one at creation.
    pub elected_by: Option<ElectionRule>,
    /// As counted in `out_of_sync`.
    in_sync: bool,
}

impl PartitionView {
    /// Messages before 0.11 name no leader epoch (only real clusters of that time write them). Such a
    /// batch is of the epoch of the same batch elsewhere, or new in the one that the controller has written.
    fn date_last_batch(&mut self, broker: BrokerId) {
        let Some(batch) = self.replicas.get(&broker).and_then(|one| one.log.last()) else {
            return;
        };
        let same = |other: &&Batch| (other.last, other.crc) == (batch.last, batch.crc);
        let others = self.replicas.iter().filter(|(other, _)| **other != broker);
        let elsewhere = others
            .filter_map(|(_, replica)| replica.log.batch_at(batch.base).filter(same))
            .map(|batch| batch.epoch)
            .max();
        let written = self.committed.as_ref().map(|state| state.leader_epoch);
        if let (Some(epoch), Some(replica)) =
            (elsewhere.or(written), self.replicas.get_mut(&broker))
        {
            replica.log.date_last(epoch);
        }
    }

    /// The replica of the committed leader.
    pub fn leader(&self) -> Option<(BrokerId, &Replica)> {
        let leader = self.committed.as_ref()?.leader?;
        Some((leader, self.replicas.get(&leader)?))
    }

    /// Every replica is in the ISR, somebody leads, and all logs end alike.
    pub fn in_sync(&self) -> bool {
        let (Some(committed), Some((_, leader))) = (&self.committed, self.leader()) else {
            return false;
        };
        committed.isr.len() == committed.replicas.len()
            && committed.replicas.iter().all(|broker| {
                let replica = self.replicas.get(broker);
                committed.isr.contains(broker)
                    && replica.is_some_and(|replica| replica.log.ends_like(&leader.log))
            })
    }
}

impl View {
    /// Before the first entry.
    pub fn new(plan: &Plan) -> Self {
        let first = plan.producers.len();
        let consumers = plan.consumers.iter().enumerate().map(|(index, consumer)| {
            let number = u32::try_from(first + index).unwrap_or(u32::MAX);
            let node = NodeId::Client(ktrial_core::ClientId(number));
            (consumer.name.clone(), node)
        });
        Self {
            brokers: plan.brokers.iter().map(|broker| broker.id).collect(),
            controllers: plan.controllers.len(),
            consumers: consumers.collect(),
            cluster: Cluster::new(plan),
            partitions: BTreeMap::new(),
            processes: BTreeMap::new(),
            operations: Operations::default(),
            deletions: Deletions::default(),
            quorum: Quorum::default(),
            last_change: Timestamp::ZERO,
            out_of_sync: 0,
            leaderless: 0,
        }
    }

    /// Takes in one entry. Cost does not grow with the size of the cluster or the record.
    pub fn apply(&mut self, entry: &Entry) {
        match (&entry.what, entry.node) {
            (What::Event(event), Some(node)) => self.apply_event(entry.at, node, event),
            (What::ProcessStarted, Some(node)) => {
                self.process(node).start();
                self.last_change = entry.at;
            }
            (What::ProcessStopped { how, bytes_lost }, Some(node)) => {
                self.process(node).stop(node, entry.at, *how, *bytes_lost);
                self.after_stop(entry.at, node);
            }
            (What::Panicked { .. } | What::StartFailed { .. }, Some(node)) => {
                self.process(node).stop(node, entry.at, None, 0);
                self.after_stop(entry.at, node);
            }
            (What::ProcessPaused, Some(node)) => {
                self.process(node).pause();
                self.last_change = entry.at;
            }
            (What::ProcessResumed, Some(node)) => {
                self.process(node).resume();
                self.last_change = entry.at;
            }
            // Messages, the trial's own marks, and steps: what a step does tells of itself.
            _ => {}
        }
    }

    /// When a log, leader, ISR, registration, process or send last changed.
    pub fn last_change(&self) -> Timestamp {
        self.last_change
    }

    /// A partition, if anything was said of it.
    pub fn partition(&self, partition: &TopicPartition) -> Option<&PartitionView> {
        self.partitions.get(partition)
    }

    /// All partitions that anything was said of, by name.
    pub fn partitions(&self) -> impl Iterator<Item = (&TopicPartition, &PartitionView)> {
        self.partitions.iter()
    }

    /// The partition that a metadata record is about, if it is about one whose topic is known.
    pub fn partition_of(&self, record: &MetadataRecord) -> Option<TopicPartition> {
        self.cluster.partition_of(record)
    }

    /// A broker's registration, if it ever registered.
    pub fn registration(&self, broker: BrokerId) -> Option<&Registration> {
        self.cluster.registrations.get(&broker)
    }

    /// A node's process, if anything was said of it.
    pub fn process_of(&self, node: NodeId) -> Option<&Process> {
        self.processes.get(&node)
    }

    /// Whether the node's process is there, frozen or not.
    pub fn is_up(&self, node: NodeId) -> bool {
        self.process_of(node).is_some_and(Process::is_up)
    }

    /// Every send so far.
    pub fn operations(&self) -> &Operations {
        &self.operations
    }

    /// How many controllers the plan has.
    pub fn controllers(&self) -> usize {
        self.controllers
    }

    /// The metadata quorum.
    pub fn quorum(&self) -> &Quorum {
        &self.quorum
    }

    /// The settings that hold for topics now.
    pub fn settings(&self) -> &TopicSettings {
        &self.cluster.settings
    }

    fn process(&mut self, node: NodeId) -> &mut Process {
        self.processes.entry(node).or_default()
    }

    /// Replicas of a process that is gone have no role.
    fn after_stop(&mut self, at: Timestamp, node: NodeId) {
        self.last_change = at;
        if self.is_up(node) {
            return;
        }
        self.quorum.stopped(node);
        if let Some(broker) = node.broker() {
            for partition in self.partitions.values_mut() {
                if let Some(replica) = partition.replicas.get_mut(&broker) {
                    replica.stop();
                }
            }
        }
    }

    fn apply_event(&mut self, at: Timestamp, node: NodeId, event: &Event) {
        match event {
            Event::MetadataWritten { offset, record } => {
                if self.controllers <= 1 {
                    self.quorum.learned(node, offset.next());
                }
                self.apply_metadata(at, record);
            }
            Event::QuorumHighWatermark { offset, .. } | Event::QuorumLearned { offset } => {
                self.quorum.learned(node, *offset);
            }
            Event::ControllerActivated { .. } | Event::QuorumRole { .. } => {
                self.quorum.apply(node, event);
            }
            Event::Elected {
                partition,
                leader: Some(_),
                rule,
                ..
            } => self.entry(partition).elected_by = Some(*rule),
            Event::BrokerStarted { .. } => {
                self.process(node).seen_running();
                self.deletions.started(node);
            }
            Event::LogDirectoryFailed { partitions, .. } => {
                self.last_change = at;
                for partition in partitions {
                    let state = self.partitions.get_mut(partition);
                    let replica = node.broker().zip(state);
                    let replica = replica.and_then(|(id, state)| state.replicas.get_mut(&id));
                    replica.into_iter().for_each(Replica::lose);
                }
            }
            Event::BrokerStopped | Event::StorageFailed { .. } => {
                self.process(node).closed(at);
                self.after_stop(at, node);
            }
            Event::SendStarted {
                operation,
                topic,
                partition,
                value,
            } => {
                let send = (topic.clone(), *partition, value.as_str());
                self.operations.start(at, node, *operation, send);
                self.last_change = at;
            }
            Event::SendEnded {
                operation,
                partition,
                outcome,
            } => {
                let number = partition.as_ref().map(|partition| partition.partition);
                self.operations.end(at, *operation, number, *outcome);
                self.last_change = at;
            }
            Event::Polled { records } => {
                for record in records {
                    self.operations.polled(node, &record.value);
                }
            }
            _ => self.apply_replica_event(at, node, event),
        }
    }

    fn apply_metadata(&mut self, at: Timestamp, record: &MetadataRecord) {
        let partition = match record {
            MetadataRecord::Partition(_) | MetadataRecord::PartitionChange(_) => {
                self.cluster.partition_of(record)
            }
            MetadataRecord::RegisterBroker(broker) => {
                self.process(NodeId::Broker(broker.broker)).registered = true;
                None
            }
            MetadataRecord::ClearElr(cleared) => {
                let partitions = self.partitions.iter_mut();
                let of_topic = partitions.filter(|(partition, _)| {
                    cleared
                        .topic
                        .as_ref()
                        .is_none_or(|topic| *topic == partition.topic)
                });
                let committed = of_topic.filter_map(|(_, state)| state.committed.as_mut());
                committed.for_each(Committed::clear_elr);
                None
            }
            MetadataRecord::RemoveTopic(removed) => {
                if let Some(topic) = self.cluster.name_of(removed.topic_id) {
                    self.remove_topic(at, &topic);
                }
                None
            }
            _ => None,
        };
        if self.cluster.apply(record) {
            self.last_change = at;
        }
        let Some(partition) = partition else {
            return;
        };
        let state = self.partitions.entry(partition).or_default();
        let known = state.committed.is_some();
        let led = state.committed.as_ref().is_some_and(|c| c.leader.is_some());
        if !Committed::apply(&mut state.committed, record) {
            return;
        }
        let leads = state.committed.as_ref().is_some_and(|c| c.leader.is_some());
        self.leaderless += usize::from(!leads);
        self.leaderless -= usize::from(known && !led);
        if !known {
            self.out_of_sync += usize::from(!state.in_sync);
            self.cluster.created(record);
        }
        self.last_change = at;
        recount(&mut self.out_of_sync, state);
    }

    /// What a broker says of one of its replicas.
    fn apply_replica_event(&mut self, at: Timestamp, node: NodeId, event: &Event) {
        let (Some(broker), Some(partition)) = (node.broker(), replica::partition_of(event)) else {
            return;
        };
        if self.deletions.concerns(at, partition, broker, event) {
            self.last_change = at;
            return;
        }
        if matches!(event, Event::ReplicaDeleted { .. }) {
            self.remove_replica(at, partition, broker);
            return;
        }
        // Looked up first: a hit, the usual case, spares the clone of the key.
        if !self.partitions.contains_key(partition) {
            self.entry(partition);
        }
        let Some(state) = self.partitions.get_mut(partition) else {
            return;
        };
        let new = !state.replicas.contains_key(&broker);
        let replica = state.replicas.entry(broker).or_default();
        if replica.apply(event) || new {
            self.last_change = at;
            if matches!(event, Event::Appended { leader_epoch, .. } if leader_epoch.0 < 0) {
                state.date_last_batch(broker);
            }
            if state.committed.is_some() {
                recount(&mut self.out_of_sync, state);
            }
        }
    }

    fn entry(&mut self, partition: &TopicPartition) -> &mut PartitionView {
        self.partitions.entry(partition.clone()).or_default()
    }

    /// The consumer of that name.
    fn consumer(&self, name: &str) -> Option<NodeId> {
        self.consumers.get(name).copied()
    }

    /// The topics of the plan that lack partitions.
    fn incomplete_topics(&self) -> &BTreeMap<TopicName, usize> {
        &self.cluster.missing
    }
}

/// Keeps the number of partitions that are out of sync.
fn recount(out_of_sync: &mut usize, state: &mut PartitionView) {
    let now = state.in_sync();
    match (state.in_sync, now) {
        (false, true) => *out_of_sync -= 1,
        (true, false) => *out_of_sync += 1,
        _ => {}
    }
    state.in_sync = now;
}

#[cfg(test)]
mod tests;
