//! Records as short lines.

use crate::controller::partition_change::tests::describe;
use crate::id::BrokerId;
use crate::metadata::MetadataRecord;

fn list(brokers: &[BrokerId]) -> String {
    let brokers: Vec<String> = brokers.iter().map(ToString::to_string).collect();
    format!("[{}]", brokers.join(","))
}

/// The record as a line; `None` for a NoOp.
pub(super) fn text(record: &MetadataRecord) -> Option<String> {
    Some(match record {
        MetadataRecord::RegisterBroker(record) => {
            format!("register {} run {}", record.broker, record.incarnation)
        }
        MetadataRecord::Topic(record) => format!("topic {}", record.topic),
        MetadataRecord::Partition(record) => format!(
            "partition replicas={} isr={} leader={} epochs {}/{}",
            list(&record.replicas),
            list(&record.isr),
            record.leader.map_or(-1, |leader| leader.0),
            record.leader_epoch,
            record.partition_epoch,
        ),
        MetadataRecord::Config(record) => {
            let value = record.value.as_deref().unwrap_or("-");
            format!("config {}={value}", record.key)
        }
        MetadataRecord::PartitionChange(record) => format!("change {}", describe(record)),
        MetadataRecord::RemoveTopic(_) => "remove topic".to_owned(),
        MetadataRecord::FeatureLevel(record) => format!("feature {}={}", record.name, record.level),
        MetadataRecord::BrokerRegistrationChange(record) => {
            let what = match (record.fenced, record.in_controlled_shutdown) {
                (Some(true), None) => "fence",
                (Some(false), None) => "unfence",
                (None, Some(true)) => "stop",
                _ => "?",
            };
            format!("{what} {}", record.broker)
        }
        MetadataRecord::NoOp => return None,
        MetadataRecord::ClearElr(record) => {
            format!("clear elr {}", record.topic.as_deref().unwrap_or("*"))
        }
    })
}
