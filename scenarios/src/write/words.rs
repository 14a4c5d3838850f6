//! How a file names nodes, partitions and clients; what can be left out because there is only one.

use super::toml::{self, Inline};
use ktrial_core::message::Placement;
use ktrial_core::{NodeId, TopicPartition};
use ktrial_sim::plan::{Plan, Target};
use std::collections::BTreeMap;

/// Names of one plan.
pub(super) struct Words<'p> {
    pub(super) plan: &'p Plan,
    /// Every partition; `None` = how many there are is decided in the trial.
    pub(super) partitions: Option<Vec<TopicPartition>>,
    /// Workloads by what they send.
    pub(super) workloads: BTreeMap<Vec<String>, String>,
}

impl<'p> Words<'p> {
    pub(super) fn new(plan: &'p Plan) -> Self {
        let count = |placement: &Placement| match placement {
            Placement::Manual(replicas) => i32::try_from(replicas.len()).ok(),
            Placement::Spread { partitions, .. } => *partitions,
        };
        let of = |topic: &ktrial_core::message::NewTopic| {
            let numbers = 0..count(&topic.placement)?;
            let name = topic.topic.clone();
            Some(numbers.map(move |number| TopicPartition::new(&*name, number)))
        };
        let partitions: Option<Vec<_>> = plan.topics.iter().map(of).collect();
        Self {
            plan,
            partitions: partitions.map(|topics| topics.into_iter().flatten().collect()),
            workloads: BTreeMap::new(),
        }
    }

    /// The name of a node: clients have names of their own.
    pub(super) fn node(&self, node: NodeId) -> String {
        let NodeId::Client(id) = node else {
            return node.to_string();
        };
        let producers = self.plan.producers.iter().map(|p| &p.name);
        let mut names = producers.chain(self.plan.consumers.iter().map(|c| &c.name));
        let index = usize::try_from(id.0).unwrap_or(usize::MAX);
        let name = names.nth(index);
        name.map_or_else(|| node.to_string(), Clone::clone)
    }

    fn target(&self, target: &Target) -> String {
        match target {
            Target::Node(NodeId::Broker(id)) => id.to_string(),
            Target::Node(node) => toml::text(&self.node(*node)),
            role => toml::text(&role.to_string()),
        }
    }

    /// A list of them.
    pub(super) fn targets(&self, targets: &[Target]) -> String {
        let mut seen: Vec<&Target> = Vec::new();
        for target in targets {
            if !seen.contains(&target) {
                seen.push(target);
            }
        }
        let items: Vec<String> = seen.iter().map(|target| self.target(target)).collect();
        toml::list(&items)
    }

    /// `broker = 1`, `brokers = [1, 2]`, `node = "..."` or `nodes = [...]`.
    pub(super) fn group(&self, targets: &[Target], table: &mut Inline) {
        let broker = |target: &Target| matches!(target, Target::Node(NodeId::Broker(_)));
        let brokers = targets.iter().all(broker);
        match (targets, brokers) {
            ([one], true) => table.put("broker", self.target(one)),
            ([one], false) => table.put("node", self.target(one)),
            (_, true) => table.put("brokers", self.targets(targets)),
            (_, false) => table.put("nodes", self.targets(targets)),
        };
    }

    /// `partition = "orders-0"`, unless there is only one.
    pub(super) fn partition(&self, partition: &TopicPartition, table: &mut Inline) {
        let only = self.partitions.as_deref();
        if only != Some(std::slice::from_ref(partition)) {
            table.text("partition", &partition.to_string());
        }
    }

    /// A list of partitions.
    pub(super) fn partitions(&self, partitions: &[TopicPartition]) -> String {
        let names: Vec<String> = partitions.iter().map(ToString::to_string).collect();
        toml::texts(&names)
    }

    /// The values of a condition: those of a workload by its name.
    pub(super) fn values(&self, values: &[String], table: &mut Inline) {
        match self.workloads.get(values) {
            Some(name) => table.text("workload", name),
            None => table.put("values", toml::texts(values)),
        };
    }
}
