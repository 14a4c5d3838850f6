//! A way with little bandwidth: one packet after the other is put on the wire, and the others queue.
//!
//! Rules:
//! - A packet needs its size divided by the rate, and is under way from then on. All connections share the
//!   queue of their way, first in, first out.
//! - The queue holds what passes in a second, and at least a few packets. What finds it full is lost, and TCP
//!   sends it again, more slowly.
//! - When a limit ends, the packet that is being sent begins anew under what limits are left: a queue that
//!   has no limit any more is empty at once.
//!
//! Invariants: a way without limits has no queue, but for what is about to leave it.
//!
//! Source: ours (`sim/src/network/wire.rs`, whose queue has no end, since its TCP never sends more slowly).
//!
//! Next: `switch.rs`.

use super::packet::Packet;
use std::collections::VecDeque;
use std::time::Duration;

/// Nanoseconds of a millisecond.
const MILLI: u64 = 1_000_000;
/// The queue holds at least so many bytes: what TCP sends at first without waiting.
const LEAST: u64 = 10 * super::MTU as u64;

/// What waits for its turn. The first is being put on the wire.
#[derive(Debug, Default)]
pub(super) struct Wire {
    /// Packets, each with its latency from then on.
    queue: VecDeque<(Packet, Duration)>,
    /// Bytes in the queue.
    bytes: u64,
    /// When the first is on the wire.
    done: Duration,
}

impl Wire {
    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }

    /// When the first is on the wire.
    pub(super) fn done(&self) -> Duration {
        self.done
    }

    /// Queues a packet, which takes `latency` once it is on the wire; loses it if there is no room.
    pub(super) fn queue_up(
        &mut self,
        now: Duration,
        packet: Packet,
        latency: Duration,
        rate: Option<u64>,
    ) {
        let size = size(&packet);
        let room = rate.map_or(u64::MAX, |rate| rate.saturating_mul(1_000).max(LEAST));
        if !self.is_idle() && self.bytes + size > room {
            return;
        }
        if self.is_idle() {
            self.done = now + time(size, rate);
        }
        self.bytes += size;
        self.queue.push_back((packet, latency));
    }

    /// Takes the first, if it is on the wire by now, with the time at which it arrives.
    pub(super) fn leave(&mut self, now: Duration, rate: Option<u64>) -> Option<(Packet, Duration)> {
        if self.is_idle() || self.done > now {
            return None;
        }
        let (packet, latency) = self.queue.pop_front()?;
        self.bytes -= size(&packet);
        let arrives = self.done + latency;
        if let Some((next, _)) = self.queue.front() {
            self.done += time(size(next), rate);
        }
        Some((packet, arrives))
    }

    /// The limit changed: the first begins anew.
    pub(super) fn begin_anew(&mut self, now: Duration, rate: Option<u64>) {
        if let Some((first, _)) = self.queue.front() {
            self.done = now + time(size(first), rate);
        }
    }
}

fn size(packet: &Packet) -> u64 {
    u64::try_from(packet.bytes().len()).unwrap_or(u64::MAX)
}

/// How long so many bytes take.
fn time(bytes: u64, rate: Option<u64>) -> Duration {
    rate.map_or(Duration::ZERO, |rate| {
        Duration::from_nanos(bytes.saturating_mul(MILLI) / rate.max(1))
    })
}
