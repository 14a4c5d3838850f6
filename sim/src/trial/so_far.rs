//! What a plan's steps have done to the nodes when it is the next one's turn, as far as the plan tells: a
//! process may have ended by itself, which no plan can contradict. Once a role, a timeline or something
//! that lasts for a time has had its hand in it, or a disk has been spoilt (which ends processes), the plan
//! tells nothing more.
//!
//! Next: `cluster.rs`.

use super::roles::nodes;
use super::validate::first;
use crate::plan::{Action, Plan, Step, StopKind, Target};
use crate::world::other_role;
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
    brokers: BTreeSet<NodeId>,
    /// Who runs is not known from the plan alone.
    unknown: bool,
}

impl SoFar {
    /// Before the first step.
    pub(super) fn new(plan: &Plan) -> Self {
        let stirs = |action: &Action| is_about_processes(action) || spoils_disks(action);
        let stirs = |step: &Step| step.action.as_ref().is_some_and(stirs);
        Self {
            unknown: plan.timeline.iter().any(stirs),
            brokers: plan.brokers.iter().map(|b| NodeId::Broker(b.id)).collect(),
            ..Self::default()
        }
    }

    /// Carries out a step, or says why it cannot be.
    pub(super) fn act(&mut self, step: &Step) -> Result<(), String> {
        let Some(action) = &step.action else {
            return Ok(());
        };
        if let Action::Send { values, .. } = action {
            return first(values, |value| {
                let again = !self.sent.insert(value.clone());
                again.then(|| format!("sends `{value}` again: each value occurs once"))
            });
        }
        let named = |group: &[Target]| group.iter().all(|target| target.node().is_some());
        let told = step.for_ms.is_none() && action.groups().into_iter().all(named);
        if is_about_processes(action) && !told || spoils_disks(action) {
            self.unknown = true;
        }
        if self.unknown {
            return Ok(());
        }
        self.processes(action)
    }

    fn processes(&mut self, action: &Action) -> Result<(), String> {
        let nodes = |who: &[Target]| self.processes_of(who);
        match action {
            Action::Stop { nodes: who, how } => first(&nodes(who), |node| self.stop(*node, *how)),
            Action::Start { nodes: who } => first(&nodes(who), |node| {
                self.unpowered.remove(node);
                let starts = !self.frozen.contains(node) && self.down.remove(node);
                (!starts).then(|| format!("starts {node}, which runs"))
            }),
            Action::Pause { nodes: who } => first(&nodes(who), |node| {
                let pauses = !self.down.contains(node) && self.frozen.insert(*node);
                (!pauses).then(|| format!("pauses {node}, which does not run"))
            }),
            Action::Resume { nodes: who } => first(&nodes(who), |node| {
                let resumes = self.frozen.remove(node);
                (!resumes).then(|| format!("resumes {node}, which is not paused"))
            }),
            _ => Ok(()),
        }
    }

    /// Their processes, each once, by its broker if it is a broker and a controller.
    fn processes_of(&self, who: &[Target]) -> Vec<NodeId> {
        let process = |node: NodeId| {
            let broker = other_role(node).filter(|other| self.brokers.contains(other));
            broker.unwrap_or(node)
        };
        let mut seen = BTreeSet::new();
        let all = nodes(who).into_iter().map(process);
        all.filter(|process| seen.insert(*process)).collect()
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

fn is_about_processes(action: &Action) -> bool {
    matches!(
        action,
        Action::Stop { .. } | Action::Start { .. } | Action::Pause { .. } | Action::Resume { .. }
    )
}

/// A process whose disk fails, or holds nonsense, ends by itself or does not start.
fn spoils_disks(action: &Action) -> bool {
    matches!(action, Action::Disk { .. })
}
