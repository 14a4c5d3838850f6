//! Two voters never lead in the same epoch, and none leads twice in one.
//!
//! Source: KRaft `NeverTwoLeadersInSameEpoch`; Kafka's simulation `SingleLeader`; KAFKA-10527 for the same voter.
//! False positives avoided: two leaders at the same time in different epochs are legal.

use super::Report;
use ktrial_core::{ControllerId, LeaderEpoch};
use std::collections::BTreeMap;

#[derive(Default)]
pub(super) struct OneLeader {
    leaders: BTreeMap<LeaderEpoch, ControllerId>,
}

impl OneLeader {
    pub(super) fn check(
        &mut self,
        voter: ControllerId,
        epoch: LeaderEpoch,
        report: &mut Report<'_>,
    ) {
        if let Some(before) = self.leaders.insert(epoch, voter) {
            let what = if before == voter {
                format!("controller {voter} leads the quorum in epoch {epoch} a second time")
            } else {
                format!(
                    "controller {voter} leads the quorum in epoch {epoch}, in which controller {before} led"
                )
            };
            report.broken("quorum_one_leader_per_epoch", what);
        }
    }
}
