//! The table for the terminal: a block for each cell, a line for each target, in 100 columns.
//!
//! Next: `markdown.rs`.

use super::reasons::Because;
use super::table::{Counts, Held, Row, Summary, Table};
use super::{Agreement, words};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Columns of the terminal.
const WIDTH: usize = 100;
/// Where what is told of a row begins.
const INDENT: usize = 4;

/// The table.
pub fn text(table: &Table) -> String {
    let mut text = String::new();
    let width = table
        .rows
        .iter()
        .map(|row| row.target.len())
        .max()
        .unwrap_or(0);
    let mut last: Option<&Row> = None;
    for row in &table.rows {
        if last.is_none_or(|last| (&last.scenario, &last.cell) != (&row.scenario, &row.cell)) {
            let gap = if last.is_some() { "\n" } else { "" };
            let _ = writeln!(text, "{gap}{}   {}", row.scenario, settings(&row.cell));
        }
        line(&mut text, row, width);
        last = Some(row);
    }
    if !table.reasons.is_empty() {
        text.push_str("\nreasons\n");
    }
    for because in &table.reasons {
        wrapped(&mut text, &reason(because), INDENT);
    }
    let _ = writeln!(text, "\n{}", counts(table.counts()));
    text
}

/// `name: What that release does. (where to read it; waits for a piece)`, with room for a margin.
fn reason(because: &Because) -> String {
    format!("  {}: {} ({})", because.id, because.says, source(because))
}

/// Where a reason is to be read, and what it waits for.
pub(super) fn source(because: &Because) -> String {
    let waits = because.waits_for.as_ref();
    let waits = waits.map_or_else(String::new, |piece| format!("; waits for {piece}"));
    format!("{}{waits}", because.source)
}

fn line(text: &mut String, row: &Row, width: usize) {
    let summary = row.real.as_ref().or(row.simulated.as_ref());
    let ended = summary.map_or_else(String::new, ended);
    let told = format!(
        "{:INDENT$}{:<width$}  {:<20} {ended}",
        "",
        row.target,
        level(&row.agreement)
    );
    wrapped(text, told.trim_end(), width + INDENT + 2);
    for said in explained(&row.agreement) {
        wrapped(text, &format!("{:>1$}{said}", "", INDENT * 2), INDENT * 2);
    }
}

/// The level in a few words: `same`, `same but for timing`.
pub fn level(agreement: &Agreement) -> String {
    match agreement {
        Agreement::Same { of: 1 } => "same".to_owned(),
        Agreement::Same { of } => format!("same as one of {of}"),
        Agreement::SameBut { but, .. } => {
            let names = but.iter().map(|but| but.name());
            format!("same but for {}", words::list(names))
        }
        Agreement::Differs { unexplained, .. } if unexplained.is_empty() => "differs".to_owned(),
        Agreement::Differs { .. } => "differs, unexplained".to_owned(),
        Agreement::Unsupported { .. } => "unsupported".to_owned(),
        Agreement::Failed { .. } => "failed".to_owned(),
        Agreement::NotRun => "not run".to_owned(),
    }
}

/// `permitted  [A D]; (0,0) (2,1)`.
fn ended(summary: &Summary) -> String {
    let mut logs = summary
        .logs
        .iter()
        .map(|held| held_in_brief(held, &summary.logs));
    let lost = match summary.lost.len() {
        0 => String::new(),
        _ => format!("  lost {}", words::values_in_brief(&summary.lost)),
    };
    // What many partitions hold is in the JSON.
    let first = logs.next().unwrap_or_default();
    let more = match logs.len() {
        0 => String::new(),
        more => format!("  and {more} more"),
    };
    format!("{:<12} {first}{more}{lost}", summary.verdict)
}

/// `[A D]; (0,0) (2,1)`, with its place if there are several.
pub(super) fn held_in_brief(held: &Held, among: &[Held]) -> String {
    let what = format!("{}; {}", held.values, held.checkpoint);
    if among.len() == 1 {
        return what;
    }
    format!(
        "{} on {}: {what}",
        held.partition,
        words::list(&held.brokers)
    )
}

/// What there is to say beyond the level, one paragraph each.
pub(super) fn explained(agreement: &Agreement) -> Vec<String> {
    match agreement {
        Agreement::Differs {
            first,
            others,
            reasons,
            unexplained,
            ..
        } => {
            let more = match others.len() {
                0 => String::new(),
                1 => " (and another difference)".to_owned(),
                more => format!(" (and {more} other differences)"),
            };
            let mut said = vec![format!("{}{more}.", capital(&first.says))];
            if !reasons.is_empty() {
                said.push(format!("Reason: {}.", words::list(reasons)));
            }
            if !unexplained.is_empty() {
                let kinds = unexplained.iter().map(|kind| kind.name());
                said.push(format!("No reason is known for: {}.", words::list(kinds)));
            }
            said
        }
        Agreement::Unsupported { step } => vec![step.clone()],
        Agreement::Failed { why } => vec![why.clone()],
        Agreement::Same { .. } | Agreement::SameBut { .. } | Agreement::NotRun => Vec::new(),
    }
}

/// The sum of the table in a sentence.
pub(super) fn counts(counts: Counts) -> String {
    let all = [
        (counts.same, "same"),
        (counts.same_but, "same but for something"),
        (counts.explained, "different with a known reason"),
        (counts.unexplained, "different without a known reason"),
        (counts.unsupported, "unsupported"),
        (counts.failed, "failed"),
        (counts.not_run, "not run"),
    ];
    let rows: usize = all.iter().map(|(number, _)| number).sum();
    let some = all.iter().filter(|(number, _)| *number > 0);
    let some: Vec<String> = some
        .map(|(number, what)| format!("{number} {what}"))
        .collect();
    if some.is_empty() {
        "No cells.".to_owned()
    } else {
        format!("{rows} cells: {}.", some.join(", "))
    }
}

/// `a=1  b=2`.
pub(super) fn settings(cell: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = cell
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    if pairs.is_empty() {
        "default settings".to_owned()
    } else {
        pairs.join("  ")
    }
}

/// The first letter as a capital, unless it begins a name with a number.
fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

/// Writes a paragraph in lines that fit; lines after the first begin at `indent`.
fn wrapped(text: &mut String, paragraph: &str, indent: usize) {
    let mut line = String::new();
    let mut rest = paragraph;
    while line.chars().count() + rest.chars().count() > WIDTH {
        let room = WIDTH.saturating_sub(line.chars().count());
        let end = rest
            .char_indices()
            .nth(room + 1)
            .map_or(rest.len(), |(at, _)| at);
        let begin = rest.len() - rest.trim_start().len();
        let broken = rest
            .get(begin..end)
            .and_then(|head| head.rfind(' '))
            .map(|at| begin + at);
        // A word that is longer than the line stays whole.
        let next = || {
            rest.get(begin..)
                .and_then(|tail| tail.find(' '))
                .map(|at| begin + at)
        };
        let Some(at) = broken.or_else(next) else {
            break;
        };
        let (head, tail) = rest.split_at(at);
        let _ = writeln!(text, "{}", format!("{line}{head}").trim_end());
        line = " ".repeat(indent);
        rest = tail.trim_start();
    }
    let _ = writeln!(text, "{line}{rest}");
}
