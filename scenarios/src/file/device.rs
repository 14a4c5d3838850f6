//! Actions about disks and clocks.
//!
//! Next: `rounds.rs`.

use super::before::Before;
use super::node::{Entry, Node, Table, Value};
use super::reader::Reader;
use super::who;
use crate::diagnostic::Span;
use crate::duration;
use ktrial_core::NodeId;
use ktrial_sim::plan::{Action, ClockFault, DiskCall, DiskFault};

/// What can be wrong with a disk.
const DISK_FAULTS: [&str; 8] = [
    "slow",
    "stall",
    "fail",
    "full",
    "lying_flush",
    "torn_write",
    "bit_rot",
    "wipe",
];
/// A year: a clock that is wronger is a slip.
const YEAR_MS: i64 = 366 * 24 * 60 * 60 * 1_000;

/// `disk`.
pub(super) fn disk(
    reader: &mut Reader,
    table: &Table,
    span: Span,
    before: &mut Before<'_>,
) -> Option<Action> {
    let known = who::KEYS.into_iter().chain(DISK_FAULTS);
    let known: Vec<&str> = known.chain(["directory"]).collect();
    reader.only(table, &known);
    let Some(entry) = reader.one_of(table, &DISK_FAULTS) else {
        let help =
            "say what: `slow = 10`, `stall = true`, `fail = [\"write\"]`, `full = true`, ...";
        reader.error_help(span, "nothing is wrong with this disk", help);
        return None;
    };
    let fault = disk_fault(reader, entry);
    let directory = match table.get("directory") {
        Some(entry) => Some(reader.text(&entry.node)?),
        None => None,
    };
    let nodes = who::group(reader, table, span, before)?;
    let client = |node: NodeId| matches!(node, NodeId::Client(_));
    if nodes.iter().any(|target| target.node().is_some_and(client)) {
        reader.error(span, "clients have no disk");
        return None;
    }
    Some(Action::Disk {
        nodes,
        directory,
        fault: fault?,
    })
}

fn disk_fault(reader: &mut Reader, entry: &Entry) -> Option<DiskFault> {
    match entry.key.as_str() {
        "slow" => {
            let times = reader.integer(&entry.node, 2..=i64::from(u32::MAX))?;
            Some(DiskFault::Slow { times })
        }
        "fail" => fail(reader, &entry.node),
        "bit_rot" => bit_rot(reader, &entry.node),
        name => {
            if !reader.boolean(&entry.node)? {
                let help = "a fault is there or not: leave it out";
                reader.error_help(entry.node.span, format!("`{name}` cannot be false"), help);
                return None;
            }
            Some(match name {
                "stall" => DiskFault::Stall,
                "full" => DiskFault::Full,
                "lying_flush" => DiskFault::LyingFlush,
                "torn_write" => DiskFault::TornWrite,
                _ => DiskFault::Wipe,
            })
        }
    }
}

fn fail(reader: &mut Reader, node: &Node) -> Option<DiskFault> {
    let items = reader.list(node, "calls such as [\"write\"]")?;
    let mut calls = Vec::new();
    for item in items {
        let call = match reader.text(item)?.as_str() {
            "read" => DiskCall::Read,
            "write" => DiskCall::Write,
            "flush" => DiskCall::Flush,
            other => {
                let known = ["read", "write", "flush"];
                reader.unknown(item.span, "kind of disk call", other, &known);
                return None;
            }
        };
        if !calls.contains(&call) {
            calls.push(call);
        }
    }
    if calls.is_empty() {
        reader.error(
            node.span,
            "this list is empty: name at least one kind of call",
        );
        return None;
    }
    Some(DiskFault::Fail { calls })
}

/// `true`, or `{ file = "data/orders-0/....log", position = 17 }`.
fn bit_rot(reader: &mut Reader, node: &Node) -> Option<DiskFault> {
    let table = match &node.value {
        Value::Bool(true) => &Table::default(),
        _ => reader.table(
            node,
            "{ file = \"data/orders-0/00000000000000000000.log\" }",
        )?,
    };
    reader.only(table, &["file", "position"]);
    let file = match table.get("file") {
        Some(entry) => Some(reader.text(&entry.node)?),
        None => None,
    };
    let position = match table.get("position") {
        Some(entry) => Some(reader.integer(&entry.node, 0..=i64::MAX)?),
        None => None,
    };
    Some(DiskFault::BitRot { file, position })
}

/// `clock`.
pub(super) fn clock(
    reader: &mut Reader,
    table: &Table,
    span: Span,
    before: &mut Before<'_>,
) -> Option<Action> {
    let known: Vec<&str> = who::KEYS.into_iter().chain(["jump", "drift_ppm"]).collect();
    reader.only(table, &known);
    let nodes = who::group(reader, table, span, before);
    if table.get("jump").is_none() && table.get("drift_ppm").is_none() {
        let help = "add `jump = \"-5s\"`, or `drift_ppm = 100`";
        reader.error_help(span, "nothing is wrong with this clock", help);
        return None;
    }
    let jump_ms = match table.get("jump") {
        Some(entry) => jump(reader, &entry.node)?,
        None => 0,
    };
    let drift_ppm = match table.get("drift_ppm") {
        Some(entry) => reader.integer(&entry.node, -1_000_000..=1_000_000)?,
        None => 0,
    };
    Some(Action::Clock {
        nodes: nodes?,
        fault: ClockFault { jump_ms, drift_ppm },
    })
}

/// A time that may be negative.
fn jump(reader: &mut Reader, node: &Node) -> Option<i64> {
    let text = reader.text(node)?;
    let (sign, time) = match text.strip_prefix('-') {
        Some(time) => (-1, time),
        None => (1, text.as_str()),
    };
    let ms = duration::millis(time).and_then(|ms| i64::try_from(ms).ok());
    let Some(ms) = ms.filter(|ms| *ms <= YEAR_MS) else {
        let message = format!("`{text}` is no time that a clock can jump by");
        let help = "a time such as \"5s\" (ahead) or \"-5s\" (back), up to a year";
        reader.error_help(node.span, message, help);
        return None;
    };
    Some(sign * ms)
}
