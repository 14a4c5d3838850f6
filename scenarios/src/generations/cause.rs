//! Which later rules take away what a plan breaks.
//!
//! Rule: all switches are set to what they are in the later rules. If the plan still breaks a promise, the
//! rules are not the cause. Else switches are set back, those of the newest releases first, as long as
//! nothing breaks. What is left is a smallest set: each of it is needed. What was the cause of other plans
//! in which the same checks found something is tried first, for a few causes make most findings.
//!
//! A trial with ZooKeeper that all later rules leave broken is tried once more with a metadata quorum of as
//! many controllers in the place of the ensemble (`metadata_quorum`): what only that mends is what Kafka with
//! ZooKeeper never learnt.
//!
//! Simplified: another rule is another course of events, and a finding may go away by luck. So a set that
//! is named once proves little; one that is named again and again is the cause.
//!
//! Next: `../cli/generations.rs`.

use crate::setting::quorum_for_ensemble;
use ktrial_core::Rules;
use ktrial_core::rules::{SWITCHES, Switch, TRUNCATION};
use ktrial_sim::plan::Plan;
use ktrial_sim::{check, trial};
use std::collections::BTreeSet;

/// No switch: a metadata quorum in place of ZooKeeper.
pub(super) const QUORUM: Switch = Switch {
    key: "metadata_quorum",
    since: "3.3",
    source: "KIP-500",
    meaning: "The cluster keeps its metadata in a quorum of controllers, not in ZooKeeper.",
};

/// Switches, set as in later rules.
pub type Set = BTreeSet<&'static str>;

/// A smallest set of switches that, set as in `later`, keep the plan from breaking any promise; `None` if
/// it breaks one even with all of them. The sets `known` are tried first.
///
/// # Errors
/// The simulator failed.
pub fn cause(plan: &Plan, later: Rules, known: &[Set]) -> Result<Option<Set>, String> {
    let mut all = changed(plan.rules, later);
    if plan.zookeeper.is_some() && breaks(plan, later, &all)? {
        all.push(QUORUM.key);
    }
    for set in known {
        let fits = set.iter().all(|key| all.contains(key));
        let set: Vec<_> = set.iter().copied().collect();
        if fits && !breaks(plan, later, &set)? {
            return smallest(plan, later, set).map(Some);
        }
    }
    if breaks(plan, later, &all)? {
        return Ok(None);
    }
    smallest(plan, later, all).map(Some)
}

/// What is needed of a set that mends.
fn smallest(plan: &Plan, later: Rules, mut mended: Vec<&'static str>) -> Result<Set, String> {
    // Many at once as long as that goes, the newest first: what is left is what was mended first. Some are
    // needed only as long as others are there (who may be elected from an ELR, without any ELR), so until
    // nothing goes.
    let mut size = mended.len().div_ceil(2).max(1);
    loop {
        let before = mended.len();
        let mut end = before;
        while end > 0 {
            let start = end.saturating_sub(size);
            let mut fewer = mended.clone();
            fewer.drain(start..end.min(mended.len()));
            if !breaks(plan, later, &fewer)? {
                mended = fewer;
            }
            end = start;
        }
        if size == 1 && mended.len() == before {
            return Ok(mended.into_iter().collect());
        }
        size = size.div_ceil(2).min(mended.len().max(1));
    }
}

/// The switches that differ, in the order of their releases.
fn changed(old: Rules, later: Rules) -> Vec<&'static str> {
    let mut switches: Vec<&Switch> = vec![&TRUNCATION];
    switches.extend(SWITCHES);
    let keys = switches.into_iter().map(|switch| switch.key);
    keys.filter(|key| old.get(key) != later.get(key)).collect()
}

/// Whether the plan breaks a promise with these switches set as in `later`.
fn breaks(plan: &Plan, later: Rules, mended: &[&str]) -> Result<bool, String> {
    let mut plan = plan.clone();
    if mended.contains(&QUORUM.key) {
        quorum_for_ensemble(&mut plan);
    }
    for key in mended.iter().filter(|key| **key != QUORUM.key) {
        let value = later.get(key).unwrap_or_default();
        let set = plan.rules.set(key, &value);
        set.map_err(|error| error.to_string())?;
    }
    let record = trial::run(&plan).map_err(|error| format!("seed {}: {error}", plan.seed))?;
    let verdict = check::judge(&plan, &record);
    Ok(verdict.findings.iter().any(|finding| !finding.permitted))
}
