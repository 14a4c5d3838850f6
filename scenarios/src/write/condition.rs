//! What a step waits for.

use super::toml::{self, Inline};
use super::words::Words;
use crate::duration::show_millis;
use ktrial_core::{BrokerId, Offset, TopicPartition};
use ktrial_sim::plan::{BrokerStatus, Condition, Reached};

/// A condition as an inline table.
pub(super) fn condition(condition: &Condition, words: &Words<'_>) -> String {
    let (key, value) = match condition {
        Condition::All(parts) if in_sync_everywhere(parts, words) => ("in_sync", "{}".to_owned()),
        Condition::All(parts) => ("all", several(parts, words)),
        Condition::Any(parts) => ("any", several(parts, words)),
        Condition::Quiet { ms } => ("quiet", toml::text(&show_millis(*ms))),
        other => one(other, words),
    };
    Inline::default().put(key, value).done()
}

fn several(parts: &[Condition], words: &Words<'_>) -> String {
    let parts: Vec<String> = parts.iter().map(|part| condition(part, words)).collect();
    toml::list(&parts)
}

/// `in_sync = {}` stands for these.
fn in_sync_everywhere(parts: &[Condition], words: &Words<'_>) -> bool {
    let Some(partitions) = &words.partitions else {
        return false;
    };
    let all = partitions.iter().map(|partition| Condition::InSync {
        partition: partition.clone(),
    });
    parts.len() > 1 && all.eq(parts.iter().cloned())
}

fn one(condition: &Condition, words: &Words<'_>) -> (&'static str, String) {
    let mut table = Inline::default();
    let key = match condition {
        Condition::Isr { partition, is } => {
            words.partition(partition, &mut table);
            let is: Vec<String> = is.iter().map(ToString::to_string).collect();
            table.put("is", toml::list(&is));
            "isr"
        }
        Condition::IsrAtMost { partition, members } => {
            words.partition(partition, &mut table);
            table.put("members", members);
            "isr_at_most"
        }
        Condition::Leader { partition, is } => {
            words.partition(partition, &mut table);
            let nobody = || "\"none\"".to_owned();
            table.put("is", is.map_or_else(nobody, |id| id.to_string()));
            "leader"
        }
        Condition::LogEnd {
            partition,
            broker,
            at_least,
        }
        | Condition::HighWatermark {
            partition,
            broker,
            at_least,
        } => {
            reached(partition, *broker, *at_least, words, &mut table);
            let is_end = matches!(condition, Condition::LogEnd { .. });
            if is_end { "log_end" } else { "high_watermark" }
        }
        Condition::Acknowledged { values } | Condition::Ended { values } => {
            words.values(values, &mut table);
            let has_ended = matches!(condition, Condition::Ended { .. });
            if has_ended { "ended" } else { "acknowledged" }
        }
        Condition::Consumed { consumer, values } => {
            if words.plan.consumers.len() != 1 {
                table.text("consumer", consumer);
            }
            words.values(values, &mut table);
            "consumed"
        }
        Condition::Broker { broker, is } => {
            table.put("id", broker).text("is", status(*is));
            "broker"
        }
        Condition::Controller { .. }
        | Condition::ControllerElected { .. }
        | Condition::ControllerActivations { .. } => {
            controller(condition, &mut table);
            "controller"
        }
        Condition::Metadata { more, by } => {
            metadata(*more, *by, &mut table);
            "metadata"
        }
        Condition::InSync { partition } => {
            words.partition(partition, &mut table);
            "in_sync"
        }
        // Written by the caller.
        Condition::Quiet { .. } | Condition::All(_) | Condition::Any(_) => "all",
    };
    (key, table.done())
}

/// Who is active or elected, or how often one became active.
fn controller(condition: &Condition, table: &mut Inline) {
    match condition {
        Condition::Controller { is } => {
            let nobody = || "\"none\"".to_owned();
            table.put("is", is.map_or_else(nobody, |id| id.to_string()));
        }
        Condition::ControllerElected { controller } => {
            table.put("elected", controller);
        }
        Condition::ControllerActivations { at_least } => {
            table.put("activations", at_least);
        }
        _ => {}
    }
}

/// How much more is to be known to be committed, and by how many.
fn metadata(more: i64, by: Reached, table: &mut Inline) {
    table.put("more", more);
    match by {
        Reached::All => {}
        Reached::AtLeast(1) => drop(table.text("by", "any")),
        Reached::AtLeast(least) => drop(table.put("by", least)),
    }
}

fn reached(
    partition: &TopicPartition,
    broker: BrokerId,
    at_least: Offset,
    words: &Words<'_>,
    table: &mut Inline,
) {
    words.partition(partition, table);
    table.put("broker", broker).put("at_least", at_least);
}

fn status(status: BrokerStatus) -> &'static str {
    match status {
        BrokerStatus::Down => "down",
        BrokerStatus::Fenced => "fenced",
        BrokerStatus::Unfenced => "unfenced",
    }
}
