//! Steps, faults and workloads, in the order of the plan; the recovery at the end.

use super::action::action;
use super::condition::condition;
use super::toml;
use super::words::Words;
use super::workload::{self, Workload};
use crate::duration::show_millis;
use crate::file::WITHIN_MS;
use ktrial_core::{ClientId, NodeId};
use ktrial_sim::plan::{Plan, Step, When};
use std::fmt::Write;

/// Writes all that happens.
pub(super) fn steps(plan: &Plan, mut words: Words<'_>, text: &mut String) {
    let workloads = workload::workloads(plan);
    for workload in &workloads {
        let values = workload.values.clone();
        words.workloads.insert(values, workload.name.clone());
    }
    if !plan.steps.is_empty() {
        text.push_str("\n# One after the other.\n");
    }
    for step in &plan.steps {
        text.push_str("[[step]]\n");
        one(step, &words, text);
    }
    if !plan.timeline.is_empty() {
        text.push_str("\n# Beside the steps, each at its own time after the cluster is ready.\n");
    }
    timeline(plan, &workloads, &words, text);
    recovery(plan, &words, text);
}

fn timeline(plan: &Plan, workloads: &[Workload], words: &Words<'_>, text: &mut String) {
    let mut index = 0;
    while let Some(step) = plan.timeline.get(index) {
        if let Some(workload) = workloads.iter().find(|w| w.first == index) {
            workload::write(workload, words, text);
            index += workload.steps;
        } else {
            text.push_str("[[fault]]\n");
            one(step, words, text);
            index += 1;
        }
    }
}

fn one(step: &Step, words: &Words<'_>, text: &mut String) {
    wait(step, words, text);
    if let Some(wanted) = &step.action {
        let written = action(wanted, step.for_ms, words);
        let _ = writeln!(text, "{} = {}", written.key, written.table);
        if let Some(ms) = written.for_ms {
            let _ = writeln!(text, "for = \"{}\"", show_millis(ms));
        }
    } else if step.when == When::Now {
        // A step that does nothing at once: the format wants a wait.
        text.push_str("after = \"0s\"\n");
    }
    if step.may_miss {
        text.push_str("may_miss = true\n");
    }
}

fn wait(step: &Step, words: &Words<'_>, text: &mut String) {
    match &step.when {
        When::Now => {}
        When::After { ms } => {
            let _ = writeln!(text, "after = \"{}\"", show_millis(*ms));
        }
        When::At { ms } => {
            let _ = writeln!(text, "at = \"{}\"", show_millis(*ms));
        }
        When::Until {
            condition: wanted,
            within_ms,
        } => {
            let _ = writeln!(text, "until = {}", condition(wanted, words));
            if *within_ms != WITHIN_MS {
                let _ = writeln!(text, "within = \"{}\"", show_millis(*within_ms));
            }
        }
    }
}

/// `[recovery]`; nothing more if everybody starts.
fn recovery(plan: &Plan, words: &Words<'_>, text: &mut String) {
    let Some(recovery) = &plan.recovery else {
        return;
    };
    text.push_str("\n[recovery]\n");
    let brokers = plan.brokers.iter().map(|b| NodeId::Broker(b.id));
    let controllers = plan.controllers.iter().map(|c| NodeId::Controller(c.id));
    let clients = plan.producers.len() + plan.consumers.len();
    let clients = (0_u32..)
        .take(clients)
        .map(|id| NodeId::Client(ClientId(id)));
    let zookeeper = plan.zookeeper.iter().flat_map(|ensemble| &ensemble.servers);
    let zookeeper = zookeeper.map(|id| NodeId::ZooKeeper(*id));
    let all = brokers.chain(controllers).chain(zookeeper).chain(clients);
    if !all.eq(recovery.nodes.iter().copied()) {
        let nodes: Vec<String> = recovery
            .nodes
            .iter()
            .map(|node| words.node(*node))
            .collect();
        let _ = writeln!(text, "nodes = {}", toml::texts(&nodes));
    }
}
