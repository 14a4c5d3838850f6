//! The quorum's high watermark never falls, and what is below it is on a majority.
//!
//! Source: Kafka's simulation `MonotonicHighWatermark`, `MajorityReachedHighWatermark`.
//! False positives avoided: a leader that was deposed may find out late that something of its own was
//! committed, when its successor's high watermark is further already. So a high watermark is compared only
//! with those of leaders up to its own epoch.

use super::Report;
use super::voters::Voters;
use ktrial_core::{ControllerId, LeaderEpoch, Offset};
use std::collections::BTreeMap;

#[derive(Default)]
pub(super) struct HighWatermark {
    /// The highest of each epoch.
    by_epoch: BTreeMap<LeaderEpoch, Offset>,
}

impl HighWatermark {
    pub(super) fn check(
        &mut self,
        voters: &Voters,
        (leader, epoch): (ControllerId, LeaderEpoch),
        offset: Offset,
        report: &mut Report<'_>,
    ) {
        let before = self.by_epoch.range(..=epoch).map(|(_, offset)| *offset);
        if let Some(before) = before.max().filter(|before| offset < *before) {
            let what = format!(
                "the quorum's high watermark falls from {before} to {offset} (controller {leader}, epoch {epoch})"
            );
            report.broken("quorum_monotonic_high_watermark", what);
        }
        let known = self.by_epoch.entry(epoch).or_default();
        *known = offset.max(*known);
        let have = voters.all.values().filter(|voter| voter.end >= offset);
        let have = have.count();
        if have * 2 <= voters.count {
            let what = format!(
                "controller {leader} calls everything below {offset} committed, but only {have} of {} voters \
                 have it",
                voters.count
            );
            report.broken("quorum_majority_has_high_watermark", what);
        }
    }
}
