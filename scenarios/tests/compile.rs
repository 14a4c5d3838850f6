//! What a scenario becomes: plans.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

use ktrial::compile::{Override, compile};
use ktrial::file::{Scenario, parse};
use ktrial::library::LIBRARY;
use ktrial_core::NodeId;
use ktrial_core::rules::Truncation;
use ktrial_sim::plan::{Action, Plan, Step, Target, When};
use ktrial_sim::trial;
use std::collections::BTreeSet;
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
    for step in &first.timeline {
        writeln!(text, "beside {}", serde_json::to_string(step).unwrap()).unwrap();
    }
    if let Some(recovery) = &first.recovery {
        let json = serde_json::to_string(recovery).unwrap();
        writeln!(text, "recovery {json}").unwrap();
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
        assert!(entry.text.lines().count() <= 90, "{} is long", entry.name);
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
    assert_eq!(plans.len(), 32);
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

const VARIES: &str = "title = \"t\"\nwhy = \"w\"\n[topics.orders]\nreplicas = [[1, 2, 3]]\n[producers.p1]\n\
    [matrix]\nacks = [1, \"all\"]\n\"$how\" = [\"kill\", \"shutdown\"]\n\"$who\" = [[2, 1], [3, 1]]\n\
    [[step]]\nsend = { values = [\"$how\", \"$$how\"] }\n[[step]]\n\"$how\" = { brokers = \"$who\" }\n\
    [[expect]]\nunavailable_waiting_for = [\"$who[1]\"]\n\
    [[expect]]\nwhen = { \"$who\" = [3, 1], acks = 1 }\n";

/// Eight cells; each has what it is called by in its steps, and the expectations about it.
#[test]
fn variables_stand_for_their_values() {
    let cells = plans(VARIES, &[]).into_iter().map(|plan| {
        let cell: Vec<&str> = plan.cell.values().map(String::as_str).collect();
        let expects = scenario(VARIES).expects;
        let about = expects
            .iter()
            .filter(|expect| expect.is_about(&plan.cell, &BTreeSet::new()));
        format!(
            "{} {} {}",
            cell.join(" "),
            about.count(),
            json(&plan.steps).concat()
        )
    });
    let cells: Vec<String> = cells.collect();
    insta::assert_snapshot!("variables", cells.join("\n"));
}

/// A value of a variable is one of the file's own: its expectations hold on.
#[test]
fn a_variable_can_be_set() {
    for value in ["[3, 1]", "[3,1]", "[ 3, 1 ]"] {
        let set = Override {
            key: "$who".to_owned(),
            value: value.to_owned(),
        };
        let compiled = compile(&scenario(VARIES), 1, &[set]).unwrap();
        assert_eq!(compiled.plans.len(), 4);
        assert!(
            compiled
                .plans
                .iter()
                .all(|plan| plan.cell["$who"] == "[3, 1]")
        );
        assert_eq!(compiled.overridden, BTreeSet::new());
    }
}

#[test]
fn the_example_in_the_documentation_is_right() {
    let docs = include_str!("../../docs/scenarios.md");
    let example = docs.split("```toml\n").nth(1).unwrap();
    let example = example.split("```").next().unwrap();
    assert_eq!(plans(example, &[]).len(), 1);
}

/// A small cluster of four brokers for what follows.
fn four(rest: &str) -> String {
    let head = "title = \"t\"\nwhy = \"w\"\n[cluster]\nbrokers = 4\n[topics.orders]\n\
        replicas = [[1, 2, 3]]\n[producers.p1]\n[consumers.c1]\n";
    format!("{head}{rest}")
}

fn plan_of(rest: &str, seed: u64) -> Plan {
    let compiled = compile(&scenario(&four(rest)), seed, &[]);
    let compiled = compiled.unwrap_or_else(|problems| panic!("{problems}"));
    compiled.plans.into_iter().next().unwrap()
}

fn json(steps: &[Step]) -> Vec<String> {
    let json = |step| serde_json::to_string(step).unwrap();
    steps.iter().map(json).collect()
}

#[test]
fn each_seed_draws_its_own() {
    let kill = "[[step]]\nkill = { node = \"random-broker\" }\n";
    let twice = format!("{kill}{kill}[[step]]\nstart = {{ broker = 4 }}\n");
    let text = format!("[[step]]\nkill = {{ broker = 4 }}\n{twice}");
    let mut drawn = BTreeSet::new();
    for seed in 0..40 {
        let plan = plan_of(&text, seed);
        assert_eq!(plan, plan_of(&text, seed));
        // Whom the file stops and starts by name is never drawn, and nobody twice.
        trial::check(&plan).unwrap();
        drawn.insert(json(&plan.steps));
    }
    assert_eq!(drawn.len(), 6, "two of three, in either order");
    let isolate =
        "[[step]]\nisolate = { nodes = [2, \"random-follower(orders-0)\"], one_way = \"in\" }\n";
    for seed in 0..10 {
        let text = json(&plan_of(isolate, seed).steps).concat();
        assert!(
            text.contains("\"from\":[\"rest\"],\"to\":[\"b2\",\"b3\"]"),
            "{text}"
        );
    }
}

#[test]
fn storms_and_rings_are_several_steps() {
    let storm = "[[fault]]\nafter = \"5s\"\nrestart_storm = \
        { node = \"random-broker\", times = 3, every = \"10s\", down = \"1s\" }\n";
    let plan = plan_of(storm, 3);
    let whens: Vec<&When> = plan.timeline.iter().map(|step| &step.when).collect();
    let after = |ms| When::After { ms };
    assert_eq!(whens, [&after(5_000), &after(15_000), &after(25_000)]);
    assert!(plan.timeline.iter().all(|step| step.for_ms == Some(1_000)));
    let drawn: BTreeSet<String> = (0..10)
        .flat_map(|seed| plan_of(storm, seed).timeline)
        .map(|step| format!("{:?}", step.action))
        .collect();
    assert_eq!(drawn.len(), 4, "each round draws anew");

    let pairs = |brokers: &str| -> BTreeSet<(i32, i32)> {
        let ring = format!("[[step]]\nring = {{ brokers = {brokers} }}\n");
        let text = four(&ring).replace("brokers = 4", "brokers = 6");
        let plan = compile(&scenario(&text), 1, &[]).unwrap().plans.remove(0);
        let id = |target: &Target| match target.node() {
            Some(NodeId::Broker(id)) => id.0,
            _ => panic!("{target}"),
        };
        let cuts = plan.steps.iter().flat_map(|step| match &step.action {
            Some(Action::Link { from, to, .. }) => {
                to.iter().map(|b| (id(&from[0]), id(b))).collect()
            }
            _ => Vec::new(),
        });
        cuts.collect()
    };
    assert_eq!(pairs("[1, 2, 3, 4]"), BTreeSet::from([(1, 3), (2, 4)]));
    let five = [(1, 3), (1, 4), (2, 4), (2, 5), (3, 5)];
    assert_eq!(pairs("[1, 2, 3, 4, 5]"), BTreeSet::from(five));
}

#[test]
fn workloads_are_sends_with_times() {
    let sends = |rest: &str, seed| -> Vec<(u64, Option<String>, String)> {
        let plan = plan_of(&format!("[[workload]]\nproducer = \"p1\"\n{rest}\n"), seed);
        let send = |step: &Step| match (&step.when, &step.action) {
            (When::After { ms }, Some(Action::Send { key, values, .. })) => {
                (*ms, key.clone(), values.join(" "))
            }
            other => panic!("{other:?}"),
        };
        plan.timeline.iter().map(send).collect()
    };
    let key = |key: &str| Some(key.to_owned());
    let text = |text: &str| text.to_owned();
    // 3 a second: every third of a second, without drifting away.
    let times: Vec<u64> = sends("records = 7\nrate = \"3/s\"\nstart = \"1s\"", 1)
        .iter()
        .map(|send| send.0)
        .collect();
    assert_eq!(times, [1_000, 1_333, 1_666, 2_000, 2_333, 2_666, 3_000]);
    assert_eq!(
        sends(
            "records = 5\nrate = \"4/s\"\nburst = 2\nvalue = \"<{n}>\"\nfirst = 8",
            1
        ),
        [
            (0, None, text("<8> <9>")),
            (500, None, text("<10> <11>")),
            (1_000, None, text("<12>")),
        ]
    );
    assert_eq!(
        sends("records = 3\nevery = \"1s\"\nburst = 2\nkeys = 2", 1),
        [
            (0, key("k0"), text("w1-0")),
            (0, key("k1"), text("w1-1")),
            (1_000, key("k0"), text("w1-2")),
        ]
    );
    let jitter = "records = 20\nevery = \"1s\"\njitter = true";
    let (one, other) = (sends(jitter, 1), sends(jitter, 2));
    assert_ne!(one, other);
    assert_eq!(one, sends(jitter, 1));
    let within = |(n, send): (u64, &(u64, Option<String>, String))| send.0 / 1_000 == n;
    assert!((0..).zip(&one).all(within), "{one:?}");
}

/// Every example in the tables of faults is right, and can last as the table says.
#[test]
fn the_faults_in_the_documentation_are_right() {
    let docs = include_str!("../../docs/scenarios.md");
    let table = docs.split("## Faults\n").nth(1).unwrap();
    let table = table.split("\n## ").next().unwrap();
    let mut name = String::new();
    let mut count = 0;
    for row in table
        .lines()
        .filter(|line| line.starts_with("| `") || line.starts_with("| |"))
    {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        if let Some(written) = cells[1].strip_prefix('`') {
            name = written.trim_end_matches('`').to_owned();
        }
        let examples: Vec<&str> = cells[2].split('`').skip(1).step_by(2).collect();
        for example in examples.iter().filter(|example| example.starts_with('{')) {
            let lasts = matches!(cells[4], "yes" | "must be");
            let lasts = if lasts { "for = \"5s\"\n" } else { "" };
            let plan = plan_of(&format!("[[fault]]\n{name} = {example}\n{lasts}"), 1);
            assert!(
                plan.timeline.iter().all(|step| step.action.is_some()),
                "{row}"
            );
            count += 1;
        }
    }
    assert!(count >= 23, "only {count} examples");
    let beside = docs.split("```toml\n").nth(2).unwrap();
    let beside = beside.split("```").next().unwrap();
    let plan = plan_of(beside, 1);
    assert!(plan.recovery.is_some() && plan.timeline.len() == 101);
}
