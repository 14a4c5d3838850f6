//! Records that wait to be sent: a queue of batches for each partition.
//!
//! Rule: a record goes into the last batch of its partition, or a new one of `batch.size` if memory is
//! left; a record that is larger gets a batch of its own.
//! Invariants: `free` + the memory of all batches that have not ended = `buffer.memory`; every such
//! batch is in `expiry`, unless its delivery timeout is over.
//! Simplified: a batch that was split takes no buffer memory (as in Kafka).
//! Source: `RecordAccumulator.append`, `splitAndReenqueue`, `expiredBatches`, `BufferPool`.
//! Next: `queues.rs`, for when a batch is sent.

use super::batch::{Batch, BatchId};
use super::partitioner::{Sticky, partition_for_key};
use super::queues::Queues;
use crate::client_metadata::ClientMetadata;
use crate::config::ProducerConfig;
use crate::id::{OperationId, TopicName, TopicPartition};
use crate::random::Random;
use crate::record::{BATCH_HEADER_SIZE, BatchBuilder};
use crate::time::{Now, Timestamp};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A record to append.
#[derive(Clone, Debug)]
pub(super) struct NewRecord {
    pub(super) operation: OperationId,
    pub(super) topic: TopicName,
    pub(super) partition: Option<i32>,
    pub(super) key: Option<Bytes>,
    pub(super) value: Bytes,
}

impl NewRecord {
    /// Upper bound of the size of a batch with this record alone.
    pub(super) fn batch_bound(&self) -> usize {
        BATCH_HEADER_SIZE + self.bound()
    }

    fn bound(&self) -> usize {
        BatchBuilder::record_size_bound(self.key.as_deref(), Some(&self.value), &[])
    }
}

/// What an append did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Appended {
    /// The record is in a batch, and no batch became ready or has to be timed by that.
    Quietly,
    /// The record is in a batch that is new or became full: look at what is ready.
    Stirring,
    /// There is no memory for another batch.
    NoMemory,
    /// The topic or partition is not known.
    UnknownPartition,
}

/// All queues of a producer.
#[derive(Debug)]
pub(super) struct Accumulator {
    batch_size: usize,
    pub(super) queues: Queues,
    topics: BTreeMap<TopicName, TopicQueues>,
    free: usize,
    next_batch: u64,
    delivery_timeout: Duration,
    /// Every batch that has not ended, queued or in flight, by the end of its delivery timeout.
    expiry: BTreeSet<(Timestamp, BatchId, usize)>,
}

#[derive(Debug, Default)]
struct TopicQueues {
    sticky: Sticky,
    /// The queue of each partition, by number.
    queues: Vec<Option<usize>>,
}

impl Accumulator {
    pub(super) fn new(config: &ProducerConfig) -> Self {
        Self {
            batch_size: config.batch_size,
            queues: Queues::new(config.linger, config.max_request_size),
            topics: BTreeMap::new(),
            free: config.buffer_memory,
            next_batch: 0,
            delivery_timeout: config.delivery_timeout,
            expiry: BTreeSet::new(),
        }
    }

    /// Puts a record into the last batch of its partition, or into a new one.
    pub(super) fn append(
        &mut self,
        now: Now,
        record: &NewRecord,
        metadata: &ClientMetadata,
        random: &mut Random,
    ) -> Appended {
        let Some(number) = self.choose(record, metadata, random) else {
            return Appended::UnknownPartition;
        };
        let queue = self.queue_of(&record.topic, number, metadata);
        let before = self.queues.last(queue).map_or(0, Batch::size);
        let appended = if self.append_to_last(now, queue, record) {
            Appended::Quietly
        } else {
            self.append_to_new(now, queue, record)
        };
        if appended == Appended::NoMemory {
            return appended;
        }
        let last = self.queues.last(queue);
        let full = last.is_none_or(Batch::is_full);
        let size = last.map_or(0, Batch::size);
        let grown = match appended {
            Appended::Quietly => size.saturating_sub(before),
            _ => size,
        };
        let first_became_full = full && self.queues.len(queue) == 1;
        if record.partition.is_none() && record.key.is_none() {
            let batch_size = self.batch_size;
            if let Some(topic) = self.topics.get_mut(&record.topic) {
                topic.sticky.produced(grown, full, batch_size);
            }
        }
        if appended == Appended::Stirring || first_became_full {
            self.queues.reschedule(queue);
            return Appended::Stirring;
        }
        appended
    }

