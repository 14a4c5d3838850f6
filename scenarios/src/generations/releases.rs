//! Every release that brought a rule, under the same random plans.
//!
//! Next: `cause.rs`, `page.rs`.

use super::cause::{Set, cause};
use super::census::{Census, Watch};
use crate::compile::Override;
use crate::fuzz::{FuzzSource, Profile};
use ktrial_core::Rules;
use ktrial_core::rules::{NEWEST, SWITCHES, TRUNCATION};
use std::collections::{BTreeMap, BTreeSet};

/// Older than every rule.
const OLDEST: &str = "0.8";
/// The first release in which the metadata quorum was called ready for production. What is older is tried
/// with ZooKeeper, as its clusters were.
const QUORUM: &str = "3.3";
/// Servers of the ensemble.
const SERVERS: &str = "3";

/// What came of one release.
#[derive(Debug)]
pub struct Release {
    /// Its number.
    pub release: String,
    /// Whether it was tried with ZooKeeper.
    pub zookeeper: bool,
    /// What was found.
    pub census: Census,
    /// By what takes the findings of a trial away (switches of later releases).
    pub causes: BTreeMap<Set, Explained>,
    /// Seeds of trials that the newest rules break too.
    pub unexplained: Vec<u64>,
}

/// The trials whose findings one set of switches takes away.
#[derive(Clone, Debug, Default)]
pub struct Explained {
    /// How many.
    pub trials: u64,
    /// The seed of the first.
    pub seed: u64,
    /// What found them.
    pub checks: BTreeSet<String>,
}

/// Every release at which a rule changed, the oldest first.
pub fn all() -> Vec<String> {
    let since = SWITCHES.iter().map(|switch| switch.since);
    let since = since.chain(TRUNCATION.since.split(", "));
    let mut all: Vec<&str> = since.chain([OLDEST, NEWEST]).collect();
    all.sort_by_key(|text| number(text));
    all.dedup();
    all.into_iter().map(str::to_owned).collect()
}

fn number(release: &str) -> Vec<u32> {
    let parts = release.split('.');
    parts.map(|part| part.parse().unwrap_or(0)).collect()
}

/// What makes random plans those of a release.
fn settings(release: &str, zookeeper: bool) -> Vec<Override> {
    let setting = |key: &str, value: &str| Override {
        key: key.to_owned(),
        value: value.to_owned(),
    };
    let mut all = vec![setting("kafka.release", release)];
    if zookeeper {
        all.push(setting("zookeeper.servers", SERVERS));
    }
    all
}

/// Tries these releases one after the other, then explains what each broke: in a first pass it learns what
/// the causes are, in a second it takes for each trial the most frequent one that mends it. `progress` is
/// called with each release as it is explained. `zookeeper` = all of them with ZooKeeper, not only those of
/// its time.
///
/// # Errors
/// There is no such release, or the simulator failed.
pub fn releases(
    profile: Profile,
    (names, zookeeper): (&[String], bool),
    watch: Watch<'_>,
    progress: &mut dyn FnMut(&Release),
) -> Result<Vec<Release>, String> {
    let mut rows = Vec::new();
    let mut known = Known::new();
    for name in names {
        let zookeeper = zookeeper || number(name) < number(QUORUM);
        let source = FuzzSource::new(profile, &settings(name, zookeeper))?;
        let census = Census::of(&source, watch)?;
        for (plan, checks) in &census.plans {
            if let Some(set) = cause(plan, Rules::default(), &candidates(&known, checks))? {
                for check in checks {
                    *known.entry((set.clone(), check.clone())).or_default() += 1;
                }
            }
        }
        rows.push(Release {
            release: name.clone(),
            zookeeper,
            census,
            causes: BTreeMap::new(),
            unexplained: Vec::new(),
        });
    }
    for row in &mut rows {
        explain(row, &known)?;
        progress(row);
    }
    Ok(rows)
}

/// In how many trials of all releases each set took away what a check had found.
type Known = BTreeMap<(Set, String), u64>;

fn explain(row: &mut Release, known: &Known) -> Result<(), String> {
    for (plan, checks) in &row.census.plans {
        let Some(set) = cause(plan, Rules::default(), &candidates(known, checks))? else {
            row.unexplained.push(plan.seed);
            continue;
        };
        let explained = row.causes.entry(set).or_insert_with(|| Explained {
            seed: plan.seed,
            ..Explained::default()
        });
        explained.trials += 1;
        explained.checks.extend(checks.iter().cloned());
    }
    Ok(())
}

/// What took away findings of the same checks, the most frequent first.
fn candidates(known: &Known, checks: &BTreeSet<String>) -> Vec<Set> {
    let mut sets: BTreeMap<&Set, u64> = BTreeMap::new();
    for ((set, check), trials) in known {
        if checks.contains(check) {
            *sets.entry(set).or_default() += trials;
        }
    }
    let mut sets: Vec<(&Set, u64)> = sets.into_iter().collect();
    sets.sort_by_key(|(_, trials)| std::cmp::Reverse(*trials));
    sets.into_iter().map(|(set, _)| set.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_before_the_quorum_has_zookeeper() {
        let old = |release| number(release) < number(QUORUM);
        assert!(old("0.8") && old("2.8.1") && old("3.2"));
        assert!(!old("3.3") && !old("3.3.2") && !old("3.10"));
    }

    #[test]
    fn every_release_that_brought_a_rule_is_there_once() {
        let all = all();
        assert_eq!(all.first().map(String::as_str), Some(OLDEST));
        assert_eq!(all.last().map(String::as_str), Some(NEWEST));
        for switch in SWITCHES {
            let times = all.iter().filter(|release| *release == switch.since);
            assert_eq!(times.count(), 1, "{}", switch.since);
        }
    }
}
