//! What a chart shows, as plain data: for each partition the log ends and high watermarks of its
//! replicas over time, what each broker was to it, and the marks. No pixels here.
//!
//! Next: `draw.rs`.

use crate::Cell;
use crate::model::World;
use crate::values::{Values, broker_of};
use ktrial_core::event::ElectionRule;
use ktrial_core::metadata::{LeaderChange, MetadataRecord};
use ktrial_core::{BrokerId, Event, LeaderEpoch, Offset, TopicPartition};
use ktrial_sim::history::{Entry, What};
use std::collections::BTreeSet;

/// Partitions that a chart has a panel for.
pub(crate) const MOST_PANELS: usize = 4;

/// A value from a time on, in milliseconds, until the next one.
pub(crate) type Track<T> = Vec<(u64, T)>;

/// A whole chart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chart {
    /// Where the time axis ends.
    pub(crate) end_ms: u64,
    /// Every broker of the plan.
    pub(crate) brokers: BTreeSet<BrokerId>,
    /// One per partition.
    pub(crate) panels: Vec<Panel>,
    /// Partitions without a panel.
    pub(crate) left_out: usize,
}

/// One partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Panel {
    pub(crate) partition: TopicPartition,
    pub(crate) replicas: Vec<Series>,
    pub(crate) elections: Vec<Election>,
    pub(crate) truncations: Vec<Truncation>,
    pub(crate) acks: Vec<AckMark>,
    /// From and to.
    pub(crate) outages: Vec<(u64, u64)>,
}

/// One replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Series {
    pub(crate) broker: BrokerId,
    pub(crate) log_end: Track<i64>,
    pub(crate) high_watermark: Track<i64>,
    pub(crate) role: Track<Role>,
}

/// What a broker is to a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Its process does not run.
    Down,
    /// Its process is frozen.
    Frozen,
    /// The controller made it leader.
    Leader,
    /// It still believes to lead.
    OldLeader,
    /// In the ISR.
    InSync,
    /// Running, but not in the ISR.
    Out,
}

/// A leader was elected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Election {
    pub(crate) at_ms: u64,
    pub(crate) leader: BrokerId,
    pub(crate) epoch: LeaderEpoch,
    pub(crate) rule: Option<ElectionRule>,
}

/// A log was cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Truncation {
    pub(crate) at_ms: u64,
    pub(crate) broker: BrokerId,
    pub(crate) from: Offset,
    pub(crate) to: Offset,
}

/// A record was acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AckMark {
    pub(crate) at_ms: u64,
    pub(crate) offset: Offset,
    pub(crate) value: String,
    pub(crate) lost: bool,
}

impl Panel {
    /// The highest offset that anything in the panel reaches.
    pub(crate) fn top(&self) -> i64 {
        let ends = self.replicas.iter().flat_map(|series| &series.log_end);
        let acks = self.acks.iter().map(|ack| ack.offset.next().0);
        ends.map(|(_, end)| *end).chain(acks).max().unwrap_or(0)
    }
}

/// The data of a cell's chart.
pub(crate) fn data(cell: &Cell) -> Chart {
    let entries = &cell.record.entries;
    let mut world = World::default();
    for entry in entries {
        world.apply(entry);
    }
    let end_ms = entries.last().map_or(0, |entry| entry.at.as_millis());
    let values = Values::of(&cell.record);
    let names: Vec<&TopicPartition> = world.partitions.keys().collect();
    let panel = |name: &&TopicPartition| {
        let replicas = world.partitions.get(*name).map(|state| &state.replicas);
        let mut panel = empty_panel(cell, &values, name, end_ms);
        let brokers = replicas.into_iter().flatten();
        panel.replicas.extend(brokers.map(|id| Series {
            broker: *id,
            log_end: Vec::new(),
            high_watermark: Vec::new(),
            role: Vec::new(),
        }));
        fill(&mut panel, entries);
        panel
    };
    Chart {
        end_ms: end_ms.max(1),
        brokers: cell.plan.brokers.iter().map(|broker| broker.id).collect(),
        panels: names.iter().take(MOST_PANELS).map(panel).collect(),
        left_out: names.len().saturating_sub(MOST_PANELS),
    }
}

fn empty_panel(cell: &Cell, values: &Values, name: &TopicPartition, end_ms: u64) -> Panel {
    let verdict = &cell.verdict;
    let is_lost = |offset: Offset, value: &str| {
        verdict.lost.iter().any(|lost| {
            lost.topic == name.topic
                && lost.partition == name.partition
                && lost.offset == offset
                && lost.value == value
        })
    };
    let acks = values.acks.iter().filter(|ack| ack.partition == *name);
    let outages = verdict.unavailable.iter();
    let outages = outages.filter(|o| o.topic == name.topic && o.partition == name.partition);
    Panel {
        partition: name.clone(),
        replicas: Vec::new(),
        elections: Vec::new(),
        truncations: Vec::new(),
        acks: acks
            .map(|ack| AckMark {
                at_ms: ack.at.as_millis(),
                offset: ack.offset,
                value: ack.value.clone(),
                lost: is_lost(ack.offset, &ack.value),
            })
            .collect(),
        outages: outages
            .map(|outage| (outage.from_ms, outage.to_ms.unwrap_or(end_ms)))
            .collect(),
    }
}

