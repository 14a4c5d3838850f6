//! What a trial has exercised: things that must happen *sometimes*, over many trials, or the trials prove
//! little. Each is counted in the pass over the record; those that were not reached are absent.
//!
//! A goal is about the cluster, not about the checks: it says that a rule of Kafka had something to do.
//!
//! Source: "sometimes assertions" (Antithesis); coverage of the cases in KIP-101, KIP-279, KIP-320,
//! KIP-497, KIP-841, KIP-903 and KIP-966.
//! Next: `mod.rs`, which puts the counts into the verdict.

use super::moment::Moment;
use crate::history::What;
use crate::view::{Process, ProcessState};
use ktrial_core::event::{ElectionRule, ResetCause, SendOutcome, TruncationCause};
use ktrial_core::message::Api;
use ktrial_core::metadata::MetadataRecord;
use ktrial_core::{BrokerId, ErrorCode, Event, NodeId, TopicPartition};
use std::collections::{BTreeMap, BTreeSet};

/// Something that should happen sometimes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Goal {
    /// Its name in `verdict.json`.
    pub name: &'static str,
    /// What has happened then.
    pub meaning: &'static str,
    /// What it takes beyond the newest rules and what is simulated; empty = nothing.
    pub needs: &'static str,
}

macro_rules! goals {
    ($($name:ident: $meaning:literal $(needs $needs:literal)?,)*) => {
        /// Every goal.
        pub const GOALS: &[Goal] = &[$(Goal {
            name: stringify!($name),
            meaning: $meaning,
            needs: [$($needs,)? ""][0],
        }),*];

        /// The names, so that a goal that is counted is one that is listed.
        mod name {
            $(
                #[expect(non_upper_case_globals, reason = "a goal is counted under the name it is shown by")]
                pub(super) const $name: &str = stringify!($name);
            )*
        }
    };
}

goals! {
    clean_election: "A leader was elected from the ISR in place of another one.",
    elr_election: "A leader was elected from the eligible leader replicas, with an empty ISR.",
    last_known_leader_election: "The last known leader was elected, with ISR and ELR empty.",
    unclean_election: "A leader was elected that may lack records.",
    preferred_election: "The first replica got its leadership back.",
    controlled_shutdown_moved_leader: "A broker that was about to stop handed a leadership over.",
    no_leader: "A partition was without leader for a while.",
    high_watermark_behind_at_death: "A leader's process ended while records were above its high watermark.",
    truncation: "A follower cut off records that it had.",
    truncation_by_diverging_epoch: "A follower cut its log where the leader said that their epochs part.",
    truncation_to_high_watermark: "A follower cut its log at its own high watermark."
        needs "the rules of 0.10, `rules.truncation=hw`",
    truncation_out_of_range: "A follower began anew, for its log was outside the leader's."
        needs "retention",
    divergence_at_two_epochs: "A follower's log parted from the leader's more than one leader epoch back.",
    isr_of_one: "An ISR had one member left, of several replicas.",
    isr_shrunk_by_lag: "A leader wished a member out of the ISR.",
    isr_expanded: "A replica joined the ISR.",
    isr_empty: "The last member left the ISR (KIP-966).",
    below_min_isr: "A produce with acks=all was refused, for the ISR was too small.",
    below_min_isr_after_append: "The ISR became too small while a produce waited."
        needs "the rules before 3.7, `rules.hw_requires_min_isr=false`",
    fenced_leader_epoch: "A request of an older leader epoch was refused.",
    unknown_leader_epoch: "A request of a leader epoch that the broker did not know yet was refused.",
    stale_partition_epoch: "A wish for another ISR was refused, for it built on an older one.",
    ineligible_replica: "A wish for another ISR was refused, for it named a broker that may not be in it.",
    stale_broker_epoch: "A request of an older registration was refused.",
    broker_fenced_alive: "A broker was fenced while its process ran.",
    controller_restarted: "A controller started again over its metadata log.",
    send_retried: "A producer sent a batch again.",
    send_retried_after_timeout: "A producer sent a batch again, for no answer had come.",
    send_failed: "A send certainly failed.",
    send_unknown: "A send ended without a known outcome.",
    duplicate_written: "A retry wrote a record twice.",
    acknowledged_lost: "An acknowledged record was lost, as the configuration allows.",
    int_send_skip: "Others' records came between two that one step of a producer sent (Jepsen's int-send-skip).",
    record_waiting: "An acknowledged record waits at the end in a log of which the broker is not there.",
    consumer_truncated: "A consumer's position was above the end of the new leader's log (KIP-320).",
    consumer_out_of_range: "A consumer's position was outside the log."
        needs "retention",
    unclean_restart_cut: "The recovery after an unclean stop cut off bytes.",
    power_lost_bytes: "A loss of power took bytes that were not flushed.",
    log_shortened: "A log was shorter when it was opened again.",
    storage_failed: "A disk failed a broker, which halted.",
    log_directory_failed: "A broker lost one of its log directories, and went on.",
    elr_cleared: "A change of min.insync.replicas cleared an ELR.",
}

