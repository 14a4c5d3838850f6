//! Requests that wait: a produce for its records to be replicated, a fetch for bytes. Each waits on
//! some partitions and has a deadline; it is looked at again whenever one of those changes, and ends
//! exactly once.
//!
//! Source: `DelayedOperationPurgatory`, `DelayedProduce`, `DelayedFetch`.
//! Next: `produce.rs` and `fetch.rs` park here, and wake those who wait.

use super::Broker;
use super::fetch_session::Context;
use crate::id::TopicPartition;
use crate::machine::{Effects, ReplyTo};
use crate::message::{FetchPartition, FetchRequest, ProducePartitionResponse};
use crate::offset::Offset;
use crate::storage::StorageError;
use crate::time::{Now, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Names a parked request.
pub(super) type Ticket = u64;

/// A request that waits.
#[derive(Clone, Debug)]
pub(super) enum Parked {
    /// For its records to be replicated.
    Produce(DelayedProduce),
    /// For bytes.
    Fetch(DelayedFetch),
}

/// A produce with acks=all whose records are in the leader's log.
#[derive(Clone, Debug)]
pub(super) struct DelayedProduce {
    /// Where the answer goes.
    pub(super) reply: ReplyTo,
    /// The answer so far; an entry with `Some` still waits for the high watermark to reach it.
    pub(super) partitions: Vec<(ProducePartitionResponse, Option<Offset>)>,
}

/// A fetch that found too little.
#[derive(Clone, Debug)]
pub(super) struct DelayedFetch {
    /// Where the answer goes.
    pub(super) reply: ReplyTo,
    /// What was asked.
    pub(super) request: Arc<FetchRequest>,
    /// In which session.
    pub(super) context: Context,
}

/// The requests that wait.
#[derive(Debug, Default)]
pub(super) struct Purgatory {
    next: Ticket,
    parked: BTreeMap<Ticket, (Timestamp, Parked)>,
    /// Who waits on a partition; entries of requests that have ended are dropped when met, or when
    /// there are many of them.
    watchers: BTreeMap<TopicPartition, Vec<Ticket>>,
    deadlines: BTreeSet<(Timestamp, Ticket)>,
}

impl Purgatory {
    /// Parks a request that waits on `partitions` until `deadline` at the latest.
    pub(super) fn park<'a>(
        &mut self,
        parked: Parked,
        partitions: impl Iterator<Item = &'a TopicPartition>,
        deadline: Timestamp,
    ) -> Ticket {
        let ticket = self.next;
        self.next += 1;
        for partition in partitions {
            self.watch(partition, ticket);
        }
        self.deadlines.insert((deadline, ticket));
        self.parked.insert(ticket, (deadline, parked));
        ticket
    }

    /// The request of that ticket waits on one more partition. Those who wait on one are looked at in the
    /// order in which they came.
    pub(super) fn watch(&mut self, partition: &TopicPartition, ticket: Ticket) {
        let Some(watchers) = self.watchers.get_mut(partition) else {
            self.watchers.insert(partition.clone(), vec![ticket]);
            return;
        };
        prune(watchers, &self.parked);
        let place = watchers.partition_point(|one| *one < ticket);
        if watchers.get(place) != Some(&ticket) {
            watchers.insert(place, ticket);
        }
    }

    /// A fetch that waits wants all of these.
    pub(super) fn widen(&mut self, ticket: Ticket, partitions: Vec<FetchPartition>) {
        for one in &partitions {
            self.watch(&one.partition.partition, ticket);
        }
        if let Some((_, Parked::Fetch(delayed))) = self.parked.get_mut(&ticket) {
            Arc::make_mut(&mut delayed.request).partitions = partitions;
        }
    }

    /// Takes out the tickets of those who wait on a partition, in the order they came. The caller
    /// puts back those that go on waiting, with [`Purgatory::watch_again`].
    pub(super) fn watchers(&mut self, partition: &TopicPartition) -> Vec<Ticket> {
        self.watchers
            .get_mut(partition)
            .map(std::mem::take)
            .unwrap_or_default()
    }

    /// Puts watchers back that [`Purgatory::watchers`] took out. Those who came meanwhile stay behind.
    pub(super) fn watch_again(&mut self, partition: &TopicPartition, mut tickets: Vec<Ticket>) {
        if let Some(watchers) = self.watchers.get_mut(partition) {
            tickets.append(watchers);
            *watchers = tickets;
        }
    }

    /// The request of a ticket, if it still waits.
    pub(super) fn get_mut(&mut self, ticket: Ticket) -> Option<&mut Parked> {
        self.parked.get_mut(&ticket).map(|(_, parked)| parked)
    }

    /// Takes a request out for its end.
    pub(super) fn take(&mut self, ticket: Ticket) -> Option<Parked> {
        let (deadline, parked) = self.parked.remove(&ticket)?;
        self.deadlines.remove(&(deadline, ticket));
        Some(parked)
    }

    /// The first ticket whose time is up.
    pub(super) fn expired(&self, now: Timestamp) -> Option<Ticket> {
        self.deadlines
            .first()
            .filter(|(deadline, _)| *deadline <= now)
            .map(|(_, ticket)| *ticket)
    }

    /// When the next request's time is up.
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.parked.len()
    }
}

