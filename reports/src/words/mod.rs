//! Words for plain data: lists, conditions, actions, reasons. One phrase per variant, so that the
//! story, the verdict, the charts and the page say the same thing the same way.

mod action;

pub(crate) use action::action;
use ktrial_core::event::{Candidate, ElectionRule, QuorumRole, TruncationCause};
use ktrial_core::message::{ConfigChange, ConfigResource};
use ktrial_core::{BrokerId, LeaderEpoch, NodeId, TopicPartition};
use ktrial_sim::history::{EndReason, Touched};
use ktrial_sim::plan::{Action, BrokerStatus, Condition, Plan, Reached, Step, When};
use ktrial_sim::verdict::{Class, Outage, Verdict};
use std::collections::BTreeMap;
use std::fmt::Display;

/// `a, b, c`
pub(crate) fn list<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let texts: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    texts.join(", ")
}

/// `[1, 2, 3]`
pub(crate) fn brokers(ids: &[BrokerId]) -> String {
    format!("[{}]", list(ids))
}

/// `1, 2 or 3`
pub(crate) fn either(ids: &[BrokerId]) -> String {
    match ids {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", list(first)),
        _ => list(ids),
    }
}

/// The broker's number, or `none`.
pub(crate) fn leader(id: Option<BrokerId>) -> String {
    id.map_or_else(|| "none".to_owned(), |id| id.to_string())
}

/// `A, B, C`; of many only the first and the last, with their number.
pub(crate) fn values<T: AsRef<str>>(values: &[T]) -> String {
    match values {
        [first, second, .., last] if values.len() > 8 => format!(
            "{}, {}, ... {} ({} records)",
            first.as_ref(),
            second.as_ref(),
            last.as_ref(),
            values.len()
        ),
        _ => list(values.iter().map(AsRef::as_ref)),
    }
}

/// `1 time`, `2 times`
pub(crate) fn count(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// `12.345 s` from milliseconds.
pub(crate) fn seconds(ms: u64) -> String {
    format!("{}.{:03} s", ms / 1_000, ms % 1_000)
}

/// `a=1 b=2`, or a word for none.
pub(crate) fn settings(settings: &BTreeMap<String, String>) -> String {
    if settings.is_empty() {
        return "default settings".to_owned();
    }
    let pairs = settings.iter().map(|(key, value)| format!("{key}={value}"));
    pairs.collect::<Vec<_>>().join("  ")
}

/// A node with its kind: `broker 1`, `controller 3000`, a client by its name.
pub(crate) fn node(id: NodeId, clients: &BTreeMap<NodeId, String>) -> String {
    match id {
        NodeId::Broker(id) => format!("broker {id}"),
        NodeId::Controller(id) => format!("controller {id}"),
        NodeId::ZooKeeper(id) => format!("zookeeper {id}"),
        NodeId::Client(_) => clients.get(&id).cloned().unwrap_or_else(|| id.to_string()),
    }
}

/// Several nodes.
fn nodes(ids: &[NodeId], clients: &BTreeMap<NodeId, String>) -> String {
    list(ids.iter().map(|id| node(*id, clients)))
}

/// A class of verdict as its word.
pub(crate) fn class(class: Class) -> &'static str {
    match class {
        Class::Kept => "kept",
        Class::Permitted => "permitted",
        Class::Unavailable => "unavailable",
        Class::Inconclusive => "inconclusive",
        Class::Broken => "broken",
    }
}

/// What a step does and what it waited for.
pub(crate) fn step(
    plan: &Plan,
    index: usize,
    done: Option<&Action>,
    clients: &BTreeMap<NodeId, String>,
) -> String {
    let waited = plan.steps.get(index).and_then(waited);
    match (waited, done.map(|done| action(done, clients))) {
        (Some(waited), Some(done)) => format!("{done}   (once {waited})"),
        (None, Some(done)) => done,
        (Some(waited), None) => format!("now {waited}"),
        (None, None) => "wait".to_owned(),
    }
}

