//! What a cell was expected to end in, held against its verdict.

use ktrial_core::{BrokerId, TopicPartition};
use ktrial_sim::plan::Plan;
use ktrial_sim::verdict::{Class, Verdict};
use std::collections::{BTreeMap, BTreeSet};

/// What is expected of the cells that it is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expect {
    /// Settings of the cells that it is about; empty = all cells of the file.
    pub when: BTreeMap<String, String>,
    /// How the verdict ends; `None` = neither broken nor inconclusive.
    pub verdict: Option<Class>,
    /// Exactly these acknowledged values are lost.
    pub lost: Option<BTreeSet<String>>,
    /// Exactly these values are in a log more than once.
    pub duplicated: Option<BTreeSet<String>>,
    /// The final log of every replica of these partitions.
    pub logs: BTreeMap<TopicPartition, Vec<String>>,
    /// A time without leader was spent waiting for exactly these brokers; empty = there was none.
    pub unavailable_waiting_for: Option<BTreeSet<BrokerId>>,
    /// The names of the checks that found something, permitted or not.
    pub findings: Option<BTreeSet<String>>,
}

impl Expect {
    /// Whether it is about a cell. `overridden` are settings of the cell that are not the file's: an
    /// expectation that does not name them was written for another configuration.
    pub fn is_about(&self, cell: &BTreeMap<String, String>, overridden: &BTreeSet<String>) -> bool {
        let named = overridden.iter().all(|key| self.when.contains_key(key));
        let fits = self
            .when
            .iter()
            .all(|(key, value)| cell.get(key) == Some(value));
        named && fits
    }

    /// What was not as expected, in words.
    pub fn unmet(&self, verdict: &Verdict) -> Vec<String> {
        let mut unmet = Vec::new();
        match self.verdict {
            Some(expected) => differ(
                &mut unmet,
                "verdict",
                class_name(expected),
                class_name(verdict.verdict),
            ),
            None => unmet.extend(not_bad(verdict)),
        }
        let lost = verdict.lost.iter().map(|lost| lost.value.clone());
        set(&mut unmet, "lost", self.lost.as_ref(), lost);
        let twice = verdict.duplicated.iter().map(|twice| twice.value.clone());
        set(&mut unmet, "duplicated", self.duplicated.as_ref(), twice);
        let findings = verdict.findings.iter().map(|found| found.check.clone());
        set(&mut unmet, "findings", self.findings.as_ref(), findings);
        self.unmet_logs(verdict, &mut unmet);
        self.unmet_waiting(verdict, &mut unmet);
        unmet
    }

    fn unmet_logs(&self, verdict: &Verdict, unmet: &mut Vec<String>) {
        for (partition, expected) in &self.logs {
            let Some(logs) = verdict.logs.get(partition) else {
                unmet.push(format!("logs of {partition}: there are none"));
                continue;
            };
            for (broker, records) in logs {
                let values: Vec<String> = records.iter().map(|r| r.value.clone()).collect();
                let what = format!("log of {partition} on broker {broker}");
                differ(unmet, &what, &show(expected), &show(&values));
            }
        }
    }

    fn unmet_waiting(&self, verdict: &Verdict, unmet: &mut Vec<String>) {
        let Some(expected) = &self.unavailable_waiting_for else {
            return;
        };
        let waited: Vec<BTreeSet<BrokerId>> = verdict
            .unavailable
            .iter()
            .map(|outage| outage.waiting_for.iter().copied().collect())
            .collect();
        let met = if expected.is_empty() {
            waited.is_empty()
        } else {
            waited.contains(expected)
        };
        if !met {
            let all: Vec<String> = waited.iter().map(show).collect();
            let was = if all.is_empty() {
                "no partition was without leader".to_owned()
            } else {
                all.join(" and ")
            };
            differ(unmet, "unavailable_waiting_for", &show(expected), &was);
        }
    }
}

