//! What really happened of that which a promise makes an exception for. A configuration that allows a
//! loss excuses it only if the trial had what the configuration allows, for that very record:
//!
//! | excuse | needs |
//! |---|---|
//! | unclean election | one that was allowed, to a later leader epoch than the record's; or a reassignment that was taken back when nobody in sync stayed (`election.rs`) |
//! | loss of power | a replica that lost the record with its power or by a broken disk; and since the record was written as many replicas at once had stopped uncleanly and not come back to the ISR as `min.insync.replicas` says |
//! | the ELR was cleared | as before, but one replica is enough: Kafka clears the ELR when `min.insync.replicas` is changed |
//! | a truncation undone | a replica lost power when it had cut its log and not flushed since: it may have the old records again under the new leader epochs, for Kafka flushes the epochs and not the cut |
//! | rot | a bit flipped on the disk of a replica: of which record is not known, and checksums do not cover offsets and epochs |
//! | acks=1 | a later leader epoch, or a copy lost by force; and the record was never below a high watermark |
//!
//! A controller cannot tell a kill from a power loss, so each unclean stop counts (KIP-966). A disk that
//! was wiped or has rotted counts as one. The lowest `min.insync.replicas` that the topic ever had
//! holds: who left the ISR under it is not in the ELR, also when it is raised later. If the ISR with which
//! the leader took the record below its high watermark was smaller still (it had not heard of a change),
//! that counts.
//!
//! Times are those of the record's first append; elections are compared by leader epoch, for a deposed
//! leader goes on to acknowledge for a while.
//!
//! Simplified: a broker counts as replicated again when it joins the ISR. With older rules a broker may
//! restart without leaving the ISR; it then counts to the end, which excuses more.
//!
//! Source: KIP-966, "Unclean shutdown"; the documentation of ELR on changes of `min.insync.replicas`.
//! Next: `promise.rs`.

use super::election::{Before, Kind};
use super::ledger::{Ledger, Written};
use super::moment::Moment;
use super::promise::{LossCause, Promises};
use crate::history::What;
use crate::plan::{Action, DiskFault, StopKind};
use crate::view::View;
use ktrial_core::event::ElectionRule;
use ktrial_core::metadata::MetadataRecord;
use ktrial_core::{
    BrokerId, Event, LeaderEpoch, NodeId, Offset, Timestamp, TopicName, TopicPartition,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The exceptions that took place, up to now.
#[derive(Debug, Default)]
pub(super) struct Happened {
    pub(super) ledger: Ledger,
    partitions: BTreeMap<TopicPartition, OfPartition>,
    /// The lowest `min.insync.replicas` that each topic ever had.
    min_insync: BTreeMap<TopicName, u32>,
    /// Brokers whose disks do not keep what they are told to keep.
    unreliable: BTreeSet<BrokerId>,
    /// Those of them that are not simply empty: what rots or was not flushed may be missing in between.
    deceived: BTreeSet<BrokerId>,
    /// The log that this entry says was opened may have lost bytes by force.
    opened_after_force: bool,
}

/// What happened to one partition.
#[derive(Debug, Default)]
struct OfPartition {
    before: Before,
    /// Elections that the controller has told of and not written yet.
    told: VecDeque<(Option<BrokerId>, ElectionRule)>,
    /// The newest leader epoch that an allowed unclean election began.
    unclean: Option<LeaderEpoch>,
    /// The newest leader epoch.
    newest: LeaderEpoch,
    /// Who stopped uncleanly (true) or came back to the ISR (false), in order.
    stops: Vec<(Timestamp, BrokerId, bool)>,
    /// Replicas that may have lost bytes and whose logs were not opened since.
    unread: BTreeSet<BrokerId>,
    /// A power loss may have undone a truncation.
    undone: bool,
    /// The disk of a replica rots: any bit of its log may be another one.
    rotten: bool,
    /// When an ELR was last cleared that had members.
    elr_cleared: Option<Timestamp>,
    /// Its replicas.
    brokers: Vec<BrokerId>,
    /// How few it ever had; a reassignment may change that.
    fewest: Option<usize>,
    /// The first append of the oldest batch of which a copy was lost by force.
    lost_by_force: Option<Timestamp>,
}

impl OfPartition {
    fn replicas(&self) -> usize {
        self.fewest.unwrap_or(self.brokers.len())
    }

    fn unsound(&self) -> Option<LossCause> {
        if self.rotten {
            return Some(LossCause::Rot);
        }
        self.undone.then_some(LossCause::UndoneCut)
    }
}

/// An election that the controller has written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Elected {
    pub(super) leader: BrokerId,
    pub(super) kind: Kind,
    /// What the controller said of it, if anything.
    pub(super) told: Option<ElectionRule>,
    /// The configuration or an operator allows an unclean one.
    pub(super) unclean_allowed: bool,
}

