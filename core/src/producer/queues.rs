//! The queues of batches, and which of them are ready to be sent to whom.
//!
//! Rule: a queue is ready when its leader is known, it is not muted, its first batch is not backing
//! off and: that batch is full or another one follows, or it has waited `linger.ms`, or there is a
//! hurry. A ready broker takes one batch of each of its partitions in turn, the lingering ones too, up
//! to `max.request.size`.
//! Invariants: a queue stands in `nodes` or `leaderless` exactly if it has a batch and is not muted
//! (`place` says where), so that nothing here looks at all queues but a change of leaders or hurry.
//! Simplified: the turn among a broker's partitions goes on after the last one served (Kafka's turn
//! moves in a less regular way).
//! Source: `RecordAccumulator.ready`, `batchReady`, `drainBatchesForOneNode`.
//! Next: `sender.rs`.

use super::batch::{Batch, BatchId};
use crate::client_metadata::{ClientMetadata, Leadership};
use crate::id::{BrokerId, TopicPartition};
use crate::time::{Timestamp, earliest};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// The queues of all partitions, by number.
#[derive(Debug)]
pub(super) struct Queues {
    queues: Vec<Queue>,
    nodes: BTreeMap<BrokerId, NodeQueues>,
    leaderless: BTreeSet<usize>,
    linger: Duration,
    max_request_size: usize,
    /// Everything is ready, whatever `linger.ms` says.
    hurry: bool,
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

impl Queues {
    pub(super) fn new(linger: Duration, max_request_size: usize) -> Self {
        Self {
            queues: Vec::new(),
            nodes: BTreeMap::new(),
            leaderless: BTreeSet::new(),
            linger,
            max_request_size,
            hurry: false,
        }
    }

    /// A new queue. Returns its number.
    pub(super) fn add(&mut self, partition: TopicPartition, metadata: &ClientMetadata) -> usize {
        self.queues.push(Queue {
            leadership: metadata.leadership(&partition),
            partition,
            batches: VecDeque::new(),
            muted: false,
            place: Place::Nowhere,
        });
        self.queues.len() - 1
    }

    /// How many batches the queue has.
    pub(super) fn len(&self, queue: usize) -> usize {
        self.queues[queue].batches.len()
    }

    /// The batch that records are appended to.
    pub(super) fn last(&self, queue: usize) -> Option<&Batch> {
        self.queues[queue].batches.back()
    }

    /// As `last`; after a change, `reschedule` the queue.
    pub(super) fn last_mut(&mut self, queue: usize) -> Option<&mut Batch> {
        self.queues[queue].batches.back_mut()
    }

    /// A new batch; `reschedule` the queue when it is filled.
    pub(super) fn push_back(&mut self, batch: Batch) {
        self.queues[batch.queue].batches.push_back(batch);
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
    pub(super) fn reschedule(&mut self, number: usize) {
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
