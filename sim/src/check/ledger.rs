//! Every batch that was ever appended, by whoever: in which leader epoch, who appended it first, who has
//! it now, whether it was ever below a leader's high watermark. The checks that ask what became of a
//! record ask here.
//!
//! A batch is named by its partition, its leader epoch and its base offset: within an epoch only one
//! broker appends, so its offsets rise (`written_by_leader` and `log_matching` say if not).
//!
//! But before registration took a broker out of the ISR, a leader that had lost what it had not flushed
//! led on in the same epoch, and wrote other records at the same offsets. Those are a new *life* of the
//! epoch, and what was there before is remembered beside it.
//!
//! Copies are what the brokers' events say: a log that a power loss may have shortened counts as whole
//! until it is opened again.
//!
//! Cost: an append or a step of the high watermark looks up the batches that it is about; a cut visits
//! the batches in the offsets that it cuts off.
//!
//! Next: `happened.rs`, what excuses that they are gone.

use super::moment::Moment;
use crate::view::{Batch, Operation, Replica};
use ktrial_core::event::SendOutcome;
use ktrial_core::{BrokerId, Event, LeaderEpoch, NodeId, Offset, Timestamp, TopicPartition};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// A batch that was appended.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub(super) batch: Batch,
    /// When it was appended first, and by whom.
    pub(super) at: Timestamp,
    pub(super) by: BrokerId,
    /// Who has it now.
    pub(super) copies: Vec<BrokerId>,
    /// Who lost it with the power or by a broken disk.
    pub(super) lost_by: Vec<BrokerId>,
    /// The smallest and the largest maximal ISR of leaders that took it below their high watermark.
    pub(super) exposed: Option<(usize, usize)>,
    /// Who was told that a record in it is written.
    pub(super) acknowledged: Option<NodeId>,
}

/// The batches of one life of a leader epoch, by offset.
type OfEpoch = Vec<Written>;

/// A leader epoch, and which life of it.
type Life = (LeaderEpoch, u32);

/// Every batch that was ever appended.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    partitions: BTreeMap<TopicPartition, BTreeMap<Life, OfEpoch>>,
}

impl Ledger {
    /// Takes in an entry. `by_force`: if it tells of a log that is shorter, the log's broker lost power or
    /// its disk broke.
    pub(super) fn observe(&mut self, moment: &Moment<'_>, by_force: bool) {
        if let Some(Event::SendEnded {
            operation,
            partition: Some(name),
            outcome: SendOutcome::Acknowledged { offset: Some(at) },
        }) = moment.event()
        {
            let operations = moment.view.operations();
            let operation = operations.index(*operation);
            let operation = operation.and_then(|index| operations.list().get(index));
            if let Some(operation) = operation {
                self.acknowledge(name, *at, operation);
            }
            return;
        }
        if let Some(topic) = moment.deleted_topic() {
            self.partitions.retain(|name, _| name.topic != topic);
            return;
        }
        if let (Some(Event::ReplicaDeleted { partition }), Some(broker)) =
            (moment.event(), moment.broker())
        {
            self.cut(partition, broker, (Offset::ZERO, Offset(i64::MAX)), false);
            return;
        }
        let (Some((name, _)), Some((broker, replica))) = (moment.partition, moment.replica())
        else {
            return;
        };
        match moment.event() {
            Some(Event::Appended { base_offset, .. }) => {
                let last = replica.log.batch_at(*base_offset).copied();
                if let Some(batch) = last {
                    let leads = replica.role.leads();
                    self.append(name, (broker, leads), batch, moment.at());
                }
            }
            Some(Event::HighWatermark { .. }) if replica.role.leads() => self.expose(name, replica),
            Some(Event::Truncated { from, to, .. }) => self.cut(name, broker, (*to, *from), false),
            Some(Event::LogLoaded { .. }) => {
                let range = replica.changed_by_load();
                self.cut(name, broker, range, by_force);
                for batch in replica.log.from(range.0) {
                    self.append(name, (broker, false), *batch, moment.at());
                }
            }
            _ => {}
        }
    }

    /// The batches that ever held an offset, by leader epoch.
    pub(super) fn at(
        &self,
        partition: &TopicPartition,
        offset: Offset,
    ) -> impl Iterator<Item = &Written> {
        let epochs = self.partitions.get(partition).into_iter().flatten();
        epochs.filter_map(move |(_, batches)| {
            let index = batches.partition_point(|written| written.batch.last < offset);
            let written = batches.get(index)?;
            (written.batch.base <= offset).then_some(written)
        })
    }

    /// What is known of a batch.
    pub(super) fn of(&self, partition: &TopicPartition, batch: &Batch) -> Option<&Written> {
        let lives = self.partitions.get(partition)?.range(lives(batch.epoch));
        let found = lives.rev().filter_map(|(_, batches)| {
            let index = batches.binary_search_by_key(&batch.base, |written| written.batch.base);
            batches.get(index.ok()?)
        });
        let found: Vec<&Written> = found.collect();
        let same = found.iter().find(|written| written.batch == *batch);
        same.or(found.first()).copied()
    }

