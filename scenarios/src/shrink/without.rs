//! A plan without some of its things, and without everything that named them.
//!
//! Rule: what is left is as it was. A script's step that goes hands its delay to the next one, so that
//! the others stay at their times. Names stay; only partitions of a topic are numbered from 0 again, and
//! so are clients, which a plan numbers by their place.
//!
//! Invariants: a plan that could be run and loses steps, values or clients can still be run, as long as
//! the processes that it stops and starts are left consistent; if not, the trial refuses it.
//!
//! Next: `search.rs`.

use ktrial_core::message::{ConfigResource, NewTopic, Placement};
use ktrial_core::{BrokerId, ClientId, NodeId, TopicName, TopicPartition};
use ktrial_sim::plan::{Action, Condition, Plan, Step, Target, When};
use std::collections::{BTreeMap, BTreeSet};

/// What goes.
#[derive(Clone, Debug, Default)]
pub(super) struct Gone {
    /// Steps, by their index.
    pub(super) steps: BTreeSet<usize>,
    /// Values that are sent.
    pub(super) values: BTreeSet<String>,
    /// Producers and consumers.
    pub(super) clients: BTreeSet<String>,
    /// Brokers, with their replicas.
    pub(super) brokers: BTreeSet<BrokerId>,
    /// Topics.
    pub(super) topics: BTreeSet<TopicName>,
    /// Of these topics only these partitions stay, numbered by their place in the list.
    pub(super) only: BTreeMap<TopicName, Vec<i32>>,
}

/// The plan without them.
pub(super) fn without(plan: &Plan, gone: &Gone) -> Plan {
    let names = Names::new(plan, gone);
    let mut less = plan.clone();
    less.brokers.retain(|b| !gone.brokers.contains(&b.id));
    less.producers.retain(|p| !gone.clients.contains(&p.name));
    less.consumers.retain(|c| !gone.clients.contains(&c.name));
    for consumer in &mut less.consumers {
        consumer.assign = names.partitions(&consumer.assign);
    }
    less.topics.retain(|t| !gone.topics.contains(&t.topic));
    let brokers: Vec<BrokerId> = less.brokers.iter().map(|b| b.id).collect();
    for topic in &mut less.topics {
        place(topic, gone, &brokers);
    }
    let clocks = plan.clocks.iter();
    less.clocks = clocks
        .filter_map(|(node, clock)| Some((names.node(*node)?, *clock)))
        .collect();
    if let Some(recovery) = &mut less.recovery {
        let nodes = recovery.nodes.iter();
        recovery.nodes = nodes.filter_map(|node| names.node(*node)).collect();
    }
    less.steps = script(plan, &names);
    let beside = plan.timeline.iter().enumerate();
    less.timeline = beside
        .filter_map(|(place, step)| names.step(plan.steps.len() + place, step))
        .collect();
    forget_unsent(&mut less);
    less
}

fn script(plan: &Plan, names: &Names<'_>) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut owed = 0;
    for (index, step) in plan.steps.iter().enumerate() {
        let left = names.step(index, step);
        match (left, &step.when) {
            (Some(mut step), _) => {
                match &mut step.when {
                    When::After { ms } => *ms += owed,
                    When::Now if owed > 0 => step.when = When::After { ms: owed },
                    When::Now | When::At { .. } | When::Until { .. } => {}
                }
                owed = 0;
                steps.push(step);
            }
            (None, When::After { ms }) => owed += ms,
            (None, _) => {}
        }
    }
    steps
}

fn place(topic: &mut NewTopic, gone: &Gone, brokers: &[BrokerId]) {
    match &mut topic.placement {
        Placement::Manual(partitions) => {
            if let Some(only) = gone.only.get(&topic.topic) {
                let at = |number: &i32| partitions.get(usize::try_from(*number).ok()?).cloned();
                *partitions = only.iter().filter_map(at).collect();
            }
            for replicas in partitions {
                replicas.retain(|id| !gone.brokers.contains(id));
                if replicas.is_empty() {
                    replicas.extend(brokers.first());
                }
            }
        }
        Placement::Spread {
            replication_factor, ..
        } => {
            let most = i32::try_from(brokers.len()).unwrap_or(i32::MAX);
            *replication_factor = replication_factor.map(|copies| copies.min(most));
        }
    }
}

/// A condition cannot wait for what nobody sends.
fn forget_unsent(plan: &mut Plan) {
    let mut sent = BTreeSet::new();
    for step in plan.all_steps() {
        if let Some(Action::Send { values, .. }) = &step.action {
            sent.extend(values.iter().cloned());
        }
    }
    for step in plan.steps.iter_mut().chain(&mut plan.timeline) {
        let When::Until {
            condition,
            within_ms,
        } = &step.when
        else {
            continue;
        };
        let within_ms = *within_ms;
        step.when = match prune(condition, &|leaf| sent_only(leaf, &sent)) {
            Some(condition) => When::Until {
                condition,
                within_ms,
            },
            None => When::Now,
        };
    }
}

