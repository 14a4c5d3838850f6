//! A link with little bandwidth: one segment after the other is put on the wire, and the others queue.
//!
//! Rules:
//! - A segment needs its size divided by the link's rate, and is under way from then on. All connections
//!   share the queue of their link, first in, first out.
//! - What its connection sends behind a segment that queues, queues too, though it may cost nothing.
//! - When a limit ends, the segment that is being sent begins anew under what limits are left: a queue
//!   that has no limit any more is empty at once.
//! - A queue lies in the memory of the sender, and goes with its power.
//!
//! Invariants: sizes are asked for only where something limits; a link without limits has no queue.
//!
//! Simplified: the queue has no end, so nothing is lost for it and a sender never blocks. Messages queue
//! as a whole: a heartbeat behind a fetch response of a megabyte waits for all of it.
//!
//! Next: `lane.rs`.

use super::connection::{Payload, Segment};
use crate::history::Why;
use crate::world::{Happening, World};
use std::collections::VecDeque;
use std::time::Duration;

/// Bytes of a segment of TCP's own.
const BARE: usize = 60;
/// Nanoseconds of a millisecond, and of a microsecond.
const MILLI: u64 = 1_000_000;
const MICRO: u64 = 1_000;

/// What waits for its turn on a link. The first is being put on the wire.
#[derive(Debug, Default)]
pub(super) struct Wire {
    /// Segments, each with its latency from then on.
    queue: VecDeque<(Segment, Duration)>,
    /// Names the current sending; an older one is void.
    turn: u64,
    /// What is left of a microsecond: many small segments together take as long as one large.
    nanos: u64,
}

impl Wire {
    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }

    /// How many messages wait.
    pub(super) fn messages(&self) -> usize {
        let messages = self.queue.iter();
        messages.filter(|(s, _)| s.payload.api().is_some()).count()
    }

    /// How long so many bytes take.
    fn time(&mut self, bytes: usize, rate: u64) -> Duration {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.nanos = self
            .nanos
            .saturating_add(bytes.saturating_mul(MILLI) / rate.max(1));
        let micros = self.nanos / MICRO;
        self.nanos %= MICRO;
        Duration::from_micros(micros)
    }
}

impl World {
    /// Queues a segment, which takes `latency` once it is on the wire.
    pub(super) fn queue_up(&mut self, link: (usize, usize), segment: Segment, latency: Duration) {
        let connection = self.connections.at(segment.connection);
        connection.lane(segment.direction).queued += 1;
        let wire = self.links.wire(link);
        let was_idle = wire.is_idle();
        wire.queue.push_back((segment, latency));
        if was_idle {
            self.put_on_wire(link);
        }
    }

    /// Begins to send the first in the queue, or begins anew.
    pub(super) fn put_on_wire(&mut self, link: (usize, usize)) {
        let Some((segment, _)) = self.links.wire(link).queue.front() else {
            return;
        };
        let (api, bytes) = (segment.payload.api(), size(&segment.payload));
        let rate = self.links.rate(link, api);
        let wire = self.links.wire(link);
        let took = rate.map_or(Duration::ZERO, |rate| wire.time(bytes, rate));
        wire.turn += 1;
        let turn = wire.turn;
        let happening = Happening::OnWire { link, turn };
        self.agenda.push(self.now + took, happening);
    }

    /// The first in the queue is on the wire.
    pub(crate) fn on_wire(&mut self, link: (usize, usize), turn: u64) {
        let wire = self.links.wire(link);
        if wire.turn != turn {
            return;
        }
        let Some((segment, latency)) = wire.queue.pop_front() else {
            return;
        };
        let connection = self.connections.at(segment.connection);
        connection.lane(segment.direction).queued -= 1;
        self.travel(segment, latency);
        self.put_on_wire(link);
    }

    /// The machine's memory is gone, and with it what had not left.
    pub(super) fn forget_queued_of(&mut self, node: usize) {
        for link in self.links.busy() {
            if link.0 != node {
                continue;
            }
            let wire = self.links.wire(link);
            wire.turn += 1;
            for (segment, _) in std::mem::take(&mut wire.queue) {
                let connection = self.connections.at(segment.connection);
                connection.lane(segment.direction).queued -= 1;
                self.forget(&segment, Why::SenderStopped);
            }
        }
    }
}

fn size(payload: &Payload) -> usize {
    match payload {
        Payload::Request(_, request) => request.size(),
        Payload::Response(_, response) => response.size(),
        Payload::Open | Payload::Accept | Payload::End => BARE,
    }
}
