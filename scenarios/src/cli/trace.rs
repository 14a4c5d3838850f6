//! An entry of a record on one line: time, node, what, and its fields as `name=value`.

use ktrial_sim::history::Entry;
use serde_json::Value;

/// One line.
pub(super) fn line(entry: &Entry) -> String {
    let node = entry
        .node
        .map_or_else(|| "-".to_owned(), |node| node.to_string());
    let mut what = serde_json::to_value(&entry.what).unwrap_or(Value::Null);
    // An event's name says enough: `event` around it is left out.
    if let Some(inner) = what.get_mut("event") {
        what = inner.take();
    }
    let text = match &what {
        Value::Object(fields) if fields.len() == 1 => fields
            .iter()
            .map(|(name, value)| format!("{name} {}", fields_of(value)))
            .collect(),
        other => plain(other),
    };
    format!("{:>12} {node:<6} {}", entry.at.to_string(), text.trim_end())
}

fn fields_of(value: &Value) -> String {
    let Value::Object(fields) = value else {
        return plain(value);
    };
    let fields: Vec<String> = fields
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| format!("{name}={}", plain(value)))
        .collect();
    fields.join(" ")
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) if text.is_empty() || text.contains(' ') => format!("{text:?}"),
        Value::String(text) => text.clone(),
        Value::Null => "none".to_owned(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(plain).collect();
            format!("[{}]", items.join(","))
        }
        Value::Object(_) => format!("{{{}}}", fields_of(value)),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ktrial_core::{BrokerId, Event, NodeId, Offset, Timestamp, TopicPartition};
    use ktrial_sim::history::What;

    #[test]
    fn entries_are_readable() {
        let entry = |node, what| Entry {
            at: Timestamp::from_millis(1_204),
            node,
            what,
        };
        let moved = Event::HighWatermark {
            partition: TopicPartition::new("orders", 0),
            offset: Offset(3),
        };
        let node = Some(NodeId::Broker(BrokerId(1)));
        assert_eq!(
            line(&entry(node, What::Event(moved))),
            "      1.204s b1     high_watermark offset=3 partition=orders-0"
        );
        assert_eq!(
            line(&entry(None, What::StepsDone)),
            "      1.204s -      steps_done"
        );
    }
}
