//! The program as a person calls it: what it prints, where, and how it exits.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::path::PathBuf;
use std::process::{Command, Output};

/// A folder of its own for a test.
fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn ktrial_in(folder: &PathBuf, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ktrial"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

/// Exit code, standard output, standard error.
fn ktrial(arguments: &[&str]) -> (i32, String, String) {
    told(&ktrial_in(
        &folder(&format!("cli-{}", arguments.concat().replace('/', "_"))),
        arguments,
    ))
}

fn told(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (
        output.status.code().unwrap(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

/// The command fails as a usage error that says `part`, and prints nothing on standard output.
fn refused(arguments: &[&str], part: &str) {
    let (code, stdout, stderr) = ktrial(arguments);
    assert_eq!(code, 3, "{arguments:?}: {stderr}");
    assert_eq!(stdout, "", "{arguments:?}");
    assert!(stderr.starts_with("error: "), "{arguments:?}: {stderr}");
    assert!(stderr.contains(part), "{arguments:?}: {stderr}");
    assert!(!stderr.contains("panicked"), "{arguments:?}: {stderr}");
}

#[test]
fn list_names_every_scenario_with_its_title() {
    let (code, stdout, stderr) = ktrial(&["list"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    insta::assert_snapshot!("list", stdout);
}

#[test]
fn list_can_print_the_names_alone() {
    let (code, stdout, _) = ktrial(&["list", "--names"]);
    let names = ktrial::library::names().join("\n");
    assert_eq!((code, stdout), (0, names + "\n"));
}

#[test]
fn show_prints_the_file_and_its_cells() {
    let (code, stdout, _) = ktrial(&["show", "all-brokers-down"]);
    let file = include_str!("../library/replication/all-brokers-down.toml");
    let cells = stdout.strip_prefix(file).unwrap();
    assert_eq!(code, 0);
    assert_eq!(
        cells,
        "\n# 2 cells of scenarios/library/replication/all-brokers-down.toml:\n\
         #   unclean.leader.election.enable=false\n#   unclean.leader.election.enable=true\n"
    );
    refused(
        &["show", "all-broker-down"],
        "did you mean `all-brokers-down`?",
    );
    refused(&["show", "./missing.toml"], "cannot read ./missing.toml");
}

#[test]
fn usage_errors_exit_3() {
    let (code, stdout, stderr) = ktrial(&[]);
    assert_eq!((code, stdout.as_str()), (3, ""));
    assert!(stderr.contains("Usage"), "{stderr}");
    refused(&["rn"], "rn");
    refused(&["run"], "NAME|FILE");
    refused(&["run", "all-brokers-down", "--seed", "x"], "--seed");
    refused(&["run", "all-brokers-down", "--set", "acks"], "KEY=VALUE");
    refused(
        &["run", "all-brokers-down", "--set", "ack=1"],
        "did you mean `acks`?",
    );
    refused(
        &["run", "all-brokers-down", "--set", "acks=2"],
        "0, 1 or all",
    );
    refused(&["run", "all-brokers-down", "--set", "=1"], "KEY=VALUE");
    refused(
        &["run", "all-brokers-down", "--set", "producers.p9.acks=1"],
        "the scenario has no `p9` among its producers",
    );
    refused(
        &["run", "all-brokers-down", "--set", "consumers.acks=1"],
        "`acks` is no setting of consumers",
    );
    refused(
        &["run", "all-brokers-down", "--set", "min.insync.replicas=0"],
        "must be at least 1",
    );
    refused(
        &["run", "all-brokers-down", "--seed", "18446744073709551616"],
        "number too large",
    );
    refused(
        &["run", "all-brokers-down", "--seed", "-1"],
        "invalid digit",
    );
    refused(
        &["run", "all-brokers-donw"],
        "did you mean `all-brokers-down`?",
    );
    refused(&["run", "/"], "cannot read /");
    refused(
        &["run", "no-such-scenario"],
        "known here: `all-brokers-down`",
    );
    refused(&["run", "./missing.toml"], "cannot read ./missing.toml");
    refused(&["check", "missing.toml"], "cannot read missing.toml");
    refused(&["replay", "missing.json"], "cannot read missing.json");
    refused(
        &["replay", "x.json", "--until", "12"],
        "expected a time such as",
    );
}

#[test]
fn help_and_version_are_no_errors() {
    let (code, stdout, _) = ktrial(&["--help"]);
    assert_eq!(code, 0);
    assert!(stdout.contains("Exit codes: 0 as expected"), "{stdout}");
    assert_eq!(ktrial(&["--version"]).0, 0);
    assert_eq!(ktrial(&["run", "--help"]).0, 0);
}

#[test]
fn new_writes_a_right_file_and_never_over_another() {
    let folder = folder("new");
    let (code, stdout, _) = told(&ktrial_in(&folder, &["new", "mine"]));
    assert_eq!(
        (code, stdout.as_str()),
        (0, "wrote mine.toml; next: ktrial run ./mine.toml\n")
    );
    let (code, stdout, _) = told(&ktrial_in(&folder, &["check", "mine.toml"]));
    assert_eq!(
        (code, stdout.as_str()),
        (0, "mine.toml: no mistakes (5 steps, 2 cells)\n")
    );
    std::fs::write(folder.join("mine.toml"), "precious").unwrap();
    let (code, _, stderr) = told(&ktrial_in(&folder, &["new", "mine"]));
    assert_eq!(code, 3);
    assert!(stderr.contains("is there already"), "{stderr}");
    let kept = std::fs::read_to_string(folder.join("mine.toml")).unwrap();
    assert_eq!(kept, "precious");
    for name in ["a\"b", "no/such/folder/x", "", "..", "a/"] {
        assert_eq!(told(&ktrial_in(&folder, &["new", name])).0, 3, "{name}");
    }
}

#[test]
fn check_tells_about_every_file() {
    let folder = folder("check");
    std::fs::write(folder.join("a.toml"), "titel = 1\n").unwrap();
    std::fs::write(folder.join("b.toml"), [0xff, 0xfe]).unwrap();
    let arguments = ["check", "a.toml", "b.toml", "all-brokers-down"];
    let (code, stdout, stderr) = told(&ktrial_in(&folder, &arguments));
    assert_eq!(code, 3);
    assert!(stdout.contains("all-brokers-down: no mistakes"), "{stdout}");
    assert!(stderr.contains("a.toml:1:1"), "{stderr}");
    assert!(stderr.contains("did you mean `title`?"), "{stderr}");
    assert!(
        stderr.contains("b.toml: it is not text in UTF-8"),
        "{stderr}"
    );
}

#[test]
fn a_folder_that_cannot_be_written_is_told_before_any_trial() {
    let folder = folder("unwritable");
    std::fs::write(folder.join("file"), "in the way").unwrap();
    let arguments = ["run", "all-brokers-down", "--out", "file/report"];
    let (code, stdout, stderr) = told(&ktrial_in(&folder, &arguments));
    assert_eq!((code, stdout.as_str()), (3, ""));
    assert!(
        stderr.contains("cannot write to the report folder file/report"),
        "{stderr}"
    );
}

#[test]
fn a_plan_that_is_none_is_refused() {
    let folder = folder("plan");
    std::fs::write(
        folder.join("plan.json"),
        "{\"version\": 1, \"sceanrio\": 2}",
    )
    .unwrap();
    let (code, _, stderr) = told(&ktrial_in(&folder, &["replay", "plan.json"]));
    assert_eq!(code, 3);
    assert!(
        stderr.contains("plan.json is not a plan: unknown field"),
        "{stderr}"
    );
}
