//! A plan as a scenario file that a person can read: the other way of `file/` and `compile.rs`. A fuzzer
//! and a shrinker leave plans; what is found should be a file that can be kept, changed and discussed.
//!
//! | file | what it writes |
//! |---|---|
//! | `toml.rs` | texts, keys, lists, inline tables |
//! | `cluster.rs` | servers, settings, rules, topics, clients, the world |
//! | `words.rs` | how the file names nodes and partitions |
//! | `steps.rs` | steps and faults: when, what, for how long |
//! | `action.rs`, `fault.rs`, `topics.rs`, `condition.rs` | what each says |
//! | `workload.rs` | sends of the timeline that belong together |
//!
//! Rules: what the format leaves out by default is left out. Steps and faults keep their order, for a
//! step's place is its name in the record. What a scenario draws is drawn in a plan: the file has names.
//!
//! Invariants: `compile(parse(to_toml(plan)), plan.seed)` gives `plan` again, without its `cell`.
//!
//! Simplified: a plan that no scenario can have is not kept exactly: a node named twice in one group, an
//! empty list of conditions, a step that neither waits nor acts, a time or a number too large for the
//! format, a name of a client that the format reserves.
//!
//! Next: `cluster.rs`.

mod action;
mod cluster;
mod condition;
mod fault;
mod steps;
mod toml;
mod topics;
mod words;
mod workload;

use crate::duration::show_millis;
use crate::file::{SETTLE_MS, TIME_LIMIT_MS};
use ktrial_sim::plan::Plan;
use std::fmt::Write;
use words::Words;

/// The plan as a scenario file. Run it under the plan's seed to get the same plan.
pub fn to_toml(plan: &Plan) -> String {
    let mut text = String::new();
    head(plan, &mut text);
    cluster::cluster(plan, &mut text);
    cluster::topics(plan, &mut text);
    cluster::clients(plan, &mut text);
    let words = Words::new(plan);
    cluster::world(plan, &words, &mut text);
    steps::steps(plan, words, &mut text);
    text
}

fn head(plan: &Plan, text: &mut String) {
    let _ = writeln!(
        text,
        "# Written from a plan of {}. The same plan again: --seed {}",
        one_line(&plan.scenario),
        plan.seed
    );
    for (key, value) in &plan.cell {
        let _ = writeln!(text, "# Its cell: {} = {}", one_line(key), one_line(value));
    }
    let _ = writeln!(text, "title = {}", toml::text(&plan.title));
    let why = format!("a plan of {}, seed {}", plan.scenario, plan.seed);
    let _ = writeln!(text, "why = {}", toml::text(&why));
    for (key, ms, default) in [
        ("time_limit", plan.time_limit_ms, TIME_LIMIT_MS),
        ("settle", plan.settle_ms, SETTLE_MS),
    ] {
        if ms != default {
            let _ = writeln!(text, "{key} = \"{}\"", show_millis(ms));
        }
    }
    if let Some(limit) = plan.record_limit {
        let _ = writeln!(text, "record_limit = {limit}");
    }
    if plan.record_messages {
        text.push_str("record_messages = true\n");
    }
}

/// Fit for a comment.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
