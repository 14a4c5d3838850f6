//! The summary of a sweep as Markdown: made for `$GITHUB_STEP_SUMMARY`, good wherever Markdown is shown.
//!
//! Next: `junit.rs`.

use super::summary::Summary;
use super::text::{cell_name, cell_rows, conclusion, cost, finding_rows, label, shortened};
use std::fmt::Write as _;

/// How many failures are told in full: such pages have a limit.
const TOLD: usize = 20;

/// The summary.
pub fn markdown(summary: &Summary) -> String {
    let sign = if summary.is_fine() { "✓" } else { "✕" };
    let (name, scope) = (escaped(&summary.sweep.name), summary.scope());
    let mut text = format!("### {sign} ktrial sweep {name}, {scope}\n\n");
    let _ = writeln!(text, "**{}**", escaped(&conclusion(summary)));
    text.push_str(&table(&cell_rows(summary)));
    text.push_str(&table(&finding_rows(summary)));
    let never = &summary.tally.goals_never_reached;
    if !never.is_empty() {
        let names: Vec<String> = never.iter().map(|goal| escaped(goal)).collect();
        let _ = writeln!(text, "\nGoals never reached: {}", names.join(", "));
    }
    failures(&mut text, summary);
    if let Some(effort) = &summary.effort {
        let _ = writeln!(text, "\n<sub>{}</sub>", escaped(&cost(effort)));
    }
    text
}

fn failures(text: &mut String, summary: &Summary) {
    let tally = &summary.tally;
    for failure in tally.failures.iter().take(TOLD) {
        let (label, seed) = (label(failure), failure.seed);
        let cell = escaped(&cell_name(&failure.settings));
        let _ = writeln!(text, "\n**{label}: seed {seed}**, {cell}\n");
        for unmet in &failure.unmet {
            let _ = writeln!(text, "- {}", escaped(&shortened(unmet)));
        }
        let _ = writeln!(text, "\n```\n{}\n```", failure.replay);
    }
    let more = tally.not_as_expected().saturating_sub(TOLD as u64);
    if more > 0 {
        let _ = writeln!(text, "\nAnd {more} more: see `failures/` of the results.");
    }
}

/// The first row is the head. Numbers stand to the right, the first column to the left.
fn table(rows: &[Vec<String>]) -> String {
    let Some((head, rows)) = rows.split_first() else {
        return String::new();
    };
    let line = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|cell| escaped(cell)).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let mut text = format!("\n{}", line(head));
    text.push_str("|---|");
    text.push_str(&"--:|".repeat(head.len() - 1));
    text.push('\n');
    for row in rows {
        text.push_str(&line(row));
    }
    text
}

/// What would be read as Markdown or HTML stays what it is.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' => {
                safe.push('\\');
                safe.push(c);
            }
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '\n' | '\r' => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}
