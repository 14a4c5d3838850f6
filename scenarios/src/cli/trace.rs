//! An entry of a record on one line: time, node, what, the partition if it is about one, and the
//! other fields as `name=value`.

use ktrial_core::metadata::MetadataRecord;
use ktrial_core::{Event, NodeId, TopicId, TopicName};
use ktrial_sim::history::{Entry, Header, Message, What};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Writes entries, in their order. Knows what they say by number: clients and topics.
pub(super) struct Trace<'a> {
    clients: &'a BTreeMap<NodeId, String>,
    topics: BTreeMap<TopicId, TopicName>,
}

impl<'a> Trace<'a> {
    pub(super) fn new(header: &'a Header) -> Self {
        Self {
            clients: &header.clients,
            topics: BTreeMap::new(),
        }
    }

    /// One line.
    pub(super) fn line(&mut self, entry: &Entry) -> String {
        let (name, text) = match &entry.what {
            What::Event(Event::MetadataWritten { offset, record }) => (
                "metadata_written".to_owned(),
                self.metadata(offset.0, record),
            ),
            What::Step { index, action } => {
                let action = action.as_ref().map(json);
                let text = action.map_or_else(|| "only waits".to_owned(), named);
                ("step".to_owned(), format!("{}: {text}", index + 1))
            }
            What::Delivered(message) => ("delivered".to_owned(), self.message(message)),
            What::Dropped { message, why } => {
                let text = format!("{}, {}", self.message(message), plain(&json(why)));
                ("dropped".to_owned(), text)
            }
            What::Event(event) => name_and_fields(json(event)),
            other => name_and_fields(json(other)),
        };
        let node = entry
            .node
            .map_or_else(|| "-".to_owned(), |node| self.node(node));
        let line = format!("{:>12} {node:<6} {name:<17} {text}", entry.at.to_string());
        line.trim_end().to_owned()
    }

    fn node(&self, node: NodeId) -> String {
        let client = self.clients.get(&node).cloned();
        client.unwrap_or_else(|| node.to_string())
    }

    fn message(&self, message: &Message) -> String {
        let Message {
            sent,
            from,
            to,
            api,
            response,
        } = *message;
        let kind = if response { "response" } else { "request" };
        let (from, to) = (self.node(from), self.node(to));
        format!("{} {kind} {from} -> {to}, sent {sent}", plain(&json(&api)))
    }

    /// A metadata record, with its topic's name in place of the topic's id.
    fn metadata(&mut self, offset: i64, record: &MetadataRecord) -> String {
        let topic_id = match record {
            MetadataRecord::Topic(record) => {
                self.topics.insert(record.topic_id, record.topic.clone());
                Some(record.topic_id)
            }
            MetadataRecord::Partition(record) => Some(record.topic_id),
            MetadataRecord::PartitionChange(record) => Some(record.topic_id),
            _ => None,
        };
        let (name, mut fields) = name_and_value(json(record));
        if let (Some(id), Value::Object(fields)) = (topic_id, &mut fields) {
            let topic = self.topics.get(&id).map(ToString::to_string);
            let topic = topic.unwrap_or_else(|| id.to_string());
            fields.remove("topic_id");
            if let Some(number) = fields.get("partition").and_then(Value::as_i64) {
                fields.insert("partition".to_owned(), format!("{topic}-{number}").into());
            } else {
                fields.insert("id".to_owned(), id.to_string().into());
            }
        }
        format!("{offset}: {name} {}", fields_of(fields))
    }
}

/// As the record would be written. By way of text: a value cannot hold the 128 bits of a topic's id.
fn json(what: &impl serde::Serialize) -> Value {
    let text = serde_json::to_string(what).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or(Value::Null)
}

/// An enum's variant and what is in it.
fn name_and_value(what: Value) -> (String, Value) {
    match what {
        Value::Object(variant) if variant.len() == 1 => {
            let mut variants = variant.into_iter();
            variants.next().unwrap_or_default()
        }
        other => (plain(&other), Value::Object(Map::new())),
    }
}

