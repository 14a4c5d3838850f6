//! In what two outcomes differ, each difference in a sentence, the most telling first.
//!
//! Rule: everything of an [`Outcome`] is compared. What the levels let pass is given as a set: with the
//! empty set nothing passes. Of one kind of thing only the first difference is told.
//! Invariants: the numbers in a sentence are those of the outcomes, also where renumbered ones were
//! compared.
//! Next: `state_words.rs`.

use super::level::{But, renumbered, without_repeats};
use super::outcome::{End, Outcome, Replica, State};
use super::{state_words, timing, words};
use ktrial_core::{BrokerId, TopicPartition};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What kind of thing differs, the most telling first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// What became of the promise.
    Verdict,
    /// Acknowledged values that are gone.
    Lost,
    /// Values that are in a log more than once.
    Duplicated,
    /// What of a log could not be read.
    Damage,
    /// Values and their offsets in the final logs.
    Logs,
    /// How sends ended.
    Sends,
    /// Leader epochs of records.
    Epochs,
    /// Leader epoch checkpoints.
    Checkpoints,
    /// What the controller wrote about a partition.
    States,
}

impl Kind {
    /// As a noun.
    pub fn name(self) -> &'static str {
        match self {
            Self::Verdict => "the verdict",
            Self::Lost => "lost values",
            Self::Duplicated => "duplicated values",
            Self::Damage => "damage of logs",
            Self::Logs => "final logs",
            Self::Sends => "ends of sends",
            Self::Epochs => "leader epochs of records",
            Self::Checkpoints => "leader epoch checkpoints",
            Self::States => "states of a partition",
        }
    }
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Of what kind.
    pub kind: Kind,
    /// In a sentence without its full stop.
    pub says: String,
}

/// Whether two replicas are the same in some respect.
type Same = fn(&Replica, &Replica) -> bool;
/// In what they differ: about whom, simulated, real.
type Says = fn(&Subject<'_>, &Replica, &Replica) -> String;

/// Two outcomes and what may differ between them.
struct Pair<'a> {
    /// As they are.
    simulated: &'a Outcome,
    real: &'a Outcome,
    /// As they are compared.
    left: Outcome,
    right: Outcome,
    but: &'a [But],
}

/// Every kind of difference, the most telling first.
pub(super) fn differences(simulated: &Outcome, real: &Outcome, but: &[But]) -> Vec<Difference> {
    let compared = |outcome: &Outcome| {
        let mut outcome = outcome.clone();
        if but.contains(&But::Load) {
            outcome = without_repeats(&outcome);
        }
        if but.contains(&But::Numbering) {
            outcome = renumbered(&outcome);
        }
        outcome
    };
    let pair = Pair {
        simulated,
        real,
        left: compared(simulated),
        right: compared(real),
        but,
    };
    let found = [
        (Kind::Verdict, pair.verdict()),
        (Kind::Lost, pair.set("lost", |it| &it.lost)),
        (
            Kind::Duplicated,
            pair.set("wrote twice", |it| &it.duplicated),
        ),
        (
            Kind::Damage,
            pair.replicas(|l, r| l.damage.is_some() == r.damage.is_some(), damage),
        ),
        (Kind::Logs, pair.replicas(same_values, logs)),
        (Kind::Sends, pair.sends()),
        (Kind::Epochs, pair.epochs()),
        (Kind::Checkpoints, pair.checkpoints()),
        (Kind::States, pair.states()),
    ];
    let found = found.into_iter();
    found
        .filter_map(|(kind, says)| says.map(|says| Difference { kind, says }))
        .collect()
}

