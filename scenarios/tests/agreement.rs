//! Every scenario of the library is in the table of agreement with real releases, or docs/agreement-notes.md
//! says why it cannot be: none is left out in silence.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use ktrial::compile::compile;
use ktrial::file::parse;
use ktrial::library::{LIBRARY, find};
use ktrial::real::obstacles;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn document(name: &str) -> String {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    fs::read_to_string(docs.join(name)).unwrap()
}

/// The scenarios that have a part of the table.
fn played() -> BTreeSet<String> {
    let table = document("agreement.md");
    let heads = table.lines().filter_map(|line| line.strip_prefix("## "));
    heads.map(str::to_owned).collect()
}

/// The scenarios that have a line of the list of what cannot be played.
fn told() -> BTreeSet<String> {
    let notes = document("agreement-notes.md");
    let lines = notes.lines();
    let names = lines.filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    names.map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn every_scenario_was_played_or_is_told() {
    let (played, told) = (played(), told());
    let both: Vec<&String> = played.intersection(&told).collect();
    assert!(both.is_empty(), "played, and told as impossible: {both:?}");
    let all = LIBRARY.iter().map(|entry| entry.name);
    let missing: Vec<&str> = all
        .filter(|name| !played.contains(*name) && !told.contains(*name))
        .collect();
    assert!(missing.is_empty(), "neither played nor told: {missing:?}");
}

#[test]
fn what_is_told_as_impossible_is() {
    for name in told() {
        let entry = find(&name).unwrap();
        let scenario = parse(entry.name, entry.path, entry.text).unwrap();
        for plan in compile(&scenario, 1, &[]).unwrap().plans {
            let found = obstacles(&plan);
            let hard = found.iter().any(|obstacle| !obstacle.needs_network());
            assert!(hard, "{name}, {:?}: it can be played", plan.cell);
        }
    }
}
