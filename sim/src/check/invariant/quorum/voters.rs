//! The voters as they tell of themselves: epoch, and the batches that each one's log holds.

use ktrial_core::{ControllerId, Event, LeaderEpoch, Offset};
use std::collections::BTreeMap;

/// A batch of the metadata log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) last: Offset,
    pub(super) epoch: LeaderEpoch,
    pub(super) crc: u32,
}

/// One voter.
#[derive(Clone, Debug, Default)]
pub(super) struct Voter {
    pub(super) epoch: LeaderEpoch,
    /// By their first offset.
    pub(super) batches: BTreeMap<Offset, Batch>,
    /// What is below it is in a snapshot that it has fetched.
    pub(super) start: Offset,
    pub(super) end: Offset,
}

/// All that have told anything.
#[derive(Clone, Debug, Default)]
pub(super) struct Voters {
    pub(super) all: BTreeMap<ControllerId, Voter>,
    /// How many there are.
    pub(super) count: usize,
}

impl Voters {
    pub(super) fn get(&self, voter: ControllerId) -> Option<&Voter> {
        self.all.get(&voter)
    }

    /// The voter's disk is empty now.
    pub(super) fn forget(&mut self, voter: ControllerId) {
        self.all.remove(&voter);
    }

    pub(super) fn apply(&mut self, voter: ControllerId, event: &Event) {
        let voter = self.all.entry(voter).or_default();
        match event {
            // It had fetched a snapshot, but did not live to tell.
            Event::QuorumOpened { log_end_offset, .. } if *log_end_offset > voter.end => {
                voter.restart(*log_end_offset);
            }
            Event::QuorumOpened { log_end_offset, .. } => voter.cut(*log_end_offset),
            Event::QuorumSnapshotFetched { offset, .. } => voter.restart(*offset),
            Event::QuorumRole { epoch, .. } => voter.epoch = *epoch,
            Event::QuorumAppended {
                base_offset,
                last_offset,
                epoch,
                crc,
            } => {
                voter.cut(*base_offset);
                let batch = Batch {
                    last: *last_offset,
                    epoch: *epoch,
                    crc: *crc,
                };
                voter.batches.insert(*base_offset, batch);
                voter.end = last_offset.next();
            }
            Event::QuorumTruncated { to, .. } => voter.cut(*to),
            _ => {}
        }
    }
}

impl Voter {
    fn restart(&mut self, at: Offset) {
        self.batches.clear();
        (self.start, self.end) = (at, at);
    }

    fn cut(&mut self, end: Offset) {
        self.batches.retain(|_, batch| batch.last < end);
        self.end = end;
    }
}
