//! Settings in ZooKeeper, as a broker follows them.
//!
//! Rules:
//! - A broker that starts reads the settings of all topics, and those of the cluster.
//! - Whoever changes settings leaves a notification in `/config/changes`. Each broker watches that
//!   folder, and reads anew whatever the notifications that it has not seen are about.
//! - A topic that it has no settings of is read before a replica of it is opened.
//! - Where a notification says that unclean election is allowed, the controller looks for leaders at once,
//!   even if it knew nothing of that topic's settings before.
//!
//! Simplified: notifications stay for good, where Kafka deletes them after 15 minutes. Before 2.1 a topic's
//! setting waits for the next event.
//! Source: `ZkConfigManager`, `ZkNodeChangeNotificationListener`, `TopicConfigHandler.processConfigChanges`.
//! Next: `isr.rs`.

use super::{Reply, Tag};
use crate::broker::Broker;
use crate::config::Settings;
use crate::controller_zk::ControllerZk;
use crate::controller_zk::znodes::{
    CONFIG_CHANGES, ConfigChangeNode, ConfigNode, DEFAULT_BROKER_CONFIG, TOPIC_CONFIGS,
    broker_config, decode, topic_config,
};
use crate::id::{BrokerId, TopicName};
use crate::machine::Effects;
use crate::message::{Answer, ConfigResource, Operation};
use crate::metadata::{ConfigRecord, MetadataRecord};
use crate::offset::Offset;
use crate::time::Now;
use std::collections::{BTreeMap, BTreeSet};

const UNCLEAN: &str = "unclean.leader.election.enable";

/// What was asked.
#[derive(Clone, Debug)]
pub(super) enum Ask {
    /// The notifications.
    Changes,
    /// What one is about.
    Change,
    /// Which topics have settings.
    Topics,
    /// Settings.
    Of {
        /// Whose.
        resource: ConfigResource,
        /// A notification told of them.
        notified: bool,
    },
}

/// What is known of settings.
#[derive(Clone, Debug, Default)]
pub(super) struct Configs {
    known: BTreeMap<ConfigResource, Settings>,
    seen: BTreeSet<String>,
    /// Answers without which the start does not go on.
    outstanding: usize,
    /// Topics that were asked for.
    asked: BTreeSet<TopicName>,
}

impl Configs {
    /// Whether a topic's settings are known.
    pub(super) fn knows(&self, topic: &TopicName) -> bool {
        self.known
            .contains_key(&ConfigResource::Topic(topic.clone()))
    }
}

fn read(path: String) -> Operation {
    Operation::GetData { path, watch: false }
}

fn path(resource: &ConfigResource) -> String {
    match resource {
        ConfigResource::Topic(topic) => topic_config(topic),
        ConfigResource::Cluster => DEFAULT_BROKER_CONFIG.to_owned(),
        ConfigResource::Broker(broker) => broker_config(*broker),
    }
}

impl Broker {
    /// Reads all settings.
    pub(super) fn read_configs(&mut self, now: Now, out: &mut Effects) {
        self.watch_configs(now, out);
        self.read_config(now, ConfigResource::Cluster, false, out);
        let path = TOPIC_CONFIGS.to_owned();
        let operation = Operation::GetChildren { path, watch: false };
        self.expect();
        self.ask(now, operation, Tag::Config(Ask::Topics), out);
    }

    /// Looks for notifications, and watches for more.
    pub(super) fn watch_configs(&mut self, now: Now, out: &mut Effects) {
        let path = CONFIG_CHANGES.to_owned();
        let operation = Operation::GetChildren { path, watch: true };
        self.ask(now, operation, Tag::Config(Ask::Changes), out);
    }

    fn expect(&mut self) {
        if let Some((zookeeper, _)) = self.zookeeper() {
            zookeeper.configs.outstanding += 1;
        }
    }

    fn read_config(
        &mut self,
        now: Now,
        resource: ConfigResource,
        notified: bool,
        out: &mut Effects,
    ) {
        self.expect();
        let operation = read(path(&resource));
        let ask = Ask::Of { resource, notified };
        self.ask(now, operation, Tag::Config(ask), out);
    }

