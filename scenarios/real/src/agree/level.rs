//! In what two outcomes may differ and yet be the same *but for* it. The definitions are in `mod.rs`.
//!
//! Next: `timing.rs`.

use super::outcome::{Outcome, State};
use ktrial_core::LeaderEpoch;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

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
    /// Records that were sent while the leader changed are in another leader's epoch.
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

/// The states as if no epoch had ever been raised: for what does not depend on epochs.
pub(super) fn without_epochs(states: &[State]) -> Vec<State> {
    let mut states = states.to_vec();
    for state in &mut states {
        state.leader_epoch = LeaderEpoch(0);
    }
    states
}