/// What the checks at the end have counted.
#[derive(Clone, Copy, Debug)]
pub(super) struct AtTheEnd {
    /// Acknowledged records in logs of partitions that nobody leads.
    pub(super) waiting: usize,
    /// Pairs of one producer's records with others' between them.
    pub(super) interleaved: usize,
}

/// Counts the goals.
#[derive(Default)]
pub(super) struct Goals {
    reached: BTreeMap<&'static str, u64>,
    /// How many were in ISR and ELR before this entry.
    before: BTreeMap<TopicPartition, (usize, usize)>,
    /// Brokers that have said that they are about to stop.
    stopping: BTreeSet<BrokerId>,
    controllers: BTreeSet<NodeId>,
}

impl Goals {
    /// Looks at an entry that the view has just taken in.
    pub(super) fn observe(&mut self, moment: &Moment<'_>) {
        match (&moment.entry.what, moment.entry.node) {
            (What::Event(event), _) => self.event(moment, event),
            (What::ProcessStopped { bytes_lost, .. }, Some(node)) => {
                self.count_if(*bytes_lost > 0, name::power_lost_bytes);
                if let Some(broker) = node.broker() {
                    self.died(moment, broker);
                }
            }
            (What::ProcessStarted, Some(node @ NodeId::Controller(_))) => {
                let again = !self.controllers.insert(node);
                self.count_if(again, name::controller_restarted);
            }
            _ => {}
        }
    }

    /// What shows only at the end.
    pub(super) fn finish(
        mut self,
        lost: usize,
        duplicated: usize,
        at_the_end: AtTheEnd,
    ) -> BTreeMap<String, u64> {
        self.add(name::acknowledged_lost, lost);
        self.add(name::duplicate_written, duplicated);
        self.add(name::record_waiting, at_the_end.waiting);
        self.add(name::int_send_skip, at_the_end.interleaved);
        let reached = self.reached.into_iter();
        reached
            .map(|(name, count)| (name.to_owned(), count))
            .collect()
    }

    fn count(&mut self, goal: &'static str) {
        *self.reached.entry(goal).or_default() += 1;
    }

    fn count_if(&mut self, reached: bool, goal: &'static str) {
        if reached {
            self.count(goal);
        }
    }

    fn add(&mut self, goal: &'static str, count: usize) {
        if count > 0 {
            self.reached
                .insert(goal, u64::try_from(count).unwrap_or(u64::MAX));
        }
    }

    /// The process of a broker is gone: did it lead with records above its high watermark?
    fn died(&mut self, moment: &Moment<'_>, broker: BrokerId) {
        let behind = moment.view.partitions().filter(|(_, partition)| {
            let led = partition
                .committed
                .as_ref()
                .is_some_and(|c| c.leader == Some(broker));
            let replica = partition.replicas.get(&broker).filter(|_| led);
            replica.is_some_and(|replica| replica.high_watermark < replica.log.end())
        });
        let behind = behind.count();
        self.count_if(behind > 0, name::high_watermark_behind_at_death);
        self.stopping.remove(&broker);
    }

    fn event(&mut self, moment: &Moment<'_>, event: &Event) {
        match event {
            Event::Elected {
                leader,
                rule,
                partition,
                ..
            } => self.elected(moment, partition, *leader, *rule),
            Event::MetadataWritten { record, .. } => self.written(moment, record),
            Event::ControlledShutdownStarted => self.stopping.extend(moment.broker()),
            Event::BrokerFenced => {
                let process = moment
                    .entry
                    .node
                    .and_then(|node| moment.view.process_of(node));
                let runs = |process: &Process| process.state == ProcessState::Running;
                self.count_if(process.is_some_and(runs), name::broker_fenced_alive);
            }
            Event::Truncated {
                from, to, cause, ..
            } => {
                self.count_if(to < from, name::truncation);
                match cause {
                    TruncationCause::DivergingEpoch(_) => {
                        self.count(name::truncation_by_diverging_epoch);
                    }
                    TruncationCause::HighWatermark => {
                        self.count(name::truncation_to_high_watermark);
                    }
                    TruncationCause::OutOfRange => {
                        self.count(name::truncation_out_of_range);
                    }
                    TruncationCause::Unknown => {}
                }
            }
            Event::Diverged {
                fetched, diverging, ..
            } => {
                let back = diverging.epoch < fetched.epoch;
                self.count_if(back, name::divergence_at_two_epochs);
            }
            Event::LogLoaded {
                truncated_bytes, ..
            } => {
                self.count_if(*truncated_bytes > 0, name::unclean_restart_cut);
                let shorter = moment
                    .replica()
                    .is_some_and(|(_, r)| r.log.end() < r.previous_end);
                self.count_if(shorter, name::log_shortened);
            }
            Event::IsrProposed { from, to, .. } => {
                self.count_if(to.len() < from.len(), name::isr_shrunk_by_lag);
            }
            Event::Refused { api, error, .. } => self.refused(*api, *error),
            Event::StorageFailed { .. } => self.count(name::storage_failed),
            Event::LogDirectoryFailed { .. } => self.count(name::log_directory_failed),
            _ => self.client(event),
        }
    }