    fn choose(
        &mut self,
        record: &NewRecord,
        metadata: &ClientMetadata,
        random: &mut Random,
    ) -> Option<usize> {
        let count = metadata.partition_count(&record.topic);
        match (record.partition, &record.key) {
            (Some(number), _) => usize::try_from(number).ok().filter(|n| *n < count),
            (None, Some(key)) => (count > 0).then(|| partition_for_key(key, count)),
            (None, None) => {
                let batch_size = self.batch_size;
                let topic = topic_queues(&mut self.topics, &record.topic);
                let number = topic.sticky.current(&record.topic, metadata, random)?;
                // The batches that kept it there may all have been sent since.
                let queue = topic.queues.get(number).copied().flatten();
                let full =
                    queue.is_none_or(|queue| self.queues.last(queue).is_none_or(Batch::is_full));
                topic.sticky.produced(0, full, batch_size);
                topic.sticky.current(&record.topic, metadata, random)
            }
        }
    }

    fn queue_of(&mut self, topic: &TopicName, number: usize, metadata: &ClientMetadata) -> usize {
        let queues = &mut topic_queues(&mut self.topics, topic).queues;
        if queues.len() <= number {
            queues.resize(number + 1, None);
        }
        if let Some(queue) = queues[number] {
            return queue;
        }
        let partition =
            TopicPartition::new(topic.clone(), i32::try_from(number).unwrap_or(i32::MAX));
        let queue = self.queues.add(partition, metadata);
        queues[number] = Some(queue);
        queue
    }

    fn append_to_last(&mut self, now: Now, queue: usize, record: &NewRecord) -> bool {
        let key = record.key.as_deref();
        self.queues.last_mut(queue).is_some_and(|last| {
            last.try_append(
                record.operation,
                now.wall,
                key,
                Some(&record.value),
                record.bound(),
            )
        })
    }

    fn append_to_new(&mut self, now: Now, queue: usize, record: &NewRecord) -> Appended {
        let limit = self.batch_size.max(record.batch_bound());
        let Some(free) = self.free.checked_sub(limit) else {
            return Appended::NoMemory;
        };
        self.free = free;
        let batch = Batch::new(BatchId(self.next_batch), queue, now.monotonic, limit);
        self.next_batch += 1;
        self.expiry.insert(self.expiry_of(&batch));
        self.queues.push_back(batch);
        self.append_to_last(now, queue, record);
        Appended::Stirring
    }

    fn expiry_of(&self, batch: &Batch) -> (Timestamp, BatchId, usize) {
        (batch.created + self.delivery_timeout, batch.id, batch.queue)
    }

    /// The time of a batch's delivery is over.
    pub(super) fn is_expired(&self, now: Timestamp, batch: &Batch) -> bool {
        self.expiry_of(batch).0 <= now
    }

    /// When the next batch expires.
    pub(super) fn next_expiry(&self) -> Option<Timestamp> {
        self.expiry.first().map(|first| first.0)
    }

    /// The next batch that has expired, with its queue, oldest first. It is not named again.
    pub(super) fn pop_expired(&mut self, now: Timestamp) -> Option<(BatchId, usize)> {
        let first = self
            .expiry
            .first()
            .filter(|first| first.0 <= now)
            .copied()?;
        self.expiry.remove(&first);
        Some((first.1, first.2))
    }

    /// A batch has ended: its memory is free again.
    pub(super) fn finish(&mut self, batch: &Batch) {
        self.expiry.remove(&self.expiry_of(batch));
        self.free += batch.memory;
    }

    /// Splits a batch that was too large and puts its parts back, in order. If its records cannot be
    /// read, the batch comes back.
    pub(super) fn put_back_split(&mut self, mut batch: Batch) -> Option<Batch> {
        let target = batch.split_target(self.batch_size);
        let next = &mut self.next_batch;
        let parts = batch.split(target, || {
            *next += 1;
            BatchId(*next - 1)
        });
        let Some(parts) = parts else {
            return Some(batch);
        };
        self.finish(&batch);
        for part in parts.into_iter().rev() {
            self.expiry.insert(self.expiry_of(&part));
            self.queues.put_back(part);
        }
        None
    }
}

fn topic_queues<'a>(
    topics: &'a mut BTreeMap<TopicName, TopicQueues>,
    topic: &TopicName,
) -> &'a mut TopicQueues {
    if !topics.contains_key(topic) {
        topics.insert(topic.clone(), TopicQueues::default());
    }
    topics.entry(topic.clone()).or_default()
}
