//! What the applications asked of their clients and what they were told: every send by its operation,
//! and found by its value, for each value occurs once in a plan.

use ktrial_core::event::SendOutcome;
use ktrial_core::{NodeId, OperationId, Timestamp, TopicName};
use std::collections::BTreeMap;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

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
    /// By number, for they are given out in order from 0.
    by_id: Vec<Option<usize>>,
    /// By the hash of the value, and a count for values that share one: long values with long common
    /// beginnings are slow to compare.
    by_value: BTreeMap<(u64, u32), usize>,
    /// Which operations' values a consumer got.
    read: BTreeMap<NodeId, Vec<bool>>,
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
        let number = usize::try_from(id.0).ok()?;
        self.by_id.get(number).copied().flatten()
    }

    /// The send of a value.
    pub fn of_value(&self, value: &str) -> Option<&Operation> {
        self.position(value).and_then(|index| self.list.get(index))
    }

    fn position(&self, value: &str) -> Option<usize> {
        let hash = xxh3_64(value.as_bytes());
        (0..)
            .map_while(|nth| self.by_value.get(&(hash, nth)).copied())
            .find(|index| {
                self.list
                    .get(*index)
                    .is_some_and(|operation| *operation.value == *value)
            })
    }

    fn remember(&mut self, value: &str, index: usize) {
        let hash = xxh3_64(value.as_bytes());
        let free = (0..).find(|nth| !self.by_value.contains_key(&(hash, *nth)));
        self.by_value
            .insert((hash, free.unwrap_or(u32::MAX)), index);
    }

    /// Whether that client got that value.
    pub fn read_by(&self, client: NodeId, value: &str) -> bool {
        let index = self.position(value);
        let read = self.read.get(&client).zip(index);
        read.is_some_and(|(read, index)| read.get(index).is_some_and(|got| *got))
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
        put(&mut self.by_id, usize::try_from(id.0).unwrap_or(0), Some(index));
        self.remember(&value, index);
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
        let index = self.index(id);
        let Some(operation) = index.and_then(|index| self.list.get_mut(index)) else {
            return;
        };
        operation.partition = partition.or(operation.partition);
        if operation.ended.replace((at, outcome)).is_none() {
            self.pending -= 1;
        }
    }

    pub(super) fn polled(&mut self, client: NodeId, value: &str) {
        if let Some(index) = self.position(value) {
            put(self.read.entry(client).or_default(), index, true);
        }
    }
}

/// Sets an element of a list that grows as far as it must.
fn put<T: Clone + Default>(list: &mut Vec<T>, index: usize, value: T) {
    if list.len() <= index {
        list.resize(index + 1, T::default());
    }
    list[index] = value;
}
