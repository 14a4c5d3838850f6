//! What a plan may not say: anything that contradicts itself, or that could never come about.
//!
//! A plan comes from a scenario, but also from a file, a shrinker or a person. What is wrong is told in
//! one sentence, never found out by a panic or by waiting for the time limit.
//!
//! Rule: which names, values and settings there are is known here; what Kafka makes of them (a topic's
//! name that it refuses) is not.
//!
//! Next: `cluster.rs`, which takes the plan's word for the rest.

use super::cluster::Cluster;
use super::fault;
use super::so_far::SoFar;
use crate::plan::{Action, Condition, PLAN_VERSION, Plan, Step, Target, When};
use ktrial_core::config::{Config, TopicConfig};
use ktrial_core::message::{ConfigChange, ConfigResource, Placement};
use ktrial_core::{BrokerId, NodeId, TopicPartition};
use std::collections::{BTreeMap, BTreeSet};

/// A year: longer trials and wronger clocks are slips.
const YEAR_MS: u64 = 366 * 24 * 60 * 60 * 1_000;
/// An hour: as long as a fault may delay a message.
const HOUR_US: u64 = 3_600_000_000;

/// More partitions of a topic are a slip, and more than memory holds.
const MOST_PARTITIONS: usize = 100_000;

/// Looks at what needs no knowledge of the cluster.
pub(super) fn figures(plan: &Plan) -> Result<(), String> {
    if plan.version != PLAN_VERSION {
        return Err(format!(
            "it is version {} of the format, expected {PLAN_VERSION}",
            plan.version
        ));
    }
    if plan.network.latency_min_us > plan.network.latency_max_us {
        return Err("its shortest latency is longer than its longest".to_owned());
    }
    if plan.network.bytes_per_ms == Some(0) {
        return Err("its network lets no byte pass: `bytes_per_ms` is at least 1".to_owned());
    }
    if plan.network.tail_us > Some(HOUR_US) {
        return Err("the tail of its latency is longer than an hour on average".to_owned());
    }
    if plan.time_limit_ms > YEAR_MS || plan.network.latency_max_us > 1_000 * YEAR_MS {
        return Err("its time limit or its latency is longer than a year".to_owned());
    }
    for (node, clock) in &plan.clocks {
        if clock.offset_ms.unsigned_abs() > YEAR_MS || clock.drift_ppm.unsigned_abs() > 1_000_000 {
            return Err(format!("the clock of {node} is wrong by more than a year"));
        }
    }
    Ok(())
}

/// Looks at topics, clocks, consumers and steps.
pub(super) fn check(plan: &Plan, cluster: &Cluster) -> Result<(), String> {
    let known = Known::new(plan, cluster)?;
    for node in plan.clocks.keys() {
        known
            .nodes(&[*node])
            .map_err(|e| format!("a clock names {e}"))?;
    }
    for consumer in &plan.consumers {
        let found = known.partitions(&consumer.assign);
        found.map_err(|e| format!("consumer `{}` names {e}", consumer.name))?;
    }
    if let Some(recovery) = &plan.recovery
        && !recovery.nodes.is_empty()
    {
        let found = known.nodes(&recovery.nodes);
        found.map_err(|e| format!("the recovery names {e}"))?;
    }
    let mut so_far = SoFar::new(plan);
    // A step of the timeline may wait for what any step sends.
    so_far.sent.extend(values(&plan.timeline).cloned());
    for (index, step) in plan.steps.iter().enumerate() {
        check_step(&known, &so_far.sent, index, step)?;
        let done = so_far.act(step);
        done.map_err(|e| format!("step {index} {e}"))?;
    }
    let mut sent: BTreeSet<&String> = values(&plan.steps).collect();
    for (place, step) in plan.timeline.iter().enumerate() {
        let index = plan.steps.len() + place;
        check_step(&known, &so_far.sent, index, step)?;
        for value in values(std::slice::from_ref(step)) {
            if !sent.insert(value) {
                return Err(format!(
                    "step {index} sends `{value}` again: each value occurs once"
                ));
            }
        }
    }
    Ok(())
}

/// The values that some steps send.
fn values(steps: &[Step]) -> impl Iterator<Item = &String> {
    steps.iter().flat_map(|step| match &step.action {
        Some(Action::Send { values, .. }) => values.as_slice(),
        _ => &[],
    })
}

/// Looks at one step by itself.
fn check_step(
    known: &Known<'_>,
    sent: &BTreeSet<String>,
    index: usize,
    step: &Step,
) -> Result<(), String> {
    if let When::Until { condition, .. } = &step.when {
        let found = known.condition(condition, sent);
        found.map_err(|e| format!("step {index} waits for {e}"))?;
    }
    let Some(action) = &step.action else {
        return Ok(());
    };
    let found = known.action(action);
    found.map_err(|e| format!("step {index} names {e}"))?;
    fault::check(action, step.for_ms).map_err(|e| format!("step {index} {e}"))
}

