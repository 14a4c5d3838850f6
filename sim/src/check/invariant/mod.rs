//! Properties of the cluster that hold after every entry, each fed with the entries one by one.
//!
//! | property | source | file |
//! |---|---|---|
//! | `one_controller_per_epoch` | KAFKA-6082 | `one_controller_per_epoch.rs` |
//! | `one_leader_per_epoch` | KRaft `ElectionSafety`; Kafka simulation `SingleLeader` | `one_leader_per_epoch.rs` |
//! | `written_by_leader` | KIP-101 | `written_by_leader.rs` |
//! | `log_matching` | TLA+ kip-966 `LogMatching`; hachikuji `WeakIsr` | `log_matching.rs` |
//! | `high_watermark_bounds` | hachikuji `ValidHighWatermark`; Kafka simulation `MonotonicHighWatermark` | `high_watermark_bounds.rs` |
//! | `pointer_order` | `UnifiedLog`, `LeaderEpochFileCache` | `pointer_order.rs` |
//! | `log_survives_stop` | `LogManager.loadLogs`, `UnifiedLog.flush` | `log_survives_stop.rs` |
//! | `epochs_monotone` | Kafka simulation `MonotonicEpoch`; KIP-497 | `epochs_monotone.rs` |
//! | `broker_epochs` | KIP-631, KIP-903 | `broker_epochs.rs` |
//! | `isr_members` | TLA+ kip-966 `ValidControllerIsrAndElr`, `ValidControllerState`; hachikuji `LeaderInIsr` | `isr_members.rs` |
//! | `maximal_isr_superset` | TLA+ kip-966 `ReplicationQuorumSuperset` | `maximal_isr_superset.rs` |
//! | `min_isr_recovery_quorum` | TLA+ kip-966 `MinIsrRecoveryQuorum` | `min_isr_recovery_quorum.rs` |
//! | `unclean_election` | KIP-966 | `unclean_election.rs` |
//! | `leader_completeness` | TLA+ kip-966 `LeaderCompleteness` | `leader_completeness.rs` |
//! | `leader_candidate_completeness` | TLA+ kip-966 `LeaderCandidateCompleteness` | `leader_candidate_completeness.rs` |
//! | `acknowledged_by_isr` | `ProducerConfig.ACKS_DOC` | `acknowledged_by_isr.rs` |
//! | `acknowledged_somewhere` | TLA+ kip-966 `NoCommittedRecordLostGlobally` | `acknowledged_somewhere.rs` |
//! | `consumer_below_high_watermark` | TLA+ kip-966 `ConsistentRead` needs it | `consumer_below_high_watermark.rs` |
//! | `consistent_read` | TLA+ kip-966 `ConsistentRead` | `consistent_read.rs` |
//! | `final_log_equals_view` | ours: an event that lies | `final_log_equals_view.rs` |
//! | `quorum_*` | Kafka simulation `RaftEventSimulationTest`; TLA+ kip_996 | `quorum/` |
//! | `machine_panicked`, `start_failed` | ours | `process_failures.rs` |
//!
//! Not observable from the record, so not here: `MetadataLogMatching` beyond its epochs (brokers do not
//! tell what metadata they have), `ValidFetcherState`.

mod acknowledged_by_isr;
mod acknowledged_somewhere;
mod broker_epochs;
mod consistent_read;
mod consumer_below_high_watermark;
mod epochs_monotone;
mod final_log_equals_view;
mod high_watermark_bounds;
mod isr_members;
mod leader_candidate_completeness;
mod leader_completeness;
mod log_matching;
mod log_survives_stop;
mod maximal_isr_superset;
mod min_isr_recovery_quorum;
mod one_controller_per_epoch;
mod one_leader_per_epoch;
mod pointer_order;
mod process_failures;
mod quorum;
mod unclean_election;
mod written_by_leader;

use super::findings::Findings;
use super::happened::{Elected, Happened};
use super::moment::Moment;
use super::promise::Promises;
use crate::view::Batch;
use ktrial_core::{TopicName, TopicPartition};

/// What excuses a finding.
#[derive(Clone, Copy)]
pub(super) struct Excuses<'a> {
    pub(super) promises: &'a Promises,
    pub(super) happened: &'a Happened,
    /// The election that this entry tells of.
    pub(super) elected: Option<Elected>,
}

impl Excuses<'_> {
    /// Whether the configuration allows that a batch is gone that was below a high watermark.
    fn permits(&self, partition: &TopicPartition, batch: &Batch) -> bool {
        let written = self.happened.ledger.of(partition, batch);
        let cause =
            written.and_then(|written| self.happened.loss_cause(self.promises, partition, written));
        cause.is_some()
    }
}

/// A property that is checked entry by entry.
pub(super) trait Invariant {
    /// Looks at an entry that the view has just taken in.
    fn observe(&mut self, moment: &Moment<'_>, excuses: Excuses<'_>, findings: &mut Findings);