/// Makes room for one more watcher: on an idle partition nobody meets those that have ended. Looks at
/// all only when the list is full, and lets it grow if most still wait, so that a push costs little.
/// Source: `DelayedOperationPurgatory.advanceClock`.
fn prune(watchers: &mut Vec<Ticket>, parked: &BTreeMap<Ticket, (Timestamp, Parked)>) {
    if watchers.len() < watchers.capacity() {
        return;
    }
    watchers.retain(|ticket| parked.contains_key(ticket));
    if watchers.len() > watchers.capacity() / 2 {
        watchers.reserve(watchers.len());
    }
}

impl Broker {
    /// Looks again at every request that waits on one of these, all of which have changed.
    pub(super) fn wake_each(
        &mut self,
        now: Now,
        partitions: &[TopicPartition],
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        for partition in partitions {
            self.rouse(partition);
        }
        for partition in partitions {
            self.wake(now, partition, out)?;
        }
        Ok(())
    }

    /// Looks again at every request that waits on a partition.
    pub(super) fn wake(
        &mut self,
        now: Now,
        partition: &TopicPartition,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        self.rouse(partition);
        let mut tickets = self.purgatory.watchers(partition);
        let mut failed = None;
        tickets.retain(|ticket| match self.retry(now, *ticket, out) {
            Ok(ended) => !ended,
            Err(error) => {
                failed = Some(error);
                true
            }
        });
        self.purgatory.watch_again(partition, tickets);
        failed.map_or(Ok(()), Err)
    }

    /// Looks again at one request. Returns whether it has ended.
    fn retry(&mut self, now: Now, ticket: u64, out: &mut Effects) -> Result<bool, StorageError> {
        match self.purgatory.get_mut(ticket) {
            None => Ok(true),
            Some(Parked::Fetch(_)) => self.retry_fetch(now, ticket, false, out),
            Some(Parked::Produce(delayed)) => {
                let mut delayed = delayed.clone();
                let done = self.is_replicated(&mut delayed, out);
                if done {
                    self.purgatory.take(ticket);
                    delayed.end(out);
                } else if let Some(parked) = self.purgatory.get_mut(ticket) {
                    *parked = Parked::Produce(delayed);
                }
                Ok(done)
            }
        }
    }

    pub(super) fn expire_parked(
        &mut self,
        now: Now,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        while let Some(ticket) = self.purgatory.expired(now.monotonic) {
            match self.purgatory.get_mut(ticket) {
                Some(Parked::Produce(_)) => self.expire_produce(ticket, out),
                _ => {
                    self.retry_fetch(now, ticket, true, out)?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{ClientId, ConnectionId, CorrelationId, Incarnation, NodeId};

    #[test]
    fn an_idle_partition_does_not_remember_every_fetch() {
        let orders = TopicPartition::new("orders", 0);
        let mut purgatory = Purgatory::default();
        for at in 1..=1_000 {
            let reply = ReplyTo {
                connection: ConnectionId {
                    client: NodeId::Client(ClientId(0)),
                    incarnation: Incarnation(0),
                    number: 0,
                },
                correlation: CorrelationId(0),
            };
            let delayed = DelayedProduce {
                reply,
                partitions: Vec::new(),
            };
            let deadline = Timestamp::from_millis(at);
            let waiting = std::iter::once(&orders);
            purgatory.park(Parked::Produce(delayed), waiting, deadline);
            // Three wait at a time.
            if at > 3 {
                let ticket = purgatory.expired(Timestamp::from_millis(at - 3)).unwrap();
                purgatory.take(ticket).unwrap();
            }
        }
        assert_eq!(purgatory.len(), 3);
        let remembered = purgatory.watchers(&orders);
        assert!(remembered.len() < 16, "{}", remembered.len());
        assert_eq!(remembered[remembered.len() - 3..], [997, 998, 999]);
    }
}