/// What the plan has. Each mistake is told as what is named but is not there.
struct Known<'p> {
    cluster: &'p Cluster,
    nodes: BTreeSet<NodeId>,
    /// How many partitions; `None` = as many as Kafka makes.
    topics: BTreeMap<&'p str, Option<usize>>,
    producers: BTreeSet<&'p str>,
    consumers: BTreeSet<&'p str>,
}

impl<'p> Known<'p> {
    fn new(plan: &'p Plan, cluster: &'p Cluster) -> Result<Self, String> {
        let mut known = Self {
            cluster,
            nodes: cluster.nodes().into_iter().collect(),
            topics: BTreeMap::new(),
            producers: plan.producers.iter().map(|p| &*p.name).collect(),
            consumers: plan.consumers.iter().map(|c| &*c.name).collect(),
        };
        for new in &plan.topics {
            let name = format!("topic `{}`", new.topic);
            TopicConfig::from_settings(&new.configs).map_err(|e| format!("{name}: {e}"))?;
            let partitions = known.placed(&new.placement);
            let partitions = partitions.map_err(|e| format!("{name} {e}"))?;
            if known.topics.insert(&new.topic, partitions).is_some() {
                return Err(format!("there are two of {name}"));
            }
        }
        Ok(known)
    }

    fn placed(&self, placement: &Placement) -> Result<Option<usize>, String> {
        match placement {
            Placement::Spread {
                partitions,
                replication_factor,
            } => {
                let brokers = i32::try_from(self.cluster.brokers().count()).unwrap_or(i32::MAX);
                let copies = replication_factor.unwrap_or(1);
                if !(1..=brokers).contains(&copies) {
                    return Err(format!("wants {copies} replicas of {brokers} brokers"));
                }
                match partitions.map(usize::try_from) {
                    None => Ok(None),
                    Some(Ok(count @ 1..=MOST_PARTITIONS)) => Ok(Some(count)),
                    Some(Ok(count @ 1..)) => Err(format!(
                        "wants {count} partitions, more than {MOST_PARTITIONS}"
                    )),
                    Some(_) => Err("has no partition".to_owned()),
                }
            }
            Placement::Manual(partitions) => {
                for replicas in partitions {
                    self.brokers(replicas)
                        .map_err(|e| format!("is placed on {e}"))?;
                    let unique: BTreeSet<&BrokerId> = replicas.iter().collect();
                    if replicas.is_empty() || unique.len() < replicas.len() {
                        return Err(format!(
                            "has a partition on brokers {}: expected each once, and at least one",
                            list(replicas)
                        ));
                    }
                }
                if partitions.is_empty() {
                    return Err("has no partition".to_owned());
                }
                Ok(Some(partitions.len()))
            }
        }
    }

    fn nodes(&self, nodes: &[NodeId]) -> Result<(), String> {
        if nodes.is_empty() {
            return Err("no node".to_owned());
        }
        first(nodes, |node| {
            (!self.nodes.contains(node)).then(|| missing("node", node))
        })
    }

    fn targets(&self, targets: &[Target]) -> Result<(), String> {
        if targets.is_empty() {
            return Err("nobody".to_owned());
        }
        for target in targets {
            if let Some(node) = target.node() {
                self.nodes(&[node])?;
            }
            if let Some(partition) = target.partition() {
                self.partitions(std::slice::from_ref(partition))?;
            }
        }
        Ok(())
    }

    fn brokers(&self, ids: &[BrokerId]) -> Result<(), String> {
        first(ids, |id| {
            (!self.nodes.contains(&NodeId::Broker(*id))).then(|| missing("broker", id))
        })
    }

    fn topic(&self, topic: &str) -> Result<Option<usize>, String> {
        let found = self.topics.get(topic).copied();
        found.ok_or_else(|| missing("topic", topic))
    }

    fn number(&self, topic: &str, number: i32) -> Result<(), String> {
        let count = self.topic(topic)?;
        match usize::try_from(number) {
            Ok(number) if count.is_none_or(|count| number < count) => Ok(()),
            _ => Err(missing("partition", format_args!("{topic}-{number}"))),
        }
    }

    fn partitions(&self, partitions: &[TopicPartition]) -> Result<(), String> {
        let mut all = partitions.iter();
        all.try_for_each(|p| self.number(&p.topic, p.partition))
    }

