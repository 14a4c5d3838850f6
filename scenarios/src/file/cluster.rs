//! `[cluster]`, `[brokers.b1]`, `[controllers.c3000]`, `[rules]`.
//!
//! A broker and a controller of one number are one process.

use super::CONTROLLER;
use super::node::{Flat, Node, Table, Value, flatten};
use super::reader::Reader;
use crate::diagnostic::Span;
use crate::setting::{Kind, rule_names, without_synonym};
use ktrial_core::config::Settings;
use ktrial_core::{BrokerId, ControllerId, Rules};
use ktrial_sim::plan::{BrokerPlan, ControllerPlan, Plan};
use std::collections::BTreeMap;

/// Where each setting of the file stands, to point to it later.
pub(crate) type Places = BTreeMap<String, Span>;

/// The largest cluster that a file may ask for.
const MOST_BROKERS: i64 = 1_000;
/// The largest metadata quorum that a file may ask for.
const MOST_CONTROLLERS: i64 = 9;

/// Reads `[cluster]`: nodes, release, and settings of all of them.
///
/// Returns the release whose defaults hold, if the file says another one.
pub(crate) fn cluster(
    reader: &mut Reader,
    node: &Node,
    plan: &mut Plan,
    places: &mut Places,
) -> Option<String> {
    let table = reader.table(node, "[cluster]")?;
    let mut defaults = None;
    let mut settings = Vec::new();
    for flat in flatten(table, &mut reader.problems) {
        match flat.key.as_str() {
            "brokers" => brokers(reader, flat.node, plan),
            "controllers" => controllers(reader, flat.node, plan),
            "kafka.release" => {
                if let Some((text, rules)) = release(reader, &flat) {
                    plan.rules = rules;
                    plan.release = text;
                }
            }
            "kafka.defaults" => defaults = release(reader, &flat).map(|(text, _)| text),
            key => match key.strip_prefix("config.") {
                Some(key) => settings.push(Flat {
                    key: key.to_owned(),
                    ..flat
                }),
                None => reader.unknown(
                    flat.span,
                    "key",
                    key,
                    &[
                        "brokers",
                        "controllers",
                        "kafka.release",
                        "kafka.defaults",
                        "config",
                    ],
                ),
            },
        }
    }
    for flat in settings {
        cluster_setting(reader, &flat, plan, places);
    }
    defaults
}

fn brokers(reader: &mut Reader, node: &Node, plan: &mut Plan) {
    let ids: Option<Vec<i32>> = match &node.value {
        Value::List(items) => Some(
            items
                .iter()
                .filter_map(|item| reader.integer(item, 0..=i64::from(i32::MAX)))
                .collect(),
        ),
        _ => reader
            .integer(node, 1..=MOST_BROKERS)
            .map(|count: i32| (1..=count).collect()),
    };
    let ids = ids.unwrap_or_default();
    for (index, id) in ids.iter().enumerate() {
        if ids[..index].contains(id) {
            reader.error(node.span, format!("broker `{id}` is named twice"));
        }
    }
    if matches!(&node.value, Value::List(items) if items.is_empty()) {
        reader.error(node.span, "a cluster needs at least one broker");
    }
    let broker = |id| BrokerPlan {
        id: BrokerId(id),
        config: Settings::new(),
    };
    plan.brokers = ids.into_iter().map(broker).collect();
}

fn controllers(reader: &mut Reader, node: &Node, plan: &mut Plan) {
    let ids: Option<Vec<i32>> = match &node.value {
        Value::List(items) => Some(
            items
                .iter()
                .filter_map(|item| reader.integer(item, 0..=i64::from(i32::MAX)))
                .collect(),
        ),
        _ => reader
            .integer(node, 1..=MOST_CONTROLLERS)
            .map(|count: i32| {
                (CONTROLLER.0..)
                    .take(usize::try_from(count).unwrap_or(1))
                    .collect()
            }),
    };
    let Some(ids) = ids else { return };
    for (index, id) in ids.iter().enumerate() {
        if ids[..index].contains(id) {
            reader.error(node.span, format!("controller `{id}` is named twice"));
        }
    }
    if matches!(&node.value, Value::List(items) if items.is_empty()) {
        reader.error(node.span, "a cluster needs at least one controller");
    }
    if ids.is_empty() {
        return;
    }
    let controller = |id| ControllerPlan {
        id: ControllerId(id),
        config: Settings::new(),
    };
    plan.controllers = ids.into_iter().map(controller).collect();
}

/// A release and its rules.
fn release(reader: &mut Reader, flat: &Flat<'_>) -> Option<(String, Rules)> {
    let text = reader.text(flat.node)?;
    match Rules::kafka(&text) {
        Ok(rules) => Some((text, rules)),
        Err(error) => {
            reader.error(flat.node.span, error.to_string());
            None
        }
    }
}

