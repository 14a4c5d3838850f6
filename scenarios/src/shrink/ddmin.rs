//! Delta debugging: leaves out as many of a list of things as it can.
//!
//! Rule: first all of them at once, then halves, quarters, ... then each by itself, again and again
//! until none can go. What is left is *1-minimal*: nothing of it can be left out alone.
//!
//! Source: Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input" (2002), `ddmin`,
//! with complements only: a part that fails by itself is what is left when its complement goes.
//!
//! Next: `passes/mod.rs`.

use super::search::Search;
use ktrial_sim::plan::Plan;
use std::collections::BTreeSet;

/// Leaves out what it can of so many things; `without` makes the plan that lacks these.
pub(super) fn ddmin(
    search: &mut Search<'_>,
    things: usize,
    without: impl Fn(&BTreeSet<usize>) -> Plan,
) {
    let mut left: Vec<usize> = (0..things).collect();
    let mut gone = BTreeSet::new();
    let mut size = things;
    while size > 0 && !search.stopped() {
        let found = sweep(search, &mut left, &mut gone, size, &without);
        match size {
            1 if found => {}
            1 => return,
            _ => size = size.div_ceil(2).min(left.len().max(1)),
        }
    }
}

/// Tries to leave out each part of this size, one after the other; whether one could go.
fn sweep(
    search: &mut Search<'_>,
    left: &mut Vec<usize>,
    gone: &mut BTreeSet<usize>,
    size: usize,
    without: &impl Fn(&BTreeSet<usize>) -> Plan,
) -> bool {
    let mut found = false;
    let mut from = 0;
    while from < left.len() {
        let parts = left[from..].chunks(size);
        let plans = parts.map(|part| {
            let more = gone.iter().chain(part).copied();
            without(&more.collect())
        });
        let Some(place) = search.first(plans) else {
            break;
        };
        from += place * size;
        let to = (from + size).min(left.len());
        gone.extend(left.drain(from..to));
        found = true;
    }
    found
}
