//! `[[step]]`: a wait, then an action. What can be known of the cluster without running it is
//! followed from step to step: who runs, which values were sent, how early a step can begin.

use super::action;
use super::condition;
use super::names::Names;
use super::node::{Node, Table, Value};
use super::reader::Reader;
use crate::diagnostic::Span;
use crate::duration::show_millis;
use ktrial_core::NodeId;
use ktrial_sim::plan::{Step, When};
use std::collections::{BTreeMap, BTreeSet};

/// How long a condition may take if the file does not say.
const WITHIN_MS: u64 = 300_000;

/// What can be known before step n.
pub(crate) struct Before<'a> {
    pub(crate) names: &'a Names,
    /// Nodes whose process does not run.
    pub(crate) down: BTreeSet<NodeId>,
    /// Nodes whose process is frozen.
    pub(crate) paused: BTreeSet<NodeId>,
    /// Values that were sent, and where.
    pub(crate) sent: BTreeMap<String, Span>,
    /// The step begins no earlier than this.
    earliest_ms: u64,
    limit_ms: u64,
}

/// Reads all steps.
pub(crate) fn steps(reader: &mut Reader, node: &Node, names: &Names, limit_ms: u64) -> Vec<Step> {
    let Value::List(items) = &node.value else {
        let help = "each step is a table of its own: [[step]]";
        reader.error_help(node.span, "`step` must be a list of tables", help);
        return Vec::new();
    };
    let mut before = Before {
        names,
        down: BTreeSet::new(),
        paused: BTreeSet::new(),
        sent: BTreeMap::new(),
        earliest_ms: 0,
        limit_ms,
    };
    items
        .iter()
        .filter_map(|item| step(reader, item, &mut before))
        .collect()
}

fn step(reader: &mut Reader, node: &Node, before: &mut Before<'_>) -> Option<Step> {
    const WAITS: [&str; 4] = ["after", "at", "until", "within"];
    let table = reader.table(node, "[[step]]")?;
    let known: Vec<&str> = WAITS.iter().chain(action::ACTIONS).copied().collect();
    reader.only(table, &known);
    let when = when(reader, table, before);
    let action = reader.one_of(table, action::ACTIONS);
    let strange = table
        .entries
        .iter()
        .any(|e| !known.contains(&e.key.as_str()));
    if action.is_none() && strange {
        return None;
    }
    if action.is_none() && reader.one_of(table, &WAITS[..3]).is_none() {
        let help = "a step waits (after, at, until), acts (send, kill, ...) or both";
        reader.error_help(node.span, "this step does nothing", help);
        return None;
    }
    let action = match action {
        Some(entry) => Some(action::action(reader, entry, before)?),
        None => None,
    };
    Some(Step {
        when: when?,
        action,
        for_ms: None,
    })
}

fn when(reader: &mut Reader, table: &Table, before: &mut Before<'_>) -> Option<When> {
    let Some(entry) = reader.one_of(table, &["after", "at", "until"]) else {
        within(reader, table, false);
        return Some(When::Now);
    };
    let until = entry.key == "until";
    let within_ms = within(reader, table, until);
    match entry.key.as_str() {
        "after" => {
            let ms = reader.millis(&entry.node)?;
            before.earliest_ms = before.earliest_ms.saturating_add(ms);
            in_time(reader, entry.node.span, before)?;
            Some(When::After { ms })
        }
        "at" => {
            let ms = reader.millis(&entry.node)?;
            if ms < before.earliest_ms {
                let earliest = show_millis(before.earliest_ms);
                let message = format!("this time is past: the step cannot begin before {earliest}");
                reader.error_help(entry.node.span, message, "steps run one after the other");
                return None;
            }
            before.earliest_ms = ms;
            in_time(reader, entry.node.span, before)?;
            Some(When::At { ms })
        }
        _ => Some(When::Until {
            condition: condition::condition(reader, &entry.node, entry.key_span, before)?,
            within_ms: within_ms?,
        }),
    }
}

fn within(reader: &mut Reader, table: &Table, until: bool) -> Option<u64> {
    let Some(entry) = table.get("within") else {
        return Some(WITHIN_MS);
    };
    if !until {
        let help = "it says how long the condition of `until` may take";
        reader.error_help(entry.key_span, "`within` needs an `until` beside it", help);
        return None;
    }
    reader.millis(&entry.node)
}

fn in_time(reader: &mut Reader, span: Span, before: &Before<'_>) -> Option<()> {
    if before.earliest_ms < before.limit_ms {
        return Some(());
    }
    let message = format!(
        "this step comes after the end of the trial: it begins at {} or later, the limit is {}",
        show_millis(before.earliest_ms),
        show_millis(before.limit_ms)
    );
    let help = "let it begin earlier, or raise `time_limit` at the top of the file";
    reader.error_help(span, message, help);
    None
}
