//! What is wrong with the network now: faults of links, each a rule over (from, to, API).
//!
//! All rules stand in one list, and a segment meets each that is about it:
//!
//! | fault | several together | counts |
//! |---|---|---|
//! | cut | any one holds it | what it holds: at its departure, at its arrival, or already held as the cut begins |
//! | loss | each draws for itself | each loss, of the same segment too |
//! | throttle | the slowest limits | what passes |
//! | delay | they add up | what passes |
//!
//! Each counts what it touched, because a fault that touched nothing proves nothing. Without an API that is
//! every segment, TCP's own (handshake, close) too: to lose a handshake is to touch a connection.
//!
//! Next: `link.rs`.

use crate::plan::LinkFault;
use ktrial_core::message::Api;

/// One fault of the network.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    /// The step that caused it.
    pub(crate) step: usize,
    /// Senders, by node.
    pub(crate) from: Vec<bool>,
    /// Receivers, by node.
    pub(crate) to: Vec<bool>,
    /// It holds for the opposite direction too.
    pub(crate) both_ways: bool,
    /// Only for messages of these APIs; empty = all, and TCP's own.
    pub(crate) api: Vec<Api>,
    /// What it does.
    pub(crate) fault: LinkFault,
    /// Segments that it touched.
    pub(crate) touched: u64,
}

impl Rule {
    /// Whether it is about this link.
    pub(crate) fn concerns(&self, from: usize, to: usize) -> bool {
        (self.from[from] && self.to[to]) || (self.both_ways && self.from[to] && self.to[from])
    }

    /// Whether it is about messages of this API (`None`: TCP's own, of no API).
    pub(crate) fn selects(&self, api: Option<Api>) -> bool {
        self.api.is_empty() || api.is_some_and(|api| self.api.contains(&api))
    }

    /// Whether it holds back messages of this API.
    pub(crate) fn cuts(&self, api: Option<Api>) -> bool {
        self.fault == LinkFault::Cut && self.selects(api)
    }

    /// How many bytes per millisecond it lets pass of messages of this API, if it limits them.
    pub(crate) fn limits(&self, api: Option<Api>) -> Option<u64> {
        match self.fault {
            LinkFault::Throttle { bytes_per_ms } if self.selects(api) => Some(bytes_per_ms),
            _ => None,
        }
    }
}
