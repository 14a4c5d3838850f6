//! What a plan's steps have done to the nodes when it is the next one's turn, as far as the plan tells: a
//! process may have ended by itself, which no plan can contradict.
//!
//! Next: `cluster.rs`.

use super::validate::first;
use crate::plan::{Action, StopKind};
use ktrial_core::NodeId;
use std::collections::BTreeSet;

/// What the steps before have done.
#[derive(Default)]
pub(super) struct SoFar {
    /// Values.
    pub(super) sent: BTreeSet<String>,
    down: BTreeSet<NodeId>,
    unpowered: BTreeSet<NodeId>,
    frozen: BTreeSet<NodeId>,
}

impl SoFar {
    /// Carries out an action, or says why it cannot be.
    pub(super) fn act(&mut self, action: &Action) -> Result<(), String> {
        match action {
            Action::Send { values, .. } => first(values, |value| {
                let again = !self.sent.insert(value.clone());
                again.then(|| format!("sends `{value}` again: each value occurs once"))
            }),
            Action::Stop { nodes, how } => first(nodes, |node| self.stop(*node, *how)),
            Action::Start { nodes } => first(nodes, |node| {
                self.unpowered.remove(node);
                let starts = !self.frozen.contains(node) && self.down.remove(node);
                (!starts).then(|| format!("starts {node}, which runs"))
            }),
            Action::Pause { nodes } => first(nodes, |node| {
                let pauses = !self.down.contains(node) && self.frozen.insert(*node);
                (!pauses).then(|| format!("pauses {node}, which does not run"))
            }),
            Action::Resume { nodes } => first(nodes, |node| {
                let resumes = self.frozen.remove(node);
                (!resumes).then(|| format!("resumes {node}, which is not paused"))
            }),
            Action::Cut { .. }
            | Action::Delay { .. }
            | Action::Heal
            | Action::AlterConfig { .. }
            | Action::ElectLeaders { .. }
            | Action::Assign { .. } => Ok(()),
        }
    }

    /// A machine can lose power with or without a process. A frozen process is told to shut down when
    /// it goes on.
    fn stop(&mut self, node: NodeId, how: StopKind) -> Option<String> {
        let was_down = !self.down.insert(node);
        let wrong = match how {
            StopKind::PowerLoss => {
                self.frozen.remove(&node);
                !self.unpowered.insert(node)
            }
            StopKind::Kill => !self.frozen.remove(&node) && was_down,
            StopKind::Shutdown => was_down,
        };
        wrong.then(|| format!("stops {node}, which is down"))
    }
}
