//! The metadata quorum as its voters tell of it: who is the active controller, and how often that changed.
//!
//! A controller is active from the moment that it says so until it says that it leads no more, its process
//! ends, or another one is active in a higher epoch. A controller that is cut off and does not know yet goes
//! on calling itself active: the one of the highest epoch is meant.

use ktrial_core::event::QuorumRole;
use ktrial_core::{ControllerId, Event, LeaderEpoch, NodeId, Offset};
use std::collections::BTreeMap;

/// The quorum so far.
#[derive(Clone, Debug, Default)]
pub struct Quorum {
    active: Option<(NodeId, LeaderEpoch)>,
    /// Whom the voters have elected, active already or not.
    elected: Option<(ControllerId, LeaderEpoch)>,
    activations: usize,
    /// The highest epoch in which a controller was active.
    newest: LeaderEpoch,
    /// How much of the metadata log each running replica knows to be committed.
    committed: BTreeMap<NodeId, Offset>,
}

impl Quorum {
    /// The active controller, if it is one of the quorum.
    pub fn active(&self) -> Option<ControllerId> {
        match self.active {
            Some((NodeId::Controller(controller), _)) => Some(controller),
            _ => None,
        }
    }

    /// The active controller; with ZooKeeper it is a broker.
    pub fn active_node(&self) -> Option<NodeId> {
        self.active.map(|(node, _)| node)
    }

    /// The leader of the quorum: elected, and perhaps not active yet.
    pub fn elected(&self) -> Option<ControllerId> {
        self.elected.map(|(controller, _)| controller)
    }

    /// The highest epoch in which a controller was active.
    pub fn epoch(&self) -> LeaderEpoch {
        self.newest
    }

    /// How often a controller became active.
    pub fn activations(&self) -> usize {
        self.activations
    }

    /// The end of what this replica of the metadata log knows to be committed.
    pub fn committed(&self, node: NodeId) -> Offset {
        self.committed.get(&node).copied().unwrap_or_default()
    }

    /// The end of what any replica that runs knows to be committed.
    pub fn most_committed(&self) -> Offset {
        self.committed.values().copied().max().unwrap_or_default()
    }

    /// A replica knows more now.
    pub(super) fn learned(&mut self, node: NodeId, offset: Offset) {
        let known = self.committed.entry(node).or_default();
        *known = offset.max(*known);
    }

    pub(super) fn apply(&mut self, node: NodeId, event: &Event) {
        if let Event::ControllerActivated { epoch } = event {
            self.activations += 1;
            if *epoch >= self.newest {
                self.newest = *epoch;
                self.active = Some((node, *epoch));
            }
        }
        let NodeId::Controller(controller) = node else {
            return;
        };
        match event {
            Event::QuorumRole {
                role: QuorumRole::Leader,
                epoch,
                ..
            } if self.elected.is_none_or(|(_, known)| *epoch >= known) => {
                self.elected = Some((controller, *epoch));
            }
            Event::QuorumRole { role, .. } if *role != QuorumRole::Leader => {
                self.leave(node);
            }
            _ => {}
        }
    }

    /// The process is gone, and with it what it knew.
    pub(super) fn stopped(&mut self, node: NodeId) {
        self.committed.remove(&node);
        self.leave(node);
    }

    /// The controller leads no more, or its process is gone.
    pub(super) fn leave(&mut self, node: NodeId) {
        if self.active_node() == Some(node) {
            self.active = None;
        }
        if self.elected().map(NodeId::Controller) == Some(node) {
            self.elected = None;
        }
    }
}
