//! Many pairs of trials: how often each pair of verdicts came, and what differs on average.
//!
//! Rule: pairs differ in the setting and share the seed, so a difference within a pair is the setting's
//! doing, and the mean difference needs far fewer seeds than two means that are compared.
//!
//! Next: `../cli/compare.rs`.

use super::ends::outage_ms;
use ktrial_sim::verdict::{Class, Verdict};
use serde::Serialize;

/// What many pairs come to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pairs {
    /// How many there were.
    pub pairs: u64,
    /// Each pair of verdicts that came, in order.
    pub verdicts: Vec<VerdictPair>,
    /// Averages.
    pub figures: Vec<Figure>,
}

/// A pair of verdicts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VerdictPair {
    /// Of the first trial.
    pub a: Class,
    /// Of the second one.
    pub b: Class,
    /// How often it came.
    pub count: u64,
    /// The first seed with it.
    pub first_seed: u64,
}

/// Something that was counted in each trial.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// What.
    pub what: &'static str,
    /// On average in the first trials.
    pub a: f64,
    /// On average in the second ones.
    pub b: f64,
    /// How much more in the second ones.
    pub difference: f64,
    /// In how many pairs it differs.
    pub differs: u64,
}

/// Counts something in a verdict.
type Count = fn(&Verdict) -> u64;

/// What is counted.
const FIGURES: [(&str, Count); 8] = [
    ("acknowledged", |v| v.acknowledged),
    ("failed", |v| v.failed),
    ("unknown", |v| v.unknown),
    ("lost", |v| count(v.lost.len())),
    ("duplicated", |v| count(v.duplicated.len())),
    ("ms without a leader", outage_ms),
    ("simulated ms", |v| v.simulated_ms),
    ("entries", |v| v.events),
];

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// Takes pairs of verdicts, each with its seed, in the order of the seeds.
pub fn tally<'v>(pairs: impl IntoIterator<Item = (u64, &'v Verdict, &'v Verdict)>) -> Pairs {
    let pairs: Vec<_> = pairs.into_iter().collect();
    let mut verdicts: Vec<VerdictPair> = Vec::new();
    for (seed, a, b) in &pairs {
        let (a, b) = (a.verdict, b.verdict);
        match verdicts.iter_mut().find(|pair| (pair.a, pair.b) == (a, b)) {
            Some(pair) => pair.count += 1,
            None => verdicts.push(VerdictPair {
                a,
                b,
                count: 1,
                first_seed: *seed,
            }),
        }
    }
    verdicts.sort_by_key(|pair| (pair.a, pair.b));
    let figures = FIGURES.iter().map(|(what, figure)| {
        let of = |pick: fn(&(u64, &'v Verdict, &'v Verdict)) -> &'v Verdict| {
            mean(pairs.iter().map(|pair| figure(pick(pair))))
        };
        let (a, b) = (of(|pair| pair.1), of(|pair| pair.2));
        let differs = pairs.iter().filter(|(_, a, b)| figure(a) != figure(b));
        Figure {
            what,
            a,
            b,
            difference: b - a,
            differs: count(differs.count()),
        }
    });
    Pairs {
        pairs: count(pairs.len()),
        figures: figures.collect(),
        verdicts,
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "averages are for people; none has sixteen digits"
)]
fn mean(figures: impl Iterator<Item = u64>) -> f64 {
    let figures: Vec<u64> = figures.collect();
    let sum: u64 = figures.iter().sum();
    sum as f64 / figures.len().max(1) as f64
}
