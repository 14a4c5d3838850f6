//! Servers, settings, rules, topics, clients, and the world around them.
//!
//! Rule: a setting that every broker has alike is one of the cluster, as those of the controller and the
//! defaults of all topics are. No setting is known to two of these kinds.

use super::toml;
use super::words::Words;
use crate::duration::show_micros;
use crate::file::CONTROLLER;
use crate::setting::{Kind, target};
use ktrial_core::config::Settings;
use ktrial_core::message::Placement;
use ktrial_core::rules::NEWEST;
use ktrial_core::{BrokerId, Rules};
use ktrial_sim::plan::{DiskPlan, NetworkPlan, Plan, PowerLoss};
use std::collections::BTreeMap;
use std::fmt::{Display, Write};

/// `[cluster]`, settings, rules.
pub(super) fn cluster(plan: &Plan, text: &mut String) {
    let mut lines = String::new();
    let ids: Vec<i32> = plan.brokers.iter().map(|broker| broker.id.0).collect();
    let count = i32::try_from(ids.len()).unwrap_or(i32::MAX);
    let counted: Vec<i32> = (1..=count).collect();
    if ids != counted {
        let _ = writeln!(lines, "brokers = {}", numbers(&ids));
    } else if count != 3 {
        let _ = writeln!(lines, "brokers = {count}");
    }
    let ids: Vec<i32> = plan.controllers.iter().map(|c| c.id.0).collect();
    let count = ids.len();
    let counted: Vec<i32> = (CONTROLLER.0..).take(count).collect();
    if ids != counted {
        let _ = writeln!(lines, "controllers = {}", numbers(&ids));
    } else if count != 1 {
        let _ = writeln!(lines, "controllers = {count}");
    }
    if plan.release != NEWEST {
        let _ = writeln!(lines, "kafka.release = {}", toml::text(&plan.release));
    }
    if lacks_defaults(plan) {
        let _ = writeln!(lines, "kafka.defaults = \"{NEWEST}\"");
    }
    section("[cluster]", &lines, text);
    let shared = shared(plan);
    section("[cluster.config]", &settings(&shared), text);
    for broker in &plan.brokers {
        let own = without(&broker.config, &shared);
        section(&format!("[brokers.b{}]", broker.id), &settings(&own), text);
    }
    for controller in &plan.controllers {
        let own = without(&controller.config, &shared);
        section(
            &format!("[controllers.c{}]", controller.id),
            &settings(&own),
            text,
        );
    }
    zookeeper(plan, text);
    rules(plan, text);
}

/// `[zookeeper]`.
fn zookeeper(plan: &Plan, text: &mut String) {
    if let Some(ensemble) = &plan.zookeeper {
        let ids: Vec<i32> = ensemble.servers.iter().map(|id| id.0).collect();
        let lines = format!(
            "servers = {}\n{}",
            numbers(&ids),
            settings(&ensemble.config)
        );
        section("[zookeeper]", &lines, text);
    }
}

/// A table, unless there is nothing in it.
fn section(head: &str, lines: &str, text: &mut String) {
    if !lines.is_empty() {
        let _ = write!(text, "\n{head}\n{lines}");
    }
}

fn numbers(ids: &[i32]) -> String {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    toml::list(&ids)
}

fn settings(settings: &Settings) -> String {
    let mut lines = String::new();
    for (key, value) in settings {
        let key = toml::setting_key(key);
        let _ = writeln!(lines, "{key} = {}", toml::setting(value));
    }
    lines
}

/// Whether the defaults of the plan's release would change it.
fn lacks_defaults(plan: &Plan) -> bool {
    let mut filled = plan.clone();
    for (key, value) in Rules::default_settings(&plan.release).unwrap_or_default() {
        if let Ok(target) = target(key, plan) {
            target.fill(&mut filled, value);
        }
    }
    filled != *plan
}

/// Settings that hold everywhere.
fn shared(plan: &Plan) -> Settings {
    let mut owners: Vec<(Kind, &Settings)> = vec![(Kind::Topic, &plan.topic_defaults)];
    owners.extend(plan.brokers.iter().map(|b| (Kind::Broker, &b.config)));
    owners.extend(
        plan.controllers
            .iter()
            .map(|c| (Kind::Controller, &c.config)),
    );
    let all = owners.iter().flat_map(|(_, settings)| settings.iter());
    let all: BTreeMap<(&String, &String), ()> = all.map(|setting| (setting, ())).collect();
    let everywhere = |(key, value): &(&String, &String)| {
        let mut who = owners.iter().filter(|(kind, _)| kind.knows(key));
        who.all(|(_, settings)| settings.get(*key) == Some(*value))
            && crate::setting::without_synonym(key) == key.as_str()
    };
    let shared = all.into_keys().filter(everywhere);
    shared.map(|(k, v)| (k.clone(), v.clone())).collect()
}

