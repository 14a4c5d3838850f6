//! Who an action is about: brokers by number, nodes by name, groups of them, roles, or somebody drawn.
//!
//! | text | who | when it is known |
//! |---|---|---|
//! | `b1`, `c3000`, `p1` | that node | from the file |
//! | `brokers`, `controllers`, `clients` | all of them | from the file |
//! | `leader(orders-0)`, ..., `controller`, `rest` | a role: `ktrial_sim::plan::Target` | when the action begins |
//! | `random-broker`, `random-replica(orders-0)`, `random-follower(orders-0)` | drawn | when the plan is made |
//!
//! Simplified: a random follower is a replica other than the preferred leader, for who will lead is not
//! known when the plan is made.
//!
//! Next: `process.rs`, the simplest actions that are about somebody.

use super::before::Before;
use super::names::Names;
use super::node::{Node, Table, Value};
use super::reader::Reader;
use crate::diagnostic::Span;
use ktrial_core::{BrokerId, NodeId, TopicPartition};
use ktrial_sim::plan::Target;

/// Keys of an action that name one group.
pub(super) const KEYS: [&str; 4] = ["broker", "brokers", "node", "nodes"];
/// Roles and drawn ones of a partition.
const OF_PARTITION: [&str; 6] = [
    "leader",
    "followers",
    "last-in-isr",
    "out-of-isr",
    "random-replica",
    "random-follower",
];
/// Names that stand beside those of the nodes.
const OTHERS: [&str; 7] = [
    "brokers",
    "controllers",
    "clients",
    "controller",
    "rest",
    "random-broker",
    "leader(TOPIC-N)",
];

/// Somebody to be drawn when the plan is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Drawn {
    /// The group of the action that they join: 0, or 1 for the other side of a link.
    pub(super) group: usize,
    /// One of these.
    pub(super) among: Vec<NodeId>,
    /// Where the file says so.
    pub(super) span: Span,
}

/// `broker = 1`, `brokers = [1, 2]`, `node = "leader(orders-0)"` or `nodes = ["controllers"]`; `None`
/// after a mistake, or if there is no such key.
pub(super) fn group(
    reader: &mut Reader,
    table: &Table,
    span: Span,
    before: &mut Before<'_>,
) -> Option<Vec<Target>> {
    let Some(entry) = reader.one_of(table, &KEYS) else {
        let help = "say who: `broker = 1`, `brokers = [1, 2]` or `node = \"leader(orders-0)\"`";
        reader.error_help(span, "this touches nobody", help);
        return None;
    };
    let brokers_only = entry.key.starts_with("broker");
    let found = if entry.key.ends_with('s') {
        several(reader, &entry.node, brokers_only, 0, before)?
    } else {
        one(reader, &entry.node, brokers_only, 0, before)?
    };
    if found.contains(&Target::Rest) {
        let help = "it is for one side of a link: `cut = { from = [1], to = [\"rest\"] }`";
        reader.error_help(entry.node.span, "`rest` of what?", help);
        return None;
    }
    Some(found)
}

/// `from` and `to`: the two sides of a link.
pub(super) fn sides(
    reader: &mut Reader,
    table: &Table,
    span: Span,
    before: &mut Before<'_>,
) -> Option<(Vec<Target>, Vec<Target>)> {
    let from = reader.need(table, "from", span);
    let from = from.and_then(|node| several(reader, node, false, 0, before));
    let node = reader.need(table, "to", span)?;
    let to = several(reader, node, false, 1, before)?;
    let from = from?;
    if let Some(target) = to.iter().find(|target| from.contains(target)) {
        reader.error(node.span, format!("{target} is on both sides"));
        return None;
    }
    Some((from, to))
}

/// A list of them, each once, in the order of the file.
fn several(
    reader: &mut Reader,
    node: &Node,
    brokers_only: bool,
    group: usize,
    before: &mut Before<'_>,
) -> Option<Vec<Target>> {
    let such_as = if brokers_only {
        "brokers such as [1, 2]"
    } else {
        "nodes such as [1, \"controllers\"]"
    };
    let items = reader.list(node, such_as)?;
    if items.is_empty() {
        reader.error(node.span, "this list is empty: name at least one");
        return None;
    }
    let mut found: Vec<Target> = Vec::new();
    let mut all_known = true;
    for item in items {
        match one(reader, item, brokers_only, group, before) {
            Some(more) => {
                for target in more {
                    if !found.contains(&target) {
                        found.push(target);
                    } else if brokers_only {
                        reader.error(item.span, format!("{target} is named twice"));
                    }
                }
            }
            None => all_known = false,
        }
    }
    all_known.then_some(found)
}