impl Pair<'_> {
    fn lets(&self, but: But) -> bool {
        self.but.contains(&but)
    }

    fn place(&self) -> &str {
        &self.real.place
    }

    fn verdict(&self) -> Option<String> {
        let text = |outcome: &Outcome| {
            let class = ktrial_reports::class(outcome.verdict);
            if outcome.findings.is_empty() {
                class.to_owned()
            } else {
                format!("{class} ({})", words::list(&outcome.findings))
            }
        };
        let (simulated, real) = (&self.left, &self.right);
        (simulated.verdict != real.verdict).then(|| {
            format!(
                "the verdict is {} on {}, {} simulated",
                text(real),
                self.place(),
                text(simulated)
            )
        })
    }

    fn set(&self, verb: &str, of: fn(&Outcome) -> &BTreeSet<String>) -> Option<String> {
        let text = |set: &BTreeSet<String>| {
            let values: Vec<&String> = set.iter().collect();
            if values.is_empty() {
                "nothing".to_owned()
            } else {
                words::values(&values)
            }
        };
        let (simulated, real) = (of(self.simulated), of(self.real));
        (of(&self.left) != of(&self.right)).then(|| {
            format!(
                "{} {verb} {}, simulated {}",
                self.place(),
                text(real),
                text(simulated)
            )
        })
    }

    /// The first replica of which `same` does not hold, with all those that differ in the same way.
    fn replicas(&self, same: Same, says: Says) -> Option<String> {
        self.replicas_but(&BTreeSet::new(), same, says)
    }

    /// The same, without some partitions.
    fn replicas_but(
        &self,
        without: &BTreeSet<&TopicPartition>,
        same: Same,
        says: Says,
    ) -> Option<String> {
        let mut partitions: BTreeSet<&TopicPartition> = self
            .left
            .replicas
            .keys()
            .chain(self.right.replicas.keys())
            .collect();
        partitions.retain(|partition| !without.contains(partition));
        let mut partitions = partitions.into_iter();
        partitions.find_map(|partition| self.replicas_of(partition, same, says))
    }

    fn replicas_of(&self, partition: &TopicPartition, same: Same, says: Says) -> Option<String> {
        let none = BTreeMap::new();
        let of = |outcome| replicas_in(outcome, partition).unwrap_or(&none);
        let (left, right) = (of(&self.left), of(&self.right));
        let brokers: BTreeSet<BrokerId> = left.keys().chain(right.keys()).copied().collect();
        let empty = Replica::default();
        let differ = |broker: &BrokerId| {
            let replica =
                |map: &BTreeMap<BrokerId, Replica>| map.get(broker).cloned().unwrap_or_default();
            !same(&replica(left), &replica(right))
        };
        let first = brokers.iter().copied().find(differ)?;
        let (raw_left, raw_right) = (of(self.simulated), of(self.real));
        let alike = |broker: &BrokerId| {
            raw_left.get(broker) == raw_left.get(&first)
                && raw_right.get(broker) == raw_right.get(&first)
        };
        let brokers: Vec<BrokerId> = brokers.into_iter().filter(alike).collect();
        let subject = Subject {
            brokers: &brokers,
            partition,
            place: self.place(),
        };
        let (simulated, real) = (raw_left.get(&first), raw_right.get(&first));
        Some(match (simulated, real) {
            (None, _) => subject.alone(self.place()),
            (_, None) => subject.alone("the simulated side"),
            _ => says(
                &subject,
                simulated.unwrap_or(&empty),
                real.unwrap_or(&empty),
            ),
        })
    }

    fn sends(&self) -> Option<String> {
        let (left, right) = (&self.left.sends, &self.right.sends);
        let values: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
        let mut values = values.into_iter();
        values.find_map(|value| match (left.get(value), right.get(value)) {
            (Some(simulated), Some(real)) if self.same_end(*simulated, *real) => None,
            (Some(simulated), Some(real)) => Some(format!(
                "{value} {real} on {}, {simulated} simulated",
                self.place()
            )),
            (None, _) => Some(format!("{value} was sent on {} only", self.place())),
            (_, None) => Some(format!("{value} was sent in the simulation only")),
        })
    }

    fn same_end(&self, simulated: End, real: End) -> bool {
        let open = |end| matches!(end, End::Unknown | End::Pending | End::Acknowledged(None));
        let excused = self.lets(But::Acknowledgement) && (open(simulated) || open(real));
        simulated == real || excused
    }

    fn epochs(&self) -> Option<String> {
        // Of other values, other epochs are nothing new.
        let same = |l: &Replica, r: &Replica| same_epochs(l, r) || !same_values(l, r);
        self.replicas_but(&self.loaded(), same, epochs)
    }

    fn checkpoints(&self) -> Option<String> {
        self.replicas_but(
            &self.loaded(),
            |l, r| l.checkpoint == r.checkpoint,
            checkpoint,
        )
    }

    /// Partitions whose records are in other epochs because they were sent while the leader changed:
    /// the same values, the same leaders, and each side's checkpoints fit its records.
    fn loaded(&self) -> BTreeSet<&TopicPartition> {
        if !self.lets(But::Load) {
            return BTreeSet::new();
        }
        let both = self.left.replicas.iter();
        let both =
            both.filter_map(|(name, left)| Some((name, left, self.right.replicas.get(name)?)));
        both.filter(|(name, left, right)| {
            let pairs = || left.iter().map(|(broker, l)| (l, right.get(broker)));
            let fits = |(l, r): (&Replica, Option<&Replica>)| {
                r.is_some_and(|r| same_values(l, r) && l.is_consistent() && r.is_consistent())
            };
            let moved =
                |(l, r): (&Replica, Option<&Replica>)| r.is_some_and(|r| !same_epochs(l, r));
            left.len() == right.len()
                && pairs().all(fits)
                && pairs().any(moved)
                && self.states_of(name).is_none()
        })
        .map(|(name, _, _)| name)
        .collect()
    }

    fn states(&self) -> Option<String> {
        let names: BTreeSet<&TopicPartition> = self
            .left
            .states
            .keys()
            .chain(self.right.states.keys())
            .collect();
        names.into_iter().find_map(|name| self.states_of(name))
    }

    fn states_of(&self, partition: &TopicPartition) -> Option<String> {
        let of = |outcome| states_in(outcome, partition);
        let (left, right) = (of(&self.left), of(&self.right));
        let (l, r) = if self.lets(But::Timing) {
            timing::parting_but_for_timing(left, right)?
        } else {
            timing::parting(left, right)?
        };
        let (simulated, real) = (of(self.simulated), of(self.real));
        Some(state_words::sentence(
            partition,
            self.place(),
            (simulated, l),
            (real, r),
        ))
    }
}