impl Happened {
    /// Takes in an entry that the view has just taken in. Returns the election that it tells of.
    pub(super) fn observe(&mut self, promises: &Promises, moment: &Moment<'_>) -> Option<Elected> {
        self.stopped(moment);
        if let Some(topic) = moment.deleted_topic() {
            self.partitions.retain(|name, _| name.topic != topic);
        }
        self.opened_after_force = self.read(moment);
        self.ledger.observe(moment, self.opened_after_force);
        match moment.event() {
            Some(Event::Elected {
                partition,
                leader,
                rule,
                ..
            }) => {
                // What a controller decides that was deposed and does not know it never comes to be.
                let active = moment.view.quorum().active().map(NodeId::Controller);
                if active.is_none() || active == moment.entry.node {
                    self.of(partition).told.push_back((*leader, *rule));
                }
                None
            }
            Some(Event::MetadataWritten { record, .. }) => {
                self.configured(moment, record);
                self.written(promises, moment)
            }
            _ => None,
        }
    }

    /// What excuses that no log that counts has a batch any more.
    pub(super) fn loss_cause(
        &self,
        promises: &Promises,
        partition: &TopicPartition,
        written: &Written,
    ) -> Option<LossCause> {
        let state = self.partitions.get(partition)?;
        if promises.topic(&partition.topic).unclean && state.unclean > Some(written.batch.epoch) {
            return Some(LossCause::Unclean);
        }
        let waits = |copy: &BrokerId| state.unread.contains(copy);
        let forced = !written.lost_by.is_empty() || written.copies.iter().any(waits);
        if let Some(cause) = state.unsound() {
            return Some(cause);
        }
        // Who leads may not have heard of a higher min.insync.replicas yet.
        let isr = written.exposed.map_or(usize::MAX, |(least, _)| least);
        let cause = forced.then(|| self.forced(partition, state, written.at, isr));
        cause.flatten()
    }

    /// What excuses that a record which `client` sent at `since`, and was told is at `offset`, is gone.
    pub(super) fn loss_cause_for(
        &self,
        promises: &Promises,
        client: NodeId,
        partition: &TopicPartition,
        (offset, since): (Offset, Timestamp),
    ) -> Option<LossCause> {
        let mut candidates = self.ledger.at(partition, offset);
        candidates.find_map(|written| {
            if written.at < since {
                return None;
            }
            self.cause(promises, Some(client), partition, written)
        })
    }

    /// What excuses that a batch is gone which `client` was told is written.
    pub(super) fn cause(
        &self,
        promises: &Promises,
        client: Option<NodeId>,
        partition: &TopicPartition,
        written: &Written,
    ) -> Option<LossCause> {
        let cause = self.loss_cause(promises, partition, written);
        cause.or_else(|| self.acks_cause(promises, client?, partition, written))
    }

    fn acks_cause(
        &self,
        promises: &Promises,
        client: NodeId,
        partition: &TopicPartition,
        written: &Written,
    ) -> Option<LossCause> {
        let state = self.partitions.get(partition)?;
        let lost = !written.lost_by.is_empty()
            || written
                .copies
                .iter()
                .any(|copy| state.unread.contains(copy));
        let cut = state.newest > written.batch.epoch || lost;
        promises
            .acks_cause(client)
            .filter(|_| cut && written.exposed.is_none())
    }

    /// What excuses that any record of the partition is gone.
    pub(super) fn any_cause(
        &self,
        promises: &Promises,
        partition: &TopicPartition,
    ) -> Option<LossCause> {
        let state = self.partitions.get(partition)?;
        if promises.topic(&partition.topic).unclean && state.unclean.is_some() {
            return Some(LossCause::Unclean);
        }
        if let Some(cause) = state.unsound() {
            return Some(cause);
        }
        self.forced(partition, state, state.lost_by_force?, usize::MAX)
    }

    /// Whether somebody else than its first leader ever led the partition, or bytes of it were lost.
    pub(super) fn was_disturbed(&self, partition: &TopicPartition) -> bool {
        let state = self.partitions.get(partition);
        state.is_some_and(|state| state.newest > LeaderEpoch(0) || state.lost_by_force.is_some())
    }

