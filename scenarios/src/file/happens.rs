//! What happens in a scenario: `[[step]]` one after the other, `[[fault]]` and `[[workload]]` beside
//! them, `[recovery]` at the end.
//!
//! Rules: the plan's timeline has faults and sends in the order of the file. Workloads are read first
//! and faults last, for a step may wait for what a workload or a fault sends, and a fault for what
//! anything sends.
//!
//! Next: `step.rs`.

use super::action::Part;
use super::before::Before;
use super::names::Names;
use super::node::{Node, Table, Value};
use super::reader::Reader;
use super::step;
use super::workload::{self, Workload};
use crate::diagnostic::Span;
use crate::draw::Draw;
use ktrial_sim::plan::{Plan, Recovery, Step};

/// Reads it into the plan; what is to be drawn is returned.
pub(super) fn happens(
    reader: &mut Reader,
    table: &Table,
    names: &Names,
    plan: &mut Plan,
) -> Vec<Draw> {
    let [steps, faults, workloads] = ["step", "fault", "workload"].map(|key| table.get(key));
    if steps.is_none() && faults.is_none() && workloads.is_none() {
        let help = "add what happens: [[step]], [[fault]] or [[workload]]";
        reader.error_help(Span::default(), "nothing happens in this scenario", help);
    }
    let mut before = Before::new(names, plan.time_limit_ms);
    let workloads = workloads.map(|entry| workload::workloads(reader, entry, &mut before));
    if let Some(entry) = faults {
        before.look_at_faults(&entry.node);
    }
    let mut draws = Vec::new();
    let read = steps.map(|entry| step::steps(reader, entry, &mut before));
    for (_, parts) in read.unwrap_or_default() {
        add(parts, false, &mut plan.steps, &mut draws);
    }
    before.beside = true;
    let faults = faults.map(|entry| step::steps(reader, entry, &mut before));
    timeline(
        faults.unwrap_or_default(),
        workloads.unwrap_or_default(),
        plan,
        &mut draws,
    );
    if let Some(entry) = table.get("recovery") {
        plan.recovery = recovery(reader, &entry.node, names);
    }
    draws
}

/// Adds the steps of an action to their list.
fn add(parts: Vec<Part>, beside: bool, list: &mut Vec<Step>, draws: &mut Vec<Draw>) {
    for part in parts {
        let step = list.len();
        draws.extend(part.drawn.into_iter().map(|drawn| Draw::Node {
            step,
            beside,
            group: drawn.group,
            among: drawn.among,
            span: drawn.span,
        }));
        list.push(part.step);
    }
}

/// Puts faults and workloads into the order of the file.
fn timeline(
    faults: Vec<(Span, Vec<Part>)>,
    workloads: Vec<Workload>,
    plan: &mut Plan,
    draws: &mut Vec<Draw>,
) {
    let mut faults = faults.into_iter().peekable();
    for workload in workloads {
        while let Some((_, parts)) = faults.next_if(|(span, _)| *span < workload.span) {
            add(parts, true, &mut plan.timeline, draws);
        }
        let first = plan.timeline.len();
        plan.timeline.extend(workload.steps);
        if let Some(below_ms) = workload.jitter_ms {
            draws.push(Draw::Jitter {
                workload: workload.name,
                steps: first..plan.timeline.len(),
                below_ms,
            });
        }
    }
    for (_, parts) in faults {
        add(parts, true, &mut plan.timeline, draws);
    }
}

/// Reads `[recovery]`.
fn recovery(reader: &mut Reader, node: &Node, names: &Names) -> Option<Recovery> {
    let table = reader.table(node, "[recovery]")?;
    reader.only(table, &["nodes"]);
    let nodes = match table.get("nodes").map(|entry| &entry.node) {
        None => names.everybody(),
        Some(node) => match &node.value {
            Value::Text(text) if text == "all" => names.everybody(),
            Value::Text(text) => {
                reader.unknown(node.span, "choice", text, &["all"]);
                return None;
            }
            // Nobody starts: only links, disks, clocks and frozen processes are mended.
            Value::List(items) if items.is_empty() => Vec::new(),
            _ => names.nodes(reader, node)?,
        },
    };
    Some(Recovery { nodes })
}
