//! A run as one JSON object: what `--json` prints and `report.json` holds. Field names are a public
//! format: fields may be added, none renamed.

use crate::words;
use crate::{Cell, Run};
use ktrial_sim::verdict::{Duplicated, Finding, Link, Lost, Outage};
use serde_json::{Value, json};

/// The run as one object.
pub(crate) fn json(run: &Run) -> Value {
    json!({
        "scenario": run.scenario,
        "title": run.title,
        "seed": run.seed,
        "as_expected": run.cells.iter().all(|cell| cell.unmet.is_empty()),
        "cells": run.cells.iter().map(cell).collect::<Vec<_>>(),
    })
}

fn cell(cell: &Cell) -> Value {
    let verdict = &cell.verdict;
    json!({
        "settings": verdict.settings,
        "as_expected": cell.unmet.is_empty(),
        "unmet": cell.unmet,
        "real": cell.record.header.real,
        "verdict": words::class(verdict.verdict),
        "summary": verdict.summary,
        "promise": verdict.promise,
        "acknowledged": verdict.acknowledged,
        "failed": verdict.failed,
        "unknown": verdict.unknown,
        "lost": verdict.lost.iter().map(lost).collect::<Vec<_>>(),
        "duplicated": verdict.duplicated.iter().map(duplicated).collect::<Vec<_>>(),
        "unavailable": verdict.unavailable.iter().map(outage).collect::<Vec<_>>(),
        "logs": verdict.logs,
        "leader_epochs": verdict.leader_epochs,
        "findings": verdict.findings.iter().map(finding).collect::<Vec<_>>(),
        "events": verdict.events,
        "simulated_ms": verdict.simulated_ms,
        "digest": verdict.digest,
    })
}

fn lost(lost: &Lost) -> Value {
    json!({
        "topic": lost.topic,
        "partition": lost.partition,
        "offset": lost.offset,
        "value": lost.value,
        "why": lost.why,
        "permitted": lost.permitted,
        "chain": lost.chain.iter().map(link).collect::<Vec<_>>(),
    })
}

fn link(link: &Link) -> Value {
    json!({ "at_ms": link.at_ms, "what": link.what })
}

fn duplicated(it: &Duplicated) -> Value {
    json!({
        "topic": it.topic,
        "partition": it.partition,
        "offsets": it.offsets,
        "value": it.value,
        "why": it.why,
        "permitted": it.permitted,
    })
}

fn outage(outage: &Outage) -> Value {
    json!({
        "topic": outage.topic,
        "partition": outage.partition,
        "from_ms": outage.from_ms,
        "to_ms": outage.to_ms,
        "waiting_for": outage.waiting_for,
        "why": outage.why,
    })
}

fn finding(finding: &Finding) -> Value {
    json!({
        "check": finding.check,
        "what": finding.what,
        "at_ms": finding.at_ms,
        "permitted": finding.permitted,
    })
}
