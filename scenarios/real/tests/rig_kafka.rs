//! One cluster of the real Kafka 4.3.1, where Java, Maven and the jars are there already: all nodes come
//! up, the cluster has the ELR as every new one of that release, and nothing is left.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]
#![allow(clippy::print_stdout, reason = "a test that is skipped says so")]

mod installed;

use ktrial_core::NodeId;
use ktrial_real::failure::Interrupt;
use ktrial_real::kafka::Target;
use ktrial_real::rig::{Places, Rig, Shape, prepare};
use ktrial_sim::plan::Plan;
use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

const RELEASE: &str = "4.3.1";
/// Longer than a start takes on a slow machine.
const LONG: Duration = Duration::from_secs(180);

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
    let target: Target = RELEASE.parse().unwrap();
    let Some(kafka) = installed::kafka(&target, &["kafka_2.13", "kafka-tools"]) else {
        return;
    };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rig-kafka");
    let _ = fs::remove_dir_all(&folder);
    let interrupt = Interrupt::default();
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