fn sent_only(leaf: &Condition, sent: &BTreeSet<String>) -> Option<Condition> {
    let mut leaf = leaf.clone();
    if let Condition::Acknowledged { values }
    | Condition::Ended { values }
    | Condition::Consumed { values, .. } = &mut leaf
    {
        values.retain(|value| sent.contains(value));
        if values.is_empty() {
            return None;
        }
    }
    Some(leaf)
}

/// The condition with other leaves; `None` if none is left.
fn prune(
    condition: &Condition,
    leaf: &dyn Fn(&Condition) -> Option<Condition>,
) -> Option<Condition> {
    let (parts, all) = match condition {
        Condition::All(parts) => (parts, true),
        Condition::Any(parts) => (parts, false),
        other => return leaf(other),
    };
    let mut parts: Vec<Condition> = parts.iter().filter_map(|part| prune(part, leaf)).collect();
    match parts.len() {
        0 | 1 => parts.pop(),
        _ if all => Some(Condition::All(parts)),
        _ => Some(Condition::Any(parts)),
    }
}

/// What things are called afterwards; `None` = they are gone.
struct Names<'a> {
    gone: &'a Gone,
    brokers: Vec<BrokerId>,
    clients: BTreeMap<NodeId, Option<NodeId>>,
}

impl<'a> Names<'a> {
    fn new(plan: &Plan, gone: &'a Gone) -> Self {
        let producers = plan.producers.iter().map(|p| Some(&p.name));
        let consumers = plan.consumers.iter().map(|c| Some(&c.name));
        let admin = std::iter::once(None);
        let mut clients = BTreeMap::new();
        let mut next = 0;
        for (place, name) in (0..).zip(producers.chain(consumers).chain(admin)) {
            let stays = name.is_none_or(|name| !gone.clients.contains(name));
            let node = |number| NodeId::Client(ClientId(number));
            clients.insert(node(place), stays.then(|| node(next)));
            next += u32::from(stays);
        }
        let brokers = plan.brokers.iter().map(|broker| broker.id);
        Self {
            gone,
            brokers: brokers.filter(|id| !gone.brokers.contains(id)).collect(),
            clients,
        }
    }

    fn node(&self, node: NodeId) -> Option<NodeId> {
        match node {
            NodeId::Broker(id) => (!self.gone.brokers.contains(&id)).then_some(node),
            NodeId::Client(_) => self.clients.get(&node).copied().flatten(),
            NodeId::Controller(_) | NodeId::ZooKeeper(_) => Some(node),
        }
    }

    fn number(&self, topic: &TopicName, number: i32) -> Option<i32> {
        if self.gone.topics.contains(topic) {
            return None;
        }
        let Some(only) = self.gone.only.get(topic) else {
            return Some(number);
        };
        let place = only.iter().position(|kept| *kept == number)?;
        i32::try_from(place).ok()
    }

    fn partition(&self, partition: &TopicPartition) -> Option<TopicPartition> {
        let number = self.number(&partition.topic, partition.partition)?;
        Some(TopicPartition::new(partition.topic.clone(), number))
    }

    fn partitions(&self, partitions: &[TopicPartition]) -> Vec<TopicPartition> {
        partitions
            .iter()
            .filter_map(|p| self.partition(p))
            .collect()
    }

    /// Where partitions are that a step says: as for the plan's topics.
    fn placed(&self, topic: &TopicName, partitions: Vec<Vec<BrokerId>>) -> Vec<Vec<BrokerId>> {
        let mut new = NewTopic {
            topic: topic.clone(),
            placement: Placement::Manual(partitions),
            configs: BTreeMap::new(),
        };
        place(&mut new, self.gone, &self.brokers);
        match new.placement {
            Placement::Manual(partitions) => partitions,
            Placement::Spread { .. } => Vec::new(),
        }
    }

    fn target(&self, target: &Target) -> Option<Target> {
        Some(match target {
            Target::Node(node) => Target::Node(self.node(*node)?),
            Target::Leader(p) => Target::Leader(self.partition(p)?),
            Target::Followers(p) => Target::Followers(self.partition(p)?),
            Target::LastInIsr(p) => Target::LastInIsr(self.partition(p)?),
            Target::OutOfIsr(p) => Target::OutOfIsr(self.partition(p)?),
            Target::Controller | Target::StandbyControllers | Target::Rest => target.clone(),
        })
    }

