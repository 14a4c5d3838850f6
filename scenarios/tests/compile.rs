//! What a scenario becomes: plans.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

use ktrial::compile::{Override, compile};
use ktrial::file::{Scenario, parse};
use ktrial::library::LIBRARY;
use ktrial_core::rules::Truncation;
use ktrial_sim::plan::Plan;
use std::fmt::Write;
use std::path::{Path, PathBuf};

fn scenario(text: &str) -> Scenario {
    parse("test", "test.toml", text).unwrap_or_else(|problems| panic!("{problems}"))
}

fn plans(text: &str, set: &[(&str, &str)]) -> Vec<Plan> {
    let set: Vec<Override> = set
        .iter()
        .map(|(key, value)| Override {
            key: (*key).to_owned(),
            value: (*value).to_owned(),
        })
        .collect();
    let compiled = compile(&scenario(text), 7, &set);
    compiled
        .unwrap_or_else(|problems| panic!("{problems}"))
        .plans
}

/// The parts of a plan that a scenario decides.
fn key_parts(plans: &[Plan]) -> String {
    let mut text = String::new();
    let first = &plans[0];
    writeln!(
        text,
        "{}, seed {}: {}",
        first.scenario, first.seed, first.title
    )
    .unwrap();
    for plan in plans {
        writeln!(text, "cell {:?}", plan.cell).unwrap();
        writeln!(text, "  release {}, rules {}", plan.release, plan.rules).unwrap();
        writeln!(text, "  topic defaults {:?}", plan.topic_defaults).unwrap();
        let brokers: Vec<_> = plan.brokers.iter().map(|b| (b.id.0, &b.config)).collect();
        writeln!(text, "  brokers {brokers:?}").unwrap();
        for producer in &plan.producers {
            writeln!(text, "  producer {} {:?}", producer.name, producer.config).unwrap();
        }
    }
    for topic in &first.topics {
        let json = serde_json::to_string(&topic.placement).unwrap();
        writeln!(text, "topic {} {json} {:?}", topic.topic, topic.configs).unwrap();
    }
    for step in &first.steps {
        writeln!(text, "{}", serde_json::to_string(step).unwrap()).unwrap();
    }
    text
}

#[test]
fn library_files_become_plans() {
    for entry in LIBRARY {
        let parts = key_parts(&plans_of(entry.name, entry.text));
        insta::assert_snapshot!(entry.name, parts);
    }
}

fn plans_of(name: &str, text: &str) -> Vec<Plan> {
    let scenario = parse(name, name, text).unwrap_or_else(|problems| panic!("{problems}"));
    compile(&scenario, 1, &[]).unwrap().plans
}

#[test]
fn every_library_file_is_listed() {
    fn files(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files(&path, found);
            } else {
                found.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = Vec::new();
    files(&root.join("scenarios/library"), &mut found);
    let mut listed: Vec<PathBuf> = LIBRARY.iter().map(|entry| root.join(entry.path)).collect();
    found.sort();
    listed.sort();
    assert_eq!(found, listed);
    for entry in LIBRARY {
        assert!(entry.text.lines().count() <= 75, "{} is long", entry.name);
        assert!(entry.text.starts_with('#'), "{} says not why", entry.name);
    }
}

#[test]
fn a_plan_survives_the_way_through_json() {
    for plan in plans(include_str!("everything.toml"), &[]) {
        let json = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<Plan>(&json).unwrap(), plan);
    }
}

#[test]
fn every_key_has_its_effect() {
    let plans = plans(include_str!("everything.toml"), &[]);
    assert_eq!(plans.len(), 16);
    insta::assert_snapshot!("everything", key_parts(&plans[..1]));
    // The release of the cell brings its defaults, below what the file sets.
    let old = plans.iter().find(|plan| plan.release == "0.10.2").unwrap();
    assert_eq!(old.rules.truncation, Truncation::Epoch279);
    assert!(old.rules.elr && !old.rules.maximal_isr);
    assert_eq!(
        old.topic_defaults["unclean.leader.election.enable"],
        "false"
    );
    assert_eq!(old.brokers[0].config["replica.lag.time.max.ms"], "20000");
    assert_eq!(old.producers[0].config["linger.ms"], "0");
}

