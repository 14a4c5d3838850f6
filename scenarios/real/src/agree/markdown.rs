//! The table as a document: when and how it was made, the sum, a table for each scenario with the first
//! difference of each row, and what the reasons say.
//!
//! Invariants: nothing in it depends on how long the runs took.

use super::table::{Row, Summary, Table};
use super::text::{counts, explained, held_in_brief, level, settings, source};
use super::words;
use std::fmt::Write as _;

/// What stands before the tables.
const HEAD: &str = "\
Each scenario of the library is played twice from the same plan: simulated, and on the real Apache Kafka as
processes on this machine. Both give a record, and the same checks make a verdict of it. A cell is *same* if
the real outcome is among the simulated ones in everything that is compared: verdict, lost and duplicated
values, the end of each send, final logs with offsets and leader epochs, leader epoch checkpoints, and every
state of a partition that the controller wrote. *Same but for* names what is let pass; the exact definitions
are in `scenarios/real/src/agree/mod.rs`. Where the two differ, Kafka is right. Below each table stands the
first difference of each row that differs; all of them are in the JSON of the same name. With `--kept` the
records that earlier runs of a command left are judged anew, instead of playing again. What the command cannot
know of the table in ktrial's own documentation is in [agreement-notes.md](agreement-notes.md).

Logs are shown as the values on every broker, then the leader epoch checkpoint as (epoch, first offset).
";

/// The document.
pub fn markdown(table: &Table) -> String {
    let mut text = format!(
        "# Does the simulator tell the truth?\n\n{HEAD}\nMade on {} by\n\n    {}\n\nReleases: {}.\n\n**{}**\n",
        table.date,
        table.commands.join("\n    "),
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
        about(&mut text, scenario);
        tables(&mut text, &rows);
        prose(&mut text, &rows);
    }
    reasons(&mut text, table);
    text
}

/// What a scenario of the library is about, in its own words.
fn about(text: &mut String, scenario: &str) {
    let entry = ktrial::library::find(scenario);
    let parsed = entry.and_then(|it| ktrial::file::parse(it.name, it.path, it.text).ok());
    if let Some(scenario) = parsed {
        let (title, why) = (escaped(&scenario.title), escaped(&scenario.why));
        let _ = writeln!(text, "{title}. {why}\n");
    }
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
    let mut last = String::new();
    for row in rows {
        let real = row.real.as_ref().map_or_else(String::new, ended);
        let simulated = match (&row.simulated, &row.real) {
            (Some(simulated), Some(real)) if shown(simulated) == shown(real) => {
                "the same".to_owned()
            }
            (simulated, _) => simulated.as_ref().map_or_else(String::new, ended),
        };
        // Said once for all releases.
        let settings = settings(&row.cell);
        let first = if settings == last { "" } else { &settings };
        let cells = [
            first,
            &row.target,
            &level(&row.agreement),
            &real,
            &simulated,
        ];
        let cells: Vec<String> = cells.into_iter().map(escaped).collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
        last = settings;
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

/// The first difference of each row, and its reasons. Rows of a target of which the same is to be said share
/// a line.
fn prose(text: &mut String, rows: &[&Row]) {
    let mut told: Vec<(&str, Vec<String>, Vec<String>)> = Vec::new();
    for row in rows {
        let said = explained(&row.agreement);
        let known = told
            .iter_mut()
            .find(|(target, known, _)| *target == row.target && *known == said);
        match known {
            _ if said.is_empty() => {}
            Some((_, _, cells)) => cells.push(settings(&row.cell)),
            None => told.push((&row.target, said, vec![settings(&row.cell)])),
        }
    }
    if !told.is_empty() {
        text.push('\n');
    }
    for (target, said, cells) in told {
        let (cells, said) = (escaped(&cells.join("; ")), escaped(&said.join(" ")));
        let _ = writeln!(text, "- **{target}**, {cells}: {said}");
    }
}

/// What the reasons say.
fn reasons(text: &mut String, table: &Table) {
    if table.reasons.is_empty() {
        return;
    }
    text.push_str("\n## Reasons\n\n");
    for because in &table.reasons {
        let _ = writeln!(
            text,
            "- **{}**: {} ({})",
            escaped(&because.id),
            escaped(&because.says),
            escaped(&source(because))
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
