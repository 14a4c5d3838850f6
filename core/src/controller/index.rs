//! Which partitions a broker matters to, so that fencing one costs what it changes, not what exists.
//!
//! | set | holds a partition when |
//! |---|---|
//! | `in_isr(b)` | b is in its ISR |
//! | `in_elr(b)` | b is in its ELR |
//! | `led_by(b)` | b leads it |
//! | `leaderless()` | nobody leads it |
//! | `imbalanced()` | another than its first replica leads it, or nobody |
//! | `in_directory(d)` | one of its replicas is in log directory d |
//!
//! Invariants:
//! - The sets agree with the image after each record.
//!
//! Simplified: partitions come in the order of topic id and number; Kafka's hash order differs.
//! Source: `ReplicationControlManager.directoriesToPartitions`, `BrokersToIsrs`, `BrokersToElrs`,
//! `ReplicationControlManager.imbalancedPartitions`.
//! Next: `leadership.rs`, which walks these sets.

use crate::id::{BrokerId, TopicId};
use crate::metadata::PartitionRegistration;
use crate::raft::DirectoryId;
use std::collections::{BTreeMap, BTreeSet};

/// A partition by its topic's id and its number.
pub(super) type PartitionKey = (TopicId, i32);
type Sets<K = BrokerId> = BTreeMap<K, BTreeSet<PartitionKey>>;

/// The sets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PartitionIndex {
    isr: Sets,
    elr: Sets,
    leaders: Sets,
    leaderless: BTreeSet<PartitionKey>,
    imbalanced: BTreeSet<PartitionKey>,
    directories: Sets<DirectoryId>,
}

impl PartitionIndex {
    /// Takes in that a partition came to be, or changed.
    pub(super) fn update(
        &mut self,
        key: PartitionKey,
        before: Option<&PartitionRegistration>,
        after: &PartitionRegistration,
    ) {
        self.remove(key, before);
        insert(&mut self.isr, &after.isr, key);
        insert(&mut self.elr, &after.elr, key);
        insert(&mut self.leaders, &after.leader, key);
        insert(&mut self.directories, known(&after.directories), key);
        set(&mut self.leaderless, key, after.leader.is_none());
        set(&mut self.imbalanced, key, !after.has_preferred_leader());
    }

    /// Takes in that a partition is no more.
    pub(super) fn remove(&mut self, key: PartitionKey, before: Option<&PartitionRegistration>) {
        if let Some(before) = before {
            remove(&mut self.isr, &before.isr, key);
            remove(&mut self.elr, &before.elr, key);
            remove(&mut self.leaders, &before.leader, key);
            remove(&mut self.directories, known(&before.directories), key);
            self.leaderless.remove(&key);
            self.imbalanced.remove(&key);
        }
    }

    /// The partitions with this broker in the ISR.
    pub(super) fn in_isr(&self, broker: BrokerId) -> Vec<PartitionKey> {
        list(&self.isr, broker)
    }

    /// The partitions with this broker in the ELR.
    pub(super) fn in_elr(&self, broker: BrokerId) -> Vec<PartitionKey> {
        list(&self.elr, broker)
    }

    /// Whether this broker leads anything.
    pub(super) fn has_leaderships(&self, broker: BrokerId) -> bool {
        self.leaders.contains_key(&broker)
    }

    /// The partitions without leader.
    pub(super) fn leaderless(&self) -> &BTreeSet<PartitionKey> {
        &self.leaderless
    }

    /// The partitions with a replica in this log directory.
    pub(super) fn in_directory(&self, directory: DirectoryId) -> Vec<PartitionKey> {
        list(&self.directories, directory)
    }

    /// The partitions that their first replica does not lead.
    pub(super) fn imbalanced(&self) -> &BTreeSet<PartitionKey> {
        &self.imbalanced
    }
}

/// Only real directories are looked up.
fn known(directories: &[DirectoryId]) -> impl Iterator<Item = &DirectoryId> {
    let real = |id: &&DirectoryId| id.0 >= DirectoryId::FIRST;
    directories.iter().filter(real)
}

fn list<K: Ord + Copy>(sets: &Sets<K>, of: K) -> Vec<PartitionKey> {
    sets.get(&of).into_iter().flatten().copied().collect()
}

fn insert<'a, K: Ord + Copy + 'a>(
    sets: &mut Sets<K>,
    of: impl IntoIterator<Item = &'a K>,
    key: PartitionKey,
) {
    for one in of {
        sets.entry(*one).or_default().insert(key);
    }
}

fn remove<'a, K: Ord + Copy + 'a>(
    sets: &mut Sets<K>,
    of: impl IntoIterator<Item = &'a K>,
    key: PartitionKey,
) {
    for one in of {
        if let Some(set) = sets.get_mut(one) {
            set.remove(&key);
            if set.is_empty() {
                sets.remove(one);
            }
        }
    }
}

fn set(set: &mut BTreeSet<PartitionKey>, key: PartitionKey, member: bool) {
    if member {
        set.insert(key);
    } else {
        set.remove(&key);
    }
}
