//! Steps that can go. A fault goes with what ends it (`start` after `kill`, `resume` after `pause`), for
//! one without the other is a plan that contradicts itself.
//!
//! Next: `records.rs`.

use super::super::ddmin::ddmin;
use super::super::search::Search;
use super::super::without::{Gone, without};
use ktrial_core::Timestamp;
use ktrial_sim::history::{Record, What};
use ktrial_sim::plan::{Action, Plan, Step, Target, When};
use std::collections::{BTreeMap, BTreeSet};

/// Leaves out faults.
pub(super) fn faults(search: &mut Search<'_>) {
    leave_out(search, is_fault);
}

/// Leaves out steps that are no faults.
pub(super) fn others(search: &mut Search<'_>) {
    leave_out(search, |step| !is_fault(step));
}

fn leave_out(search: &mut Search<'_>, meant: impl Fn(&Step) -> bool) {
    let plan = search.plan().clone();
    let steps = plan.all_steps().enumerate();
    let steps: Vec<usize> = steps
        .filter(|(_, step)| meant(step))
        .map(|(index, _)| index)
        .collect();
    ddmin(search, steps.len(), |gone| {
        let gone = gone.iter().filter_map(|place| steps.get(*place).copied());
        without_steps(&plan, &gone.collect())
    });
}

/// The plan without these steps and what ends them.
pub(super) fn without_steps(plan: &Plan, steps: &BTreeSet<usize>) -> Plan {
    let mut gone = Gone {
        steps: steps.clone(),
        ..Gone::default()
    };
    for index in steps {
        gone.steps.extend(enders(plan, *index));
    }
    without(plan, &gone)
}

fn is_fault(step: &Step) -> bool {
    step.action.as_ref().is_some_and(Action::is_fault)
}

/// The steps of the script that end what this one does, and nothing else.
fn enders(plan: &Plan, index: usize) -> Vec<usize> {
    let Some(step) = plan.steps.get(index).filter(|step| step.for_ms.is_none()) else {
        return Vec::new();
    };
    let Some((nodes, starts)) = step.action.as_ref().and_then(stopped) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (later, step) in plan.steps.iter().enumerate().skip(index + 1) {
        match &step.action {
            Some(Action::Start { nodes: who }) if starts && within(who, nodes) => found.push(later),
            Some(Action::Resume { nodes: who }) if !starts && within(who, nodes) => {
                found.push(later);
            }
            Some(action) if stopped(action).is_some_and(|(who, _)| overlap(who, nodes)) => break,
            _ => {}
        }
    }
    found
}

/// Whom an action stops or freezes; whether they are to be started again (or to go on).
fn stopped(action: &Action) -> Option<(&[Target], bool)> {
    match action {
        Action::Stop { nodes, .. } => Some((nodes, true)),
        Action::Pause { nodes } => Some((nodes, false)),
        _ => None,
    }
}

fn within(some: &[Target], all: &[Target]) -> bool {
    some.iter().all(|target| all.contains(target))
}

fn overlap(some: &[Target], others: &[Target]) -> bool {
    some.iter().any(|target| others.contains(target))
}

/// A fault that a later step ends lasts for a time instead.
pub(super) fn ends(search: &mut Search<'_>) {
    // Once a step has gone, the others have other indexes: their times are read anew.
    while !search.stopped() {
        let Some(record) = search.record() else {
            return;
        };
        let times = times(&record);
        let plan = search.plan().clone();
        let faults = 0..plan.steps.len();
        let plans = faults.filter_map(|index| lasting(&plan, &times, index));
        if search.first(plans).is_none() {
            return;
        }
    }
}

/// The plan in which the fault of this step ends by itself when its ender came.
fn lasting(plan: &Plan, times: &BTreeMap<usize, Timestamp>, index: usize) -> Option<Plan> {
    let step = plan.steps.get(index)?;
    let ender = match &step.action {
        Some(Action::Link { .. }) if step.for_ms.is_none() => {
            let later = plan.steps.iter().enumerate().skip(index);
            let mut heals = later.filter(|(_, step)| step.action == Some(Action::Heal));
            heals.next()?.0
        }
        _ => *enders(plan, index).first()?,
    };
    let lasted = times.get(&ender)?.since(*times.get(&index)?);
    let ms = u64::try_from(lasted.as_micros().div_ceil(1_000)).ok()?;
    let mut plan = plan.clone();
    plan.steps.get_mut(index)?.for_ms = Some(ms);
    let steps = BTreeSet::from([ender]);
    Some(without(
        &plan,
        &Gone {
            steps,
            ..Gone::default()
        },
    ))
}

/// When each step was carried out.
pub(super) fn times(record: &Record) -> BTreeMap<usize, Timestamp> {
    let steps = record.entries.iter().filter_map(|entry| match entry.what {
        What::Step { index, .. } => Some((index, entry.at)),
        _ => None,
    });
    steps.collect()
}

/// Puts the steps beside the script into it, in the order of their times. Only if all have times.
pub(super) fn one_list(search: &mut Search<'_>) {
    let mut plan = search.plan().clone();
    let mut due = Vec::new();
    let mut now = 0;
    for step in &plan.steps {
        match step.when {
            When::Now => {}
            When::After { ms } => now += ms,
            When::At { .. } | When::Until { .. } => return,
        }
        due.push((now, step.clone()));
    }
    for step in &plan.timeline {
        match step.when {
            When::Now => due.push((0, step.clone())),
            When::After { ms } => due.push((ms, step.clone())),
            When::At { .. } | When::Until { .. } => return,
        }
    }
    due.sort_by_key(|(at, _)| *at);
    let mut before = 0;
    for (at, step) in &mut due {
        step.when = match *at - before {
            0 => When::Now,
            ms => When::After { ms },
        };
        before = *at;
    }
    plan.timeline.clear();
    plan.steps = due.into_iter().map(|(_, step)| step).collect();
    search.one(plan);
}
