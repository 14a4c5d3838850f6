//! The settings of each node: those of the plan, under the names that the release knows them by, and
//! those that every cluster needs.
//!
//! Rules:
//! - A topic's defaults are broker settings of another name: `segment.bytes` is `log.segment.bytes`. In
//!   KRaft mode the controllers get them too: the active one decides by its own `min.insync.replicas`
//!   who is eligible.
//! - With ZooKeeper every broker can become the controller, so each gets the controller's settings; its
//!   session is one with ZooKeeper, so `broker.session.timeout.ms` is `zookeeper.session.timeout.ms`
//!   there, with the plan's default.
//! - Each of several servers of ZooKeeper knows all of them; its own number stands in `myid` (`cluster.rs`).
//! - A setting that the release does not know is left out and told.
//! - Kafka's internal topics have one partition, and small buffers and pools do: no plan asks for more.
//!
//! Source: `ServerTopicConfigSynonyms.ALL_TOPIC_CONFIG_SYNONYMS`, `KRaftConfigs`, `ZkConfigs`.
//! Next: `format.rs`.

use ktrial_core::NodeId;
use ktrial_core::config::{Config, ControllerConfig, Settings};
use ktrial_sim::plan::{BrokerPlan, ControllerPlan, Plan, ZooKeeperPlan};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

/// A plan's session timeout, and what it is with ZooKeeper.
const SESSION: &str = "broker.session.timeout.ms";
const ZOOKEEPER_SESSION: &str = "zookeeper.session.timeout.ms";
/// What a ZooKeeper server must be told, and the usual.
const TICK: (&str, &str) = ("tickTime", "2000");
/// And one of several.
const LIMITS: [(&str, &str); 2] = [("initLimit", "5"), ("syncLimit", "2")];
/// So long a broker that starts waits for ZooKeeper: several servers first elect a leader, and one that gets
/// a connection just before it is ready may not answer on it.
const FIRST_CONNECTION: (&str, &str) = ("zookeeper.connection.timeout.ms", "60000");
/// Settings that have no meaning with ZooKeeper, even if the release knows them.
const ONLY_KRAFT: [&str; 5] = [
    "broker.heartbeat.interval.ms",
    "initial.broker.registration.timeout.ms",
    "controller.quorum.append.linger.ms",
    "metadata.max.idle.interval.ms",
    "unclean.leader.election.interval.ms",
];
/// Topic settings whose broker setting is not just `log.` and the same name.
const TOPIC_SETTINGS: [(&str, &str); 15] = [
    ("segment.ms", "log.roll.ms"),
    ("segment.jitter.ms", "log.roll.jitter.ms"),
    ("segment.index.bytes", "log.index.size.max.bytes"),
    ("flush.messages", "log.flush.interval.messages"),
    ("flush.ms", "log.flush.interval.ms"),
    ("file.delete.delay.ms", "log.segment.delete.delay.ms"),
    ("delete.retention.ms", "log.cleaner.delete.retention.ms"),
    ("min.compaction.lag.ms", "log.cleaner.min.compaction.lag.ms"),
    ("max.compaction.lag.ms", "log.cleaner.max.compaction.lag.ms"),
    (
        "min.cleanable.dirty.ratio",
        "log.cleaner.min.cleanable.ratio",
    ),
    ("max.message.bytes", "message.max.bytes"),
    ("min.insync.replicas", "min.insync.replicas"),
    (
        "unclean.leader.election.enable",
        "unclean.leader.election.enable",
    ),
    ("compression.type", "compression.type"),
    ("remote.storage.enable", "remote.log.storage.system.enable"),
];

/// Who is a controller, in KRaft mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// The plan's controllers, each a process of its own.
    #[default]
    Separate,
    /// Every broker: the plan's controllers have no processes.
    Combined,
}

/// What a cluster is made of.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) controllers: Vec<ControllerPlan>,
    pub(super) brokers: Vec<BrokerPlan>,
    /// The ensemble of ZooKeeper, in that mode.
    pub(super) zookeeper: Option<ZooKeeperPlan>,
    pub(super) topic_defaults: Settings,
}

impl From<&Plan> for Layout {
    fn from(plan: &Plan) -> Self {
        Self {
            controllers: plan.controllers.clone(),
            brokers: plan.brokers.clone(),
            zookeeper: plan.zookeeper.clone(),
            topic_defaults: plan.topic_defaults.clone(),
        }
    }
}

/// How the controllers of a quorum know each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Voters {
    /// By `controller.quorum.voters`.
    Named,
    /// By what stands in their formatted folders (KIP-853); `controller.quorum.bootstrap.servers` says whom
    /// to ask.
    Formatted,
}

/// What a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A controller of a KRaft quorum.
    Controller,
    /// A broker of a KRaft cluster.
    Broker,
    /// Both at once.
    Both,
    /// A broker of a cluster with ZooKeeper.
    WithZooKeeper,
    /// The ZooKeeper itself.
    ZooKeeper,
}

