//! The table of agreement: scenarios' cells x targets, as data, and in JSON.
//!
//! ```text
//! { "version": 1, "date": "2026-11-21", "commands": [ "ktrial-real agree ..." ],
//!   "reasons": [ { "id": "no_leader_epochs_in_logs", "says": "...", "source": "KIP-101 ..." } ],
//!   "rows": [ {
//!     "scenario": "all-brokers-down",
//!     "cell": { "unclean.leader.election.enable": "true" },
//!     "target": "4.3.1/kraft",
//!     "simulated": { "verdict": "permitted", "lost": ["B", "C"], "duplicated": [],
//!                    "logs": [ { "partition": "orders-0", "brokers": [1, 2, 3],
//!                                "values": "[A D]", "checkpoint": "(0,0) (2,1)" } ],
//!                    "states": { "orders-0": ["leader 1 epoch 0 isr [1, 2, 3]", ...] } },
//!     "real": { ... },
//!     "agreement": { "is": "same", "of": 1 },
//!     "runs": 1, "wall_s": 31 } ] }
//! ```
//!
//! Rule: a row is named by scenario, cell and target. Merging replaces rows of the same name, but no
//! result by a row that was not run; it keeps the order of scenarios and cells, and sorts targets by
//! release.
//! Invariants: the order of rows does not depend on the order in which they were tried within a cell; each
//! row has a line of the file, so that a difference between two tables can be read.
//! Next: `text.rs`, `markdown.rs`.

use super::outcome::{Outcome, Replica};
use super::reasons::Because;
use super::{Agreement, agree, words};
use crate::kafka::Target;
use ktrial_core::BrokerId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of the table's JSON.
pub const TABLE_VERSION: u32 = 1;

/// The table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// [`TABLE_VERSION`].
    pub version: u32,
    /// The day of the newest row: `2026-11-21`.
    pub date: String,
    /// The commands that made it, the newest last.
    pub commands: Vec<String>,
    /// What the rows' reasons say.
    #[serde(default)]
    pub reasons: Vec<Because>,
    /// In order.
    pub rows: Vec<Row>,
}

/// One cell on one target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// The scenario's name.
    pub scenario: String,
    /// The settings of the cell.
    pub cell: BTreeMap<String, String>,
    /// The release and its mode: `4.3.1/kraft`.
    pub target: String,
    /// What the simulated trial ended in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub simulated: Option<Summary>,
    /// What the real one ended in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub real: Option<Summary>,
    /// How they stand to each other.
    pub agreement: Agreement,
    /// How often the real one was run.
    pub runs: usize,
    /// Real time of all runs, in seconds.
    pub wall_s: u64,
}

/// An outcome in brief.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    /// The class of the verdict.
    pub verdict: String,
    /// Acknowledged values that are gone.
    pub lost: Vec<String>,
    /// Values that are in a log more than once.
    pub duplicated: Vec<String>,
    /// What the disks hold.
    pub logs: Vec<Held>,
    /// What the controller wrote about each partition, in order.
    pub states: BTreeMap<String, Vec<String>>,
}

/// What the disks of some brokers hold of a partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Held {
    /// Of which partition.
    pub partition: String,
    /// On which brokers: all that hold the same.
    pub brokers: Vec<BrokerId>,
    /// The values, abbreviated if there are many: `[A D]`.
    pub values: String,
    /// The leader epoch checkpoint: `(0,0) (2,1)`.
    pub checkpoint: String,
}

/// A table that cannot be read back.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// Not JSON, or not of this form.
    #[error("not a table of agreement: {0}")]
    Malformed(#[from] serde_json::Error),
    /// Of another version.
    #[error(
        "a table of version {0}, and this ktrial writes version {TABLE_VERSION}: run `agree` anew"
    )]
    Version(u32),
}

/// How many rows are what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Same.
    pub same: usize,
    /// Same but for something.
    pub same_but: usize,
    /// Differs, and it is known why.
    pub explained: usize,
    /// Differs, and it is not known why.
    pub unexplained: usize,
    /// A step has no real means.
    pub unsupported: usize,
    /// The rig failed.
    pub failed: usize,
    /// Not tried.
    pub not_run: usize,
}

impl Row {
    /// The row of a cell that was played: simulated under several seeds, of which the first is the one asked
    /// for, and for real once or more. Without a real run it is one that was not run.
    pub fn played(
        (scenario, cell): (&str, &BTreeMap<String, String>),
        target: &Target,
        simulated: &[Outcome],
        real: &[Outcome],
        wall_s: u64,
    ) -> Self {
        let judged = agree(target, simulated, real);
        let index = judged.as_ref().map_or(0, |judged| judged.simulated);
        let run = judged.as_ref().and_then(|judged| real.get(judged.real));
        Self {
            simulated: simulated.get(index).map(Summary::of),
            real: run.map(Summary::of),
            runs: real.len(),
            wall_s,
            ..Self::other(
                (scenario, cell),
                target,
                judged.map_or(Agreement::NotRun, |it| it.agreement),
            )
        }
    }

    /// The row of a cell that could not be played, or was not.
    pub fn other(
        (scenario, cell): (&str, &BTreeMap<String, String>),
        target: &Target,
        agreement: Agreement,
    ) -> Self {
        Self {
            scenario: scenario.to_owned(),
            cell: cell.clone(),
            target: target.to_string(),
            simulated: None,
            real: None,
            agreement,
            runs: 0,
            wall_s: 0,
        }
    }

    /// The names of the reasons that it gives.
    fn reasons(&self) -> &[String] {
        match &self.agreement {
            Agreement::Differs { reasons, .. } => reasons,
            _ => &[],
        }
    }