/// What was not as expected of a cell: its expectations, or that nothing bad happened if it has none.
pub fn unmet(
    expects: &[Expect],
    overridden: &BTreeSet<String>,
    plan: &Plan,
    verdict: &Verdict,
) -> Vec<String> {
    let about = |expect: &&Expect| expect.is_about(&plan.cell, overridden);
    let mut about = expects.iter().filter(about).peekable();
    if about.peek().is_none() {
        return not_bad(verdict).into_iter().collect();
    }
    about.flat_map(|expect| expect.unmet(verdict)).collect()
}

fn not_bad(verdict: &Verdict) -> Option<String> {
    let bad = matches!(verdict.verdict, Class::Broken | Class::Inconclusive);
    bad.then(|| {
        format!(
            "verdict: expected neither broken nor inconclusive, got {}: {}",
            class_name(verdict.verdict),
            verdict.summary
        )
    })
}

fn set(
    unmet: &mut Vec<String>,
    what: &str,
    expected: Option<&BTreeSet<String>>,
    got: impl Iterator<Item = String>,
) {
    if let Some(expected) = expected {
        let got: BTreeSet<String> = got.collect();
        differ(unmet, what, &show(expected), &show(&got));
    }
}

fn differ(unmet: &mut Vec<String>, what: &str, expected: &str, got: &str) {
    if expected != got {
        unmet.push(format!("{what}: expected {expected}, got {got}"));
    }
}

fn show<'v, T: std::fmt::Display + 'v>(values: impl IntoIterator<Item = &'v T>) -> String {
    let texts: Vec<String> = values.into_iter().map(T::to_string).collect();
    format!("[{}]", texts.join(", "))
}

/// How a verdict's class is called in files.
pub fn class_name(class: Class) -> &'static str {
    match class {
        Class::Kept => "kept",
        Class::Permitted => "permitted",
        Class::Unavailable => "unavailable",
        Class::Inconclusive => "inconclusive",
        Class::Broken => "broken",
    }
}

/// All classes.
pub const CLASSES: [Class; 5] = [
    Class::Kept,
    Class::Permitted,
    Class::Unavailable,
    Class::Inconclusive,
    Class::Broken,
];

#[cfg(test)]
mod tests {
    use super::*;

    /// A verdict with one lost record and one outage.
    fn verdict(class: &str) -> Verdict {
        let json = serde_json::json!({
            "settings": {}, "verdict": class, "summary": "so it is",
            "promise": {"no_loss": false, "no_duplicates": false, "because": []},
            "acknowledged": 2, "unknown": 0, "failed": 0,
            "lost": [{"topic": "orders", "partition": 0, "offset": 1, "value": "B",
                      "why": "", "chain": [], "permitted": true}],
            "duplicated": [],
            "unavailable": [{"topic": "orders", "partition": 0, "from_ms": 1, "to_ms": 2,
                             "waiting_for": [1, 2], "why": ""}],
            "logs": {"orders-0": {"1": [{"offset": 0, "epoch": 0, "value": "A"}], "2": []}},
            "leader_epochs": {}, "findings": [], "events": 1, "simulated_ms": 1, "digest": "",
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn what_is_left_out_is_not_looked_at() {
        assert_eq!(Expect::default().unmet(&verdict("permitted")), [""; 0]);
        assert_eq!(
            Expect::default().unmet(&verdict("broken")),
            ["verdict: expected neither broken nor inconclusive, got broken: so it is"]
        );
    }

    #[test]
    fn every_difference_is_told() {
        let expect = Expect {
            verdict: Some(Class::Kept),
            lost: Some(BTreeSet::new()),
            duplicated: Some(BTreeSet::new()),
            logs: BTreeMap::from([(TopicPartition::new("orders", 0), vec!["A".to_owned()])]),
            unavailable_waiting_for: Some(BTreeSet::from([BrokerId(1)])),
            findings: Some(BTreeSet::from(["lost_write".to_owned()])),
            ..Expect::default()
        };
        assert_eq!(
            expect.unmet(&verdict("permitted")),
            [
                "verdict: expected kept, got permitted",
                "lost: expected [], got [B]",
                "findings: expected [lost_write], got []",
                "log of orders-0 on broker 2: expected [A], got []",
                "unavailable_waiting_for: expected [1], got [1, 2]",
            ]
        );
    }
}
