//! What Kafka promises under a plan, derived from the plan alone.
//!
//! A record that was acknowledged with acks=all is on every member of the ISR, of which there are at
//! least `min.insync.replicas`. It may still be lost
//! - with acks=0 or acks=1, which do not wait for the ISR;
//! - by an unclean election, if those are allowed at any time or an operator asks for one;
//! - by power loss. Kafka does not flush before it acknowledges. KIP-966 tolerates one unclean stop
//!   fewer than `min.insync.replicas`: beyond that the last known leader is elected whatever it
//!   lost, for the controller cannot tell a kill (page cache survives) from a power loss.
//!
//! Old rules that are known to lose records are no permission: the promise is what Kafka promised
//! then too, and a historic bug breaks it.
//!
//! This is what people are told before anything happened, so it counts over the whole plan: brokers that
//! stop uncleanly, whether or not each has caught up before the next one stops; a role as whoever may
//! hold it. What excuses a loss that did happen is looked up in the record, replica by replica
//! (`happened.rs`).
//!
//! Source: KIP-966; `ProducerConfig.ACKS_DOC`; `docs/design.html`, "Availability and durability".

use super::quorum_rules::QuorumRules;
use crate::plan::{Action, DiskFault, Plan, Step, StopKind, Target};
use crate::verdict::Promise;
use crate::view::TopicSettings;
use ktrial_core::config::{Acks, ProducerConfig};
use ktrial_core::message::{ConfigResource, ElectionType, NewTopic, Placement};
use ktrial_core::{BrokerId, Config, NodeId, Rules, Settings, TopicName};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Why a loss is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum LossCause {
    /// By an unclean election.
    Unclean,
    /// By a loss of power.
    PowerLoss,
    /// By a loss of power, after a change of `min.insync.replicas` had cleared the ELR.
    ElrCleared,
    /// By a loss of power that may have undone a truncation.
    UndoneCut,
    /// By a disk that rots.
    Rot,
    /// The producer did not wait for the ISR.
    AcksOne,
}

impl LossCause {
    /// What allows it, to go before "allows".
    pub(super) fn allowed_by(self) -> &'static str {
        match self {
            Self::Unclean => "unclean.leader.election.enable=true",
            Self::PowerLoss => "power loss without flush",
            Self::ElrCleared => "power loss after a change of min.insync.replicas",
            Self::UndoneCut => "power loss before a truncation was flushed",
            Self::Rot => "a disk that rots",
            Self::AcksOne => "acks=1",
        }
    }
}

/// What is promised for a topic's records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TopicPromise {
    /// An unclean election may lose records.
    pub(super) unclean: bool,
    /// An operator asks for an unclean election.
    pub(super) asked: bool,
    /// Power loss may lose records.
    pub(super) power_loss: bool,
    /// A change of `min.insync.replicas` clears the ELR, and power loss may lose records then.
    pub(super) elr_cleared: bool,
    /// An operator deletes the topic, and its records with it.
    pub(super) deleted: bool,
}

/// What is promised to whom.
#[derive(Debug)]
pub(super) struct Promises {
    /// In sum.
    pub(super) promise: Promise,
    /// The rules have eligible leader replicas.
    pub(super) elr: bool,
    /// The rules let the last known leader be elected when ISR and ELR are empty.
    pub(super) last_known_leader: bool,
    /// A broker opens its logs when it has registered: not with ZooKeeper.
    pub(super) registers_first: bool,
    /// How the metadata quorum works.
    pub(super) quorum: QuorumRules,
    topics: BTreeMap<TopicName, TopicPromise>,
    other_topics: TopicPromise,
    /// By client number.
    producers: Vec<ProducerConfig>,
}

impl Promises {
    /// What the plan promises.
    pub(super) fn new(plan: &Plan) -> Self {
        let producers: Vec<ProducerConfig> = plan
            .producers
            .iter()
            .map(|producer| producer_config(plan, &producer.config))
            .collect();
        let settings = Levels::new(plan);
        let stops = Stops::new(plan);
        let mut because = Vec::new();
        let no_duplicates = explain_producers(plan, &producers, &mut because);
        let mut topics = BTreeMap::new();
        for topic in &plan.topics {
            let replicas = fewest_replicas(plan, topic);
            let promise = settings.topic(plan, &topic.topic, replicas, &stops);
            topics.insert(topic.topic.clone(), promise);
        }
        let other_topics = settings.topic(plan, "", None, &stops);
        explain_topics(&topics, &stops, &settings, &mut because);
        let waits = producers.iter().all(|config| config.acks == Acks::All);
        let safe = |topic: &TopicPromise| !topic.unclean && !topic.power_loss && !topic.elr_cleared;
        Self {
            promise: Promise {
                no_loss: waits && topics.values().all(safe),
                no_duplicates,
                because,
            },
            elr: plan.has_elr(),
            last_known_leader: plan.has_elr() && plan.rules.elr_last_known_leader,
            registers_first: plan.zookeeper.is_none(),
            quorum: QuorumRules::new(plan),
            topics,
            other_topics,
            producers,
        }
    }

