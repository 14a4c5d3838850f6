//! `[[step]]`: a wait, then an action.
//!
//! `[[fault]]` is the same beside the steps: each waits and acts by itself.
//!
//! Next: `before.rs`.

use super::action::{self, Part};
use super::before::Before;
use super::condition;
use super::node::{Entry, Node, Table, Value};
use super::reader::Reader;
use crate::diagnostic::Span;
use crate::duration::show_millis;
use ktrial_sim::plan::When;

/// How long a condition may take if the file does not say.
pub(crate) const WITHIN_MS: u64 = 300_000;
/// Ways to wait, and what goes with them.
const WAITS: [&str; 6] = ["after", "at", "until", "within", "for", "may_miss"];
/// Reads the steps of a list, `[[step]]` or `[[fault]]`; the parts of each.
pub(super) fn steps(
    reader: &mut Reader,
    entry: &Entry,
    before: &mut Before<'_>,
) -> Vec<(Span, Vec<Part>)> {
    let key = entry.key.as_str();
    let Value::List(items) = &entry.node.value else {
        let help = format!("each is a table of its own: [[{key}]]");
        let message = format!("`{key}` must be a list of tables");
        reader.error_help(entry.node.span, message, &help);
        return Vec::new();
    };
    items
        .iter()
        .filter_map(|item| Some((item.span, step(reader, item, before)?)))
        .collect()
}

fn step(reader: &mut Reader, node: &Node, before: &mut Before<'_>) -> Option<Vec<Part>> {
    let table = reader.table(
        node,
        if before.beside {
            "[[fault]]"
        } else {
            "[[step]]"
        },
    )?;
    let known: Vec<&str> = WAITS.iter().chain(action::ACTIONS).copied().collect();
    reader.only(table, &known);
    let when = when(reader, table, before);
    let action = reader.one_of(table, action::ACTIONS);
    let strange = table
        .entries
        .iter()
        .any(|e| !known.contains(&e.key.as_str()));
    let Some(entry) = action else {
        if !strange {
            without_action(reader, node, table, before)?;
        }
        let mut part = Part::new(when?, None);
        part.step.may_miss = may_miss(reader, table)?;
        return (!strange).then_some(vec![part]);
    };
    before.span = entry.key_span;
    let mut parts = action::action(reader, entry, before)?;
    action::lasting(reader, table, entry, &mut parts)?;
    let may_miss = may_miss(reader, table)?;
    for part in &mut parts {
        part.step.may_miss = may_miss;
    }
    if before.beside {
        beside(reader, table, &when?, &mut parts, before)?;
    } else {
        for part in &parts {
            before
                .running
                .act(reader, before.names, entry.key_span, part);
        }
        if let Some(first) = parts.first_mut() {
            first.step.when = when?;
        }
    }
    Some(parts)
}

/// `may_miss = true`: the trial proves something even if this touches nothing, or never comes about.
fn may_miss(reader: &mut Reader, table: &Table) -> Option<bool> {
    match table.get("may_miss") {
        Some(entry) => reader.boolean(&entry.node),
        None => Some(false),
    }
}

fn without_action(
    reader: &mut Reader,
    node: &Node,
    table: &Table,
    before: &Before<'_>,
) -> Option<()> {
    if let Some(entry) = table.get("for") {
        let help = "it says how long an action lasts; to wait, write `after`";
        reader.error_help(entry.key_span, "`for` needs an action beside it", help);
        return None;
    }
    let waits = ["after", "at", "until"];
    let waits = table
        .entries
        .iter()
        .any(|e| waits.contains(&e.key.as_str()));
    if !waits {
        let help = "it waits (after, at, until), acts (send, kill, ...) or both";
        let what = if before.beside { "fault" } else { "step" };
        reader.error_help(node.span, format!("this {what} does nothing"), help);
        return None;
    }
    Some(())
}

/// Beside the steps each part waits by itself: for the time or the condition of the whole, and its own
/// time on top of that.
fn beside(
    reader: &mut Reader,
    table: &Table,
    when: &When,
    parts: &mut [Part],
    before: &Before<'_>,
) -> Option<()> {
    for part in parts {
        let later = match part.step.when {
            When::After { ms } => ms,
            _ => 0,
        };
        part.step.when = match when {
            When::Now if later == 0 => When::Now,
            When::Now => When::After { ms: later },
            When::After { ms } => When::After {
                ms: ms.saturating_add(later),
            },
            When::At { ms } => When::At {
                ms: ms.saturating_add(later),
            },
            When::Until { .. } if later > 0 => {
                let span = table
                    .get("until")
                    .map_or(before.span, |entry| entry.key_span);
                let help = "give it a time: `after` or `at`";
                reader.error_help(span, "several rounds cannot wait for a condition", help);
                return None;
            }
            When::Until { .. } => when.clone(),
        };
        if let When::After { ms } | When::At { ms } = part.step.when {
            in_time(reader, before.span, ms, before)?;
        }
    }
    Some(())
}

fn when(reader: &mut Reader, table: &Table, before: &mut Before<'_>) -> Option<When> {
    let Some(entry) = reader.one_of(table, &["after", "at", "until"]) else {
        within(reader, table, false);
        return Some(When::Now);
    };
    let until = entry.key == "until";
    let within_ms = within(reader, table, until);
    if until {
        return Some(When::Until {
            condition: condition::condition(reader, &entry.node, entry.key_span, before)?,
            within_ms: within_ms?,
        });
    }
    let ms = reader.millis(&entry.node)?;
    let span = entry.node.span;
    let after = entry.key == "after";
    if before.beside {
        in_time(reader, span, ms, before)?;
    } else if after {
        before.earliest_ms = before.earliest_ms.saturating_add(ms);
        in_time(reader, span, before.earliest_ms, before)?;
    } else {
        if ms < before.earliest_ms {
            let earliest = show_millis(before.earliest_ms);
            let message = format!("this time is past: the step cannot begin before {earliest}");
            reader.error_help(span, message, "steps run one after the other");
            return None;
        }
        before.earliest_ms = ms;
        in_time(reader, span, ms, before)?;
    }
    Some(if after {
        When::After { ms }
    } else {
        When::At { ms }
    })
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

/// Notes what begins after the end of the trial.
pub(super) fn in_time(
    reader: &mut Reader,
    span: Span,
    earliest_ms: u64,
    before: &Before<'_>,
) -> Option<()> {
    if earliest_ms < before.limit_ms {
        return Some(());
    }
    let message = format!(
        "this comes after the end of the trial: it begins at {} or later, the limit is {}",
        show_millis(earliest_ms),
        show_millis(before.limit_ms)
    );
    let help = "let it begin earlier, or raise `time_limit` at the top of the file";
    reader.error_help(span, message, help);
    None
}
