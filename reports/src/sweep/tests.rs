//! Summaries of sweeps that were written by hand.

use super::*;
use std::collections::BTreeMap;

fn line(seed: u64, cell: usize, verdict: Outcome, unmet: &[&str]) -> Line {
    let unclean = ["false", "true"][cell - 1];
    let setting = (
        "unclean.leader.election.enable".to_owned(),
        unclean.to_owned(),
    );
    Line {
        settings: BTreeMap::from([setting]),
        verdict,
        unmet: unmet.iter().map(|&text| text.to_owned()).collect(),
        events: 200,
        simulated_ms: 42_000,
        acknowledged: 4,
        goals: BTreeMap::from([
            ("isr_shrank".to_owned(), 2),
            ("disk_was_full".to_owned(), 0),
        ]),
        digest: format!("{seed:016x}"),
        ..Line::error(seed, (cell, 2), BTreeMap::new(), "so it was".to_owned())
    }
}

fn found(check: &str, permitted: bool) -> Found {
    Found {
        check: check.to_owned(),
        permitted,
    }
}

fn summary(lines: &[Line]) -> Summary {
    let mut tally = Tally::default();
    for line in lines {
        tally.add(line, || {
            format!("ktrial replay out/failures/{}", line.plan_file())
        });
    }
    Summary {
        sweep: Identity {
            name: "all-brokers-down".to_owned(),
            fingerprint: "0".to_owned(),
            version: "1".to_owned(),
            seeds: SeedRange {
                from: 0,
                to: Some(1_000),
            },
            shard: None,
            goals: vec!["disk_was_full".to_owned(), "isr_shrank".to_owned()],
        },
        complete: true,
        stopped: None,
        missing: Vec::new(),
        tally: tally.finished(&["disk_was_full".to_owned(), "isr_shrank".to_owned()]),
        effort: Some(Effort::new(2, 4_000, 2_000, 400_000, 84_000_000)),
        folder: "out".to_owned(),
    }
}

/// A thousand seeds, four of which are not as expected.
fn mixed() -> Summary {
    let mut lines = Vec::new();
    for seed in 0..1_000 {
        lines.push(match seed {
            17 => line(
                seed,
                1,
                Outcome::Broken,
                &["verdict: <expected> kept, got broken: 100% | lost, `A`"],
            ),
            40 => line(
                seed,
                1,
                Outcome::Inconclusive,
                &["verdict: expected kept, got inconclusive"],
            ),
            41 => line(
                seed,
                1,
                Outcome::Error,
                &["the simulator failed:\nan endless loop"],
            ),
            _ => line(seed, 1, Outcome::Kept, &[]),
        });
        lines.push(line(seed, 2, Outcome::Permitted, &[]));
    }
    lines[34].findings = vec![found("lost_write", false)];
    lines[35].findings = vec![found("lost_write", true), found("log_matching", true)];
    lines[37].findings = vec![found("log_matching", true)];
    lines[38].unmet = vec!["lost: expected [], got [A]".to_owned()];
    summary(&lines)
}

#[test]
fn a_summary_tells_the_whole() {
    insta::assert_snapshot!("text", text(&mixed()));
}

#[test]
fn a_fine_sweep_is_told_shortly() {
    let lines: Vec<Line> = (0..3)
        .map(|seed| line(seed, 1, Outcome::Kept, &[]))
        .collect();
    let mut fine = summary(&lines);
    fine.effort = None;
    fine.sweep.shard = Some(Shard { index: 2, of: 4 });
    insta::assert_snapshot!("text_fine", text(&fine));
    assert!(github(&fine).is_empty(), "a fine sweep annotates nothing");
}

#[test]
fn missing_seeds_are_told() {
    let mut summary = summary(&[line(0, 1, Outcome::Kept, &[])]);
    let range = |from, to| SeedRange { from, to: Some(to) };
    summary.missing = vec![range(1, 2), range(5, 9)];
    let text = text(&summary);
    assert!(
        text.contains("1 trial as expected; MISSING seeds 1, 5..9"),
        "{text}"
    );
    assert!(!summary.is_fine());
    assert!(junit(&summary).unwrap().contains("every seed was tried"));
}

#[test]
fn markdown_and_annotations_escape_what_they_must() {
    insta::assert_snapshot!("markdown", markdown(&mixed()));
    insta::assert_snapshot!("github", github(&mixed()).join("\n"));
}

#[test]
fn junit_counts_and_escapes() {
    let xml = junit(&mixed()).unwrap();
    let read = quick_junit::Report::deserialize_from_str(&xml).unwrap();
    assert_eq!((read.tests, read.failures, read.errors), (6, 3, 1));
    insta::assert_snapshot!("junit", xml);
}

#[test]
fn many_failures_are_counted_and_the_first_told() {
    let fail = |seed| line(seed, 1, Outcome::Broken, &["no"]);
    let lines: Vec<Line> = (0..200).map(fail).collect();
    let summary = summary(&lines);
    assert_eq!(summary.tally.failed, 200);
    assert_eq!(summary.tally.failures.len(), 50);
    assert!(text(&summary).contains("and 195 more: out/failures"));
    assert!(markdown(&summary).contains("And 180 more"));
    assert!(junit(&summary).unwrap().contains("150 more failures"));
    assert_eq!(github(&summary).len(), 10);
}

#[test]
fn settings_that_never_come_back_are_no_table() {
    let mut lines = Vec::new();
    for seed in 0..500_u64 {
        let mut line = line(seed, 1, Outcome::Kept, &[]);
        line.settings.insert("acks".to_owned(), seed.to_string());
        lines.push(line);
    }
    let summary = summary(&lines);
    assert!(summary.tally.cells.is_empty());
    assert!(
        text(&summary).contains("all settings     500   500"),
        "{}",
        text(&summary)
    );
}

#[test]
fn a_line_survives_the_way_through_text() {
    let mut line = line(7, 2, Outcome::Broken, &["a", "b"]);
    line.findings = vec![found("lost_write", false)];
    let text = line.to_json();
    assert!(text.ends_with("}\n"));
    assert_eq!(serde_json::from_str::<Line>(&text).unwrap(), line);
    assert_eq!(line.plan_file(), "seed-7-cell2.json");
    assert_eq!(Line { cells: 1, ..line }.plan_file(), "seed-7.json");
}

#[test]
fn differences_of_a_line_are_named() {
    let one = line(7, 1, Outcome::Kept, &[]);
    let mut two = one.clone();
    assert_eq!(one.differences(&two), []);
    two.digest = "other".to_owned();
    two.events = 201;
    let names: Vec<String> = one.differences(&two).into_iter().map(|d| d.0).collect();
    assert_eq!(names, ["events", "digest"]);
}
