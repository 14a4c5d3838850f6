//! What the quorum has committed at an offset stays there: no later leader commits something else.
//!
//! Source: Kafka's simulation `ConsistentCommittedData`; KRaft `LogMatching`.

use super::Report;
use super::voters::{Batch, Voters};
use ktrial_core::{ControllerId, LeaderEpoch, Offset};
use std::collections::BTreeMap;

#[derive(Default)]
pub(super) struct CommittedData {
    /// What was committed, and the epoch of the leader that did so first.
    pub(super) batches: BTreeMap<Offset, (Batch, LeaderEpoch)>,
    /// How far each epoch's leader was looked at.
    looked_at: BTreeMap<LeaderEpoch, Offset>,
}

impl CommittedData {
    pub(super) fn check(
        &mut self,
        voters: &Voters,
        (leader, epoch): (ControllerId, LeaderEpoch),
        offset: Offset,
        report: &mut Report<'_>,
    ) {
        let Some(voter) = voters.get(leader) else {
            return;
        };
        let from = self.looked_at.entry(epoch).or_default();
        for (base, batch) in voter.batches.range(*from..) {
            if batch.last >= offset {
                break;
            }
            *from = batch.last.next();
            let (known, _) = *self.batches.entry(*base).or_insert((*batch, epoch));
            if known != *batch {
                let what = format!(
                    "controller {leader} commits another batch at offset {base} of the metadata log: of epoch \
                     {}, not {}",
                    batch.epoch, known.epoch
                );
                report.broken("quorum_consistent_committed_data", what);
            }
        }
    }
}
