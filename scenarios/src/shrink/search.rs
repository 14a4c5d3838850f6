//! The search: the smallest plan so far, and trials of smaller ones.
//!
//! Rule: of several candidates the first that shows the goal is taken, in the order in which they are
//! offered. Others may be tried beside it, but what they show is not looked at. So the result does not
//! depend on the number of jobs.
//!
//! Invariants: the best plan shows the goal; each one is smaller than the one before.
//!
//! Next: `ddmin.rs`.

use super::goal::Goal;
use super::measure::Measure;
use super::{Options, Progress};
use ktrial_sim::history::Record;
use ktrial_sim::plan::Plan;
use ktrial_sim::verdict::Finding;
use ktrial_sim::{check, trial};
use std::collections::BTreeMap;
use std::thread;
use xxhash_rust::xxh3::xxh3_64;

/// A plan with what it has to show.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) plan: Plan,
    pub(super) goal: Goal,
}

/// The search.
pub(super) struct Search<'a> {
    options: &'a Options<'a>,
    progress: &'a mut dyn FnMut(&Progress<'_>),
    best: Candidate,
    measure: Measure,
    /// What trials have shown, by the hash of plan and goal.
    known: BTreeMap<u64, bool>,
    trials: u64,
    pass: &'static str,
}

impl<'a> Search<'a> {
    /// Begins with a plan that shows the goal.
    pub(super) fn new(
        first: Candidate,
        options: &'a Options<'a>,
        progress: &'a mut dyn FnMut(&Progress<'_>),
    ) -> Self {
        Self {
            options,
            progress,
            measure: Measure::of(&first.plan),
            best: first,
            known: BTreeMap::new(),
            trials: 1,
            pass: "",
        }
    }

    /// Begins a pass.
    pub(super) fn begin(&mut self, pass: &'static str) {
        self.pass = pass;
        self.tell();
    }

    /// The smallest plan so far.
    pub(super) fn plan(&self) -> &Plan {
        &self.best.plan
    }

    /// What it shows.
    pub(super) fn goal(&self) -> &Goal {
        &self.best.goal
    }

    /// Its measure.
    pub(super) fn measure(&self) -> Measure {
        self.measure
    }

    /// Its record.
    pub(super) fn record(&mut self) -> Option<Record> {
        self.trials += 1;
        trial::run(&self.best.plan).ok()
    }

    /// Ends the search: the best, and how many trials it took.
    pub(super) fn finish(self) -> (Candidate, u64) {
        (self.best, self.trials)
    }

    /// Nothing more is to be tried.
    pub(super) fn stopped(&self) -> bool {
        (self.options.stop)()
    }

    /// Tries one plan.
    pub(super) fn one(&mut self, plan: Plan) -> bool {
        self.first([plan]).is_some()
    }

    /// Tries plans until one is smaller and shows the goal; it is the best then. Tells its place.
    pub(super) fn first(&mut self, plans: impl IntoIterator<Item = Plan>) -> Option<usize> {
        let goal = self.best.goal.clone();
        let goal = move || goal.clone();
        self.first_of(
            plans
                .into_iter()
                .map(move |plan| Candidate { plan, goal: goal() }),
        )
    }

    /// As [`Self::first`], with another goal.
    pub(super) fn first_of(
        &mut self,
        candidates: impl IntoIterator<Item = Candidate>,
    ) -> Option<usize> {
        let mut candidates = candidates.into_iter().enumerate();
        let jobs = self.options.jobs.max(1);
        loop {
            let mut batch = Vec::new();
            while batch.len() < jobs {
                let Some((place, candidate)) = candidates.next() else {
                    break;
                };
                let measure = Measure::of(&candidate.plan);
                if measure >= self.measure {
                    continue;
                }
                let hash = hash(&candidate);
                match self.known.get(&hash) {
                    Some(false) => {}
                    _ => batch.push((place, hash, measure, candidate)),
                }
            }
            if batch.is_empty() || self.stopped() {
                return None;
            }
            if let Some(place) = self.batch(batch) {
                return Some(place);
            }
        }
    }

    fn batch(&mut self, batch: Vec<(usize, u64, Measure, Candidate)>) -> Option<usize> {
        let shown = shows(&batch);
        let mut first = None;
        for ((place, hash, measure, candidate), shown) in batch.into_iter().zip(shown) {
            self.trials += 1;
            self.known.insert(hash, shown);
            if shown && first.is_none() {
                first = Some(place);
                self.best = candidate;
                self.measure = measure;
            }
        }
        self.tell();
        first
    }

    fn tell(&mut self) {
        (self.progress)(&Progress {
            pass: self.pass,
            measure: self.measure,
            trials: self.trials,
            plan: &self.best.plan,
        });
    }
}

/// Tries each on a thread of its own.
fn shows(batch: &[(usize, u64, Measure, Candidate)]) -> Vec<bool> {
    if let [(_, _, _, only)] = batch {
        return vec![finding(only).is_some()];
    }
    thread::scope(|scope| {
        let tried: Vec<_> = batch
            .iter()
            .map(|(_, _, _, candidate)| scope.spawn(|| finding(candidate).is_some()))
            .collect();
        let joined = tried.into_iter().map(|one| one.join().unwrap_or(false));
        joined.collect()
    })
}

/// The finding that a candidate has to show, if it does. A plan that cannot be run shows nothing.
pub(super) fn finding(candidate: &Candidate) -> Option<Finding> {
    let record = trial::run(&candidate.plan).ok()?;
    let verdict = check::judge(&candidate.plan, &record);
    candidate.goal.shown_by(&verdict).cloned()
}

fn hash(candidate: &Candidate) -> u64 {
    let mut text = serde_json::to_vec(&candidate.plan).unwrap_or_default();
    text.extend(candidate.goal.to_string().into_bytes());
    xxh3_64(&text)
}
