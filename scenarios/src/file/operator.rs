//! Actions of an operator and of a consumer's application.

use super::names::Names;
use super::node::{Node, Table, Value, flatten};
use super::reader::Reader;
use super::topics::partitions;
use crate::diagnostic::Span;
use crate::setting::{Kind, without_synonym};
use ktrial_core::message::{ConfigChange, ConfigResource, ElectionType};
use ktrial_sim::plan::Action;

/// One table, or several in a list, whose changes are made in that order.
pub(super) fn alter_configs(
    reader: &mut Reader,
    items: &[Node],
    span: Span,
    names: &Names,
) -> Option<Action> {
    let mut changes = Vec::new();
    for item in items {
        let table = reader.table(
            item,
            "{ topic = \"orders\", set = { \"segment.ms\" = 1000 } }",
        )?;
        changes.extend(config_changes(reader, table, item.span, names)?);
    }
    if changes.is_empty() {
        reader.error(span, "this changes nothing");
        return None;
    }
    Some(Action::AlterConfig { changes })
}

pub(super) fn alter_config(
    reader: &mut Reader,
    table: &Table,
    span: Span,
    names: &Names,
) -> Option<Action> {
    let changes = config_changes(reader, table, span, names)?;
    Some(Action::AlterConfig { changes })
}

fn config_changes(
    reader: &mut Reader,
    table: &Table,
    span: Span,
    names: &Names,
) -> Option<Vec<ConfigChange>> {
    reader.only(table, &["topic", "broker", "set", "delete"]);
    let resource = match (table.get("topic"), table.get("broker")) {
        (Some(_), Some(entry)) => {
            reader.error(entry.key_span, "either of a topic or of a broker");
            return None;
        }
        (Some(entry), None) => {
            ConfigResource::Topic(names.topic(reader, &entry.node)?.name.as_str().into())
        }
        (None, Some(entry)) => ConfigResource::Broker(names.broker(reader, &entry.node)?),
        (None, None) => ConfigResource::Cluster,
    };
    let mut changes = Vec::new();
    if let Some(entry) = table.get("set") {
        let settings = reader.table(&entry.node, "{ \"min.insync.replicas\" = 2 }")?;
        for flat in flatten(settings, &mut reader.problems) {
            let key = altered_key(reader, &flat.key, flat.span)?;
            let value = reader.scalar(flat.node)?;
            if let Err(error) = Kind::Topic.check(&key, &value) {
                reader.error(flat.node.span, error.to_string());
                return None;
            }
            changes.push((key, Some(value)));
        }
    }
    if let Some(entry) = table.get("delete") {
        let items = reader.list(&entry.node, "keys such as [\"min.insync.replicas\"]")?;
        for item in items {
            let key = reader.text(item)?;
            changes.push((altered_key(reader, &key, item.span)?, None));
        }
    }
    if changes.is_empty() {
        let help = "say what: `set = { KEY = VALUE }` or `delete = [KEY]`";
        reader.error_help(span, "this changes nothing", help);
        return None;
    }
    let change = |(key, value)| ConfigChange {
        resource: resource.clone(),
        key,
        value,
    };
    Some(changes.into_iter().map(change).collect())
}

/// A setting that can be changed while the cluster runs: a topic's, or its default.
fn altered_key(reader: &mut Reader, key: &str, span: Span) -> Option<String> {
    let bare = without_synonym(key);
    if Kind::Topic.knows(bare) {
        return Some(bare.to_owned());
    }
    if Kind::Broker.knows(bare) || Kind::Controller.knows(bare) {
        let help = "set it in [cluster.config]";
        let message = format!("`{key}` cannot be changed while the cluster runs");
        reader.error_help(span, message, help);
        return None;
    }
    let keys: Vec<&str> = Kind::Topic.keys().iter().map(|info| info.key).collect();
    reader.unknown(span, "setting", key, &keys);
    None
}

pub(super) fn elect_leaders(
    reader: &mut Reader,
    table: &Table,
    span: Span,
    names: &Names,
) -> Option<Action> {
    reader.only(table, &["election", "partitions"]);
    let node = reader.need(table, "election", span)?;
    let election = match reader.text(node)?.as_str() {
        "preferred" => ElectionType::Preferred,
        "unclean" => ElectionType::Unclean,
        other => {
            reader.unknown(node.span, "election", other, &["preferred", "unclean"]);
            return None;
        }
    };
    let partitions = match table.get("partitions") {
        Some(entry) => partitions(reader, &entry.node, names)?,
        None => names.partitions(),
    };
    Some(Action::ElectLeaders {
        election,
        partitions,
    })
}

pub(super) fn assign(
    reader: &mut Reader,
    table: &Table,
    span: Span,
    names: &Names,
) -> Option<Action> {
    reader.only(table, &["consumer", "partitions"]);
    let consumer = table.get("consumer").map(|entry| &entry.node);
    let consumer = names.client(reader, "consumer", consumer, span);
    let node = reader.need(table, "partitions", span)?;
    if matches!(&node.value, Value::Table(_)) {
        reader.error(node.span, "this is a table: expected a list of partitions");
        return None;
    }
    Some(Action::Assign {
        consumer: consumer?,
        partitions: partitions(reader, node, names)?,
    })
}