fn waited(step: &Step) -> Option<String> {
    match &step.when {
        When::Now | When::After { .. } | When::At { .. } => None,
        When::Until { condition: it, .. } => Some(condition(it)),
    }
}

/// A condition as a clause: `the ISR of orders-0 is [1, 2]`.
pub(crate) fn condition(it: &Condition) -> String {
    match it {
        Condition::Isr { partition, is } => format!("the ISR of {partition} is {}", brokers(is)),
        Condition::Leader {
            partition,
            is: Some(id),
        } => format!("broker {id} leads {partition}"),
        Condition::Leader {
            partition,
            is: None,
        } => format!("{partition} has no leader"),
        Condition::IsrAtMost { partition, members } => {
            format!(
                "the ISR of {partition} has at most {}",
                count(u64::try_from(*members).unwrap_or(u64::MAX), "member")
            )
        }
        Condition::LogEnd {
            partition,
            broker,
            at_least,
        } => format!("the log of {partition} on broker {broker} ends at {at_least} or later"),
        Condition::HighWatermark {
            partition,
            broker,
            at_least,
        } => {
            format!("the high watermark of {partition} on broker {broker} is {at_least} or higher")
        }
        Condition::Acknowledged { values: v } => {
            format!("{} {} acknowledged", values(v), is_or_are(v.len()))
        }
        Condition::Ended { values: v } => {
            format!("the send of {} has ended", values(v))
        }
        Condition::Consumed {
            consumer,
            values: v,
        } => format!("{consumer} has got {}", values(v)),
        Condition::Controller { is: Some(id) } => format!("controller {id} is active"),
        Condition::Controller { is: None } => "no controller is active".to_owned(),
        Condition::ControllerElected { controller } => {
            format!("controller {controller} is elected")
        }
        Condition::ControllerActivations { at_least } => {
            format!("a controller has become active {at_least} times")
        }
        Condition::Metadata { more, by } => format!(
            "{} {more} more committed metadata records",
            match by {
                Reached::All => "all controllers and brokers that run know".to_owned(),
                Reached::AtLeast(1) => "a controller or broker knows".to_owned(),
                Reached::AtLeast(least) => format!("{least} controllers and brokers know"),
            }
        ),
        Condition::Broker { broker, is } => format!("broker {broker} is {}", status(*is)),
        Condition::InSync { partition } => format!("all replicas of {partition} are in sync"),
        Condition::Quiet { ms } => format!("nothing has changed for {}", seconds(*ms)),
        Condition::All(all) => join(all, " and "),
        Condition::Any(any) => join(any, " or "),
    }
}

fn is_or_are(number: usize) -> &'static str {
    if number == 1 { "is" } else { "are" }
}

fn join(conditions: &[Condition], word: &str) -> String {
    let texts: Vec<String> = conditions.iter().map(condition).collect();
    texts.join(word)
}

fn status(status: BrokerStatus) -> &'static str {
    match status {
        BrokerStatus::Down => "down",
        BrokerStatus::Fenced => "fenced",
        BrokerStatus::Unfenced => "unfenced",
    }
}

fn change(change: &ConfigChange) -> String {
    setting(&change.resource, &change.key, change.value.as_deref())
}

/// What a voter of the metadata quorum does, if it is worth a line: becoming active has its own.
pub(crate) fn quorum_role(role: QuorumRole, epoch: LeaderEpoch) -> Option<String> {
    match role {
        QuorumRole::Candidate => Some(format!("asks for votes in quorum epoch {epoch}")),
        QuorumRole::Leader => Some(format!("is elected leader of the quorum in epoch {epoch}")),
        QuorumRole::Resigned => Some(format!("resigns as leader of the quorum (epoch {epoch})")),
        QuorumRole::Unattached | QuorumRole::Prospective | QuorumRole::Follower => None,
    }
}

/// `key=value of topic orders`
pub(crate) fn setting(resource: &ConfigResource, key: &str, value: Option<&str>) -> String {
    let whose = match resource {
        ConfigResource::Topic(topic) => format!("of topic {topic}"),
        ConfigResource::Cluster => "of the cluster".to_owned(),
        ConfigResource::Broker(broker) => format!("of broker {broker}"),
    };
    match value {
        Some(value) => format!("{key}={value} {whose}"),
        None => format!("{key} to its default {whose}"),
    }
}