/// Goes through the record and follows one partition.
fn fill(panel: &mut Panel, entries: &[Entry]) {
    let mut world = World::default();
    let mut last_rule = None;
    for entry in entries {
        if matches!(entry.what, What::Delivered(_) | What::Dropped { .. }) {
            continue;
        }
        world.apply(entry);
        let at_ms = entry.at.as_millis();
        if let What::Event(event) = &entry.what {
            mark(panel, &world, entry, event, &mut last_rule);
        }
        for series in &mut panel.replicas {
            let replica = world.replica(&panel.partition, series.broker);
            set(&mut series.log_end, at_ms, replica.log_end.0);
            set(&mut series.high_watermark, at_ms, replica.high_watermark.0);
            let role = role(&world, &panel.partition, series.broker);
            set(&mut series.role, at_ms, role);
        }
    }
}

/// Adds a point if the value is a new one; of several at one time the last counts.
fn set<T: PartialEq>(track: &mut Track<T>, at_ms: u64, value: T) {
    if track.last().is_some_and(|(at, _)| *at == at_ms) {
        track.pop();
    }
    if track.last().is_none_or(|(_, old)| *old != value) {
        track.push((at_ms, value));
    }
}

fn role(world: &World, partition: &TopicPartition, id: BrokerId) -> Role {
    let broker = world.brokers.get(&id);
    let state = world.partitions.get(partition);
    let leads = state.is_some_and(|state| state.leader == Some(id));
    match broker {
        None => Role::Down,
        Some(broker) if !broker.running => Role::Down,
        Some(broker) if broker.paused => Role::Frozen,
        Some(_) if leads => Role::Leader,
        Some(_) if world.replica(partition, id).leads => Role::OldLeader,
        Some(_) if state.is_some_and(|state| state.isr.contains(&id)) => Role::InSync,
        Some(_) => Role::Out,
    }
}

fn mark(
    panel: &mut Panel,
    world: &World,
    entry: &Entry,
    event: &Event,
    last_rule: &mut Option<(BrokerId, ElectionRule)>,
) {
    let at_ms = entry.at.as_millis();
    match event {
        Event::Truncated {
            partition,
            from,
            to,
            ..
        } if *partition == panel.partition => {
            let truncation = broker_of(entry).map(|broker| Truncation {
                at_ms,
                broker,
                from: *from,
                to: *to,
            });
            panel.truncations.extend(truncation);
        }
        Event::Elected {
            partition,
            leader: Some(leader),
            rule,
            ..
        } if *partition == panel.partition => *last_rule = Some((*leader, *rule)),
        Event::MetadataWritten { record, .. } => {
            if let MetadataRecord::PartitionChange(change) = &**record
                && world.name(change.topic_id, change.partition) == panel.partition
                && let LeaderChange::Leader(leader) = change.leader
            {
                let state = world.partitions.get(&panel.partition);
                let rule = last_rule.take().filter(|(elected, _)| *elected == leader);
                panel.elections.push(Election {
                    at_ms,
                    leader,
                    epoch: state.map(|state| state.leader_epoch).unwrap_or_default(),
                    rule: rule.map(|(_, rule)| rule),
                });
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    /// Brokers 1, 2, 3 of the flagship under unclean leader election.
    fn panel() -> Panel {
        data(&fixture::cell(true)).panels.remove(0)
    }

    fn ends<T: Clone>(track: &Track<T>) -> Vec<T> {
        track.iter().map(|(_, value)| value.clone()).collect()
    }

    #[test]
    fn log_ends_and_high_watermarks_are_followed() {
        let panel = panel();
        let of = |index: usize| &panel.replicas[index];
        assert_eq!(ends(&of(0).log_end), [0, 1, 2, 3, 1, 2]);
        assert_eq!(ends(&of(1).log_end), [0, 1, 2, 1, 2]);
        assert_eq!(ends(&of(2).log_end), [0, 1, 2]);
        assert_eq!(ends(&of(2).high_watermark), [0, 1, 2]);
        assert_eq!(panel.top(), 3);
    }

    #[test]
    fn roles_are_those_that_the_controller_committed() {
        use Role::{Down, InSync, Leader, Out};
        let panel = panel();
        let of = |index: usize| ends(&panel.replicas[index].role);
        assert_eq!(of(0), [Out, Leader, Down, Out, InSync]);
        assert_eq!(of(1), [Down, Out, InSync, Down, Out, InSync]);
        assert_eq!(of(2), [Down, Out, InSync, Down, Out, Leader]);
    }

    #[test]
    fn marks_name_the_unclean_election_the_cuts_and_the_losses() {
        let panel = panel();
        let [election] = &panel.elections[..] else {
            panic!("{:?}", panel.elections);
        };
        assert_eq!(election.rule, Some(ElectionRule::Unclean));
        assert_eq!(
            (election.leader, election.epoch),
            (BrokerId(3), LeaderEpoch(2))
        );
        let cuts: Vec<_> = panel
            .truncations
            .iter()
            .map(|t| (t.broker.0, t.from.0, t.to.0))
            .collect();
        assert_eq!(cuts, [(2, 2, 1), (1, 3, 1)]);
        let acks: Vec<_> = panel
            .acks
            .iter()
            .map(|ack| (ack.value.as_str(), ack.lost))
            .collect();
        assert_eq!(acks, [("A", false), ("B", true), ("C", true), ("D", false)]);
        assert_eq!(panel.outages, [(27_151, 27_402)]);
    }
}
