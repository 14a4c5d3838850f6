//! One direction of a connection: segments in the order in which they left.
//!
//! | where a segment is | and goes on |
//! |---|---|
//! | held: in its sender's memory | when the way is free, or a timeout of TCP has passed |
//! | queued: before a slow link | when those before it are on the wire |
//! | under way | when it arrives |
//! | early: in the receiver's kernel | when the one before it has come |
//! | unread: in the receiver's kernel | when the process reads |
//!
//! Segments are numbered as they leave and taken in that order, as TCP does. What a machine forgets with
//! its power leaves a gap in the numbers, which is stepped over: the reset that the machine sends after
//! its return must not wait for bytes that will never come.
//!
//! Next: `connection.rs`.

use super::connection::Segment;
use ktrial_core::Timestamp;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// The first retransmission timeout: Linux's shortest.
const FIRST_TIMEOUT: Duration = Duration::from_millis(200);
/// The longest.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(120);

/// One direction of a connection.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    /// When the last segment of it arrives; none overtakes another.
    pub(super) last: Timestamp,
    /// The number of the next segment to leave.
    leaving: u32,
    /// The number of the next segment to be taken.
    taking: u32,
    /// Segments held back, by number.
    pub(super) held: VecDeque<Segment>,
    /// Segments in the queue of their link.
    pub(super) queued: u32,
    /// Segments that overtook an earlier one, by number.
    pub(super) early: BTreeMap<u32, Segment>,
    /// Segments that the receiver's kernel has and its process has not read.
    pub(super) unread: u32,
    /// When TCP sends the first one of the held again, if it was lost.
    pub(super) resend_at: Option<Timestamp>,
    /// How often that one was lost.
    lost: u32,
    /// Numbers that were lost with their sender's memory, from ...
    gap: u32,
    /// ... up to, without, this one.
    gap_end: u32,
}

impl Lane {
    /// The number of a segment that leaves now.
    pub(super) fn number(&mut self) -> u32 {
        self.leaving += 1;
        self.leaving - 1
    }

    /// Keeps a segment that cannot pass now.
    pub(super) fn hold(&mut self, segment: Segment) {
        let place = self.held.partition_point(|h| h.number < segment.number);
        self.held.insert(place, segment);
    }

    /// The first one was lost on the way: when TCP sends it again.
    pub(super) fn time_out(&mut self, now: Timestamp) -> Timestamp {
        let wait = FIRST_TIMEOUT.saturating_mul(1 << self.lost.min(16));
        self.lost += 1;
        let at = now + wait.min(LONGEST_TIMEOUT);
        self.resend_at = Some(at);
        at
    }

    /// The first one passed.
    pub(super) fn passed(&mut self) {
        self.lost = 0;
    }

    /// Whether this is the segment that the receiver waits for.
    pub(super) fn is_next(&self, number: u32) -> bool {
        self.taking == number
    }

    /// Whether the segment of this number was lost with its sender's memory: it is in the gap, or in an
    /// earlier one that was stepped over.
    pub(super) fn has_lost(&self, number: u32) -> bool {
        number < self.taking || (self.gap..self.gap_end).contains(&number)
    }

    /// The sender forgot the segment of this number: it and all that left after it never arrive. Hands
    /// over those of them that the receiver's kernel has.
    pub(super) fn lose_from(&mut self, number: u32) -> Vec<Segment> {
        let passed = self.gap_end <= self.taking;
        self.gap = if passed { number } else { self.gap.min(number) };
        self.gap_end = self.leaving;
        self.step_over();
        let early = std::mem::take(&mut self.early);
        let (lost, left) = early.into_iter().partition(|(n, _)| self.has_lost(*n));
        self.early = left;
        let lost: BTreeMap<u32, Segment> = lost;
        lost.into_values().collect()
    }

    /// The next segment is taken by the receiver's kernel.
    pub(super) fn take(&mut self) {
        self.unread += 1;
        self.taking += 1;
        self.step_over();
    }

    /// The segment that is next and came early, if it did.
    pub(super) fn next_early(&mut self) -> Option<Segment> {
        self.early.remove(&self.taking)
    }

    fn step_over(&mut self) {
        if self.has_lost(self.taking) {
            self.taking = self.gap_end;
        }
    }
}
