//! The story of all-brokers-down under other settings, with more brokers, with more partitions, with
//! power loss. What each must end in is in `rows.rs`.
//!
//! The story: each of A, B, C is acknowledged by the ISR of its moment while the brokers go down one
//! after the other, the preferred leader 1 last. The one that has least comes back first, D is sent,
//! the others come back.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

mod rows;

use ktrial::compile::{Override, compile};
use ktrial::file::parse;
use ktrial_core::TopicPartition;
use ktrial_sim::plan::Plan;
use ktrial_sim::verdict::Verdict;
use ktrial_sim::{check, trial};
use rows::{ROWS, Row, Story};

/// Each row is tried under seeds 1 to this.
const SEEDS: u64 = 5;

/// `["A"]`, or `["A0"]` for partition 0 of several.
fn value(story: Story, letter: char, partition: i32) -> String {
    if story.partitions == 1 {
        format!("[\"{letter}\"]")
    } else {
        format!("[\"{letter}{partition}\"]")
    }
}

/// A condition for each partition, and all of them.
fn all(story: Story, condition: impl Fn(i32) -> String) -> String {
    let each: Vec<String> = (0..story.partitions).map(condition).collect();
    format!("{{ all = [{}] }}", each.join(", "))
}

fn send(story: Story, letter: char) -> Vec<String> {
    let sends = (0..story.partitions).map(|partition| {
        let values = value(story, letter, partition);
        format!("send = {{ partition = {partition}, values = {values} }}")
    });
    sends.collect()
}

fn ended(story: Story, letter: char) -> String {
    all(story, |partition| {
        let values = value(story, letter, partition);
        format!("{{ ended = {{ values = {values} }} }}")
    })
}

/// The file of a story. With three brokers and one partition its steps are those of the library.
fn file(story: Story) -> String {
    let mut letters = 'A'..;
    let mut steps = Vec::new();
    for (broker, stop) in (1..=story.brokers).rev().zip(story.stops) {
        let letter = letters.next().unwrap();
        steps.extend(send(story, letter));
        let before = ended(story, letter);
        steps.push(format!(
            "until = {before}\n{stop} = {{ broker = {broker} }}"
        ));
        let isr: Vec<i32> = (1..broker).collect();
        let shrunk = all(story, |partition| {
            format!("{{ isr = {{ partition = \"orders-{partition}\", is = {isr:?} }} }}")
        });
        let gone = format!("{{ broker = {{ id = {broker}, is = \"down\" }} }}");
        let fenced = format!("{{ broker = {{ id = {broker}, is = \"fenced\" }} }}");
        let state = if isr.is_empty() { fenced } else { shrunk };
        steps.push(format!("until = {{ all = [{gone}, {state}] }}"));
    }
    let letter = letters.next().unwrap();
    for broker in (1..=story.brokers).rev() {
        steps.push(format!("start = {{ broker = {broker} }}"));
        steps.push(format!(
            "until = {{ broker = {{ id = {broker}, is = \"unfenced\" }} }}"
        ));
        if broker == story.brokers {
            steps.extend(send(story, letter));
            let ended = ended(story, letter);
            steps.push(format!(
                "until = {{ any = [{ended}, {{ quiet = \"12s\" }}] }}"
            ));
        }
    }
    let ended = ended(story, letter);
    steps.push(format!(
        "until = {{ all = [{{ in_sync = {{}} }}, {ended}] }}"
    ));
    let replicas: Vec<String> = (0..story.partitions)
        .map(|first| {
            let ids = (0..story.brokers).map(|next| (first + next) % story.brokers + 1);
            format!("{:?}", ids.collect::<Vec<i32>>())
        })
        .collect();
    let steps: String = steps.iter().map(|s| format!("[[step]]\n{s}\n")).collect();
    format!(
        "title = \"all brokers down\"\nwhy = \"settings\"\n[cluster]\nbrokers = {}\n\
         [topics.orders]\nreplicas = [{}]\n[producers.p1]\nacks = \"all\"\n{}{steps}",
        story.brokers,
        replicas.join(", "),
        story.world,
    )
}

