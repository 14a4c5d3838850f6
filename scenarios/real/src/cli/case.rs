//! One cell of a scenario on one target: simulated under many seeds, then played for real.
//!
//! Once if all seeds end alike, else several times, for then timing decides. What is drawn when the plan
//! is made stays the same under every seed; latencies and scheduling change, and under every second seed
//! there are pauses between the steps: on a real machine everything takes its time, and what is done every
//! few seconds (checkpoints of high watermarks) may come before a step or after it.
//! Next: `../agree/mod.rs`, which compares.

use super::agree::RELEASE;
use crate::agree::table::Row;
use crate::agree::{Agreement, Outcome, compare};
use crate::failure::{Failure, Interrupt};
use crate::kafka::{Kafka, Target};
use crate::play::{self, Stand};
use crate::rig::Shape;
use ktrial_core::Random;
use ktrial_reports::Cell;
use ktrial_sim::history::{Entry, Record, What, codec};
use ktrial_sim::plan::{Plan, Step, When};
use ktrial_sim::{check, trial};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// As long as a pause between two steps may be: a little more than the interval of checkpoints,
/// `replica.high.watermark.checkpoint.interval.ms`.
const LONGEST_PAUSE_MS: u64 = 6_000;

/// One cell on one target.
pub(super) struct Case {
    scenario: String,
    cell: BTreeMap<String, String>,
    pub(super) target: Target,
    plan: Plan,
    simulated: Vec<Outcome>,
    pub(super) unsupported: Option<String>,
    runs: u32,
    patience: Duration,
}

impl Case {
    /// Simulates the plan under `seeds` seeds.
    pub(super) fn new(
        target: &Target,
        plan: Plan,
        (seeds, runs): (u64, u32),
        patience: Duration,
    ) -> Result<Self, Failure> {
        let mut cell = plan.cell.clone();
        let usual = |key: &str, value: &str| target.settings().contains(&(key, value));
        cell.retain(|key, value| key != RELEASE && !usual(key, value));
        let unsupported = play::unsupported(&plan, target);
        let mut simulated = Vec::new();
        if unsupported.is_none() {
            for seed in 1..=seeds {
                let unhurried = if seed % 2 == 0 {
                    with_pauses(&plan, seed)
                } else {
                    plan.clone()
                };
                simulated.push(simulate(unhurried, seed)?);
            }
        }
        let timed = simulated.first().is_some_and(|first| {
            let alike = |other| {
                matches!(
                    compare(std::slice::from_ref(first), other),
                    Agreement::Same { .. }
                )
            };
            !simulated.iter().all(alike)
        });
        Ok(Self {
            scenario: plan.scenario.clone(),
            cell,
            target: target.clone(),
            plan,
            simulated,
            unsupported,
            patience,
            runs: if timed { runs } else { 1 },
        })
    }

    /// What it is called in what is told.
    pub(super) fn name(&self) -> String {
        let values: Vec<&str> = self.cell.values().map(String::as_str).collect();
        format!("{} {} {}", self.target, self.scenario, values.join(" "))
    }

    /// Its row when it was not played.
    pub(super) fn other(&self, agreement: Agreement) -> Row {
        Row::other((&self.scenario, &self.cell), &self.target, agreement)
    }

    /// Plays it, and holds both sides against each other. Also: settings that were left out.
    pub(super) fn row(
        &self,
        kafka: Option<&Arc<Kafka>>,
        clusters: &Path,
        interrupt: &Interrupt,
        tell: &dyn Fn(&str),
    ) -> (Row, BTreeSet<String>) {
        let mut left_out = BTreeSet::new();
        if let Some(step) = self.unsupported.clone() {
            return (self.other(Agreement::Unsupported { step }), left_out);
        }
        let Some(kafka) = kafka else {
            return (self.other(Agreement::NotRun), left_out);
        };
        let began = Instant::now();
        let mut real = Vec::new();
        for run in 1..=self.runs {
            let folder = clusters.join(self.folder()).join(run.to_string());
            let stand = Stand {
                kafka,
                target: &self.target,
                shape: Shape::Separate,
                folder: &folder,
                keep: false,
                patience: self.patience,
                interrupt,
                tell,
            };
            match play::play(&self.plan, &stand) {
                Ok(played) => {
                    left_out.extend(played.left_out);
                    real.push(Outcome::of(&played.cell));
                }
                Err(Failure::Interrupted) => return (self.other(Agreement::NotRun), left_out),
                Err(Failure::Rig(why)) => {
                    return (self.other(Agreement::Failed { why }), left_out);
                }
            }
        }
        let wall = began.elapsed().as_secs();
        let name = (self.scenario.as_str(), &self.cell);
        let row = Row::played(name, &self.target, &self.simulated, &real, wall);
        (row, left_out)
    }

