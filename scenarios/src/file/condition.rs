//! What a step waits for: one optional key per condition. Each can be asked of a real cluster too.

use super::before::Before;
use super::node::{Node, Table, Value};
use super::reader::Reader;
use crate::diagnostic::Span;
use crate::suggest;
use ktrial_core::{BrokerId, ControllerId, Offset, TopicPartition};
use ktrial_sim::plan::{BrokerStatus, Condition, Reached};

/// Every condition.
const CONDITIONS: &[&str] = &[
    "isr",
    "isr_at_most",
    "leader",
    "log_end",
    "high_watermark",
    "acknowledged",
    "ended",
    "consumed",
    "broker",
    "controller",
    "metadata",
    "in_sync",
    "quiet",
    "all",
    "any",
];

/// Reads one condition; `owner` is the key it belongs to.
pub(crate) fn condition(
    reader: &mut Reader,
    node: &Node,
    owner: Span,
    before: &Before<'_>,
) -> Option<Condition> {
    let table = reader.table(node, "{ isr = { is = [1, 2] } }")?;
    reader.only(table, CONDITIONS);
    if table.entries.len() > 1 {
        let help = "put them into a list: all = [{ ... }, { ... }]";
        reader.error_help(owner, "more than one condition", help);
        return None;
    }
    let Some(entry) = table.entries.first() else {
        let help = format!("one of {}", suggest::list(CONDITIONS));
        reader.error_help(owner, "the condition is missing", &help);
        return None;
    };
    let span = entry.key_span;
    match entry.key.as_str() {
        "quiet" => reader.millis(&entry.node).map(|ms| Condition::Quiet { ms }),
        "all" => several(reader, &entry.node, span, before).map(Condition::All),
        "any" => several(reader, &entry.node, span, before).map(Condition::Any),
        name if CONDITIONS.contains(&name) => {
            let table = reader.table(&entry.node, example(name))?;
            one(reader, name, table, span, before)
        }
        _ => None,
    }
}

fn several(
    reader: &mut Reader,
    node: &Node,
    span: Span,
    before: &Before<'_>,
) -> Option<Vec<Condition>> {
    let items = reader.list(node, "conditions such as [{ ... }, { ... }]")?;
    if items.is_empty() {
        reader.error(node.span, "this list is empty: name at least one condition");
        return None;
    }
    let read: Vec<Condition> = items
        .iter()
        .filter_map(|item| condition(reader, item, span, before))
        .collect();
    (read.len() == items.len()).then_some(read)
}

fn example(name: &str) -> &'static str {
    match name {
        "isr" => "{ is = [1, 2] }",
        "isr_at_most" => "{ members = 1 }",
        "leader" => "{ is = 1 } or { is = \"none\" }",
        "acknowledged" | "ended" => "{ values = [\"A\"] }",
        "consumed" => "{ consumer = \"c1\", values = [\"A\"] }",
        "broker" => "{ id = 1, is = \"unfenced\" }",
        "controller" => {
            "{ is = 3000 }, { is = \"none\" }, { elected = 3000 } or { activations = 2 }"
        }
        "metadata" => "{ more = 10, by = \"all\" }",
        "in_sync" => "{} or { partition = \"orders-0\" }",
        _ => "{ broker = 1, at_least = 3 }",
    }
}

fn one(
    reader: &mut Reader,
    name: &str,
    table: &Table,
    span: Span,
    before: &Before<'_>,
) -> Option<Condition> {
    match name {
        "isr" => isr(reader, table, span, before),
        "isr_at_most" => {
            reader.only(table, &["partition", "members"]);
            let partition = partition(reader, table, span, before);
            let members = reader.need(table, "members", span)?;
            let members = reader.integer(members, 0..=i64::from(i32::MAX))?;
            Some(Condition::IsrAtMost {
                partition: partition?,
                members,
            })
        }
        "leader" => leader(reader, table, span, before),
        "log_end" => {
            let (partition, broker, at_least) = reached(reader, table, span, before)?;
            Some(Condition::LogEnd {
                partition,
                broker,
                at_least,
            })
        }
        "high_watermark" => {
            let (partition, broker, at_least) = reached(reader, table, span, before)?;
            Some(Condition::HighWatermark {
                partition,
                broker,
                at_least,
            })
        }
        "acknowledged" => {
            reader.only(table, &["values", "workload"]);
            let values = values(reader, table, span, before)?;
            Some(Condition::Acknowledged { values })
        }
        "ended" => {
            reader.only(table, &["values", "workload"]);
            let values = values(reader, table, span, before)?;
            Some(Condition::Ended { values })
        }
        "consumed" => {
            reader.only(table, &["consumer", "values", "workload"]);
            let consumer = table.get("consumer").map(|entry| &entry.node);
            let consumer = before.names.client(reader, "consumer", consumer, span);
            let values = values(reader, table, span, before)?;
            Some(Condition::Consumed {
                consumer: consumer?,
                values,
            })
        }
        "broker" => broker(reader, table, span, before),
        "controller" => controller(reader, table, span),
        "metadata" => metadata(reader, table, span),
        _ => in_sync(reader, table, span, before),
    }
}

