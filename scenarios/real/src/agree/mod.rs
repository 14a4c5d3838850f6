//! Simulated and real outcomes of one plan, side by side: where the two differ, Kafka is right.
//!
//! | module | what it is |
//! |---|---|
//! | [`outcome`] | what a cell ended in, as data that both worlds have |
//! | [`level`], `timing` | in what outcomes may differ and be the same *but for* it |
//! | [`difference`], `state_words` | in what they differ, in sentences |
//! | [`reasons`] | known reasons for differences |
//! | [`table`] | scenarios' cells x targets: rows, JSON, merging |
//! | [`text`], [`markdown`] | the table for the terminal, and as a document |
//!
//! Rule: a real outcome agrees with the outcomes of the simulated seeds if it is among them.
//!
//! | level | the outcomes are equal |
//! |---|---|
//! | same | in everything: verdict, lost and duplicated values, sends, final logs with offsets and leader epochs, checkpoints, damage, every state that the controller wrote (ISRs as sets) |
//! | but for *numbering* | after the leader epochs of each partition are replaced by their rank among those that occur |
//! | but for *timing* | but that each partition's ISR changed, under each leader in each epoch, by the same moves in another order or in fewer or more steps; who led in which epochs, and the state at the begin and end of each, is the same (`timing.rs`) |
//! | but for *acknowledgement* | but that of some sends one side does not know the end (unknown, not ended, acknowledged without offset) |
//! | but for *load* | but that records have other leader epochs, because they were sent while the leader changed: values and offsets are the same, so is the sequence of leaders, and on each side the checkpoints say of each record its epoch; and but that a producer without idempotence wrote some twice, if that is all that the checks found |
//! | differs | at none of these levels, nor at several of them together |
//!
//! Of several levels at which it is equal, the one that lets pass the fewest things is told. Where an
//! outcome differs, it is held against the simulated outcome that it is nearest to, by what has a reason
//! rather than by what has none.
//! Simplified: *load* cannot see whether records really were sent while the leader changed; it asks for
//! records that are in another epoch, so a checkpoint alone that differs is a difference.
//! Start reading at [`outcome`].

pub mod difference;
pub mod level;
pub mod markdown;
pub mod outcome;
pub mod reasons;
mod state_words;
pub mod table;
pub mod text;
mod timing;
mod words;

#[cfg(test)]
mod tests;

pub use difference::{Difference, Kind};
pub use level::But;
pub use outcome::Outcome;
pub use table::{Row, Table};

use crate::kafka::Target;
use difference::differences;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;

/// How a real outcome stands to the simulated ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case", deny_unknown_fields)]
pub enum Agreement {
    /// It is one of them.
    Same {
        /// How many different ones there are.
        of: usize,
    },
    /// It is one of them but for these.
    SameBut {
        /// In what it differs.
        but: Vec<But>,
        /// How many different ones there are.
        of: usize,
    },
    /// It is none of them.
    Differs {
        /// The most telling difference from the nearest one.
        first: Difference,
        /// The others.
        others: Vec<Difference>,
        /// Why, as far as it is known: names of [`reasons::REASONS`].
        reasons: Vec<String>,
        /// Kinds of differences that no reason covers; empty = all of it is explained.
        unexplained: Vec<Kind>,
        /// How many different ones there are.
        of: usize,
    },
    /// A step has no real means.
    Unsupported {
        /// Which, in a sentence.
        step: String,
    },
    /// The rig failed.
    Failed {
        /// Why.
        why: String,
    },
    /// It was not tried.
    NotRun,
}

impl Agreement {
    /// Whether a difference is left without a reason.
    pub fn is_unexplained(&self) -> bool {
        matches!(self, Self::Differs { unexplained, .. } if !unexplained.is_empty())
    }

    /// How far from agreement it is: of several runs, the one that is farthest counts.
    fn distance(&self) -> (u8, usize) {
        match self {
            Self::Same { .. } => (0, 0),
            Self::SameBut { but, .. } => (1, but.len()),
            Self::NotRun => (2, 0),
            Self::Unsupported { .. } => (3, 0),
            Self::Differs { others, .. } => (4 + u8::from(self.is_unexplained()), others.len()),
            Self::Failed { .. } => (6, 0),
        }
    }
}

