//! A plan written as a file, read and compiled again, is the same plan.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

mod random_plan;

use ktrial::compile::compile;
use ktrial::file::parse;
use ktrial::fuzz::{self, Profile};
use ktrial::library::LIBRARY;
use ktrial::write::to_toml;
use ktrial_sim::plan::Plan;
use std::collections::BTreeMap;

/// Written, read, compiled.
fn again(plan: &Plan) -> (String, Plan) {
    let text = to_toml(plan);
    let scenario = parse(&plan.scenario, "written.toml", &text);
    let scenario = scenario.unwrap_or_else(|problems| panic!("{problems}\n{text}"));
    let mut compiled = compile(&scenario, plan.seed, &[]);
    let plans = compiled.as_mut().map(|compiled| &mut compiled.plans);
    let plans = plans.unwrap_or_else(|problems| panic!("{problems}\n{text}"));
    assert_eq!(plans.len(), 1);
    (text, plans.remove(0))
}

fn check(plan: &Plan) {
    let (text, read) = again(plan);
    let mut plan = plan.clone();
    plan.cell = BTreeMap::new();
    if read != plan {
        let [left, right] = [&plan, &read].map(|plan| serde_json::to_string_pretty(plan).unwrap());
        let pairs = left.lines().zip(right.lines());
        let differ = pairs.filter(|(a, b)| a != b).take(5);
        let differ: Vec<_> = differ.collect();
        panic!("seed {}: {differ:#?}\n{text}", plan.seed);
    }
}

#[test]
fn plans_of_files_are_kept() {
    let everything = include_str!("everything.toml");
    let entries = LIBRARY.iter().map(|entry| (entry.name, entry.text));
    for (name, text) in entries.chain([("everything", everything)]) {
        let scenario = parse(name, name, text).unwrap();
        for seed in [1, 2] {
            for plan in compile(&scenario, seed, &[]).unwrap().plans {
                check(&plan);
            }
        }
    }
}

#[test]
fn random_plans_are_kept() {
    let mut all = String::new();
    for seed in 0..1_000 {
        let plan = random_plan::plan(seed);
        check(&plan);
        all.push_str(&to_toml(&plan));
    }
    for phrase in PHRASES {
        assert!(all.contains(phrase), "no plan was written with `{phrase}`");
    }
}

/// What the random plans must reach, or the test above proves too little.
const PHRASES: [&str; 42] = [
    "[brokers.b2]",
    "[clock.",
    "[recovery]\nnodes",
    "[[workload]]",
    "every = ",
    "times = [",
    "burst = 3",
    "keys = 3",
    "keys = \"unique\"",
    "first = ",
    "{ workload = \"w1\" }",
    "restart = ",
    "how = \"power_loss\"",
    "kill = ",
    "pause = ",
    "isolate = { ",
    "one_way = \"in\"",
    "one_way = \"out\"",
    "from = [\"rest\"]",
    "cut = { ",
    "one_way = false",
    "mean = ",
    "max = ",
    "percent = ",
    "per_mille = ",
    "reset = true",
    "bytes_per_ms = ",
    "apis = [",
    "slow = 10",
    "stall = true",
    "fail = [",
    "bit_rot = true",
    "bit_rot = { ",
    "directory = ",
    "jump = \"-5s\"",
    "drift_ppm = ",
    "alter_config = [",
    "isr_at_most = ",
    "may_miss = true",
    "planted = ",
    "latency_tail = ",
    "\nbytes_per_ms = ",
];

#[test]
fn plans_of_the_fuzzer_are_kept() {
    for profile in [Profile::Light, Profile::Swarm, Profile::Harsh] {
        for seed in 0..200 {
            check(&fuzz::plan(profile, seed));
        }
    }
}

#[test]
fn the_text_is_for_people() {
    insta::assert_snapshot!(again(&random_plan::plan(11)).0);
}

/// A release's defaults that the plan does not have are not added.
#[test]
fn defaults_of_an_old_release_are_not_added() {
    let mut plan = random_plan::plan(3);
    plan.release = "0.10.2".to_owned();
    plan.producers[0].config.clear();
    check(&plan);
    assert!(to_toml(&plan).contains("kafka.defaults"));
}

#[test]
fn names_and_texts_are_quoted() {
    let mut plan = random_plan::plan(3);
    plan.title = "a \"title\"\\ \u{1}\n\t\u{7f} é".to_owned();
    plan.scenario = "line\nbreak".to_owned();
    check(&plan);
}
