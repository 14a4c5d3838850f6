//! What a step does: the key of the action and its table.

use super::toml::{self, Inline};
use super::words::Words;
use super::{fault, topics};
use crate::duration::show_millis;
use ktrial_core::TopicPartition;
use ktrial_core::message::{ConfigChange, ConfigResource, ElectionType};
use ktrial_sim::plan::{Action, StopKind, Target};

/// An action, and how long it lasts if its table does not say so.
pub(super) struct Written {
    pub(super) key: &'static str,
    pub(super) table: String,
    pub(super) for_ms: Option<u64>,
}

/// Writes an action that lasts so long.
pub(super) fn action(action: &Action, for_ms: Option<u64>, words: &Words<'_>) -> Written {
    if let Some((key, table)) = topics::action(action) {
        return Written { key, table, for_ms };
    }
    if let Action::AlterConfig { changes } = action {
        return Written {
            key: "alter_config",
            table: alter_config(changes),
            for_ms,
        };
    }
    let mut table = Inline::default();
    let mut lasts = for_ms;
    let key = match action {
        Action::Stop { nodes, how } => {
            words.group(nodes, &mut table);
            stopped(*how, lasts.take(), &mut table)
        }
        Action::Start { nodes } => group("start", nodes, words, &mut table),
        Action::Pause { nodes } => group("pause", nodes, words, &mut table),
        Action::Resume { nodes } => group("resume", nodes, words, &mut table),
        Action::Link { .. } => fault::link(action, words, &mut table),
        Action::Disk {
            nodes,
            directory,
            fault,
        } => {
            words.group(nodes, &mut table);
            fault::disk(fault, &mut table);
            if let Some(directory) = directory {
                table.text("directory", directory);
            }
            "disk"
        }
        Action::Clock { nodes, fault } => {
            words.group(nodes, &mut table);
            fault::clock(*fault, &mut table);
            "clock"
        }
        Action::Send { .. } => send(action, words, &mut table),
        Action::Heal => "heal",
        Action::ElectLeaders {
            election,
            partitions,
        } => elect(*election, partitions, words, &mut table),
        Action::Assign {
            consumer,
            partitions,
        } => {
            if words.plan.consumers.len() != 1 {
                table.text("consumer", consumer);
            }
            table.put("partitions", words.partitions(partitions));
            "assign"
        }
        // Written above.
        Action::AlterConfig { .. } => "alter_config",
        Action::CreateTopic { .. } => "create_topic",
        Action::AddPartitions { .. } => "add_partitions",
        Action::DeleteTopic { .. } => "delete_topic",
        Action::Reassign { .. } => "reassign",
    };
    Written {
        key,
        table: table.done(),
        for_ms: lasts,
    }
}

/// A stop that lasts is a restart.
fn stopped(how: StopKind, down: Option<u64>, table: &mut Inline) -> &'static str {
    let Some(down) = down else {
        return stop(how);
    };
    if how != StopKind::Kill {
        table.text("how", stop(how));
    }
    table.text("down", &show_millis(down));
    "restart"
}

fn elect(
    election: ElectionType,
    partitions: &Vec<TopicPartition>,
    words: &Words<'_>,
    table: &mut Inline,
) -> &'static str {
    let kind = match election {
        ElectionType::Preferred => "preferred",
        ElectionType::Unclean => "unclean",
    };
    table.text("election", kind);
    if words.partitions.as_ref() != Some(partitions) {
        table.put("partitions", words.partitions(partitions));
    }
    "elect_leaders"
}

fn group(
    key: &'static str,
    nodes: &[Target],
    words: &Words<'_>,
    table: &mut Inline,
) -> &'static str {
    words.group(nodes, table);
    key
}

fn stop(how: StopKind) -> &'static str {
    match how {
        StopKind::Kill => "kill",
        StopKind::PowerLoss => "power_loss",
        StopKind::Shutdown => "shutdown",
    }
}

fn send(action: &Action, words: &Words<'_>, table: &mut Inline) -> &'static str {
    let Action::Send {
        producer,
        topic,
        partition,
        key,
        values,
    } = action
    else {
        return "send";
    };
    if words.plan.producers.len() != 1 {
        table.text("producer", producer);
    }
    if words.plan.topics.len() != 1 {
        table.text("topic", topic);
    }
    if let Some(partition) = partition {
        table.put("partition", partition);
    }
    if let Some(key) = key {
        table.text("key", key);
    }
    table.put("values", toml::texts(values));
    "send"
}

/// Changes that one table can hold: of one resource, first what is set, then what is deleted.
fn alter_config(changes: &[ConfigChange]) -> String {
    let mut tables: Vec<Vec<&ConfigChange>> = Vec::new();
    for change in changes {
        let fits = |table: &Vec<&ConfigChange>| {
            table.iter().all(|other| {
                let order = change.value.is_none() || other.value.is_some();
                other.resource == change.resource && order && other.key != change.key
            })
        };
        match tables.last_mut() {
            Some(table) if fits(table) => table.push(change),
            _ => tables.push(vec![change]),
        }
    }
    let tables: Vec<String> = tables.iter().map(|table| one_config(table)).collect();
    match tables.as_slice() {
        [only] => only.clone(),
        several => toml::list(several),
    }
}

fn one_config(changes: &[&ConfigChange]) -> String {
    let mut table = Inline::default();
    match changes.first().map(|change| &change.resource) {
        Some(ConfigResource::Topic(topic)) => {
            table.text("topic", topic);
        }
        Some(ConfigResource::Broker(broker)) => {
            table.put("broker", broker);
        }
        Some(ConfigResource::Cluster) | None => {}
    }
    let (mut set, mut delete) = (Inline::default(), Vec::new());
    for change in changes {
        match &change.value {
            Some(value) => {
                set.put(&toml::setting_key(&change.key), toml::setting(value));
            }
            None => delete.push(change.key.as_str()),
        }
    }
    if delete.len() < changes.len() {
        table.put("set", set.done());
    }
    if !delete.is_empty() {
        table.put("delete", toml::texts(&delete));
    }
    table.done()
}
