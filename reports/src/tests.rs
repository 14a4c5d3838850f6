//! The texts and the JSON of the flagship scenario, as snapshots.

use crate::{fixture, json, story, verdict_text};

#[test]
fn the_story_under_unclean_election() {
    insta::assert_snapshot!(story(&fixture::cell(true)));
}

#[test]
fn the_story_without_unclean_election() {
    insta::assert_snapshot!(story(&fixture::cell(false)));
}

#[test]
fn the_verdict_under_unclean_election() {
    insta::assert_snapshot!(verdict_text(&fixture::cell(true)));
}

#[test]
fn the_verdict_without_unclean_election() {
    let mut cell = fixture::cell(false);
    cell.unmet.push("expected lost [B, C]".to_owned());
    insta::assert_snapshot!(verdict_text(&cell));
}

#[test]
fn the_json_of_the_run() {
    let text = serde_json::to_string_pretty(&json(&fixture::run())).unwrap();
    insta::assert_snapshot!(text);
}
