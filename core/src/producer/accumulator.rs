//! Records that wait to be sent: a queue of batches for each partition.
//!
//! Rule: a queue is ready when its leader is known, it is not muted, its first batch is not backing
//! off and: that batch is full or another one follows, or it has waited `linger.ms`, or memory is
//! exhausted while sends wait for it, or the producer closes. A ready broker takes one batch of each of
//! its partitions in turn, the lingering ones too, up to `max.request.size`.
//! Invariants: a queue stands in `nodes` or `leaderless` exactly if it has a batch and is not muted
//! (`place` says where); `free` + the memory of all live batches = `buffer.memory`.
//! Simplified: the turn among a broker's partitions goes on after the last one served (Kafka's turn
//! moves in a less regular way).
//! Source: `RecordAccumulator.append`, `ready`, `batchReady`, `drainBatchesForOneNode`, `BufferPool`.
//! Next: `sender.rs`.

use super::batch::{Batch, BatchId};
use super::partitioner::{Sticky, partition_for_key};
use crate::client_metadata::{ClientMetadata, Leadership};
use crate::config::ProducerConfig;
use crate::id::{BrokerId, OperationId, TopicName, TopicPartition};
use crate::random::Random;
use crate::record::{BATCH_HEADER_SIZE, BatchBuilder};
use crate::time::{Now, Timestamp, earliest};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
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
    linger: Duration,
    max_request_size: usize,
    topics: BTreeMap<TopicName, TopicQueues>,
    queues: Vec<Queue>,
    nodes: BTreeMap<BrokerId, NodeQueues>,
    leaderless: BTreeSet<usize>,
    free: usize,
    /// Everything is ready, whatever `linger.ms` says.
    hurry: bool,
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

#[derive(Debug)]
struct Queue {
    partition: TopicPartition,
    leadership: Leadership,
    batches: VecDeque<Batch>,
    muted: bool,
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Nowhere,
    Leaderless,
    Node(BrokerId, Timestamp),
}

/// The queues with batches whose leader is one broker.
#[derive(Debug, Default)]
struct NodeQueues {
    by_time: BTreeSet<(Timestamp, usize)>,
    by_number: BTreeSet<usize>,
    turn: usize,
}