impl Role {
    /// How many addresses it listens at.
    pub(super) fn addresses(self) -> u16 {
        match self {
            Self::Both => 2,
            Self::ZooKeeper => 3,
            _ => 1,
        }
    }

    fn is_kraft(self) -> bool {
        matches!(self, Self::Controller | Self::Broker | Self::Both)
    }
}

/// A node, as its properties need to know it.
pub(super) struct Server<'a> {
    pub(super) node: NodeId,
    pub(super) role: Role,
    /// One; for both roles the broker's and the controller's; of a ZooKeeper for clients, for its followers,
    /// and for elections.
    pub(super) addresses: &'a [SocketAddr],
    pub(super) data: &'a Path,
}

impl Server<'_> {
    pub(super) fn number(&self) -> i32 {
        number(self.node)
    }

    /// Where it listens as a controller.
    pub(super) fn quorum_address(&self) -> Option<SocketAddr> {
        match self.role {
            Role::Controller | Role::Both => self.addresses.last().copied(),
            _ => None,
        }
    }
}

/// A node's `node.id`, or its number in the ensemble.
pub(super) fn number(node: NodeId) -> i32 {
    match node {
        NodeId::Controller(id) => id.0,
        NodeId::Broker(id) => id.0,
        NodeId::ZooKeeper(id) => id.0,
        NodeId::Client(_) => -1,
    }
}

/// The properties of every node, and what was left out of them, in words.
pub(super) fn properties(
    layout: &Layout,
    servers: &[Server<'_>],
    voters: Voters,
    knows: &dyn Fn(&str) -> bool,
) -> (BTreeMap<NodeId, Settings>, Vec<String>) {
    let mut all = BTreeMap::new();
    let mut left_out: BTreeMap<(String, &str), BTreeSet<NodeId>> = BTreeMap::new();
    for server in servers {
        if server.role == Role::ZooKeeper {
            all.insert(server.node, zookeeper(server, servers, layout));
            continue;
        }
        let mut settings = identity(server, servers, voters);
        for (key, value) in needed(layout.brokers.len()) {
            if knows(key) {
                settings.insert(key.to_owned(), value);
            }
        }
        for (key, value) in wanted(layout, server) {
            let why = match () {
                () if !server.role.is_kraft() && ONLY_KRAFT.contains(&key.as_str()) => {
                    "has no meaning with ZooKeeper"
                }
                () if !knows(&key) => "is not known to this release",
                () => {
                    settings.insert(key, value);
                    continue;
                }
            };
            left_out.entry((key, why)).or_default().insert(server.node);
        }
        all.insert(server.node, settings);
    }
    let left_out = left_out.into_iter().map(|((key, why), nodes)| {
        let nodes: Vec<String> = nodes.iter().map(NodeId::to_string).collect();
        format!("`{key}` of {} {why}", nodes.join(", "))
    });
    (all, left_out.collect())
}

/// Who a server is, and how it finds the others.
fn identity(server: &Server<'_>, servers: &[Server<'_>], voters: Voters) -> Settings {
    let mut settings = Settings::new();
    let mut set = |key: &str, value: String| settings.insert(key.to_owned(), value);
    set("log.dirs", server.data.display().to_string());
    let client = server
        .addresses
        .first()
        .map(|address| format!("PLAINTEXT://{address}"));
    let client = client.filter(|_| server.role != Role::Controller);
    let quorum = server
        .quorum_address()
        .map(|address| format!("CONTROLLER://{address}"));
    let listeners: Vec<String> = client.iter().chain(&quorum).cloned().collect();
    set("listeners", listeners.join(","));
    if let Some(client) = client {
        set("advertised.listeners", client);
    }
    if !server.role.is_kraft() {
        let ensemble = ensemble(servers);
        let addresses = ensemble.filter_map(|server| Some(server.addresses.first()?.to_string()));
        let addresses: Vec<String> = addresses.collect();
        set("broker.id", server.number().to_string());
        set("zookeeper.connect", addresses.join(","));
        let (key, value) = FIRST_CONNECTION;
        set(key, value.to_owned());
        return settings;
    }
    let roles = match server.role {
        Role::Both => "broker,controller",
        Role::Controller => "controller",
        _ => "broker",
    };
    let quorum = servers.iter().filter_map(|server| {
        let address = server.quorum_address()?;
        Some(match voters {
            Voters::Named => format!("{}@{address}", server.number()),
            Voters::Formatted => address.to_string(),
        })
    });
    let key = match voters {
        Voters::Named => "controller.quorum.voters",
        Voters::Formatted => "controller.quorum.bootstrap.servers",
    };
    set("process.roles", roles.to_owned());
    set("node.id", server.number().to_string());
    set(key, quorum.collect::<Vec<_>>().join(","));
    set("controller.listener.names", "CONTROLLER".to_owned());
    let protocols = "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT";
    set("listener.security.protocol.map", protocols.to_owned());
    settings
}