    /// The batches of a partition in a range of offsets.
    pub(super) fn between(
        &self,
        partition: &TopicPartition,
        (low, high): (Offset, Offset),
    ) -> impl Iterator<Item = &Written> {
        let epochs = self.partitions.get(partition).into_iter().flatten();
        epochs.flat_map(move |(_, batches)| within(batches, low, high))
    }

    fn append(
        &mut self,
        name: &TopicPartition,
        (broker, leads): (BrokerId, bool),
        batch: Batch,
        at: Timestamp,
    ) {
        if !self.partitions.contains_key(name) {
            self.partitions.insert(name.clone(), BTreeMap::new());
        }
        let Some(epochs) = self.partitions.get_mut(name) else {
            return;
        };
        if let Some(written) = find(epochs, &batch) {
            if !written.copies.contains(&broker) {
                written.copies.push(broker);
            }
            return;
        }
        let newest = epochs.range(lives(batch.epoch)).next_back();
        let life = newest.map_or(0, |((_, life), batches)| {
            let mut there = within(batches, batch.base, batch.last.next()).peekable();
            let others = there.peek().is_some();
            let gone = there.all(|written| written.copies.is_empty());
            life + u32::from(others && (leads || gone))
        });
        let batches = epochs.entry((batch.epoch, life)).or_default();
        match batches.binary_search_by_key(&batch.base, |written| written.batch.base) {
            Ok(index) if !batches[index].copies.contains(&broker) => {
                batches[index].copies.push(broker);
            }
            Ok(_) => {}
            Err(index) => {
                let written = Written {
                    batch,
                    at,
                    by: broker,
                    copies: vec![broker],
                    lost_by: Vec::new(),
                    exposed: None,
                    acknowledged: None,
                };
                batches.insert(index, written);
            }
        }
    }

    /// A leader's high watermark has moved.
    fn expose(&mut self, name: &TopicPartition, leader: &Replica) {
        let Some(epochs) = self.partitions.get_mut(name) else {
            return;
        };
        let joining = leader.proposed.iter();
        let joining = joining
            .filter(|member| !leader.isr.contains(member))
            .count();
        let new = leader.log.from(leader.previous_high_watermark).iter();
        for batch in new.take_while(|batch| batch.last < leader.high_watermark) {
            if let Some(written) = find(epochs, batch) {
                let size = leader.isr.len() + joining;
                let (least, most) = written.exposed.unwrap_or((size, size));
                written.exposed = Some((least.min(size), most.max(size)));
            }
        }
    }

    /// A broker has no longer the offsets from `low` to `high`.
    fn cut(
        &mut self,
        name: &TopicPartition,
        broker: BrokerId,
        (low, high): (Offset, Offset),
        by_force: bool,
    ) {
        let epochs = self.partitions.get_mut(name).into_iter().flatten();
        for (_, batches) in epochs {
            let first = batches.partition_point(|written| written.batch.last < low);
            let gone = batches.iter_mut().skip(first);
            for written in gone.take_while(|written| written.batch.base < high) {
                let before = written.copies.len();
                written.copies.retain(|copy| *copy != broker);
                if written.copies.len() < before && by_force {
                    written.lost_by.push(broker);
                }
            }
        }
    }

    fn acknowledge(&mut self, name: &TopicPartition, offset: Offset, operation: &Operation) {
        let epochs = self.partitions.get_mut(name).into_iter().flatten();
        let candidates = epochs.filter_map(|(_, batches)| {
            let index = batches.partition_point(|written| written.batch.last < offset);
            let written = batches.get_mut(index)?;
            let is_it = written.batch.base <= offset && written.at >= operation.started;
            is_it.then_some(written)
        });
        let mut candidates: Vec<&mut Written> = candidates.collect();
        // Two leaders may have used the offset meanwhile: then it is not known which was meant.
        if let [written] = candidates.as_mut_slice() {
            written.acknowledged.get_or_insert(operation.client);
        }
    }
}

/// All lives of a leader epoch.
fn lives(epoch: LeaderEpoch) -> RangeInclusive<Life> {
    (epoch, 0)..=(epoch, u32::MAX)
}

/// A batch, in whatever life of its epoch.
fn find<'a>(epochs: &'a mut BTreeMap<Life, OfEpoch>, batch: &Batch) -> Option<&'a mut Written> {
    let lives = epochs.range_mut(lives(batch.epoch)).rev();
    let mut found = lives.filter_map(|(_, batches)| {
        let index = batches.binary_search_by_key(&batch.base, |written| written.batch.base);
        batches.get_mut(index.ok()?)
    });
    found.find(|written| written.batch == *batch)
}

fn within(batches: &[Written], low: Offset, high: Offset) -> impl Iterator<Item = &Written> {
    let first = batches.partition_point(|written| written.batch.last < low);
    let rest = batches.get(first..).unwrap_or_default().iter();
    rest.take_while(move |written| written.batch.base < high)
}
