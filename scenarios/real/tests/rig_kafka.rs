//! One cluster of the real Kafka 4.3.1, where Java, Maven and the jars are there already: all nodes come
//! up, the cluster has the ELR as every new one of that release, and nothing is left.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

use ktrial_core::NodeId;
use ktrial_real::failure::Interrupt;
use ktrial_real::kafka::{Kafka, Source, Target};
use ktrial_real::rig::{Places, Rig, Shape, prepare};
use ktrial_sim::plan::Plan;
use std::env;
use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const RELEASE: &str = "4.3.1";
/// Longer than a start takes on a slow machine.
const LONG: Duration = Duration::from_secs(180);

/// What is missing, if this machine cannot run it without a download.
fn missing(source: &Source) -> Option<&'static str> {
    if source.programs.java().is_err() || source.programs.maven().is_err() {
        return Some("Java or Maven");
    }
    let home = env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let has = |artifact: &str| {
        let folder = home
            .join(".m2/repository/org/apache/kafka")
            .join(artifact)
            .join(RELEASE);
        folder.join(format!("{artifact}-{RELEASE}.jar")).exists()
    };
    let jars =
        source.cache.join(RELEASE).join("libs").exists() || has("kafka_2.13") && has("kafka-tools");
    (!jars).then_some("the jars of Kafka 4.3.1")
}

/// The flagship's plan: three brokers and a controller.
fn plan() -> Plan {
    let entry = ktrial::library::LIBRARY
        .iter()
        .find(|entry| entry.name == "all-brokers-down");
    let entry = entry.unwrap();
    let scenario = ktrial::file::parse(entry.name, entry.path, entry.text);
    let scenario = scenario.unwrap_or_else(|problems| panic!("{problems}"));
    ktrial::compile::compile(&scenario, 1, &[])
        .unwrap()
        .plans
        .remove(0)
}

/// A new cluster of this release has the ELR.
fn has_elr(rig: &Rig) {
    let tool = rig
        .kafka()
        .first_class(&["org.apache.kafka.tools.FeatureCommand"])
        .unwrap();
    let args = [
        "--bootstrap-server".to_owned(),
        rig.bootstrap(),
        "describe".to_owned(),
    ];
    let features = rig.tool(tool, &args, LONG).unwrap();
    let elr = features
        .lines()
        .find(|line| line.contains("eligible.leader.replicas.version"));
    let elr = elr.unwrap();
    assert!(elr.contains("FinalizedVersionLevel: 1"), "{elr}");
}

#[test]
fn a_cluster_of_the_real_kafka_comes_up() {
    let source = Source::usual().ok();
    let why = source.as_ref().map_or(Some("a folder for caches"), missing);
    let (Some(mut source), None) = (source, why) else {
        println!("skipped: {} missing", why.unwrap_or_default());
        return;
    };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rig-kafka");
    let _ = fs::remove_dir_all(&folder);
    if !source.cache.join(RELEASE).join("libs").exists() {
        source.cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("kafka");
    }
    let interrupt = Interrupt::default();
    let target: Target = RELEASE.parse().unwrap();
    let kafka = Kafka::get(&target.release, &source, &interrupt, &|_| ()).unwrap();
    let kafka = Arc::new(kafka);
    prepare(&kafka, target.mode, LONG, &interrupt, &|_| ()).unwrap();
    let known = [
        "min.insync.replicas",
        "log.initial.task.delay.ms",
        "no.such.key",
    ];
    assert_eq!(
        kafka.unknown_keys(known),
        ["no.such.key"],
        "internal settings are known too"
    );

    let places = Places::loopback();
    let mut rig = Rig::new(
        &plan(),
        kafka,
        &target,
        Shape::Separate,
        &folder,
        &places,
        &interrupt,
    )
    .unwrap();
    let nodes: Vec<NodeId> = rig.nodes().collect();
    for node in &nodes {
        rig.start(*node).unwrap();
    }
    let up = interrupt.wait(LONG, || {
        let ended = rig.ended();
        assert!(ended.is_empty(), "{ended:?}\n{}", rig.log_tail(ended[0].0));
        let answers = |node: &NodeId| TcpStream::connect(rig.address(*node).unwrap()).is_ok();
        Ok(nodes.iter().all(answers).then_some(()))
    });
    assert!(up.unwrap().is_some(), "{}", rig.log_tail(nodes[0]));
    has_elr(&rig);
    let processes: Vec<u32> = nodes.iter().filter_map(|node| rig.process(*node)).collect();
    assert_eq!(processes.len(), 4);
    drop(rig);
    for process in processes {
        assert!(
            !Path::new(&format!("/proc/{process}")).exists(),
            "{process} is left"
        );
    }
}