    fn name(&self) -> (&str, &BTreeMap<String, String>, &str) {
        (&self.scenario, &self.cell, &self.target)
    }
}

impl Summary {
    /// An outcome in brief.
    pub fn of(outcome: &Outcome) -> Self {
        let states = outcome.states.iter().map(|(partition, states)| {
            let states = states.iter().map(words::state).collect();
            (partition.to_string(), states)
        });
        Self {
            verdict: ktrial_reports::class(outcome.verdict).to_owned(),
            lost: outcome.lost.iter().cloned().collect(),
            duplicated: outcome.duplicated.iter().cloned().collect(),
            logs: held(outcome),
            states: states.collect(),
        }
    }
}

/// What the disks hold, brokers with the same together.
fn held(outcome: &Outcome) -> Vec<Held> {
    let mut held = Vec::new();
    for (partition, replicas) in &outcome.replicas {
        let mut groups: Vec<(&Replica, Vec<BrokerId>)> = Vec::new();
        for (broker, replica) in replicas {
            match groups.iter_mut().find(|(other, _)| *other == replica) {
                Some((_, brokers)) => brokers.push(*broker),
                None => groups.push((replica, vec![*broker])),
            }
        }
        held.extend(groups.into_iter().map(|(replica, brokers)| Held {
            partition: partition.to_string(),
            brokers,
            values: words::values_in_brief(&replica.values()),
            checkpoint: words::checkpoint(replica),
        }));
    }
    held
}

impl Table {
    /// A table without rows.
    pub fn new(date: &str, command: &str) -> Self {
        Self {
            version: TABLE_VERSION,
            date: date.to_owned(),
            commands: vec![command.to_owned()],
            reasons: Vec::new(),
            rows: Vec::new(),
        }
    }

    /// As JSON: a line for each row and each reason.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        fn lines<T: Serialize>(items: &[T]) -> Result<String, serde_json::Error> {
            let lines: Result<Vec<String>, _> = items.iter().map(serde_json::to_string).collect();
            Ok(format!("[\n{}\n]", lines?.join(",\n")))
        }
        Ok(format!(
            "{{\"version\":{},\"date\":{},\"commands\":{},\n\"reasons\":{},\n\"rows\":{}}}\n",
            self.version,
            serde_json::to_string(&self.date)?,
            serde_json::to_string(&self.commands)?,
            lines(&self.reasons)?,
            lines(&self.rows)?
        ))
    }

    /// Reads it back.
    ///
    /// # Errors
    /// It is none, or of another version.
    pub fn from_json(text: &str) -> Result<Self, TableError> {
        let value: serde_json::Value = serde_json::from_str(text)?;
        let version = value.get("version").and_then(serde_json::Value::as_u64);
        match version.and_then(|version| u32::try_from(version).ok()) {
            Some(version) if version != TABLE_VERSION => Err(TableError::Version(version)),
            _ => Ok(serde_json::from_value(value)?),
        }
    }

    /// Takes over the rows of a newer table, its date and its command.
    pub fn merge(&mut self, newer: Self) {
        self.date = newer.date;
        self.commands
            .retain(|command| !newer.commands.contains(command));
        self.commands.extend(newer.commands);
        for row in newer.rows {
            match self.rows.iter_mut().find(|old| old.name() == row.name()) {
                Some(_) if row.agreement == Agreement::NotRun => {}
                Some(old) => *old = row,
                None => self.rows.push(row),
            }
        }
        self.reasons.extend(newer.reasons);
        self.arrange();
    }

    /// Adds a row, in place of one of the same name.
    pub fn add(&mut self, row: Row) {
        self.rows.retain(|old| old.name() != row.name());
        self.rows.push(row);
        self.arrange();
    }

    /// Rows of a scenario together, of a cell together, and targets by release; and the reasons that they
    /// give, as this program knows them.
    fn arrange(&mut self) {
        self.sort();
        let mut given: Vec<&String> = self.rows.iter().flat_map(Row::reasons).collect();
        given.sort();
        given.dedup();
        let known = |id: &&String| {
            let before = || {
                self.reasons
                    .iter()
                    .find(|because| because.id == **id)
                    .cloned()
            };
            Because::of(id).or_else(before)
        };
        self.reasons = given.iter().filter_map(known).collect();
    }

    fn sort(&mut self) {
        let mut scenarios: Vec<String> = Vec::new();
        let mut cells: Vec<(String, BTreeMap<String, String>)> = Vec::new();
        for row in &self.rows {
            let cell = (row.scenario.clone(), row.cell.clone());
            if !scenarios.contains(&row.scenario) {
                scenarios.push(row.scenario.clone());
            }
            if !cells.contains(&cell) {
                cells.push(cell);
            }
        }
        self.rows.sort_by_key(|row| {
            let scenario = scenarios.iter().position(|it| *it == row.scenario);
            let cell = cells
                .iter()
                .position(|(scenario, cell)| *scenario == row.scenario && *cell == row.cell);
            (
                scenario,
                cell,
                row.target.parse::<Target>().ok(),
                row.target.clone(),
            )
        });
    }

    /// How many rows are what.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for row in &self.rows {
            *match &row.agreement {
                Agreement::Same { .. } => &mut counts.same,
                Agreement::SameBut { .. } => &mut counts.same_but,
                it @ Agreement::Differs { .. } if it.is_unexplained() => &mut counts.unexplained,
                Agreement::Differs { .. } => &mut counts.explained,
                Agreement::Unsupported { .. } => &mut counts.unsupported,
                Agreement::Failed { .. } => &mut counts.failed,
                Agreement::NotRun => &mut counts.not_run,
            } += 1;
        }
        counts
    }
}
