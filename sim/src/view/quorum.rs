//! The metadata quorum as its voters tell of it: who is the active controller, and how often that changed.
//!
//! A controller is active from the moment that it says so until it says that it leads no more, its process
//! ends, or another one is active in a higher epoch. A controller that is cut off and does not know yet goes
//! on calling itself active: the one of the highest epoch is meant.

use ktrial_core::event::QuorumRole;
use ktrial_core::{ControllerId, Event, LeaderEpoch, NodeId};

/// The quorum so far.
#[derive(Clone, Debug, Default)]
pub struct Quorum {
    active: Option<(NodeId, LeaderEpoch)>,
    /// Whom the voters have elected, active already or not.
    elected: Option<(ControllerId, LeaderEpoch)>,
    activations: usize,
    /// The highest epoch in which a controller was active.
    newest: LeaderEpoch,
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
