//! `[matrix]`: settings and words to compare, and `[[expect]]`: what each cell should end in.

use super::names::Names;
use super::node::{Flat, Node, Table, Value, flatten};
use super::reader::Reader;
use super::variable::{self, Values, Variable};
use crate::diagnostic::{Diagnostic, Span};
use crate::expect::{CLASSES, Expect, class_name};
use crate::setting::{Target, target};
use crate::suggest;
use ktrial_sim::plan::Plan;
use ktrial_sim::verdict::Class;
use std::collections::{BTreeMap, BTreeSet};

/// The largest matrix.
pub(super) const MOST_CELLS: usize = 1_000;

/// A setting or a variable, and the values to compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Axis {
    /// The key as written.
    pub key: String,
    /// Where it goes; `None` = a variable: it stands in the file.
    pub target: Option<Target>,
    /// Its values, in the order of the file.
    pub values: Vec<String>,
}

/// Reads `[matrix]`.
pub(super) fn matrix(
    reader: &mut Reader,
    node: &Node,
    variables: &[Variable],
    plan: &Plan,
) -> Vec<Axis> {
    let Some(table) = reader.table(node, "[matrix]") else {
        return Vec::new();
    };
    let flat = flatten(table, &mut reader.problems);
    let axes: Vec<Axis> = flat
        .iter()
        .filter_map(|flat| {
            let variable = variables.iter().find(|variable| variable.name == flat.key);
            variable.map_or_else(|| axis(reader, flat, plan), |found| Some(varying(found)))
        })
        .collect();
    let cells = axes
        .iter()
        .try_fold(1_usize, |cells, axis| cells.checked_mul(axis.values.len()));
    if cells.is_none_or(|cells| cells > MOST_CELLS) {
        too_many(reader, node.span);
        return Vec::new();
    }
    axes
}

/// Notes that a matrix is too large.
pub(super) fn too_many(reader: &mut Reader, span: Span) {
    let help = "split the scenario, or leave values out";
    reader.error_help(span, "a matrix has at most 1000 cells", help);
}

fn varying(variable: &Variable) -> Axis {
    let values = variable.values.iter().map(|(text, _)| text.clone());
    Axis {
        key: variable.name.clone(),
        target: None,
        values: values.collect(),
    }
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
        target: Some(target),
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

/// Reads `[[expect]]` of a version of the file: what it expects holds for its cells only.
pub(super) fn expects(
    reader: &mut Reader,
    node: &Node,
    names: &Names,
    plan: &Plan,
    axes: &[Axis],
    version: &Values,
) -> Vec<Expect> {
    let Value::List(items) = &node.value else {
        let help = "each expectation is a table of its own: [[expect]]";
        reader.error_help(node.span, "`expect` must be a list of tables", help);
        return Vec::new();
    };
    let mut expects = Vec::new();
    for item in items {
        let Some(mut expect) = expect(reader, item, names, plan, axes) else {
            continue;
        };
        let same = |(name, value)| expect.when.get(name).is_none_or(|wanted| wanted == value);
        if version.iter().all(same) {
            expect.when.extend(version.clone());
            expects.push(expect);
        }
    }
    expects
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
        if let Some(value) = wanted(reader, &flat, plan, axes) {
            when.insert(flat.key, value);
        }
    }
    when
}

/// The value that a cell must have to be meant.
fn wanted(reader: &mut Reader, flat: &Flat<'_>, plan: &Plan, axes: &[Axis]) -> Option<String> {
    let axis = axes.iter().find(|axis| axis.key == flat.key);
    let value = if flat.key.starts_with('$') {
        let known: Vec<&str> = axes.iter().map(|axis| axis.key.as_str()).collect();
        if axis.is_none() {
            reader.unknown(flat.span, "variable", &flat.key, &known);
            return None;
        }
        variable::text_of(reader, flat.node)?
    } else {
        let target = known(reader, flat, plan);
        let value = reader.scalar(flat.node)?;
        if let Err(message) = target?.check(&value) {
            reader.error(flat.node.span, message);
            return None;
        }
        value
    };
    if let Some(axis) = axis
        && !axis.values.contains(&value)
    {
        let message = format!("no cell has `{}` = `{value}`", flat.key);
        let help = format!("[matrix] has {}", suggest::list(&axis.values));
        reader.error_help(flat.node.span, message, &help);
        return None;
    }
    Some(value)
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