    /// Whether a broker's log of a partition may be shorter than its events say.
    pub(super) fn is_unread(&self, partition: &TopicPartition, broker: BrokerId) -> bool {
        let state = self.partitions.get(partition);
        state.is_some_and(|state| state.unread.contains(&broker))
    }

    /// Whether a replica's log may not hold what it was written: a power loss may have undone a
    /// truncation, or its disk rots.
    pub(super) fn is_unsound(&self, partition: &TopicPartition) -> bool {
        let state = self.partitions.get(partition);
        state.is_some_and(|state| state.unsound().is_some())
    }

    /// Whether that is so anywhere.
    pub(super) fn any_unsound(&self) -> bool {
        let mut states = self.partitions.values();
        states.any(|state| state.unsound().is_some())
    }

    /// Whether the log that this entry says was opened may have lost bytes by force.
    pub(super) fn opened_after_force(&self) -> bool {
        self.opened_after_force
    }

    /// Whether a broker's disk does not keep what it is told to keep.
    pub(super) fn is_unreliable(&self, broker: BrokerId) -> bool {
        self.unreliable.contains(&broker)
    }

    /// Whether what a broker reads back may lack something in between: its disk rots, or lies about flushes.
    /// The checksum of a batch does not cover its offset.
    pub(super) fn is_deceived(&self, broker: BrokerId) -> bool {
        self.deceived.contains(&broker)
    }

    /// The lowest `min.insync.replicas` that a topic ever had.
    pub(super) fn lowest_min_insync(&self, topic: &TopicName) -> usize {
        let lowest = self.min_insync.get(topic).copied().unwrap_or(1);
        usize::try_from(lowest).unwrap_or(usize::MAX)
    }

    /// The smallest number of replicas that a partition ever had.
    pub(super) fn fewest_replicas(&self, partition: &TopicPartition) -> usize {
        let state = self.partitions.get(partition);
        state.map_or(usize::MAX, OfPartition::replicas)
    }

    fn forced(
        &self,
        partition: &TopicPartition,
        state: &OfPartition,
        since: Timestamp,
        isr: usize,
    ) -> Option<LossCause> {
        let needed = self.lowest_min_insync(&partition.topic);
        let stopped = stopped_at_once(&state.stops, since);
        if stopped >= needed.min(state.replicas()).min(isr).max(1) {
            return Some(LossCause::PowerLoss);
        }
        let cleared = state.elr_cleared.is_some_and(|at| at >= since);
        cleared.then_some(LossCause::ElrCleared)
    }

    fn of(&mut self, partition: &TopicPartition) -> &mut OfPartition {
        self.partitions.entry(partition.clone()).or_default()
    }

    /// A process is gone without having closed its logs, or a disk broke.
    fn stopped(&mut self, moment: &Moment<'_>) {
        let at = moment.at();
        match (&moment.entry.what, moment.broker()) {
            (What::ProcessStopped { how, .. }, Some(broker)) => {
                let lossy = *how == Some(StopKind::PowerLoss);
                if *how != Some(StopKind::Shutdown) {
                    self.hit(moment.view, at, broker, lossy);
                }
            }
            // The last: told to stop before it had opened its logs, it comes back as if it had crashed.
            (
                What::Panicked { .. }
                | What::StartFailed { .. }
                | What::Event(Event::BrokerStarted { clean: false }),
                Some(broker),
            ) => {
                self.hit(moment.view, at, broker, false);
            }
            // Elections that a controller told of and did not live to write never were; what one that was
            // deposed had written, its successor tells before it is active.
            (What::ProcessStarted | What::Event(Event::ControllerActivated { .. }), None)
                if matches!(moment.entry.node, Some(NodeId::Controller(_))) =>
            {
                let partitions = self.partitions.values_mut();
                partitions.for_each(|state| state.told.clear());
            }
            (What::Step { action, .. }, _) => {
                let Some(Action::Disk { nodes, fault, .. }) = action.as_deref() else {
                    return;
                };
                let breaks = fault.is_instant() || *fault == DiskFault::LyingFlush;
                let named = nodes.iter().filter_map(|node| node.node()?.broker());
                for broker in named.filter(|_| breaks) {
                    self.unreliable.insert(broker);
                    if *fault != DiskFault::Wipe {
                        self.deceived.insert(broker);
                    }
                    if fault.is_instant() {
                        self.hit(moment.view, at, broker, true);
                    }
                    if matches!(fault, DiskFault::BitRot { .. }) {
                        self.rot(broker);
                    }
                }
            }
            _ => {}
        }
    }

    /// A bit of a file has flipped: nobody knows of which partition.
    fn rot(&mut self, broker: BrokerId) {
        for state in self.partitions.values_mut() {
            state.rotten |= state.brokers.contains(&broker);
        }
    }

