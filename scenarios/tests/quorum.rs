//! The metadata quorum over seeds, as Kafka's own `RaftEventSimulationTest` tries it: elections, leaders
//! that fail, stop or are cut off, all voters down at once, a voter that loses its disk. What must hold
//! meanwhile is checked after every entry of the record (`quorum_*`).
//!
//! A few seeds here; a thousand trials of each with `ktrial sweep NAME --seeds 0..500`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

use ktrial::compile::compile;
use ktrial::expect::unmet;
use ktrial::file::parse;
use ktrial::library::find;
use ktrial_sim::{check, trial};

/// Tries every cell of a file under some seeds: each ends as the file expects.
fn as_expected(name: &str, text: &str, seeds: std::ops::Range<u64>) {
    let scenario = parse(name, name, text).unwrap_or_else(|problems| panic!("{problems}"));
    for seed in seeds {
        let compiled = compile(&scenario, seed, &[]).unwrap();
        for plan in &compiled.plans {
            let record = trial::run(plan).unwrap();
            let verdict = check::judge(plan, &record);
            let unmet = unmet(&scenario.expects, &compiled.overridden, plan, &verdict);
            let none: Vec<String> = Vec::new();
            assert_eq!(unmet, none, "{name}, seed {seed}, {:?}", plan.cell);
        }
    }
}

#[test]
fn a_quorum_elects_again_and_loses_nothing() {
    for name in [
        "controller-failover",
        "all-controllers-down",
        "no-check-quorum",
        "voter-disk-loss",
    ] {
        as_expected(name, find(name).unwrap().text, 20..25);
    }
}

/// Five voters survive two failures in a row.
#[test]
fn failures_back_to_back() {
    let text = r#"
title = "Two controllers fail one after the other"
why = "five voters survive two"
[cluster]
controllers = 5
[topics.orders]
replicas = [[1, 2, 3]]
[producers.p1]
acks = "all"
[[step]]
send = { values = ["A"] }
[[step]]
until = { acknowledged = { values = ["A"] } }
power_loss = { node = "controller" }
[[step]]
until = { controller = { activations = 2 } }
power_loss = { node = "controller" }
[[step]]
until = { controller = { activations = 3 } }
kill = { node = "leader(orders-0)" }
[[step]]
send = { values = ["B"] }
[[step]]
until = { acknowledged = { values = ["B"] } }
[recovery]
nodes = "all"
[[expect]]
verdict = "kept"
lost = []
findings = []
"#;
    as_expected("back-to-back", text, 0..5);
}

/// Who decides does not change what is decided.
#[test]
fn the_flagship_ends_alike_with_three_controllers() {
    let text = find("all-brokers-down").unwrap().text;
    let three = text.replace(
        "[cluster.config]",
        "[cluster]\ncontrollers = 3\n[cluster.config]",
    );
    assert_ne!(text, three);
    as_expected("all-brokers-down", &three, 1..6);
}