    /// A topic is deleted: one of the same name begins anew.
    fn forget(&mut self, topic: &TopicName) {
        let _ = topic;
    }
}

/// Every property.
#[derive(Default)]
pub(super) struct Invariants {
    /// The record is of a real cluster.
    sampled: bool,
    // About brokers, clients, or all partitions at once.
    process_failures: process_failures::ProcessFailures,
    consumer: consumer_below_high_watermark::ConsumerBelowHighWatermark,
    epochs_monotone: epochs_monotone::EpochsMonotone,
    broker_epochs: broker_epochs::BrokerEpochs,
    isr_members: isr_members::IsrMembers,
    min_isr_recovery_quorum: min_isr_recovery_quorum::MinIsrRecoveryQuorum,
    quorum: quorum::Quorum,
    acknowledged_by_isr: acknowledged_by_isr::AcknowledgedByIsr,
    acknowledged_somewhere: acknowledged_somewhere::AcknowledgedSomewhere,
    consistent_read: consistent_read::ConsistentRead,
    one_controller_per_epoch: one_controller_per_epoch::OneControllerPerEpoch,
    // About the partition that the entry names.
    one_leader_per_epoch: one_leader_per_epoch::OneLeaderPerEpoch,
    written_by_leader: written_by_leader::WrittenByLeader,
    log_matching: log_matching::LogMatching,
    high_watermark_bounds: high_watermark_bounds::HighWatermarkBounds,
    pointer_order: pointer_order::PointerOrder,
    log_survives_stop: log_survives_stop::LogSurvivesStop,
    maximal_isr_superset: maximal_isr_superset::MaximalIsrSuperset,
    unclean_election: unclean_election::UncleanElection,
    leader_completeness: leader_completeness::LeaderCompleteness,
    candidates: leader_candidate_completeness::LeaderCandidateCompleteness,
    final_log: final_log_equals_view::FinalLogEqualsView,
}

impl Invariants {
    /// For a record in which each thing stands right after what caused it, or for one of a real cluster
    /// (`sampled`): then without those that an effect before its cause, a high watermark that is some
    /// milliseconds old, or what brokers do not write down (proposals of an ISR, the
    /// moment at which a log was opened) would deceive.
    pub(super) fn new(sampled: bool) -> Self {
        Self {
            sampled,
            ..Self::default()
        }
    }
}

impl Invariant for Invariants {
    fn forget(&mut self, topic: &TopicName) {
        let all: [&mut dyn Invariant; 9] = [
            &mut self.consumer,
            &mut self.epochs_monotone,
            &mut self.min_isr_recovery_quorum,
            &mut self.consistent_read,
            &mut self.one_leader_per_epoch,
            &mut self.log_matching,
            &mut self.maximal_isr_superset,
            &mut self.leader_completeness,
            &mut self.candidates,
        ];
        all.into_iter().for_each(|one| one.forget(topic));
    }

    fn observe(&mut self, moment: &Moment<'_>, excuses: Excuses<'_>, findings: &mut Findings) {
        if let Some(topic) = moment.deleted_topic() {
            self.forget(&topic);
        }
        let of_cluster: [&mut dyn Invariant; 8] = [
            &mut self.process_failures,
            &mut self.one_controller_per_epoch,
            &mut self.quorum,
            &mut self.epochs_monotone,
            &mut self.broker_epochs,
            &mut self.isr_members,
            &mut self.min_isr_recovery_quorum,
            &mut self.acknowledged_somewhere,
        ];
        let exact_of_cluster: [&mut dyn Invariant; 3] = [
            &mut self.consumer,
            &mut self.acknowledged_by_isr,
            &mut self.consistent_read,
        ];
        let exact = if self.sampled { 0 } else { usize::MAX };
        for invariant in of_cluster
            .into_iter()
            .chain(exact_of_cluster.into_iter().take(exact))
        {
            invariant.observe(moment, excuses, findings);
        }
        if moment.partition.is_none() {
            return;
        }
        let of_partition: [&mut dyn Invariant; 5] = [
            &mut self.one_leader_per_epoch,
            &mut self.log_matching,
            &mut self.unclean_election,
            &mut self.leader_completeness,
            &mut self.final_log,
        ];
        let exact_of_partition: [&mut dyn Invariant; 6] = [
            &mut self.pointer_order,
            &mut self.log_survives_stop,
            &mut self.maximal_isr_superset,
            &mut self.written_by_leader,
            &mut self.high_watermark_bounds,
            &mut self.candidates,
        ];
        for invariant in of_partition
            .into_iter()
            .chain(exact_of_partition.into_iter().take(exact))
        {
            invariant.observe(moment, excuses, findings);
        }
    }
}
