//! The simulated network, a simulator of madsim of its own: TCP connections between processes.
//!
//! | file | what it is |
//! |---|---|
//! | `rule.rs` | faults of links: cut, delay, loss, throttle |
//! | `latency.rs` | how long something takes, drawn |
//! | `link.rs` | directed links: latency, and what the rules do |
//! | `wire.rs` | the queue of a link with little bandwidth |
//! | `lane.rs` | one direction of a connection: order of segments |
//! | `connection.rs` | connections: both ends |
//! | `transport.rs` | sending: what machines want of the network |
//! | `held.rs` | what TCP sends again |
//! | `arrival.rs` | arriving: what machines get from it |
//! | `fault.rs` | faults begin and end; processes and machines stop |
//!
//! What TCP does, and so what this does:
//! - Opening a connection costs a round trip before the first request.
//! - One direction is first in, first out; different connections overtake each other.
//! - A process that is down on a machine that is up refuses: the client learns of it after a round trip.
//! - A cut link, or a machine without power, is silence. TCP tries again: what was sent (handshakes
//!   too) is held and arrives once the way is free, up to 200 ms later; or finds no such connection
//!   there and is answered with a reset. Segments under way when a cut begins do not pass it.
//! - A lost segment is sent again after a timeout, and what comes behind it waits; or something between
//!   the ends (a firewall, a proxy) resets the connection: the segment is gone, both ends are told, and
//!   what they sent in the meantime finds no connection.
//! - A close lets arrive what is under way: a server handles the late request; its response finds
//!   nobody.
//! - A killed process leaves its kernel behind, which still sends what was written and tells the other
//!   end. A power loss takes unsent and held segments along, and tells nobody: a send to the machine
//!   after its return is answered with a reset.
//! - A paused process leaves its kernel too: handshakes succeed, its inbox waits.
//! - What the kernel of a paused process has, no later cut holds back; it goes with the power.
//!
//! Simplified: acknowledgements of TCP do not exist, so data passes a link whose way back is cut;
//! really it does so until the window is full, after some 14 KB or more. TCP never gives up (Linux
//! does after some 15 minutes), has no windows (a paused server's peers never block on sending) and
//! no keep-alive. Unread input of a killed process does not turn its close into a reset that
//! overtakes data. No message is duplicated or corrupted.
//!
//! Next: `rule.rs`.

mod arrival;
mod connection;
mod fault;
mod held;
mod lane;
mod latency;
mod link;
mod rule;
#[cfg(test)]
mod tests;
mod transport;
mod wire;

pub(crate) use connection::{Connections, Direction, Segment};
pub(crate) use link::Links;

use crate::world::Shared;
use madsim::plugin::Simulator;
use madsim::rand::GlobalRng;
use madsim::time::TimeHandle;

/// The network of a trial, as a simulator of madsim.
#[derive(Default)]
pub(crate) struct Network {
    world: Shared,
}

impl Network {
    /// The world that it is the network of.
    pub(crate) fn world(&self) -> Shared {
        self.world.clone()
    }
}

impl Simulator for Network {
    fn new(_rand: &GlobalRng, _time: &TimeHandle, _config: &madsim::Config) -> Self {
        Self::default()
    }

    /// madsim killed a node's tasks: its process is gone from the network.
    fn reset_node(&self, id: madsim::task::NodeId) {
        if let Some(world) = self.world.lock().as_mut() {
            world.process_died(id);
        }
    }
}
