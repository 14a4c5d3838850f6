//! The draw, for people, in one block: the cluster, its settings, its load, and how many faults of each
//! kind. The plan says the rest.

use ktrial_core::config::Settings;
use ktrial_core::message::Placement;
use ktrial_sim::plan::{Action, Plan, PowerLoss};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What a plan consists of.
pub fn describe(plan: &Plan) -> String {
    let mut text = format!("{}, seed {}\n", plan.scenario, plan.seed);
    let _ = writeln!(
        text,
        "  brokers    {}, latency {}-{} us, flush {} us, {} at power loss",
        plan.brokers.len(),
        plan.network.latency_min_us,
        plan.network.latency_max_us,
        plan.disk.flush_us,
        power_loss(plan.disk.power_loss),
    );
    if let Some(ensemble) = &plan.zookeeper {
        let config = settings(&ensemble.config);
        let _ = writeln!(text, "  zookeeper  {}{config}", ensemble.servers.len());
    }
    for topic in &plan.topics {
        if let Placement::Manual(placed) = &topic.placement {
            let placed: Vec<String> = placed.iter().map(|r| format!("{:?}", ids(r))).collect();
            let _ = writeln!(
                text,
                "  topic      {} on {}{}",
                topic.topic,
                placed.join(" "),
                settings(&topic.configs)
            );
        }
    }
    for producer in &plan.producers {
        let sent = sent(plan, &producer.name);
        let _ = writeln!(
            text,
            "  producer   {} sends {sent}{}",
            producer.name,
            settings(&producer.config)
        );
    }
    for consumer in &plan.consumers {
        let _ = writeln!(
            text,
            "  consumer   {} reads {} partitions{}",
            consumer.name,
            consumer.assign.len(),
            settings(&consumer.config)
        );
    }
    for (what, owner) in [
        ("all topics", Some(&plan.topic_defaults)),
        ("brokers", plan.brokers.first().map(|b| &b.config)),
        ("controller", plan.controllers.first().map(|c| &c.config)),
    ] {
        if let Some(owner) = owner.filter(|owner| !owner.is_empty()) {
            let _ = writeln!(text, "  {what:<10}{}", settings(owner));
        }
    }
    let _ = writeln!(text, "  faults     {}", faults(plan));
    if let Some(recovery) = &plan.recovery {
        let nodes: Vec<String> = recovery.nodes.iter().map(ToString::to_string).collect();
        let _ = writeln!(text, "  recovery   {}", nodes.join(" "));
    }
    text
}

fn power_loss(left: PowerLoss) -> &'static str {
    match left {
        PowerLoss::LoseUnflushed => "what is not flushed is gone",
        PowerLoss::RandomPrefix => "a random part of what is not flushed is kept",
    }
}

fn ids(replicas: &[ktrial_core::BrokerId]) -> Vec<i32> {
    replicas.iter().map(|id| id.0).collect()
}

fn settings(settings: &Settings) -> String {
    let all = settings.iter();
    all.map(|(key, value)| format!(" {key}={value}")).collect()
}

fn sent(plan: &Plan, producer: &str) -> usize {
    let sends = plan.all_steps().filter_map(|step| match &step.action {
        Some(Action::Send {
            producer: name,
            values,
            ..
        }) if name == producer => Some(values.len()),
        _ => None,
    });
    sends.sum()
}

/// How many of each kind.
fn faults(plan: &Plan) -> String {
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for action in plan.all_steps().filter_map(|step| step.action.as_ref()) {
        if let Some(kind) = kind(action) {
            *kinds.entry(kind).or_default() += 1;
        }
    }
    if kinds.is_empty() {
        return "none".to_owned();
    }
    let kinds = kinds.iter();
    let kinds: Vec<String> = kinds
        .map(|(kind, count)| format!("{kind} {count}"))
        .collect();
    kinds.join(", ")
}

/// The variant of an action or of its fault, as the plan writes it.
fn kind(action: &Action) -> Option<String> {
    let variant = |value: serde_json::Value| match value {
        serde_json::Value::String(name) => name,
        serde_json::Value::Object(map) => map.keys().next().cloned().unwrap_or_default(),
        _ => String::new(),
    };
    let json = match action {
        Action::Send { .. } | Action::Start { .. } => return None,
        Action::Stop { how, .. } => serde_json::to_value(how),
        Action::Link { fault, .. } => serde_json::to_value(fault),
        Action::Disk { fault, .. } => {
            let fault = serde_json::to_value(fault).ok().map(variant)?;
            return Some(format!("disk {fault}"));
        }
        other => serde_json::to_value(other),
    };
    json.ok().map(variant)
}
