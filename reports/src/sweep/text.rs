//! The summary of a sweep for people: a row for each cell, what the checks found, goals that were never
//! reached, the first failures with the command that shows each again, and one line that says it all.
//!
//! Next: `markdown.rs`, the same for a page.

use super::line::{OUTCOMES, Outcome, Standing};
use super::summary::{Effort, Summary};
use super::tally::{Failure, Row};
use crate::words;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// How many failures are told in full.
const TOLD: usize = 5;
/// Longest reason of a failure, in characters; the whole stands in the results.
const LONGEST_REASON: usize = 300;

/// The summary.
pub fn text(summary: &Summary) -> String {
    let mut text = head(summary);
    let tables = [
        Some(cells(summary)),
        findings(summary),
        goals(summary),
        failures(summary),
    ];
    for table in tables.into_iter().flatten() {
        let _ = write!(text, "\n{table}");
    }
    let _ = writeln!(text, "\n{}", conclusion(summary));
    if let Some(effort) = summary.effort.filter(|effort| effort.trials > 0) {
        let _ = writeln!(text, "{}", cost(&effort));
    }
    let _ = writeln!(text, "results: {}", summary.folder);
    text
}

fn head(summary: &Summary) -> String {
    let tally = &summary.tally;
    let trials = counted(tally.trials, "trial");
    let (name, scope) = (&summary.sweep.name, summary.scope());
    format!("== {name}, {scope}: {trials}\n")
}

/// A cell's settings, as everywhere else; of all cells if there were too many to tell apart.
pub(super) fn cell_name(settings: &BTreeMap<String, String>) -> String {
    words::settings(settings).replace("  ", ", ")
}

/// The rows of the table of cells: its head, then one for each cell, or one for all.
pub(super) fn cell_rows(summary: &Summary) -> Vec<Vec<String>> {
    let tally = &summary.tally;
    let seen = |outcome: &Outcome| tally.verdicts.contains_key(outcome);
    let columns: Vec<Outcome> = OUTCOMES.into_iter().filter(seen).collect();
    let mut head = vec!["cell".to_owned(), "trials".to_owned()];
    head.extend(columns.iter().map(|outcome| outcome.name().to_owned()));
    head.push("as expected".to_owned());
    let row = |name: String, verdicts: &BTreeMap<Outcome, u64>, as_expected: u64| {
        let trials = verdicts.values().sum();
        let mut row = vec![name, grouped(trials)];
        let counts = columns.iter().map(|outcome| verdicts.get(outcome));
        row.extend(counts.map(|count| count.map_or_else(|| "-".to_owned(), |n| grouped(*n))));
        row.push(if as_expected == trials {
            "all".to_owned()
        } else {
            grouped(as_expected)
        });
        row
    };
    let mut rows = vec![head];
    if tally.cells.is_empty() {
        let name = "all settings".to_owned();
        rows.push(row(name, &tally.verdicts, tally.as_expected));
    }
    for Row {
        settings,
        verdicts,
        as_expected,
    } in &tally.cells
    {
        rows.push(row(cell_name(settings), verdicts, *as_expected));
    }
    rows
}

/// The rows of the table of findings, its head first; nothing if there are none.
pub(super) fn finding_rows(summary: &Summary) -> Vec<Vec<String>> {
    let findings = &summary.tally.findings;
    if findings.is_empty() {
        return Vec::new();
    }
    let head = ["finding", "permitted", "NOT permitted", "first seeds"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    let count = |number: u64| {
        if number == 0 {
            "-".to_owned()
        } else {
            grouped(number)
        }
    };
    for (check, checked) in findings {
        rows.push(vec![
            check.clone(),
            count(checked.permitted),
            count(checked.not_permitted),
            words::list(&checked.first_seeds),
        ]);
    }
    rows
}

fn cells(summary: &Summary) -> String {
    table(&cell_rows(summary), false)
}

fn findings(summary: &Summary) -> Option<String> {
    let rows = finding_rows(summary);
    (!rows.is_empty()).then(|| table(&rows, true))
}

fn goals(summary: &Summary) -> Option<String> {
    let tally = &summary.tally;
    let (all, never) = (summary.sweep.goals.len(), &tally.goals_never_reached);
    if never.is_empty() {
        return (all > 0).then(|| format!("goals: all {all} were reached\n"));
    }
    let text = format!("goals never reached ({} of {all}):\n", never.len());
    Some(
        never
            .iter()
            .fold(text, |text, goal| text + "  " + goal + "\n"),
    )
}

fn failures(summary: &Summary) -> Option<String> {
    let tally = &summary.tally;
    if tally.failures.is_empty() {
        return None;
    }
    let mut text = String::new();
    for failure in tally.failures.iter().take(TOLD) {
        let (seed, cell) = (failure.seed, cell_name(&failure.settings));
        let _ = writeln!(text, "{}: seed {seed}, {cell}", label(failure));
        for unmet in &failure.unmet {
            let _ = writeln!(text, "  {}", shortened(unmet));
        }
        let _ = writeln!(text, "  again: {}", failure.replay);
    }
    let more = tally.not_as_expected().saturating_sub(TOLD as u64);
    if more > 0 {
        let _ = writeln!(
            text,
            "and {} more: {}/failures",
            grouped(more),
            summary.folder
        );
    }
    Some(text)
}

/// What kind of failure it is, in words.
pub(super) fn label(failure: &Failure) -> &'static str {
    match failure.standing {
        Some(Standing::Inconclusive) => "inconclusive",
        Some(Standing::Error) => "could not be tried",
        _ => "NOT AS EXPECTED",
    }
}

