//! What differs first.
//!
//! Rules:
//! - Of entries: the first place at which the two records differ, in whatever. Entries that only state a
//!   setting (configuration records of the metadata log) are passed over: that the setting differs is
//!   known.
//! - Of the cluster: of each partition the elections, the committed leader and ISR, and what was cut off
//!   each log are two sequences, one per trial, without their times. Where a partition's sequences part
//!   is its first difference; the earliest of all partitions is told.
//!
//! Simplified: an entry that comes a little later in one trial is a difference of entries, and of all
//! those behind it. The cluster's first difference is the one that does not depend on that.
//!
//! Next: `ends.rs`.

use ktrial_core::event::ElectionRule;
use ktrial_core::metadata::{LeaderChange, MetadataRecord};
use ktrial_core::{BrokerId, Event, NodeId, Offset, TopicId, TopicName, TopicPartition};
use ktrial_sim::history::{Entry, Record, What};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Where two records part: places of entries; `None` = that record ends before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Parting {
    /// In the first record.
    pub a: Option<usize>,
    /// In the second one.
    pub b: Option<usize>,
}

/// Where the cluster parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClusterParting {
    /// Of which partition.
    pub partition: TopicPartition,
    /// The entries; `None` = nothing more happens to the partition there.
    #[serde(flatten)]
    pub parting: Parting,
}

/// The first entry that differs.
pub fn entry(a: &Record, b: &Record) -> Option<Parting> {
    let states = |entry: &Entry| match &entry.what {
        What::Event(Event::MetadataWritten { record, .. }) => {
            matches!(**record, MetadataRecord::Config(_))
        }
        _ => false,
    };
    let places = |record: &Record| {
        let entries = record.entries.iter().enumerate();
        let told = entries.filter(|(_, entry)| !states(entry));
        told.map(|(place, _)| place).collect::<Vec<_>>()
    };
    let (of_a, of_b) = (places(a), places(b));
    let longest = of_a.len().max(of_b.len());
    (0..longest).find_map(|place| {
        let (a_at, b_at) = (of_a.get(place).copied(), of_b.get(place).copied());
        let same = a_at.map(|at| &a.entries[at]) == b_at.map(|at| &b.entries[at]);
        (!same).then_some(Parting { a: a_at, b: b_at })
    })
}

/// The first event of the cluster that differs.
pub fn cluster(a: &Record, b: &Record) -> Option<ClusterParting> {
    let (of_a, of_b) = (happenings(a), happenings(b));
    let partitions: BTreeSet<&TopicPartition> = of_a.keys().chain(of_b.keys()).collect();
    let partings = partitions.into_iter().filter_map(|partition| {
        let none = Vec::new();
        let (a_all, b_all) = (
            of_a.get(partition).unwrap_or(&none),
            of_b.get(partition).unwrap_or(&none),
        );
        let longest = a_all.len().max(b_all.len());
        let place = (0..longest).find(|place| {
            let what = |all: &[(usize, Happening)]| all.get(*place).map(|(_, what)| what.clone());
            what(a_all) != what(b_all)
        })?;
        let at = |all: &[(usize, Happening)]| all.get(place).map(|(entry, _)| *entry);
        Some(ClusterParting {
            partition: partition.clone(),
            parting: Parting {
                a: at(a_all),
                b: at(b_all),
            },
        })
    });
    partings.min_by_key(|parting| {
        let time = |record: &Record, place: Option<usize>| {
            place
                .and_then(|place| record.entries.get(place))
                .map(|e| e.at)
        };
        let times = [time(a, parting.parting.a), time(b, parting.parting.b)];
        times.into_iter().flatten().min()
    })
}

/// Something that happens to a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Happening {
    Elected(Option<BrokerId>, ElectionRule),
    Committed(LeaderChange, Option<Vec<BrokerId>>),
    Truncated(Option<NodeId>, Offset, Offset),
}

/// What happens to each partition, in order, with the place of its entry.
fn happenings(record: &Record) -> BTreeMap<TopicPartition, Vec<(usize, Happening)>> {
    let mut topics: BTreeMap<TopicId, TopicName> = BTreeMap::new();
    let mut found: BTreeMap<TopicPartition, Vec<(usize, Happening)>> = BTreeMap::new();
    for (place, entry) in record.entries.iter().enumerate() {
        let What::Event(event) = &entry.what else {
            continue;
        };
        let (partition, happening) = match event {
            Event::Elected {
                partition,
                leader,
                rule,
                ..
            } => (partition.clone(), Happening::Elected(*leader, *rule)),
            Event::Truncated {
                partition,
                from,
                to,
                ..
            } => (
                partition.clone(),
                Happening::Truncated(entry.node, *from, *to),
            ),
            Event::MetadataWritten { record, .. } => match committed(&mut topics, record) {
                Some(committed) => committed,
                None => continue,
            },
            _ => continue,
        };
        found.entry(partition).or_default().push((place, happening));
    }
    found
}

/// What a record commits of a partition's leader and ISR.
fn committed(
    topics: &mut BTreeMap<TopicId, TopicName>,
    record: &MetadataRecord,
) -> Option<(TopicPartition, Happening)> {
    let named = |topics: &BTreeMap<TopicId, TopicName>, id: &TopicId, number: i32| {
        let topic = topics.get(id)?.clone();
        Some(TopicPartition::new(topic, number))
    };
    match record {
        MetadataRecord::Topic(topic) => {
            topics.insert(topic.topic_id, topic.topic.clone());
            None
        }
        MetadataRecord::Partition(partition) => {
            let name = named(topics, &partition.topic_id, partition.partition)?;
            let leader = partition
                .leader
                .map_or(LeaderChange::NoLeader, LeaderChange::Leader);
            let isr = Some(partition.isr.clone());
            Some((name, Happening::Committed(leader, isr)))
        }
        MetadataRecord::PartitionChange(change) => {
            if change.isr.is_none() && change.leader == LeaderChange::Unchanged {
                return None;
            }
            let name = named(topics, &change.topic_id, change.partition)?;
            let happening = Happening::Committed(change.leader, change.isr.clone());
            Some((name, happening))
        }
        _ => None,
    }
}