fn without(settings: &Settings, shared: &Settings) -> Settings {
    let own = settings.iter();
    own.filter(|(key, value)| shared.get(*key) != Some(*value))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// Switches that are not as in the plan's release.
fn rules(plan: &Plan, text: &mut String) {
    let usual = Rules::kafka(&plan.release).unwrap_or_default();
    let mut lines = String::new();
    for name in crate::setting::rule_names() {
        if let Some(value) = plan.rules.get(name)
            && usual.get(name).as_ref() != Some(&value)
        {
            let _ = writeln!(lines, "{name} = {}", toml::setting(&value));
        }
    }
    section("[rules]", &lines, text);
}

/// `[topics.NAME]`.
pub(super) fn topics(plan: &Plan, text: &mut String) {
    for topic in &plan.topics {
        let _ = writeln!(text, "\n[topics.{}]", toml::key(&topic.topic));
        match &topic.placement {
            Placement::Manual(replicas) => {
                let each = |ids: &Vec<BrokerId>| {
                    let ids: Vec<i32> = ids.iter().map(|id| id.0).collect();
                    numbers(&ids)
                };
                let all: Vec<String> = replicas.iter().map(each).collect();
                let _ = writeln!(text, "replicas = {}", toml::list(&all));
            }
            Placement::Spread {
                partitions,
                replication_factor,
            } => {
                line("partitions", partitions.as_ref(), text);
                line("replication.factor", replication_factor.as_ref(), text);
            }
        }
        text.push_str(&settings(&topic.configs));
    }
}

fn line(key: &str, value: Option<impl Display>, text: &mut String) {
    if let Some(value) = value {
        let _ = writeln!(text, "{key} = {value}");
    }
}

/// `[producers.NAME]`, `[consumers.NAME]`.
pub(super) fn clients(plan: &Plan, text: &mut String) {
    for producer in &plan.producers {
        let _ = writeln!(text, "\n[producers.{}]", toml::key(&producer.name));
        text.push_str(&settings(&producer.config));
    }
    for consumer in &plan.consumers {
        let _ = writeln!(text, "\n[consumers.{}]", toml::key(&consumer.name));
        text.push_str(&settings(&consumer.config));
        if !consumer.assign.is_empty() {
            let assign: Vec<String> = consumer.assign.iter().map(ToString::to_string).collect();
            let _ = writeln!(text, "assign = {}", toml::texts(&assign));
        }
    }
}

/// `[network]`, `[disk]`, `[clock.NODE]`.
pub(super) fn world(plan: &Plan, words: &Words<'_>, text: &mut String) {
    let (network, usual) = (plan.network, NetworkPlan::default());
    let mut lines = String::new();
    if (network.latency_min_us, network.latency_max_us)
        != (usual.latency_min_us, usual.latency_max_us)
    {
        let time = |us| Some(toml::text(&show_micros(us)));
        line("latency_min", time(network.latency_min_us), &mut lines);
        line("latency_max", time(network.latency_max_us), &mut lines);
    }
    let tail = network.tail_us.map(|us| toml::text(&show_micros(us)));
    line("latency_tail", tail, &mut lines);
    line("bytes_per_ms", network.bytes_per_ms, &mut lines);
    section("[network]", &lines, text);
    let (disk, usual) = (plan.disk, DiskPlan::default());
    let mut lines = String::new();
    let other = |us: u64, usual: u64| (us != usual).then(|| toml::text(&show_micros(us)));
    line("cache", other(disk.cache_us, usual.cache_us), &mut lines);
    line("flush", other(disk.flush_us, usual.flush_us), &mut lines);
    let rate = disk.flush_bytes_per_us;
    let rate = (rate != usual.flush_bytes_per_us).then_some(rate);
    line("flush_bytes_per_us", rate, &mut lines);
    if disk.power_loss == PowerLoss::RandomPrefix {
        lines.push_str("power_loss = \"random_prefix\"\n");
    }
    section("[disk]", &lines, text);
    for (node, clock) in &plan.clocks {
        let name = toml::key(&words.node(*node));
        let _ = writeln!(text, "\n[clock.{name}]");
        let offset = (clock.offset_ms != 0).then_some(clock.offset_ms);
        line("offset_ms", offset, text);
        let drift = (clock.drift_ppm != 0).then_some(clock.drift_ppm);
        line("drift_ppm", drift, text);
    }
}