fn replicas_in<'a>(
    outcome: &'a Outcome,
    partition: &TopicPartition,
) -> Option<&'a BTreeMap<BrokerId, Replica>> {
    outcome.replicas.get(partition)
}

fn states_in<'a>(outcome: &'a Outcome, partition: &TopicPartition) -> &'a [State] {
    outcome.states.get(partition).map_or(&[], Vec::as_slice)
}

fn same_values(left: &Replica, right: &Replica) -> bool {
    let of = |replica: &Replica| -> Vec<_> {
        let records = replica.records.iter();
        records
            .map(|record| (record.offset, record.value.clone()))
            .collect()
    };
    of(left) == of(right)
}

fn same_epochs(left: &Replica, right: &Replica) -> bool {
    let of = |replica: &Replica| -> Vec<_> { replica.records.iter().map(|it| it.epoch).collect() };
    of(left) == of(right)
}

/// Whose replica a sentence is about.
struct Subject<'a> {
    brokers: &'a [BrokerId],
    partition: &'a TopicPartition,
    place: &'a str,
}

impl Subject<'_> {
    /// `broker 1's log of orders-0`, `the logs of orders-0 on brokers 1, 2`, with the verb's ending.
    fn log(&self) -> (String, &'static str) {
        match self.brokers {
            [broker] => (format!("broker {broker}'s log of {}", self.partition), "s"),
            brokers => (
                format!(
                    "the logs of {} on {}",
                    self.partition,
                    words::of_brokers(brokers)
                ),
                "",
            ),
        }
    }

    fn alone(&self, has: &str) -> String {
        let (brokers, partition) = (words::of_brokers(self.brokers), self.partition);
        format!("only {has} has something of {partition} on {brokers}")
    }
}

fn damage(subject: &Subject<'_>, simulated: &Replica, real: &Replica) -> String {
    let text = |replica: &Replica| replica.damage.clone().unwrap_or_else(|| "sound".to_owned());
    let (log, _) = subject.log();
    format!(
        "on {}, of {log}: {}; simulated: {}",
        subject.place,
        text(real),
        text(simulated)
    )
}

fn logs(subject: &Subject<'_>, simulated: &Replica, real: &Replica) -> String {
    let (log, s) = subject.log();
    let (mut left, mut right) = (simulated.values(), real.values());
    let (mut left_text, mut right_text) = (words::values(&left), words::values(&right));
    if left == right {
        // The same values at other offsets.
        left_text = offsets(simulated);
        right_text = offsets(real);
    } else if left_text.contains("...") || right_text.contains("...") {
        // Too long to be shown: from where they part.
        let common = left.iter().zip(&right).take_while(|(l, r)| l == r).count();
        left.drain(..common);
        right.drain(..common);
        let from =
            |values: &[&str]| format!("{} after {common} common ones", words::values(values));
        (left_text, right_text) = (from(&left), from(&right));
    }
    format!(
        "{log} end{s} {right_text} on {}, {left_text} simulated",
        subject.place
    )
}

fn offsets(replica: &Replica) -> String {
    let records = replica.records.iter();
    let placed: Vec<String> = records
        .map(|it| format!("{} at {}", it.value, it.offset))
        .collect();
    words::values(&placed)
}

fn epochs(subject: &Subject<'_>, simulated: &Replica, real: &Replica) -> String {
    let pairs = simulated.records.iter().zip(&real.records);
    let first = pairs.into_iter().find(|(l, r)| l.epoch != r.epoch);
    let (log, _) = subject.log();
    let Some((left, right)) = first else {
        return format!("leader epochs differ in {log}");
    };
    let (value, place) = (&right.value, subject.place);
    format!(
        "{value} has leader epoch {} on {place}, {} simulated, in {log}",
        right.epoch, left.epoch
    )
}

fn checkpoint(subject: &Subject<'_>, simulated: &Replica, real: &Replica) -> String {
    let (brokers, partition) = (words::of_brokers(subject.brokers), subject.partition);
    let (left, right) = (words::checkpoint(simulated), words::checkpoint(real));
    let place = subject.place;
    format!(
        "the leader epoch checkpoint of {partition} on {brokers} is {right} on {place}, {left} simulated"
    )
}
