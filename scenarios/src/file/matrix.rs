//! `[matrix]`: settings to compare, and `[[expect]]`: what each cell should end in.

use super::names::Names;
use super::node::{Flat, Node, Table, Value, flatten};
use super::reader::Reader;
use crate::diagnostic::Diagnostic;
use crate::expect::{CLASSES, Expect, class_name};
use crate::setting::{Target, target};
use crate::suggest;
use ktrial_sim::plan::Plan;
use ktrial_sim::verdict::Class;
use std::collections::{BTreeMap, BTreeSet};

/// The largest matrix.
const MOST_CELLS: usize = 1_000;

/// A setting and the values to compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Axis {
    /// The key as written.
    pub key: String,
    /// Where it goes.
    pub target: Target,
    /// Its values, in the order of the file.
    pub values: Vec<String>,
}

/// Reads `[matrix]`.
pub(crate) fn matrix(reader: &mut Reader, node: &Node, plan: &Plan) -> Vec<Axis> {
    let Some(table) = reader.table(node, "[matrix]") else {
        return Vec::new();
    };
    let flat = flatten(table, &mut reader.problems);
    let axes: Vec<Axis> = flat
        .iter()
        .filter_map(|flat| axis(reader, flat, plan))
        .collect();
    let cells = axes
        .iter()
        .try_fold(1_usize, |cells, axis| cells.checked_mul(axis.values.len()));
    if cells.is_none_or(|cells| cells > MOST_CELLS) {
        let help = "split the scenario, or leave values out";
        reader.error_help(node.span, "a matrix has at most 1000 cells", help);
        return Vec::new();
    }
    axes
}

fn axis(reader: &mut Reader, flat: &Flat<'_>, plan: &Plan) -> Option<Axis> {
    let target = known(reader, flat, plan)?;
    let items = reader.list(flat.node, "values such as [false, true]")?;
    if items.is_empty() {
        let help = "name at least one value, or leave the setting out";
        reader.error_help(flat.node.span, "this list is empty", help);
        return None;
    }
    let mut values = Vec::new();
    for item in items {
        let value = reader.scalar(item)?;
        if let Err(message) = target.check(&value) {
            reader.error(item.span, message);
        } else if values.contains(&value) {
            reader.error(item.span, format!("`{value}` is there twice"));
        } else {
            values.push(value);
        }
    }
    (!values.is_empty()).then(|| Axis {
        key: flat.key.clone(),
        target,
        values,
    })
}

fn known(reader: &mut Reader, flat: &Flat<'_>, plan: &Plan) -> Option<Target> {
    match target(&flat.key, plan) {
        Ok(target) => Some(target),
        Err(nowhere) => {
            let diagnostic = Diagnostic::at(flat.span, nowhere.message);
            reader.problems.push(diagnostic.with_help(nowhere.help));
            None
        }
    }
}

/// Reads `[[expect]]`.
pub(crate) fn expects(
    reader: &mut Reader,
    node: &Node,
    names: &Names,
    plan: &Plan,
    axes: &[Axis],
) -> Vec<Expect> {
    let Value::List(items) = &node.value else {
        let help = "each expectation is a table of its own: [[expect]]";
        reader.error_help(node.span, "`expect` must be a list of tables", help);
        return Vec::new();
    };
    items
        .iter()
        .filter_map(|item| expect(reader, item, names, plan, axes))
        .collect()
}

fn expect(
    reader: &mut Reader,
    node: &Node,
    names: &Names,
    plan: &Plan,
    axes: &[Axis],
) -> Option<Expect> {
    let table = reader.table(node, "[[expect]]")?;
    reader.only(
        table,
        &[
            "when",
            "verdict",
            "lost",
            "duplicated",
            "logs",
            "unavailable_waiting_for",
            "findings",
        ],
    );
    let mut expect = Expect {
        lost: values(reader, table, "lost"),
        duplicated: values(reader, table, "duplicated"),
        findings: values(reader, table, "findings"),
        ..Expect::default()
    };
    if let Some(entry) = table.get("when") {
        expect.when = when(reader, &entry.node, plan, axes);
    }
    if let Some(entry) = table.get("verdict") {
        expect.verdict = class(reader, &entry.node);
    }
    if let Some(entry) = table.get("logs") {
        expect.logs = logs(reader, &entry.node, names);
    }
    if let Some(entry) = table.get("unavailable_waiting_for") {
        let brokers = names.broker_set(reader, &entry.node);
        expect.unavailable_waiting_for = brokers.map(|brokers| brokers.into_iter().collect());
    }
    Some(expect)
}

fn values(reader: &mut Reader, table: &Table, key: &str) -> Option<BTreeSet<String>> {
    let entry = table.get(key)?;
    let texts = reader.texts(&entry.node, "texts such as [\"A\"]")?;
    Some(texts.into_iter().collect())
}

fn class(reader: &mut Reader, node: &Node) -> Option<Class> {
    let text = reader.text(node)?;
    let found = CLASSES.into_iter().find(|class| class_name(*class) == text);
    if found.is_none() {
        reader.unknown(node.span, "verdict", &text, &CLASSES.map(class_name));
    }
    found
}

fn when(reader: &mut Reader, node: &Node, plan: &Plan, axes: &[Axis]) -> BTreeMap<String, String> {
    let mut when = BTreeMap::new();
    let Some(table) = reader.table(node, "{ \"min.insync.replicas\" = 2 }") else {
        return when;
    };
    for flat in flatten(table, &mut reader.problems) {
        let (Some(target), Some(value)) = (known(reader, &flat, plan), reader.scalar(flat.node))
        else {
            continue;
        };
        let axis = axes.iter().find(|axis| axis.key == flat.key);
        match (target.check(&value), axis) {
            (Err(message), _) => reader.error(flat.node.span, message),
            (Ok(()), Some(axis)) if !axis.values.contains(&value) => {
                let message = format!("no cell has `{}` = `{value}`", flat.key);
                let help = format!("[matrix] has {}", suggest::list(&axis.values));
                reader.error_help(flat.node.span, message, &help);
            }
            (Ok(()), _) => {
                when.insert(flat.key, value);
            }
        }
    }
    when
}

fn logs(
    reader: &mut Reader,
    node: &Node,
    names: &Names,
) -> BTreeMap<ktrial_core::TopicPartition, Vec<String>> {
    let mut logs = BTreeMap::new();
    let Some(table) = reader.table(node, "{ \"orders-0\" = [\"A\"] }") else {
        return logs;
    };
    for flat in flatten(table, &mut reader.problems) {
        let partition = names.partition_named(reader, &flat.key, flat.span);
        let values = reader.texts(flat.node, "texts such as [\"A\"]");
        if let (Some(partition), Some(values)) = (partition, values) {
            logs.insert(partition, values);
        }
    }
    logs
}
