//! Who decides what is done to the world, and what can be ordered.
//!
//! Next: `pump.rs`, which carries orders out; `../trial/script/mod.rs`, which gives them.

use crate::history::{EndReason, Entry, What};
use crate::plan::{ClockFault, DiskFault, LinkFault, StopKind};
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
    /// Begins a fault of links.
    Link {
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
        /// What is wrong.
        fault: LinkFault,
    },
    /// Begins a fault of disks.
    Disk {
        /// The step that causes it.
        step: usize,
        /// Of these nodes.
        nodes: Vec<NodeId>,
        /// Only files below this directory.
        directory: Option<String>,
        /// What is wrong.
        fault: DiskFault,
        /// When it will end, if that is known.
        until: Option<Timestamp>,
    },
    /// Begins a fault of wall clocks.
    Clock {
        /// The step that causes it.
        step: usize,
        /// Of these nodes.
        nodes: Vec<NodeId>,
        /// What is wrong.
        fault: ClockFault,
    },
    /// Ends the fault of links, disks or clocks that a step caused.
    EndFault(usize),
    /// Ends all faults of links.
    Heal,
    /// Ends all faults of links, disks and clocks.
    Recover,
    /// Gives a command to the process of a node; lost if it does not run.
    Command(NodeId, Command),
    /// Wakes the director at this time.
    WakeAt(Timestamp),
    /// Ends the trial.
    End(EndReason),
}
