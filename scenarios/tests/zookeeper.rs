//! `[zookeeper]` in a file: read, named, written again, told, and its tree printed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

use ktrial::compile::{Override, compile};
use ktrial::file::parse;
use ktrial::write::to_toml;
use ktrial_core::{BrokerId, Event, NodeId, ZooKeeperId};
use ktrial_sim::history::What;
use ktrial_sim::history::codec::digest;
use ktrial_sim::plan::{Action, Plan};
use ktrial_sim::{check, trial};
use std::process::Command;

const FILE: &str = r#"
title = "The leader of the ensemble loses power"
why = "a test"
time_limit = "2m"

[zookeeper]
servers = 3
tickTime = 1000

[topics.orders]
replicas = [[1, 2, 3]]

[[step]]
after = "10s"
power_loss = { nodes = ["z3"] }

[[step]]
after = "20s"
start = { nodes = ["z3"] }

[[step]]
after = "10s"
cut = { from = ["zookeeper"], to = ["brokers"] }
"#;

fn problems(text: &str) -> String {
    match parse("test", "test.toml", text) {
        Ok(_) => String::new(),
        Err(problems) => problems.render(false),
    }
}

fn plan(text: &str) -> Plan {
    let scenario =
        parse("test", "test.toml", text).unwrap_or_else(|p| panic!("{}", p.render(false)));
    compile(&scenario, 1, &[]).unwrap().plans.remove(0)
}

#[test]
fn servers_are_nodes_with_names_and_settings() {
    let plan = plan(FILE);
    let ensemble = plan.zookeeper.as_ref().unwrap();
    assert_eq!(ensemble.servers, [1, 2, 3].map(ZooKeeperId));
    assert_eq!(ensemble.config["tickTime"], "1000");
    let Some(Action::Link { from, .. }) = &plan.steps[2].action else {
        panic!("no cut: {:?}", plan.steps);
    };
    let names: Vec<String> = from.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["z1", "z2", "z3"], "the group is all of them");
    let again = self::plan(&to_toml(&plan));
    assert_eq!((again.zookeeper, again.steps), (plan.zookeeper, plan.steps));
}

#[test]
fn mistakes_are_told() {
    for (from, to, told) in [
        ("servers = 3", "servers = []", "needs at least one server"),
        (
            "servers = 3",
            "servers = [1, 2, 1]",
            "server `1` is named twice",
        ),
        ("servers = 3", "servers = 0", "255"),
        ("tickTime = 1000", "ticktime = 1000", "tickTime"),
        ("tickTime = 1000", "tickTime = \"long\"", "tickTime"),
        ("\"z3\"", "\"z4\"", "unknown node `z4`"),
        (
            "[zookeeper]\nservers = 3\ntickTime = 1000\n",
            "",
            "unknown node `z3`",
        ),
    ] {
        assert!(FILE.contains(from), "{from}");
        let problems = problems(&FILE.replacen(from, to, 1));
        assert!(problems.contains(told), "{to}: {problems}");
    }
}

#[test]
fn the_story_tells_who_leads() {
    let plan = plan(FILE);
    let record = trial::run(&plan).unwrap();
    let entries = record.entries.iter();
    let leaders = entries.filter(|e| matches!(e.what, What::Event(Event::EnsembleLeading { .. })));
    let leaders: Vec<Option<NodeId>> = leaders.map(|entry| entry.node).collect();
    let z = |id| Some(NodeId::ZooKeeper(ZooKeeperId(id)));
    assert_eq!(
        leaders,
        [z(3), z(2)],
        "the highest id, then the highest that is left"
    );
    let verdict = check::judge(&plan, &record);
    let cell = ktrial_reports::Cell {
        plan,
        record,
        verdict,
        unmet: Vec::new(),
    };
    let story = ktrial_reports::story(&cell);
    for line in [
        "zookeeper 2  leads the ensemble in epoch 2",
        "zookeeper 1  follows zookeeper 2 in epoch 2",
    ] {
        assert!(story.contains(line), "{line}\n{story}");
    }
}

/// The flagship's plans with so many servers, in the order of its matrix: unclean election off, then on.
fn flagship(servers: &str) -> Vec<Plan> {
    let text = include_str!("../library/replication/all-brokers-down.toml");
    let scenario = parse("all-brokers-down", "all-brokers-down.toml", text);
    let scenario = scenario.unwrap_or_else(|p| panic!("{}", p.render(false)));
    let overrides: Vec<Override> = [("zookeeper.servers", servers)]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| Override {
            key: key.to_owned(),
            value: value.to_owned(),
        })
        .collect();
    compile(&scenario, 1, &overrides).unwrap().plans
}