    /// What is promised for a topic's records.
    pub(super) fn topic(&self, topic: &str) -> TopicPromise {
        let known = self.topics.get(topic).copied();
        known.unwrap_or(self.other_topics)
    }

    /// The client's acks, if they allow a loss by themselves.
    pub(super) fn acks_cause(&self, client: NodeId) -> Option<LossCause> {
        let config = self.producer(client)?;
        (config.acks != Acks::All).then_some(LossCause::AcksOne)
    }

    /// Whether a retry of the client may write a record twice.
    pub(super) fn may_duplicate(&self, client: NodeId) -> bool {
        self.producer(client)
            .is_none_or(|config| config.retries > 0 && !config.enable_idempotence)
    }

    /// The longest `delivery.timeout.ms` of the producers, and what may come before it.
    pub(super) fn longest_delivery(&self) -> Duration {
        let bounds = self.producers.iter();
        let bounds = bounds.map(|config| config.max_block + config.delivery_timeout);
        bounds.max().unwrap_or_default()
    }

    /// A client's settings, if it is a producer.
    pub(super) fn producer(&self, client: NodeId) -> Option<&ProducerConfig> {
        let NodeId::Client(id) = client else {
            return None;
        };
        self.producers.get(usize::try_from(id.0).ok()?)
    }
}

/// A producer's settings over the release's defaults. A setting that cannot be read is left out: the
/// trial would not have begun with it.
fn producer_config(plan: &Plan, settings: &Settings) -> ProducerConfig {
    let mut config = ProducerConfig::default();
    for (key, value) in Rules::default_settings(&plan.release).unwrap_or_default() {
        let _ = config.set(key, value);
    }
    for (key, value) in settings {
        let _ = config.set(key, value);
    }
    config
}

/// Says what each producer asked for. Tells whether duplicates are excluded.
fn explain_producers(plan: &Plan, producers: &[ProducerConfig], because: &mut Vec<String>) -> bool {
    let mut no_duplicates = true;
    for (producer, config) in plan.producers.iter().zip(producers) {
        let name = &producer.name;
        because.push(match config.acks {
            Acks::None => format!("{name} sends with acks=0: it is never told that a record is written."),
            Acks::Leader => format!(
                "{name} sends with acks=1: a record that only the leader has is acknowledged and is \
                 lost with it."
            ),
            Acks::All => format!(
                "{name} sends with acks=all: a record is acknowledged when every member of the ISR has it."
            ),
        });
        if config.retries > 0 && !config.enable_idempotence {
            no_duplicates = false;
            because.push(format!(
                "{name} retries without idempotence: a record may be written twice."
            ));
        }
    }
    no_duplicates
}

fn explain_topics(
    topics: &BTreeMap<TopicName, TopicPromise>,
    stops: &Stops,
    settings: &Levels,
    because: &mut Vec<String>,
) {
    for (topic, promise) in topics {
        because.push(if promise.unclean {
            format!(
                "{topic} allows unclean elections: a replica may lead that lacks acknowledged records."
            )
        } else {
            format!(
                "{topic} has unclean.leader.election.enable=false: a replica outside ISR and ELR never \
                 leads."
            )
        });
        if promise.power_loss {
            because.push(format!(
                "{topic} is not flushed before it is acknowledged, {} broker(s) lose power and {} \
                 stop uncleanly in all, no fewer than min.insync.replicas={}: the last copy of a \
                 record may go.",
                stops.power_loss,
                stops.unclean,
                settings.min_insync_replicas(topic),
            ));
        } else if stops.power_loss > 0 {
            because.push(format!(
                "{} broker(s) lose power, but another replica or the disk has every acknowledged \
                 record of {topic}.",
                stops.power_loss
            ));
        }
        if promise.deleted {
            because.push(format!(
                "{topic} is deleted: what was written before goes with it."
            ));
        }
        if promise.elr_cleared {
            because.push(format!(
                "min.insync.replicas of {topic} changes, which clears the ELR: who has lost records with \
                 its power may lead."
            ));
        }
    }
    if stops.power_loss == 0 {
        because
            .push("No broker loses power: what was written survives in the page cache.".to_owned());
    }
}

/// The smallest number of replicas that a partition of a topic may have, if the plan says so.
fn fewest_replicas(plan: &Plan, topic: &NewTopic) -> Option<usize> {
    let moved = plan.all_steps().filter_map(|step| match &step.action {
        Some(Action::Reassign {
            partition,
            replicas: Some(replicas),
        }) if partition.topic == topic.topic => Some(replicas.len()),
        Some(Action::CreateTopic {
            topic: name,
            replicas: Some(placed),
        }) if *name == topic.topic => placed.iter().map(Vec::len).min(),
        _ => None,
    });
    let first = replicas(&topic.placement)?;
    Some(moved.fold(first, usize::min))
}

