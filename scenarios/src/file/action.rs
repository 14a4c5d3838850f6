//! What a step does: one optional key per action. Some actions stand for several steps of a plan.
//!
//! | file | actions |
//! |---|---|
//! | `who.rs` | who they are about |
//! | `process.rs` | `kill`, `power_loss`, `shutdown`, `start`, `pause`, `resume`, `restart` |
//! | `link.rs` | `cut`, `delay`, `lose`, `throttle`, `isolate`, `ring`, `bridge`, `heal` |
//! | `device.rs` | `disk`, `clock` |
//! | `rounds.rs` | `rolling_restart`, `restart_storm` |
//! | `send.rs`, `operator.rs` | `send`; `alter_config`, `elect_leaders`, `assign` |
//! | `topics.rs` | `create_topic`, `add_partitions`, `delete_topic`, `reassign` |
//!
//! Next: `who.rs`.

use super::before::Before;
use super::node::{Entry, Table};
use super::reader::Reader;
use super::who::Drawn;
use super::{device, link, operator, process, rounds, send, topics};
use crate::diagnostic::Span;
use ktrial_sim::plan::{Action, DiskFault, Step, When};

/// Every action.
pub(crate) const ACTIONS: &[&str] = &[
    "send",
    "kill",
    "power_loss",
    "shutdown",
    "restart",
    "rolling_restart",
    "restart_storm",
    "start",
    "pause",
    "resume",
    "cut",
    "isolate",
    "ring",
    "bridge",
    "delay",
    "lose",
    "throttle",
    "heal",
    "disk",
    "clock",
    "alter_config",
    "create_topic",
    "add_partitions",
    "delete_topic",
    "reassign",
    "elect_leaders",
    "assign",
];

/// One of the steps that an action stands for. The wait of the first is the written step's own.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) step: Step,
    /// Who joins its action when the plan is made.
    pub(super) drawn: Vec<Drawn>,
}

impl Part {
    /// It waits, then acts.
    pub(super) fn new(when: When, action: Option<Action>) -> Self {
        Self {
            step: Step {
                when,
                action,
                for_ms: None,
                may_miss: false,
            },
            drawn: Vec::new(),
        }
    }
}

/// The only part of an action, with those who were drawn for it.
pub(super) fn parts(action: Action, before: &mut Before<'_>) -> Vec<Part> {
    let mut part = Part::new(When::Now, Some(action));
    part.drawn = std::mem::take(&mut before.drawn);
    vec![part]
}

/// Reads the action of a step.
pub(super) fn action(
    reader: &mut Reader,
    entry: &Entry,
    before: &mut Before<'_>,
) -> Option<Vec<Part>> {
    before.drawn.clear();
    let span = entry.key_span;
    let name = entry.key.as_str();
    if let ("alter_config", super::node::Value::List(items)) = (name, &entry.node.value) {
        let action = operator::alter_configs(reader, items, span, before.names)?;
        return Some(parts(action, before));
    }
    let table = reader.table(&entry.node, example(name))?;
    match name {
        "restart" => process::restart(reader, table, span, before),
        "rolling_restart" => rounds::rolling_restart(reader, table, span, before),
        "restart_storm" => rounds::restart_storm(reader, table, span, before),
        "ring" => link::ring(reader, table, before),
        _ => {
            let action = simple(reader, name, table, span, before)?;
            Some(parts(action, before))
        }
    }
}

fn simple(
    reader: &mut Reader,
    name: &str,
    table: &Table,
    span: Span,
    before: &mut Before<'_>,
) -> Option<Action> {
    match name {
        "send" => send::send(reader, table, span, before),
        "cut" | "delay" | "lose" | "throttle" => link::link(reader, name, table, span, before),
        "isolate" => link::isolate(reader, table, span, before),
        "bridge" => link::bridge(reader, table, span, before),
        "heal" => {
            reader.only(table, &[]);
            Some(Action::Heal)
        }
        "disk" => device::disk(reader, table, span, before),
        "clock" => device::clock(reader, table, span, before),
        "alter_config" => operator::alter_config(reader, table, span, before.names),
        "create_topic" => topics::create_topic(reader, table, span, before),
        "add_partitions" => topics::add_partitions(reader, table, span, before.names),
        "delete_topic" => topics::delete_topic(reader, table, span, before.names),
        "reassign" => topics::reassign(reader, table, span, before),
        "elect_leaders" => operator::elect_leaders(reader, table, span, before.names),
        "assign" => operator::assign(reader, table, span, before.names),
        _ => process::process(reader, name, table, span, before),
    }
}

fn example(action: &str) -> &'static str {
    match action {
        "send" => "{ values = [\"A\"] }",
        "cut" => "{ from = [1], to = [2, 3] }",
        "isolate" => "{ node = \"leader(orders-0)\" }",
        "ring" => "{}, or { brokers = [1, 2, 3, 4] }",
        "bridge" => "{ over = 3 }",
        "delay" => "{ from = [1], to = [2], by = \"100ms\" }",
        "lose" => "{ from = [1], to = [2], percent = 10 }",
        "throttle" => "{ from = [1], to = [2], bytes_per_ms = 100 }",
        "heal" => "{}",
        "restart" => "{ broker = 1, down = \"5s\" }",
        "rolling_restart" => "{ brokers = [1, 2, 3] }",
        "restart_storm" => "{ broker = 1, times = 3, every = \"10s\", down = \"1s\" }",
        "disk" => "{ broker = 1, slow = 10 }",
        "clock" => "{ broker = 1, jump = \"-5s\" }",
        "alter_config" => "{ topic = \"orders\", set = { \"min.insync.replicas\" = 2 } }",
        "create_topic" | "delete_topic" => "{ topic = \"orders\" }",
        "add_partitions" => "{ topic = \"orders\", count = 3 }",
        "reassign" => "{ partition = \"orders-0\", replicas = [4, 2, 3] }",
        "elect_leaders" => "{ election = \"preferred\" }",
        "assign" => "{ consumer = \"c1\", partitions = [\"orders-0\"] }",
        _ => "{ broker = 1 }",
    }
}

/// `for = "5s"`: how long each part lasts.
pub(super) fn lasting(
    reader: &mut Reader,
    step: &Table,
    action: &Entry,
    parts: &mut [Part],
) -> Option<()> {
    let stalls = |part: &Part| {
        let Some(Action::Disk { fault, .. }) = &part.step.action else {
            return false;
        };
        *fault == DiskFault::Stall
    };
    let Some(entry) = step.get("for") else {
        if parts.iter().any(stalls) {
            let help = "add how long: `for = \"30s\"`";
            reader.error_help(action.key_span, "this disk would never work again", help);
            return None;
        }
        return Some(());
    };
    let for_ms = reader.millis(&entry.node)?;
    let told = parts.iter().any(|part| part.step.for_ms.is_some());
    let moves = |part: &Part| matches!(&part.step.action, Some(action) if action.can_last());
    if told || action.key == "rolling_restart" {
        let message = format!("`{}` has times of its own", action.key);
        reader.error_help(entry.key_span, message, "leave `for` out");
        return None;
    }
    if !parts.iter().all(moves) {
        let message = "what this step does happens at once: it cannot last";
        reader.error_help(entry.key_span, message, "leave `for` out");
        return None;
    }
    for part in parts {
        part.step.for_ms = Some(for_ms);
    }
    Some(())
}