impl Accumulator {
    pub(super) fn new(config: &ProducerConfig) -> Self {
        Self {
            batch_size: config.batch_size,
            linger: config.linger,
            max_request_size: config.max_request_size,
            topics: BTreeMap::new(),
            queues: Vec::new(),
            nodes: BTreeMap::new(),
            leaderless: BTreeSet::new(),
            free: config.buffer_memory,
            hurry: false,
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
        let before = self.queues[queue].batches.back().map_or(0, Batch::size);
        let appended = if self.append_to_last(now, queue, record) {
            Appended::Quietly
        } else {
            self.append_to_new(now, queue, record)
        };
        if appended == Appended::NoMemory {
            return appended;
        }
        let batches = &self.queues[queue].batches;
        let last = batches.back();
        let full = last.is_none_or(Batch::is_full);
        let size = last.map_or(0, Batch::size);
        let grown = match appended {
            Appended::Quietly => size.saturating_sub(before),
            _ => size,
        };
        let first_became_full = full && batches.len() == 1;
        if record.partition.is_none() && record.key.is_none() {
            let batch_size = self.batch_size;
            if let Some(topic) = self.topics.get_mut(&record.topic) {
                topic.sticky.produced(grown, full, batch_size);
            }
        }
        if appended == Appended::Stirring || first_became_full {
            self.reschedule(queue);
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
                let full = queue.is_none_or(|queue| {
                    let last = self.queues[queue].batches.back();
                    last.is_none_or(Batch::is_full)
                });
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
        let queue = self.queues.len();
        queues[number] = Some(queue);
        let partition =
            TopicPartition::new(topic.clone(), i32::try_from(number).unwrap_or(i32::MAX));
        self.queues.push(Queue {
            leadership: metadata.leadership(&partition),
            partition,
            batches: VecDeque::new(),
            muted: false,
            place: Place::Nowhere,
        });
        queue
    }

    fn append_to_last(&mut self, now: Now, queue: usize, record: &NewRecord) -> bool {
        let key = record.key.as_deref();
        self.queues[queue].batches.back_mut().is_some_and(|last| {
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
        self.queues[queue].batches.push_back(batch);
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

    /// The partition of a queue.
    pub(super) fn partition(&self, queue: usize) -> &TopicPartition {
        &self.queues[queue].partition
    }

    /// Puts a batch back for another attempt, before all others of its partition.
    pub(super) fn put_back(&mut self, batch: Batch) {
        let queue = batch.queue;
        self.queues[queue].batches.push_front(batch);
        self.reschedule(queue);
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
            self.queues[batch.queue].batches.push_front(part);
        }
        self.reschedule(batch.queue);
        None
    }

    /// Takes a batch out of its queue, wherever it stands.
    pub(super) fn take(&mut self, queue: usize, id: BatchId) -> Option<Batch> {
        let batches = &mut self.queues[queue].batches;
        let place = batches.iter().position(|batch| batch.id == id)?;
        let batch = batches.remove(place);
        self.reschedule(queue);
        batch
    }

    /// With `max.in.flight.requests.per.connection` = 1, a partition with a batch in flight is muted.
    pub(super) fn set_muted(&mut self, queue: usize, muted: bool) {
        self.queues[queue].muted = muted;
        self.reschedule(queue);
    }

    /// Whether everything is ready at once: memory is exhausted, or the producer closes.
    pub(super) fn set_hurry(&mut self, hurry: bool) {
        if self.hurry != hurry {
            self.hurry = hurry;
            for queue in 0..self.queues.len() {
                if self.queues[queue].place != Place::Nowhere {
                    self.reschedule(queue);
                }
            }
        }
    }

    /// Takes over who leads the partitions now.
    pub(super) fn update_leaders(&mut self, metadata: &ClientMetadata) {
        for queue in 0..self.queues.len() {
            let leadership = metadata.leadership(&self.queues[queue].partition);
            if self.queues[queue].leadership != leadership {
                self.queues[queue].leadership = leadership;
                self.reschedule(queue);
            }
        }
    }

    /// Records wait for a partition without a known leader.
    pub(super) fn has_leaderless(&self) -> bool {
        !self.leaderless.is_empty()
    }

    /// The brokers that lead partitions with batches, and when the first of these is ready.
    fn ready_times(&self) -> impl Iterator<Item = (BrokerId, Timestamp)> {
        self.nodes
            .iter()
            .filter_map(|(broker, node)| node.by_time.first().map(|first| (*broker, first.0)))
    }

    /// The brokers with a queue that is ready now.
    pub(super) fn ready_brokers(&self, now: Timestamp) -> Vec<BrokerId> {
        let ready = self.ready_times().filter(|(_, at)| *at <= now);
        ready.map(|(broker, _)| broker).collect()
    }

    /// Whether the broker has a queue that is ready now.
    pub(super) fn is_ready(&self, now: Timestamp, broker: BrokerId) -> bool {
        let first = self
            .nodes
            .get(&broker)
            .and_then(|node| node.by_time.first());
        first.is_some_and(|first| first.0 <= now)
    }

    /// When the next queue of any broker that `ready_at` allows is ready.
    pub(super) fn next_ready(
        &self,
        ready_at: impl Fn(BrokerId) -> Option<Timestamp>,
    ) -> Option<Timestamp> {
        self.ready_times().fold(None, |next, (broker, queue_at)| {
            earliest(next, ready_at(broker).map(|at| at.max(queue_at)))
        })
    }

    /// The batches of the next request to `broker`.
    pub(super) fn drain(&mut self, now: Timestamp, broker: BrokerId, mute: bool) -> Vec<Batch> {
        let Some(node) = self.nodes.get(&broker) else {
            return Vec::new();
        };
        let (later, sooner) = (
            node.by_number.range(node.turn..),
            node.by_number.range(..node.turn),
        );
        let order: Vec<usize> = later.chain(sooner).copied().collect();
        let mut drained: Vec<Batch> = Vec::new();
        let mut size = 0;
        let mut turn = 0;
        for queue in order {
            let Some(first) = self.queues[queue].batches.front() else {
                continue;
            };
            if first.backing_off_until() > now {
                continue;
            }
            turn = queue;
            if size + first.size() > self.max_request_size && !drained.is_empty() {
                break;
            }
            size += first.size();
            turn = queue + 1;
            drained.extend(self.queues[queue].batches.pop_front());
            self.queues[queue].muted = mute;
            self.reschedule(queue);
        }
        if let Some(node) = self.nodes.get_mut(&broker) {
            node.turn = turn;
        }
        drained
    }

    /// Puts a queue where it belongs after any change of it.
    fn reschedule(&mut self, number: usize) {
        let queue = &mut self.queues[number];
        let place = queue.new_place(self.linger, self.hurry);
        if place == queue.place {
            return;
        }
        match queue.place {
            Place::Nowhere => {}
            Place::Leaderless => {
                self.leaderless.remove(&number);
            }
            Place::Node(broker, at) => {
                let node = self.nodes.entry(broker).or_default();
                node.by_time.remove(&(at, number));
                node.by_number.remove(&number);
            }
        }
        match place {
            Place::Nowhere => {}
            Place::Leaderless => {
                self.leaderless.insert(number);
            }
            Place::Node(broker, at) => {
                let node = self.nodes.entry(broker).or_default();
                node.by_time.insert((at, number));
                node.by_number.insert(number);
            }
        }
        queue.place = place;
    }
}

impl Queue {
    fn new_place(&mut self, linger: Duration, hurry: bool) -> Place {
        let more = self.batches.len() > 1;
        let Some(first) = self.batches.front_mut().filter(|_| !self.muted) else {
            return Place::Nowhere;
        };
        let Some(leader) = self.leadership.leader else {
            return Place::Leaderless;
        };
        first.note_leader_epoch(self.leadership.epoch);
        let sendable_at = if more || hurry || first.is_full() {
            Timestamp::ZERO
        } else {
            first.created + linger
        };
        Place::Node(leader, sendable_at.max(first.backing_off_until()))
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
