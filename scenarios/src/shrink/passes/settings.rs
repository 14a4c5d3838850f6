//! Settings, rules and worlds that need not be special.
//!
//! Next: `details.rs`.

use super::super::ddmin::ddmin;
use super::super::search::Search;
use ktrial_core::{Rules, Settings};
use ktrial_sim::plan::{Action, DiskPlan, NetworkPlan, Plan};
use std::collections::BTreeSet;

/// A record with every message says no more to a check, and takes longer.
pub(super) fn messages(search: &mut Search<'_>) {
    let mut plan = search.plan().clone();
    plan.record_messages = false;
    search.one(plan);
}

/// Leaves settings at their defaults, and out of what operators change.
pub(super) fn settings(search: &mut Search<'_>) {
    let plan = search.plan().clone();
    let mut count = 0;
    for_each_owner(&mut plan.clone(), &mut |settings| count += settings.len());
    ddmin(search, count, |gone| without_settings(&plan, gone));
    loop {
        let plan = search.plan().clone();
        let plans = (0..plan.steps.len() + plan.timeline.len())
            .flat_map(|index| without_changes(&plan, index));
        let plans: Vec<Plan> = plans.collect();
        if search.first(plans).is_none() {
            return;
        }
    }
}

/// Shows the settings of everybody, always in the same order.
fn for_each_owner(plan: &mut Plan, show: &mut dyn FnMut(&mut Settings)) {
    show(&mut plan.topic_defaults);
    plan.controllers
        .iter_mut()
        .for_each(|c| show(&mut c.config));
    plan.brokers.iter_mut().for_each(|b| show(&mut b.config));
    plan.topics.iter_mut().for_each(|t| show(&mut t.configs));
    plan.producers.iter_mut().for_each(|p| show(&mut p.config));
    plan.consumers.iter_mut().for_each(|c| show(&mut c.config));
}

fn without_settings(plan: &Plan, gone: &BTreeSet<usize>) -> Plan {
    let mut plan = plan.clone();
    let mut place = 0;
    let mut left = BTreeSet::new();
    for_each_owner(&mut plan, &mut |settings| {
        settings.retain(|key, _| {
            let stays = !gone.contains(&place);
            place += 1;
            if stays {
                left.insert(key.clone());
            }
            stays
        });
    });
    // What the cell is called by is what it still has.
    let ours = |key: &str| key.starts_with("rules.") || key == "kafka.release";
    let named = |key: &str| left.iter().any(|setting| key.ends_with(setting.as_str()));
    plan.cell.retain(|key, _| ours(key) || named(key));
    plan
}

/// The plan without one of the changes of a step, each in turn.
fn without_changes(plan: &Plan, index: usize) -> Vec<Plan> {
    let changes = match plan.step(index).and_then(|step| step.action.as_ref()) {
        Some(Action::AlterConfig { changes }) if changes.len() > 1 => changes.len(),
        _ => 0,
    };
    let plans = (0..changes).map(|change| {
        let mut plan = plan.clone();
        let step = super::records::step_mut(&mut plan, index);
        if let Some(Action::AlterConfig { changes }) = step.and_then(|s| s.action.as_mut()) {
            changes.remove(change);
        }
        plan
    });
    plans.collect()
}

/// Flips each rule back to what its release has.
pub(super) fn rules(search: &mut Search<'_>) {
    let Ok(usual) = Rules::kafka(&search.plan().release) else {
        return;
    };
    for rule in crate::setting::rule_names() {
        let mut plan = search.plan().clone();
        let Some(value) = usual.get(rule) else {
            continue;
        };
        if plan.rules.get(rule).as_ref() != Some(&value) && plan.rules.set(rule, &value).is_ok() {
            plan.cell.remove(&format!("rules.{rule}"));
            search.one(plan);
        }
    }
}

/// The usual network, disks and clocks; nothing mended at the end.
pub(super) fn world(search: &mut Search<'_>) {
    let mut plan = search.plan().clone();
    plan.network = NetworkPlan::default();
    search.one(plan);
    let mut plan = search.plan().clone();
    plan.disk = DiskPlan::default();
    search.one(plan);
    let clocks: Vec<_> = search.plan().clocks.keys().copied().collect();
    for node in clocks {
        let mut plan = search.plan().clone();
        plan.clocks.remove(&node);
        search.one(plan);
    }
    let mut plan = search.plan().clone();
    plan.recovery = None;
    if search.one(plan) {
        return;
    }
    let nodes = search.plan().recovery.as_ref().map_or(0, |r| r.nodes.len());
    for place in (0..nodes).rev() {
        let mut plan = search.plan().clone();
        if let Some(recovery) = &mut plan.recovery {
            recovery.nodes.remove(place);
        }
        search.one(plan);
    }
}

/// No limit on the entries of the record, once it is short.
pub(super) fn record_limit(search: &mut Search<'_>) {
    let mut plan = search.plan().clone();
    plan.record_limit = None;
    search.one(plan);
}
