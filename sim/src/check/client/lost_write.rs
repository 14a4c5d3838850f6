//! `lost_write`: a value that was acknowledged and is not in the log that counts at the end.
//!
//! False positives avoided: acks=0 is never acknowledged; with no leader at the end, every replica that
//! may lead is asked; a partition of which no log was read back is not judged, unless every broker that had
//! it was told to delete it; nor is a record whose topic was deleted or is being deleted, or that may have
//! gone to the old topic because a broker still had it.

use super::{Case, acknowledged_offset, partition_of};
use crate::check::promise::LossCause;
use crate::history::FinalLog;
use crate::plan::Action;
use crate::view::Operation;
use ktrial_core::{Offset, TopicPartition};
use std::collections::{BTreeMap, BTreeSet};

/// A lost record.
pub(in crate::check) struct LostWrite<'a> {
    pub(in crate::check) operation: &'a Operation,
    pub(in crate::check) partition: TopicPartition,
    pub(in crate::check) offset: Offset,
    /// What permits it.
    pub(in crate::check) cause: Option<LossCause>,
}

/// Every lost record, in the order of the sends.
pub(in crate::check) fn lost_writes<'a>(case: &Case<'a>) -> Vec<LostWrite<'a>> {
    let mut partitions: BTreeMap<TopicPartition, Counting<'a>> = BTreeMap::new();
    let mut lost = Vec::new();
    for operation in case.view.operations().list() {
        if !operation.acknowledged() {
            continue;
        }
        let Some(partition) = partition_of(operation) else {
            continue;
        };
        let read = case.history.logs.contains_key(&partition);
        let judged = read || deleted_everywhere(case, &partition);
        if !judged || went_with_topic(case, operation) || is_going(case, &partition) {
            continue;
        }
        let counting = partitions
            .entry(partition.clone())
            .or_insert_with(|| Counting::new(case.logs_that_count(&partition)));
        let offset = acknowledged_offset(operation);
        if counting.has(&operation.value, offset) {
            continue;
        }
        let (promises, client) = (case.promises, operation.client);
        let at = offset.unwrap_or(Offset(-1));
        let place = (at, operation.started);
        lost.push(LostWrite {
            operation,
            offset: at,
            cause: case
                .happened
                .loss_cause_for(promises, client, &partition, place),
            partition,
        });
    }
    lost
}

/// Whether no broker has a replica any more, though nobody wanted the topic to go. (With ZooKeeper the
/// replicas of a topic are deleted before it is.)
fn deleted_everywhere(case: &Case<'_>, name: &TopicPartition) -> bool {
    let state = case.view.partition(name);
    state.is_some_and(|state| state.replicas.is_empty()) && !is_unwanted(case, name)
}

/// Whether an operator wants the topic to go, and a broker has deleted its replica, so that nobody leads.
/// (With ZooKeeper one that is away holds back the end of a deletion, not its beginning.)
fn is_going(case: &Case<'_>, name: &TopicPartition) -> bool {
    let state = case.view.partition(name);
    let committed = state.and_then(|state| Some((state, state.committed.as_ref()?)));
    let deleted = committed.is_some_and(|(state, committed)| {
        let mut replicas = committed.replicas.iter();
        committed.leader.is_none() && replicas.any(|id| !state.replicas.contains_key(id))
    });
    deleted && is_unwanted(case, name)
}

fn is_unwanted(case: &Case<'_>, name: &TopicPartition) -> bool {
    let deletes =
        |action: &Action| matches!(action, Action::DeleteTopic { topic } if *topic == name.topic);
    let actions = case.plan.all_steps();
    let mut actions = actions.filter_map(|step| step.action.as_ref());
    actions.any(deletes)
}

/// Whether the record may have been of a topic that was deleted.
fn went_with_topic(case: &Case<'_>, operation: &Operation) -> bool {
    let ended = operation.ended.map(|(at, _)| at);
    ended.is_some_and(|at| case.view.may_be_deleted(&operation.topic, at))
}

/// The logs that count for one partition.
struct Counting<'a> {
    logs: Vec<&'a FinalLog>,
    /// Every value in them; made when an offset does not answer the question.
    values: Option<BTreeSet<&'a str>>,
}

impl<'a> Counting<'a> {
    fn new(logs: Vec<&'a FinalLog>) -> Self {
        Self { logs, values: None }
    }

    fn has(&mut self, value: &str, offset: Option<Offset>) -> bool {
        let logs = &self.logs;
        let at_offset = offset.is_some_and(|offset| {
            logs.iter().any(|log| {
                let index = log.records.partition_point(|record| record.offset < offset);
                let record = log.records.get(index);
                record.is_some_and(|record| record.offset == offset && record.value == value)
            })
        });
        at_offset
            || self
                .values
                .get_or_insert_with(|| {
                    let records = logs.iter().flat_map(|log| &log.records);
                    records.map(|record| record.value.as_str()).collect()
                })
                .contains(value)
    }
}
