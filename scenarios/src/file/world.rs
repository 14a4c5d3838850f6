//! `[network]`, `[disk]`, `[clock.b1]`: the world around the cluster.

use super::names::Names;
use super::node::{Node, Value};
use super::reader::Reader;
use ktrial_sim::plan::{ClockPlan, Plan, PowerLoss};

/// Reads `[network]`.
pub(crate) fn network(reader: &mut Reader, node: &Node, plan: &mut Plan) {
    let Some(table) = reader.table(node, "[network]") else {
        return;
    };
    reader.only(
        table,
        &["latency_min", "latency_max", "latency_tail", "bytes_per_ms"],
    );
    let network = &mut plan.network;
    if let Some(entry) = table.get("latency_min") {
        network.latency_min_us = reader.short(&entry.node).unwrap_or(0);
    }
    if let Some(entry) = table.get("latency_tail") {
        network.tail_us = reader.short(&entry.node);
    }
    if let Some(entry) = table.get("bytes_per_ms") {
        network.bytes_per_ms = reader.integer(&entry.node, 1..=i64::MAX);
    }
    if let Some(entry) = table.get("latency_max") {
        let Some(max) = reader.short(&entry.node) else {
            return;
        };
        network.latency_max_us = max;
    }
    if network.latency_min_us > network.latency_max_us {
        let help = "set both, the smaller first";
        reader.error_help(node.span, "`latency_min` is above `latency_max`", help);
    }
}

/// Reads `[disk]`.
pub(crate) fn disk(reader: &mut Reader, node: &Node, plan: &mut Plan) {
    let Some(table) = reader.table(node, "[disk]") else {
        return;
    };
    reader.only(
        table,
        &["cache", "flush", "flush_bytes_per_us", "power_loss"],
    );
    let disk = &mut plan.disk;
    if let Some(time) = table.get("cache").and_then(|e| reader.micros(&e.node)) {
        disk.cache_us = time;
    }
    if let Some(time) = table.get("flush").and_then(|e| reader.micros(&e.node)) {
        disk.flush_us = time;
    }
    if let Some(entry) = table.get("flush_bytes_per_us")
        && let Some(rate) = reader.integer(&entry.node, 1..=i64::MAX)
    {
        disk.flush_bytes_per_us = rate;
    }
    if let Some(entry) = table.get("power_loss")
        && let Some(text) = reader.text(&entry.node)
    {
        match text.as_str() {
            "lose_unflushed" => disk.power_loss = PowerLoss::LoseUnflushed,
            "random_prefix" => disk.power_loss = PowerLoss::RandomPrefix,
            _ => reader.unknown(
                entry.node.span,
                "kind of power loss",
                &text,
                &["lose_unflushed", "random_prefix"],
            ),
        }
    }
}

/// Reads `[clock.b1]`: wall clocks that are not right.
pub(crate) fn clocks(reader: &mut Reader, node: &Node, names: &Names, plan: &mut Plan) {
    let Some(table) = reader.table(node, "[clock.b1]") else {
        return;
    };
    for entry in &table.entries {
        let name = Node {
            span: entry.key_span,
            value: Value::List(vec![Node {
                span: entry.key_span,
                value: Value::Text(entry.key.clone()),
            }]),
        };
        let nodes = names.nodes(reader, &name).unwrap_or_default();
        let Some(clock) = reader.table(&entry.node, "[clock.b1]") else {
            continue;
        };
        reader.only(clock, &["offset_ms", "drift_ppm"]);
        let mut wrong = ClockPlan::default();
        let limit = 366 * 24 * 3_600_000;
        if let Some(offset) = clock.get("offset_ms") {
            wrong.offset_ms = reader.integer(&offset.node, -limit..=limit).unwrap_or(0);
        }
        if let Some(drift) = clock.get("drift_ppm") {
            let drift = reader.integer(&drift.node, -1_000_000..=1_000_000);
            wrong.drift_ppm = drift.unwrap_or(0);
        }
        plan.clocks
            .extend(nodes.into_iter().map(|node| (node, wrong)));
    }
}