const SMALL: &str = r#"
title = "t"
why = "w"
[topics.orders]
replicas = [[1, 2, 3]]
min.insync.replicas = 1
[topics.other]
[producers.p1]
[producers.p2]
[consumers.c1]
[matrix]
unclean.leader.election.enable = [false, true]
linger.ms = [0, 5]
[[step]]
heal = {}
[[expect]]
when = { linger.ms = 0 }
verdict = "kept"
"#;

#[test]
fn the_last_setting_of_the_matrix_changes_fastest() {
    let cells: Vec<String> = plans(SMALL, &[])
        .iter()
        .map(|plan| plan.cell.values().cloned().collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(cells, ["0 false", "5 false", "0 true", "5 true"]);
}

#[test]
fn the_command_line_fixes_a_setting_of_the_matrix() {
    let cells = plans(SMALL, &[("linger.ms", "7")]);
    assert_eq!(cells.len(), 2);
    assert!(
        cells
            .iter()
            .all(|plan| plan.producers[1].config["linger.ms"] == "7")
    );
}

#[test]
fn other_settings_go_where_they_are_known() {
    let plan = &plans(SMALL, &[("acks", "1"), ("min.insync.replicas", "2")])[0];
    assert!(plan.producers.iter().all(|p| p.config["acks"] == "1"));
    assert_eq!(plan.topic_defaults["min.insync.replicas"], "2");
    assert_eq!(plan.topics[0].configs["min.insync.replicas"], "2");
    assert!(plan.topics[1].configs.is_empty());
    assert_eq!(plan.cell["acks"], "1");

    let plan = &plans(
        SMALL,
        &[("request.timeout.ms", "1000"), ("kafka.release", "2.0")],
    )[0];
    assert_eq!(plan.consumers[0].config["request.timeout.ms"], "1000");
    assert_eq!(plan.producers[0].config["request.timeout.ms"], "1000");
    assert_eq!(plan.producers[0].config["acks"], "1");
    assert_eq!(plan.brokers[0].config["replica.lag.time.max.ms"], "10000");
    assert!(!plan.rules.fetch_epoch_fencing);

    let set = [
        ("brokers.b2.num.io.threads", "1"),
        ("topics.orders.min.insync.replicas", "3"),
        ("producers.p2.acks", "0"),
        ("rules.truncation", "hw"),
        ("broker.session.timeout.ms", "3000"),
    ];
    let plan = &plans(SMALL, &set)[0];
    assert!(plan.brokers[0].config.is_empty());
    assert_eq!(plan.brokers[1].config["num.io.threads"], "1");
    assert_eq!(plan.topics[0].configs["min.insync.replicas"], "3");
    assert!(!plan.topic_defaults.contains_key("min.insync.replicas"));
    assert!(!plan.producers[0].config.contains_key("acks"));
    assert_eq!(plan.producers[1].config["acks"], "0");
    assert_eq!(plan.rules.truncation, Truncation::Hw);
    let config = &plan.controllers[0].config;
    assert_eq!(config["broker.session.timeout.ms"], "3000");
}

#[test]
fn expectations_do_not_hold_for_settings_that_they_do_not_name() {
    let scenario = scenario(SMALL);
    let about = |set: &[(&str, &str)]| {
        let set: Vec<Override> = set
            .iter()
            .map(|(key, value)| Override {
                key: (*key).to_owned(),
                value: (*value).to_owned(),
            })
            .collect();
        let compiled = compile(&scenario, 1, &set).unwrap();
        let expect = &scenario.expects[0];
        let plans = compiled.plans.iter();
        plans
            .filter(|plan| expect.is_about(&plan.cell, &compiled.overridden))
            .count()
    };
    assert_eq!(about(&[]), 2);
    assert_eq!(about(&[("linger.ms", "0")]), 2);
    assert_eq!(about(&[("linger.ms", "5")]), 0);
    assert_eq!(about(&[("acks", "1")]), 0);
}

#[test]
fn the_example_in_the_documentation_is_right() {
    let docs = include_str!("../../docs/scenarios.md");
    let example = docs.split("```toml\n").nth(1).unwrap();
    let example = example.split("```").next().unwrap();
    assert_eq!(plans(example, &[]).len(), 1);
}
