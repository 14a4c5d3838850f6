//! Who votes: the voters of the metadata quorum, each known by its number and by the directory that its
//! log is in.
//!
//! A voter whose disk was replaced is another voter (KIP-853): it has forgotten what it voted and what it
//! acknowledged, and if it voted as the old one, what a majority had written could be lost.
//!
//! Simplified: the voters do not change. Kafka writes them into the metadata log, and an operator can add
//! and remove one. So a voter that lost its disk observes from then on.
//! Source: KIP-853; `VoterSet`, `ReplicaKey`, `EpochElection`.
//! Next: `state.rs`.

use crate::id::{ControllerId, TopicId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Identifies a log directory: drawn anew whenever one is formatted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DirectoryId(pub u128);

impl DirectoryId {
    /// Nothing is known of a replica's directory.
    pub const MIGRATING: Self = Self(0);
    /// A replica has not told yet in which directory it is.
    pub const UNASSIGNED: Self = Self(1);
    /// Ids below are Kafka's own.
    pub const FIRST: u128 = 100;
}

/// As Kafka prints a UUID.
impl fmt::Display for DirectoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        TopicId(self.0).fmt(f)
    }
}

impl Serialize for DirectoryId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        TopicId(self.0).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for DirectoryId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(TopicId::deserialize(deserializer)?.0))
    }
}

/// A voter as others call it (`ReplicaKey`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct VoterKey {
    /// Its `node.id`.
    pub id: ControllerId,
    /// Its directory; `None` = whoever has that number (before KIP-853).
    pub directory: Option<DirectoryId>,
}

impl VoterKey {
    /// Whether a key that somebody else named means this one: without a directory the number is enough.
    pub(super) fn is_meant_by(self, named: Self) -> bool {
        self.id == named.id && (named.directory.is_none() || self.directory == named.directory)
    }
}

/// The voters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct VoterSet(BTreeMap<ControllerId, Option<DirectoryId>>);

impl VoterSet {
    /// The voters as they were formatted; `by_directory` = the directory tells them apart.
    pub(super) fn new(controllers: &[ControllerId], by_directory: bool) -> Self {
        // A quorum of one has nobody to tell apart: whoever formats it again begins a new one.
        let by_directory = by_directory && controllers.len() > 1;
        let directory = |id: &ControllerId| by_directory.then(|| formatted_at_first(*id));
        Self(controllers.iter().map(|id| (*id, directory(id))).collect())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = ControllerId> {
        self.0.keys().copied()
    }

    /// The voter of that number.
    pub(super) fn key(&self, id: ControllerId) -> VoterKey {
        let directory = self.0.get(&id).copied().flatten();
        VoterKey { id, directory }
    }

    /// Whether this is one of the voters.
    pub(super) fn is_voter(&self, key: VoterKey) -> bool {
        self.0
            .get(&key.id)
            .is_some_and(|directory| directory.is_none() || key.directory == *directory)
    }

    /// How many are more than half.
    pub(super) fn majority(&self) -> usize {
        self.0.len() / 2 + 1
    }
}

/// The directory of a controller that was formatted with the cluster (`--initial-controllers`).
pub(super) fn formatted_at_first(id: ControllerId) -> DirectoryId {
    formatted(id, 0)
}

/// The directory that a controller's start formats if it finds its disk empty.
pub(super) fn formatted(id: ControllerId, incarnation: u32) -> DirectoryId {
    let id = u128::from(id.0.unsigned_abs());
    DirectoryId(id << 64 | u128::from(incarnation) << 32 | 1)
}

/// An election, as the one that wants to be elected counts it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Votes {
    granted: BTreeSet<ControllerId>,
    rejected: BTreeSet<ControllerId>,
}

impl Votes {
    /// It votes for itself.
    pub(super) fn by_itself(id: ControllerId) -> Self {
        Self {
            granted: BTreeSet::from([id]),
            rejected: BTreeSet::new(),
        }
    }

    /// A later answer of the same voter counts.
    pub(super) fn record(&mut self, from: ControllerId, granted: bool) {
        let (to, other) = if granted {
            (&mut self.granted, &mut self.rejected)
        } else {
            (&mut self.rejected, &mut self.granted)
        };
        to.insert(from);
        other.remove(&from);
    }

    pub(super) fn is_recorded(&self, id: ControllerId) -> bool {
        self.granted.contains(&id) || self.rejected.contains(&id)
    }

    pub(super) fn is_granted(&self, voters: &VoterSet) -> bool {
        self.granted.len() >= voters.majority()
    }

    /// More than half may never be granted.
    pub(super) fn is_rejected(&self, voters: &VoterSet) -> bool {
        self.rejected.len() > voters.len() - voters.majority()
    }

    pub(super) fn granting(&self) -> impl Iterator<Item = ControllerId> {
        self.granted.iter().copied()
    }
}
