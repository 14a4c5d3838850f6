//! What is wrong with the network now: faults of links, each a rule over (from, to).
//!
//! They add up as in the simulated network:
//!
//! | fault | several together | counts |
//! |---|---|---|
//! | cut | any one holds it | what it holds: as it is sent, as it would arrive, or held already as the cut begins |
//! | loss | each draws for itself | each loss |
//! | throttle | the slowest limits | what passes or waits |
//! | delay | they add up | what passes |
//!
//! Simplified: what is counted are packets. A message of Kafka is one or more of them, an acknowledgement of
//! TCP is one too, and so is what TCP sends again. So the numbers are larger than those of the simulation;
//! zero means the same.
//!
//! Source: ours (`sim/src/network/rule.rs`).
//!
//! Next: `wire.rs`.

use ktrial_sim::plan::LinkFault;

/// From which host to which, by number.
pub(super) type Way = (usize, usize);

/// One fault of the network.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    /// The step that caused it.
    pub(super) step: usize,
    /// Senders, by host.
    pub(super) from: Vec<bool>,
    /// Receivers, by host.
    pub(super) to: Vec<bool>,
    /// It holds for the opposite direction too.
    pub(super) both_ways: bool,
    /// What it does.
    pub(super) fault: LinkFault,
    /// Packets that it touched.
    pub(super) touched: u64,
}

impl Rule {
    /// Whether it is about this way.
    pub(super) fn concerns(&self, (from, to): Way) -> bool {
        (self.from[from] && self.to[to]) || (self.both_ways && self.from[to] && self.to[from])
    }

    /// Whether it holds back what goes this way.
    pub(super) fn cuts(&self, way: Way) -> bool {
        self.fault == LinkFault::Cut && self.concerns(way)
    }

    /// How many bytes per millisecond it lets pass this way, if it limits them.
    pub(super) fn limits(&self, way: Way) -> Option<u64> {
        match self.fault {
            LinkFault::Throttle { bytes_per_ms } if self.concerns(way) => Some(bytes_per_ms.max(1)),
            _ => None,
        }
    }
}
