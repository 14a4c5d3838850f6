//! `[topics.orders]`, `[producers.p1]`, `[consumers.c1]`; and the steps `create_topic`, `delete_topic` and
//! `reassign`, by which an operator changes what topics there are and where.

use super::before::Before;
use super::cluster::{Places, settings};
use super::names::{Names, TopicNames};
use super::node::{Entry, Flat, Node, Table};
use super::reader::Reader;
use crate::diagnostic::Span;
use crate::setting::Kind;
use ktrial_core::message::{NewTopic, Placement};
use ktrial_core::{BrokerId, TopicName};
use ktrial_sim::plan::{Action, ConsumerPlan, Plan, ProducerPlan};

/// The largest number of partitions that a file may ask for.
const MOST_PARTITIONS: i64 = 100_000;

/// Reads `[topics.*]`.
pub(crate) fn topics(
    reader: &mut Reader,
    node: &Node,
    names: &mut Names,
    plan: &mut Plan,
    places: &mut Places,
) {
    let Some(table) = reader.table(node, "[topics.orders]") else {
        return;
    };
    for entry in &table.entries {
        topic_name(reader, entry);
        let Some(table) = reader.table(&entry.node, "[topics.orders]") else {
            continue;
        };
        let own = ["partitions", "replication.factor", "replicas"];
        let (configs, own) = settings(reader, table, Kind::Topic, &own, places);
        let placement = placement(reader, &own, names);
        names.topics.push(TopicNames {
            name: entry.key.clone(),
            partitions: placement.as_ref().and_then(|p| count(p, plan)),
            replicas: match &placement {
                Some(Placement::Manual(replicas)) => replicas.clone(),
                _ => Vec::new(),
            },
        });
        if let Some(placement) = placement {
            plan.topics.push(NewTopic {
                topic: entry.key.as_str().into(),
                placement,
                configs,
            });
        }
    }
}

/// Names that Kafka takes. Source: `org.apache.kafka.common.internals.Topic`.
fn topic_name(reader: &mut Reader, entry: &Entry) {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let name = entry.key.as_str();
    if name.is_empty()
        || name.len() > 249
        || name == "."
        || name == ".."
        || !name.chars().all(legal)
    {
        let help = "1 to 249 of the characters a-z, A-Z, 0-9, `.`, `_` and `-`";
        reader.error_help(entry.key_span, "Kafka takes no topic of this name", help);
    }
}

fn count(placement: &Placement, plan: &Plan) -> Option<i32> {
    match placement {
        Placement::Manual(replicas) => i32::try_from(replicas.len()).ok(),
        Placement::Spread {
            partitions: Some(count),
            ..
        } => Some(*count),
        Placement::Spread { .. } => {
            let set = plan.controllers.first()?.config.get("num.partitions");
            set.map_or(Some(1), |text| text.parse().ok())
        }
    }
}