    /// The row from the records that earlier runs left; those that did not come to an end do not count.
    pub(super) fn kept(&self, clusters: &Path) -> Result<Row, Failure> {
        if let Some(step) = self.unsupported.clone() {
            return Ok(self.other(Agreement::Unsupported { step }));
        }
        let mut real = Vec::new();
        let mut wall = 0;
        for run in 1..=self.runs {
            let folder = clusters.join(self.folder()).join(run.to_string());
            let path = folder.join("record.jsonl");
            let Ok(text) = fs::read_to_string(&path) else {
                continue;
            };
            let record = codec::from_jsonl(&text)
                .map_err(|why| Failure::Rig(format!("{}: {why}", path.display())))?;
            let ended = |entry: &&Entry| matches!(entry.what, What::Ended { .. });
            let Some(ended) = record.entries.iter().find(ended) else {
                continue;
            };
            wall += ended.at.as_millis() / 1_000;
            real.push(outcome(self.plan.clone(), record));
        }
        let name = (self.scenario.as_str(), &self.cell);
        Ok(Row::played(
            name,
            &self.target,
            &self.simulated,
            &real,
            wall,
        ))
    }

    /// The name of its clusters' folder.
    fn folder(&self) -> String {
        let plain = |c: char| {
            if c.is_alphanumeric() || "._-".contains(c) {
                c
            } else {
                '-'
            }
        };
        self.name().chars().map(plain).collect()
    }
}

/// What the plan ends in under another seed.
fn simulate(plan: Plan, seed: u64) -> Result<Outcome, Failure> {
    let plan = Plan { seed, ..plan };
    let record = trial::run(&plan).map_err(|error| Failure::Rig(error.to_string()))?;
    Ok(outcome(plan, record))
}

/// What a record comes to.
fn outcome(plan: Plan, record: Record) -> Outcome {
    let verdict = check::judge(&plan, &record);
    Outcome::of(&Cell {
        plan,
        record,
        verdict,
        unmet: Vec::new(),
    })
}

/// The plan with a pause before every second step or so.
fn with_pauses(plan: &Plan, seed: u64) -> Plan {
    let mut random = Random::stream(seed, "pauses between steps");
    let mut plan = plan.clone();
    let steps = std::mem::take(&mut plan.steps);
    for step in steps {
        let ms = random.below(LONGEST_PAUSE_MS);
        if random.below(2) == 0 {
            plan.steps.push(Step {
                when: When::After { ms },
                action: None,
                for_ms: None,
                may_miss: false,
            });
        }
        plan.steps.push(step);
    }
    plan
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by a panic")]
mod tests {
    use super::*;

    #[test]
    fn pauses_come_between_the_steps_and_change_none() {
        let entry = ktrial::library::find("all-brokers-down").unwrap();
        let scenario = ktrial::file::parse(entry.name, entry.path, entry.text).unwrap();
        let plan = &ktrial::compile::compile(&scenario, 1, &[]).unwrap().plans[0];
        let (second, fourth) = (with_pauses(plan, 2), with_pauses(plan, 4));
        assert_ne!(second.steps, fourth.steps);
        assert_eq!(with_pauses(plan, 2), second);
        for mut changed in [second, fourth] {
            let is_pause = |step: &Step| matches!(step.when, When::After { .. });
            let pauses = changed.steps.iter().filter(|step| is_pause(step)).count();
            assert!(pauses > 0 && pauses < plan.steps.len(), "{pauses}");
            changed.steps.retain(|step| !is_pause(step));
            assert_eq!(changed, *plan);
        }
    }
}
