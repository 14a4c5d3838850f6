//! What a scenario leaves to the seed: who is meant by `random-broker` and its like, and by how much
//! each send of a workload comes later. Drawn when a plan is made, so that the plan says it.
//!
//! Rules: nobody is drawn twice into one action. A step that stops or freezes somebody for good leaves
//! those alone that another step stops, freezes or starts by name: else some seeds would contradict the
//! file.
//!
//! Next: `ktrial_sim::plan`, what the result says.

use crate::diagnostic::{Diagnostic, Span};
use ktrial_core::{NodeId, Random};
use ktrial_sim::plan::{Action, Plan, Step, Target, When};
use ktrial_sim::trial;
use std::collections::BTreeSet;
use std::ops::Range;

/// Something to draw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Draw {
    /// Who joins the action of a step.
    Node {
        /// The step's place in its list.
        step: usize,
        /// It is one of the timeline.
        beside: bool,
        /// Which group of the action: 0, or 1 for the other side of a link.
        group: usize,
        /// One of these.
        among: Vec<NodeId>,
        /// Where the file says so.
        span: Span,
    },
    /// How much later each of these steps of the timeline comes.
    Jitter {
        /// The workload's name.
        workload: String,
        /// Their places in the timeline.
        steps: Range<usize>,
        /// By less than so many milliseconds.
        below_ms: u64,
    },
}

/// Draws all of it.
///
/// # Errors
/// Nobody is left to be drawn, or who is drawn contradicts the file.
pub(crate) fn draw(draws: &[Draw], plan: &mut Plan) -> Result<(), Diagnostic> {
    let mut targets = Random::stream(plan.seed, "targets");
    let mut taken: BTreeSet<NodeId> = plan.steps.iter().flat_map(held).collect();
    for draw in draws {
        match draw {
            Draw::Node {
                step,
                beside,
                group,
                among,
                span,
            } => {
                let list = if *beside {
                    &mut plan.timeline
                } else {
                    &mut plan.steps
                };
                let Some(step) = list.get_mut(*step) else {
                    continue;
                };
                let none = BTreeSet::new();
                let holds = !*beside && step.for_ms.is_none();
                let except = if holds && is_about_processes(step) {
                    &taken
                } else {
                    &none
                };
                let node = one_of(&mut targets, step, among, except);
                let node = node.ok_or_else(|| nobody(*span))?;
                join(step, *group, node);
                if !*beside {
                    taken.extend(held(step));
                }
            }
            Draw::Jitter {
                workload,
                steps,
                below_ms,
            } => {
                let mut random = Random::stream(plan.seed, &format!("workload {workload}"));
                for step in plan.timeline.get_mut(steps.clone()).unwrap_or_default() {
                    if let When::After { ms } = &mut step.when {
                        *ms = ms.saturating_add(random.below(*below_ms));
                    }
                }
            }
        }
    }
    possible(draws, plan)
}

/// A file can ask for what no drawing makes possible: a broker that nobody stops is started by name.
fn possible(draws: &[Draw], plan: &Plan) -> Result<(), Diagnostic> {
    let mut drawn = draws.iter().filter_map(|draw| match draw {
        Draw::Node { span, .. } => Some(*span),
        Draw::Jitter { .. } => None,
    });
    let Some(span) = drawn.next() else {
        return Ok(());
    };
    trial::check(plan).map_err(|error| {
        let help = "nobody is drawn whom another step stops, freezes or starts by name";
        Diagnostic::at(span, error.to_string()).with_help(Some(help.to_owned()))
    })
}

fn nobody(span: Span) -> Diagnostic {
    let help = "everybody else is named by this action or by a step that stops or starts them";
    Diagnostic::at(span, "nobody is left to be drawn").with_help(Some(help.to_owned()))
}

fn one_of(
    random: &mut Random,
    step: &Step,
    among: &[NodeId],
    except: &BTreeSet<NodeId>,
) -> Option<NodeId> {
    let groups = step.action.as_ref().map(Action::groups);
    let named: Vec<NodeId> = groups
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(Target::node)
        .collect();
    let left = among.iter().copied();
    let left: Vec<NodeId> = left
        .filter(|node| !named.contains(node) && !except.contains(node))
        .collect();
    let count = u64::try_from(left.len()).unwrap_or(u64::MAX);
    let index = usize::try_from(random.below(count)).unwrap_or(0);
    left.get(index).copied()
}

/// Adds a node to a group of the step's action.
fn join(step: &mut Step, group: usize, node: NodeId) {
    let members = match &mut step.action {
        Some(
            Action::Stop { nodes, .. }
            | Action::Start { nodes }
            | Action::Pause { nodes }
            | Action::Resume { nodes }
            | Action::Disk { nodes, .. }
            | Action::Clock { nodes, .. },
        ) => nodes,
        Some(Action::Link { from, to, .. }) => {
            if group == 0 {
                from
            } else {
                to
            }
        }
        _ => return,
    };
    members.push(Target::Node(node));
}

/// The nodes that a step stops, starts, freezes or wakes for good.
fn held(step: &Step) -> Vec<NodeId> {
    if step.for_ms.is_some() || !is_about_processes(step) {
        return Vec::new();
    }
    let groups = step.action.as_ref().map(Action::groups);
    let targets = groups.into_iter().flatten().flatten();
    targets.filter_map(Target::node).collect()
}

fn is_about_processes(step: &Step) -> bool {
    matches!(
        step.action,
        Some(
            Action::Stop { .. }
                | Action::Start { .. }
                | Action::Pause { .. }
                | Action::Resume { .. }
        )
    )
}
