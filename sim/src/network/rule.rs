//! What is wrong with the network now: faults of links, each a rule over (from, to, API).
//!
//! All rules stand in one list. A cut holds messages back; delays add up. Each rule counts the
//! messages that it touched, because a fault that touched nothing proves nothing.
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
    /// Messages that it touched.
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
}