/// A setting of the whole cluster goes to every kind of server that knows it.
fn cluster_setting(reader: &mut Reader, flat: &Flat<'_>, plan: &mut Plan, places: &mut Places) {
    let key = without_synonym(&flat.key);
    let kinds: Vec<Kind> = [Kind::Broker, Kind::Controller, Kind::Topic]
        .into_iter()
        .filter(|kind| kind.knows(key))
        .collect();
    if kinds.is_empty() {
        let client = [Kind::Producer, Kind::Consumer]
            .iter()
            .any(|kind| kind.knows(key));
        if client {
            let message = format!("`{key}` is a setting of clients");
            let help = "move it to a [producers.NAME] or [consumers.NAME] table";
            reader.error_help(flat.span, message, help);
        } else {
            let kinds = [Kind::Broker, Kind::Controller, Kind::Topic];
            let keys = kinds.iter().flat_map(|kind| kind.keys());
            let keys: Vec<&str> = keys.map(|info| info.key).collect();
            reader.unknown(flat.span, "setting", &flat.key, &keys);
        }
        return;
    }
    for kind in kinds {
        let Some(value) = checked(reader, kind, key, flat, places) else {
            return;
        };
        let target = crate::setting::Target::Places {
            kinds: vec![kind],
            name: None,
            key: key.to_owned(),
        };
        target.apply(plan, &value);
    }
}

/// The value of a setting as text, if it can be taken.
fn checked(
    reader: &mut Reader,
    kind: Kind,
    key: &str,
    flat: &Flat<'_>,
    places: &mut Places,
) -> Option<String> {
    let value = reader.scalar(flat.node)?;
    if let Err(error) = kind.check(key, &value) {
        reader.error(flat.node.span, error.to_string());
        return None;
    }
    places.insert(key.to_owned(), flat.span);
    Some(value)
}

/// Settings of one owner; `own` are keys that are no settings and that the caller reads.
pub(crate) fn settings<'n>(
    reader: &mut Reader,
    table: &'n Table,
    kind: Kind,
    own: &[&str],
    places: &mut Places,
) -> (Settings, Vec<Flat<'n>>) {
    let mut settings = Settings::new();
    let mut others = Vec::new();
    for flat in flatten(table, &mut reader.problems) {
        if own.contains(&flat.key.as_str()) {
            others.push(flat);
        } else if kind.knows(&flat.key) {
            if let Some(value) = checked(reader, kind, &flat.key, &flat, places) {
                settings.insert(flat.key, value);
            }
        } else {
            let keys = kind.keys().iter().map(|info| info.key);
            let known: Vec<&str> = keys.chain(own.iter().copied()).collect();
            reader.unknown(flat.span, "setting", &flat.key, &known);
        }
    }
    (settings, others)
}

/// Reads `[brokers.b1]`: settings of one broker.
pub(crate) fn overrides(reader: &mut Reader, node: &Node, plan: &mut Plan, places: &mut Places) {
    let Some(table) = reader.table(node, "[brokers.b1]") else {
        return;
    };
    for entry in &table.entries {
        let names: Vec<String> = plan.brokers.iter().map(|b| format!("b{}", b.id)).collect();
        let Some(index) = names.iter().position(|name| *name == entry.key) else {
            let known: Vec<&str> = names.iter().map(String::as_str).collect();
            reader.unknown(entry.key_span, "broker", &entry.key, &known);
            continue;
        };
        let Some(table) = reader.table(&entry.node, "[brokers.b1]") else {
            continue;
        };
        let (settings, _) = settings(reader, table, Kind::Broker, &[], places);
        plan.brokers[index].config.extend(settings);
    }
}

/// Reads `[controllers.c3000]`: settings of one controller.
pub(crate) fn controller_overrides(
    reader: &mut Reader,
    node: &Node,
    plan: &mut Plan,
    places: &mut Places,
) {
    let Some(table) = reader.table(node, "[controllers.c3000]") else {
        return;
    };
    for entry in &table.entries {
        let controllers = plan.controllers.iter();
        let names: Vec<String> = controllers.map(|c| format!("c{}", c.id)).collect();
        let Some(index) = names.iter().position(|name| *name == entry.key) else {
            let known: Vec<&str> = names.iter().map(String::as_str).collect();
            reader.unknown(entry.key_span, "controller", &entry.key, &known);
            continue;
        };
        let Some(table) = reader.table(&entry.node, "[controllers.c3000]") else {
            continue;
        };
        let (settings, _) = settings(reader, table, Kind::Controller, &[], places);
        plan.controllers[index].config.extend(settings);
    }
}

/// Reads `[rules]`: switches and their values, checked.
pub(crate) fn rules(reader: &mut Reader, node: &Node) -> Vec<(String, String)> {
    let mut rules = Vec::new();
    let Some(table) = reader.table(node, "[rules]") else {
        return rules;
    };
    for entry in &table.entries {
        let mut trial = Rules::default();
        if trial.get(&entry.key).is_none() {
            reader.unknown(entry.key_span, "rule", &entry.key, &rule_names());
            continue;
        }
        let Some(value) = reader.scalar(&entry.node) else {
            continue;
        };
        match trial.set(&entry.key, &value) {
            Ok(()) => rules.push((entry.key.clone(), value)),
            Err(error) => reader.error(entry.node.span, error.to_string()),
        }
    }
    rules
}
