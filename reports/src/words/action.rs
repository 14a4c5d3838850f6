//! What a step does, in the imperative.

use super::{brokers, change, list, nodes, values};
use ktrial_core::NodeId;
use ktrial_core::message::{Api, ElectionType};
use ktrial_sim::plan::{Action, DiskCall, DiskFault, Latency, LinkFault, StopKind, Target};
use std::collections::BTreeMap;

/// An action in the imperative.
pub(crate) fn action(action: &Action, clients: &BTreeMap<NodeId, String>) -> String {
    match action {
        Action::Send {
            producer,
            topic,
            partition,
            values: sent,
            ..
        } => {
            let place = partition.map_or_else(String::new, |number| format!("-{number}"));
            format!("{producer} sends {} to {topic}{place}", values(sent))
        }
        Action::Stop { nodes: who, how } => format!("{} {}", stop(*how), targets(who, clients)),
        Action::Start { nodes: who } => format!("start {}", targets(who, clients)),
        Action::Pause { nodes: who } => format!("freeze {}", targets(who, clients)),
        Action::Resume { nodes: who } => format!("unfreeze {}", targets(who, clients)),
        Action::Link {
            from,
            to,
            one_way,
            api,
            fault,
        } => link(fault, (from, to), *one_way, api, clients),
        Action::Heal => "heal the network".to_owned(),
        Action::Disk {
            nodes: who,
            directory,
            fault,
        } => {
            let place = directory.as_ref();
            let place = place.map_or_else(String::new, |directory| format!(", below {directory}"));
            format!("{} of {}{place}", disk_fault(fault), targets(who, clients))
        }
        Action::Clock { nodes: who, fault } => {
            let who = targets(who, clients);
            format!(
                "the wall clock of {who} jumps by {} ms and gains {} us per second",
                fault.jump_ms, fault.drift_ppm
            )
        }
        Action::AlterConfig { changes } => format!("set {}", list(changes.iter().map(change))),
        Action::ElectLeaders {
            election,
            partitions,
        } => format!("ask for {} of {}", asked(*election), list(partitions)),
        Action::CreateTopic { topic, .. } => format!("create {topic}"),
        Action::AddPartitions { topic, count, .. } => {
            format!("give {topic} {count} partitions")
        }
        Action::DeleteTopic { topic } => format!("delete {topic}"),
        Action::Reassign {
            partition,
            replicas: Some(replicas),
        } => format!("move {partition} to brokers {}", brokers(replicas)),
        Action::Reassign { partition, .. } => format!("take back the move of {partition}"),
        Action::Assign {
            consumer,
            partitions,
        } => format!("{consumer} reads {} from now on", list(partitions)),
    }
}

/// Something about links, in the imperative.
fn link(
    fault: &LinkFault,
    (from, to): (&[Target], &[Target]),
    one_way: bool,
    api: &[Api],
    clients: &BTreeMap<NodeId, String>,
) -> String {
    let (from, to) = (targets(from, clients), targets(to, clients));
    let (what, after) = match fault {
        LinkFault::Cut => ("cut".to_owned(), String::new()),
        LinkFault::Delay(by) => ("slow".to_owned(), format!(" by {}", latency(*by))),
        LinkFault::Lose { per_mille, reset } => (
            format!("lose {per_mille} of 1000 segments in"),
            if *reset { ", with a reset" } else { "" }.to_owned(),
        ),
        LinkFault::Throttle { bytes_per_ms } => (
            "throttle".to_owned(),
            format!(" to {bytes_per_ms} bytes per ms"),
        ),
    };
    let only = only(api);
    if one_way {
        format!("{what} the network from {from} to {to}{after}, one way{only}")
    } else {
        format!("{what} the network between {from} and {to}{after}{only}")
    }
}

fn latency(latency: Latency) -> String {
    let ms = |us: u64| format!("{}.{:03}", us / 1_000, us % 1_000);
    match latency {
        Latency::Fixed { us } => format!("{} ms", ms(us)),
        Latency::Uniform { min_us, max_us } => format!("{} to {} ms", ms(min_us), ms(max_us)),
        Latency::Exponential { min_us, mean_us } => {
            format!("{} ms and {} ms more on average", ms(min_us), ms(mean_us))
        }
    }
}

/// Something about disks, to go before "of broker 1".
fn disk_fault(fault: &DiskFault) -> String {
    match fault {
        DiskFault::Slow { times } => format!("slow down {times} times the disk"),
        DiskFault::Stall => "stall the disk".to_owned(),
        DiskFault::Fail { calls } => {
            let calls: Vec<&str> = calls
                .iter()
                .map(|call| match call {
                    DiskCall::Read => "reads",
                    DiskCall::Write => "writes",
                    DiskCall::Flush => "flushes",
                })
                .collect();
            format!("fail {} on the disk", calls.join(" and "))
        }
        DiskFault::Full => "fill up the disk".to_owned(),
        DiskFault::LyingFlush => "let flushes lie on the disk".to_owned(),
        DiskFault::TornWrite => "tear the last writes at a power loss on the disk".to_owned(),
        DiskFault::BitRot { file, .. } => {
            let file = file.as_deref().unwrap_or("some file");
            format!("flip a bit in {file} on the disk")
        }
        DiskFault::Wipe => "wipe the disk".to_owned(),
    }
}

/// Nodes and roles, as a list.
fn targets(targets: &[Target], clients: &BTreeMap<NodeId, String>) -> String {
    let named: Vec<NodeId> = targets.iter().filter_map(Target::node).collect();
    let mut parts = Vec::new();
    if !named.is_empty() {
        parts.push(nodes(&named, clients));
    }
    parts.extend(targets.iter().filter_map(|target| match target {
        Target::Node(_) => None,
        Target::Leader(partition) => Some(format!("the leader of {partition}")),
        Target::Followers(partition) => Some(format!("the followers of {partition} in the ISR")),
        Target::LastInIsr(partition) => Some(format!("the last member of the ISR of {partition}")),
        Target::OutOfIsr(partition) => Some(format!("the replicas of {partition} outside the ISR")),
        Target::Controller => Some("the active controller".to_owned()),
        Target::StandbyControllers => Some("the standby controllers".to_owned()),
        Target::Rest => Some("the rest".to_owned()),
    }));
    if parts.is_empty() {
        return "nobody".to_owned();
    }
    parts.join(" and ")
}

/// The APIs that a fault of the network is about, if not all.
fn only(api: &[Api]) -> String {
    if api.is_empty() {
        return String::new();
    }
    format!(", only for {}", list(api))
}

fn stop(how: StopKind) -> &'static str {
    match how {
        StopKind::Kill => "kill",
        StopKind::PowerLoss => "cut the power of",
        StopKind::Shutdown => "shut down",
    }
}

fn asked(election: ElectionType) -> &'static str {
    match election {
        ElectionType::Preferred => "a preferred leader election",
        ElectionType::Unclean => "an unclean leader election",
    }
}
