//! What many seeds find under one set of rules: which checks, how often, and where first.
//!
//! Invariant: it depends on the source and the seeds alone, not on the number of jobs.
//!
//! Next: `models.rs`.

use crate::fuzz::FuzzSource;
use crate::sweep::Seeds;
use crate::sweep::engine::{Order, Tried, run};
use ktrial_reports::sweep::{SeedRange, Standing};
use ktrial_sim::plan::Plan;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;

/// How to look.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    /// The seeds from the first to before the second.
    pub seeds: (u64, u64),
    /// Trials at a time.
    pub jobs: usize,
    /// End with the first trial that breaks a promise.
    pub first: bool,
    /// Set to give up.
    pub stop: &'a AtomicBool,
}

/// A check that found something which nothing permits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// In how many trials.
    pub trials: u64,
    /// The seed of the first.
    pub seed: u64,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Census {
    /// Trials that were run.
    pub trials: u64,
    /// Trials that broke a promise.
    pub broken: u64,
    /// By check.
    pub seen: BTreeMap<String, Seen>,
    /// The plans that broke a promise, in the order of their seeds, each with the checks that say so.
    pub plans: Vec<(Plan, BTreeSet<String>)>,
    /// It was told to stop before the last seed.
    pub stopped: bool,
}

impl Census {
    /// Tries the seeds.
    ///
    /// # Errors
    /// The simulator failed.
    pub fn of(source: &FuzzSource, watch: Watch<'_>) -> Result<Self, String> {
        let (from, to) = watch.seeds;
        let range = SeedRange { from, to: Some(to) };
        let order = Order {
            source,
            seeds: Seeds { range, shard: None },
            skip: 0,
            jobs: watch.jobs,
            deadline: None,
            stop: watch.stop,
        };
        let mut census = Self::default();
        let ended = run(&order, &mut |tried| {
            for one in tried {
                census.take(one)?;
            }
            Ok(!watch.first || census.broken == 0)
        })?;
        census.stopped = ended.is_some() && !(watch.first && census.broken > 0);
        Ok(census)
    }

    /// The seed of the first trial that broke a promise.
    pub fn first(&self) -> Option<u64> {
        self.plans.first().map(|(plan, _)| plan.seed)
    }

    fn take(&mut self, tried: Tried) -> Result<(), String> {
        let Tried { line, plan } = tried;
        self.trials += 1;
        if line.standing() == Standing::Error {
            return Err(format!("seed {}: {}", line.seed, line.summary));
        }
        let mut checks = BTreeSet::new();
        for found in line.findings.iter().filter(|found| !found.permitted) {
            checks.insert(found.check.clone());
            let new = Seen {
                trials: 0,
                seed: line.seed,
            };
            let seen = self.seen.entry(found.check.clone()).or_insert(new);
            seen.trials += 1;
        }
        if !checks.is_empty() {
            self.broken += 1;
            self.plans.extend(plan.map(|plan| (*plan, checks)));
        }
        Ok(())
    }
}
