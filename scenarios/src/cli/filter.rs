//! Which entries of a record are shown.
//!
//! Rule: of what is asked, each kind of question has to be answered by an entry (`--broker 1 --kind
//! truncated`: truncations of broker 1), and of several answers to one question any will do
//! (`--broker 1 --broker 2`).
//!
//! Next: `follow.rs`.

use super::follow;
use crate::suggest;
use ktrial_core::metadata::MetadataRecord;
use ktrial_core::{Event, NodeId, TopicId, TopicName, TopicPartition};
use ktrial_sim::history::{Entry, Record, What};
use ktrial_sim::plan::Target;
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What is asked.
#[derive(Debug)]
pub(super) struct Filter {
    /// From when to when, in microseconds.
    pub(super) times: (Option<u64>, Option<u64>),
    /// Of which nodes.
    pub(super) nodes: Vec<NodeId>,
    /// About which partitions.
    pub(super) partitions: Vec<TopicPartition>,
    kinds: Kinds,
    /// The entries about a record, by their place.
    record: Option<BTreeSet<usize>>,
}

/// The names of topics, as the record has told them so far.
pub(super) type Topics = BTreeMap<TopicId, TopicName>;

impl Filter {
    /// Asks for nothing but kinds.
    pub(super) fn new(kinds: Kinds) -> Self {
        Self {
            times: (None, None),
            nodes: Vec::new(),
            partitions: Vec::new(),
            kinds,
            record: None,
        }
    }

    /// Asks for the record with this value.
    pub(super) fn follow(&mut self, value: &str, record: &Record) -> Result<(), String> {
        let found = follow::entries(value, record);
        if found.is_empty() {
            return Err(format!("no entry is about a record `{value}`"));
        }
        self.record = Some(found);
        Ok(())
    }

    /// Whether an entry is shown. Has to see all of them, in order, with the topics so far (none at first).
    pub(super) fn shows(&self, place: usize, entry: &Entry, topics: &mut Topics) -> bool {
        if let What::Event(Event::MetadataWritten { record, .. }) = &entry.what
            && let MetadataRecord::Topic(topic) = &**record
        {
            topics.insert(topic.topic_id, topic.topic.clone());
        }
        let (from, until) = self.times;
        let in_time = from.is_none_or(|from| entry.at.0 >= from)
            && until.is_none_or(|until| entry.at.0 <= until);
        in_time
            && self
                .record
                .as_ref()
                .is_none_or(|places| places.contains(&place))
            && (self.nodes.is_empty() || self.nodes.iter().any(|node| concerns(entry, *node)))
            && (self.kinds.0.is_empty() || self.kinds.0.iter().any(|kind| *kind == kind_of(entry)))
            && (self.partitions.is_empty() || self.names_one(entry, topics))
    }

    fn names_one(&self, entry: &Entry, topics: &Topics) -> bool {
        if let What::Event(Event::MetadataWritten { record, .. }) = &entry.what {
            return self.partitions.iter().any(|p| writes(record, p, topics));
        }
        // By way of text: a value cannot hold the 128 bits of a topic's id.
        let text = serde_json::to_string(&entry.what).unwrap_or_default();
        let value: Value = serde_json::from_str(&text).unwrap_or_default();
        self.partitions
            .iter()
            .any(|partition| names(&value, partition))
    }
}

/// Whether an entry is of a node, or is something that is done to it.
fn concerns(entry: &Entry, node: NodeId) -> bool {
    let done = match &entry.what {
        What::Delivered(message) | What::Dropped { message, .. } => {
            message.from == node || message.to == node
        }
        What::Step {
            action: Some(action),
            ..
        } => {
            let mut targets = action.groups().into_iter().flatten();
            targets.any(|target| *target == Target::Node(node))
        }
        _ => false,
    };
    done || entry.node == Some(node)
}

/// Whether a record of the metadata log is about a partition.
fn writes(record: &MetadataRecord, partition: &TopicPartition, topics: &Topics) -> bool {
    let (id, number) = match record {
        MetadataRecord::Topic(topic) => return topic.topic == partition.topic,
        MetadataRecord::Partition(record) => (record.topic_id, record.partition),
        MetadataRecord::PartitionChange(record) => (record.topic_id, record.partition),
        _ => return false,
    };
    topics.get(&id) == Some(&partition.topic) && number == partition.partition
}

