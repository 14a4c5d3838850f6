//! What the applications asked of their clients and what they were told: every send by its operation,
//! and found by its value, for each value occurs once in a plan.

use ktrial_core::event::SendOutcome;
use ktrial_core::{NodeId, OperationId, Timestamp, TopicName};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Its name in the record.
    pub id: OperationId,
    /// Who sent.
    pub client: NodeId,
    /// To which topic.
    pub topic: TopicName,
    /// To which partition, as far as it is chosen.
    pub partition: Option<i32>,
    /// What.
    pub value: Arc<str>,
    /// When it began.
    pub started: Timestamp,
    /// When and how it ended, if it did.
    pub ended: Option<(Timestamp, SendOutcome)>,
}

impl Operation {
    /// Whether it was acknowledged.
    pub fn acknowledged(&self) -> bool {
        matches!(self.ended, Some((_, SendOutcome::Acknowledged { .. })))
    }
}

/// Every send so far.
#[derive(Clone, Debug, Default)]
pub struct Operations {
    list: Vec<Operation>,
    by_id: BTreeMap<OperationId, usize>,
    by_value: BTreeMap<Arc<str>, usize>,
    read: BTreeSet<(usize, NodeId)>,
    pending: usize,
}

impl Operations {
    /// In the order in which they began.
    pub fn list(&self) -> &[Operation] {
        &self.list
    }

    /// How many have not ended.
    pub fn pending(&self) -> usize {
        self.pending
    }

    /// The place in the list of an operation.
    pub fn index(&self, id: OperationId) -> Option<usize> {
        self.by_id.get(&id).copied()
    }

    /// The send of a value.
    pub fn of_value(&self, value: &str) -> Option<&Operation> {
        self.by_value
            .get(value)
            .and_then(|index| self.list.get(*index))
    }

    /// Whether that client got that value.
    pub fn read_by(&self, client: NodeId, value: &str) -> bool {
        let index = self.by_value.get(value);
        index.is_some_and(|index| self.read.contains(&(*index, client)))
    }

    pub(super) fn start(
        &mut self,
        at: Timestamp,
        client: NodeId,
        id: OperationId,
        (topic, partition, value): (TopicName, Option<i32>, &str),
    ) {
        let value: Arc<str> = value.into();
        let index = self.list.len();
        self.by_id.insert(id, index);
        self.by_value.insert(Arc::clone(&value), index);
        self.pending += 1;
        self.list.push(Operation {
            id,
            client,
            topic,
            partition,
            value,
            started: at,
            ended: None,
        });
    }

    pub(super) fn end(
        &mut self,
        at: Timestamp,
        id: OperationId,
        partition: Option<i32>,
        outcome: SendOutcome,
    ) {
        let index = self.by_id.get(&id);
        let Some(operation) = index.and_then(|index| self.list.get_mut(*index)) else {
            return;
        };
        operation.partition = partition.or(operation.partition);
        if operation.ended.replace((at, outcome)).is_none() {
            self.pending -= 1;
        }
    }

    pub(super) fn polled(&mut self, client: NodeId, value: &str) {
        if let Some(index) = self.by_value.get(value) {
            self.read.insert((*index, client));
        }
    }
}
