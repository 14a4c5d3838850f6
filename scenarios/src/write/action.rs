//! What a step does: the key of the action and its table.

use super::toml::{self, Inline};
use super::words::Words;
use crate::duration::{show_micros, show_millis};
use ktrial_core::message::{Api, ConfigChange, ConfigResource, ElectionType};
use ktrial_sim::plan::{
    Action, ClockFault, DiskCall, DiskFault, Latency, LinkFault, StopKind, Target,
};

/// An action, and how long it lasts if its table does not say so.
pub(super) struct Written {
    pub(super) key: &'static str,
    pub(super) table: String,
    pub(super) for_ms: Option<u64>,
}

/// Writes an action that lasts so long.
pub(super) fn action(action: &Action, for_ms: Option<u64>, words: &Words<'_>) -> Written {
    let mut table = Inline::default();
    let mut lasts = for_ms;
    let key = match action {
        Action::Send { .. } => {
            send(action, words, &mut table);
            "send"
        }
        Action::Stop { nodes, how } => {
            words.group(nodes, &mut table);
            match lasts.take() {
                Some(down) => {
                    if *how != StopKind::Kill {
                        table.text("how", stop(*how));
                    }
                    table.text("down", &show_millis(down));
                    "restart"
                }
                None => stop(*how),
            }
        }
        Action::Start { nodes } => group("start", nodes, words, &mut table),
        Action::Pause { nodes } => group("pause", nodes, words, &mut table),
        Action::Resume { nodes } => group("resume", nodes, words, &mut table),
        Action::Link { .. } => link(action, words, &mut table),
        Action::Heal => "heal",
        Action::Disk {
            nodes,
            directory,
            fault,
        } => {
            words.group(nodes, &mut table);
            disk(fault, &mut table);
            if let Some(directory) = directory {
                table.text("directory", directory);
            }
            "disk"
        }
        Action::Clock { nodes, fault } => {
            words.group(nodes, &mut table);
            clock(*fault, &mut table);
            "clock"
        }
        Action::AlterConfig { changes } => {
            return Written {
                key: "alter_config",
                table: alter_config(changes),
                for_ms,
            };
        }
        Action::ElectLeaders {
            election,
            partitions,
        } => {
            let kind = match election {
                ElectionType::Preferred => "preferred",
                ElectionType::Unclean => "unclean",
            };
            table.text("election", kind);
            if words.partitions.as_ref() != Some(partitions) {
                table.put("partitions", words.partitions(partitions));
            }
            "elect_leaders"
        }
        Action::Assign {
            consumer,
            partitions,
        } => {
            if words.plan.consumers.len() != 1 {
                table.text("consumer", consumer);
            }
            table.put("partitions", words.partitions(partitions));
            "assign"
        }
    };
    Written {
        key,
        table: table.done(),
        for_ms: lasts,
    }
}

fn group(
    key: &'static str,
    nodes: &[Target],
    words: &Words<'_>,
    table: &mut Inline,
) -> &'static str {
    words.group(nodes, table);
    key
}

fn stop(how: StopKind) -> &'static str {
    match how {
        StopKind::Kill => "kill",
        StopKind::PowerLoss => "power_loss",
        StopKind::Shutdown => "shutdown",
    }
}

fn send(action: &Action, words: &Words<'_>, table: &mut Inline) {
    let Action::Send {
        producer,
        topic,
        partition,
        key,
        values,
    } = action
    else {
        return;
    };
    if words.plan.producers.len() != 1 {
        table.text("producer", producer);
    }
    if words.plan.topics.len() != 1 {
        table.text("topic", topic);
    }
    if let Some(partition) = partition {
        table.put("partition", partition);
    }
    if let Some(key) = key {
        table.text("key", key);
    }
    table.put("values", toml::texts(values));
}