/// Whether a partition is named somewhere, as `orders-0` or with its topic.
fn names(value: &Value, partition: &TopicPartition) -> bool {
    match value {
        Value::String(text) => *text == partition.to_string(),
        Value::Array(items) => items.iter().any(|item| names(item, partition)),
        Value::Object(fields) => {
            let topic = fields.get("topic").and_then(Value::as_str);
            let number = fields.get("partition").and_then(Value::as_i64);
            let placed = topic == Some(&*partition.topic)
                && number.is_none_or(|number| number == i64::from(partition.partition));
            placed || fields.values().any(|field| names(field, partition))
        }
        _ => false,
    }
}

/// Kinds of entries, by the names that the trace shows.
#[derive(Debug)]
pub(super) struct Kinds(Vec<String>);

impl Kinds {
    /// Reads the names.
    pub(super) fn new(names: &[String]) -> Result<Self, String> {
        let known = kinds();
        for name in names {
            if !known.contains(&name.as_str()) {
                let help = suggest::closest(name, known.iter().copied()).map_or_else(
                    || format!("known are {}", known.join(", ")),
                    |name| format!("did you mean `{name}`?"),
                );
                return Err(format!("--kind {name}: no entry is of that kind: {help}"));
            }
        }
        Ok(Self(names.to_vec()))
    }
}

/// The kind of an entry.
fn kind_of(entry: &Entry) -> String {
    let text = match &entry.what {
        What::Event(event) => serde_json::to_string(event),
        what => serde_json::to_string(what),
    };
    // `"name"`, or `{"name":...`
    let text = text.unwrap_or_default();
    let name = text.split('"').nth(1);
    name.unwrap_or_default().to_owned()
}

/// Every kind there is: events, and what the world adds.
fn kinds() -> Vec<&'static str> {
    let world = variants::<What>().iter().filter(|name| **name != "event");
    variants::<Event>().iter().chain(world).copied().collect()
}

/// The names of an enum's variants, as `serde` knows them.
fn variants<'de, T: Deserialize<'de>>() -> &'static [&'static str] {
    match T::deserialize(Ask) {
        Err(Names(names)) => names,
        Ok(_) => &[],
    }
}

/// Is asked for an enum, and answers with the names of its variants, as an error.
struct Ask;

#[derive(Debug)]
struct Names(&'static [&'static str]);

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(", "))
    }
}

impl std::error::Error for Names {}

impl de::Error for Names {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self(&[])
    }
}

impl<'de> Deserializer<'de> for Ask {
    type Error = Names;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Names> {
        Err(Names(&[]))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Names> {
        Err(Names(variants))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ktrial_core::{BrokerId, Timestamp};

    #[test]
    fn every_kind_is_known_by_the_name_that_the_trace_shows() {
        let known = kinds();
        for name in [
            "appended",
            "high_watermark",
            "step",
            "delivered",
            "final_log",
        ] {
            assert!(known.contains(&name), "{name}: {known:?}");
        }
        let entry = Entry {
            at: Timestamp(0),
            node: Some(NodeId::Broker(BrokerId(1))),
            what: What::ProcessStarted,
        };
        assert_eq!(kind_of(&entry), "process_started");
        let entry = Entry {
            what: What::Event(Event::BrokerStarted { clean: true }),
            ..entry
        };
        assert_eq!(kind_of(&entry), "broker_started");
        let error = Kinds::new(&["truncatd".to_owned()]).unwrap_err();
        assert!(error.contains("did you mean `truncated`?"), "{error}");
    }

    #[test]
    fn a_partition_is_named_in_two_ways() {
        let partition = TopicPartition::new("orders", 1);
        for (text, named) in [
            (r#"{"appended":{"partition":"orders-1"}}"#, true),
            (r#"{"appended":{"partition":"orders-10"}}"#, false),
            (r#"{"send":{"topic":"orders","partition":1}}"#, true),
            (r#"{"send":{"topic":"orders","partition":0}}"#, false),
            (r#"{"send":{"topic":"orders","partition":null}}"#, true),
        ] {
            let value = serde_json::from_str(text).unwrap();
            assert_eq!(names(&value, &partition), named, "{text}");
        }
    }
}
