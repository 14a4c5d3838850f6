//! What `replay`, `compare` and `shrink` print, where, and how they exit.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder with the plans of a scenario's cells.
fn cells(test: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(test);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    // Whether that is as the scenario's file expects is the matter of other tests.
    ktrial(&folder, &["run", "all-brokers-down", "--out", "out"]);
    folder
}

const UNCLEAN: &str = "out/unclean.leader.election.enable=true/plan.json";
const CLEAN: &str = "out/unclean.leader.election.enable=false/plan.json";

/// Exit code, standard output, standard error.
fn ktrial(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_ktrial"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// The trace without the verdict behind it.
fn trace(folder: &Path, arguments: &[&str]) -> String {
    let (code, stdout, stderr) = ktrial(folder, &[&["replay", UNCLEAN], arguments].concat());
    assert_eq!((code, stderr.as_str()), (0, ""), "{arguments:?}");
    let (trace, verdict) = stdout.split_once("\nverdict ").unwrap();
    assert!(
        verdict.starts_with("PERMITTED"),
        "the verdict is about the whole: {verdict}"
    );
    trace.to_owned()
}

#[test]
fn replay_shows_what_is_asked_for() {
    let folder = cells("replay-filters");
    insta::assert_snapshot!("replay_record", trace(&folder, &["--record", "B"]));
    insta::assert_snapshot!(
        "replay_kinds",
        trace(&folder, &["--kind", "truncated,process_stopped"])
    );
    let both = [
        "--broker",
        "2",
        "--from",
        "9900ms",
        "--until",
        "10100ms",
        "--partition",
        "orders-0",
    ];
    insta::assert_snapshot!("replay_broker_and_time", trace(&folder, &both));
    let all = trace(&folder, &[]);
    let clients = trace(&folder, &["--node", "p1", "--node", "k1"]);
    assert!(clients.lines().count() < all.lines().count() / 2);
    assert!(clients.lines().all(|line| all.contains(line)), "{clients}");
}

#[test]
fn replay_can_record_messages_write_a_report_and_speak_json() {
    let folder = cells("replay-forms");
    let messages = trace(
        &folder,
        &["--messages", "--kind", "delivered", "--out", "again"],
    );
    assert!(messages.lines().count() > 100, "{messages}");
    assert!(folder.join("again/index.html").is_file());
    let (code, stdout, stderr) =
        ktrial(&folder, &["replay", UNCLEAN, "--json", "--kind", "elected"]);
    assert_eq!(code, 0);
    assert!(stderr.starts_with("verdict PERMITTED"), "{stderr}");
    assert!(stdout.lines().count() >= 2, "{stdout}");
    for line in stdout.lines() {
        let entry: ktrial_sim::history::Entry = serde_json::from_str(line).unwrap();
        assert!(line.contains("\"elected\""), "{entry:?}");
    }
}

#[test]
fn slips_are_told_with_what_was_meant() {
    let folder = cells("replay-slips");
    for (arguments, part) in [
        (["--kind", "truncatd"], "did you mean `truncated`?"),
        (["--node", "p2"], "did you mean `p1`?"),
        (["--broker", "9"], "the plan has no node `b9`"),
        (["--record", "Z"], "no entry is about a record `Z`"),
    ] {
        let (code, stdout, stderr) =
            ktrial(&folder, &[&["replay", UNCLEAN], &arguments[..]].concat());
        assert_eq!((code, stdout.as_str()), (3, ""), "{arguments:?}");
        assert!(
            stderr.starts_with("error: ") && stderr.contains(part),
            "{stderr}"
        );
    }
}

#[test]
fn compare_tells_what_differs() {
    let folder = cells("compare");
    let (code, stdout, stderr) = ktrial(&folder, &["compare", "all-brokers-down"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    insta::assert_snapshot!("compare", stdout);
    let (code, by_plans, _) = ktrial(&folder, &["compare", CLEAN, "--plan-b", UNCLEAN]);
    assert_eq!((code, by_plans), (0, stdout));
    let (_, table, _) = ktrial(&folder, &["compare", "all-brokers-down", "--seeds", "0..3"]);
    insta::assert_snapshot!("compare_seeds", table);
    let (_, json, _) = ktrial(&folder, &["compare", "all-brokers-down", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        json["first"]["b"]["what"]["event"]["elected"]["rule"],
        "unclean"
    );
}

#[test]
fn shrink_leaves_a_folder() {
    let folder = cells("shrink");
    let arguments = ["shrink", UNCLEAN, "--check", "lost_write", "--out", "small"];
    let (code, stdout, stderr) = ktrial(&folder, &arguments);
    assert_eq!((code, stderr.as_str()), (0, ""));
    // How long it took is no test's business.
    let told = stdout.lines().filter(|line| !line.contains(" trials in "));
    insta::assert_snapshot!("shrink", told.collect::<Vec<_>>().join("\n"));
    for file in [
        "plan.json",
        "story-before.txt",
        "story-after.txt",
        "shrink.json",
    ] {
        assert!(folder.join("small").join(file).is_file(), "{file}");
    }
    let (code, again, _) = ktrial(&folder, &["replay", "small/plan.json"]);
    assert_eq!(code, 0);
    assert!(again.contains("finding lost_write"), "{again}");
    for (arguments, part) in [
        (
            vec!["shrink", CLEAN],
            "the plan does not fail: its verdict is kept, and it has no finding",
        ),
        (
            vec!["shrink", UNCLEAN],
            "all permitted by its configuration",
        ),
        (
            vec!["shrink", UNCLEAN, "--check", "duplicate"],
            "the plan does not show `duplicate`",
        ),
    ] {
        let (code, stdout, stderr) = ktrial(&folder, &arguments);
        assert_eq!((code, stdout.as_str()), (3, ""), "{arguments:?}");
        assert!(stderr.contains(part), "{stderr}");
    }
}
