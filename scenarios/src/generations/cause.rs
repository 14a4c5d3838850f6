//! Which later rules take away what a plan breaks.
//!
//! Rule: all switches are set to what they are in the later rules. If the plan still breaks a promise, the
//! rules are not the cause. Else one switch after the other is set back, those of the newest releases first,
//! as long as nothing breaks. What is left is a smallest set: each of it is needed.
//!
//! Simplified: another rule is another course of events, and a finding may go away by luck. So a set that is
//! named once proves little; one that is named again and again is the cause.
//!
//! Next: `../cli/generations.rs`.

use ktrial_core::Rules;
use ktrial_core::rules::{SWITCHES, Switch, TRUNCATION};
use ktrial_sim::plan::Plan;
use ktrial_sim::{check, trial};
use std::collections::BTreeSet;

/// A smallest set of switches that, set as in `later`, keep the plan from breaking any promise; `None` if it
/// breaks one even with all of them.
///
/// # Errors
/// The simulator failed.
pub fn cause(plan: &Plan, later: Rules) -> Result<Option<BTreeSet<&'static str>>, String> {
    let mut mended = changed(plan.rules, later);
    if breaks(plan, later, &mended)? {
        return Ok(None);
    }
    // The newest first: what is left is what was mended first. Some are needed only as long as others are
    // there (who may be elected from an ELR, without any ELR), so until nothing goes.
    loop {
        let before = mended.len();
        for key in mended.clone().into_iter().rev() {
            let fewer: Vec<_> = mended.iter().copied().filter(|k| *k != key).collect();
            if !breaks(plan, later, &fewer)? {
                mended = fewer;
            }
        }
        if mended.len() == before {
            return Ok(Some(mended.into_iter().collect()));
        }
    }
}

/// The switches that differ, in the order of their releases.
fn changed(old: Rules, later: Rules) -> Vec<&'static str> {
    let mut switches: Vec<&Switch> = vec![&TRUNCATION];
    switches.extend(SWITCHES);
    let keys = switches.into_iter().map(|switch| switch.key);
    keys.filter(|key| old.get(key) != later.get(key)).collect()
}

fn breaks(plan: &Plan, later: Rules, mended: &[&str]) -> Result<bool, String> {
    let mut plan = plan.clone();
    for key in mended {
        let value = later.get(key).unwrap_or_default();
        let set = plan.rules.set(key, &value);
        set.map_err(|error| error.to_string())?;
    }
    let record = trial::run(&plan).map_err(|error| format!("seed {}: {error}", plan.seed))?;
    let verdict = check::judge(&plan, &record);
    Ok(verdict.findings.iter().any(|finding| !finding.permitted))
}
