//! What differs in the end: the verdicts, field by field, in words.
//!
//! Next: `seeds.rs`.

use crate::expect::class_name;
use ktrial_core::{BrokerId, TopicPartition};
use ktrial_sim::history::FinalRecord;
use ktrial_sim::verdict::Verdict;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

/// So many things are listed; of more only the first ones and their number.
const LISTED: usize = 8;

/// Something that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EndDifference {
    /// What.
    pub what: String,
    /// In the first trial.
    pub a: String,
    /// In the second one.
    pub b: String,
}

/// What differs between two verdicts.
pub fn ends(a: &Verdict, b: &Verdict) -> Vec<EndDifference> {
    let mut found = Found(Vec::new());
    let each = |told: fn(&Verdict) -> String| [told(a), told(b)];
    found.add("verdict", each(|v| class_name(v.verdict).to_owned()));
    found.add("acknowledged", each(|v| v.acknowledged.to_string()));
    found.add("failed", each(|v| v.failed.to_string()));
    found.add("unknown", each(|v| v.unknown.to_string()));
    found.add(
        "lost",
        each(|v| list(v.lost.iter().map(|lost| &lost.value))),
    );
    found.add(
        "duplicated",
        each(|v| list(v.duplicated.iter().map(|duplicated| &duplicated.value))),
    );
    found.add("findings", each(findings));
    found.add("times without a leader", each(outages));
    replicas(&mut found, "log", [&a.logs, &b.logs], |records| {
        log(records)
    });
    let epochs = [&a.leader_epochs, &b.leader_epochs];
    replicas(&mut found, "leader epochs", epochs, |epochs| {
        let told = epochs
            .iter()
            .map(|(epoch, start)| format!("{epoch} from {start}"));
        list(told)
    });
    found.add("simulated time", each(|v| format!("{} ms", v.simulated_ms)));
    found.add("entries", each(|v| v.events.to_string()));
    found.0
}

struct Found(Vec<EndDifference>);

impl Found {
    fn add(&mut self, what: impl Into<String>, [a, b]: [String; 2]) {
        if a != b {
            let what = what.into();
            self.0.push(EndDifference { what, a, b });
        }
    }
}

type ByReplica<T> = BTreeMap<TopicPartition, BTreeMap<BrokerId, T>>;

/// What each replica has, where it differs.
fn replicas<T>(found: &mut Found, what: &str, of: [&ByReplica<T>; 2], told: impl Fn(&T) -> String) {
    let all = of.iter().flat_map(|logs| {
        let partitions = logs.iter();
        partitions.flat_map(|(partition, brokers)| brokers.keys().map(move |id| (partition, *id)))
    });
    for (partition, broker) in all.collect::<BTreeSet<_>>() {
        let one = |logs: &ByReplica<T>| {
            let replica = logs.get(partition).and_then(|brokers| brokers.get(&broker));
            replica.map_or_else(|| "none".to_owned(), &told)
        };
        found.add(format!("{what} of {partition} on {broker}"), of.map(one));
    }
}

fn log(records: &[FinalRecord]) -> String {
    if records.is_empty() {
        return "empty".to_owned();
    }
    let told = records
        .iter()
        .map(|r| format!("{}:{}@{}", r.offset, r.value, r.epoch));
    list(told)
}

fn findings(verdict: &Verdict) -> String {
    let names: BTreeSet<&str> = verdict.findings.iter().map(|f| f.check.as_str()).collect();
    list(names)
}

fn outages(verdict: &Verdict) -> String {
    if verdict.unavailable.is_empty() {
        return "none".to_owned();
    }
    let forever = verdict
        .unavailable
        .iter()
        .any(|outage| outage.to_ms.is_none());
    let end = if forever { ", one to the end" } else { "" };
    let times = verdict.unavailable.len();
    format!("{times}, {} ms in all{end}", outage_ms(verdict))
}

/// All times in which a partition had no leader, together.
pub(super) fn outage_ms(verdict: &Verdict) -> u64 {
    let outages = verdict.unavailable.iter();
    let each = outages.map(|outage| {
        let to = outage.to_ms.unwrap_or(verdict.simulated_ms);
        to.saturating_sub(outage.from_ms)
    });
    each.sum()
}

fn list<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    match items.len() {
        0 => "none".to_owned(),
        count if count > LISTED => {
            format!("{}, ... ({count} in all)", items[..LISTED].join(", "))
        }
        _ => items.join(", "),
    }
}
