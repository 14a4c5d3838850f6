//! Who decides what is done to the world, and what can be ordered.
//!
//! Next: `pump.rs`, which carries orders out; `../trial/script.rs`, which gives them.

use crate::history::{EndReason, Entry, What};
use crate::plan::StopKind;
use ktrial_core::message::Api;
use ktrial_core::{Command, NodeId, Timestamp};

/// Decides what is done to the world: the steps of a plan, or a test.
pub trait Director: Send {
    /// Sees each entry of the record.
    fn observe(&mut self, entry: &Entry);

    /// Whether it wants to act now, before anything else happens.
    fn is_due(&self) -> bool;

    /// Acts: called when it is due, at the start, and at each time that it asked to be woken.
    fn act(&mut self, now: Timestamp, orders: &mut Vec<Order>);
}

/// What a director can order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Enters something into the record.
    Record(What),
    /// Starts the process of a node, and switches its machine on; nothing if it runs, and when it has
    /// ended if it is shutting down.
    Start(NodeId),
    /// Stops the process of a node.
    Stop(NodeId, StopKind),
    /// Freezes the process of a node; the step is for the count of what it held back.
    Pause(usize, NodeId),
    /// Unfreezes it.
    Resume(NodeId),
    /// Cuts links.
    Cut {
        /// The step that causes it.
        step: usize,
        /// From these nodes ...
        from: Vec<NodeId>,
        /// ... to those.
        to: Vec<NodeId>,
        /// Only in that direction.
        one_way: bool,
        /// Only messages of these APIs; empty = all.
        api: Vec<Api>,
    },
    /// Makes links slow in one direction.
    Delay {
        /// The step that causes it.
        step: usize,
        /// From these nodes ...
        from: Vec<NodeId>,
        /// ... to those.
        to: Vec<NodeId>,
        /// By so many microseconds.
        by_us: u64,
        /// Only messages of these APIs; empty = all.
        api: Vec<Api>,
    },
    /// Ends all cuts and delays.
    Heal,
    /// Gives a command to the process of a node; lost if it does not run.
    Command(NodeId, Command),
    /// Wakes the director at this time.
    WakeAt(Timestamp),
    /// Ends the trial.
    End(EndReason),
}
