//! The properties of brokers, controllers and ZooKeeper: the plan's settings, which are Kafka's own keys,
//! and what every cluster on one machine needs.
//!
//! A setting that the release does not document is written all the same, for it may be an internal one,
//! and told.
//!
//! Source: `KafkaConfig`, `ServerTopicConfigSynonyms` (a topic's key and its broker's), `zookeeperAdmin`.

use super::places::Ports;
use super::{Shape, id, nodes};
use crate::kafka::{Kafka, Mode, Target};
use ktrial_core::NodeId;
use ktrial_core::config::Settings;
use ktrial_sim::plan::Plan;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

/// Topic settings that have another name as a broker's default of all topics.
const SYNONYMS: [(&str, &str); 10] = [
    ("segment.bytes", "log.segment.bytes"),
    ("segment.ms", "log.roll.ms"),
    ("segment.index.bytes", "log.index.size.max.bytes"),
    ("index.interval.bytes", "log.index.interval.bytes"),
    ("flush.messages", "log.flush.interval.messages"),
    ("flush.ms", "log.flush.interval.ms"),
    ("max.message.bytes", "message.max.bytes"),
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
/// What every broker has: a small machine, and nothing happens that the scenario does not ask for.
const EVERY: [(&str, &str); 6] = [
    ("auto.create.topics.enable", "false"),
    ("log.cleaner.dedupe.buffer.size", "2097152"),
    ("num.network.threads", "2"),
    ("offsets.topic.num.partitions", "1"),
    ("offsets.topic.replication.factor", "1"),
    ("transaction.state.log.replication.factor", "1"),
];
/// Kafka's default of `broker.session.timeout.ms`, in milliseconds.
const SESSION: &str = "9000";

/// The properties of all servers, as texts.
pub(super) struct Written {
    pub(super) files: BTreeMap<NodeId, String>,
    /// Settings of the plan that the release does not document.
    pub(super) unknown: Vec<String>,
}

/// Writes the properties of each server.
pub(super) fn all(
    plan: &Plan,
    kafka: &Kafka,
    target: &Target,
    shape: Shape,
    (ports, folder): (&Ports, &Path),
) -> Written {
    let cluster = Cluster {
        plan,
        mode: target.mode,
        shape,
        ports,
    };
    let mut files = BTreeMap::new();
    for node in nodes(plan, target.mode, shape) {
        let mut properties = cluster.of(node);
        let zookeeper = target.mode == Mode::ZooKeeper && node.broker().is_none();
        let key = if zookeeper { "dataDir" } else { "log.dirs" };
        let data = folder.join(node.to_string()).join("data");
        properties.insert(key.to_owned(), data.display().to_string());
        let lines = properties
            .iter()
            .fold(String::new(), |mut lines, (key, value)| {
                let _ = writeln!(lines, "{key}={value}");
                lines
            });
        files.insert(node, lines);
    }
    Written {
        files,
        unknown: kafka.unknown(cluster.asked().keys()),
    }
}

struct Cluster<'a> {
    plan: &'a Plan,
    mode: Mode,
    shape: Shape,
    ports: &'a Ports,
}