/// The sweep in one line.
pub(super) fn conclusion(summary: &Summary) -> String {
    let tally = &summary.tally;
    let mut parts = Vec::new();
    for (number, what) in [
        (tally.failed, "NOT AS EXPECTED"),
        (tally.errors, "could not be tried"),
        (tally.inconclusive, "inconclusive"),
    ] {
        if number > 0 {
            parts.push(format!("{} {what}", grouped(number)));
        }
    }
    let mut text = if tally.trials == 0 {
        "nothing was tried".to_owned()
    } else if parts.is_empty() {
        format!("{} as expected", counted(tally.trials, "trial"))
    } else {
        let of = counted(tally.trials, "trial");
        format!("of {of}: {}", parts.join(", "))
    };
    if let Some(why) = summary.why_stopped() {
        let _ = write!(text, "; {why}");
    }
    if !summary.missing.is_empty() {
        let _ = write!(text, "; MISSING seeds {}", missing(summary));
    }
    text
}

/// The first ranges of seeds that were not tried.
fn missing(summary: &Summary) -> String {
    let first: Vec<String> = summary
        .missing
        .iter()
        .take(TOLD)
        .map(|range| match range.to {
            Some(to) if to == range.from + 1 => range.from.to_string(),
            _ => range.to_string(),
        })
        .collect();
    let more = summary.missing.len().saturating_sub(TOLD);
    let first = first.join(", ");
    if more > 0 {
        format!("{first} and {}", counted(more as u64, "more range"))
    } else {
        first
    }
}

/// What it cost, in one line.
pub(super) fn cost(effort: &Effort) -> String {
    let seconds = words::seconds(effort.wall_ms);
    let rounded = |rate: f64| format!("{rate:.0}");
    let mut text = format!(
        "{} in {seconds} with {}: {} trials/s, {} events/s, {} simulated s/s",
        counted(effort.trials, "trial"),
        counted(effort.jobs as u64, "job"),
        separated(&rounded(effort.trials_per_s)),
        separated(&rounded(effort.events_per_s)),
        separated(&rounded(effort.simulated_s_per_s)),
    );
    if let Some(kib) = effort.peak_memory_kib {
        let _ = write!(text, ", at most {} MiB of memory", kib.div_ceil(1_024));
    }
    text
}

/// A text of one line, and not longer than fits a screen or two.
pub(super) fn shortened(text: &str) -> String {
    let line = text.replace('\n', " ");
    if line.chars().count() <= LONGEST_REASON {
        return line;
    }
    let first: String = line.chars().take(LONGEST_REASON).collect();
    first + " ..."
}

/// `1 trial`, `10,000 trials`
pub(super) fn counted(number: u64, noun: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{} {noun}{s}", grouped(number))
}

/// `10,000`
pub(super) fn grouped(number: u64) -> String {
    separated(&number.to_string())
}

fn separated(digits: &str) -> String {
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Columns under each other: the first to the left, numbers to the right, words at the end to the left.
fn table(rows: &[Vec<String>], words_last: bool) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let left = column == 0 || (words_last && column + 1 == columns);
            let _ = if left {
                write!(line, "{cell:<width$}")
            } else {
                write!(line, "{cell:>width$}")
            };
            line.push_str("  ");
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}