/// Real runs held against simulated outcomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// How they stand to each other.
    pub agreement: Agreement,
    /// Which of the simulated outcomes it is about.
    pub simulated: usize,
    /// Which of the real runs.
    pub real: usize,
}

/// Holds one real outcome against the simulated ones, of which the first is that of the seed asked for.
/// Differences have no reasons yet.
pub fn compare(simulated: &[Outcome], real: &Outcome) -> Agreement {
    nearest(None, simulated, real).0
}

/// Holds every real run of a plan against its simulated outcomes, and gives the reasons for what differs
/// on this target. The run that is farthest from agreement counts; `None` = there is no run.
pub fn agree(target: &Target, simulated: &[Outcome], real: &[Outcome]) -> Option<Judged> {
    let runs = real.iter().enumerate().map(|(number, real)| {
        let (agreement, simulated) = nearest(Some(target), simulated, real);
        Judged {
            agreement,
            simulated,
            real: number,
        }
    });
    // The first of those that are equally far, so that the same runs give the same row.
    runs.rev().max_by_key(|judged| judged.agreement.distance())
}

/// The agreement, and which simulated outcome it is about: one that differs in nothing but what has a
/// reason on this target is nearer than any other. Without a target nothing has one.
fn nearest(target: Option<&Target>, simulated: &[Outcome], real: &Outcome) -> (Agreement, usize) {
    let distinct = distinct(simulated);
    let of = distinct.len();
    for but in level::sets() {
        let mut outcomes = distinct.iter();
        if let Some((index, _)) = outcomes.find(|(_, it)| differences(it, real, &but).is_empty()) {
            let same = but.is_empty();
            let agreement = if same {
                Agreement::Same { of }
            } else {
                Agreement::SameBut { but, of }
            };
            return (agreement, *index);
        }
    }
    let told = distinct.iter().map(|(index, outcome)| {
        let found = told(outcome, real);
        let differences: Vec<&Difference> = found.iter().collect();
        let (reasons, unexplained) = match target {
            Some(target) => reasons::explain(target, outcome, real, &differences),
            None => (Vec::new(), found.iter().map(|it| it.kind).collect()),
        };
        (*index, found, reasons, unexplained)
    });
    // The less telling the first difference, and the fewer, the nearer.
    let nearest = told.min_by_key(|(_, found, _, unexplained)| {
        let first = found.first().map(|difference| difference.kind);
        (!unexplained.is_empty(), Reverse(first), found.len())
    });
    let Some((index, found, reasons, unexplained)) = nearest else {
        let why = "no simulated outcome to hold it against".to_owned();
        return (Agreement::Failed { why }, 0);
    };
    let mut found = found.into_iter();
    let agreement = match found.next() {
        Some(first) => Agreement::Differs {
            first,
            others: found.collect(),
            reasons,
            unexplained,
            of,
        },
        // Cannot be: what all levels together let pass was found above.
        None => Agreement::SameBut {
            but: But::ALL.into(),
            of,
        },
    };
    (agreement, index)
}

/// What is left when all levels let pass what they can. An epoch that is there on one side only gives
/// other numbers to all that follow: then nothing is renumbered.
fn told(simulated: &Outcome, real: &Outcome) -> Vec<Difference> {
    let but = But::ALL.into_iter();
    let but: Vec<But> = but.filter(|but| *but != But::Numbering).collect();
    let as_they_are = differences(simulated, real, &but);
    let renumbered = differences(simulated, real, &But::ALL);
    if renumbered.len() < as_they_are.len() {
        renumbered
    } else {
        as_they_are
    }
}

/// The simulated outcomes without those that are equal to an earlier one, each with its index.
fn distinct(simulated: &[Outcome]) -> Vec<(usize, &Outcome)> {
    let mut distinct: Vec<(usize, &Outcome)> = Vec::new();
    for (index, outcome) in simulated.iter().enumerate() {
        if !distinct
            .iter()
            .any(|(_, other)| differences(other, outcome, &[]).is_empty())
        {
            distinct.push((index, outcome));
        }
    }
    distinct
}