/// Why a leader may lead, for `broker 3 becomes leader of orders-0 ...`.
pub(crate) fn rule(rule: ElectionRule) -> &'static str {
    match rule {
        ElectionRule::Isr => "it is in the ISR",
        ElectionRule::Elr => "the ISR is empty and it is in the ELR",
        ElectionRule::LastKnownLeader => {
            "ISR and ELR are empty and it is the last known leader; it may have lost records"
        }
        ElectionRule::Unclean => {
            "UNCLEAN election: it is in neither ISR nor ELR and may lack records"
        }
        ElectionRule::Nobody => "nobody may lead",
    }
}

/// What speaks for and against a replica: `1 in ELR, not available`.
pub(crate) fn candidate(it: &Candidate) -> String {
    let mut marks = Vec::new();
    for (set, mark) in [
        (it.in_isr, "in ISR"),
        (it.in_elr, "in ELR"),
        (it.last_known_leader, "last known leader"),
    ] {
        marks.extend(set.then_some(mark));
    }
    marks.push(if it.available {
        "available"
    } else {
        "not available"
    });
    format!("{} {}", it.broker, marks.join(", "))
}

/// Why a log was cut.
pub(crate) fn cause(cause: TruncationCause, leader: Option<BrokerId>) -> String {
    let whose = leader.map_or_else(
        || "the leader's log".to_owned(),
        |id| format!("broker {id}'s log"),
    );
    match cause {
        TruncationCause::DivergingEpoch(at) => {
            format!("in {whose} epoch {} ends at {}", at.epoch, at.offset)
        }
        TruncationCause::HighWatermark => "to its own high watermark".to_owned(),
        TruncationCause::OutOfRange => format!("it was outside {whose}"),
        TruncationCause::Unknown => "as its file shows".to_owned(),
    }
}

/// What a fault touched; nothing if another line tells it.
pub(crate) fn touched(step: usize, touched: u64, of: Touched) -> Option<String> {
    let step = step + 1;
    if touched == 0 {
        return Some(format!("step {step} touched nothing"));
    }
    Some(match of {
        Touched::Processes => return None,
        Touched::Messages => format!(
            "step {step} held back, slowed or lost {}",
            count(touched, "message")
        ),
        Touched::DiskCalls => format!("step {step} touched {}", count(touched, "disk call")),
        Touched::Bytes => format!("step {step} changed or took {}", count(touched, "byte")),
        Touched::ClockReadings => {
            format!("step {step} made {} wrong", count(touched, "clock reading"))
        }
    })
}

/// Why a trial ended.
pub(crate) fn end(reason: EndReason) -> &'static str {
    match reason {
        EndReason::Converged => "the cluster has converged: all replicas in sync, nothing pending",
        EndReason::Settled => "nothing has changed for the settling time",
        EndReason::StepFailed => "a step's condition did not come true in time",
        EndReason::TimeLimit => "the time limit of the trial",
        EndReason::RecordLimit => "the record has as many entries as it may have",
        EndReason::Panicked => "a machine panicked or could not start",
    }
}

/// `topic-partition` of two fields.
pub(crate) fn partition(topic: &str, number: i32) -> TopicPartition {
    TopicPartition::new(topic, number)
}

/// When an outage was and what it waited for.
pub(crate) fn outage(outage: &Outage, verdict: &Verdict) -> String {
    let from = seconds(outage.from_ms);
    let waited = if outage.waiting_for.is_empty() {
        String::new()
    } else {
        format!(", waiting for broker {}", either(&outage.waiting_for))
    };
    match outage.to_ms {
        Some(to) => {
            let lasted = seconds(to.saturating_sub(outage.from_ms));
            format!("from {from} to {} ({lasted}){waited}", seconds(to))
        }
        None => format!(
            "from {from} to the end at {}{waited}",
            seconds(verdict.simulated_ms)
        ),
    }
}
