//! Two trials that differ in one thing, held against each other.
//!
//! | file | what it is |
//! |---|---|
//! | `sides.rs` | which two plans: from a scenario or a plan, and what is set on each side |
//! | `first.rs` | what differs first: an entry of the record, an event of the cluster |
//! | `ends.rs` | what differs in the end |
//! | `seeds.rs` | many pairs: how the verdicts go together, and what differs on average |
//!
//! Rule: both have the same seed. Each purpose draws from a random stream of its own, so what the setting
//! does not touch is the same in both, byte for byte, until the first entry that it does touch.
//!
//! Next: `sides.rs`.

mod ends;
mod first;
mod seeds;
mod sides;

pub use ends::{EndDifference, ends};
pub use first::{ClusterParting, Parting, cluster, entry};
pub use seeds::{Figure, Pairs, tally};
pub use sides::{Label, Sides, of_plan, of_scenario};

use ktrial_reports::Cell;
use serde::Serialize;

/// How two trials differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// The first entry that differs.
    pub first: Option<Parting>,
    /// The first event of the cluster that differs.
    pub cluster: Option<ClusterParting>,
    /// What differs in the end.
    pub ends: Vec<EndDifference>,
}

/// Compares two trials.
pub fn compare(a: &Cell, b: &Cell) -> Comparison {
    Comparison {
        first: entry(&a.record, &b.record),
        cluster: cluster(&a.record, &b.record),
        ends: ends(&a.verdict, &b.verdict),
    }
}