    fn hit(&mut self, view: &View, at: Timestamp, broker: BrokerId, lossy: bool) {
        for (name, partition) in view.partitions() {
            if !partition.replicas.contains_key(&broker) {
                continue;
            }
            let state = self.of(name);
            state.stops.push((at, broker, true));
            if lossy {
                state.unread.insert(broker);
            }
        }
    }

    /// A log is opened. Tells whether it may have lost bytes by force.
    fn read(&mut self, moment: &Moment<'_>) -> bool {
        let (Some(Event::LogLoaded { partition, .. }), Some((broker, replica))) =
            (moment.event(), moment.replica())
        else {
            return false;
        };
        let range = replica.changed_by_load();
        let Some(state) = self.partitions.get_mut(partition) else {
            return false;
        };
        let by_force = state.unread.remove(&broker);
        state.undone |= by_force && replica.had_cuts;
        if by_force && range.0 < range.1 {
            let lost = self.ledger.between(partition, range);
            let lost = lost.filter(|written| written.copies.contains(&broker));
            let oldest = lost.map(|written| written.at).min();
            state.lost_by_force = state.lost_by_force.into_iter().chain(oldest).min();
        }
        by_force
    }

    /// A record has changed a setting, or made an ELR void.
    fn configured(&mut self, moment: &Moment<'_>, record: &MetadataRecord) {
        match record {
            MetadataRecord::Config(_) => {
                let settings = moment.view.settings();
                for (topic, lowest) in &mut self.min_insync {
                    *lowest = (*lowest).min(settings.min_insync_replicas(topic));
                }
            }
            MetadataRecord::ClearElr(_) => {
                for (name, partition) in moment.view.partitions() {
                    let (Some(state), Some(committed)) =
                        (self.partitions.get_mut(name), &partition.committed)
                    else {
                        continue;
                    };
                    if !state.before.elr.is_empty() && committed.elr.is_empty() {
                        state.elr_cleared = Some(moment.at());
                    }
                    state.before = Before::of(committed);
                }
            }
            _ => {}
        }
    }

    /// The controller has written a partition's state.
    fn written(&mut self, promises: &Promises, moment: &Moment<'_>) -> Option<Elected> {
        let (name, partition) = moment.partition?;
        let committed = partition.committed.as_ref()?;
        if !self.min_insync.contains_key(&name.topic) {
            let min = moment.view.settings().min_insync_replicas(&name.topic);
            self.min_insync.insert(name.topic.clone(), min);
        }
        let unclean_on = moment.view.settings().unclean(&name.topic);
        let state = self.of(name);
        let election = state.before.election(committed, promises.last_known_leader);
        if unclean_on && state.before.is_taken_back_uncleanly(committed) {
            // Nobody leads in the epoch before or, if nobody led then, in this one.
            state.unclean = Some(committed.leader_epoch);
        }
        if election.is_none() && committed.leader_epoch == state.newest {
            let joined = committed
                .isr
                .iter()
                .filter(|id| !state.before.isr.contains(id));
            let joined = joined.map(|id| (moment.at(), *id, false));
            state.stops.extend(joined);
        }
        state.before = Before::of(committed);
        state.newest = committed.leader_epoch;
        state.brokers.clone_from(&committed.replicas);
        let replicas = committed.replicas.len();
        state.fewest = Some(state.fewest.map_or(replicas, |fewest| fewest.min(replicas)));
        let (leader, kind) = election?;
        let told = loop {
            match state.told.pop_front() {
                Some((who, rule)) if who == Some(leader) => break Some(rule),
                Some(_) => {}
                None => break None,
            }
        };
        let unclean_allowed = unclean_on || promises.topic(&name.topic).asked;
        let unclean = kind != Kind::Clean && told == Some(ElectionRule::Unclean);
        if unclean && unclean_allowed {
            state.unclean = Some(committed.leader_epoch);
        }
        Some(Elected {
            leader,
            kind,
            told,
            unclean_allowed,
        })
    }
}

/// How many brokers at once had stopped uncleanly since then and not come back to the ISR.
fn stopped_at_once(stops: &[(Timestamp, BrokerId, bool)], since: Timestamp) -> usize {
    let mut gone = BTreeSet::new();
    let mut most = 0;
    for (_, broker, stopped) in stops.iter().filter(|(at, ..)| *at >= since) {
        if *stopped {
            gone.insert(*broker);
        } else {
            gone.remove(broker);
        }
        most = most.max(gone.len());
    }
    most
}