fn plan(row: &Row, seed: u64) -> Plan {
    let text = file(row.story);
    let scenario = parse("settings", "settings.toml", &text);
    let scenario = scenario.unwrap_or_else(|problems| panic!("{problems}"));
    let unclean = format!("unclean.leader.election.enable={}", row.unclean);
    let set = row.set.split_whitespace().chain([unclean.as_str()]);
    let overrides: Vec<Override> = set
        .map(|setting| {
            let (key, value) = setting.split_once('=').unwrap();
            Override {
                key: key.to_owned(),
                value: value.to_owned(),
            }
        })
        .collect();
    let compiled = compile(&scenario, seed, &overrides);
    let compiled = compiled.unwrap_or_else(|problems| panic!("{problems}"));
    compiled.plans.into_iter().next().unwrap()
}

/// What a partition ended in: lost values and final logs as a row has them.
fn end(story: Story, verdict: &Verdict, partition: i32) -> (String, String) {
    let lost = verdict
        .lost
        .iter()
        .filter(|lost| lost.partition == partition);
    let lost: String = lost.filter_map(|lost| lost.value.chars().next()).collect();
    let logs = &verdict.logs[&TopicPartition::new("orders", partition)];
    let mut logs: Vec<String> = logs
        .values()
        .map(|log| log.iter().filter_map(|r| r.value.chars().next()).collect())
        .collect();
    assert_eq!(logs.len(), usize::try_from(story.brokers).unwrap());
    if logs.iter().all(|log| *log == logs[0]) {
        logs.truncate(1);
    }
    (lost, logs.join("|"))
}

/// What is not as the row says.
fn differences(row: &Row, seed: u64) -> Vec<String> {
    let plan = plan(row, seed);
    let verdict = check::judge(&plan, &trial::run(&plan).unwrap());
    let mut found = Vec::new();
    for partition in 0..row.story.partitions {
        let (lost, log) = end(row.story, &verdict, partition);
        let got = (verdict.verdict, lost.as_str(), log.as_str());
        if !row.ends.contains(&got) {
            found.push(format!("{got:?} is none of {:?}", row.ends));
        }
    }
    let waits: Vec<Vec<i32>> = verdict
        .unavailable
        .iter()
        .map(|outage| {
            let mut brokers: Vec<i32> = outage.waiting_for.iter().map(|b| b.0).collect();
            brokers.sort_unstable();
            brokers
        })
        .collect();
    let expected = vec![row.waits.to_vec(); usize::try_from(row.story.partitions).unwrap()];
    if waits != expected {
        found.push(format!("waited for {waits:?}, not {expected:?}"));
    }
    if !found.is_empty() {
        let Row { set, unclean, .. } = row;
        let Story {
            brokers,
            partitions,
            stops,
            ..
        } = row.story;
        found.insert(0, format!(
            "{brokers} brokers, {partitions} partition(s), {stops:?}, {set} unclean={unclean}, seed \
             {seed}: {}\n  verdict: {}",
            row.why, verdict.summary,
        ));
        found.extend(
            verdict
                .findings
                .iter()
                .map(|finding| format!("{finding:?}")),
        );
    }
    found
}

/// Tries rows under some seeds, on all cores: what is not as it should be.
fn try_all(rows: &[&Row]) -> Vec<String> {
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let job = |job| {
            let mine = rows.iter().skip(job).step_by(jobs);
            mine.flat_map(|row| (1..=SEEDS).flat_map(|seed| differences(row, seed)))
                .collect::<Vec<String>>()
        };
        let threads: Vec<_> = (0..jobs).map(|n| scope.spawn(move || job(n))).collect();
        threads
            .into_iter()
            .flat_map(|t| t.join().unwrap())
            .collect()
    })
}

#[test]
fn every_row_ends_as_the_rules_imply() {
    let found = try_all(&ROWS.iter().collect::<Vec<_>>());
    assert!(found.is_empty(), "{}", found.join("\n  "));
}