fn link(action: &Action, words: &Words<'_>, table: &mut Inline) -> &'static str {
    let Action::Link {
        from,
        to,
        one_way,
        api,
        fault,
    } = action
    else {
        return "cut";
    };
    let rest = [Target::Rest];
    let alone = |group: &[Target]| !group.contains(&Target::Rest);
    let isolates = *fault == LinkFault::Cut;
    let key = if isolates && *to == rest && alone(from) {
        words.group(from, table);
        if *one_way {
            table.text("one_way", "out");
        }
        "isolate"
    } else if isolates && *one_way && *from == rest && alone(to) {
        words.group(to, table);
        table.text("one_way", "in");
        "isolate"
    } else {
        table.put("from", words.targets(from));
        table.put("to", words.targets(to));
        let key = link_fault(fault, table);
        if *one_way != (key == "delay") {
            table.put("one_way", one_way);
        }
        key
    };
    if !api.is_empty() {
        let names: Vec<String> = api.iter().map(Api::to_string).collect();
        table.put("apis", toml::texts(&names));
    }
    key
}

fn link_fault(fault: &LinkFault, table: &mut Inline) -> &'static str {
    match fault {
        LinkFault::Cut => "cut",
        LinkFault::Delay(latency) => {
            match latency {
                Latency::Fixed { us } => table.text("by", &show_micros(*us)),
                Latency::Uniform { min_us, max_us } => {
                    table.put("by", range(*min_us, "max", *max_us))
                }
                Latency::Exponential { min_us, mean_us } => {
                    table.put("by", range(*min_us, "mean", *mean_us))
                }
            };
            "delay"
        }
        LinkFault::Lose { per_mille, reset } => {
            if per_mille.is_multiple_of(10) {
                table.put("percent", per_mille / 10);
            } else {
                table.put("per_mille", per_mille);
            }
            if *reset {
                table.put("reset", true);
            }
            "lose"
        }
        LinkFault::Throttle { bytes_per_ms } => {
            table.put("bytes_per_ms", bytes_per_ms);
            "throttle"
        }
    }
}

fn range(min_us: u64, key: &str, us: u64) -> String {
    let mut table = Inline::default();
    table.text("min", &show_micros(min_us));
    table.text(key, &show_micros(us)).done()
}

fn disk(fault: &DiskFault, table: &mut Inline) {
    match fault {
        DiskFault::Slow { times } => table.put("slow", times),
        DiskFault::Stall => table.put("stall", true),
        DiskFault::Fail { calls } => {
            let name = |call: &DiskCall| match call {
                DiskCall::Read => "read",
                DiskCall::Write => "write",
                DiskCall::Flush => "flush",
            };
            let names: Vec<&str> = calls.iter().map(name).collect();
            table.put("fail", toml::texts(&names))
        }
        DiskFault::Full => table.put("full", true),
        DiskFault::LyingFlush => table.put("lying_flush", true),
        DiskFault::TornWrite => table.put("torn_write", true),
        DiskFault::BitRot {
            file: None,
            position: None,
        } => table.put("bit_rot", true),
        DiskFault::BitRot { file, position } => {
            let mut rot = Inline::default();
            if let Some(file) = file {
                rot.text("file", file);
            }
            if let Some(position) = position {
                rot.put("position", position);
            }
            table.put("bit_rot", rot.done())
        }
        DiskFault::Wipe => table.put("wipe", true),
    };
}

fn clock(fault: ClockFault, table: &mut Inline) {
    if fault.jump_ms != 0 || fault.drift_ppm == 0 {
        let sign = if fault.jump_ms < 0 { "-" } else { "" };
        let time = show_millis(fault.jump_ms.unsigned_abs());
        table.text("jump", &format!("{sign}{time}"));
    }
    if fault.drift_ppm != 0 {
        table.put("drift_ppm", fault.drift_ppm);
    }
}

/// Changes that one table can hold: of one resource, first what is set, then what is deleted.
fn alter_config(changes: &[ConfigChange]) -> String {
    let mut tables: Vec<Vec<&ConfigChange>> = Vec::new();
    for change in changes {
        let fits = |table: &Vec<&ConfigChange>| {
            table.iter().all(|other| {
                let order = change.value.is_none() || other.value.is_some();
                other.resource == change.resource && order && other.key != change.key
            })
        };
        match tables.last_mut() {
            Some(table) if fits(table) => table.push(change),
            _ => tables.push(vec![change]),
        }
    }
    let tables: Vec<String> = tables.iter().map(|table| one_config(table)).collect();
    match tables.as_slice() {
        [only] => only.clone(),
        several => toml::list(several),
    }
}

fn one_config(changes: &[&ConfigChange]) -> String {
    let mut table = Inline::default();
    if let Some(ConfigResource::Topic(topic)) = changes.first().map(|change| &change.resource) {
        table.text("topic", topic);
    }
    let (mut set, mut delete) = (Inline::default(), Vec::new());
    for change in changes {
        match &change.value {
            Some(value) => {
                set.put(&toml::setting_key(&change.key), toml::setting(value));
            }
            None => delete.push(change.key.as_str()),
        }
    }
    if delete.len() < changes.len() {
        table.put("set", set.done());
    }
    if !delete.is_empty() {
        table.put("delete", toml::texts(&delete));
    }
    table.done()
}
