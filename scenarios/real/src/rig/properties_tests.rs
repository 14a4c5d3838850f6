//! The lines that matter, for each mode and shape.

use super::*;
use ktrial_core::{BrokerId, ControllerId, ZooKeeperId};

const C: NodeId = NodeId::Controller(ControllerId(3000));
const Z: NodeId = NodeId::ZooKeeper(ZooKeeperId(1));

fn settings(pairs: &[(&str, &str)]) -> Settings {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

/// Two brokers and a controller with settings of every kind.
fn layout() -> Layout {
    let broker = |id, config| BrokerPlan {
        id: BrokerId(id),
        config: settings(config),
    };
    let heartbeat = ("broker.heartbeat.interval.ms", "500");
    Layout {
        controllers: vec![ControllerPlan {
            id: ControllerId(3000),
            config: settings(&[("auto.leader.rebalance.enable", "false")]),
        }],
        brokers: vec![
            broker(1, &[heartbeat]),
            broker(2, &[("num.io.threads", "3")]),
        ],
        zookeeper: Some(ZooKeeperPlan {
            servers: vec![ZooKeeperId(1)],
            config: settings(&[("tickTime", "500")]),
        }),
        topic_defaults: settings(&[
            ("min.insync.replicas", "2"),
            ("segment.bytes", "4096"),
            ("segment.ms", "1000"),
            ("message.timestamp.type", "LogAppendTime"),
        ]),
    }
}

/// The properties of these nodes, each at ports of its own, and what was left out.
fn made(
    layout: &Layout,
    nodes: &[(NodeId, Role)],
    unknown: &[&str],
) -> (BTreeMap<NodeId, Settings>, Vec<String>) {
    let ports = (100..).step_by(2);
    let addresses: Vec<Vec<SocketAddr>> = nodes
        .iter()
        .zip(ports)
        .map(|((_, role), port)| {
            let ports = port..port + role.addresses();
            ports
                .map(|port| SocketAddr::from(([127, 0, 0, 1], port)))
                .collect()
        })
        .collect();
    let servers = nodes
        .iter()
        .zip(&addresses)
        .map(|(&(node, role), addresses)| Server {
            node,
            role,
            addresses,
            data: Path::new("/run/data"),
        });
    let servers: Vec<Server<'_>> = servers.collect();
    properties(layout, &servers, Voters::Named, &|key| {
        !unknown.contains(&key)
    })
}

fn b(id: i32) -> NodeId {
    NodeId::Broker(BrokerId(id))
}

fn holds(settings: &Settings, expected: &[(&str, &str)]) {
    for (key, value) in expected {
        assert_eq!(
            settings.get(*key).map(String::as_str),
            Some(*value),
            "{key}"
        );
    }
}

fn lacks(settings: &Settings, keys: &[&str]) {
    assert!(
        keys.iter().all(|key| !settings.contains_key(*key)),
        "{keys:?}"
    );
}

#[test]
fn separate_controllers_have_their_own_settings_and_the_topics_defaults() {
    let nodes = [
        (C, Role::Controller),
        (b(1), Role::Broker),
        (b(2), Role::Broker),
    ];
    let (all, left_out) = made(&layout(), &nodes, &[]);
    assert_eq!(left_out, Vec::<String>::new());
    let voters = ("controller.quorum.voters", "3000@127.0.0.1:100");
    holds(
        &all[&C],
        &[
            ("process.roles", "controller"),
            ("node.id", "3000"),
            ("listeners", "CONTROLLER://127.0.0.1:100"),
            ("auto.leader.rebalance.enable", "false"),
            ("min.insync.replicas", "2"),
            ("log.segment.bytes", "4096"),
            voters,
        ],
    );
    lacks(
        &all[&C],
        &["advertised.listeners", "broker.heartbeat.interval.ms"],
    );
    holds(
        &all[&b(1)],
        &[
            ("process.roles", "broker"),
            ("listeners", "PLAINTEXT://127.0.0.1:102"),
            ("advertised.listeners", "PLAINTEXT://127.0.0.1:102"),
            ("broker.heartbeat.interval.ms", "500"),
            ("log.roll.ms", "1000"),
            ("log.message.timestamp.type", "LogAppendTime"),
            ("offsets.topic.replication.factor", "2"),
            voters,
        ],
    );
    // What the plan does not say is left to the release.
    lacks(
        &all[&b(1)],
        &["num.io.threads", "auto.leader.rebalance.enable", SESSION],
    );
    holds(&all[&b(2)], &[("num.io.threads", "3")]);
}

#[test]
fn combined_brokers_are_all_voters() {
    let (all, _) = made(&layout(), &[(b(1), Role::Both), (b(2), Role::Both)], &[]);
    for settings in all.values() {
        holds(
            settings,
            &[
                ("process.roles", "broker,controller"),
                (
                    "controller.quorum.voters",
                    "1@127.0.0.1:101,2@127.0.0.1:103",
                ),
                ("auto.leader.rebalance.enable", "false"),
            ],
        );
    }
    let listeners = "PLAINTEXT://127.0.0.1:100,CONTROLLER://127.0.0.1:101";
    holds(
        &all[&b(1)],
        &[
            ("listeners", listeners),
            ("broker.heartbeat.interval.ms", "500"),
        ],
    );
}

#[test]
fn voters_whose_folders_say_so_are_not_named() {
    let other = NodeId::Controller(ControllerId(3001));
    let nodes = [
        (C, Role::Controller),
        (other, Role::Controller),
        (b(1), Role::Broker),
    ];
    let addresses = [100, 102, 104].map(|port| [SocketAddr::from(([127, 0, 0, 1], port))]);
    let servers = nodes
        .iter()
        .zip(&addresses)
        .map(|((node, role), of)| Server {
            node: *node,
            role: *role,
            addresses: of,
            data: Path::new("/data"),
        });
    let servers: Vec<Server<'_>> = servers.collect();
    let (all, _) = properties(&layout(), &servers, Voters::Formatted, &|_| true);
    let bootstrap = "controller.quorum.bootstrap.servers";
    for settings in all.values() {
        holds(settings, &[(bootstrap, "127.0.0.1:100,127.0.0.1:102")]);
        lacks(settings, &["controller.quorum.voters"]);
    }
}

#[test]
fn with_zookeeper_brokers_have_sessions_there() {
    let nodes = [
        (Z, Role::ZooKeeper),
        (b(1), Role::WithZooKeeper),
        (b(2), Role::WithZooKeeper),
    ];
    let (all, left_out) = made(&layout(), &nodes, &[]);
    let heartbeat = "`broker.heartbeat.interval.ms` of b1 has no meaning with ZooKeeper";
    assert_eq!(left_out, [heartbeat]);
    holds(
        &all[&Z],
        &[
            ("tickTime", "500"),
            ("clientPort", "100"),
            ("admin.enableServer", "false"),
        ],
    );
    holds(
        &all[&b(1)],
        &[
            ("broker.id", "1"),
            ("zookeeper.connect", "127.0.0.1:100"),
            (ZOOKEEPER_SESSION, "9000"),
            ("auto.leader.rebalance.enable", "false"),
        ],
    );
    lacks(
        &all[&b(1)],
        &[
            "process.roles",
            "node.id",
            SESSION,
            "broker.heartbeat.interval.ms",
        ],
    );
    let mut layout = layout();
    layout.controllers[0]
        .config
        .insert(SESSION.to_owned(), "3000".to_owned());
    let (all, _) = made(&layout, &nodes, &[]);
    holds(&all[&b(2)], &[(ZOOKEEPER_SESSION, "3000")]);
}

#[test]
fn only_what_the_plan_asks_for_is_told_when_it_is_unknown() {
    let nodes = [
        (C, Role::Controller),
        (b(1), Role::Broker),
        (b(2), Role::Broker),
    ];
    let unknown = ["log.message.timestamp.type", "group.coordinator.threads"];
    let (all, left_out) = made(&layout(), &nodes, &unknown);
    let told = "`log.message.timestamp.type` of c3000, b1, b2 is not known to this release";
    assert_eq!(left_out, [told]);
    lacks(&all[&b(1)], &unknown);
}

#[test]
fn every_topic_setting_has_a_broker_setting() {
    // As in `ServerTopicConfigSynonyms`, for all that a plan can say.
    let expected = [
        ("segment.bytes", "log.segment.bytes"),
        ("segment.ms", "log.roll.ms"),
        ("segment.index.bytes", "log.index.size.max.bytes"),
        ("index.interval.bytes", "log.index.interval.bytes"),
        ("flush.messages", "log.flush.interval.messages"),
        ("flush.ms", "log.flush.interval.ms"),
        ("max.message.bytes", "message.max.bytes"),
        ("min.insync.replicas", "min.insync.replicas"),
        (
            "unclean.leader.election.enable",
            "unclean.leader.election.enable",
        ),
        ("message.timestamp.type", "log.message.timestamp.type"),
        (
            "message.timestamp.before.max.ms",
            "log.message.timestamp.before.max.ms",
        ),
        (
            "message.timestamp.after.max.ms",
            "log.message.timestamp.after.max.ms",
        ),
    ];
    for info in ktrial_core::config::TopicConfig::KEYS {
        let found = expected.iter().find(|(topic, _)| *topic == info.key);
        assert_eq!(
            found.map(|(_, broker)| (*broker).to_owned()),
            Some(broker_level(info.key))
        );
    }
}

#[test]
fn a_file_of_properties_survives_odd_paths() {
    let text = text(&settings(&[("log.dirs", "/a b\\c/\u{e4}\u{1f600}")]));
    assert_eq!(text, "log.dirs=/a b\\\\c/\\u00e4\\ud83d\\ude00\n");
}

#[test]
fn each_of_several_zookeepers_knows_all() {
    let second = NodeId::ZooKeeper(ZooKeeperId(2));
    let nodes = [
        (Z, Role::ZooKeeper),
        (second, Role::ZooKeeper),
        (b(1), Role::WithZooKeeper),
    ];
    let (all, _) = made(&layout(), &nodes, &[]);
    for (server, port) in [(Z, "100"), (second, "102")] {
        holds(
            &all[&server],
            &[
                ("clientPort", port),
                ("tickTime", "500"),
                ("initLimit", "5"),
                ("server.1", "127.0.0.1:101:102"),
                ("server.2", "127.0.0.1:103:104"),
            ],
        );
    }
    let connect = "127.0.0.1:100,127.0.0.1:102";
    holds(&all[&b(1)], &[("zookeeper.connect", connect)]);
    // The near miss: one alone is no ensemble.
    let (all, _) = made(&layout(), &[nodes[0], nodes[2]], &[]);
    lacks(&all[&Z], &["server.1", "initLimit"]);
}
