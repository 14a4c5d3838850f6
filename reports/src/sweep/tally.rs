//! What the lines of a sweep come to: counts, findings by check, goals, the first failures.
//!
//! Invariants: memory follows the number of checks, goals and cells. The first seeds and the first failures
//! are the first in the order in which lines are added, which is that of their seeds.
//!
//! Next: `summary.rs`.

use super::line::{Line, Outcome, Standing};
use serde::Serialize;
use std::collections::BTreeMap;

/// How many seeds a check keeps as examples.
const FIRST_SEEDS: usize = 5;
/// How many failures are kept with their reasons; all others are only counted (and in the results).
const FIRST_FAILURES: usize = 50;
/// More kinds of cells than this are no matrix to show as a table: a source whose settings differ from
/// seed to seed.
const MOST_CELLS: usize = 64;

/// How often a check found something.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Trials in which it found something that the configuration allows.
    pub permitted: u64,
    /// Trials in which it found something that nothing allows.
    pub not_permitted: u64,
    /// The first seeds, those that nothing allows before the others.
    pub first_seeds: Vec<u64>,
    #[serde(skip)]
    allowed_seeds: Vec<u64>,
}

/// The trials of one cell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Its settings.
    pub settings: BTreeMap<String, String>,
    /// How many trials came out how.
    pub verdicts: BTreeMap<Outcome, u64>,
    /// How many were as expected.
    pub as_expected: u64,
}

/// A trial that was not as expected, or says nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// Its seed.
    pub seed: u64,
    /// Its settings.
    pub settings: BTreeMap<String, String>,
    /// How it came out.
    pub verdict: Outcome,
    /// What was not as expected.
    pub unmet: Vec<String>,
    /// How to see it again.
    pub replay: String,
    #[serde(skip)]
    pub(super) standing: Option<Standing>,
}

/// What the lines come to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Trials in all.
    pub trials: u64,
    /// Seeds in all.
    pub seeds: u64,
    /// As expected.
    pub as_expected: u64,
    /// Not as expected.
    pub failed: u64,
    /// Say nothing, and should have.
    pub inconclusive: u64,
    /// Could not be run.
    pub errors: u64,
    /// How many trials came out how.
    pub verdicts: BTreeMap<Outcome, u64>,
    /// By cell; empty if the settings differ from seed to seed.
    pub cells: Vec<Row>,
    /// By check.
    pub findings: BTreeMap<String, Checked>,
    /// In how many trials a goal was reached.
    pub goals_reached: BTreeMap<String, u64>,
    /// Goals that no trial reached.
    pub goals_never_reached: Vec<String>,
    /// Records that were acknowledged.
    pub acknowledged: u64,
    /// Entries of all records.
    pub events: u64,
    /// Simulated time of all trials, in milliseconds.
    pub simulated_ms: u64,
    /// The first failures.
    pub failures: Vec<Failure>,
    #[serde(skip)]
    too_many_cells: bool,
}

impl Tally {
    /// Adds a trial. `replay` is the command that shows it again, of use if it failed.
    pub fn add(&mut self, line: &Line, replay: impl FnOnce() -> String) {
        self.trials += 1;
        self.seeds += u64::from(line.cell == 1);
        self.acknowledged += line.acknowledged;
        self.events += line.events;
        self.simulated_ms += line.simulated_ms;
        *self.verdicts.entry(line.verdict).or_default() += 1;
        let standing = line.standing();
        *match standing {
            Standing::AsExpected => &mut self.as_expected,
            Standing::Failed => &mut self.failed,
            Standing::Inconclusive => &mut self.inconclusive,
            Standing::Error => &mut self.errors,
        } += 1;
        self.add_to_its_cell(line);
        self.add_findings(line);
        self.add_goals(line);
        if standing != Standing::AsExpected && self.failures.len() < FIRST_FAILURES {
            self.failures.push(Failure {
                seed: line.seed,
                settings: line.settings.clone(),
                verdict: line.verdict,
                unmet: line.unmet.clone(),
                replay: replay(),
                standing: Some(standing),
            });
        }
    }

    /// Trials that were not as expected, for whatever reason.
    pub fn not_as_expected(&self) -> u64 {
        self.trials - self.as_expected
    }

    fn add_to_its_cell(&mut self, line: &Line) {
        if self.too_many_cells {
            return;
        }
        let found = self.cells.iter().position(|c| c.settings == line.settings);
        let at = found.unwrap_or(self.cells.len());
        if at == MOST_CELLS {
            self.cells.clear();
            self.too_many_cells = true;
            return;
        }
        if found.is_none() {
            self.cells.push(Row {
                settings: line.settings.clone(),
                verdicts: BTreeMap::new(),
                as_expected: 0,
            });
        }
        let row = &mut self.cells[at];
        *row.verdicts.entry(line.verdict).or_default() += 1;
        row.as_expected += u64::from(line.unmet.is_empty());
    }

    fn add_findings(&mut self, line: &Line) {
        for found in &line.findings {
            let checked = self.findings.entry(found.check.clone()).or_default();
            if found.permitted {
                checked.permitted += 1;
                remember(&mut checked.allowed_seeds, line.seed);
            } else {
                checked.not_permitted += 1;
                remember(&mut checked.first_seeds, line.seed);
            }
        }
    }

    fn add_goals(&mut self, line: &Line) {
        for (goal, times) in &line.goals {
            if *times > 0 {
                *self.goals_reached.entry(goal.clone()).or_default() += 1;
            }
        }
    }

    /// To be called once, after the last line, with the goals that were to be reached.
    #[must_use]
    pub fn finished(mut self, wanted: &[String]) -> Self {
        for checked in self.findings.values_mut() {
            for seed in std::mem::take(&mut checked.allowed_seeds) {
                remember(&mut checked.first_seeds, seed);
            }
        }
        let reached = |goal: &&String| self.goals_reached.contains_key(*goal);
        let never = wanted.iter().filter(|goal| !reached(goal));
        self.goals_never_reached = never.cloned().collect();
        self
    }
}

/// Keeps the first few, each once.
fn remember(seeds: &mut Vec<u64>, seed: u64) {
    if seeds.len() < FIRST_SEEDS && !seeds.contains(&seed) {
        seeds.push(seed);
    }
}
