//! Restarts in rounds: `rolling_restart`, as an operator does it, and `restart_storm`, as a bad night
//! does it. Each stands for several steps.
//!
//! Rules: a rolling restart goes on to the next broker once this one is unfenced and every replica is
//! back in the ISR. Where the file says which replicas there are, it waits for these ISRs: that holds
//! under load too, when logs hardly ever end alike.
//!
//! Next: `send.rs`.

use super::action::Part;
use super::before::Before;
use super::node::Table;
use super::process;
use super::reader::Reader;
use super::step::WITHIN_MS;
use super::who;
use crate::diagnostic::Span;
use crate::duration::show_millis;
use ktrial_core::{BrokerId, NodeId, TopicPartition};
use ktrial_sim::plan::{Action, BrokerStatus, Condition, StopKind, When};

/// How often a storm can come back.
const MOST_TIMES: i64 = 1_000;

/// `rolling_restart`: of all brokers, or these, one after the other.
pub(super) fn rolling_restart(
    reader: &mut Reader,
    table: &Table,
    span: Span,
    before: &Before<'_>,
) -> Option<Vec<Part>> {
    reader.only(table, &["brokers", "how", "down", "between"]);
    if before.beside {
        let help = "it waits for each broker in turn: make it a [[step]]";
        reader.error_help(span, "`rolling_restart` is no fault beside the steps", help);
        return None;
    }
    let brokers = match table.get("brokers") {
        Some(entry) => {
            let brokers = before.names.broker_list(reader, &entry.node)?;
            if brokers.is_empty() {
                reader.error(entry.node.span, "this list is empty: name at least one");
                return None;
            }
            brokers
        }
        None => before.names.brokers.clone(),
    };
    let how = process::how(reader, table, StopKind::Shutdown);
    let mut time = |key: &str| match table.get(key) {
        Some(entry) => reader.millis(&entry.node),
        None => Some(0),
    };
    let (down, between) = (time("down"), time("between"));
    let (how, down, between) = (how?, down?, between?);
    let mut parts = Vec::new();
    for broker in brokers {
        let pause = if parts.is_empty() { 0 } else { between };
        parts.extend(one_restart(broker, how, down, pause, before));
    }
    Some(parts)
}

fn after(ms: u64) -> When {
    match ms {
        0 => When::Now,
        ms => When::After { ms },
    }
}

fn until(condition: Condition) -> When {
    When::Until {
        condition,
        within_ms: WITHIN_MS,
    }
}

/// Stop, wait until it is down, start, wait until all is well.
fn one_restart(
    broker: BrokerId,
    how: StopKind,
    down: u64,
    pause: u64,
    before: &Before<'_>,
) -> Vec<Part> {
    let nodes = vec![NodeId::Broker(broker).into()];
    let is = |is| Condition::Broker { broker, is };
    let stop = Action::Stop {
        nodes: nodes.clone(),
        how,
    };
    let start = Action::Start { nodes };
    let mut well = vec![is(BrokerStatus::Unfenced)];
    let partitions = before.names.partitions().into_iter();
    well.extend(partitions.map(|partition| all_in_sync(partition, before)));
    vec![
        Part::new(after(pause), Some(stop)),
        Part::new(until(is(BrokerStatus::Down)), None),
        Part::new(after(down), Some(start)),
        Part::new(until(Condition::All(well)), None),
    ]
}

fn all_in_sync(partition: TopicPartition, before: &Before<'_>) -> Condition {
    let mut is = before.names.replicas(&partition).to_vec();
    is.sort_unstable();
    if is.is_empty() {
        return Condition::InSync { partition };
    }
    Condition::Isr { partition, is }
}

/// `restart_storm`: all of them stop, several times; whoever is drawn is drawn anew each time.
pub(super) fn restart_storm(
    reader: &mut Reader,
    table: &Table,
    span: Span,
    before: &mut Before<'_>,
) -> Option<Vec<Part>> {
    let own = ["times", "every", "down", "how"];
    let known: Vec<&str> = who::KEYS.into_iter().chain(own).collect();
    reader.only(table, &known);
    if !before.beside {
        let help = "it goes on beside the steps: make it a [[fault]]";
        reader.error_help(span, "`restart_storm` is no step", help);
        return None;
    }
    let times = reader.need(table, "times", span);
    let times: Option<u64> = times.and_then(|node| reader.integer(node, 1..=MOST_TIMES));
    let every_node = reader.need(table, "every", span);
    let every = every_node.and_then(|node| reader.millis(node));
    let down = reader.need(table, "down", span);
    let down = down.and_then(|node| reader.millis(node));
    let how = process::how(reader, table, StopKind::Kill);
    let nodes = who::group(reader, table, span, before)?;
    let (times, every, down) = (times?, every?, down?);
    if every <= down {
        let message = format!(
            "they would be stopped again while they are down ({})",
            show_millis(down)
        );
        let span = every_node.map_or(span, |node| node.span);
        reader.error_help(span, message, "`every` must be longer than `down`");
        return None;
    }
    let stop = Action::Stop { nodes, how: how? };
    let drawn = std::mem::take(&mut before.drawn);
    let round = |round: u64| {
        let when = after(round.saturating_mul(every));
        let mut part = Part::new(when, Some(stop.clone()));
        part.step.for_ms = Some(down);
        part.drawn.clone_from(&drawn);
        part
    };
    Some((0..times).map(round).collect())
}