impl Cluster<'_> {
    fn of(&self, node: NodeId) -> Settings {
        let broker = node.broker().is_some();
        let mut properties = match (self.mode, broker) {
            (Mode::ZooKeeper, false) => return self.zookeeper(node),
            (Mode::ZooKeeper, true) => self.broker_of_zookeeper(node),
            (Mode::KRaft, _) => self.member_of_quorum(node),
        };
        for (key, value) in EVERY {
            properties.insert(key.to_owned(), value.to_owned());
        }
        properties.extend(self.topic_defaults());
        properties.extend(self.own(node));
        properties
    }

    /// The plan's settings of a node. A broker that is a controller too has those of the controller.
    fn own(&self, node: NodeId) -> Settings {
        let mut own = Settings::new();
        let combined = self.mode == Mode::KRaft && self.shape == Shape::Combined;
        for controller in &self.plan.controllers {
            if combined || NodeId::Controller(controller.id) == node {
                own.extend(controller.config.clone());
            }
        }
        for broker in &self.plan.brokers {
            if NodeId::Broker(broker.id) == node {
                own.extend(broker.config.clone());
            }
        }
        own
    }

    /// Everything that the plan sets of servers.
    fn asked(&self) -> Settings {
        let mut asked = self.topic_defaults();
        for node in nodes(self.plan, self.mode, self.shape) {
            if self.mode == Mode::KRaft || node.broker().is_some() {
                asked.extend(self.own(node));
            }
        }
        asked
    }

    fn topic_defaults(&self) -> Settings {
        let defaults = self.plan.topic_defaults.iter();
        let renamed = defaults.map(|(key, value)| {
            let synonym = SYNONYMS.iter().find(|(topic, _)| topic == key);
            let key = synonym.map_or(key.as_str(), |(_, broker)| *broker);
            (key.to_owned(), value.clone())
        });
        renamed.collect()
    }

    fn member_of_quorum(&self, node: NodeId) -> Settings {
        let is_broker = node.broker().is_some();
        let combined = self.shape == Shape::Combined;
        let all = nodes(self.plan, self.mode, self.shape).into_iter();
        let voters = all.filter(|voter| combined || voter.broker().is_none());
        let voters: Vec<String> = voters.map(|voter| self.ports.voter(voter)).collect();
        let client = format!("PLAINTEXT://{}", self.ports.client(node));
        let controller = format!("CONTROLLER://{}", self.ports.controller(node));
        let (roles, listeners) = match (is_broker, combined) {
            (true, false) => ("broker", client.clone()),
            (true, true) => ("broker,controller", format!("{client},{controller}")),
            (false, _) => ("controller", controller),
        };
        let protocols = "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT";
        let mut properties = settings(&[
            ("process.roles", roles),
            ("node.id", &id(node).to_string()),
            ("controller.quorum.voters", &voters.join(",")),
            ("controller.listener.names", "CONTROLLER"),
            ("listeners", &listeners),
            ("listener.security.protocol.map", protocols),
        ]);
        if is_broker {
            properties.extend(settings(&[
                ("advertised.listeners", client.as_str()),
                ("inter.broker.listener.name", "PLAINTEXT"),
            ]));
        }
        properties
    }

    fn broker_of_zookeeper(&self, node: NodeId) -> Settings {
        let listener = format!("PLAINTEXT://{}", self.ports.client(node));
        settings(&[
            ("broker.id", &id(node).to_string()),
            ("listeners", &listener),
            ("advertised.listeners", &listener),
            ("zookeeper.connect", &self.ports.zookeeper()),
            ("zookeeper.session.timeout.ms", self.session()),
            ("zookeeper.connection.timeout.ms", "60000"),
        ])
    }

    /// How long a silent broker counts as alive: of a controller's settings, the broker's in this mode.
    fn session(&self) -> &str {
        let controllers = self.plan.controllers.iter();
        let mut set = controllers.filter_map(|c| c.config.get("broker.session.timeout.ms"));
        set.next().map_or(SESSION, String::as_str)
    }

    fn zookeeper(&self, node: NodeId) -> Settings {
        settings(&[
            ("tickTime", "500"),
            // Sessions are as long as the brokers ask.
            ("minSessionTimeout", "500"),
            ("maxSessionTimeout", "600000"),
            ("clientPort", &self.ports.port(node).to_string()),
            ("clientPortAddress", &self.ports.address(node).to_string()),
            ("maxClientCnxns", "0"),
            ("admin.enableServer", "false"),
        ])
    }
}

fn settings(pairs: &[(&str, &str)]) -> Settings {
    let pairs = pairs.iter();
    pairs
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}
