//! Actions about processes: stop, start, freeze, go on, restart. A process may be a client's.
//!
//! What the file itself says about who runs is followed from step to step, so that a step that cannot
//! do anything is told at once. As soon as a role, a drawn node, a fault beside the steps or something
//! that lasts for a time has its hand in it, the file tells nothing more.
//!
//! Next: `link.rs`.

use super::action::{Part, parts};
use super::before::Before;
use super::names::Names;
use super::node::Table;
use super::reader::Reader;
use super::who;
use crate::diagnostic::Span;
use ktrial_core::NodeId;
use ktrial_sim::plan::{Action, StopKind, Target};
use std::collections::BTreeSet;

/// Kinds of stops by their names.
const STOPS: [(&str, StopKind); 3] = [
    ("kill", StopKind::Kill),
    ("power_loss", StopKind::PowerLoss),
    ("shutdown", StopKind::Shutdown),
];

/// The kind of stop of a name.
pub(super) fn stop_kind(name: &str) -> Option<StopKind> {
    let found = STOPS.iter().find(|(known, _)| *known == name);
    found.map(|(_, kind)| *kind)
}

/// `how = "kill"`.
pub(super) fn how(reader: &mut Reader, table: &Table, default: StopKind) -> Option<StopKind> {
    let Some(entry) = table.get("how") else {
        return Some(default);
    };
    let text = reader.text(&entry.node)?;
    let kind = stop_kind(&text);
    if kind.is_none() {
        let known = STOPS.map(|(name, _)| name);
        reader.unknown(entry.node.span, "way to stop", &text, &known);
    }
    kind
}

/// `kill`, `power_loss`, `shutdown`, `start`, `pause`, `resume`.
pub(super) fn process(
    reader: &mut Reader,
    name: &str,
    table: &Table,
    span: Span,
    before: &mut Before<'_>,
) -> Option<Action> {
    reader.only(table, &who::KEYS);
    let nodes = who::group(reader, table, span, before)?;
    let wakes = matches!(name, "start" | "resume");
    if wakes && let Some(drawn) = before.drawn.first() {
        let help = "name the nodes, or let the fault end by itself: `for = \"5s\"`";
        reader.error_help(drawn.span, "this would draw somebody else", help);
        return None;
    }
    match (name, stop_kind(name)) {
        (_, Some(how)) => Some(Action::Stop { nodes, how }),
        ("start", _) => Some(Action::Start { nodes }),
        ("pause", _) => Some(Action::Pause { nodes }),
        _ => Some(Action::Resume { nodes }),
    }
}

/// `restart`: a stop that lasts.
pub(super) fn restart(
    reader: &mut Reader,
    table: &Table,
    span: Span,
    before: &mut Before<'_>,
) -> Option<Vec<Part>> {
    let known: Vec<&str> = who::KEYS.into_iter().chain(["how", "down"]).collect();
    reader.only(table, &known);
    let how = how(reader, table, StopKind::Kill);
    let down = reader.need(table, "down", span);
    let down = down.and_then(|node| reader.millis(node));
    let nodes = who::group(reader, table, span, before)?;
    let mut parts = parts(Action::Stop { nodes, how: how? }, before);
    for part in &mut parts {
        part.step.for_ms = Some(down?);
    }
    Some(parts)
}

/// Who runs, as far as the file tells.
#[derive(Debug, Default)]
pub(super) struct Running {
    down: BTreeSet<NodeId>,
    unpowered: BTreeSet<NodeId>,
    frozen: BTreeSet<NodeId>,
    /// The file does not tell.
    pub(super) unknown: bool,
}

impl Running {
    /// Carries out an action, and notes what it cannot do.
    pub(super) fn act(&mut self, reader: &mut Reader, names: &Names, span: Span, part: &Part) {
        // A process whose disk fails, or holds nonsense, ends by itself or does not start.
        self.unknown |= matches!(part.step.action, Some(Action::Disk { .. }));
        let Some(
            Action::Stop { nodes: targets, .. }
            | Action::Start { nodes: targets }
            | Action::Pause { nodes: targets }
            | Action::Resume { nodes: targets },
        ) = &part.step.action
        else {
            return;
        };
        let named = targets.iter().all(|target| target.node().is_some());
        self.unknown |= !named || !part.drawn.is_empty() || part.step.for_ms.is_some();
        if self.unknown {
            return;
        }
        let nodes = targets.iter().filter_map(Target::node);
        let mut processes: Vec<NodeId> = nodes.map(|node| names.process(node)).collect();
        let mut seen = BTreeSet::new();
        processes.retain(|node| seen.insert(*node));
        for node in processes {
            let wrong = match &part.step.action {
                Some(Action::Stop { how, .. }) => self.stop(node, *how),
                Some(Action::Start { .. }) => self.start(node),
                Some(Action::Pause { .. }) => self.pause(node),
                _ => self.resume(node),
            };
            if let Some(state) = wrong {
                let name = match node {
                    NodeId::Broker(id) => format!("broker {id}"),
                    NodeId::Controller(id) => format!("controller {id}"),
                    NodeId::Client(_) => "this client".to_owned(),
                    NodeId::ZooKeeper(id) => format!("ZooKeeper server {id}"),
                };
                reader.error(span, format!("{name} {state} at this step"));
            }
        }
    }

    /// A machine can lose power with or without a process.
    fn stop(&mut self, node: NodeId, how: StopKind) -> Option<&'static str> {
        let was_down = !self.down.insert(node);
        let wrong = match how {
            StopKind::PowerLoss => {
                self.frozen.remove(&node);
                !self.unpowered.insert(node)
            }
            StopKind::Kill => !self.frozen.remove(&node) && was_down,
            StopKind::Shutdown => was_down,
        };
        wrong.then_some("is already down")
    }

    fn start(&mut self, node: NodeId) -> Option<&'static str> {
        self.unpowered.remove(&node);
        let starts = !self.frozen.contains(&node) && self.down.remove(&node);
        (!starts).then_some("runs already")
    }

    fn pause(&mut self, node: NodeId) -> Option<&'static str> {
        if self.down.contains(&node) {
            return Some("is down");
        }
        (!self.frozen.insert(node)).then_some("is already paused")
    }

    fn resume(&mut self, node: NodeId) -> Option<&'static str> {
        (!self.frozen.remove(&node)).then_some("is not paused")
    }
}