fn partition(
    reader: &mut Reader,
    table: &Table,
    span: Span,
    before: &Before<'_>,
) -> Option<TopicPartition> {
    let node = table.get("partition").map(|entry| &entry.node);
    before.names.partition(reader, node, span)
}

/// Notes brokers that hold no replica of the partition.
fn replicas_only(
    reader: &mut Reader,
    partition: &TopicPartition,
    brokers: &[BrokerId],
    span: Span,
    before: &Before<'_>,
) -> Option<()> {
    if before.moved.contains(partition) {
        return Some(());
    }
    let mut topics = before.names.topics.iter();
    let topic = topics.find(|topic| *topic.name == *partition.topic)?;
    let index = usize::try_from(partition.partition).ok()?;
    let Some(replicas) = topic.replicas.get(index) else {
        return Some(());
    };
    let stranger = brokers.iter().find(|broker| !replicas.contains(broker));
    if let Some(broker) = stranger {
        let message = format!("broker {broker} has no replica of {partition}");
        let help = format!("its replicas are on {}", suggest::list(replicas));
        reader.error_help(span, message, &help);
        return None;
    }
    Some(())
}

fn isr(reader: &mut Reader, table: &Table, span: Span, before: &Before<'_>) -> Option<Condition> {
    reader.only(table, &["partition", "is"]);
    let partition = partition(reader, table, span, before);
    let node = reader.need(table, "is", span)?;
    let is = before.names.broker_set(reader, node)?;
    let partition = partition?;
    replicas_only(reader, &partition, &is, node.span, before)?;
    Some(Condition::Isr { partition, is })
}

fn leader(
    reader: &mut Reader,
    table: &Table,
    span: Span,
    before: &Before<'_>,
) -> Option<Condition> {
    reader.only(table, &["partition", "is"]);
    let partition = partition(reader, table, span, before);
    let node = reader.need(table, "is", span)?;
    let is = match &node.value {
        Value::Text(text) if text == "none" => None,
        Value::Text(text) => {
            reader.unknown(node.span, "leader", text, &["none"]);
            return None;
        }
        _ => Some(before.names.broker(reader, node)?),
    };
    let partition = partition?;
    replicas_only(reader, &partition, is.as_slice(), node.span, before)?;
    Some(Condition::Leader { partition, is })
}

fn reached(
    reader: &mut Reader,
    table: &Table,
    span: Span,
    before: &Before<'_>,
) -> Option<(TopicPartition, BrokerId, Offset)> {
    reader.only(table, &["partition", "broker", "at_least"]);
    let partition = partition(reader, table, span, before);
    let broker = reader.need(table, "broker", span);
    let broker = match broker {
        Some(node) => before.names.broker(reader, node).map(|id| (id, node.span)),
        None => None,
    };
    let at_least = reader.need(table, "at_least", span)?;
    let at_least = reader.integer(at_least, 0..=i64::MAX)?;
    let (partition, (broker, place)) = (partition?, broker?);
    replicas_only(reader, &partition, &[broker], place, before)?;
    Some((partition, broker, Offset(at_least)))
}

