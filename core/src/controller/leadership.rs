//! When leaders and ISRs change because brokers come and go, and on request.
//!
//! | what happens | records, in order |
//! |---|---|
//! | a broker is fenced | changes of partitions with it in the ISR; its registration |
//! | a broker is unfenced | its registration; elections where nobody leads |
//! | a broker begins to stop | its registration; changes of partitions with it in the ISR |
//! | a broker comes back from an unclean stop | changes of partitions with it in the ISR, then the ELR |
//! | a broker comes back otherwise | as when fenced, without its registration |
//! | a broker loses a log directory | see `directories.rs` |
//!
//! Unclean election in a topic that allows it happens at the same moments, and by a periodic look at
//! the partitions without leader (so after the setting was changed).
//!
//! Source: `ReplicationControlManager.generateLeaderAndIsrUpdates`, `handleBroker*`, `electLeader`,
//! `maybeBalancePartitionLeaders`, `maybeElectUncleanLeaders`.
//! Next: `partition_change.rs`.

use super::cluster::{Changes, Cluster};
use super::election::ElectionKind;
use super::index::PartitionKey;
use super::partition_change::{PartitionChange, PartitionChangeBuilder};
use super::reassignment::Assignment;
use crate::error::ErrorCode;
use crate::id::{BrokerId, TopicPartition};
use crate::message::{ElectLeadersRequest, ElectLeadersResponse, ElectionType};
use crate::metadata::{BrokerRegistrationChangeRecord, MetadataRecord};
use crate::offset::BrokerEpoch;
use crate::planted::Bug;

/// A periodic election stops after this many records and goes on soon.
const MAX_ELECTIONS_PER_IMBALANCE: usize = 1_000;

/// What became of a broker, as far as partitions care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BrokerChange {
    /// It leaves the ISR and may not lead.
    Removed(BrokerId),
    /// It may lead, though the image does not say so yet.
    Added(BrokerId),
    /// It leaves ISR and ELR and may not lead.
    UncleanShutdown(BrokerId),
}

impl Cluster {
    /// A broker is fenced.
    pub(super) fn broker_fenced(&self, broker: BrokerId, changes: &mut Changes) {
        let partitions = self.index.in_isr(broker);
        self.update_leaders(BrokerChange::Removed(broker), partitions, changes);
        if let Some(registration) = self.image.brokers().get(&broker) {
            let epoch = registration.broker_epoch;
            changes
                .records
                .push(registration_change(broker, epoch, Some(true), None));
        }
    }

    /// A broker is unfenced.
    pub(super) fn broker_unfenced(
        &self,
        broker: BrokerId,
        epoch: BrokerEpoch,
        changes: &mut Changes,
    ) {
        changes
            .records
            .push(registration_change(broker, epoch, Some(false), None));
        if self.rules.has(Bug::NoElectionOnReturn) {
            return;
        }
        let partitions = self.index.leaderless().iter().copied();
        self.update_leaders(BrokerChange::Added(broker), partitions, changes);
    }

    /// A broker begins to stop in order.
    pub(super) fn broker_stopping(
        &self,
        broker: BrokerId,
        epoch: BrokerEpoch,
        changes: &mut Changes,
    ) {
        let registration = self.image.brokers().get(&broker);
        if !registration.is_some_and(|broker| broker.in_controlled_shutdown) {
            changes
                .records
                .push(registration_change(broker, epoch, None, Some(true)));
        }
        let partitions = self.index.in_isr(broker);
        self.update_leaders(BrokerChange::Removed(broker), partitions, changes);
    }

    /// A broker comes back as a new process.
    pub(super) fn broker_restarted(&self, broker: BrokerId, clean: bool, changes: &mut Changes) {
        if !self.rules.registration_leaves_isr {
            return;
        }
        let in_isr = self.index.in_isr(broker);
        if self.image.is_elr_enabled() && self.rules.unclean_shutdown_check && !clean {
            let change = BrokerChange::UncleanShutdown(broker);
            self.update_leaders(change, in_isr, changes);
            self.update_leaders(change, self.index.in_elr(broker), changes);
        } else {
            self.update_leaders(BrokerChange::Removed(broker), in_isr, changes);
        }
    }

    pub(super) fn update_leaders(
        &self,
        change: BrokerChange,
        partitions: impl IntoIterator<Item = PartitionKey>,
        changes: &mut Changes,
    ) {
        let (gone, unclean) = match change {
            BrokerChange::Removed(broker) => (Some(broker), None),
            BrokerChange::UncleanShutdown(broker) => (Some(broker), Some(broker)),
            BrokerChange::Added(_) => (None, None),
        };
        let acceptable = |broker: BrokerId| {
            gone != Some(broker)
                && (change == BrokerChange::Added(broker) || self.image.is_active(broker))
        };
        for key in partitions {
            let Some((mut builder, name)) = self.change_of(key) else {
                continue;
            };
            builder.election = self.election_kind(&name);
            builder.unclean_shutdown = unclean;
            builder.target_isr.retain(|broker| gone != Some(*broker));
            push(builder.build(&acceptable), name, changes);
        }
    }

