//! What will happen, in the order in which it will: the only queue of the simulated world.
//!
//! A binary heap of small keys over a slab of payloads, so that ordering does not move messages about.
//!
//! Invariants:
//! - Entries come out by (time, order of entry): two at one time never swap places.
//! - Nothing is ever removed but by `pop`; whoever no longer wants an entry ignores it when it comes.
//!
//! Next: `world/mod.rs`, which takes the entries out.

use ktrial_core::Timestamp;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Things that will happen, each at its time.
#[derive(Debug)]
pub(crate) struct Agenda<T> {
    heap: BinaryHeap<Reverse<Key>>,
    slots: Vec<Option<T>>,
    free: Vec<usize>,
    entered: u64,
}

/// Orders by time, then by entry; the slot only tells where the payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    at: Timestamp,
    entered: u64,
    slot: usize,
}

impl<T> Default for Agenda<T> {
    fn default() -> Self {
        Self {
            heap: BinaryHeap::new(),
            slots: Vec::new(),
            free: Vec::new(),
            entered: 0,
        }
    }
}

impl<T> Agenda<T> {
    /// Enters `what`, to happen at `at`, after everything that was entered for that time before.
    pub(crate) fn push(&mut self, at: Timestamp, what: T) {
        let slot = if let Some(slot) = self.free.pop() {
            self.slots[slot] = Some(what);
            slot
        } else {
            self.slots.push(Some(what));
            self.slots.len() - 1
        };
        self.entered += 1;
        self.heap.push(Reverse(Key {
            at,
            entered: self.entered,
            slot,
        }));
    }

    /// Takes out what happens next.
    pub(crate) fn pop(&mut self) -> Option<(Timestamp, T)> {
        let Reverse(key) = self.heap.pop()?;
        self.free.push(key.slot);
        self.slots[key.slot].take().map(|what| (key.at, what))
    }

    /// What is still to happen, in no particular (but always the same) order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_out_by_time_then_by_entry() {
        let mut agenda = Agenda::default();
        for (at, what) in [(5, 'c'), (1, 'a'), (5, 'd'), (2, 'b')] {
            agenda.push(Timestamp(at), what);
        }
        let first = agenda.pop();
        assert_eq!(first, Some((Timestamp(1), 'a')));
        agenda.push(Timestamp(5), 'e');
        let rest: String = std::iter::from_fn(|| agenda.pop())
            .map(|(_, what)| what)
            .collect();
        assert_eq!(rest, "bcde");
    }
}
