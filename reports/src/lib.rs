//! What people look at. CONTRACT; the owner writes the rest.

use ktrial_sim::history::Record;
use ktrial_sim::plan::Plan;
use ktrial_sim::verdict::Verdict;
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
    let _ = cell;
    unimplemented!()
}

/// The verdict of one cell as text, for people.
pub fn verdict_text(cell: &Cell) -> String {
    let _ = cell;
    unimplemented!()
}

/// The run as the one JSON object of `--json`.
pub fn json(run: &Run) -> serde_json::Value {
    let _ = run;
    unimplemented!()
}

/// Writes the report folder.
///
/// # Errors
/// A file cannot be written or a chart not drawn.
pub fn write_folder(run: &Run, folder: &Path) -> Result<(), ReportError> {
    let _ = (run, folder);
    unimplemented!()
}