    fn step(&self, index: usize, step: &Step) -> Option<Step> {
        if self.gone.steps.contains(&index) {
            return None;
        }
        let action = step.action.as_ref().map(|action| self.action(action));
        let waits = matches!(step.when, When::Until { .. });
        if let Some(None) = action
            && !waits
        {
            return None;
        }
        let mut left = step.clone();
        left.when = self.when(&step.when);
        left.action = action.flatten();
        if left.action.is_none() {
            left.for_ms = None;
        }
        Some(left)
    }

    fn when(&self, when: &When) -> When {
        let When::Until {
            condition,
            within_ms,
        } = when
        else {
            return when.clone();
        };
        match prune(condition, &|leaf| self.leaf(leaf)) {
            Some(condition) => When::Until {
                condition,
                within_ms: *within_ms,
            },
            None => When::Now,
        }
    }

    fn action(&self, action: &Action) -> Option<Action> {
        let mut action = action.clone();
        let full = match &mut action {
            Action::Send {
                producer,
                topic,
                partition,
                values,
                ..
            } => {
                values.retain(|value| !self.gone.values.contains(value));
                let placed = match partition {
                    Some(number) => {
                        let left = self.number(topic, *number);
                        *partition = left;
                        left.is_some()
                    }
                    None => !self.gone.topics.contains(topic),
                };
                placed && !values.is_empty() && !self.gone.clients.contains(producer)
            }
            Action::Stop { nodes, .. }
            | Action::Start { nodes }
            | Action::Pause { nodes }
            | Action::Resume { nodes }
            | Action::Disk { nodes, .. }
            | Action::Clock { nodes, .. } => self.fills(nodes),
            Action::Link { from, to, .. } => self.fills(from) && self.fills(to),
            Action::AlterConfig { changes } => {
                changes.retain(|change| self.is_left(&change.resource));
                !changes.is_empty()
            }
            Action::ElectLeaders { partitions, .. } => {
                *partitions = self.partitions(partitions);
                !partitions.is_empty()
            }
            Action::AddPartitions {
                topic, replicas, ..
            } => {
                let lists = replicas.iter_mut().flatten();
                !self.gone.topics.contains(topic) && self.all_placed(lists)
            }
            Action::CreateTopic { topic, replicas } => {
                if let Some(partitions) = replicas.take() {
                    *replicas = Some(self.placed(topic, partitions));
                }
                !self.gone.topics.contains(topic)
            }
            Action::DeleteTopic { topic } => !self.gone.topics.contains(topic),
            Action::Reassign {
                partition,
                replicas,
            } => {
                let left = self.partition(partition);
                let stays = left.is_some();
                *partition = left.unwrap_or_else(|| partition.clone());
                stays && self.all_placed(replicas.iter_mut())
            }
            Action::Assign {
                consumer,
                partitions,
            } => {
                *partitions = self.partitions(partitions);
                !partitions.is_empty() && !self.gone.clients.contains(consumer)
            }
            Action::Heal => true,
        };
        full.then_some(action)
    }

    fn is_left(&self, resource: &ConfigResource) -> bool {
        match resource {
            ConfigResource::Topic(topic) => !self.gone.topics.contains(topic),
            ConfigResource::Cluster => true,
            ConfigResource::Broker(broker) => !self.gone.brokers.contains(broker),
        }
    }

    /// Leaves the replicas that are left; whether each new partition has any.
    fn all_placed<'b>(&self, mut lists: impl Iterator<Item = &'b mut Vec<BrokerId>>) -> bool {
        lists.all(|list| {
            list.retain(|id| !self.gone.brokers.contains(id));
            !list.is_empty()
        })
    }

    /// Leaves those who are left; whether there are any.
    fn fills(&self, targets: &mut Vec<Target>) -> bool {
        *targets = targets.iter().filter_map(|t| self.target(t)).collect();
        !targets.is_empty()
    }

    fn leaf(&self, leaf: &Condition) -> Option<Condition> {
        let mut leaf = leaf.clone();
        match &mut leaf {
            Condition::Isr { partition, is } => {
                *partition = self.partition(partition)?;
                is.retain(|id| !self.gone.brokers.contains(id));
            }
            Condition::Leader { partition, is } => {
                *partition = self.partition(partition)?;
                if let Some(id) = is {
                    self.node(NodeId::Broker(*id))?;
                }
            }
            Condition::LogEnd {
                partition, broker, ..
            }
            | Condition::HighWatermark {
                partition, broker, ..
            } => {
                *partition = self.partition(partition)?;
                self.node(NodeId::Broker(*broker))?;
            }
            Condition::InSync { partition } | Condition::IsrAtMost { partition, .. } => {
                *partition = self.partition(partition)?;
            }
            Condition::Broker { broker, .. } => {
                self.node(NodeId::Broker(*broker))?;
            }
            Condition::Consumed { consumer, .. } if self.gone.clients.contains(consumer) => {
                return None;
            }
            _ => {}
        }
        Some(leaf)
    }
}
