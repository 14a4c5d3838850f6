//! Actions about links: `cut`, `delay`, `lose`, `throttle`; and shapes of partitions that stand for
//! several cuts: `isolate`, `ring`, `bridge`.
//!
//! A ring: each broker reaches its two neighbours only, so that everybody sees a majority of five and no
//! two see the same. A bridge: two halves that only one broker reaches both of.
//! Source: Jepsen `nemesis/majorities-ring`, `nemesis/bridge`.
//!
//! Next: `device.rs`.

use super::action::Part;
use super::before::Before;
use super::node::{Node, Table, Value};
use super::reader::Reader;
use super::who;
use crate::diagnostic::Span;
use ktrial_core::message::Api;
use ktrial_core::{BrokerId, NodeId};
use ktrial_sim::plan::{Action, Latency, LinkFault, Target, When};

/// `cut`, `delay`, `lose`, `throttle`.
pub(super) fn link(
    reader: &mut Reader,
    name: &str,
    table: &Table,
    span: Span,
    before: &mut Before<'_>,
) -> Option<Action> {
    let own: &[&str] = match name {
        "delay" => &["by"],
        "lose" => &["per_mille", "percent", "reset"],
        "throttle" => &["bytes_per_ms"],
        _ => &[],
    };
    let shared = ["from", "to", "one_way", "apis"];
    let known: Vec<&str> = shared.iter().chain(own).copied().collect();
    reader.only(table, &known);
    let fault = match name {
        "delay" => reader
            .need(table, "by", span)
            .and_then(|node| latency(reader, node))
            .map(LinkFault::Delay),
        "lose" => lose(reader, table, span),
        "throttle" => {
            let node = reader.need(table, "bytes_per_ms", span);
            let rate = node.and_then(|node| reader.integer(node, 1..=i64::MAX));
            rate.map(|bytes_per_ms| LinkFault::Throttle { bytes_per_ms })
        }
        _ => Some(LinkFault::Cut),
    };
    let api = apis(reader, table)?;
    let (from, to) = who::sides(reader, table, span, before)?;
    let one_way = match table.get("one_way") {
        Some(entry) => reader.boolean(&entry.node)?,
        None => name == "delay",
    };
    Some(Action::Link {
        from,
        to,
        one_way,
        api,
        fault: fault?,
    })
}

/// `"100ms"`, `{ min = "1ms", max = "9ms" }` or `{ min = "1ms", mean = "5ms" }`.
fn latency(reader: &mut Reader, node: &Node) -> Option<Latency> {
    let Value::Table(table) = &node.value else {
        let us = reader.short(node)?;
        return Some(Latency::Fixed { us });
    };
    reader.only(table, &["min", "max", "mean"]);
    let min = reader.need(table, "min", node.span);
    let min_us = min.and_then(|node| reader.short(node));
    let Some(entry) = reader.one_of(table, &["max", "mean"]) else {
        let help = "`max`: drawn evenly up to it; `mean`: mostly short, seldom long";
        reader.error_help(node.span, "`max` or `mean` is missing here", help);
        return None;
    };
    let other = reader.short(&entry.node)?;
    let min_us = min_us?;
    if entry.key == "mean" {
        let mean_us = other;
        return Some(Latency::Exponential { min_us, mean_us });
    }
    if min_us > other {
        reader.error(node.span, "`min` is above `max`");
        return None;
    }
    Some(Latency::Uniform {
        min_us,
        max_us: other,
    })
}

fn lose(reader: &mut Reader, table: &Table, span: Span) -> Option<LinkFault> {
    let Some(entry) = reader.one_of(table, &["per_mille", "percent"]) else {
        let help = "add `percent = 10`, or `per_mille = 5`";
        reader.error_help(span, "how many are lost?", help);
        return None;
    };
    let per_mille = if entry.key == "percent" {
        10 * reader.integer::<u32>(&entry.node, 1..=100)?
    } else {
        reader.integer(&entry.node, 1..=1_000)?
    };
    let reset = match table.get("reset") {
        Some(entry) => reader.boolean(&entry.node)?,
        None => false,
    };
    Some(LinkFault::Lose { per_mille, reset })
}

