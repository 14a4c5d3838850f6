//! A new leader has everything that was committed in the epochs before its own.
//!
//! Source: KRaft `LeaderCompleteness`, `LeaderHasAllAckedValues`.

use super::Report;
use super::committed_data::CommittedData;
use super::voters::{Batch, Voters};
use ktrial_core::{ControllerId, LeaderEpoch, Offset};

pub(super) fn check(
    voters: &Voters,
    committed: &CommittedData,
    (leader, epoch): (ControllerId, LeaderEpoch),
    report: &mut Report<'_>,
) {
    let own = voters.get(leader);
    let has = |base: &Offset, batch: &Batch| {
        own.is_some_and(|own| *base < own.start || own.batches.get(base) == Some(batch))
    };
    let mut all = committed.batches.iter();
    let lacks = all.find(|(base, (batch, by))| *by < epoch && !has(base, batch));
    if let Some((base, (batch, by))) = lacks {
        let what = format!(
            "controller {leader} leads the quorum in epoch {epoch} without the batch at offset {base} (epoch \
             {}), which was committed in epoch {by}",
            batch.epoch
        );
        report.broken("quorum_leader_completeness", what);
    }
}
