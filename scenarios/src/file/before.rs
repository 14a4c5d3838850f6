//! What can be known before a step, without running anything: who runs, which values were sent, how early
//! the step can begin.
//!
//! Next: `action.rs`.

use super::names::Names;
use super::node::{Entry, Node, Value};
use super::process::Running;
use super::reader::Reader;
use super::who::Drawn;
use crate::diagnostic::Span;
use ktrial_core::TopicPartition;
use std::collections::{BTreeMap, BTreeSet};

/// Actions after which the file does not tell who runs.
const STIRRING: [&str; 9] = [
    "disk",
    "kill",
    "power_loss",
    "shutdown",
    "restart",
    "restart_storm",
    "start",
    "pause",
    "resume",
];

/// What can be known before step n.
pub(crate) struct Before<'a> {
    pub(super) names: &'a Names,
    pub(super) running: Running,
    /// Values that were sent, and where.
    pub(super) sent: BTreeMap<String, Span>,
    /// Values that are sent by something beside the steps, whenever that is.
    pub(super) sent_beside: Vec<String>,
    /// Partitions that a step before has moved, or perhaps created elsewhere.
    pub(super) moved: BTreeSet<TopicPartition>,
    /// The values of each workload.
    pub(super) workloads: BTreeMap<String, Vec<String>>,
    /// Who is to be drawn for the action that is being read.
    pub(super) drawn: Vec<Drawn>,
    /// What is read stands beside the steps.
    pub(super) beside: bool,
    /// The action that is being read.
    pub(super) span: Span,
    /// The step begins no earlier than this.
    pub(super) earliest_ms: u64,
    pub(super) limit_ms: u64,
}

impl<'a> Before<'a> {
    /// Before the first step of a trial of so many milliseconds.
    pub(super) fn new(names: &'a Names, limit_ms: u64) -> Self {
        Self {
            names,
            running: Running::default(),
            sent: BTreeMap::new(),
            sent_beside: Vec::new(),
            moved: BTreeSet::new(),
            workloads: BTreeMap::new(),
            drawn: Vec::new(),
            beside: false,
            span: Span::default(),
            earliest_ms: 0,
            limit_ms,
        }
    }

    /// Takes in what the faults do, before any of them is read: they begin whenever their time comes.
    pub(super) fn look_at_faults(&mut self, node: &Node) {
        let Value::List(items) = &node.value else {
            return;
        };
        for item in items {
            let Value::Table(table) = &item.value else {
                continue;
            };
            let is = |entry: &Entry| STIRRING.contains(&entry.key.as_str());
            self.running.unknown |= table.entries.iter().any(is);
            let Some(Value::Table(send)) = table.get("send").map(|entry| &entry.node.value) else {
                continue;
            };
            if let Some(Value::List(values)) = send.get("values").map(|entry| &entry.node.value) {
                let texts = values.iter().filter_map(|value| match &value.value {
                    Value::Text(text) => Some(text.clone()),
                    _ => None,
                });
                self.sent_beside.extend(texts);
            }
        }
    }

    /// Notes a value that is sent here, and that nothing else may send.
    pub(super) fn sends(&mut self, reader: &mut Reader, value: &str, span: Span) {
        if self.sent.insert(value.to_owned(), span).is_some() {
            let message = format!("the value `{value}` is sent twice");
            let help = "each value may occur once, so that its way can be followed";
            reader.error_help(span, message, help);
        }
    }

    /// Whether something sends a value: before this step, or beside the steps.
    pub(super) fn has_sent(&self, value: &str) -> bool {
        self.sent.contains_key(value) || self.sent_beside.iter().any(|sent| sent == value)
    }
}