/// `apis = ["Fetch"]`: whose messages a fault of the network is about; all without it.
fn apis(reader: &mut Reader, table: &Table) -> Option<Vec<Api>> {
    let Some(entry) = table.get("apis") else {
        return Some(Vec::new());
    };
    let items = reader.list(&entry.node, "APIs such as [\"Fetch\"]")?;
    if items.is_empty() {
        reader.error(entry.node.span, "this list is empty: name at least one API");
        return None;
    }
    let mut apis = Vec::new();
    for item in items {
        let written = reader.text(item)?;
        let Some(api) = Api::ALL.iter().find(|api| api.to_string() == written) else {
            let names: Vec<String> = Api::ALL.iter().map(ToString::to_string).collect();
            let known: Vec<&str> = names.iter().map(String::as_str).collect();
            reader.unknown(item.span, "API", &written, &known);
            return None;
        };
        if !apis.contains(api) {
            apis.push(*api);
        }
    }
    Some(apis)
}

/// `isolate`: from everybody else.
pub(super) fn isolate(
    reader: &mut Reader,
    table: &Table,
    span: Span,
    before: &mut Before<'_>,
) -> Option<Action> {
    let known: Vec<&str> = who::KEYS.into_iter().chain(["one_way", "apis"]).collect();
    reader.only(table, &known);
    let api = apis(reader, table)?;
    let nodes = who::group(reader, table, span, before)?;
    let rest = vec![Target::Rest];
    let (from, to, one_way) = match table.get("one_way") {
        None => (nodes, rest, false),
        Some(entry) => match reader.text(&entry.node)?.as_str() {
            "out" => (nodes, rest, true),
            "in" => {
                for drawn in &mut before.drawn {
                    drawn.group = 1;
                }
                (rest, nodes, true)
            }
            other => {
                reader.unknown(entry.node.span, "direction", other, &["in", "out"]);
                return None;
            }
        },
    };
    Some(Action::Link {
        from,
        to,
        one_way,
        api,
        fault: LinkFault::Cut,
    })
}

/// The brokers of a shape: all, or those of `brokers`.
fn shape(
    reader: &mut Reader,
    table: &Table,
    least: usize,
    before: &Before<'_>,
) -> Option<Vec<BrokerId>> {
    let entry = table.get("brokers");
    let brokers = match entry {
        Some(entry) => before.names.broker_list(reader, &entry.node)?,
        None => before.names.brokers.clone(),
    };
    if brokers.len() < least {
        let span = entry.map_or(before.span, |entry| entry.node.span);
        let message = format!("{} brokers: at least {least} are needed", brokers.len());
        reader.error(span, message);
        return None;
    }
    Some(brokers)
}

fn cut_between(from: &[BrokerId], to: &[BrokerId]) -> Action {
    let targets = |ids: &[BrokerId]| {
        let ids = ids.iter();
        ids.map(|id| Target::Node(NodeId::Broker(*id))).collect()
    };
    Action::Link {
        from: targets(from),
        to: targets(to),
        one_way: false,
        api: Vec::new(),
        fault: LinkFault::Cut,
    }
}

/// `ring`: one part for each broker that has somebody behind its next neighbour.
pub(super) fn ring(reader: &mut Reader, table: &Table, before: &Before<'_>) -> Option<Vec<Part>> {
    reader.only(table, &["brokers"]);
    let brokers = shape(reader, table, 4, before)?;
    let last = brokers.len() - 1;
    let cut = |(index, broker): (usize, &BrokerId)| {
        // The last one is the neighbour of the first.
        let end = if index == 0 { last } else { last + 1 };
        let strangers = brokers.get(index + 2..end).unwrap_or_default();
        let cut = !strangers.is_empty();
        cut.then(|| Part::new(When::Now, Some(cut_between(&[*broker], strangers))))
    };
    Some(brokers.iter().enumerate().filter_map(cut).collect())
}

/// `bridge`: the brokers but for one are cut in two halves, in their order.
pub(super) fn bridge(
    reader: &mut Reader,
    table: &Table,
    span: Span,
    before: &Before<'_>,
) -> Option<Action> {
    reader.only(table, &["brokers", "over"]);
    let mut brokers = shape(reader, table, 3, before)?;
    let node = reader.need(table, "over", span)?;
    let over = before.names.broker(reader, node)?;
    let Some(place) = brokers.iter().position(|broker| *broker == over) else {
        let message = format!("broker {over} is not among the brokers of the bridge");
        reader.error(node.span, message);
        return None;
    };
    brokers.remove(place);
    let (left, right) = brokers.split_at(brokers.len() / 2);
    Some(cut_between(left, right))
}
