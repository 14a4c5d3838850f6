//! What releases break, as two tables in Markdown: by release, and by what mends it.
//!
//! Next: `../cli/generations.rs`.

use super::cause::{QUORUM, Set};
use super::releases::{Explained, Release};
use ktrial_core::rules::{SWITCHES, TRUNCATION};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// Both tables.
pub fn page(rows: &[Release]) -> String {
    format!("{}\n{}", by_release(rows), by_cause(rows))
}

fn by_release(rows: &[Release]) -> String {
    let mut text =
        "| release | metadata in | trials | broken | found by | mended by |\n|---|---|---|---|---|---|\n"
            .to_owned();
    for row in rows {
        let census = &row.census;
        let seen = census.seen.iter();
        let seen = seen.map(|(check, seen)| format!("`{check}` {}", seen.trials));
        let mut causes: Vec<(&Set, &Explained)> = row.causes.iter().collect();
        causes.sort_by_key(|(_, one)| (std::cmp::Reverse(one.trials), one.seed));
        let causes = causes.into_iter();
        let causes =
            causes.map(|(set, one)| format!("{} {} ({})", names(set), one.trials, one.seed));
        let mut causes: Vec<String> = causes.collect();
        if !row.unexplained.is_empty() {
            causes.push(format!("**nothing**: seeds {:?}", row.unexplained));
        }
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} |",
            row.release,
            if row.zookeeper { "ZooKeeper" } else { "quorum" },
            census.trials,
            census.broken,
            or_none(&seen.collect::<Vec<_>>()),
            or_none(&causes),
        );
    }
    text
}

/// What one set of switches mends, in all releases together.
#[derive(Default)]
struct Total<'a> {
    trials: u64,
    releases: Vec<&'a str>,
    checks: BTreeSet<&'a str>,
    first: u64,
}

fn by_cause(rows: &[Release]) -> String {
    let mut totals: BTreeMap<&Set, Total<'_>> = BTreeMap::new();
    for row in rows {
        for (set, one) in &row.causes {
            let total = totals.entry(set).or_default();
            if total.releases.is_empty() {
                total.first = one.seed;
            }
            total.trials += one.trials;
            total.releases.push(&row.release);
            total.checks.extend(one.checks.iter().map(String::as_str));
        }
    }
    let mut totals: Vec<(&Set, Total<'_>)> = totals.into_iter().collect();
    totals.sort_by_key(|(_, total)| std::cmp::Reverse(total.trials));
    let mut text =
        "| mended by | since | trials | releases | first | found by |\n|---|---|---|---|---|---|\n"
            .to_owned();
    for (set, total) in totals {
        let (Some(oldest), Some(newest)) = (total.releases.first(), total.releases.last()) else {
            continue;
        };
        let checks: Vec<String> = total
            .checks
            .iter()
            .map(|check| format!("`{check}`"))
            .collect();
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} to {} | {} | {} |",
            names(set),
            sources(set),
            total.trials,
            oldest,
            newest,
            total.first,
            or_none(&checks),
        );
    }
    text
}

fn names(set: &Set) -> String {
    let names: Vec<String> = set.iter().map(|key| format!("`{key}`")).collect();
    names.join(" + ")
}

/// Since when, and by which KIP or issue.
fn sources(set: &Set) -> String {
    let switches = set.iter().filter_map(|key| {
        let mut all = SWITCHES.iter().chain([&TRUNCATION, &QUORUM]);
        all.find(|switch| switch.key == *key)
    });
    let sources: Vec<String> = switches
        .map(|switch| format!("{} ({})", switch.since, switch.source))
        .collect();
    sources.join("; ")
}

fn or_none(parts: &[String]) -> String {
    if parts.is_empty() {
        "-".to_owned()
    } else {
        parts.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generations::{Census, Seen};

    #[test]
    fn a_finding_is_told_by_release_and_by_what_mends_it() {
        let row = |release: &str, unexplained: &[u64]| Release {
            release: release.to_owned(),
            zookeeper: release == "3.9",
            census: Census {
                trials: 10,
                broken: 3,
                seen: BTreeMap::from([("lost_write".to_owned(), Seen { trials: 3, seed: 4 })]),
                ..Census::default()
            },
            causes: BTreeMap::from([(
                Set::from(["elr"]),
                Explained {
                    trials: 2,
                    seed: 4,
                    checks: BTreeSet::from(["lost_write".to_owned()]),
                },
            )]),
            unexplained: unexplained.to_vec(),
        };
        let page = page(&[row("3.9", &[7]), row("4.0", &[])]);
        let told = [
            "| 3.9 | ZooKeeper | 10 | 3 | `lost_write` 3 | `elr` 2 (4), **nothing**: seeds [7] |",
            "| `elr` | 4.1 (KIP-966) | 4 | 3.9 to 4.0 | 4 | `lost_write` |",
        ];
        for line in told {
            assert!(page.contains(line), "{line}\n{page}");
        }
    }
}
