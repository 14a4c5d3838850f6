//! Goes through a record and tells what changed. A dispatcher: each kind of entry has its own short
//! function here or in a file of its kind, and everything that is not told is named in [`Narrator::event`].
//!
//! Next: `controller.rs`, `replicas.rs`, `clients.rs`.

use super::lines::{Body, Item, Lines};
use crate::Cell;
use crate::model::World;
use crate::values::{Values, broker_of};
use crate::words;
use ktrial_core::event::Candidate;
use ktrial_core::message::Api;
use ktrial_core::metadata::MetadataRecord;
use ktrial_core::{BrokerId, Event, LeaderEpoch, NodeId, Offset, Timestamp, TopicPartition};
use ktrial_sim::history::{Entry, What};
use ktrial_sim::plan::Action;
use std::collections::{BTreeMap, BTreeSet};

/// Partitions that one line names one by one.
pub(super) const NAMED_AT_MOST: usize = 4;

/// An ISR that a leader proposed: the leader and the members.
type Proposal = (BrokerId, Vec<BrokerId>);

/// The one who tells.
pub(super) struct Narrator<'a> {
    pub(super) cell: &'a Cell,
    pub(super) values: Values,
    pub(super) world: World,
    pub(super) lines: Lines,
    /// The cluster is up; what came before is one line.
    pub(super) up: bool,
    /// When the cluster last changed before it was up.
    pub(super) up_at: Timestamp,
    /// Values whose send a step announced.
    pub(super) announced: BTreeSet<String>,
    /// The last proposal of each leader, by partition.
    pub(super) proposed: BTreeMap<TopicPartition, Proposal>,
    /// The last election of each partition without a winner.
    pub(super) looked: BTreeMap<TopicPartition, Vec<Candidate>>,
    /// Since when partitions have no leader.
    pub(super) leaderless: BTreeMap<TopicPartition, Timestamp>,
}

impl<'a> Narrator<'a> {
    /// Tells the whole record of a cell.
    pub(super) fn tell(cell: &'a Cell) -> Lines {
        let mut narrator = Self {
            cell,
            values: Values::of(&cell.record),
            world: World::default(),
            lines: Lines::default(),
            up: false,
            up_at: Timestamp::ZERO,
            announced: BTreeSet::new(),
            proposed: BTreeMap::new(),
            looked: BTreeMap::new(),
            leaderless: BTreeMap::new(),
        };
        for entry in &cell.record.entries {
            narrator.entry(entry);
        }
        narrator.lines
    }

    fn entry(&mut self, entry: &Entry) {
        if !self.up && ends_start_up(&entry.what) {
            self.up = true;
            self.cluster_is_up();
        }
        if self.up {
            self.what(entry);
        } else if is_news_of_start_up(&entry.what) {
            self.up_at = entry.at;
        }
        self.world.apply(entry);
    }

    fn what(&mut self, entry: &Entry) {
        let at = entry.at;
        let who = entry.node.map_or_else(String::new, |node| self.name(node));
        match &entry.what {
            What::Event(event) => self.event(at, &who, entry, event),
            What::ProcessStopped { how, bytes_lost } => {
                self.lines.barrier();
                let broker = broker_of(entry);
                let text = self.stopped(broker, *how, *bytes_lost);
                self.lines.plain(at, who, text);
            }
            What::ProcessPaused => self.process(at, &who, "freezes"),
            What::ProcessResumed => self.process(at, &who, "goes on"),
            What::ProcessStarted if broker_of(entry).is_none() => {
                self.process(at, &who, "starts again");
            }
            What::Panicked { message } => self.process(at, &who, &format!("PANICS: {message}")),
            What::StartFailed { error } => {
                self.process(at, &who, &format!("CANNOT START: {error}"));
            }
            What::Step { index, action } => self.step(at, *index, action.as_deref()),
            What::StepFailed { condition, .. } => {
                let text = format!("in vain: waited until {}", words::condition(condition));
                self.mark(at, text);
            }
            What::FaultEffect { step, touched, of } => {
                if let Some(text) = words::touched(*step, *touched, *of) {
                    self.lines.plain(at, "fault", text);
                }
            }
            What::StepsDone => self.mark(at, "no more steps: the cluster settles".to_owned()),
            What::Ended { reason } => {
                self.mark(at, format!("the trial ends: {}", words::end(*reason)));
            }
            What::FinalPending {
                messages: left @ 1..,
            } => {
                let left = words::count(*left, "message");
                self.mark(at, format!("still under way at the end: {left}"));
            }
            What::ProcessStarted
            | What::Delivered(_)
            | What::Dropped { .. }
            | What::FinalLog(_)
            | What::FinalPending { .. } => {}
        }
    }

