//! Every release that brought a rule, under the same random plans.
//!
//! Next: `cause.rs`.

use super::cause::cause;
use super::census::{Census, Watch};
use crate::compile::Override;
use crate::fuzz::{FuzzSource, Profile};
use ktrial_core::Rules;
use ktrial_core::rules::{NEWEST, SWITCHES, TRUNCATION};
use std::collections::{BTreeMap, BTreeSet};

/// Older than every rule.
const OLDEST: &str = "0.8";

/// What came of one release.
#[derive(Debug)]
pub struct Release {
    /// Its number.
    pub release: String,
    /// What was found.
    pub census: Census,
    /// By what takes a finding away (switches of later releases): in how many trials, and the first seed.
    pub causes: BTreeMap<BTreeSet<&'static str>, (u64, u64)>,
    /// Seeds of trials that the newest rules break too.
    pub unexplained: Vec<u64>,
}

/// Every release at which a rule changed, the oldest first.
pub fn all() -> Vec<String> {
    let since = SWITCHES.iter().map(|switch| switch.since);
    let since = since.chain(TRUNCATION.since.split(", "));
    let mut all: Vec<&str> = since.chain([OLDEST, NEWEST]).collect();
    let number = |text: &str| -> Vec<u32> {
        let parts = text.split('.').map(|part| part.parse().unwrap_or(0));
        parts.collect()
    };
    all.sort_by_key(|text| number(text));
    all.dedup();
    all.into_iter().map(str::to_owned).collect()
}

/// Tries these releases one after the other. `progress` is called with each as it ends.
///
/// # Errors
/// There is no such release, or the simulator failed.
pub fn releases(
    profile: Profile,
    names: &[String],
    watch: Watch<'_>,
    progress: &mut dyn FnMut(&Release),
) -> Result<Vec<Release>, String> {
    let mut rows = Vec::new();
    for name in names {
        let set = Override {
            key: "kafka.release".to_owned(),
            value: name.clone(),
        };
        let source = FuzzSource::new(profile, &[set])?;
        let mut row = Release {
            release: name.clone(),
            census: Census::of(&source, watch)?,
            causes: BTreeMap::new(),
            unexplained: Vec::new(),
        };
        explain(&mut row)?;
        progress(&row);
        rows.push(row);
    }
    Ok(rows)
}

fn explain(row: &mut Release) -> Result<(), String> {
    for plan in &row.census.plans {
        match cause(plan, Rules::default())? {
            None => row.unexplained.push(plan.seed),
            Some(switches) => {
                let counted = row.causes.entry(switches).or_insert((0, plan.seed));
                counted.0 += 1;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

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