/// Values that an earlier step has sent, or something beside the steps.
fn values(
    reader: &mut Reader,
    table: &Table,
    span: Span,
    before: &Before<'_>,
) -> Option<Vec<String>> {
    let Some(entry) = reader.one_of(table, &["values", "workload"]) else {
        let help = "name them, `values = [\"A\"]`, or who sends them, `workload = \"w1\"`";
        reader.error_help(span, "`values` is missing here", help);
        return None;
    };
    let node = &entry.node;
    if entry.key == "workload" {
        let name = reader.text(node)?;
        let Some(values) = before.workloads.get(&name) else {
            let known: Vec<&str> = before.workloads.keys().map(String::as_str).collect();
            reader.unknown(node.span, "workload", &name, &known);
            return None;
        };
        return Some(values.clone());
    }
    let items = reader.list(node, "texts such as [\"A\"]")?;
    if items.is_empty() {
        reader.error(node.span, "this list is empty: name at least one value");
        return None;
    }
    let mut values = Vec::new();
    for item in items {
        let value = reader.text(item)?;
        if !before.has_sent(&value) {
            let sent = before.sent.keys().chain(&before.sent_beside);
            let sent: Vec<&str> = sent.map(String::as_str).collect();
            let what = "value: no step before this one sends";
            reader.unknown(item.span, what, &value, &sent);
            return None;
        }
        values.push(value);
    }
    Some(values)
}

fn broker(
    reader: &mut Reader,
    table: &Table,
    span: Span,
    before: &Before<'_>,
) -> Option<Condition> {
    reader.only(table, &["id", "is"]);
    let broker = reader.need(table, "id", span);
    let broker = broker.and_then(|node| before.names.broker(reader, node));
    let node = reader.need(table, "is", span)?;
    let is = match reader.text(node)?.as_str() {
        "down" => BrokerStatus::Down,
        "fenced" => BrokerStatus::Fenced,
        "unfenced" => BrokerStatus::Unfenced,
        other => {
            let known = ["down", "fenced", "unfenced"];
            reader.unknown(node.span, "state of a broker", other, &known);
            return None;
        }
    };
    Some(Condition::Broker {
        broker: broker?,
        is,
    })
}

/// How much more of the metadata log is known to be committed, and by how many.
fn metadata(reader: &mut Reader, table: &Table, span: Span) -> Option<Condition> {
    reader.only(table, &["more", "by"]);
    let more = reader.need(table, "more", span)?;
    let more = reader.integer(more, 1..=1_000_000)?;
    let by = match table.get("by").map(|entry| &entry.node) {
        None => Reached::All,
        Some(node) => match &node.value {
            Value::Text(text) if text == "all" => Reached::All,
            Value::Text(text) if text == "any" => Reached::AtLeast(1),
            Value::Text(text) => {
                reader.unknown(node.span, "number of replicas", text, &["all", "any"]);
                return None;
            }
            _ => Reached::AtLeast(reader.integer(node, 1..=1_000)?),
        },
    };
    Some(Condition::Metadata { more, by })
}

/// Who is active, or how often one became so.
fn controller(reader: &mut Reader, table: &Table, span: Span) -> Option<Condition> {
    reader.only(table, &["is", "elected", "activations"]);
    if let Some(node) = table.get("elected") {
        let id = reader.integer(&node.node, 0..=i64::from(i32::MAX))?;
        return Some(Condition::ControllerElected {
            controller: ControllerId(id),
        });
    }
    if let Some(node) = table.get("activations") {
        let at_least = reader.integer(&node.node, 1..=1_000)?;
        return Some(Condition::ControllerActivations { at_least });
    }
    let node = reader.need(table, "is", span)?;
    let is = match &node.value {
        Value::Text(text) if text == "none" => None,
        _ => Some(ControllerId(reader.integer(node, 0..=i64::from(i32::MAX))?)),
    };
    Some(Condition::Controller { is })
}

fn in_sync(
    reader: &mut Reader,
    table: &Table,
    span: Span,
    before: &Before<'_>,
) -> Option<Condition> {
    reader.only(table, &["partition"]);
    if table.get("partition").is_some() {
        let partition = partition(reader, table, span, before)?;
        return Some(Condition::InSync { partition });
    }
    let all = before.names.partitions().into_iter();
    let mut all: Vec<Condition> = all
        .map(|partition| Condition::InSync { partition })
        .collect();
    match all.len() {
        0 => {
            reader.error(span, "the file declares no topic that could be in sync");
            None
        }
        1 => all.pop(),
        _ => Some(Condition::All(all)),
    }
}
