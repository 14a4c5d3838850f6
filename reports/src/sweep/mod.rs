//! What people and programs look at after many trials.
//!
//! | file | what it is |
//! |---|---|
//! | `line.rs` | one trial as a line of `results.jsonl` |
//! | `tally.rs` | what the lines come to: counts, findings, goals, the first failures |
//! | `summary.rs` | a sweep as a whole: `summary.json` |
//! | `text.rs` | the summary for people |
//! | `markdown.rs`, `junit.rs`, `github.rs` | the summary for continuous integration |
//!
//! All are pure functions of the lines. Only `summary.rs` speaks of the machine (how long it took,
//! how much memory), in a part of its own.
//!
//! Invariants: a line holds nothing that differs between runs or machines. Memory follows the number of
//! checks, goals and cells, not the number of trials.
//!
//! Next: `line.rs`.

mod github;
mod junit;
mod line;
mod markdown;
mod summary;
mod tally;
#[cfg(test)]
mod tests;
mod text;

pub use github::github;
pub use junit::junit;
pub use line::{Found, Line, Outcome, Standing};
pub use markdown::markdown;
pub use summary::{Effort, Identity, SeedRange, Shard, Stopped, Summary};
pub use tally::{Checked, Failure, Row, Tally};
pub use text::text;
