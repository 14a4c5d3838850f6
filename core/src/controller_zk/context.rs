//! What the controller keeps in its memory of the cluster: brokers, topics, partitions.
//!
//! Rule: it is read from ZooKeeper at the election, and kept up by what the controller writes itself and by
//! what watches make it read again. Between, it may be behind the znodes: every election reads the states of
//! its partitions anew, and writes them by their version.
//!
//! Simplified: a replica has no state of its own here (new, online, offline) but in a topic that is being
//! deleted: it is as its broker and its log directory are.
//! Source: `ControllerContext`.
//! Next: `batch.rs`.

use super::assignment::Assignment;
use super::deletion::Deletion;
use super::leaders::Brokers;
use super::znodes::LeaderAndIsr;
use crate::id::{BrokerId, TopicId, TopicIdPartition, TopicName, TopicPartition};
use crate::message::{ControlledPartition, PartitionState};
use crate::offset::BrokerEpoch;
use std::collections::{BTreeMap, BTreeSet};

/// Where a partition is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It was created and has no leader yet.
    New,
    /// Somebody leads it.
    Online,
    /// Its leader is gone.
    Offline,
}

/// The cluster as the controller knows it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Context {
    /// The brokers that live, those that shut down too, with their epochs.
    pub(crate) brokers: BTreeMap<BrokerId, BrokerEpoch>,
    /// Their racks.
    pub(crate) racks: BTreeMap<BrokerId, Option<String>>,
    pub(crate) shutting_down: BTreeSet<BrokerId>,
    pub(crate) topics: BTreeMap<TopicName, TopicId>,
    /// The replicas of each partition.
    pub(crate) assignments: BTreeMap<TopicPartition, Assignment>,
    /// Leader and ISR of each partition that has some.
    pub(crate) leadership: BTreeMap<TopicPartition, LeaderAndIsr>,
    pub(crate) phases: BTreeMap<TopicPartition, Phase>,
    /// Topics that shall go, and how far that is.
    pub(crate) deleting: BTreeMap<TopicName, Deletion>,
    /// Replicas in lost log directories of brokers that live.
    pub(crate) lost: BTreeMap<BrokerId, BTreeSet<TopicPartition>>,
}

impl Context {
    /// What the election of a partition may know of the brokers.
    pub(crate) fn election_view(&self, name: &TopicPartition) -> Brokers {
        let live = self.brokers.keys().copied();
        Brokers {
            live: live.filter(|id| !self.has_lost(*id, name)).collect(),
            shutting_down: self.shutting_down.clone(),
        }
    }

    /// Whether this broker lives and does not shut down.
    pub(crate) fn is_online(&self, broker: BrokerId) -> bool {
        self.brokers.contains_key(&broker) && !self.shutting_down.contains(&broker)
    }

    /// Whether a broker has lost the log directory that its replica is in.
    fn has_lost(&self, broker: BrokerId, name: &TopicPartition) -> bool {
        let lost = self.lost.get(&broker);
        lost.is_some_and(|lost| lost.contains(name))
    }

    /// Whether a broker's replica of a partition is online.
    pub(crate) fn has_online(&self, broker: BrokerId, name: &TopicPartition) -> bool {
        self.is_online(broker) && !self.has_lost(broker, name)
    }

    /// The partition with its topic's id.
    pub(crate) fn id(&self, partition: &TopicPartition) -> TopicIdPartition {
        TopicIdPartition {
            topic_id: self
                .topics
                .get(&partition.topic)
                .copied()
                .unwrap_or_default(),
            partition: partition.clone(),
        }
    }

    /// The replicas of a partition.
    pub(crate) fn replicas(&self, partition: &TopicPartition) -> Vec<BrokerId> {
        let one = self.assignments.get(partition);
        one.map(|one| one.replicas.clone()).unwrap_or_default()
    }

    /// The partitions that have a replica on a broker.
    pub(crate) fn on_broker(&self, broker: BrokerId) -> Vec<TopicPartition> {
        let with = |(_, one): &(&TopicPartition, &Assignment)| one.replicas.contains(&broker);
        let found = self.assignments.iter().filter(with);
        found.map(|(name, _)| name.clone()).collect()
    }

    /// The partitions that a broker leads and others could, but for topics that shall go.
    pub(crate) fn led_by(&self, broker: BrokerId) -> Vec<TopicPartition> {
        let led = self.leadership.iter();
        let led = led.filter(|(_, state)| state.leader == Some(broker));
        let others = |name: &TopicPartition| self.replicas(name).len() > 1;
        let led = led.filter(|(name, _)| others(name) && !self.is_going(&name.topic));
        led.map(|(name, _)| name.clone()).collect()
    }

    /// The partitions whose leader is not online, but for topics that shall go.
    pub(crate) fn with_offline_leader(&self) -> Vec<TopicPartition> {
        let online =
            |name, state: &LeaderAndIsr| state.leader.is_some_and(|id| self.has_online(id, name));
        let all = self.leadership.iter();
        let all = all.filter(|(name, _)| !self.is_going(&name.topic));
        let found = all.filter(|(name, state)| !online(name, state));
        found.map(|(name, _)| name.clone()).collect()
    }

    /// The partitions in a phase, but for topics that shall go.
    pub(crate) fn in_phase(&self, phase: Phase) -> Vec<TopicPartition> {
        let found = self.phases.iter().filter(|(_, is)| **is == phase);
        let found = found.filter(|(name, _)| !self.is_going(&name.topic));
        found.map(|(name, _)| name.clone()).collect()
    }

    /// A partition as requests tell of it; `None` without a leader ever.
    pub(crate) fn told(&self, partition: &TopicPartition) -> Option<ControlledPartition> {
        let state = self.leadership.get(partition)?;
        Some(ControlledPartition {
            partition: self.id(partition),
            replicas: self.replicas(partition),
            state: told(state),
        })
    }

    /// A topic is no more.
    pub(crate) fn remove_topic(&mut self, topic: &TopicName) {
        self.topics.remove(topic);
        self.deleting.remove(topic);
        let other = |name: &TopicPartition| name.topic != *topic;
        self.assignments.retain(|name, _| other(name));
        self.leadership.retain(|name, _| other(name));
        self.phases.retain(|name, _| other(name));
    }
}

/// Leader and ISR as requests tell of them.
pub(crate) fn told(state: &LeaderAndIsr) -> PartitionState {
    PartitionState {
        leader: state.leader,
        leader_epoch: state.leader_epoch,
        partition_epoch: state.partition_epoch,
        isr: state.isr.clone(),
        leader_recovery_state: state.leader_recovery_state,
    }
}