    fn client(&mut self, event: &Event) {
        match event {
            Event::SendRetried { error, .. } => {
                self.count(name::send_retried);
                let silent = matches!(
                    error,
                    ErrorCode::RequestTimedOut | ErrorCode::NetworkException
                );
                self.count_if(silent, name::send_retried_after_timeout);
            }
            Event::SendEnded { outcome, .. } => match outcome {
                SendOutcome::Failed(_) => self.count(name::send_failed),
                SendOutcome::Unknown(_) => self.count(name::send_unknown),
                SendOutcome::Acknowledged { .. } | SendOutcome::Sent => {}
            },
            Event::PositionReset { cause, .. } => match cause {
                ResetCause::Truncated(_) => self.count(name::consumer_truncated),
                ResetCause::OutOfRange => self.count(name::consumer_out_of_range),
                ResetCause::NoPosition => {}
            },
            _ => {}
        }
    }

    fn elected(
        &mut self,
        moment: &Moment<'_>,
        partition: &TopicPartition,
        leader: Option<BrokerId>,
        rule: ElectionRule,
    ) {
        let state = moment.view.partition(partition);
        let committed = state.and_then(|state| state.committed.as_ref());
        let before = committed.and_then(|committed| committed.leader);
        let Some(leader) = leader else {
            return;
        };
        match rule {
            ElectionRule::Isr => {
                self.count_if(before.is_some(), name::clean_election);
                let runs = before.is_some_and(|before| moment.view.is_up(NodeId::Broker(before)));
                let first = committed.and_then(|committed| committed.replicas.first());
                let stops = before.is_some_and(|before| self.stopping.contains(&before));
                self.count_if(stops, name::controlled_shutdown_moved_leader);
                self.count_if(
                    runs && !stops && first == Some(&leader),
                    name::preferred_election,
                );
            }
            ElectionRule::Elr => self.count(name::elr_election),
            ElectionRule::LastKnownLeader => self.count(name::last_known_leader_election),
            ElectionRule::Unclean => self.count(name::unclean_election),
            ElectionRule::Nobody => {}
        }
    }

    fn written(&mut self, moment: &Moment<'_>, record: &MetadataRecord) {
        if matches!(record, MetadataRecord::ClearElr(_)) {
            self.cleared(moment);
        }
        let Some((name, committed)) = moment
            .partition
            .and_then(|(name, partition)| Some((name, partition.committed.as_ref()?)))
        else {
            return;
        };
        self.count_if(committed.leader.is_none(), name::no_leader);
        let now = committed.isr.len();
        let sizes = (now, committed.elr.len());
        let Some((before, _)) = self.before.insert(name.clone(), sizes) else {
            return;
        };
        let shrunk = now < before;
        self.count_if(shrunk && now == 1, name::isr_of_one);
        self.count_if(shrunk && now == 0, name::isr_empty);
        self.count_if(now > before && before > 0, name::isr_expanded);
    }

    /// ELRs that had members have none now.
    fn cleared(&mut self, moment: &Moment<'_>) {
        let mut any = false;
        for (name, partition) in moment.view.partitions() {
            let empty = partition
                .committed
                .as_ref()
                .is_some_and(|c| c.elr.is_empty());
            if let Some((_, elr)) = self.before.get_mut(name).filter(|_| empty) {
                any |= *elr > 0;
                *elr = 0;
            }
        }
        self.count_if(any, name::elr_cleared);
    }

    fn refused(&mut self, api: Api, error: ErrorCode) {
        self.count(match (api, error) {
            (Api::Produce, ErrorCode::NotEnoughReplicas) => name::below_min_isr,
            (Api::Produce, ErrorCode::NotEnoughReplicasAfterAppend) => {
                name::below_min_isr_after_append
            }
            (_, ErrorCode::FencedLeaderEpoch) => name::fenced_leader_epoch,
            (_, ErrorCode::UnknownLeaderEpoch) => name::unknown_leader_epoch,
            (Api::AlterPartition, ErrorCode::InvalidUpdateVersion) => name::stale_partition_epoch,
            (Api::AlterPartition, ErrorCode::IneligibleReplica) => name::ineligible_replica,
            (_, ErrorCode::StaleBrokerEpoch) => name::stale_broker_epoch,
            _ => return,
        });
    }
}
