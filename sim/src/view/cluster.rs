//! What the controller has written: topics, partitions, registrations, settings. The metadata log is
//! the only source; settings that were there before it come from the plan.
//!
//! Source: `PartitionRegistration.merge`, `ClusterControlManager.replay`, `ConfigurationControlManager`.

use crate::plan::Plan;
use ktrial_core::config::ControllerConfig;
use ktrial_core::message::{ConfigResource, LeaderRecoveryState, Placement};
use ktrial_core::metadata::{LeaderChange, MetadataRecord, PartitionChangeRecord, PartitionRecord};
use ktrial_core::{
    BrokerEpoch, BrokerId, Config, Incarnation, LeaderEpoch, PartitionEpoch, Rules, Settings,
    TopicId, TopicName, TopicPartition,
};
use std::collections::BTreeMap;

/// A partition as the controller's records add up to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Its topic.
    pub topic_id: TopicId,
    /// Its replicas; the first is preferred as leader.
    pub replicas: Vec<BrokerId>,
    /// In-sync replicas.
    pub isr: Vec<BrokerId>,
    /// Eligible leader replicas (KIP-966).
    pub elr: Vec<BrokerId>,
    /// The last known leader, when nobody leads (KIP-966).
    pub last_known_elr: Vec<BrokerId>,
    /// Its leader.
    pub leader: Option<BrokerId>,
    /// Whether the leader has recovered.
    pub leader_recovery_state: LeaderRecoveryState,
    /// The leader's epoch.
    pub leader_epoch: LeaderEpoch,
    /// The epoch of this state.
    pub partition_epoch: PartitionEpoch,
    /// Replicas that a reassignment takes away, still among `replicas`.
    pub removing: Vec<BrokerId>,
    /// Replicas that a reassignment brings, already among `replicas`.
    pub adding: Vec<BrokerId>,
}

impl Committed {
    /// A member of the ELR that is a replica no more. Nobody elects it, and while it is there no last known
    /// leader is elected either.
    /// Source: `PartitionChangeBuilder.maybePopulateTargetElr`, `canElectLastKnownLeader` (as of 4.3.1).
    pub fn moved_away_in_elr(&self) -> Option<BrokerId> {
        let mut elr = self.elr.iter();
        elr.find(|id| !self.replicas.contains(id)).copied()
    }

    /// Whether it has another assignment than before, and else nothing new: with ZooKeeper that is a znode of
    /// its own.
    pub fn is_assigned_anew(&self, before: &Self) -> bool {
        let Self {
            replicas,
            removing,
            adding,
            ..
        } = before.clone();
        let same = Self {
            replicas,
            removing,
            adding,
            ..self.clone()
        };
        same == *before && self != before
    }

    /// Takes in a record about this partition; a change of an unknown partition is not taken. Tells
    /// whether the record was taken.
    pub(super) fn apply(state: &mut Option<Self>, record: &MetadataRecord) -> bool {
        match (record, state) {
            (MetadataRecord::Partition(record), state) => *state = Some(Self::new(record)),
            (MetadataRecord::PartitionChange(change), Some(state)) => state.change(change),
            _ => return false,
        }
        true
    }

    /// An operator's change of `min.insync.replicas` has made the ELR void. That is a change of the
    /// partition only if there was one.
    /// Source: `TopicControlInfo` in `ReplicationControlManager.replay(ClearElrRecord)`.
    pub(super) fn clear_elr(&mut self) {
        if self.elr.is_empty() && self.last_known_elr.is_empty() {
            return;
        }
        self.elr.clear();
        self.last_known_elr.clear();
        self.partition_epoch = self.partition_epoch.next();
    }

    fn new(record: &PartitionRecord) -> Self {
        Self {
            topic_id: record.topic_id,
            replicas: record.replicas.clone(),
            isr: record.isr.clone(),
            elr: record.elr.clone(),
            last_known_elr: record.last_known_elr.clone(),
            leader: record.leader,
            leader_recovery_state: record.leader_recovery_state,
            leader_epoch: record.leader_epoch,
            partition_epoch: record.partition_epoch,
            removing: record.removing.clone(),
            adding: record.adding.clone(),
        }
    }

