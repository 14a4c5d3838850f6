//! One trial as a line of `results.jsonl`: enough to count, to compare and to find the trial again.
//!
//! Invariants: the same plan gives the same line, byte for byte, on any machine. What a trial reports in
//! addition one day (more counts, more goals) comes in through [`Line::of`] and nowhere else.
//!
//! Next: `tally.rs` adds lines up.

use ktrial_sim::plan::Plan;
use ktrial_sim::verdict::{Class, Finding, Verdict};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How a trial of a sweep came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// [`Class::Kept`].
    Kept,
    /// [`Class::Permitted`].
    Permitted,
    /// [`Class::Unavailable`].
    Unavailable,
    /// [`Class::Inconclusive`].
    Inconclusive,
    /// [`Class::Broken`].
    Broken,
    /// There is no verdict: the plan could not be run, or ktrial itself failed.
    Error,
}

/// All outcomes, the best first.
pub(super) const OUTCOMES: [Outcome; 6] = [
    Outcome::Kept,
    Outcome::Permitted,
    Outcome::Unavailable,
    Outcome::Inconclusive,
    Outcome::Broken,
    Outcome::Error,
];

impl Outcome {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Permitted => "permitted",
            Self::Unavailable => "unavailable",
            Self::Inconclusive => "inconclusive",
            Self::Broken => "broken",
            Self::Error => "error",
        }
    }
}

impl From<Class> for Outcome {
    fn from(class: Class) -> Self {
        match class {
            Class::Kept => Self::Kept,
            Class::Permitted => Self::Permitted,
            Class::Unavailable => Self::Unavailable,
            Class::Inconclusive => Self::Inconclusive,
            Class::Broken => Self::Broken,
        }
    }
}

/// What a trial means for the sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// As expected.
    AsExpected,
    /// Not as expected.
    Failed,
    /// It says nothing, and should have.
    Inconclusive,
    /// ktrial failed, or the plan cannot be run.
    Error,
}

/// What a check found in a trial, however often.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Found {
    /// The check's name.
    pub check: String,
    /// The configuration allows it.
    pub permitted: bool,
}

/// One trial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Its seed.
    pub seed: u64,
    /// Which of the seed's trials it is, from 1.
    pub cell: usize,
    /// How many trials the seed has.
    pub cells: usize,
    /// The settings of its cell.
    pub settings: BTreeMap<String, String>,
    /// How it came out.
    pub verdict: Outcome,
    /// In a sentence.
    pub summary: String,
    /// Expectations that were not met; empty = as expected.
    pub unmet: Vec<String>,
    /// What the checks found, each once.
    pub findings: Vec<Found>,
    /// Records that were acknowledged.
    pub acknowledged: u64,
    /// Records whose fate the producer does not know.
    pub unknown: u64,
    /// Records whose send certainly failed.
    pub failed: u64,
    /// Acknowledged records that are gone.
    pub lost: usize,
    /// Values that are there more than once.
    pub duplicated: usize,
    /// Entries of the record.
    pub events: u64,
    /// Simulated time, in milliseconds.
    pub simulated_ms: u64,
    /// How often each goal was reached; 0 = it was watched for and not reached.
    pub goals: BTreeMap<String, u64>,
    /// Digest of the record; empty if there is none.
    pub digest: String,
}

impl Line {
    /// A trial that has a verdict. `cell` counts from 1.
    pub fn of(
        plan: &Plan,
        (cell, cells): (usize, usize),
        verdict: &Verdict,
        unmet: Vec<String>,
    ) -> Self {
        Self {
            seed: plan.seed,
            cell,
            cells,
            settings: plan.cell.clone(),
            verdict: verdict.verdict.into(),
            summary: verdict.summary.clone(),
            unmet,
            findings: found(&verdict.findings),
            acknowledged: verdict.acknowledged,
            unknown: verdict.unknown,
            failed: verdict.failed,
            lost: verdict.lost.len(),
            duplicated: verdict.duplicated.len(),
            events: verdict.events,
            simulated_ms: verdict.simulated_ms,
            goals: verdict.goals.clone(),
            digest: verdict.digest.clone(),
        }
    }

    /// A trial that could not be run.
    pub fn error(
        seed: u64,
        (cell, cells): (usize, usize),
        settings: BTreeMap<String, String>,
        error: String,
    ) -> Self {
        Self {
            seed,
            cell,
            cells,
            settings,
            verdict: Outcome::Error,
            summary: error.clone(),
            unmet: vec![error],
            findings: Vec::new(),
            acknowledged: 0,
            unknown: 0,
            failed: 0,
            lost: 0,
            duplicated: 0,
            events: 0,
            simulated_ms: 0,
            goals: BTreeMap::new(),
            digest: String::new(),
        }
    }

    /// What it means for the sweep.
    pub fn standing(&self) -> Standing {
        match self.verdict {
            Outcome::Error => Standing::Error,
            _ if self.unmet.is_empty() => Standing::AsExpected,
            Outcome::Inconclusive => Standing::Inconclusive,
            _ => Standing::Failed,
        }
    }

    /// The name of the file that keeps its plan if it failed, within the folder `failures`.
    pub fn plan_file(&self) -> String {
        let (seed, cell) = (self.seed, self.cell);
        if self.cells == 1 {
            format!("seed-{seed}.json")
        } else {
            format!("seed-{seed}-cell{cell}.json")
        }
    }

    /// As one line of JSON, with its line end.
    pub fn to_json(&self) -> String {
        #[expect(
            clippy::expect_used,
            reason = "every map of a line has text as its keys, and a String takes all text"
        )]
        let text = serde_json::to_string(self).expect("a line can be written as JSON");
        text + "\n"
    }

    /// The fields in which two lines of one trial differ, with both values.
    pub fn differences(&self, other: &Self) -> Vec<(String, String, String)> {
        let fields = |line: &Self| match serde_json::to_value(line) {
            Ok(serde_json::Value::Object(fields)) => fields,
            _ => serde_json::Map::new(),
        };
        let (here, there) = (fields(self), fields(other));
        // The digest last: if anything else differs it says more.
        let mut differences: Vec<_> = here
            .iter()
            .filter_map(|(name, value)| {
                let second = there.get(name)?;
                (value != second).then(|| (name.clone(), value.to_string(), second.to_string()))
            })
            .collect();
        differences.sort_by_key(|(name, _, _)| name == "digest");
        differences
    }
}

fn found(findings: &[Finding]) -> Vec<Found> {
    let found: BTreeSet<Found> = findings
        .iter()
        .map(|finding| Found {
            check: finding.check.clone(),
            permitted: finding.permitted,
        })
        .collect();
    found.into_iter().collect()
}
