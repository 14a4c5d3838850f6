//! No machine panics, and none fails to start over what its disk holds, unless the plan has spoilt that
//! disk before.
//!
//! Source: ours. A panic is a broken rule of the code under trial; the cluster may recover from it, but
//! it is never right. False positives avoided: a start that fails is excused by a fault of that node's
//! disk that began earlier, and touched something (which may be told only later).

use super::{Excuses, Findings, Invariant, Moment};
use crate::history::{Touched, What};
use crate::plan::{Action, Target};
use ktrial_core::{NodeId, Timestamp};
use std::collections::BTreeMap;

#[derive(Default)]
pub(super) struct ProcessFailures {
    /// Disk faults by their steps: whose disks, and whether they touched anything.
    faults: BTreeMap<usize, (Vec<Target>, bool)>,
    /// Starts that failed after such a fault, which has touched nothing so far.
    unexcused: Vec<(Timestamp, NodeId, String)>,
}

impl ProcessFailures {
    /// The disk faults of a node: whether each touched anything.
    fn faults_of(&self, node: NodeId) -> impl Iterator<Item = bool> {
        let faults = self.faults.values();
        let on_node = faults.filter(move |(nodes, _)| nodes.contains(&Target::Node(node)));
        on_node.map(|(_, touched)| *touched)
    }

    fn start_failed(
        &mut self,
        at: Timestamp,
        node: Option<NodeId>,
        what: String,
    ) -> Option<String> {
        match node {
            Some(node) if self.faults_of(node).next().is_some() => {
                self.unexcused.push((at, node, what));
                None
            }
            _ => Some(what),
        }
    }
}

impl Invariant for ProcessFailures {
    fn observe(&mut self, moment: &Moment<'_>, _: Excuses<'_>, findings: &mut Findings) {
        let node = moment.entry.node;
        let told = |message: &str| match node {
            Some(node) => format!("{node}: {message}"),
            None => format!("the world: {message}"),
        };
        match &moment.entry.what {
            What::Step {
                index,
                action: Some(action),
            } => {
                if let Action::Disk { nodes, .. } = &**action {
                    self.faults.insert(*index, (nodes.clone(), false));
                }
            }
            What::FaultEffect {
                step,
                touched: 1..,
                of: Touched::DiskCalls | Touched::Bytes,
            } => {
                if let Some((_, touched)) = self.faults.get_mut(step) {
                    *touched = true;
                }
            }
            What::Panicked { message } => {
                let what = told(message);
                findings.report("machine_panicked", None, Some(moment.at()), false, what);
            }
            What::StartFailed { error } => {
                if let Some(what) = self.start_failed(moment.at(), node, told(error)) {
                    findings.report("start_failed", None, Some(moment.at()), false, what);
                }
            }
            // By now every fault has told what it touched.
            What::Ended { .. } => {
                for (at, node, what) in std::mem::take(&mut self.unexcused) {
                    if !self.faults_of(node).any(|touched| touched) {
                        findings.report("start_failed", None, Some(at), false, what);
                    }
                }
            }
            _ => {}
        }
    }
}