#[test]
fn all_brokers_down_ends_alike_with_kraft_and_with_zookeeper() {
    let ends = |plan: &Plan| {
        let record = trial::run(plan).unwrap();
        let verdict = check::judge(plan, &record);
        let lost: Vec<String> = verdict.lost.iter().map(|one| one.value.clone()).collect();
        (verdict.verdict, lost)
    };
    let kraft: Vec<_> = flagship("").iter().map(ends).collect();
    assert_eq!(kraft[0].1, Vec::<String>::new());
    assert_eq!(kraft[1].1, ["B", "C"]);
    for servers in ["1", "3"] {
        let plans = flagship(servers);
        assert_eq!(
            plans.iter().map(ends).collect::<Vec<_>>(),
            kraft,
            "{servers}"
        );
        let again = |plan: &Plan| digest(&trial::run(plan).unwrap());
        let other = |plan: &Plan| digest(&trial::run_with_madsim_seed(plan, 9).unwrap());
        assert_eq!(again(&plans[0]), other(&plans[0]), "the same bytes");
    }
}

#[test]
fn the_tree_is_printed_at_any_time() {
    let folder = std::env::temp_dir().join(format!("ktrial-znodes-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("plan.json");
    std::fs::write(&file, serde_json::to_string(&plan(FILE)).unwrap()).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ktrial"));
        let output = command
            .arg("znodes")
            .arg(&file)
            .args(arguments)
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
        )
    };
    let (code, tree) = run(&["--until", "5s"]);
    assert_eq!(code, Some(0));
    assert_eq!(tree.lines().next(), Some("/  v0 0x0"));
    let (_, below) = run(&["--until", "5s", "--below", "/zookeeper/quota"]);
    assert_eq!(below, "/zookeeper/quota  v0 0x0\n");
    assert_eq!(
        run(&["--server", "9"]).0,
        Some(3),
        "there is no such server"
    );
    std::fs::remove_dir_all(folder).unwrap();
}

/// The plan of a scenario of the library with an ensemble of two.
fn with_ensemble(name: &str) -> Plan {
    let entry = ktrial::library::find(name).unwrap();
    let scenario = parse(entry.name, entry.path, entry.text).unwrap();
    let servers = Override {
        key: "zookeeper.servers".to_owned(),
        value: "2".to_owned(),
    };
    compile(&scenario, 1, &[servers]).unwrap().plans.remove(0)
}

#[test]
fn the_ensemble_takes_the_place_of_the_only_controller() {
    let zombie = with_ensemble("zombie-leader");
    let cut = zombie.steps.iter().find_map(|step| match &step.action {
        Some(Action::Link { to, .. }) => Some(to.iter().map(ToString::to_string)),
        _ => None,
    });
    let cut: Vec<String> = cut.unwrap().collect();
    assert_eq!(cut, ["b2", "b3", "z1", "z2"]);
    let rolling = with_ensemble("rolling-restart").recovery.unwrap().nodes;
    let mended: Vec<String> = rolling.iter().map(ToString::to_string).collect();
    assert!(mended.contains(&"z2".to_owned()) && !mended.contains(&"c3000".to_owned()));
    trial::check(&zombie).unwrap();
    // What is about several controllers has no meaning there.
    let failover = trial::check(&with_ensemble("controller-failover"));
    assert!(failover.unwrap_err().to_string().contains("c3000"));
}

#[test]
fn a_lost_log_directory_is_told_with_zookeeper_too() {
    let entry = ktrial::library::find("log-directory-fails").unwrap();
    let scenario = parse(entry.name, entry.path, entry.text).unwrap();
    let servers = Override {
        key: "zookeeper.servers".to_owned(),
        value: "3".to_owned(),
    };
    // By a notification, in every release that survives a lost directory: KRaft had to learn to tell.
    for plan in compile(&scenario, 1, &[servers]).unwrap().plans {
        let record = trial::run(&plan).unwrap();
        let verdict = check::judge(&plan, &record);
        assert_eq!(
            verdict.verdict,
            ktrial_sim::verdict::Class::Kept,
            "{:?}",
            plan.cell
        );
        let moved = record.entries.iter().any(|entry| {
            let leads = matches!(&entry.what, What::Event(Event::BecameLeader { partition, .. })
                if partition.to_string() == "orders-1");
            leads && entry.node != Some(NodeId::Broker(BrokerId(1)))
        });
        assert!(moved, "another broker leads what was in it");
    }
}

/// The controller tells the racks with the brokers that live (UpdateMetadata v2, KIP-36).
#[test]
fn a_leader_knows_the_racks_of_the_others() {
    let plan = plan(
        r#"
title = "t"
why = "a test"
[cluster.config]
replica.selector.class = "org.apache.kafka.common.replica.RackAwareReplicaSelector"
[zookeeper]
servers = 1
[brokers]
b1 = { broker.rack = "r1" }
b2 = { broker.rack = "r2" }
[topics.orders]
replicas = [[1, 2, 3]]
[producers.p1]
[consumers.c1]
client.rack = "r2"
assign = ["orders-0"]
auto.offset.reset = "earliest"
[[step]]
send = { values = ["A"] }
[[step]]
until = { consumed = { values = ["A"] } }
"#,
    );
    let record = trial::run(&plan).unwrap();
    let named = record.entries.iter().find_map(|entry| match &entry.what {
        What::Event(Event::ReadReplicaNamed { replica, .. }) => *replica,
        _ => None,
    });
    assert_eq!(named, Some(BrokerId(2)));
}
