//! What makes a step longer to read than it need be: targets, roles, filters, conditions.
//!
//! Rule: a role becomes whoever held it, as the record of the best plan tells; a condition goes, or
//! becomes one of its parts, or the time that it took to come true.
//!
//! Next: `times.rs`.

use super::super::search::Search;
use super::records::step_mut;
use super::steps::times;
use ktrial_sim::history::{Record, What};
use ktrial_sim::plan::{Action, Condition, Plan, Target, When};

/// Names fewer targets, and nodes instead of roles; excuses no step that misses.
pub(super) fn targets(search: &mut Search<'_>) {
    let mut plan = search.plan().clone();
    for step in plan.steps.iter_mut().chain(&mut plan.timeline) {
        step.may_miss = false;
    }
    search.one(plan);
    roles(search);
    let count = search.plan().all_steps().count();
    for index in 0..count {
        while search
            .first(simpler(&search.plan().clone(), index))
            .is_some()
        {}
    }
}

/// Groups of an action, to be changed.
fn groups(action: &mut Action) -> Vec<&mut Vec<Target>> {
    match action {
        Action::Stop { nodes, .. }
        | Action::Start { nodes }
        | Action::Pause { nodes }
        | Action::Resume { nodes }
        | Action::Disk { nodes, .. }
        | Action::Clock { nodes, .. } => vec![nodes],
        Action::Link { from, to, .. } => vec![from, to],
        _ => Vec::new(),
    }
}

/// The plan with one target less in a step, each in turn; with no filter, or no key.
fn simpler(plan: &Plan, index: usize) -> Vec<Plan> {
    let action = |plan: &Plan| plan.step(index).and_then(|step| step.action.clone());
    let mut plans = Vec::new();
    let mut changed = |action: Action| {
        let mut plan = plan.clone();
        if let Some(step) = step_mut(&mut plan, index) {
            step.action = Some(action);
            plans.push(plan);
        }
    };
    let Some(whole) = action(plan) else {
        return Vec::new();
    };
    let sizes: Vec<usize> = whole.groups().iter().map(|group| group.len()).collect();
    for (group, size) in sizes.into_iter().enumerate().filter(|(_, size)| *size > 1) {
        for target in (0..size).rev() {
            let mut less = whole.clone();
            groups(&mut less)[group].remove(target);
            changed(less);
        }
    }
    let mut bare = whole.clone();
    match &mut bare {
        Action::Link { api, .. } => api.clear(),
        Action::Send { key, .. } => *key = None,
        _ => {}
    }
    if bare != whole {
        changed(bare);
    }
    plans
}

/// Names who held the roles, all at once, else step by step.
fn roles(search: &mut Search<'_>) {
    let has_role = |plan: &Plan, index| {
        let step = plan.step(index).and_then(|step| step.action.as_ref());
        let mut targets = step.into_iter().flat_map(Action::groups).flatten();
        targets.any(|target| target.node().is_none())
    };
    let count = search.plan().all_steps().count();
    let steps: Vec<usize> = (0..count).filter(|i| has_role(search.plan(), *i)).collect();
    if steps.is_empty() {
        return;
    }
    let Some(record) = search.record() else {
        return;
    };
    let named = |plan: &Plan, index| {
        let mut plan = plan.clone();
        name(&mut plan, &record, index);
        plan
    };
    let all = steps
        .iter()
        .fold(search.plan().clone(), |plan, index| named(&plan, *index));
    if search.one(all) {
        return;
    }
    for index in steps {
        let plan = named(search.plan(), index);
        search.one(plan);
    }
}

/// Puts in who held the roles of a step.
fn name(plan: &mut Plan, record: &Record, index: usize) {
    let done = record.entries.iter().find_map(|entry| match &entry.what {
        What::Step {
            index: of,
            action: Some(action),
        } if *of == index => Some(action),
        _ => None,
    });
    let Some(done) = done else {
        return;
    };
    if done.groups().iter().all(|group| !group.is_empty())
        && let Some(step) = step_mut(plan, index)
    {
        step.action = Some((**done).clone());
    }
}

/// Waits for less, or not at all.
pub(super) fn conditions(search: &mut Search<'_>) {
    let count = search.plan().all_steps().count();
    for index in 0..count {
        loop {
            let plan = search.plan().clone();
            let Some(When::Until { condition, .. }) = plan.step(index).map(|s| &s.when) else {
                break;
            };
            let Some(record) = search.record() else {
                return;
            };
            let waits = waits(&plan, &record, index, condition);
            let plans = waits.into_iter().map(|when| {
                let mut plan = plan.clone();
                if let Some(step) = step_mut(&mut plan, index) {
                    step.when = when;
                }
                plan
            });
            if search.first(plans).is_none() {
                break;
            }
        }
    }
}

/// What a step could wait for instead, the best first.
fn waits(plan: &Plan, record: &Record, index: usize, condition: &Condition) -> Vec<When> {
    let mut found = vec![When::Now];
    let times = times(record);
    let in_script = index < plan.steps.len();
    if let Some(at) = times.get(&index) {
        if in_script {
            let before = index.checked_sub(1).and_then(|before| times.get(&before));
            if let Some(before) = before {
                let waited = at.since(*before).as_micros().div_ceil(1_000);
                let ms = u64::try_from(waited).unwrap_or(u64::MAX);
                found.extend(rounded(ms).map(|ms| When::After { ms }));
            }
        } else {
            let ms = at.0.div_ceil(1_000);
            found.extend(rounded(ms).map(|ms| When::At { ms }));
        }
    }
    if let (Condition::All(parts) | Condition::Any(parts), Some(When::Until { within_ms, .. })) =
        (condition, plan.step(index).map(|step| &step.when))
    {
        found.extend(parts.iter().map(|part| When::Until {
            condition: part.clone(),
            within_ms: *within_ms,
        }));
    }
    found
}

/// The time, rounded up to seconds, tenths, hundredths, and as it is.
fn rounded(ms: u64) -> impl Iterator<Item = u64> {
    let units = [1_000, 100, 10, 1];
    units.into_iter().map(move |unit| ms.div_ceil(unit) * unit)
}
