//! `send`, and the values that it sends: each once in a file, so that its way can be followed.
//!
//! Next: `workload.rs`, which sends many.

use super::before::Before;
use super::node::{Node, Table};
use super::reader::Reader;
use crate::diagnostic::Span;
use ktrial_core::TopicName;
use ktrial_sim::plan::Action;

/// Reads `send`.
pub(super) fn send(
    reader: &mut Reader,
    table: &Table,
    span: Span,
    before: &mut Before<'_>,
) -> Option<Action> {
    reader.only(table, &["producer", "topic", "partition", "key", "values"]);
    let values = reader.need(table, "values", span);
    let values = values.and_then(|node| new_values(reader, node, before));
    let to = destination(reader, table, span, before);
    let key = match table.get("key") {
        Some(entry) => Some(reader.text(&entry.node)?),
        None => None,
    };
    let Destination {
        producer,
        topic,
        partition,
    } = to?;
    Some(Action::Send {
        producer,
        topic,
        partition,
        key,
        values: values?,
    })
}

/// From whom to where.
#[derive(Clone, Debug)]
pub(super) struct Destination {
    pub(super) producer: String,
    pub(super) topic: TopicName,
    pub(super) partition: Option<i32>,
}

/// `producer`, `topic`, `partition`.
pub(super) fn destination(
    reader: &mut Reader,
    table: &Table,
    span: Span,
    before: &Before<'_>,
) -> Option<Destination> {
    let get = |key: &str| table.get(key).map(|entry| &entry.node);
    let names = before.names;
    let producer = names.client(reader, "producer", get("producer"), span);
    let topic = match (get("topic"), names.topics.as_slice()) {
        (Some(node), _) => names.topic(reader, node),
        (None, [only]) => Some(only),
        (None, _) => {
            reader.error_help(span, "which topic?", "add `topic = \"...\"`");
            None
        }
    }?;
    let partition = match get("partition") {
        Some(node) => {
            let number = reader.integer(node, 0..=i64::from(i32::MAX))?;
            Some(names.in_range(reader, topic, number, node.span)?)
        }
        None => None,
    };
    Some(Destination {
        producer: producer?,
        topic: topic.name.as_str().into(),
        partition,
    })
}

/// Values that nothing before has sent.
fn new_values(reader: &mut Reader, node: &Node, before: &mut Before<'_>) -> Option<Vec<String>> {
    let items = reader.list(node, "texts such as [\"A\"]")?;
    if items.is_empty() {
        reader.error(node.span, "this list is empty: nothing would be sent");
        return None;
    }
    let mut values = Vec::new();
    for item in items {
        let value = reader.text(item)?;
        before.sends(reader, &value, item.span);
        values.push(value);
    }
    Some(values)
}