    fn event(&mut self, at: Timestamp, who: &str, entry: &Entry, event: &Event) {
        let broker = broker_of(entry);
        match (event, broker) {
            (Event::MetadataWritten { record, .. }, _) => self.metadata(at, who, record),
            (Event::Elected { .. }, _) => self.elected(at, who, event),
            (Event::ControllerActivated { epoch }, _) => {
                let text = format!("is the active controller in epoch {epoch}");
                self.lines.plain(at, who, text);
            }
            (event, _) if zookeeper(event).is_some() => {
                let text = zookeeper(event).unwrap_or_default();
                self.lines.plain(at, who, text);
            }
            (Event::QuorumRole { role, epoch, .. }, _) => {
                if let Some(text) = words::quorum_role(*role, *epoch) {
                    self.lines.plain(at, who, text);
                }
            }
            (Event::QuorumSnapshotFetched { offset, .. }, _) => {
                let text = format!("gets a snapshot of the metadata, up to offset {offset}");
                self.lines.plain(at, who, text);
            }
            (
                Event::QuorumSnapshot { .. }
                | Event::QuorumState { .. }
                | Event::QuorumSnapshotLoaded { .. }
                | Event::QuorumLogStart { .. },
                _,
            ) => {}
            (Event::Refused { .. }, _) => self.refused(at, who, event),
            (Event::IsrProposed { partition, to, .. }, Some(broker)) => {
                let proposal = (broker, to.clone());
                self.proposed.insert(partition.clone(), proposal);
            }
            (Event::Appended { .. }, Some(broker)) => self.appended(at, who, broker, event),
            (event, Some(broker)) => self.replica(at, who, broker, event),
            (event, None) => self.client(at, who, entry.node, event),
        }
    }

    fn step(&mut self, at: Timestamp, index: usize, action: Option<&Action>) {
        if let Some(Action::Send { values, .. }) = action {
            self.announced.extend(values.iter().cloned());
        }
        let clients = &self.cell.record.header.clients;
        let text = words::step(&self.cell.plan, index, action, clients);
        self.mark(at, text);
    }

    /// A line across the columns.
    fn mark(&mut self, at: Timestamp, text: String) {
        self.lines.push(at, "--", Body::Step(text));
        self.lines.barrier();
    }

    fn process(&mut self, at: Timestamp, who: &str, text: &str) {
        self.lines.barrier();
        self.lines.plain(at, who, text);
    }

    /// A node as the story calls it.
    pub(super) fn name(&self, node: NodeId) -> String {
        match node {
            NodeId::Controller(_) if self.cell.plan.controllers.len() <= 1 => {
                "controller".to_owned()
            }
            node => words::node(node, &self.cell.record.header.clients),
        }
    }

    /// The records from `from` to `to`, with the epoch that each has.
    pub(super) fn items(
        &self,
        partition: &TopicPartition,
        from: Offset,
        to: Offset,
        epoch: impl Fn(Offset) -> Option<LeaderEpoch>,
    ) -> Vec<Item> {
        let value = |offset| {
            let epoch = epoch(offset)?;
            self.values.at(partition, offset, epoch)
        };
        let offsets = (from.0..to.0).map(Offset);
        let item = |offset| Item {
            offset,
            value: value(offset).unwrap_or("?").to_owned(),
        };
        offsets.map(item).collect()
    }

    /// The leader that the controller committed.
    pub(super) fn leader(&self, partition: &TopicPartition) -> Option<BrokerId> {
        self.world.partitions.get(partition)?.leader
    }
}

/// Whether an entry shows that the cluster has started.
fn ends_start_up(what: &What) -> bool {
    match what {
        What::Event(event) => matches!(event, Event::SendStarted { .. } | Event::Polled { .. }),
        What::ProcessStarted | What::Delivered(_) | What::Dropped { .. } => false,
        _ => true,
    }
}

/// Whether the cluster is not up before this entry. Requests and replies alone do not count.
fn is_news_of_start_up(what: &What) -> bool {
    let What::Event(event) = what else {
        return false;
    };
    match event {
        Event::Refused { api, .. } => !matches!(api, Api::Metadata | Api::Fetch),
        Event::MetadataWritten { record, .. } => **record != MetadataRecord::NoOp,
        Event::HighWatermark { .. }
        | Event::QuorumRole { .. }
        | Event::QuorumAppended { .. }
        | Event::QuorumHighWatermark { .. }
        | Event::QuorumLearned { .. }
        | Event::QuorumSnapshot { .. }
        | Event::QuorumState { .. } => false,
        _ => true,
    }
}

/// What a server of ZooKeeper tells of itself.
fn zookeeper(event: &Event) -> Option<String> {
    Some(match event {
        Event::EnsembleLooking => "looks for a leader of the ensemble".to_owned(),
        Event::EnsembleFollowing { leader, epoch } => {
            format!("follows zookeeper {leader} in epoch {epoch}")
        }
        Event::EnsembleLeading { epoch } => format!("leads the ensemble in epoch {epoch}"),
        Event::SessionExpired { session } => {
            format!("ends session {:#x}: nothing was heard of it", session.0)
        }
        _ => return None,
    })
}
