//! In what two outcomes may differ and yet be the same *but for* it. The definitions are in `mod.rs`.
//!
//! Next: `timing.rs`.

use super::outcome::{End, Outcome, Replica};
use ktrial_core::{LeaderEpoch, Offset};
use ktrial_sim::verdict::Class;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// One thing in which the outcomes differ without contradicting each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum But {
    /// Leader epochs have other numbers in the same order.
    Numbering,
    /// The ISR changed by the same moves in another order, or in fewer or more steps.
    Timing,
    /// One side does not know how a send ended.
    Acknowledgement,
    /// Records that were sent while the leader changed are in another leader's epoch, or were written twice
    /// by a producer that may do so.
    Load,
}

impl But {
    /// All of them, the lightest first.
    pub const ALL: [Self; 4] = [
        Self::Numbering,
        Self::Timing,
        Self::Acknowledgement,
        Self::Load,
    ];

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Numbering => "numbering",
            Self::Timing => "timing",
            Self::Acknowledgement => "acknowledgement",
            Self::Load => "load",
        }
    }
}

/// Every set of them: the smaller sets first, among equals the lighter ones.
pub(super) fn sets() -> Vec<Vec<But>> {
    let mut sets: Vec<Vec<But>> = vec![Vec::new()];
    for but in But::ALL {
        let with: Vec<Vec<But>> = sets.iter().map(|set| [&set[..], &[but]].concat()).collect();
        sets.extend(with);
    }
    sets.sort_by_key(|set| (set.len(), set.clone()));
    sets
}

/// The outcome with the leader epochs of each partition counted from 0 without gaps.
pub(super) fn renumbered(outcome: &Outcome) -> Outcome {
    let mut outcome = outcome.clone();
    let partitions: BTreeSet<_> = outcome
        .states
        .keys()
        .chain(outcome.replicas.keys())
        .cloned()
        .collect();
    for partition in partitions {
        let mut epochs: Vec<&mut LeaderEpoch> = Vec::new();
        for state in outcome.states.get_mut(&partition).into_iter().flatten() {
            epochs.push(&mut state.leader_epoch);
        }
        for replica in outcome
            .replicas
            .get_mut(&partition)
            .into_iter()
            .flat_map(|it| it.values_mut())
        {
            epochs.extend(replica.records.iter_mut().map(|record| &mut record.epoch));
            epochs.extend(replica.checkpoint.iter_mut().map(|entry| &mut entry.epoch));
        }
        rank(epochs);
    }
    outcome
}

fn rank(epochs: Vec<&mut LeaderEpoch>) {
    // Negative is none.
    let epochs: Vec<&mut LeaderEpoch> = epochs.into_iter().filter(|epoch| epoch.0 >= 0).collect();
    let known: BTreeSet<LeaderEpoch> = epochs.iter().map(|epoch| **epoch).collect();
    let known: Vec<LeaderEpoch> = known.into_iter().collect();
    for epoch in epochs {
        let rank = known.partition_point(|other| other < epoch);
        *epoch = LeaderEpoch(i32::try_from(rank).unwrap_or(i32::MAX));
    }
}

/// The outcome as if the producer's retries had written nothing twice, if that is all that its checks found:
/// of a value that is there several times only the first is kept.
pub(super) fn without_repeats(outcome: &Outcome) -> Outcome {
    let mut outcome = outcome.clone();
    let only_repeats = outcome.findings.iter().all(|check| check == "duplicate");
    let lets = matches!(outcome.verdict, Class::Kept | Class::Permitted);
    if outcome.duplicated.is_empty() || !only_repeats || !lets {
        return outcome;
    }
    outcome.verdict = Class::Kept;
    outcome.duplicated.clear();
    let mut places = BTreeMap::new();
    for replica in outcome.replicas.values_mut().flat_map(|it| it.values_mut()) {
        keep_first(replica);
        let records = replica.records.iter();
        places.extend(records.map(|record| (record.value.clone(), record.offset)));
    }
    for (value, end) in &mut outcome.sends {
        if let (End::Acknowledged(Some(offset)), Some(place)) = (end, places.get(value)) {
            *offset = *place;
        }
    }
    outcome
}

/// Keeps the first record of each value; those behind a repeat move up.
fn keep_first(replica: &mut Replica) {
    let (mut seen, mut moved) = (BTreeSet::new(), BTreeMap::new());
    let start = replica
        .records
        .first()
        .map_or(Offset::ZERO, |record| record.offset);
    let mut next = start;
    let end = replica
        .records
        .last()
        .map_or(start, |record| record.offset.next());
    replica.records.retain_mut(|record| {
        moved.insert(record.offset, next);
        let is_first = seen.insert(record.value.clone());
        if is_first {
            record.offset = next;
            next = next.next();
        }
        is_first
    });
    moved.insert(end, next);
    for entry in &mut replica.checkpoint {
        entry.offset = moved.get(&entry.offset).copied().unwrap_or(entry.offset);
    }
}
