//! `ktrial rules`: every switch of the rules, what it changes, and what it is in a release.
//!
//! Next: `core/src/rules.rs`, where the table is.

use super::{Exit, output};
use ktrial_core::rules::{NEWEST, Rules, SWITCHES, TRUNCATION};
use serde::Serialize;

/// A switch as it is told.
#[derive(Serialize)]
struct Row {
    rule: &'static str,
    value: String,
    since: &'static str,
    source: &'static str,
    meaning: String,
}

/// Lists the switches with their values in `release`, the newest one if it is left out.
pub(super) fn list(release: Option<&str>, json: bool) -> Exit {
    let release = release.unwrap_or(NEWEST);
    let rules = match Rules::kafka(release) {
        Ok(rules) => rules,
        Err(error) => {
            output::complain(&error.to_string());
            return Exit::Usage;
        }
    };
    let rows: Vec<Row> = std::iter::once(&TRUNCATION)
        .chain(SWITCHES)
        .map(|switch| Row {
            rule: switch.key,
            value: rules.get(switch.key).unwrap_or_default(),
            since: switch.since,
            source: switch.source,
            meaning: switch.meaning.trim().to_owned(),
        })
        .collect();
    if json {
        let answer = serde_json::json!({ "release": release, "rules": rows });
        output::say(&format!("{answer:#}"));
    } else {
        output::say(&text(release, &rows));
    }
    Exit::AsExpected
}

fn text(release: &str, rows: &[Row]) -> String {
    let width = |of: fn(&Row) -> usize| rows.iter().map(of).max().unwrap_or_default();
    let (rule, value) = (width(|row| row.rule.len()), width(|row| row.value.len()));
    let mut told = format!("Rules of Kafka {release}:");
    for row in rows {
        told.push_str(&format!(
            "\n\n{:rule$}  {:value$}  since {}, {}\n  {}",
            row.rule, row.value, row.since, row.source, row.meaning
        ));
    }
    told
}