    fn change(&mut self, change: &PartitionChangeRecord) {
        self.partition_epoch = self.partition_epoch.next();
        match change.leader {
            LeaderChange::Unchanged => {}
            LeaderChange::NoLeader => self.leader = None,
            LeaderChange::Leader(leader) => self.leader = Some(leader),
        }
        if !change.leader.is_unchanged() {
            self.leader_epoch = self.leader_epoch.next();
        }
        let lists = [
            (&mut self.isr, &change.isr),
            (&mut self.elr, &change.elr),
            (&mut self.last_known_elr, &change.last_known_elr),
            (&mut self.replicas, &change.replicas),
            (&mut self.removing, &change.removing),
            (&mut self.adding, &change.adding),
        ];
        for (list, new) in lists {
            if let Some(new) = new {
                list.clone_from(new);
            }
        }
        if let Some(recovery) = change.leader_recovery_state {
            self.leader_recovery_state = recovery;
        }
    }
}

/// A broker's registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registration {
    /// Which start of it.
    pub incarnation: Incarnation,
    /// Its epoch.
    pub broker_epoch: BrokerEpoch,
    /// It may not serve.
    pub fenced: bool,
    /// It is stopping.
    pub in_controlled_shutdown: bool,
}

/// Settings of topics, as they hold now: a topic's own, else the cluster's dynamic ones, else those
/// that the plan gives to every topic, else the release's defaults.
#[derive(Clone, Debug, Default)]
pub struct TopicSettings {
    /// The controller does not know `unclean.leader.election.enable` (`Rules::unclean_election_by_setting`).
    never_unclean: bool,
    defaults: Settings,
    cluster: Settings,
    brokers: BTreeMap<BrokerId, Settings>,
    topics: BTreeMap<TopicName, Settings>,
}

impl TopicSettings {
    /// As they are before the first step of a plan.
    pub fn new(plan: &Plan) -> Self {
        let mut defaults = Settings::new();
        for (key, value) in Rules::default_settings(&plan.release).unwrap_or_default() {
            defaults.insert(key.to_owned(), value.to_owned());
        }
        defaults.extend(plan.topic_defaults.clone());
        let topics = plan.topics.iter();
        let topics = topics.map(|topic| (topic.topic.clone(), topic.configs.clone()));
        Self {
            // The controller among the brokers has always heeded it.
            never_unclean: plan.zookeeper.is_none() && !plan.rules.unclean_election_by_setting,
            defaults,
            cluster: Settings::new(),
            brokers: BTreeMap::new(),
            topics: topics.collect(),
        }
    }

    /// The text of a setting, if any level sets it.
    pub fn get(&self, topic: &str, key: &str) -> Option<&str> {
        let own = self.topics.get(topic).and_then(|own| own.get(key));
        // A broker that forces its logs less often than the others breaks what they promise.
        let varies = self.brokers.values().any(|own| own.contains_key(key));
        if own.is_none() && varies && key.starts_with("flush.") {
            return None;
        }
        let value = own.or_else(|| self.cluster.get(key));
        value.or_else(|| self.defaults.get(key)).map(String::as_str)
    }

    /// `unclean.leader.election.enable`, where the controller heeds it.
    pub fn unclean(&self, topic: &str) -> bool {
        !self.never_unclean && self.get(topic, "unclean.leader.election.enable") == Some("true")
    }

    /// `min.insync.replicas`; where brokers have values of their own, the lowest.
    pub fn min_insync_replicas(&self, topic: &str) -> u32 {
        const KEY: &str = "min.insync.replicas";
        let text = self.get(topic, KEY);
        let common = text.and_then(|text| text.parse().ok()).unwrap_or(1);
        if self
            .topics
            .get(topic)
            .is_some_and(|own| own.contains_key(KEY))
        {
            return common;
        }
        let own = self.brokers.values().filter_map(|own| own.get(KEY));
        let own = own.filter_map(|text| text.parse().ok());
        own.fold(common, u32::min)
    }

    /// Sets or deletes a setting.
    pub fn set(&mut self, resource: &ConfigResource, key: &str, value: Option<&str>) {
        let settings = match resource {
            ConfigResource::Topic(topic) => self.topics.entry(topic.clone()).or_default(),
            ConfigResource::Cluster => &mut self.cluster,
            ConfigResource::Broker(broker) => self.brokers.entry(*broker).or_default(),
        };
        match value {
            Some(value) => settings.insert(key.to_owned(), value.to_owned()),
            None => settings.remove(key),
        };
    }
}

