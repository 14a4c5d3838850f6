//! The names that the rest of a file may use: brokers, topics, clients.

use super::node::{Node, Value};
use super::reader::Reader;
use crate::diagnostic::Span;
use crate::suggest;
use ktrial_core::{BrokerId, ClientId, ControllerId, NodeId, TopicPartition, ZooKeeperId};
use std::collections::BTreeSet;

/// Names of several nodes.
pub(crate) const GROUPS: [&str; 4] = ["brokers", "controllers", "clients", "zookeeper"];

/// A topic's partitions.
#[derive(Clone, Debug)]
pub(crate) struct TopicNames {
    pub(crate) name: String,
    /// How many; `None` = the file is wrong about it.
    pub(crate) partitions: Option<i32>,
    /// Where each is, if the file says so.
    pub(crate) replicas: Vec<Vec<BrokerId>>,
}

/// Every name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    pub(crate) brokers: Vec<BrokerId>,
    pub(crate) controllers: Vec<ControllerId>,
    pub(crate) zookeeper: Vec<ZooKeeperId>,
    pub(crate) topics: Vec<TopicNames>,
    pub(crate) producers: Vec<String>,
    pub(crate) consumers: Vec<String>,
}

impl Names {
    /// A broker by its number.
    pub(crate) fn broker(&self, reader: &mut Reader, node: &Node) -> Option<BrokerId> {
        let Value::Integer(number) = node.value else {
            reader.error(
                node.span,
                format!("this is {}: expected a broker's number", node.kind()),
            );
            return None;
        };
        let found = self
            .brokers
            .iter()
            .find(|id| i64::from(id.0) == number)
            .copied();
        if found.is_none() {
            let help = format!("brokers of this cluster: {}", suggest::list(&self.brokers));
            reader.error_help(node.span, format!("unknown broker `{number}`"), &help);
        }
        found
    }

    /// A set of brokers, in order of their ids.
    pub(crate) fn broker_set(&self, reader: &mut Reader, node: &Node) -> Option<Vec<BrokerId>> {
        let mut ids = self.broker_list(reader, node)?;
        ids.sort_unstable();
        Some(ids)
    }

    /// Brokers in the order of the file, each once.
    pub(crate) fn broker_list(&self, reader: &mut Reader, node: &Node) -> Option<Vec<BrokerId>> {
        let items = reader.list(node, "brokers such as [1, 2]")?;
        let mut ids = Vec::new();
        for item in items {
            let id = self.broker(reader, item)?;
            if ids.contains(&id) {
                reader.error(item.span, format!("broker `{id}` is named twice"));
                return None;
            }
            ids.push(id);
        }
        Some(ids)
    }

    /// The process of a node, by its broker if it is a broker and a controller.
    pub(super) fn process(&self, node: NodeId) -> NodeId {
        let broker = match node {
            NodeId::Controller(id) => BrokerId(id.0),
            _ => return node,
        };
        if self.brokers.contains(&broker) {
            NodeId::Broker(broker)
        } else {
            node
        }
    }

    /// Nodes: broker numbers, names such as "b1", "c3000", clients, groups; each once.
    pub(crate) fn nodes(&self, reader: &mut Reader, node: &Node) -> Option<Vec<NodeId>> {
        let items = reader.list(node, "nodes such as [1, \"controllers\"]")?;
        if items.is_empty() {
            reader.error(node.span, "this list is empty: name at least one node");
            return None;
        }
        let mut nodes: Vec<NodeId> = Vec::new();
        let mut all_known = true;
        for item in items {
            match self.node(reader, item) {
                Some(found) => nodes.extend(found),
                None => all_known = false,
            }
        }
        let mut seen = BTreeSet::new();
        nodes.retain(|node| seen.insert(*node));
        all_known.then_some(nodes)
    }

    fn node(&self, reader: &mut Reader, node: &Node) -> Option<Vec<NodeId>> {
        match &node.value {
            Value::Text(text) => self.named(reader, text, node.span, &GROUPS),
            _ => self.broker(reader, node).map(|id| vec![NodeId::Broker(id)]),
        }
    }

    /// The nodes of a name: one, or a group. `others` are names that can stand there too.
    pub(crate) fn named(
        &self,
        reader: &mut Reader,
        text: &str,
        span: Span,
        others: &[&str],
    ) -> Option<Vec<NodeId>> {
        let found: Vec<NodeId> = match text {
            "brokers" => self.brokers.iter().copied().map(NodeId::Broker).collect(),
            "controllers" => {
                let ids = self.controllers.iter().copied();
                ids.map(NodeId::Controller).collect()
            }
            "zookeeper" => {
                let ids = self.zookeeper.iter().copied();
                ids.map(NodeId::ZooKeeper).collect()
            }
            "clients" => self.clients().map(|(_, node)| node).collect(),
            name => self.all().filter(|(n, _)| n == name).map(|n| n.1).collect(),
        };
        if found.is_empty() {
            let names: Vec<String> = self.all().map(|(name, _)| name).collect();
            let mut known: Vec<&str> = names.iter().map(String::as_str).collect();
            known.extend(others);
            reader.unknown(span, "node", text, &known);
            return None;
        }
        Some(found)
    }

    /// Every node: servers, then clients.
    pub(crate) fn everybody(&self) -> Vec<NodeId> {
        self.all().map(|(_, node)| node).collect()
    }

