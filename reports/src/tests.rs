//! The texts and the JSON of the flagship scenario, as snapshots.

use crate::{chart, fixture, json, story, verdict_text};

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

#[test]
fn the_story_folds_what_repeats() {
    insta::assert_snapshot!(story(&fixture::busy()));
}

#[test]
fn charts_say_how_many_partitions_they_leave_out() {
    let svg = chart::svg(&fixture::busy()).unwrap();
    assert!(svg.contains("2 more partitions not drawn"));
}

#[test]
fn a_record_that_says_nothing_can_be_shown() {
    let cell = fixture::empty();
    assert!(story(&cell).starts_with("all-brokers-down   default settings   seed 7"));
    assert!(verdict_text(&cell).starts_with("verdict KEPT"));
    assert!(chart::svg(&cell).unwrap().starts_with("<svg"));
}
