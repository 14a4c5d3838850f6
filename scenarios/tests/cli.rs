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
fn rules_tells_every_switch_and_its_value_in_a_release() {
    use ktrial_core::rules::SWITCHES;
    let (code, stdout, stderr) = ktrial(&["rules", "2.0"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let value = |key: &str| {
        let mut lines = stdout.lines().map(|line| line.split_whitespace());
        lines.find_map(|mut words| (words.next() == Some(key)).then(|| words.next().unwrap()))
    };
    assert_eq!(value("truncation"), Some("epoch279"));
    assert_eq!(value("fetch_epoch_fencing"), Some("false"));
    assert!(SWITCHES.iter().all(|switch| value(switch.key).is_some()));
    let (_, json, _) = ktrial(&["rules", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(told["rules"].as_array().unwrap().len(), SWITCHES.len() + 1);
    refused(&["rules", "0.7"], "older than 0.8");
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
        "`ktrial list` shows the library",
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
        (
            0,
            "mine.toml: no mistakes (5 steps, 2 cells)\n  on a real cluster: yes\n"
        )
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

/// In one line: the gravest obstacle, and of how many cells.
#[test]
fn check_tells_what_a_real_cluster_could_do() {
    let folder = folder("check-real");
    let head =
        "title = \"t\"\nwhy = \"w\"\n[topics.orders]\nreplicas = [[1, 2, 3]]\n[producers.p1]\n";
    let matrix = "[matrix]\nrules.truncation = [\"hw\", \"on_fetch\"]\n[[step]]\nheal = {}\n";
    let cases = [
        (
            "part.toml",
            matrix,
            "not 1 cell of 2; rules.truncation = hw: ",
        ),
        (
            "never.toml",
            "[[step]]\ncut = { from = [1], to = [2] }\n[[step]]\npower_loss = { broker = 1 }\n",
            "no; step 1, ",
        ),
        (
            "net.toml",
            "[[step]]\nafter = \"1s\"\ncut = { from = [1], to = [2] }\nfor = \"1s\"\n",
            "yes, with a network of its own; step 0, ",
        ),
        ("all.toml", "[[step]]\nkill = { broker = 1 }\n", "yes\n"),
    ];
    for (file, text, expected) in cases {
        std::fs::write(folder.join(file), format!("{head}{text}")).unwrap();
        let (code, stdout, _) = told(&ktrial_in(&folder, &["check", file]));
        let expected = format!("on a real cluster: {expected}");
        assert!(code == 0 && stdout.contains(&expected), "{file}: {stdout}");
        assert_eq!(stdout.contains("of 1 step is inexact"), file == "net.toml");
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
    for out in ["file", "file/report", "/proc/report"] {
        let arguments = ["run", "all-brokers-down", "--out", out];
        let (code, stdout, stderr) = told(&ktrial_in(&folder, &arguments));
        assert_eq!((code, stdout.as_str()), (3, ""), "{out}");
        let part = format!("cannot write to the report folder {out}: ");
        assert!(stderr.contains(&part), "{stderr}");
    }
}

#[test]
fn a_plan_that_is_none_is_refused() {
    let folder = folder("plan");
    let (code, ..) = told(&ktrial_in(
        &folder,
        &["run", "all-brokers-down", "--set", "acks=1", "--out", "out"],
    ));
    assert_eq!(code, 0);
    let plan = "out/acks=1+unclean.leader.election.enable=false/plan.json";
    let plan = std::fs::read_to_string(folder.join(plan)).unwrap();
    let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
    let plan = plan.to_string(); // Without the spaces of a file that people read.
    let with = |old: &str, new: &str| {
        assert!(plan.contains(old), "{old}");
        plan.replacen(old, new, 1)
    };
    let no_node = with("\"nodes\":[\"b3\"]", "\"nodes\":[\"b9\"]");
    let no_client = with("\"producer\":\"p1\"", "\"producer\":\"p9\"");
    let newer = with("\"version\":2", "\"version\":3, \"tides\":1");
    for (text, part) in [
        ("", "is not a plan: EOF"),
        ("\u{0}\u{1}", "is not a plan: expected value at line 1"),
        ("[1, 2]", "is not a plan"),
        ("{\"version\": -1}", "is not a plan: invalid value"),
        (
            "{\"version\": 2, \"sceanrio\": 2}",
            "is not a plan: unknown field",
        ),
        ("{\"version\": 2}", "is not a plan: missing field"),
        (
            &newer,
            "is a plan of version 3, this ktrial reads version 2",
        ),
        (&no_node, "names node `b9`, which it does not have"),
        (&no_client, "names producer `p9`, which it does not have"),
    ] {
        std::fs::write(folder.join("plan.json"), text).unwrap();
        let (code, stdout, stderr) = told(&ktrial_in(&folder, &["replay", "plan.json"]));
        assert_eq!((code, stdout.as_str()), (3, ""), "{part}: {stderr}");
        assert!(stderr.starts_with("error: "), "{stderr}");
        assert!(stderr.contains(part), "{part}: {stderr}");
    }
    let (code, _, stderr) = told(&ktrial_in(&folder, &["replay", "."]));
    assert_eq!(code, 3);
    assert!(stderr.contains("cannot read ."), "{stderr}");
}

#[test]
fn replay_traces_the_same_trial_up_to_a_time() {
    let folder = folder("replay");
    let run = [
        "run",
        "all-brokers-down",
        "--seed",
        "18446744073709551615",
        "--out",
        "o",
    ];
    let (code, ..) = told(&ktrial_in(&folder, &run));
    assert_eq!(code, 0);
    let cell = folder.join("o/unclean.leader.election.enable=true");
    let plan = cell.join("plan.json");
    let arguments = ["replay", plan.to_str().unwrap(), "--until", "12s"];
    let (code, stdout, stderr) = told(&ktrial_in(&folder, &arguments));
    assert_eq!((code, stderr.as_str()), (0, ""));
    let (trace, verdict) = stdout.split_once("\n\n").unwrap();
    assert!(
        trace.contains("partition_change orders-0 isr=[1, 2]"),
        "{trace}"
    );
    assert!(
        !trace.contains(" none\n"),
        "an entry without words: {trace}"
    );
    assert!(verdict.starts_with("verdict PERMITTED"), "{verdict}");
    // The verdict is about the whole trial, and it is the same one.
    let record: serde_json::Value =
        serde_json::from_slice(&std::fs::read(cell.join("verdict.json")).unwrap()).unwrap();
    assert!(
        verdict.contains(record["digest"].as_str().unwrap()),
        "{verdict}"
    );
}

/// `ktrial ... | head -1`: the reader goes away after a line.
#[test]
fn a_reader_that_goes_away_is_no_error() {
    use std::io::{BufRead, BufReader};
    let mut child = Command::new(env!("CARGO_BIN_EXE_ktrial"))
        .args(["run", "all-brokers-down"])
        .current_dir(folder("pipe"))
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    reader.read_line(&mut line).unwrap();
    drop(reader);
    let (code, _, stderr) = told(&child.wait_with_output().unwrap());
    assert!(line.starts_with("== all-brokers-down"), "{line}");
    assert_eq!((code, stderr.as_str()), (0, ""));
}

#[test]
fn files_that_are_hostile_are_refused() {
    let folder = folder("hostile");
    let head = "title = \"t\"\nwhy = \"w\"\n";
    let step = "[producers.p1]\n[[step]]\nsend = { values = [\"A\"] }\n";
    let topic = "[topics.orders]\npartitions = 1\n";
    for (text, part) in [
        (String::new(), "`title` is missing"),
        ("\u{0}\u{0}".to_owned(), "x.toml:1:1"),
        (
            format!("{head}[topics.orders]\npartitions = 99999999999\n{step}"),
            "x.toml:4:14",
        ),
        (
            format!("{head}[topics.orders]\npartitions = -1\n{step}"),
            "expected 1 to 100000",
        ),
        (
            format!("{head}[topics.orders]\nreplicas = [[1, 1]]\n{step}"),
            "`1` is named twice",
        ),
        (
            format!("{head}[cluster]\nbrokers = 0\n{topic}{step}"),
            "expected 1 to 1000",
        ),
        (
            format!("{head}[cluster]\nbrokers = [1, 1]\n{topic}{step}"),
            "`1` is named twice",
        ),
        (
            format!("{head}[cluster.config]\nmin.insync.replicas = 99999999999999999999\n{step}"),
            "a number that is too large",
        ),
        (format!("{head}[topics.ördérs]\n{step}"), "x.toml:3:9"),
        (
            format!("{head}{topic}{step}\tkil\t= 1\n").replace('\n', "\r\n"),
            "x.toml:8:2",
        ),
    ] {
        std::fs::write(folder.join("x.toml"), &text).unwrap();
        let (code, stdout, stderr) = told(&ktrial_in(&folder, &["run", "x.toml"]));
        assert_eq!((code, stdout.as_str()), (3, ""), "{text}: {stderr}");
        assert!(stderr.contains(part), "{text}: {stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
    }
    assert!(!folder.join("ktrial-out").exists(), "nothing was tried");
}