    /// Where a partition has its replicas, if the file says so.
    pub(crate) fn replicas(&self, partition: &TopicPartition) -> &[BrokerId] {
        let mut topics = self.topics.iter();
        let topic = topics.find(|topic| *topic.name == *partition.topic);
        let index = usize::try_from(partition.partition).ok();
        let replicas = topic
            .zip(index)
            .and_then(|(t, index)| t.replicas.get(index));
        replicas.map_or(&[], Vec::as_slice)
    }

    /// Clients by name, numbered producers first.
    fn clients(&self) -> impl Iterator<Item = (String, NodeId)> + '_ {
        let names = self.producers.iter().chain(&self.consumers).cloned();
        names
            .zip(0_u32..)
            .map(|(name, number)| (name, NodeId::Client(ClientId(number))))
    }

    /// Every node by the name that a file gives it.
    fn all(&self) -> impl Iterator<Item = (String, NodeId)> + '_ {
        let brokers = self.brokers.iter().copied().map(NodeId::Broker);
        let controllers = self.controllers.iter().copied().map(NodeId::Controller);
        let zookeeper = self.zookeeper.iter().copied().map(NodeId::ZooKeeper);
        let servers = brokers.chain(controllers).chain(zookeeper);
        servers
            .map(|node| (node.to_string(), node))
            .chain(self.clients())
    }

    /// Whether a client may not be called so.
    pub(crate) fn is_server_name(&self, name: &str) -> bool {
        GROUPS.contains(&name)
            || ["controller", "rest", "all", "random-broker"].contains(&name)
            || name.contains('(')
            || self
                .all()
                .any(|(n, node)| n == name && !matches!(node, NodeId::Client(_)))
    }

    /// A topic by its name.
    pub(crate) fn topic(&self, reader: &mut Reader, node: &Node) -> Option<&TopicNames> {
        let name = reader.text(node)?;
        let found = self.topics.iter().find(|topic| topic.name == name);
        if found.is_none() {
            let known: Vec<&str> = self.topics.iter().map(|t| t.name.as_str()).collect();
            reader.unknown(node.span, "topic", &name, &known);
        }
        found
    }

    /// A producer or consumer by its name; the only one if none is named.
    pub(crate) fn client(
        &self,
        reader: &mut Reader,
        what: &str,
        node: Option<&Node>,
        span: Span,
    ) -> Option<String> {
        let known = if what == "producer" {
            &self.producers
        } else {
            &self.consumers
        };
        let Some(node) = node else {
            if let [only] = known.as_slice() {
                return Some(only.clone());
            }
            let help = format!(
                "the file declares {} of them: add `{what} = \"...\"`",
                known.len()
            );
            reader.error_help(span, format!("which {what}?"), &help);
            return None;
        };
        let name = reader.text(node)?;
        if !known.contains(&name) {
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            reader.unknown(node.span, what, &name, &known);
            return None;
        }
        Some(name)
    }

    /// All partitions of the file's topics.
    pub(crate) fn partitions(&self) -> Vec<TopicPartition> {
        let of = |topic: &TopicNames| {
            let name = topic.name.clone();
            (0..topic.partitions.unwrap_or(0))
                .map(move |number| TopicPartition::new(name.as_str(), number))
        };
        self.topics.iter().flat_map(of).collect()
    }

    /// A partition by its name; the only one if none is named.
    pub(crate) fn partition(
        &self,
        reader: &mut Reader,
        node: Option<&Node>,
        span: Span,
    ) -> Option<TopicPartition> {
        if let Some(node) = node {
            let text = reader.text(node)?;
            return self.partition_named(reader, &text, node.span);
        }
        if let [only] = self.partitions().as_slice() {
            return Some(only.clone());
        }
        if self.topics.iter().all(|topic| topic.partitions.is_some()) {
            let help =
                "add `partition = \"topic-0\"`: it can be left out only if there is just one";
            reader.error_help(span, "which partition?", help);
        }
        None
    }

    /// A partition by its name.
    pub(crate) fn partition_named(
        &self,
        reader: &mut Reader,
        text: &str,
        span: Span,
    ) -> Option<TopicPartition> {
        let Ok(partition) = text.parse::<TopicPartition>() else {
            let message = format!("`{text}` is not a partition");
            reader.error_help(span, message, "write topic and number: \"orders-0\"");
            return None;
        };
        let topic = self
            .topics
            .iter()
            .find(|topic| *topic.name == *partition.topic);
        let Some(topic) = topic else {
            let known: Vec<&str> = self.topics.iter().map(|t| t.name.as_str()).collect();
            reader.unknown(span, "topic", &partition.topic, &known);
            return None;
        };
        self.in_range(reader, topic, i64::from(partition.partition), span)?;
        Some(partition)
    }

    /// Whether a topic has a partition of that number.
    pub(crate) fn in_range(
        &self,
        reader: &mut Reader,
        topic: &TopicNames,
        number: i64,
        span: Span,
    ) -> Option<i32> {
        let count = topic.partitions?;
        let found = i32::try_from(number)
            .ok()
            .filter(|n| (0..count).contains(n));
        if found.is_none() {
            let message = format!("topic `{}` has no partition `{number}`", topic.name);
            let help = format!("it has {count}, numbered from 0");
            reader.error_help(span, message, &help);
        }
        found
    }
}
