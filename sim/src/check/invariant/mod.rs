//! Properties of the cluster that hold after every entry, each fed with the entries one by one.
//!
//! | property | source | file |
//! |---|---|---|
//! | `one_leader_per_epoch` | KRaft `ElectionSafety`; Kafka simulation `SingleLeader` | `one_leader_per_epoch.rs` |
//! | `log_matching` | TLA+ kip-966 `LogMatching`; hachikuji `WeakIsr` | `log_matching.rs` |
//! | `high_watermark_bounds` | hachikuji `ValidHighWatermark`; Kafka simulation `MonotonicHighWatermark` | `high_watermark_bounds.rs` |
//! | `pointer_order` | `UnifiedLog`, `LeaderEpochFileCache` | `pointer_order.rs` |
//! | `epochs_monotone` | Kafka simulation `MonotonicEpoch`; KIP-497 | `epochs_monotone.rs` |
//! | `isr_members` | TLA+ kip-966 `ValidControllerIsrAndElr`; hachikuji `LeaderInIsr` | `isr_members.rs` |
//! | `leader_completeness` | TLA+ kip-966 `LeaderCompleteness` | `leader_completeness.rs` |
//! | `consumer_below_high_watermark` | TLA+ kip-966 `ConsistentRead` | `consumer_below_high_watermark.rs` |
//! | `final_log_equals_view` | ours: an event that lies | `final_log_equals_view.rs` |
//! | `machine_panicked`, `start_failed` | ours | `process_failures.rs` |

mod consumer_below_high_watermark;
mod epochs_monotone;
mod final_log_equals_view;
mod high_watermark_bounds;
mod isr_members;
mod leader_completeness;
mod log_matching;
mod one_leader_per_epoch;
mod pointer_order;
mod process_failures;

use super::findings::Findings;
use super::happened::{Elected, Happened};
use super::moment::Moment;
use super::promise::Promises;
use crate::view::Batch;
use ktrial_core::TopicPartition;

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
}

/// Every property.
#[derive(Default)]
pub(super) struct Invariants {
    one_leader_per_epoch: one_leader_per_epoch::OneLeaderPerEpoch,
    log_matching: log_matching::LogMatching,
    high_watermark_bounds: high_watermark_bounds::HighWatermarkBounds,
    pointer_order: pointer_order::PointerOrder,
    epochs_monotone: epochs_monotone::EpochsMonotone,
    isr_members: isr_members::IsrMembers,
    leader_completeness: leader_completeness::LeaderCompleteness,
    consumer: consumer_below_high_watermark::ConsumerBelowHighWatermark,
    final_log: final_log_equals_view::FinalLogEqualsView,
    process_failures: process_failures::ProcessFailures,
}

impl Invariant for Invariants {
    fn observe(&mut self, moment: &Moment<'_>, excuses: Excuses<'_>, findings: &mut Findings) {
        self.process_failures.observe(moment, excuses, findings);
        self.consumer.observe(moment, excuses, findings);
        self.epochs_monotone.observe(moment, excuses, findings);
        // The others are about one partition.
        if moment.partition.is_none() {
            return;
        }
        self.one_leader_per_epoch.observe(moment, excuses, findings);
        self.log_matching.observe(moment, excuses, findings);
        self.high_watermark_bounds
            .observe(moment, excuses, findings);
        self.pointer_order.observe(moment, excuses, findings);
        self.isr_members.observe(moment, excuses, findings);
        self.leader_completeness.observe(moment, excuses, findings);
        self.final_log.observe(moment, excuses, findings);
    }
}
