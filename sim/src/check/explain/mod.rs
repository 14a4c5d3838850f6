//! Why things are as they are at the end, in words: how records came to be lost, why values are there
//! twice, what a partition without leader waits for.
//!
//! Simplified: a chain is told for the first hundred lost records of a trial; the others have their
//! acknowledgement and their reason only. A trial that loses more lost them all in the same way.
//!
//! Next: `trace.rs` (the second pass over the record that gathers the facts), `loss.rs` (the telling),
//! `outage.rs`.

mod loss;
mod outage;
mod trace;

pub(super) use loss::lost;
pub(super) use outage::{Outages, could_lead};

use super::client::Duplicate;
use crate::history::{Record, What};
use crate::plan::Plan;
use crate::verdict::Duplicated;
use crate::view::View;
use ktrial_core::{BrokerId, ErrorCode, Event, NodeId, TopicPartition};

/// The replicas that may become leader without an unclean election, for a partition that nobody leads:
/// the members of ISR and ELR, else the last known leader.
pub(super) fn eligible(plan: &Plan, view: &View, partition: &TopicPartition) -> Vec<BrokerId> {
    let state = view.partition(partition);
    let Some(committed) = state.and_then(|state| state.committed.as_ref()) else {
        return Vec::new();
    };
    let mut eligible = committed.isr.clone();
    eligible.extend(&committed.elr);
    // Who was moved away is not elected.
    eligible.retain(|broker| committed.replicas.contains(broker));
    if eligible.is_empty() && plan.rules.elr_last_known_leader {
        eligible.extend(&committed.last_known_elr);
    }
    eligible.retain(|broker| committed.replicas.contains(broker));
    eligible.sort();
    eligible.dedup();
    eligible
}

/// The duplicates with their reasons.
pub(super) fn duplicated(
    record: &Record,
    view: &View,
    duplicates: &[Duplicate<'_>],
) -> Vec<Duplicated> {
    let retries = if duplicates.is_empty() {
        Vec::new()
    } else {
        retries(record)
    };
    let told = duplicates.iter().map(|duplicate| {
        let send = view.operations().of_value(duplicate.value);
        let retry = retries.iter().find(|(at, client, partition, _)| {
            Some(*client) == duplicate.client
                && *partition == duplicate.partition
                && send.is_some_and(|send| {
                    *at >= send.started && send.ended.is_none_or(|(end, _)| *at <= end)
                })
        });
        let name = duplicate.client.map_or_else(String::new, |client| name(record, client));
        let why = match retry {
            Some((at, _, _, error)) => format!(
                "{name} tried again at {} ms after {error}, and the earlier attempt had been written \
                 too. Without idempotence the leader takes both.",
                at.as_millis()
            ),
            None => "No retry of its producer explains it.".to_owned(),
        };
        Duplicated {
            topic: duplicate.partition.topic.clone(),
            partition: duplicate.partition.partition,
            offsets: duplicate.offsets.clone(),
            value: duplicate.value.to_owned(),
            why,
            permitted: duplicate.permitted,
        }
    });
    told.collect()
}

type Retry<'a> = (
    ktrial_core::Timestamp,
    NodeId,
    &'a TopicPartition,
    ErrorCode,
);

fn retries(record: &Record) -> Vec<Retry<'_>> {
    let entries = record.entries.iter();
    let retries = entries.filter_map(|entry| match (&entry.what, entry.node) {
        (
            What::Event(Event::SendRetried {
                partition, error, ..
            }),
            Some(client),
        ) => Some((entry.at, client, partition, *error)),
        _ => None,
    });
    retries.collect()
}

/// A client's name in the scenario, else as a node.
fn name(record: &Record, client: NodeId) -> String {
    let name = record.header.clients.get(&client);
    name.cloned().unwrap_or_else(|| client.to_string())
}

/// `broker 1`, `brokers 0 and 2`, `no broker`.
fn brokers(ids: &[BrokerId], and: &str) -> String {
    match ids {
        [] => "no broker".to_owned(),
        [id] => format!("broker {id}"),
        [first @ .., last] => {
            let first: Vec<String> = first.iter().map(ToString::to_string).collect();
            format!("brokers {} {and} {last}", first.join(", "))
        }
    }
}

/// `[0, 1]`
fn set(ids: &[BrokerId]) -> String {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    format!("[{}]", ids.join(", "))
}

/// With its first letter in upper case.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}
