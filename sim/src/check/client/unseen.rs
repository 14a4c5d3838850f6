//! `unseen`: a value that was acknowledged and is still there, but that a consumer never got although it
//! should have: it read a later offset of the partition, or it had all the time it needed.
//!
//! Jepsen lets a final reader run until it has caught up and then takes every acknowledged value that
//! was never polled. A trial has no final reader, so a consumer counts only if it is assigned the
//! partition by the plan, starts at the earliest offset and runs; and "all the time" is a trial at rest in
//! which progress may be demanded and nothing has changed for long (`liveness/`), with a leader that
//! serves.

use super::{Case, Findings, Read};
use crate::check::liveness;
use crate::plan::ConsumerPlan;
use crate::view::ProcessState;
use ktrial_core::{ClientId, NodeId, Offset, TopicPartition};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn check(case: &Case<'_>, findings: &mut Findings) {
    for (index, consumer) in case.plan.consumers.iter().enumerate() {
        let number = u32::try_from(case.plan.producers.len() + index).unwrap_or(u32::MAX);
        let client = NodeId::Client(ClientId(number));
        if !begins_at_the_start(consumer) || !runs(case, client) {
            continue;
        }
        let read = offsets_read(case, client);
        for partition in &consumer.assign {
            let none = BTreeSet::new();
            let read = read.get(partition).unwrap_or(&none);
            check_partition(case, findings, (&consumer.name, read), partition);
        }
    }
}

fn check_partition(
    case: &Case<'_>,
    findings: &mut Findings,
    (name, read): (&str, &BTreeSet<Offset>),
    partition: &TopicPartition,
) {
    let logs = case.logs_that_count(partition);
    let state = case.view.partition(partition);
    let leader = state.and_then(|state| state.leader());
    let (Some(log), Some((_, leader))) = (logs.first(), leader) else {
        return;
    };
    let at_rest = liveness::demanded(case) && liveness::long_at_rest(case);
    let had_time = at_rest && liveness::serves(case, partition);
    let last_read = read.last().copied();
    for record in &log.records {
        // What is acknowledged (acks=1) but not below the high watermark cannot be read yet.
        if record.offset >= leader.high_watermark {
            break;
        }
        let passed = last_read.is_some_and(|last| record.offset < last);
        if read.contains(&record.offset) || !(passed || had_time) {
            continue;
        }
        let operation = case.values.find(case.view, &record.value);
        if operation.is_some_and(|(_, operation)| operation.acknowledged()) {
            let (value, offset) = (&record.value, record.offset);
            let what = format!("{name} never got {value}, which is at {partition} offset {offset}");
            let permitted = passed && case.reading_excused(partition);
            findings.report("unseen", Some(partition), None, permitted, what);
        }
    }
}

fn begins_at_the_start(consumer: &ConsumerPlan) -> bool {
    let reset = consumer.config.get("auto.offset.reset");
    reset.is_some_and(|reset| reset == "earliest")
}

/// It was never told to stop, and its process runs.
fn runs(case: &Case<'_>, client: NodeId) -> bool {
    let process = case.view.process_of(client);
    process.is_none_or(|process| process.state == ProcessState::Running)
}

fn offsets_read<'a>(
    case: &Case<'a>,
    consumer: NodeId,
) -> BTreeMap<&'a TopicPartition, BTreeSet<Offset>> {
    let mut offsets: BTreeMap<&TopicPartition, BTreeSet<Offset>> = BTreeMap::new();
    for read in &case.history.reads {
        match read {
            Read::Record {
                client,
                partition,
                offset,
                ..
            } if *client == consumer => {
                offsets.entry(partition).or_default().insert(*offset);
            }
            _ => {}
        }
    }
    offsets
}