fn name_and_fields(what: Value) -> (String, String) {
    let (name, value) = name_and_value(what);
    (name, fields_of(value))
}

fn named(what: Value) -> String {
    let (name, fields) = name_and_fields(what);
    format!("{name} {fields}")
}

/// The partition first, without its name; what is not there is left out.
fn fields_of(value: Value) -> String {
    let Value::Object(mut fields) = value else {
        return plain(&value);
    };
    let partition = match fields.get("partition") {
        Some(Value::String(partition)) => Some(partition.clone()),
        _ => None,
    };
    if partition.is_some() {
        fields.remove("partition");
    }
    let others = fields
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| format!("{name}={}", plain(value)));
    partition
        .into_iter()
        .chain(others)
        .collect::<Vec<_>>()
        .join(" ")
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) if text.is_empty() || text.contains([' ', '\n', '\t']) => {
            format!("{text:?}")
        }
        Value::String(text) => text.clone(),
        Value::Null => "none".to_owned(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(plain).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(_) => format!("{{{}}}", fields_of(value.clone())),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ktrial_core::message::Api;
    use ktrial_core::metadata::{PartitionChangeRecord, TopicRecord};
    use ktrial_core::{BrokerId, ClientId, Offset, Timestamp, TopicPartition};
    use ktrial_sim::history::Why;
    use ktrial_sim::plan::{Action, StopKind};

    fn lines(entries: &[(Option<NodeId>, What)]) -> String {
        let header = Header {
            version: 1,
            scenario: String::new(),
            seed: 1,
            cell: BTreeMap::new(),
            clients: BTreeMap::from([(NodeId::Client(ClientId(0)), "p1".to_owned())]),
            real: None,
        };
        let mut trace = Trace::new(&header);
        let lines = entries.iter().map(|(node, what)| {
            trace.line(&Entry {
                at: Timestamp::from_millis(1_204),
                node: *node,
                what: what.clone(),
            })
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn entries_are_readable() {
        let broker = NodeId::Broker(BrokerId(1));
        let client = NodeId::Client(ClientId(0));
        let id = TopicId(u128::MAX);
        let written = |offset, record| {
            let offset = Offset(offset);
            What::Event(Event::MetadataWritten {
                offset,
                record: Box::new(record),
            })
        };
        let message = Message {
            sent: Timestamp::from_millis(1_200),
            from: client,
            to: broker,
            api: Api::Produce,
            response: false,
        };
        let topic = TopicRecord {
            topic: "orders".into(),
            topic_id: id,
        };
        let change = serde_json::json!({"topic_id": "AAAAAAAAAAAAAAAAAAAAAA", "partition": 0, "isr": [1, 2]});
        let mut change: PartitionChangeRecord = serde_json::from_value(change).unwrap();
        change.topic_id = id;
        let moved = Event::HighWatermark {
            partition: TopicPartition::new("orders", 0),
            offset: Offset(3),
        };
        let kill = Action::Stop {
            nodes: vec![broker.into()],
            how: StopKind::Kill,
        };
        let entries = [
            (Some(broker), What::Event(moved)),
            (Some(client), What::ProcessStarted),
            (None, written(7, MetadataRecord::Topic(topic))),
            (None, written(8, MetadataRecord::PartitionChange(change))),
            (None, written(9, MetadataRecord::NoOp)),
            (
                None,
                What::Step {
                    index: 0,
                    action: Some(Box::new(kill)),
                },
            ),
            (
                None,
                What::Step {
                    index: 1,
                    action: None,
                },
            ),
            (Some(broker), What::Delivered(message)),
            (
                Some(broker),
                What::Dropped {
                    message,
                    why: Why::ReceiverDown,
                },
            ),
            (None, What::StepsDone),
        ];
        insta::assert_snapshot!(lines(&entries));
    }
}