fn placement(reader: &mut Reader, own: &[Flat<'_>], names: &Names) -> Option<Placement> {
    let find = |key: &str| own.iter().find(|flat| flat.key == key);
    if let Some(manual) = find("replicas") {
        for flat in own.iter().filter(|flat| flat.key != "replicas") {
            let message = format!("`{}` cannot stand beside `replicas`", flat.key);
            reader.error_help(flat.span, message, "`replicas` says it already");
        }
        return manual_placement(reader, manual.node, names).map(Placement::Manual);
    }
    let mut whole = |key: &str, limit: i64| match find(key) {
        Some(flat) => reader.integer::<i32>(flat.node, 1..=limit).map(Some),
        None => Some(None),
    };
    let partitions = whole("partitions", MOST_PARTITIONS);
    let most = i64::try_from(names.brokers.len()).unwrap_or(i64::MAX);
    let replication_factor = whole("replication.factor", most.max(1));
    Some(Placement::Spread {
        partitions: partitions?,
        replication_factor: replication_factor?,
    })
}

fn manual_placement(reader: &mut Reader, node: &Node, names: &Names) -> Option<Vec<Vec<BrokerId>>> {
    let items = reader.list(node, "lists of brokers such as [[1, 2, 3]]")?;
    if items.is_empty() {
        let help = "one list of brokers per partition: [[1, 2, 3]]";
        reader.error_help(node.span, "a topic needs at least one partition", help);
        return None;
    }
    let mut replicas: Vec<Vec<BrokerId>> = Vec::new();
    for item in items {
        let brokers = names.broker_list(reader, item)?;
        let wrong = match replicas.first() {
            _ if brokers.is_empty() => Some("a partition needs at least one replica".to_owned()),
            Some(first) if first.len() != brokers.len() => Some(format!(
                "Kafka wants as many replicas of each partition: {} before, {} here",
                first.len(),
                brokers.len()
            )),
            _ => None,
        };
        if let Some(message) = wrong {
            reader.error(item.span, message);
            return None;
        }
        replicas.push(brokers);
    }
    Some(replicas)
}

/// Reads `[producers.*]`.
pub(crate) fn producers(
    reader: &mut Reader,
    node: &Node,
    names: &mut Names,
    plan: &mut Plan,
    places: &mut Places,
) {
    let Some(table) = reader.table(node, "[producers.p1]") else {
        return;
    };
    for entry in &table.entries {
        client_name(reader, entry, names);
        names.producers.push(entry.key.clone());
        if let Some(table) = reader.table(&entry.node, "[producers.p1]") {
            let (config, _) = settings(reader, table, Kind::Producer, &[], places);
            let name = entry.key.clone();
            plan.producers.push(ProducerPlan { name, config });
        }
    }
}

/// Reads `[consumers.*]`.
pub(crate) fn consumers(
    reader: &mut Reader,
    node: &Node,
    names: &mut Names,
    plan: &mut Plan,
    places: &mut Places,
) {
    let Some(table) = reader.table(node, "[consumers.c1]") else {
        return;
    };
    for entry in &table.entries {
        client_name(reader, entry, names);
        names.consumers.push(entry.key.clone());
        let Some(table) = reader.table(&entry.node, "[consumers.c1]") else {
            continue;
        };
        let (config, own) = settings(reader, table, Kind::Consumer, &["assign"], places);
        let assign = own.first().map(|flat| flat.node);
        let assign = assign.and_then(|node| partitions(reader, node, names));
        plan.consumers.push(ConsumerPlan {
            name: entry.key.clone(),
            config,
            assign: assign.unwrap_or_default(),
        });
    }
}

/// A list of partitions.
pub(crate) fn partitions(
    reader: &mut Reader,
    node: &Node,
    names: &Names,
) -> Option<Vec<ktrial_core::TopicPartition>> {
    let items = reader.list(node, "partitions such as [\"orders-0\"]")?;
    let read = items
        .iter()
        .filter_map(|item| names.partition(reader, Some(item), item.span));
    let found: Vec<_> = read.collect();
    (found.len() == items.len()).then_some(found)
}

/// `create_topic = { topic = "orders", replicas = [[4, 5, 6]] }`: as `[topics.orders]` says, or elsewhere.
pub(super) fn create_topic(
    reader: &mut Reader,
    table: &Table,
    span: Span,
    before: &mut Before<'_>,
) -> Option<Action> {
    reader.only(table, &["topic", "replicas"]);
    let names = before.names;
    let node = reader.need(table, "topic", span)?;
    let topic: TopicName = names.topic(reader, node)?.name.as_str().into();
    let replicas = match table.get("replicas") {
        Some(entry) => Some(manual_placement(reader, &entry.node, names)?),
        None => None,
    };
    let all = names.partitions().into_iter();
    before
        .moved
        .extend(all.filter(|partition| partition.topic == topic));
    Some(Action::CreateTopic { topic, replicas })
}

/// `add_partitions = { topic = "orders", count = 3, replicas = [[2, 3, 1], [3, 1, 2]] }`: `count` in all,
/// `replicas` of the new ones.
pub(super) fn add_partitions(
    reader: &mut Reader,
    table: &Table,
    span: Span,
    names: &Names,
) -> Option<Action> {
    reader.only(table, &["topic", "count", "replicas"]);
    let node = reader.need(table, "topic", span)?;
    let topic: TopicName = names.topic(reader, node)?.name.as_str().into();
    let node = reader.need(table, "count", span)?;
    let count = reader.integer(node, 1..=i64::from(i32::MAX))?;
    let replicas = match table.get("replicas") {
        Some(entry) => Some(manual_placement(reader, &entry.node, names)?),
        None => None,
    };
    Some(Action::AddPartitions {
        topic,
        count,
        replicas,
    })
}

/// `delete_topic = { topic = "orders" }`.
pub(super) fn delete_topic(
    reader: &mut Reader,
    table: &Table,
    span: Span,
    names: &Names,
) -> Option<Action> {
    reader.only(table, &["topic"]);
    let node = reader.need(table, "topic", span)?;
    let topic = names.topic(reader, node)?.name.as_str().into();
    Some(Action::DeleteTopic { topic })
}

/// `reassign = { partition = "orders-0", replicas = [4, 2, 3] }`, or with `cancel = true`.
pub(super) fn reassign(
    reader: &mut Reader,
    table: &Table,
    span: Span,
    before: &mut Before<'_>,
) -> Option<Action> {
    reader.only(table, &["partition", "replicas", "cancel"]);
    let names = before.names;
    let partition = table.get("partition").map(|entry| &entry.node);
    let partition = names.partition(reader, partition, span)?;
    let replicas = match (table.get("replicas"), table.get("cancel")) {
        (Some(entry), None) => {
            let replicas = names.broker_list(reader, &entry.node)?;
            if replicas.is_empty() {
                let message = "a partition needs at least one replica";
                reader.error(entry.node.span, message);
                return None;
            }
            Some(replicas)
        }
        (None, Some(entry)) if reader.boolean(&entry.node)? => None,
        _ => {
            let help = "`replicas = [4, 2, 3]` moves it there, `cancel = true` takes a move back";
            reader.error_help(span, "say either where to, or to take it back", help);
            return None;
        }
    };
    before.moved.insert(partition.clone());
    Some(Action::Reassign {
        partition,
        replicas,
    })
}

fn client_name(reader: &mut Reader, entry: &Entry, names: &Names) {
    let taken = names.producers.contains(&entry.key) || names.consumers.contains(&entry.key);
    if entry.key.is_empty() || taken || names.is_server_name(&entry.key) {
        let message = format!("`{}` cannot be the name of a client", entry.key);
        let help = "it means another node, or several: choose a name of its own";
        reader.error_help(entry.key_span, message, help);
    }
}