/// One item; what is to be drawn is noted in `before` instead.
fn one(
    reader: &mut Reader,
    node: &Node,
    brokers_only: bool,
    group: usize,
    before: &mut Before<'_>,
) -> Option<Vec<Target>> {
    let names = before.names;
    let Value::Text(text) = &node.value else {
        if brokers_only || matches!(node.value, Value::Integer(_)) {
            let broker = names.broker(reader, node)?;
            return Some(vec![NodeId::Broker(broker).into()]);
        }
        return reader.wrong(node, "a broker's number, or a node such as \"b1\"");
    };
    if let Some(among) = drawn(reader, text, node.span, names)? {
        before.drawn.push(Drawn {
            group,
            among,
            span: node.span,
        });
        return Some(Vec::new());
    }
    let found = match text.as_str() {
        "controller" => vec![Target::Controller],
        "standby-controllers" => vec![Target::StandbyControllers],
        "rest" => vec![Target::Rest],
        text if is_role(text) => vec![role(reader, text, node.span, names)?],
        _ => {
            let nodes = names.named(reader, text, node.span, &OTHERS)?;
            nodes.into_iter().map(Target::Node).collect()
        }
    };
    let other = |target: &Target| match target {
        Target::Node(node) => !matches!(node, NodeId::Broker(_)),
        Target::Controller | Target::StandbyControllers | Target::Rest => true,
        _ => false,
    };
    if brokers_only && found.iter().any(other) {
        let message = format!("`{text}` is not a broker");
        reader.error_help(node.span, message, "write `node = ...` or `nodes = [...]`");
        return None;
    }
    Some(found)
}

fn is_role(text: &str) -> bool {
    text.contains('(') || OF_PARTITION.contains(&text) || text == "coordinator"
}

/// `role(topic-n)`.
fn role(reader: &mut Reader, text: &str, span: Span, names: &Names) -> Option<Target> {
    let (role, partition) = of_partition(reader, text, span, names)?;
    match role {
        "leader" => Some(Target::Leader(partition)),
        "followers" => Some(Target::Followers(partition)),
        "last-in-isr" => Some(Target::LastInIsr(partition)),
        "out-of-isr" => Some(Target::OutOfIsr(partition)),
        "coordinator" => {
            let help = "they will have coordinators once they are; choose the node by its name";
            reader.error_help(span, "consumer groups are not simulated yet", help);
            None
        }
        other => {
            reader.unknown(span, "role", other, &OF_PARTITION);
            None
        }
    }
}

/// A role's name and its partition. Only the partition of a known role is looked at.
fn of_partition<'t>(
    reader: &mut Reader,
    text: &'t str,
    span: Span,
    names: &Names,
) -> Option<(&'t str, TopicPartition)> {
    let (role, rest) = text.split_once('(').unwrap_or((text, ""));
    if !OF_PARTITION.contains(&role) {
        return Some((role, TopicPartition::new("", 0)));
    }
    match rest.strip_suffix(')') {
        Some(partition) => {
            let partition = names.partition_named(reader, partition, span)?;
            Some((role, partition))
        }
        None => {
            let known = names.partitions();
            let example = known.first().map(ToString::to_string);
            let example = example.unwrap_or_else(|| "orders-0".to_owned());
            let help = format!("write `{role}({example})`");
            reader.error_help(span, format!("`{role}` of which partition?"), &help);
            None
        }
    }
}

/// Whom one is drawn from, if the text asks for that; the outer `None` is a mistake.
fn drawn(
    reader: &mut Reader,
    text: &str,
    span: Span,
    names: &Names,
) -> Option<Option<Vec<NodeId>>> {
    let node = |id: &BrokerId| NodeId::Broker(*id);
    if text == "random-broker" {
        return Some(Some(names.brokers.iter().map(node).collect()));
    }
    let role = text.split('(').next().unwrap_or(text);
    let first = match role {
        "random-replica" => 0,
        "random-follower" => 1,
        _ => return Some(None),
    };
    let (_, partition) = of_partition(reader, text, span, names)?;
    let replicas = names.replicas(&partition);
    if replicas.is_empty() {
        let message = format!("where {partition} has its replicas is not known before the trial");
        let help = format!(
            "say `replicas` in [topics.{}], or name a role such as `followers({partition})`",
            partition.topic
        );
        reader.error_help(span, message, &help);
        return None;
    }
    let among: Vec<NodeId> = replicas.iter().skip(first).map(node).collect();
    if among.is_empty() {
        reader.error(span, format!("{partition} has only one replica"));
        return None;
    }
    Some(Some(among))
}
