//! Where a setting belongs. In a scenario's own tables that is clear from the table; in `[matrix]`
//! and behind `--set` it is found out from the key:
//!
//! - `kafka.release` and `rules.<switch>`: the generation of Kafka's rules;
//! - a key with a place in front, `brokers.b1.`, `topics.orders.`, `producers.`, ...: only there;
//! - any other key: everywhere it is known. A topic setting becomes the default of all topics, and
//!   the value of each topic that has a value of its own.
//!
//! Next: `kind.rs`.

mod kind;
mod put;
mod target;

pub use kind::{KINDS, Kind, without_synonym};
pub use put::quorum_for_ensemble;
pub use target::{Nowhere, Target, rule_names, target};
