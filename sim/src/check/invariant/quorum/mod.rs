//! Properties of the metadata quorum, fed with what its voters tell.
//!
//! | property | source | file |
//! |---|---|---|
//! | `quorum_one_leader_per_epoch` | KRaft `NeverTwoLeadersInSameEpoch`; Kafka simulation `SingleLeader` | `one_leader.rs` |
//! | `quorum_monotonic_epoch` | Kafka simulation `MonotonicEpoch` | `monotonic_epoch.rs` |
//! | `quorum_monotonic_high_watermark` | Kafka simulation `MonotonicHighWatermark` | `high_watermark.rs` |
//! | `quorum_majority_has_high_watermark` | Kafka simulation `MajorityReachedHighWatermark` | `high_watermark.rs` |
//! | `quorum_consistent_committed_data` | Kafka simulation `ConsistentCommittedData`; KRaft `LogMatching` | `committed_data.rs` |
//! | `quorum_stable_leadership` | Kafka simulation `StableLeadership`; TLA+ kip_996 | `stable_leadership.rs` |
//! | `quorum_stable_leadership` before KIP-996 | the same | `unseated.rs` |
//! | `quorum_leader_has_majority` | KAFKA-15489 | `check_quorum.rs` |
//! | `quorum_snapshot_equals_state`, `quorum_snapshot_at_log_start`, `quorum_leader_never_loads_snapshot` | Kafka simulation `ConsistentCommittedData`, `SnapshotAtLogStart`, `LeaderNeverLoadSnapshot` | `snapshots.rs` |
//! | `quorum_leader_completeness` | KRaft `LeaderCompleteness` | `leader_completeness.rs` |
//!
//! A quorum of one tells of nothing but snapshots, so there is nothing else to check.
//!
//! False positives avoided: what a broker knows whose disk rots or lies about flushes is not looked at. Rot
//! and flushes that lie on a controller's disk excuse what follows; so does a majority of disks that were
//! wiped. A minority does not: its voters are no voters any more (KIP-853).
//!
//! Source: `RaftEventSimulationTest`; TLA+ kip_853, kip_996.

mod check_quorum;
mod committed_data;
mod high_watermark;
mod leader_completeness;
mod monotonic_epoch;
mod one_leader;
mod snapshots;
mod stable_leadership;
mod unseated;
mod voters;

use super::{Excuses, Findings, Invariant, Moment};
use crate::history::What;
use crate::plan::{Action, DiskFault, Target};
use ktrial_core::event::QuorumRole;
use ktrial_core::{ControllerId, Event, NodeId, Timestamp};
use std::collections::BTreeSet;
use voters::Voters;

/// All of them.
#[derive(Default)]
pub(super) struct Quorum {
    voters: Voters,
    leaders: one_leader::OneLeader,
    stable: stable_leadership::StableLeadership,
    unseated: unseated::Unseated,
    check_quorum: check_quorum::CheckQuorum,
    snapshots: snapshots::Snapshots,
    high_watermark: high_watermark::HighWatermark,
    committed: committed_data::CommittedData,
    /// Controllers whose disk was wiped.
    wiped: BTreeSet<ControllerId>,
    /// A controller's disk did not keep its word.
    rotten: bool,
}

/// Where a property reports.
pub(super) struct Report<'a> {
    findings: &'a mut Findings,
    at: Timestamp,
    permitted: bool,
}

impl Report<'_> {
    pub(super) fn broken(&mut self, check: &'static str, what: String) {
        let (at, permitted) = (Some(self.at), self.permitted);
        self.findings.report(check, None, at, permitted, what);
    }
}

impl Quorum {
    /// Disks of controllers that do not keep what was written.
    fn disk(&mut self, nodes: &[Target], fault: &DiskFault) {
        for target in nodes {
            let Target::Node(NodeId::Controller(id)) = target else {
                continue;
            };
            match fault {
                DiskFault::Wipe => {
                    self.wiped.insert(*id);
                    self.voters.forget(*id);
                }
                DiskFault::LyingFlush | DiskFault::BitRot { .. } => self.rotten = true,
                _ => {}
            }
        }
    }

    fn event(
        &mut self,
        voter: ControllerId,
        event: &Event,
        excuses: Excuses<'_>,
        report: &mut Report<'_>,
    ) {
        let (count, who) = (self.voters.count, (voter, report.at));
        if excuses.promises.quorum.prevote {
            self.stable.check(count, voter, event, report);
        } else {
            self.unseated.check(count, who, event, excuses, report);
        }
        match event {
            Event::QuorumOpened { epoch, .. } => {
                monotonic_epoch::check(&self.voters, voter, *epoch, report);
            }
            Event::QuorumRole { role, epoch, .. } => {
                monotonic_epoch::check(&self.voters, voter, *epoch, report);
                if *role == QuorumRole::Leader {
                    self.leaders.check(voter, *epoch, report);
                    leader_completeness::check(
                        &self.voters,
                        &self.committed,
                        (voter, *epoch),
                        report,
                    );
                }
            }
            _ => {}
        }
        self.voters.apply(voter, event);
        self.check_quorum
            .check(&self.voters, who, event, excuses, report);
        if let Event::QuorumHighWatermark { epoch, offset } = event {
            let leader = (voter, *epoch);
            self.high_watermark
                .check(&self.voters, leader, *offset, report);
            self.committed.check(&self.voters, leader, *offset, report);
        }
    }
}

impl Invariant for Quorum {
    fn observe(&mut self, moment: &Moment<'_>, excuses: Excuses<'_>, findings: &mut Findings) {
        if let What::Step {
            action: Some(action),
            ..
        } = &moment.entry.what
            && let Action::Disk { nodes, fault, .. } = &**action
        {
            self.disk(nodes, fault);
        }
        self.voters.count = moment.view.controllers();
        let majority_gone = self.wiped.len() * 2 > self.voters.count;
        let mut report = Report {
            findings,
            at: moment.at(),
            permitted: self.rotten || majority_gone,
        };
        if let (Some(node), Some(event)) = (moment.entry.node, moment.event()) {
            let broker = node.broker();
            if broker.is_none_or(|broker| !excuses.happened.is_deceived(broker)) {
                self.snapshots.check(node, event, &mut report);
            }
        }
        if let (Some(NodeId::Controller(voter)), What::ProcessStopped { .. }) =
            (moment.entry.node, &moment.entry.what)
        {
            self.stable.stopped(voter);
            self.unseated.stopped(voter);
            self.check_quorum.stopped(voter);
            self.snapshots.stopped(NodeId::Controller(voter));
        }
        let (Some(NodeId::Controller(voter)), Some(event)) = (moment.entry.node, moment.event())
        else {
            return;
        };
        self.event(voter, event, excuses, &mut report);
    }
}
