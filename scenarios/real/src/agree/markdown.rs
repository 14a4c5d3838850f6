//! The table as a document: when and how it was made, the sum, a table for each scenario, and
//! in prose what differs and why.
//!
//! Invariants: nothing in it depends on how long the runs took.

use super::table::{Row, Summary, Table};
use super::text::{counts, explained, held_in_brief, level, settings};
use super::words;
use std::fmt::Write as _;

/// What stands before the tables.
const HEAD: &str = "\
Each scenario of the library is played twice from the same plan: simulated, and on the real Apache Kafka as
processes on this machine. Both give a record, and the same checks make a verdict of it. A cell is *same* if
the real outcome is among the simulated ones in everything that is compared: verdict, lost and duplicated
values, the end of each send, final logs with offsets and leader epochs, leader epoch checkpoints, and every
state of a partition that the controller wrote. *Same but for* names what is let pass; the exact definitions
are in `scenarios/real/src/agree/mod.rs`. Where the two differ, Kafka is right.

Logs are shown as the values on every broker, then the leader epoch checkpoint as (epoch, first offset).
";

/// The document.
pub fn markdown(table: &Table) -> String {
    let mut text = format!(
        "# Does the simulator tell the truth?\n\n{HEAD}\nMade on {} by\n\n    {}\n\nReleases: {}.\n\n**{}**\n",
        table.date,
        table.command,
        words::list(targets(table)),
        counts(table.counts())
    );
    let mut scenarios: Vec<&str> = table.rows.iter().map(|row| row.scenario.as_str()).collect();
    scenarios.dedup();
    for scenario in scenarios {
        let rows: Vec<&Row> = table
            .rows
            .iter()
            .filter(|row| row.scenario == scenario)
            .collect();
        let _ = writeln!(text, "\n## {}\n", escaped(scenario));
        tables(&mut text, &rows);
        prose(&mut text, &rows);
    }
    text
}

/// Every target, in the order of their first rows.
fn targets(table: &Table) -> Vec<&str> {
    let mut targets: Vec<&str> = Vec::new();
    for row in &table.rows {
        if !targets.contains(&row.target.as_str()) {
            targets.push(&row.target);
        }
    }
    targets
}

fn tables(text: &mut String, rows: &[&Row]) {
    text.push_str("| settings | Kafka | agreement | real: verdict, logs | simulated |\n|---|---|---|---|---|\n");
    for row in rows {
        let real = row.real.as_ref().map_or_else(String::new, ended);
        let simulated = match (&row.simulated, &row.real) {
            (Some(simulated), Some(real)) if shown(simulated) == shown(real) => {
                "the same".to_owned()
            }
            (simulated, _) => simulated.as_ref().map_or_else(String::new, ended),
        };
        let cells = [
            &settings(&row.cell),
            &row.target,
            &level(&row.agreement),
            &real,
            &simulated,
        ];
        let cells: Vec<String> = cells.into_iter().map(|cell| escaped(cell)).collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
}

/// What a cell of the table shows of an outcome.
fn shown(summary: &Summary) -> (&str, &[String], Vec<String>) {
    let logs = summary
        .logs
        .iter()
        .map(|held| held_in_brief(held, &summary.logs));
    (&summary.verdict, &summary.lost, logs.collect())
}

fn ended(summary: &Summary) -> String {
    let (verdict, lost, logs) = shown(summary);
    let lost = match lost {
        [] => String::new(),
        lost => format!(", lost {}", words::values_in_brief(lost)),
    };
    format!("{verdict}{lost}: {}", logs.join(" / "))
}

/// What differs or could not be played. Cells in which the same is to be said share a paragraph.
fn prose(text: &mut String, rows: &[&Row]) {
    let mut told: Vec<(Vec<String>, Vec<&Row>)> = Vec::new();
    for row in rows {
        let said = explained(&row.agreement);
        if said.is_empty() {
            continue;
        }
        match told.iter_mut().find(|(known, _)| *known == said) {
            Some((_, rows)) => rows.push(row),
            None => told.push((said, vec![row])),
        }
    }
    for (said, rows) in told {
        let names = rows
            .iter()
            .map(|row| format!("{} ({})", row.target, settings(&row.cell)));
        let names: Vec<String> = names.collect();
        let level = rows
            .first()
            .map_or_else(String::new, |row| level(&row.agreement));
        let _ = writeln!(
            text,
            "\n**{}: {}.** {}",
            escaped(&names.join(", ")),
            level,
            escaped(&said.join(" "))
        );
    }
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
