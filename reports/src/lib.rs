//! What people look at: the story as text, charts, the report page, JSON.
//!
//! Everything here is a pure function of plan, record and verdict: nothing is run again, no rule of
//! Kafka is repeated, and nothing depends on the machine, the time of day or a path.
//!
//! | module | what it is |
//! |---|---|
//! | `model`, `values` | what the record says of the cluster at each point |
//! | `words` | one phrase for each kind of thing, used by all |
//! | `story` | one line per thing that changed |
//! | `verdict_text`, `json` | the verdict for people and for programs |
//! | `chart` | log ends and high watermarks over time, as SVG |
//! | `html` | the report page |
//! | `folder` | writes it all to disk |
//! | [`sweep`] | what many trials come to: results, summaries, JUnit, Markdown |
//!
//! Start reading at `story/narrate.rs`.

mod chart;
#[cfg(test)]
mod fixture;
mod folder;
mod html;
mod json;
mod model;
mod palette;
mod story;
pub mod sweep;
#[cfg(test)]
mod tests;
mod values;
mod verdict_text;
mod words;

use ktrial_core::{ClientId, NodeId};
use ktrial_sim::history::{Record, codec};
use ktrial_sim::plan::{Action, Plan};
use ktrial_sim::verdict::{Class, Verdict};
use std::path::Path;

/// One cell of a scenario's matrix, tried.
#[derive(Clone, Debug)]
pub struct Cell {
    /// What was tried.
    pub plan: Plan,
    /// What happened.
    pub record: Record,
    /// What became of it.
    pub verdict: Verdict,
    /// Expectations that were not met, in words; empty = as expected.
    pub unmet: Vec<String>,
}

impl Cell {
    /// Where it was played: `seed 7`, or `Apache Kafka 4.3.1 (kraft)`.
    pub fn place(&self) -> String {
        match &self.record.header.real {
            Some(real) => real.to_string(),
            None => format!("seed {}", self.plan.seed),
        }
    }
}

/// A scenario, tried in all its cells under one seed.
#[derive(Clone, Debug)]
pub struct Run {
    /// The scenario's name.
    pub scenario: String,
    /// Its title.
    pub title: String,
    /// Why it is interesting.
    pub why: String,
    /// The seed.
    pub seed: u64,
    /// The cells, in the order of the matrix.
    pub cells: Vec<Cell>,
}

/// A report that could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A file or folder cannot be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A chart could not be drawn.
    #[error("cannot draw {0}")]
    Draw(String),
}

/// The story of one cell as text: one line per thing that changed.
pub fn story(cell: &Cell) -> String {
    story::story(cell)
}

/// The verdict of one cell as text, for people.
pub fn verdict_text(cell: &Cell) -> String {
    verdict_text::verdict_text(cell)
}

/// The run as the one JSON object of `--json`.
pub fn json(run: &Run) -> serde_json::Value {
    json::json(run)
}

/// A class of verdict as the word that people and programs read.
pub fn class(class: Class) -> &'static str {
    words::class(class)
}

/// What an action of the plan does, in the words of the story: `kill broker 1`.
pub fn action_words(plan: &Plan, action: &Action) -> String {
    let producers = plan.producers.iter().map(|producer| &producer.name);
    let names = producers.chain(plan.consumers.iter().map(|consumer| &consumer.name));
    let nodes = (0..).map(|number| NodeId::Client(ClientId(number)));
    words::action(action, &nodes.zip(names.cloned()).collect())
}

/// Writes the report folder.
///
/// # Errors
/// A file cannot be written or a chart not drawn.
pub fn write_folder(run: &Run, folder: &Path) -> Result<(), ReportError> {
    folder::write(run, folder, codec::to_jsonl)
}
