//! Clients, brokers, replicas, topics and partitions that can go.
//!
//! Rule: names stay, but the partition that the finding is about may become number 0 of its topic, and
//! the goal with it.
//!
//! Next: `settings.rs`.

use super::super::ddmin::ddmin;
use super::super::goal::Goal;
use super::super::search::{Candidate, Search};
use super::super::without::{Gone, without};
use ktrial_core::message::Placement;
use ktrial_core::metadata::MetadataRecord;
use ktrial_core::{BrokerId, Event, TopicName, TopicPartition};
use ktrial_sim::history::{Record, What};
use ktrial_sim::plan::{Action, Plan};
use std::collections::BTreeMap;

/// Leaves out producers and consumers with all their steps; then lets one producer send for another.
pub(super) fn clients(search: &mut Search<'_>) {
    let plan = search.plan().clone();
    let names = client_names(&plan);
    ddmin(search, names.len(), |gone| {
        let clients = gone.iter().filter_map(|place| names.get(*place).cloned());
        let gone = Gone {
            clients: clients.collect(),
            ..Gone::default()
        };
        without(&plan, &gone)
    });
    loop {
        let plan = search.plan().clone();
        let names: Vec<String> = plan.producers.iter().map(|p| p.name.clone()).collect();
        let pairs = names
            .iter()
            .flat_map(|one| names.iter().map(move |other| (one, other)));
        let pairs = pairs.filter(|(one, other)| one != other);
        let plans = pairs.map(|(one, other)| one_producer(&plan, one, other));
        if search.first(plans).is_none() {
            return;
        }
    }
}

/// Producers, then consumers.
pub(super) fn client_names(plan: &Plan) -> Vec<String> {
    let producers = plan.producers.iter().map(|p| &p.name);
    let consumers = plan.consumers.iter().map(|c| &c.name);
    producers.chain(consumers).cloned().collect()
}

/// The plan in which one producer sends what the other one did.
fn one_producer(plan: &Plan, one: &str, other: &str) -> Plan {
    let mut plan = plan.clone();
    for step in plan.steps.iter_mut().chain(&mut plan.timeline) {
        if let Some(Action::Send { producer, .. }) = &mut step.action
            && producer == other
        {
            one.clone_into(producer);
        }
    }
    let gone = Gone {
        clients: [other.to_owned()].into(),
        ..Gone::default()
    };
    without(&plan, &gone)
}

/// Writes down where the controller put the replicas.
pub(super) fn placement(search: &mut Search<'_>) {
    let spread = |placement: &Placement| matches!(placement, Placement::Spread { .. });
    if !search.plan().topics.iter().any(|t| spread(&t.placement)) {
        return;
    }
    let Some(record) = search.record() else {
        return;
    };
    let placed = placed(&record);
    let mut plan = search.plan().clone();
    for topic in plan.topics.iter_mut().filter(|t| spread(&t.placement)) {
        if let Some(partitions) = placed.get(&topic.topic) {
            topic.placement = Placement::Manual(partitions.values().cloned().collect());
        }
    }
    search.one(plan);
}

/// The replicas of each partition, as they were created.
fn placed(record: &Record) -> BTreeMap<TopicName, BTreeMap<i32, Vec<BrokerId>>> {
    let mut names = BTreeMap::new();
    let mut placed: BTreeMap<TopicName, BTreeMap<i32, Vec<BrokerId>>> = BTreeMap::new();
    for entry in &record.entries {
        let What::Event(Event::MetadataWritten { record, .. }) = &entry.what else {
            continue;
        };
        match &**record {
            MetadataRecord::Topic(topic) => {
                names.insert(topic.topic_id, topic.topic.clone());
            }
            MetadataRecord::Partition(partition) => {
                if let Some(topic) = names.get(&partition.topic_id) {
                    let partitions = placed.entry(topic.clone()).or_default();
                    partitions.insert(partition.partition, partition.replicas.clone());
                }
            }
            _ => {}
        }
    }
    placed
}

/// Leaves out brokers.
pub(super) fn brokers(search: &mut Search<'_>) {
    let plan = search.plan().clone();
    let ids: Vec<BrokerId> = plan.brokers.iter().map(|b| b.id).collect();
    ddmin(search, ids.len(), |gone| {
        let brokers = gone.iter().filter_map(|place| ids.get(*place).copied());
        let gone = Gone {
            brokers: brokers.collect(),
            ..Gone::default()
        };
        without(&plan, &gone)
    });
}

/// Takes a replica from a partition.
pub(super) fn replicas(search: &mut Search<'_>) {
    loop {
        let plan = search.plan().clone();
        let mut plans = Vec::new();
        for (topic, placed) in plan.topics.iter().enumerate() {
            let Placement::Manual(partitions) = &placed.placement else {
                continue;
            };
            for (number, replicas) in partitions.iter().enumerate().filter(|(_, r)| r.len() > 1) {
                for replica in (0..replicas.len()).rev() {
                    let mut less = plan.clone();
                    if let Placement::Manual(partitions) = &mut less.topics[topic].placement {
                        partitions[number].remove(replica);
                        plans.push(less);
                    }
                }
            }
        }
        if search.first(plans).is_none() {
            return;
        }
    }
}

/// Leaves out topics.
pub(super) fn topics(search: &mut Search<'_>) {
    let plan = search.plan().clone();
    let names: Vec<TopicName> = plan.topics.iter().map(|t| t.topic.clone()).collect();
    ddmin(search, names.len(), |gone| {
        let topics = gone.iter().filter_map(|place| names.get(*place).cloned());
        let gone = Gone {
            topics: topics.collect(),
            ..Gone::default()
        };
        without(&plan, &gone)
    });
}

/// Leaves one partition of a topic, which becomes number 0; else takes its last one away.
pub(super) fn partitions(search: &mut Search<'_>) {
    loop {
        let (plan, goal) = (search.plan().clone(), search.goal().clone());
        let mut choices = Vec::new();
        for topic in &plan.topics {
            let Placement::Manual(partitions) = &topic.placement else {
                continue;
            };
            let numbers: Vec<i32> = (0..).take(partitions.len()).collect();
            let [less @ .., _] = &numbers[..] else {
                continue;
            };
            if less.is_empty() {
                continue;
            }
            let alone = numbers.iter().map(|number| vec![*number]);
            let choice = alone.chain([less.to_vec()]);
            choices.extend(choice.map(|only| (topic.topic.clone(), only)));
        }
        let candidates = choices.into_iter().filter_map(|(topic, only)| {
            let goal = renamed(&goal, &topic, &only)?;
            let gone = Gone {
                only: [(topic, only)].into(),
                ..Gone::default()
            };
            let plan = without(&plan, &gone);
            Some(Candidate { plan, goal })
        });
        if search.first_of(candidates).is_none() {
            return;
        }
    }
}

/// The goal when only these partitions of a topic are left; `None` if its own is not among them.
fn renamed(goal: &Goal, topic: &TopicName, only: &[i32]) -> Option<Goal> {
    let mut goal = goal.clone();
    if let Some(partition) = &mut goal.partition
        && partition.topic == *topic
    {
        let place = only
            .iter()
            .position(|number| *number == partition.partition)?;
        *partition = TopicPartition::new(topic.clone(), i32::try_from(place).ok()?);
    }
    Some(goal)
}