    fn action(&self, action: &Action) -> Result<(), String> {
        match action {
            Action::Send {
                producer,
                topic,
                partition,
                ..
            } => {
                one_of(&self.producers, "producer", producer)?;
                match partition {
                    Some(number) => self.number(topic, *number),
                    None => self.topic(topic).map(drop),
                }
            }
            Action::Assign {
                consumer,
                partitions,
            } => {
                one_of(&self.consumers, "consumer", consumer)?;
                self.partitions(partitions)
            }
            Action::Stop { nodes, .. }
            | Action::Start { nodes }
            | Action::Pause { nodes }
            | Action::Resume { nodes }
            | Action::Disk { nodes, .. }
            | Action::Clock { nodes, .. } => self.targets(nodes),
            Action::Link { from, to, .. } => {
                self.targets(from)?;
                self.targets(to)?;
                let both = |target: &Target| from.contains(target);
                first(to, |target| {
                    both(target).then(|| format!("`{target}` on both sides"))
                })
            }
            Action::AlterConfig { changes } => changes.iter().try_for_each(|c| self.change(c)),
            Action::ElectLeaders { partitions, .. } => self.partitions(partitions),
            Action::AddPartitions {
                topic, replicas, ..
            }
            | Action::CreateTopic { topic, replicas } => {
                self.topic(topic)?;
                let elsewhere = replicas.clone().map(Placement::Manual);
                let placed = elsewhere.map(|placement| self.placed(&placement));
                let placed = placed.transpose();
                placed
                    .map(drop)
                    .map_err(|e| format!("topic `{topic}`, which {e}"))
            }
            Action::DeleteTopic { topic } => self.topic(topic).map(drop),
            Action::Reassign {
                partition,
                replicas,
            } => {
                self.number(&partition.topic, partition.partition)?;
                self.brokers(replicas.as_deref().unwrap_or_default())
            }
            Action::Heal => Ok(()),
        }
    }

    fn change(&self, change: &ConfigChange) -> Result<(), String> {
        match &change.resource {
            ConfigResource::Topic(topic) => self.topic(topic).map(drop),
            ConfigResource::Cluster => Ok(()),
            ConfigResource::Broker(broker) => self.brokers(&[*broker]),
        }
    }

    fn condition(&self, condition: &Condition, sent: &BTreeSet<String>) -> Result<(), String> {
        match condition {
            Condition::Isr { partition, is } => {
                self.partitions(std::slice::from_ref(partition))?;
                self.brokers(is)
            }
            Condition::Leader { partition, is } => {
                self.partitions(std::slice::from_ref(partition))?;
                self.brokers(is.as_slice())
            }
            Condition::LogEnd {
                partition, broker, ..
            }
            | Condition::HighWatermark {
                partition, broker, ..
            } => {
                self.partitions(std::slice::from_ref(partition))?;
                self.brokers(&[*broker])
            }
            Condition::InSync { partition } | Condition::IsrAtMost { partition, .. } => {
                self.partitions(std::slice::from_ref(partition))
            }
            Condition::Broker { broker, .. } => self.brokers(&[*broker]),
            Condition::Controller { is } => first(is.as_slice(), |id| {
                (!self.nodes.contains(&NodeId::Controller(*id))).then(|| missing("controller", id))
            }),
            Condition::ControllerElected { controller } => first(&[*controller], |id| {
                (!self.nodes.contains(&NodeId::Controller(*id))).then(|| missing("controller", id))
            }),
            Condition::ControllerActivations { .. } | Condition::Metadata { .. } => Ok(()),
            Condition::Acknowledged { values } | Condition::Ended { values } => {
                were_sent(values, sent)
            }
            Condition::Consumed { consumer, values } => {
                one_of(&self.consumers, "consumer", consumer)?;
                were_sent(values, sent)
            }
            Condition::Quiet { .. } => Ok(()),
            Condition::All(parts) | Condition::Any(parts) => {
                parts.iter().try_for_each(|c| self.condition(c, sent))
            }
        }
    }
}

fn were_sent(values: &[String], sent: &BTreeSet<String>) -> Result<(), String> {
    first(values, |value| {
        let never = !sent.contains(value);
        never.then(|| format!("`{value}`, which no step before it sends"))
    })
}

fn one_of(known: &BTreeSet<&str>, what: &str, name: &str) -> Result<(), String> {
    if known.contains(name) {
        return Ok(());
    }
    Err(missing(what, name))
}

fn missing(what: &str, name: impl std::fmt::Display) -> String {
    format!("{what} `{name}`, which it does not have")
}

/// The first mistake, if there is one.
pub(super) fn first<T>(items: &[T], wrong: impl FnMut(&T) -> Option<String>) -> Result<(), String> {
    items.iter().find_map(wrong).map_or(Ok(()), Err)
}

fn list(ids: &[BrokerId]) -> String {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    format!("[{}]", ids.join(", "))
}