    /// A change of a partition that changes nothing yet, and the partition's name.
    pub(super) fn change_of(
        &self,
        key: PartitionKey,
    ) -> Option<(PartitionChangeBuilder<'_>, TopicPartition)> {
        let topic = self.image.topic_by_id(key.0)?;
        let partition = topic.partitions.get(&key.1)?;
        let configured = self.topic_config(&topic.topic).min_insync_replicas;
        let configured = usize::try_from(configured).unwrap_or(usize::MAX);
        // Kafka takes the replicas of the topic's first partition for all.
        let first = topic.partitions.get(&0).unwrap_or(partition);
        let builder = PartitionChangeBuilder {
            partition,
            brokers: self.image.brokers(),
            key,
            min_isr: configured.min(first.replicas.len()),
            elr_enabled: self.image.is_elr_enabled(),
            use_last_known_leader: self.rules.elr_last_known_leader,
            election: ElectionKind::Online,
            target_isr: partition.isr.clone(),
            target: Assignment::of(partition),
            target_recovery_state: partition.leader_recovery_state,
            unclean_shutdown: None,
            directory: None,
            rules: self.rules,
        };
        Some((builder, TopicPartition::new(topic.topic.clone(), key.1)))
    }

    /// How a leader may be found in this partition without being asked.
    pub(super) fn election_kind(&self, partition: &TopicPartition) -> ElectionKind {
        let setting = self
            .topic_config(&partition.topic)
            .unclean_leader_election_enable;
        let heeded = setting && self.rules.unclean_election_by_setting;
        if heeded || self.rules.has(Bug::UncleanElectionAlways) {
            ElectionKind::Unclean
        } else {
            ElectionKind::Online
        }
    }

    /// Elects because an operator asks.
    pub(super) fn elect_leaders(
        &self,
        request: &ElectLeadersRequest,
        changes: &mut Changes,
    ) -> ElectLeadersResponse {
        let mut partitions = Vec::new();
        match &request.partitions {
            Some(names) => {
                for name in names {
                    let error = self.elect(name, request.election, changes);
                    partitions.push((name.clone(), error));
                }
            }
            None => {
                for (name, _) in self.image.partitions() {
                    let error = self.elect(&name, request.election, changes);
                    if error != ErrorCode::ElectionNotNeeded {
                        partitions.push((name, error));
                    }
                }
            }
        }
        ElectLeadersResponse {
            error: ErrorCode::None,
            partitions,
        }
    }

    fn elect(&self, name: &TopicPartition, kind: ElectionType, changes: &mut Changes) -> ErrorCode {
        let id = self.image.topic(&name.topic).map(|topic| topic.topic_id);
        let built = id.and_then(|id| self.change_of((id, name.partition)));
        let Some((mut builder, name)) = built else {
            return ErrorCode::UnknownTopicOrPartition;
        };
        let (needed, election, failure) = match kind {
            ElectionType::Preferred => (
                !builder.partition.has_preferred_leader(),
                ElectionKind::Preferred,
                ErrorCode::PreferredLeaderNotAvailable,
            ),
            ElectionType::Unclean => (
                builder.partition.leader.is_none(),
                ElectionKind::Unclean,
                ErrorCode::EligibleLeadersNotAvailable,
            ),
        };
        if !needed {
            return ErrorCode::ElectionNotNeeded;
        }
        builder.election = election;
        let change = builder.build(&|broker| self.image.is_active(broker));
        let written = change.record.is_some();
        push(change, name, changes);
        if written { ErrorCode::None } else { failure }
    }

    /// Gives leaderships back to first replicas. Returns whether there may be more to do.
    pub(super) fn balance_leaders(&self, changes: &mut Changes) -> bool {
        for key in self.index.imbalanced() {
            if changes.records.len() >= MAX_ELECTIONS_PER_IMBALANCE {
                break;
            }
            if let Some((mut builder, name)) = self.change_of(*key) {
                builder.election = ElectionKind::Preferred;
                push(
                    builder.build(&|broker| self.image.is_active(broker)),
                    name,
                    changes,
                );
            }
        }
        changes.records.len() >= MAX_ELECTIONS_PER_IMBALANCE
    }

    /// Elects uncleanly where nobody leads and the topic allows it. Returns whether there may be more.
    pub(super) fn elect_unclean_leaders(&self, changes: &mut Changes) -> bool {
        for key in self.index.leaderless() {
            if changes.records.len() >= MAX_ELECTIONS_PER_IMBALANCE {
                break;
            }
            let Some(name) = self.partition_name(*key) else {
                continue;
            };
            if self.election_kind(&name) == ElectionKind::Unclean {
                self.elect(&name, ElectionType::Unclean, changes);
            }
        }
        changes.records.len() >= MAX_ELECTIONS_PER_IMBALANCE
    }
}

pub(super) fn push(change: PartitionChange, name: TopicPartition, changes: &mut Changes) {
    changes.events.extend(change.event(name));
    let record = change.record.map(MetadataRecord::PartitionChange);
    changes.records.extend(record);
}

fn registration_change(
    broker: BrokerId,
    broker_epoch: BrokerEpoch,
    fenced: Option<bool>,
    in_controlled_shutdown: Option<bool>,
) -> MetadataRecord {
    MetadataRecord::BrokerRegistrationChange(BrokerRegistrationChangeRecord {
        broker,
        broker_epoch,
        fenced,
        in_controlled_shutdown,
        log_dirs: None,
    })
}