/// What every cluster needs, if the release knows it.
fn needed(brokers: usize) -> [(&'static str, String); 15] {
    let replicas = brokers.min(3).to_string();
    let one = || "1".to_owned();
    [
        ("auto.create.topics.enable", "false".to_owned()),
        ("offsets.topic.replication.factor", replicas.clone()),
        ("offsets.topic.num.partitions", one()),
        ("transaction.state.log.replication.factor", replicas.clone()),
        ("transaction.state.log.min.isr", brokers.min(2).to_string()),
        ("transaction.state.log.num.partitions", one()),
        ("share.coordinator.state.topic.replication.factor", replicas),
        (
            "share.coordinator.state.topic.min.isr",
            brokers.min(2).to_string(),
        ),
        ("share.coordinator.state.topic.num.partitions", one()),
        // The usual 128 MB would be half of the heap.
        ("log.cleaner.dedupe.buffer.size", "2097152".to_owned()),
        ("num.network.threads", "2".to_owned()),
        ("background.threads", "4".to_owned()),
        ("remote.log.manager.thread.pool.size", one()),
        ("group.coordinator.threads", one()),
        ("share.coordinator.threads", one()),
    ]
}

/// The plan's settings for a server.
fn wanted(layout: &Layout, server: &Server<'_>) -> Settings {
    let mut wanted = Settings::new();
    let controllers = layout.controllers.iter();
    let of_controller = controllers.filter(|controller| match server.node {
        NodeId::Controller(id) => controller.id == id,
        _ => server.role != Role::Broker,
    });
    if let Some(controller) = of_controller.into_iter().next() {
        wanted.extend(controller.config.clone());
    }
    let own = layout
        .brokers
        .iter()
        .find(|broker| server.node.broker() == Some(broker.id));
    wanted.extend(own.map(|broker| broker.config.clone()).unwrap_or_default());
    for (key, value) in &layout.topic_defaults {
        wanted.insert(broker_level(key), value.clone());
    }
    // What is empty in a plan is nothing to Kafka; a class without a name it would look for.
    wanted.retain(|_, value| !value.is_empty());
    if !server.role.is_kraft() {
        let session = wanted
            .remove(SESSION)
            .or_else(|| ControllerConfig::default().get(SESSION));
        wanted.extend(session.map(|session| (ZOOKEEPER_SESSION.to_owned(), session)));
    }
    wanted
}

/// The broker setting that is the default of a topic setting.
fn broker_level(key: &str) -> String {
    let named = TOPIC_SETTINGS.iter().find(|(topic, _)| *topic == key);
    named.map_or_else(|| format!("log.{key}"), |(_, broker)| (*broker).to_owned())
}

/// The servers of ZooKeeper.
fn ensemble<'a>(servers: &'a [Server<'a>]) -> impl Iterator<Item = &'a Server<'a>> {
    servers
        .iter()
        .filter(|server| server.role == Role::ZooKeeper)
}

/// The configuration of a ZooKeeper server.
fn zookeeper(server: &Server<'_>, servers: &[Server<'_>], layout: &Layout) -> Settings {
    let address = server.addresses.first();
    let own = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
    let mut wanted = Settings::from([own(TICK)]);
    if ensemble(servers).count() > 1 {
        wanted.extend(LIMITS.map(own));
        wanted.extend(ensemble(servers).filter_map(member));
    }
    let of_plan = layout.zookeeper.iter().flat_map(|plan| plan.config.clone());
    wanted.extend(of_plan);
    let settings = [
        ("maxClientCnxns", "0".to_owned()),
        ("admin.enableServer", "false".to_owned()),
        ("dataDir", server.data.display().to_string()),
        (
            "clientPortAddress",
            address.map(|at| at.ip().to_string()).unwrap_or_default(),
        ),
        (
            "clientPort",
            address.map(|at| at.port().to_string()).unwrap_or_default(),
        ),
    ];
    wanted.extend(settings.map(|(key, value)| (key.to_owned(), value)));
    wanted
}

/// Where one of several servers hears the others.
fn member(server: &Server<'_>) -> Option<(String, String)> {
    let [_, followers, elections] = server.addresses else {
        return None;
    };
    let key = format!("server.{}", server.number());
    Some((key, format!("{followers}:{}", elections.port())))
}

/// The text of a properties file, as `java.util.Properties` reads it.
pub(super) fn text(settings: &Settings) -> String {
    let mut text = String::new();
    for (key, value) in settings {
        let _ = write!(text, "{key}=");
        for unit in value.encode_utf16() {
            match u8::try_from(unit).map(char::from) {
                Ok('\\') => text.push_str("\\\\"),
                Ok(plain @ ' '..='~') => text.push(plain),
                _ => {
                    let _ = write!(text, "\\u{unit:04x}");
                }
            }
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
#[path = "properties_tests.rs"]
mod tests;
