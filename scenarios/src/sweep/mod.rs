//! Many trials, on all cores and over many machines.
//!
//! | file | what it is |
//! |---|---|
//! | `source.rs` | where plans come from: a scenario, a plan, one day a generator |
//! | `seeds.rs` | which seeds, and which part of them |
//! | `engine.rs` | workers; results in the order of seeds whatever their number |
//! | `journal.rs` | results as they are read back: whole seeds only |
//! | `folder.rs` | the folder of a sweep, safe against a kill at any time |
//! | `run.rs` | a sweep from its beginning to its summary |
//! | `merge.rs` | shards put together |
//! | `difference.rs` | where two records of one plan part |
//!
//! Invariants: `results.jsonl` depends on the source and the seeds alone, not on jobs, shards, machines or
//! interruptions. A seed is there with all its cells or not at all.
//!
//! Next: `source.rs`.

pub mod difference;
pub(crate) mod engine;
mod folder;
mod journal;
mod merge;
mod run;
mod seeds;
mod source;

pub use folder::Existing;
pub use merge::{Merged, merge};
pub use run::{Options, Progress, sweep};
pub use seeds::{Seeds, parse_range, parse_shard};
pub use source::{PlanSource, ScenarioSource, Source, fingerprint};
