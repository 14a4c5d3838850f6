//! Values that need not be sent, and sends that can be one.
//!
//! Next: `cluster.rs`.

use super::super::ddmin::ddmin;
use super::super::search::Search;
use super::super::without::{Gone, without};
use ktrial_sim::plan::{Action, Plan, Step, When};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Leaves out values.
pub(super) fn values(search: &mut Search<'_>) {
    let plan = search.plan().clone();
    let values = sent(&plan);
    ddmin(search, values.len(), |gone| {
        let values = gone.iter().filter_map(|place| values.get(*place).cloned());
        let gone = Gone {
            values: values.collect(),
            ..Gone::default()
        };
        without(&plan, &gone)
    });
}

/// Every value, in the order of the plan.
pub(super) fn sent(plan: &Plan) -> Vec<String> {
    let values = plan.all_steps().flat_map(|step| match &step.action {
        Some(Action::Send { values, .. }) => values.as_slice(),
        _ => &[],
    });
    values.cloned().collect()
}

/// Makes one send of two that follow each other in one list: at the time of the first, else of the
/// second.
pub(super) fn merge(search: &mut Search<'_>) {
    loop {
        let plan = search.plan().clone();
        let pairs = pairs(&plan.steps, 0).into_iter();
        let pairs = pairs.chain(pairs_beside(&plan));
        let ways = pairs.flat_map(|(first, second)| [(first, second), (second, first)]);
        let plans = ways.filter_map(|(into, from)| merged(&plan, into, from));
        if search.first(plans).is_none() {
            return;
        }
    }
}

fn pairs_beside(plan: &Plan) -> Vec<(usize, usize)> {
    pairs(&plan.timeline, plan.steps.len())
}

/// Sends of the same kind, each with the next one.
fn pairs(steps: &[Step], first_index: usize) -> Vec<(usize, usize)> {
    let mut last: BTreeMap<String, usize> = BTreeMap::new();
    let mut pairs = Vec::new();
    for (place, step) in steps.iter().enumerate() {
        let Some(Action::Send {
            producer,
            topic,
            partition,
            key,
            ..
        }) = &step.action
        else {
            continue;
        };
        let kind = format!("{producer:?} {topic} {partition:?} {key:?}");
        let index = first_index + place;
        if let Some(before) = last.insert(kind, index) {
            pairs.push((before, index));
        }
    }
    pairs
}

/// The values of one send with those of another, in their order.
fn merged(plan: &Plan, into: usize, from: usize) -> Option<Plan> {
    let mut plan = plan.clone();
    let taken = match &step_mut(&mut plan, from)?.action {
        Some(Action::Send { values, .. }) => values.clone(),
        _ => return None,
    };
    let gone = Gone {
        steps: BTreeSet::from([from]),
        ..Gone::default()
    };
    let Some(Action::Send { values, .. }) = &mut step_mut(&mut plan, into)?.action else {
        return None;
    };
    if into < from {
        values.extend(taken);
    } else {
        values.splice(0..0, taken);
    }
    Some(without(&plan, &gone))
}

/// The step of an index.
pub(super) fn step_mut(plan: &mut Plan, index: usize) -> Option<&mut Step> {
    let script = plan.steps.len();
    match index.checked_sub(script) {
        None => plan.steps.get_mut(index),
        Some(place) => plan.timeline.get_mut(place),
    }
}

/// Calls the values A, B, C, in the order in which they are sent.
pub(super) fn names(search: &mut Search<'_>) {
    let plan = search.plan();
    let values = sent_in_time(plan);
    let names = values
        .iter()
        .enumerate()
        .map(|(place, value)| (value.clone(), name(place)));
    let names: BTreeMap<String, String> = names.collect();
    let Ok(mut tree) = serde_json::to_value(plan) else {
        return;
    };
    rename(&mut tree, &names);
    if let Ok(plan) = serde_json::from_value(tree) {
        search.one(plan);
    }
}

/// The values by the time of their step, as far as the plan tells it.
fn sent_in_time(plan: &Plan) -> Vec<String> {
    let script = plan.steps.iter().map(|step| (0, step));
    let beside = plan.timeline.iter().map(|step| match step.when {
        When::After { ms } | When::At { ms } => (ms, step),
        When::Now | When::Until { .. } => (0, step),
    });
    let mut steps: Vec<(u64, &Step)> = script.chain(beside).collect();
    steps.sort_by_key(|(at, _)| *at);
    let values = steps.into_iter().flat_map(|(_, step)| match &step.action {
        Some(Action::Send { values, .. }) => values.as_slice(),
        _ => &[],
    });
    values.cloned().collect()
}

/// `A` to `Z`, then `A1` to `Z1`, ...
fn name(place: usize) -> String {
    let letters: Vec<char> = ('A'..='Z').collect();
    let letter = letters[place % letters.len()];
    match place / letters.len() {
        0 => letter.to_string(),
        round => format!("{letter}{round}"),
    }
}

/// Renames in every list of `values`: those of sends and of conditions.
fn rename(tree: &mut Value, names: &BTreeMap<String, String>) {
    match tree {
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, names)),
        Value::Object(fields) => {
            for (key, field) in fields {
                match field {
                    Value::Array(items) if key == "values" => {
                        for item in items {
                            let name = item.as_str().and_then(|value| names.get(value));
                            if let Some(name) = name {
                                *item = Value::String(name.clone());
                            }
                        }
                    }
                    other => rename(other, names),
                }
            }
        }
        _ => {}
    }
}
