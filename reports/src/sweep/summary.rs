//! A sweep as a whole: what was swept, what it came to, how it ended, what it cost. `summary.json`.
//!
//! Next: `text.rs`.

use super::tally::Tally;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Seeds from one to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SeedRange {
    /// The first.
    pub from: u64,
    /// The one after the last; `None` = without end.
    pub to: Option<u64>,
}

impl fmt::Display for SeedRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to {
            Some(to) => write!(f, "{}..{to}", self.from),
            None => write!(f, "{}..", self.from),
        }
    }
}

/// One of several equal parts: every `of`-th seed, beginning with the `index`-th.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Shard {
    /// From 1.
    pub index: u64,
    /// How many there are.
    pub of: u64,
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

/// What is swept: `sweep.json`. Written before the first trial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The name of what makes the plans.
    pub name: String,
    /// Hash of all that decides the plans but the seed. Two sweeps with one fingerprint try the same.
    pub fingerprint: String,
    /// The version of ktrial.
    pub version: String,
    /// Its seeds.
    pub seeds: SeedRange,
    /// The part of them that was to be tried; `None` = all.
    pub shard: Option<Shard>,
    /// The goals that it is meant to reach, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub goals: Vec<String>,
}

/// Why a sweep ended before its last seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stopped {
    /// By a signal.
    Interrupted,
    /// It had found as many failures as it should (`--fail-after`).
    Failures,
    /// Its time was up (`--time`).
    Time,
}

/// What a sweep cost. The only part of it that differs from machine to machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Effort {
    /// Workers.
    pub jobs: usize,
    /// Wall time, in milliseconds.
    pub wall_ms: u64,
    /// Trials in that time: those of the results, less what an earlier, interrupted run had done.
    pub trials: u64,
    /// Trials per second.
    pub trials_per_s: f64,
    /// Entries of records per second.
    pub events_per_s: f64,
    /// Simulated seconds per second.
    pub simulated_s_per_s: f64,
    /// Peak memory of the process, in KiB, where the system tells it.
    pub peak_memory_kib: Option<u64>,
}

impl Effort {
    /// Of trials that took so many milliseconds in all.
    pub fn new(jobs: usize, wall_ms: u64, trials: u64, events: u64, simulated_ms: u64) -> Self {
        let per_s = |number: u64| {
            let rate = number as f64 * 1_000.0 / wall_ms.max(1) as f64;
            (rate * 10.0).round() / 10.0
        };
        Self {
            jobs,
            wall_ms,
            trials,
            trials_per_s: per_s(trials),
            events_per_s: per_s(events),
            simulated_s_per_s: per_s(simulated_ms / 1_000),
            peak_memory_kib: None,
        }
    }
}

/// A sweep as a whole.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// What was swept.
    pub sweep: Identity,
    /// Every seed was tried.
    pub complete: bool,
    /// Why it ended before its last seed, if it did.
    pub stopped: Option<Stopped>,
    /// Seeds that should have been tried and were not, as ranges; empty where there is no last seed.
    pub missing: Vec<SeedRange>,
    /// What it came to.
    #[serde(flatten)]
    pub tally: Tally,
    /// What it cost; `None` for one that was put together.
    pub effort: Option<Effort>,
    /// The folder with the results, as given.
    #[serde(skip)]
    pub folder: String,
}

impl Summary {
    /// Every trial was as expected, and all there should be were tried.
    pub fn is_fine(&self) -> bool {
        self.tally.not_as_expected() == 0
            && self.missing.is_empty()
            && self.stopped != Some(Stopped::Interrupted)
    }

    /// `2 seeds, 4 trials`, with what was left out.
    pub(super) fn scope(&self) -> String {
        let seeds = format!("seeds {}", self.sweep.seeds);
        let shard = self.sweep.shard;
        shard.map_or(seeds.clone(), |shard| format!("{seeds}, shard {shard}"))
    }

    /// Why it ended before its last seed, in words.
    pub(super) fn why_stopped(&self) -> Option<&'static str> {
        Some(match self.stopped? {
            Stopped::Interrupted => "interrupted",
            Stopped::Failures => "stopped after as many failures as asked for",
            Stopped::Time => "its time was up",
        })
    }
}
