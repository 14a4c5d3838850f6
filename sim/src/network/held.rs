//! What TCP tries again: segments that wait in their sender's memory, by lane.
//!
//! | why the first of a lane waits | until |
//! |---|---|
//! | the way is cut, or the receiver's machine has no power | that ends, and up to 200 ms more |
//! | it was lost | a timeout: 200 ms, then twice as long each time, at most 120 s |
//!
//! What comes after it waits behind it, in order, and leaves with it.
//!
//! Invariants: whatever is held has something that will wake it: a cut, a machine without power, or a
//! timeout. A segment goes on only if no other cut holds it.
//!
//! Simplified: a loss is always found out by a timeout, not by what arrives after it (fast retransmit,
//! a round trip), so it costs 200 ms even in the middle of a stream. A handshake is sent again as fast
//! as data (Linux waits 1 s for its first).
//!
//! Source: RFC 6298 (timeouts, backing off); Linux `TCP_RTO_MIN`, `TCP_RTO_MAX`.
//!
//! Next: `arrival.rs`.

use super::connection::{Direction, Segment};
use crate::history::Why;
use crate::world::{Happening, World};
use ktrial_core::message::Api;
use std::time::Duration;

impl World {
    /// Keeps a segment until the way is free.
    pub(super) fn hold(&mut self, segment: Segment) {
        let connection = self.connections.at(segment.connection);
        connection.lane(segment.direction).hold(segment);
    }

    /// Keeps a segment that was lost, the first of its lane, until TCP sends it again.
    pub(super) fn hold_lost(&mut self, segment: Segment) {
        let (connection, direction) = (segment.connection, segment.direction);
        let lane = self.connections.at(connection).lane(direction);
        let at = lane.time_out(self.now);
        lane.hold(segment);
        let happening = Happening::Resend {
            connection,
            direction,
        };
        self.agenda.push(at, happening);
    }

    /// A timeout of TCP has passed.
    pub(crate) fn resend(&mut self, connection: usize, direction: Direction) {
        let lane = self.connections.at(connection).lane(direction);
        if lane.resend_at == Some(self.now) {
            lane.resend_at = None;
            self.send_held(connection, direction, Duration::ZERO);
        }
    }

    /// Sends on what was held and now can pass. What waits for its timeout knows nothing of that.
    pub(crate) fn release_held(&mut self) {
        for slot in self.connections.slots() {
            for direction in [Direction::Up, Direction::Down] {
                let connection = self.connections.at(slot);
                let link = connection.ends(direction);
                let lane = connection.lane(direction);
                let Some(first) = lane.held.front().map(|first| first.payload.api()) else {
                    continue;
                };
                if lane.resend_at.is_some() || self.is_blocked(link, first) {
                    continue;
                }
                // One timer of TCP per lane: what comes after the first follows at once.
                let delay = self.links.retransmission(link);
                self.send_held(slot, direction, delay);
            }
        }
    }

    /// Sends what a lane holds, up to the first that cannot pass.
    fn send_held(&mut self, slot: usize, direction: Direction, delay: Duration) {
        loop {
            let connection = self.connections.at(slot);
            let link = connection.ends(direction);
            let lane = connection.lane(direction);
            let Some(first) = lane.held.pop_front() else {
                return;
            };
            if self.is_blocked(link, first.payload.api()) {
                return self.hold(first);
            }
            if !self.put_on_link(first, delay) {
                return;
            }
        }
    }

    fn is_blocked(&self, link: (usize, usize), api: Option<Api>) -> bool {
        !self.nodes[link.1].powered || self.links.is_cut(link, api)
    }

    /// The machine's memory is gone, and with it what TCP would have tried to send again.
    pub(super) fn forget_held_of(&mut self, node: usize) {
        for slot in self.connections.slots() {
            for direction in [Direction::Up, Direction::Down] {
                let connection = self.connections.at(slot);
                if connection.ends(direction).0 != node {
                    continue;
                }
                let lane = connection.lane(direction);
                lane.resend_at = None;
                lane.passed();
                for segment in std::mem::take(&mut lane.held) {
                    self.forget(&segment, Why::SenderStopped);
                }
            }
        }
    }

    /// A segment, and with it all that left after it on its lane, never arrives.
    pub(super) fn forget(&mut self, segment: &Segment, why: Why) {
        let connection = self.connections.at(segment.connection);
        let behind = connection.lane(segment.direction).lose_from(segment.number);
        self.never_read(segment, why);
        for segment in behind {
            self.never_read(&segment, why);
        }
    }
}
