//! Sweeps as a person calls them: the same results whatever the jobs, shards and interruptions.
//!
//! Nothing here depends on how fast the machine is: who is killed is killed once its journal has so many
//! lines, and what is expected then holds wherever it stopped.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// Whether the record is lost depends on the seed: the acknowledgement and the follower's copy race.
const RACE: &str = r#"
title = "An acknowledgement and a copy race each other"
why = "whether B is lost depends on the seed"
[cluster]
brokers = 2
[network]
latency_max = "40ms"
[topics.orders]
replicas = [[1, 2]]
[producers.p1]
acks = "1"
batch.size = 1
[[step]]
send = { values = ["A", "B"] }
[[step]]
until = { ended = { values = ["B"] } }
power_loss = { broker = 1 }
[[step]]
until = { leader = { is = 2 } }
[[expect]]
lost = []
"#;

/// A folder of its own for a test, with the scenario in it.
fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("sweep-{name}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("race.toml"), RACE).unwrap();
    folder
}

/// A command line, in words without spaces.
fn command(folder: &Path, line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ktrial"));
    command.args(line.split_whitespace()).current_dir(folder);
    command
}

/// Exit code, standard output, standard error.
fn ktrial(folder: &Path, line: &str) -> (i32, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command(folder, line).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// It exits so, and says nothing on standard error.
fn runs(folder: &Path, line: &str, code: i32) -> String {
    let (exit, stdout, stderr) = ktrial(folder, line);
    assert_eq!((exit, stderr.as_str()), (code, ""), "{line}: {stdout}");
    stdout
}

/// It is refused as a usage error that says `part`.
fn refused(folder: &Path, line: &str, part: &str) {
    let (code, stdout, stderr) = ktrial(folder, line);
    assert_eq!((code, stdout.as_str()), (3, ""), "{line}: {stderr}");
    assert!(stderr.contains(part), "{line}: {stderr}");
}

fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn json(path: PathBuf) -> serde_json::Value {
    serde_json::from_str(&read(path)).unwrap()
}

/// The seeds of a file of results, in its order.
fn seeds(path: PathBuf) -> Vec<u64> {
    let text = read(path);
    let lines = text.lines().map(serde_json::from_str::<serde_json::Value>);
    lines
        .map(|line| line.unwrap()["seed"].as_u64().unwrap())
        .collect()
}

#[test]
fn the_results_do_not_depend_on_the_number_of_jobs() {
    let folder = folder("jobs");
    let one = runs(
        &folder,
        "sweep race.toml --seeds 0..12 --jobs 1 --out one",
        1,
    );
    runs(
        &folder,
        "sweep race.toml --seeds 0..12 --jobs 3 --out three",
        1,
    );
    let results = read(folder.join("one/results.jsonl"));
    assert_eq!(results, read(folder.join("three/results.jsonl")));
    assert_eq!(
        seeds(folder.join("one/results.jsonl")),
        (0..12).collect::<Vec<_>>()
    );
    // The summary without what differs from machine to machine.
    let told: Vec<&str> = one
        .lines()
        .filter(|line| !line.contains("trials/s"))
        .collect();
    insta::assert_snapshot!("summary", told.join("\n"));
}

#[test]
fn a_failure_can_be_replayed() {
    let folder = folder("replay");
    runs(
        &folder,
        "sweep race.toml --seeds 0.. --fail-after 2 --out out",
        1,
    );
    let summary = json(folder.join("out/summary.json"));
    assert_eq!(
        (&summary["failed"], &summary["stopped"]),
        (&2.into(), &"failures".into())
    );
    let line = summary["failures"][1]["replay"]
        .as_str()
        .unwrap()
        .to_owned();
    let (_, stdout, _) = ktrial(&folder, line.strip_prefix("ktrial ").unwrap());
    let results = read(folder.join("out/results.jsonl"));
    let last: serde_json::Value = serde_json::from_str(results.lines().last().unwrap()).unwrap();
    let digest = last["digest"].as_str().unwrap();
    assert!(
        stdout.contains(digest),
        "the same trial again: {digest}\n{stdout}"
    );
    // The plan alone knows no expectations, and is swept under other seeds.
    let plan = format!(
        "sweep {} --seeds 0..3 --out plan",
        line.rsplit(' ').next().unwrap()
    );
    runs(&folder, &plan, 0);
    assert_eq!(seeds(folder.join("plan/results.jsonl")), [0, 1, 2]);
}

#[test]
fn where_it_stops_after_failures_does_not_depend_on_the_number_of_jobs() {
    let folder = folder("fail-after");
    for jobs in [1, 3] {
        let line = format!("sweep race.toml --seeds 0.. --fail-after 3 --jobs {jobs} --out {jobs}");
        runs(&folder, &line, 1);
    }
    let results = |jobs: &str| read(folder.join(jobs).join("results.jsonl"));
    assert_eq!(results("1"), results("3"));
}

#[test]
fn shards_put_together_are_the_whole() {
    let folder = folder("shards");
    runs(
        &folder,
        "sweep all-brokers-down --seeds 3..13 --out whole",
        0,
    );
    for shard in 1..=4 {
        let line = format!("sweep all-brokers-down --seeds 3..13 --shard {shard}/4 --out s{shard}");
        runs(&folder, &line, 0);
    }
    let whole = read(folder.join("whole/results.jsonl"));
    // In any order, one of them twice, and again over what is there.
    for line in [
        "merge s4 s2 s3 s1 s2 --out all",
        "merge s1 s2 s3 s4 --out all",
    ] {
        runs(&folder, line, 0);
        assert_eq!(read(folder.join("all/results.jsonl")), whole);
        let summary = json(folder.join("all/summary.json"));
        assert_eq!(
            (&summary["complete"], &summary["trials"]),
            (&true.into(), &20.into())
        );
    }
    let some = runs(&folder, "merge s1 s3 --out some", 3);
    assert!(some.contains("MISSING seeds 4, 6, 8, 10, 12"), "{some}");
    assert!(read(folder.join("some/junit.xml")).contains("every seed was tried"));
}

#[test]
fn what_does_not_belong_together_is_not_merged() {
    let folder = folder("merge-errors");
    runs(&folder, "sweep all-brokers-down --seeds 0..2 --out a", 0);
    runs(
        &folder,
        "sweep all-brokers-down --seeds 0..2 --set acks=1 --out b",
        0,
    );
    refused(&folder, "merge a b --out c", "the fingerprint of a is");
    refused(&folder, "merge a --out a", "cannot be merged into itself");
    refused(&folder, "merge a --out b", "b holds another sweep");
    refused(&folder, "merge nothing --out c", "nothing: it is no folder");
    fs::create_dir(folder.join("empty")).unwrap();
    refused(&folder, "merge empty --out c", "no results of a sweep");
    let (code, _, stderr) = ktrial(&folder, "merge a empty --out d");
    assert_eq!((code, stderr.as_str()), (0, "empty holds no results\n"));
    // One trial, two outcomes.
    fs::create_dir(folder.join("other")).unwrap();
    fs::copy(folder.join("a/sweep.json"), folder.join("other/sweep.json")).unwrap();
    let results = read(folder.join("a/results.jsonl"));
    let changed = results.replacen("\"acknowledged\":4", "\"acknowledged\":5", 3);
    let changed: Vec<&str> = changed.lines().collect();
    let kept = results.lines().next().unwrap();
    let other = format!("{kept}\n{}\n{}\n{}\n", changed[1], changed[2], changed[3]);
    fs::write(folder.join("other/results.jsonl"), other).unwrap();
    let part = "seed 0, cell 2: `acknowledged` is 4 in a, and 5 in other";
    refused(&folder, "merge a other --out e", part);
}

#[test]
fn a_torn_journal_is_gone_on_with() {
    let folder = folder("torn");
    runs(
        &folder,
        "sweep all-brokers-down --seeds 0..6 --out whole",
        0,
    );
    let whole = read(folder.join("whole/results.jsonl"));
    let partial = folder.join("torn/results.partial.jsonl");
    // Nothing, within the first line, between the cells of a seed, within a line, all but the line end.
    for cut in [
        0,
        10,
        whole.find('\n').unwrap() + 1,
        whole.len() / 2,
        whole.len() - 1,
    ] {
        let _ = fs::remove_dir_all(folder.join("torn"));
        fs::create_dir(folder.join("torn")).unwrap();
        fs::copy(
            folder.join("whole/sweep.json"),
            folder.join("torn/sweep.json"),
        )
        .unwrap();
        fs::write(&partial, &whole[..cut]).unwrap();
        runs(
            &folder,
            "sweep all-brokers-down --seeds 0..6 --out torn --resume",
            0,
        );
        assert_eq!(
            read(folder.join("torn/results.jsonl")),
            whole,
            "cut at {cut}"
        );
        assert!(!partial.exists());
    }
    // A finished one has nothing left to do, and can be extended.
    runs(
        &folder,
        "sweep all-brokers-down --seeds 0..6 --out torn --resume",
        0,
    );
    assert_eq!(read(folder.join("torn/results.jsonl")), whole);
    runs(
        &folder,
        "sweep all-brokers-down --seeds 0..7 --out torn --resume",
        0,
    );
    assert!(read(folder.join("torn/results.jsonl")).starts_with(&whole));
}

#[test]
fn results_are_not_mixed_up_or_lost_by_mistake() {
    let folder = folder("existing");
    let line = "sweep all-brokers-down --seeds 0..2 --out out";
    runs(&folder, line, 0);
    refused(
        &folder,
        line,
        "holds the results of a finished sweep already",
    );
    let resumed = |rest: &str| format!("sweep {rest} --out out --resume");
    let other = resumed("all-brokers-down --seeds 0..2 --set acks=1");
    refused(
        &folder,
        &other,
        "its fingerprint (scenario, plan or settings) is",
    );
    refused(
        &folder,
        &resumed("race.toml"),
        "its name is all-brokers-down, not race",
    );
    let part = "its shard is none, not 1/2";
    refused(&folder, &resumed("all-brokers-down --shard 1/2"), part);
    let part = "out has results of seed 0, which is not to be tried now";
    refused(&folder, &resumed("all-brokers-down --seeds 1..3"), part);
    assert_eq!(
        seeds(folder.join("out/results.jsonl")).len(),
        4,
        "nothing is gone"
    );
    let failed = "sweep race.toml --seeds 0..2 --out out --force";
    runs(&folder, failed, 1);
    assert_eq!(json(folder.join("out/sweep.json"))["name"], "race");
    assert!(folder.join("out/failures").read_dir().unwrap().count() > 0);
    runs(&folder, &format!("{line} --force"), 0);
    assert_eq!(folder.join("out/failures").read_dir().unwrap().count(), 0);
    // What looks like results and is not a sweep's is left alone.
    fs::create_dir(folder.join("foreign")).unwrap();
    fs::write(folder.join("foreign/results.jsonl"), "mine").unwrap();
    let foreign = "sweep all-brokers-down --seeds 0..2 --out foreign --force";
    refused(&folder, foreign, "cannot read foreign/sweep.json");
    assert_eq!(read(folder.join("foreign/results.jsonl")), "mine");
}

#[test]
fn usage_errors_are_told() {
    let folder = folder("usage");
    refused(
        &folder,
        "sweep all-brokers-down --seeds 5..5",
        "there is no seed in it",
    );
    refused(&folder, "sweep all-brokers-down --seeds 7", "expected A..B");
    refused(&folder, "sweep all-brokers-down --seeds 0..", "has no end");
    refused(
        &folder,
        "sweep all-brokers-down --shard 5/4",
        "there is no part 5 of 4",
    );
    refused(&folder, "sweep all-brokers-down --jobs 0", "--jobs");
    refused(
        &folder,
        "sweep all-brokers-down --fail-after 0",
        "--fail-after",
    );
    refused(
        &folder,
        "sweep all-brokers-down --time 10",
        "expected a time such as",
    );
    refused(
        &folder,
        "sweep all-brokers-donw",
        "did you mean `all-brokers-down`?",
    );
    refused(
        &folder,
        "sweep all-brokers-down --set ack=1",
        "did you mean `acks`?",
    );
    refused(&folder, "sweep missing.json", "cannot read missing.json");
    fs::write(folder.join("broken.json"), "{}").unwrap();
    refused(&folder, "sweep broken.json", "broken.json is not a plan");
    refused(
        &folder,
        "sweep broken.json --set acks=1",
        "--set is for scenarios",
    );
    refused(
        &folder,
        "sweep all-brokers-down --out race.toml",
        "race.toml",
    );
    refused(&folder, "merge --out x", "DIR");
}

#[test]
fn programs_can_read_what_is_told() {
    let folder = folder("programs");
    let stdout = runs(&folder, "sweep race.toml --seeds 0..4 --out json --json", 1);
    let told: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(told, json(folder.join("json/summary.json")));
    let stdout = runs(
        &folder,
        "sweep race.toml --seeds 0..4 --out github --github",
        1,
    );
    let failed = told["failed"].as_u64().unwrap();
    let annotations = stdout
        .lines()
        .filter(|line| line.starts_with("::error title="));
    assert_eq!(annotations.count() as u64, failed + 1, "{stdout}");
    let junit = read(folder.join("json/junit.xml"));
    let tests = format!("<testsuites name=\"ktrial\" tests=\"{}\"", failed + 1);
    assert!(junit.contains(&tests), "{junit}");
    assert!(junit.contains(&format!("failures=\"{failed}\"")), "{junit}");
    assert!(
        junit.contains("again: ktrial replay json/failures/seed-"),
        "{junit}"
    );
    let page = read(folder.join("json/summary.md"));
    assert!(
        page.starts_with("### ✕ ktrial sweep race, seeds 0..4\n"),
        "{page}"
    );
}

#[test]
fn a_time_budget_ends_a_sweep_without_end() {
    let folder = folder("time");
    runs(&folder, "sweep all-brokers-down --time 50ms --out out", 0);
    let tried = seeds(folder.join("out/results.jsonl"));
    // How many is the machine's business; that they are the first ones is not.
    let expected: Vec<u64> = (0..tried.len() as u64).map(|line| line / 2).collect();
    assert_eq!(tried, expected);
    assert_eq!(json(folder.join("out/summary.json"))["stopped"], "time");
}

/// A sweep that would go on for hours, once it has written some lines.
#[cfg(unix)]
fn at_work(folder: &Path) -> Child {
    let mut command = command(
        folder,
        "sweep all-brokers-down --seeds 0..1000000 --out out",
    );
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let journal = folder.join("out/results.partial.jsonl");
    while fs::read_to_string(&journal)
        .unwrap_or_default()
        .lines()
        .count()
        < 6
    {
        assert!(child.try_wait().unwrap().is_none(), "it has ended early");
        std::thread::yield_now();
    }
    child
}

#[cfg(unix)]
fn signal(child: &Child, signal: &str) {
    let pid = child.id().to_string();
    let sent = Command::new("kill").args([signal, &pid]).status().unwrap();
    assert!(sent.success());
}

/// The results of the first seeds, as one sweep in peace writes them.
#[cfg(unix)]
fn in_peace(folder: &Path, seeds: u64) -> String {
    let line = format!("sweep all-brokers-down --seeds 0..{seeds} --out peace");
    runs(folder, &line, 0);
    read(folder.join("peace/results.jsonl"))
}

#[test]
#[cfg(unix)]
fn a_kill_costs_no_seed_and_repeats_none() {
    let folder = folder("kill");
    let mut child = at_work(&folder);
    let line = "sweep all-brokers-down --seeds 0..1000000 --out out --resume";
    refused(&folder, line, "another ktrial is at work in out");
    child.kill().unwrap();
    child.wait().unwrap();
    let whole = read(folder.join("out/results.partial.jsonl"));
    let seeds = whole.lines().count() as u64 / 2 + 4;
    assert!(!folder.join("out/results.jsonl").exists());
    let line = format!("sweep all-brokers-down --seeds 0..{seeds} --out out --resume");
    runs(&folder, &line, 0);
    assert_eq!(
        read(folder.join("out/results.jsonl")),
        in_peace(&folder, seeds)
    );
}

#[test]
#[cfg(unix)]
fn an_interrupted_sweep_keeps_what_it_has_and_says_how_to_go_on() {
    let folder = folder("interrupt");
    let child = at_work(&folder);
    signal(&child, "-INT");
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert!(stderr.contains("--resume goes on"), "{stderr}");
    let summary = json(folder.join("out/summary.json"));
    assert_eq!(
        (&summary["stopped"], &summary["complete"]),
        (&"interrupted".into(), &false.into())
    );
    let journal = read(folder.join("out/results.partial.jsonl"));
    let seeds = journal.lines().count() as u64 / 2;
    assert_eq!(
        journal,
        in_peace(&folder, seeds),
        "whole seeds, without gaps"
    );
    assert_eq!(summary["seeds"], seeds);
    // What an interrupted shard has counts.
    runs(&folder, "merge out --out merged", 3);
    assert_eq!(read(folder.join("merged/results.jsonl")), journal);
}

#[test]
fn determinism_compares_two_processes() {
    let folder = folder("determinism");
    let stdout = runs(&folder, "determinism all-brokers-down --seeds 0..3", 0);
    assert_eq!(
        stdout,
        "all-brokers-down, seeds 0..3: 6 plans, each the same in two processes\n"
    );
    refused(
        &folder,
        "determinism all-brokers-down --seeds 0..",
        "needs an end",
    );
    let part = "cannot start ./missing";
    refused(
        &folder,
        "determinism all-brokers-down --against ./missing",
        part,
    );
}

/// Another build whose records differ in one entry: the gate has to notice, and to show where.
#[test]
#[cfg(unix)]
fn determinism_shows_where_two_records_part() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder("nondeterminism");
    let script = format!(
        "#!/bin/sh\nif [ \"$2\" = --records ]; then\n  exec '{}' \"$@\" | sed '40s/\"at\":[0-9]*/\"at\":7/'\n\
         fi\nwhile read -r plan; do echo 0000000000000000; done\n",
        env!("CARGO_BIN_EXE_ktrial")
    );
    let program = folder.join("other");
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let line = "determinism all-brokers-down --seeds 1..3 --against ./other --out out";
    insta::assert_snapshot!("nondeterminism", runs(&folder, line, 1));
    let [here, there] =
        ["here", "there"].map(|name| read(folder.join(format!("out/{name}.jsonl"))));
    assert_eq!(here.lines().count(), there.lines().count());
    assert_eq!(there.lines().nth(39).unwrap().find("\"at\":7,"), Some(1));
}
