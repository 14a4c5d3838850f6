//! When ISR and ELR are both empty, the controller knows who led last: else nobody could ever lead again
//! without an unclean election.
//!
//! Source: TLA+ kip-966 `MinIsrRecoveryQuorum` (|LastKnownELR| = minISR there). Kafka keeps only the last
//! leader in `LastKnownElr` so far, so here it is: not empty.
//!
//! False positives avoided: only with ELR; a change of `min.insync.replicas` clears both lists at once,
//! as documented, and until the next leader nothing is asked.

use super::{Excuses, Findings, Invariant, Moment};
use ktrial_core::metadata::MetadataRecord;
use ktrial_core::{Event, TopicName, TopicPartition};
use std::collections::BTreeSet;

#[derive(Default)]
pub(super) struct MinIsrRecoveryQuorum {
    /// Partitions whose ELR was cleared and that had no leader since.
    cleared: BTreeSet<TopicPartition>,
}

impl Invariant for MinIsrRecoveryQuorum {
    fn forget(&mut self, topic: &TopicName) {
        self.cleared.retain(|name| name.topic != *topic);
    }

    fn observe(&mut self, moment: &Moment<'_>, excuses: Excuses<'_>, findings: &mut Findings) {
        let Some(Event::MetadataWritten { record, .. }) = moment.event() else {
            return;
        };
        if matches!(**record, MetadataRecord::ClearElr(_)) {
            let partitions = moment.view.partitions();
            let empty = partitions.filter(|(_, partition)| {
                let committed = partition.committed.as_ref();
                committed.is_some_and(|c| c.leader.is_none() && c.last_known_elr.is_empty())
            });
            self.cleared.extend(empty.map(|(name, _)| name.clone()));
            return;
        }
        let Some((name, partition)) = moment.partition else {
            return;
        };
        let Some(committed) = &partition.committed else {
            return;
        };
        if committed.leader.is_some() {
            self.cleared.remove(name);
            return;
        }
        let forgotten = committed.isr.is_empty()
            && committed.elr.is_empty()
            && committed.last_known_elr.is_empty();
        if excuses.promises.elr && forgotten && !self.cleared.contains(name) {
            let what = format!(
                "ISR and ELR of {name} are empty, and the controller does not know who led last"
            );
            findings.broken("min_isr_recovery_quorum", name, moment.at(), what);
        }
    }
}