/// How many replicas each partition has, if the plan says so.
fn replicas(placement: &Placement) -> Option<usize> {
    match placement {
        Placement::Manual(partitions) => partitions.iter().map(Vec::len).min(),
        Placement::Spread {
            replication_factor, ..
        } => usize::try_from((*replication_factor)?).ok(),
    }
}

/// How many brokers a plan stops.
struct Stops {
    /// By power loss, or by a disk that breaks.
    power_loss: usize,
    /// By these or a kill.
    unclean: usize,
}

impl Stops {
    fn new(plan: &Plan) -> Self {
        let (mut lossy, mut unclean) = (Hit::default(), Hit::default());
        for step in plan.all_steps() {
            match &step.action {
                Some(Action::Stop { nodes, how }) if *how != StopKind::Shutdown => {
                    unclean.add(plan, nodes);
                    if *how == StopKind::PowerLoss {
                        lossy.add(plan, nodes);
                    }
                }
                Some(Action::Disk { nodes, fault, .. }) if fault.is_instant() => {
                    unclean.add(plan, nodes);
                    lossy.add(plan, nodes);
                }
                _ => {}
            }
        }
        Self {
            power_loss: lossy.count(plan),
            unclean: unclean.count(plan),
        }
    }
}

/// Whom something may hit: brokers by name, and as many as hold a role, each time perhaps another one.
#[derive(Default)]
struct Hit {
    named: BTreeSet<BrokerId>,
    roles: usize,
}

impl Hit {
    fn add(&mut self, plan: &Plan, nodes: &[Target]) {
        for target in nodes {
            match target {
                Target::Node(node) => self.named.extend(node.broker()),
                Target::Leader(_) | Target::LastInIsr(_) => self.roles += 1,
                Target::Followers(_) | Target::OutOfIsr(_) => self.roles += plan.brokers.len(),
                // With ZooKeeper the controller is one of the brokers.
                Target::Controller => self.roles += usize::from(plan.zookeeper.is_some()),
                Target::StandbyControllers if plan.zookeeper.is_some() => {
                    self.roles += plan.brokers.len();
                }
                Target::StandbyControllers | Target::Rest => {}
            }
        }
    }

    fn count(&self, plan: &Plan) -> usize {
        (self.named.len() + self.roles).min(plan.brokers.len())
    }
}

/// The settings before the first step and after each step that changes one.
struct Levels(Vec<TopicSettings>);

impl Levels {
    fn new(plan: &Plan) -> Self {
        let mut levels = vec![TopicSettings::new(plan)];
        for step in plan.all_steps() {
            let Some(Action::AlterConfig { changes }) = &step.action else {
                continue;
            };
            let mut level = levels.last().cloned().unwrap_or_default();
            for change in changes {
                let resource: &ConfigResource = &change.resource;
                level.set(resource, &change.key, change.value.as_deref());
            }
            levels.push(level);
        }
        Self(levels)
    }

    fn min_insync_replicas(&self, topic: &str) -> u32 {
        let values = self.0.iter().map(|level| level.min_insync_replicas(topic));
        values.min().unwrap_or(1)
    }

    fn topic(
        &self,
        plan: &Plan,
        topic: &str,
        replicas: Option<usize>,
        stops: &Stops,
    ) -> TopicPromise {
        let asked = plan.all_steps().any(|step| match &step.action {
            Some(Action::ElectLeaders {
                election: ElectionType::Unclean,
                partitions,
            }) => partitions
                .iter()
                .any(|partition| &*partition.topic == topic),
            _ => false,
        });
        let flushes = |level: &TopicSettings| level.get(topic, "flush.messages") == Some("1");
        let flushed = self.0.iter().all(flushes) && !plan.all_steps().any(breaks_disk);
        let lossy = stops.power_loss > 0 && !flushed;
        let needed = usize::try_from(self.min_insync_replicas(topic)).unwrap_or(usize::MAX);
        let needed = needed.min(replicas.unwrap_or(usize::MAX));
        let mut mins = self.0.iter().map(|level| level.min_insync_replicas(topic));
        let first = mins.next();
        let power_loss = lossy && stops.unclean >= needed;
        TopicPromise {
            unclean: asked || self.0.iter().any(|level| level.unclean(topic)),
            asked,
            power_loss,
            deleted: plan.all_steps().any(|step| match &step.action {
                Some(Action::DeleteTopic { topic: name }) => **name == *topic,
                _ => false,
            }),
            elr_cleared: lossy
                && !power_loss
                && plan.has_elr()
                && mins.any(|min| Some(min) != first),
        }
    }
}

/// The step breaks a disk's word.
fn breaks_disk(step: &Step) -> bool {
    match &step.action {
        Some(Action::Disk { fault, .. }) => fault.is_instant() || *fault == DiskFault::LyingFlush,
        _ => false,
    }
}