/// Everything but the partitions.
#[derive(Clone, Debug)]
pub(super) struct Cluster {
    topics: BTreeMap<TopicId, TopicName>,
    pub(super) registrations: BTreeMap<BrokerId, Registration>,
    pub(super) settings: TopicSettings,
    /// Topics of the plan whose partitions are not all there, and how many are not.
    pub(super) missing: BTreeMap<TopicName, usize>,
}

impl Cluster {
    pub(super) fn new(plan: &Plan) -> Self {
        let topics = plan.topics.iter();
        Self {
            topics: BTreeMap::new(),
            registrations: BTreeMap::new(),
            settings: TopicSettings::new(plan),
            missing: topics
                .map(|topic| (topic.topic.clone(), partitions(plan, &topic.placement)))
                .filter(|(_, count)| *count > 0)
                .collect(),
        }
    }

    /// Takes in a record. Tells whether a registration or a setting changed.
    pub(super) fn apply(&mut self, record: &MetadataRecord) -> bool {
        match record {
            MetadataRecord::Topic(topic) => {
                self.topics.insert(topic.topic_id, topic.topic.clone());
            }
            MetadataRecord::Config(config) => {
                let value = config.value.as_deref();
                self.settings.set(&config.resource, &config.key, value);
                return true;
            }
            MetadataRecord::RegisterBroker(broker) => {
                let registration = Registration {
                    incarnation: broker.incarnation,
                    broker_epoch: broker.broker_epoch,
                    fenced: broker.fenced,
                    in_controlled_shutdown: broker.in_controlled_shutdown,
                };
                self.registrations.insert(broker.broker, registration);
                return true;
            }
            MetadataRecord::BrokerRegistrationChange(change) => {
                if let Some(broker) = self.registrations.get_mut(&change.broker) {
                    broker.fenced = change.fenced.unwrap_or(broker.fenced);
                    let stopping = change.in_controlled_shutdown;
                    broker.in_controlled_shutdown =
                        stopping.unwrap_or(broker.in_controlled_shutdown);
                }
                return true;
            }
            MetadataRecord::Partition(_)
            | MetadataRecord::PartitionChange(_)
            | MetadataRecord::RemoveTopic(_)
            | MetadataRecord::FeatureLevel(_)
            | MetadataRecord::ClearElr(_)
            | MetadataRecord::NoOp => {}
        }
        false
    }

    /// A partition has come to be.
    pub(super) fn created(&mut self, record: &MetadataRecord) {
        let Some(partition) = self.partition_of(record) else {
            return;
        };
        if let Some(count) = self.missing.get_mut(&partition.topic) {
            *count -= 1;
            if *count == 0 {
                self.missing.remove(&partition.topic);
            }
        }
    }

    /// The name of a topic, deleted or not.
    pub(super) fn name_of(&self, id: TopicId) -> Option<TopicName> {
        self.topics.get(&id).cloned()
    }

    pub(super) fn partition_of(&self, record: &MetadataRecord) -> Option<TopicPartition> {
        let (id, partition) = match record {
            MetadataRecord::Partition(record) => (record.topic_id, record.partition),
            MetadataRecord::PartitionChange(change) => (change.topic_id, change.partition),
            _ => return None,
        };
        let topic = self.topics.get(&id)?.clone();
        Some(TopicPartition { topic, partition })
    }
}

/// How many partitions a topic of the plan will have.
fn partitions(plan: &Plan, placement: &Placement) -> usize {
    let count = match placement {
        Placement::Manual(replicas) => return replicas.len(),
        Placement::Spread { partitions, .. } => *partitions,
    };
    let default = || {
        let config = plan
            .controllers
            .first()
            .map(|controller| &controller.config);
        let config = config.map(ControllerConfig::from_settings);
        config
            .and_then(Result::ok)
            .unwrap_or_default()
            .num_partitions
    };
    usize::try_from(count.unwrap_or_else(default)).unwrap_or(0)
}
