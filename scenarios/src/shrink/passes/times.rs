//! Times: none at all, then short and round ones, then the same rounded.
//!
//! Rule: each time by itself climbs a ladder (0, 10, 20, 50, 100, ...) up to what it is; the first that
//! still shows the goal is taken. The time limit is never less than what the trial takes: a trial that
//! is cut off shows less than one that ends.
//!
//! Next: `seeds.rs`.

use super::super::measure::each_time;
use super::super::search::Search;
use ktrial_sim::plan::{Plan, When};

/// Shortens and rounds every time.
pub(super) fn times(search: &mut Search<'_>) {
    let mut count = 0;
    each_time(&mut search.plan().clone(), &mut |_| count += 1);
    // The last one is the time limit.
    for place in 0..count - 1 {
        let plan = search.plan().clone();
        let plans = ladder(value(&plan, place));
        let plans = plans.into_iter().map(|time| with(&plan, place, time));
        search.first(plans);
    }
    limit(search);
    let mut plan = search.plan().clone();
    at_once(&mut plan);
    search.one(plan);
}

fn limit(search: &mut Search<'_>) {
    let Some(record) = search.record() else {
        return;
    };
    let took = record
        .entries
        .last()
        .map_or(0, |entry| entry.at.as_millis());
    let plan = search.plan().clone();
    let enough = rungs().take_while(|rung| *rung < plan.time_limit_ms);
    let plans = enough
        .filter(|rung| *rung > took)
        .map(|time_limit_ms| Plan {
            time_limit_ms,
            ..plan.clone()
        });
    search.first(plans.collect::<Vec<_>>());
}

fn value(plan: &Plan, place: usize) -> u64 {
    let (mut next, mut found) = (0, 0);
    each_time(&mut plan.clone(), &mut |time| {
        if next == place {
            found = *time.value;
        }
        next += 1;
    });
    found
}

fn with(plan: &Plan, place: usize, value: u64) -> Plan {
    let mut plan = plan.clone();
    let mut next = 0;
    each_time(&mut plan, &mut |time| {
        if next == place {
            *time.value = value;
        }
        next += 1;
    });
    plan
}

/// What a time could be instead, the best first.
fn ladder(value: u64) -> Vec<u64> {
    let short = rungs().take_while(|rung| *rung < value);
    let round = [1_000, 100, 10]
        .into_iter()
        .flat_map(|unit| [value / unit * unit, value.div_ceil(unit) * unit]);
    std::iter::once(0).chain(short).chain(round).collect()
}

/// 10, 20, 50, 100, ...
fn rungs() -> impl Iterator<Item = u64> {
    let powers = (1..15).map(|power| 10_u64.pow(power));
    powers.flat_map(|power| [power, 2 * power, 5 * power])
}

/// After no time is at once.
fn at_once(plan: &mut Plan) {
    for step in plan.steps.iter_mut().chain(&mut plan.timeline) {
        if step.when == (When::After { ms: 0 }) {
            step.when = When::Now;
        }
    }
}
