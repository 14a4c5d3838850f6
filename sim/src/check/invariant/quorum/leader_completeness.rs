//! A new leader has everything that was committed in the epochs before its own.
//!
//! Source: KRaft `LeaderCompleteness`, `LeaderHasAllAckedValues`.

use super::Report;
use super::committed_data::CommittedData;
use super::voters::Voters;
use ktrial_core::{ControllerId, LeaderEpoch};

pub(super) fn check(
    voters: &Voters,
    committed: &CommittedData,
    (leader, epoch): (ControllerId, LeaderEpoch),
    report: &mut Report<'_>,
) {
    let own = voters.get(leader).map(|voter| &voter.batches);
    let lacks = committed.batches.iter().find(|(base, (batch, by))| {
        *by < epoch && own.is_none_or(|own| own.get(base) != Some(batch))
    });
    if let Some((base, (batch, by))) = lacks {
        let what = format!(
            "controller {leader} leads the quorum in epoch {epoch} without the batch at offset {base} (epoch \
             {}), which was committed in epoch {by}",
            batch.epoch
        );
        report.broken("quorum_leader_completeness", what);
    }
}