    /// Reads the settings of topics that are not known.
    pub(super) fn read_topic_configs(
        &mut self,
        now: Now,
        topics: BTreeSet<TopicName>,
        out: &mut Effects,
    ) {
        for topic in topics {
            let Some((zookeeper, _)) = self.zookeeper() else {
                return;
            };
            if zookeeper.configs.asked.insert(topic.clone()) {
                self.read_config(now, ConfigResource::Topic(topic), false, out);
            }
        }
    }

    /// An answer about settings came.
    pub(super) fn config_came(&mut self, now: Now, ask: Ask, result: &Reply, out: &mut Effects) {
        match (ask, result) {
            (Ask::Changes, Ok(Answer::Children(names))) => self.changes_listed(now, names, out),
            (Ask::Change, Ok(Answer::Data(data, _))) => {
                let node: Option<ConfigChangeNode> = decode(data);
                let of = node.and_then(|node| resource_of(&node.entity_path));
                if let Some(resource) = of {
                    self.read_config(now, resource, true, out);
                }
            }
            (Ask::Topics, answer) => {
                if let Ok(Answer::Children(names)) = answer {
                    let topics = names.iter().map(|name| name.as_str().into());
                    self.read_topic_configs(now, topics.collect(), out);
                }
                self.one_came(now);
            }
            (Ask::Of { resource, notified }, answer) => {
                let node: Option<ConfigNode> = match answer {
                    Ok(Answer::Data(data, _)) => decode(data),
                    _ => None,
                };
                let settings = node.map(|node| node.config).unwrap_or_default();
                self.configure(now, resource, (&settings, notified), out);
                self.one_came(now);
            }
            (Ask::Changes | Ask::Change, _) => {}
        }
    }

    fn one_came(&mut self, now: Now) {
        let Some((zookeeper, _)) = self.zookeeper() else {
            return;
        };
        let left = &mut zookeeper.configs.outstanding;
        *left = left.saturating_sub(1);
        if *left == 0 {
            self.configs_known(now);
        }
    }

    fn changes_listed(&mut self, now: Now, names: &[String], out: &mut Effects) {
        for name in names {
            let Some((zookeeper, _)) = self.zookeeper() else {
                return;
            };
            if zookeeper.configs.seen.insert(name.clone()) {
                let operation = read(format!("{CONFIG_CHANGES}/{name}"));
                self.ask(now, operation, Tag::Config(Ask::Change), out);
            }
        }
    }

    /// Takes over settings.
    fn configure(
        &mut self,
        now: Now,
        resource: ConfigResource,
        (settings, notified): (&Settings, bool),
        out: &mut Effects,
    ) {
        let Some((zookeeper, shared)) = self.zookeeper() else {
            return;
        };
        let before = zookeeper
            .configs
            .known
            .insert(resource.clone(), settings.clone());
        let before = before.unwrap_or_default();
        let keys: BTreeSet<&String> = before.keys().chain(settings.keys()).collect();
        for key in keys
            .into_iter()
            .filter(|key| before.get(*key) != settings.get(*key))
        {
            let record = MetadataRecord::Config(ConfigRecord {
                resource: resource.clone(),
                key: key.clone(),
                value: settings.get(key).cloned(),
            });
            // A setting names nothing that could be unknown.
            let _known = shared.image.apply(Offset::ZERO, &record);
        }
        let topic = match resource {
            ConfigResource::Topic(topic) => Some(topic),
            ConfigResource::Cluster | ConfigResource::Broker(_) => None,
        };
        self.replicas.reconfigure(&self.shared, topic.as_ref());
        let allowed = settings.get(UNCLEAN).is_some_and(|value| value == "true");
        let defaults = self
            .shared
            .image
            .topic_config("", None, &self.shared.topic_defaults);
        self.with_controller(now, out, |controller: &mut ControllerZk, env| {
            controller.set_topic_defaults(defaults);
            if allowed && notified {
                controller.allow_unclean(topic, env);
            }
        });
    }
}

/// Whose settings a notification is about.
fn resource_of(entity: &str) -> Option<ConfigResource> {
    let (kind, name) = entity.split_once('/')?;
    match (kind, name) {
        ("topics", name) => Some(ConfigResource::Topic(name.into())),
        ("brokers", "<default>") => Some(ConfigResource::Cluster),
        ("brokers", id) => id
            .parse()
            .ok()
            .map(|id| ConfigResource::Broker(BrokerId(id))),
        _ => None,
    }
}
