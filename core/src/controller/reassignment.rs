//! Replicas move to other brokers, and every change of a partition asks whether the move may end.
//!
//! | stage | replicas | removing | adding |
//! |---|---|---|---|
//! | before | current | | |
//! | begun | target, then those that go | current - target | target - current |
//! | ended | target | | |
//! | taken back | those before, without what was adding | | |
//!
//! It ends with the first change whose ISR, without those that go, is not empty and has everybody who comes;
//! if there will be fewer replicas than before it must have all of the target. Until then the old replicas
//! serve on. A move that only reorders, or only takes away, may end where it begins.
//!
//! A move under way is given another target from where it is: from the replicas of both assignments.
//!
//! Invariants:
//! - Those that come and those that go are replicas until the end; nobody is both.
//! - An ended move raises the leader epoch if somebody left (`partition_change.rs`).
//!
//! Before KAFKA-19975 a move always waited for all of the target.
//!
//! Simplified: a partition may get another number of replicas (KIP-860 can forbid it). No throttles.
//! Source: KIP-455, KAFKA-19975, `ReplicationControlManager.alterPartitionReassignments`,
//! `cancelPartitionReassignment`, `PartitionReassignmentReplicas`, `PartitionReassignmentRevert`.
//! Next: `partition_change.rs`.

use super::cluster::{Changes, Cluster};
use super::election::ElectionKind;
use super::leadership::push;
use super::topics::Refusal;
use crate::error::ErrorCode;
use crate::event::ElectionRule;
use crate::id::BrokerId;
use crate::message::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, Reassignment,
};
use crate::metadata::PartitionRegistration;
use crate::rules::Rules;
use std::collections::BTreeSet;

/// Which brokers have a partition, who goes and who comes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Assignment {
    pub(super) replicas: Vec<BrokerId>,
    pub(super) removing: Vec<BrokerId>,
    pub(super) adding: Vec<BrokerId>,
}

impl Assignment {
    /// As it is.
    pub(super) fn of(partition: &PartitionRegistration) -> Self {
        Self {
            replicas: partition.replicas.clone(),
            removing: partition.removing.clone(),
            adding: partition.adding.clone(),
        }
    }

    /// On the way to `target`. Kafka keeps the lists of a move under way that have nothing new.
    fn towards(partition: &PartitionRegistration, target: &[BrokerId]) -> Self {
        let current = &partition.replicas;
        let sorted = |list: &[BrokerId], other: &[BrokerId]| -> Vec<BrokerId> {
            let rest: BTreeSet<BrokerId> = list
                .iter()
                .copied()
                .filter(|id| !other.contains(id))
                .collect();
            rest.into_iter().collect()
        };
        let or_before = |new: Vec<BrokerId>, before: &[BrokerId]| {
            if new.is_empty() { before.to_vec() } else { new }
        };
        let removing = sorted(current, target);
        let adding = sorted(target, current);
        Self {
            replicas: target.iter().chain(&removing).copied().collect(),
            removing: or_before(removing, &partition.removing),
            adding: or_before(adding, &partition.adding),
        }
    }

    /// The replicas and the ISR after the move, if it may end with this ISR.
    pub(super) fn completed(
        &self,
        isr: &[BrokerId],
        rules: Rules,
    ) -> Option<(Vec<BrokerId>, Vec<BrokerId>)> {
        if self.removing.is_empty() && self.adding.is_empty() {
            return None;
        }
        let staying = |list: &[BrokerId]| -> Vec<BrokerId> {
            let stays = |id: &BrokerId| !self.removing.contains(id);
            list.iter().copied().filter(stays).collect()
        };
        let (replicas, isr) = (staying(&self.replicas), staying(isr));
        let has_all = |list: &[BrokerId]| list.iter().all(|id| isr.contains(id));
        let fewer = self.adding.len() < self.removing.len();
        let waits_for_all = fewer || !rules.reassignment_needs_only_the_new;
        let ends = !isr.is_empty()
            && !replicas.is_empty()
            && has_all(&self.adding)
            && (!waits_for_all || has_all(&replicas));
        ends.then_some((replicas, isr))
    }
}

impl Cluster {
    /// Moves replicas, or takes moves back.
    pub(super) fn alter_reassignments(
        &self,
        request: &AlterPartitionReassignmentsRequest,
        changes: &mut Changes,
    ) -> AlterPartitionReassignmentsResponse {
        let outcome = |one: &Reassignment| match self.reassign(one, changes) {
            Ok(()) => (one.partition.clone(), ErrorCode::None, None),
            Err((error, reason)) => (one.partition.clone(), error, Some(reason)),
        };
        AlterPartitionReassignmentsResponse {
            partitions: request.partitions.iter().map(outcome).collect(),
        }
    }

    fn reassign(&self, wanted: &Reassignment, changes: &mut Changes) -> Result<(), Refusal> {
        let name = &wanted.partition;
        let id = self.image.topic(&name.topic).map(|topic| topic.topic_id);
        let built = id.and_then(|id| self.change_of((id, name.partition)));
        let (mut builder, name) = built.ok_or_else(|| {
            let reason = format!("Unable to find partition {name}.");
            (ErrorCode::UnknownTopicOrPartition, reason)
        })?;
        let mut unclean = false;
        match &wanted.replicas {
            Some(target) => {
                self.check_target(target)?;
                builder.target = Assignment::towards(builder.partition, target);
            }
            None => {
                let election = self.election_kind(&name);
                let (replicas, isr) = reverted(builder.partition, election)?;
                unclean = !isr
                    .iter()
                    .any(|broker| builder.partition.isr.contains(broker));
                builder.election = election;
                builder.target_isr = isr;
                builder.target = Assignment {
                    replicas,
                    ..Assignment::default()
                };
            }
        }
        let mut change = builder.build(&|broker| self.image.is_active(broker));
        if unclean && change.choice.leader.is_some() {
            change.choice.rule = ElectionRule::Unclean;
        }
        push(change, name, changes);
        Ok(())
    }

    /// Source: `ReplicationControlManager.validateManualPartitionAssignment`.
    fn check_target(&self, target: &[BrokerId]) -> Result<(), Refusal> {
        let distinct: BTreeSet<&BrokerId> = target.iter().collect();
        let unknown = distinct
            .iter()
            .find(|broker| !self.image.brokers().contains_key(broker));
        let reason = if target.is_empty() {
            "The manual partition assignment includes an empty replica list.".to_owned()
        } else if let Some(broker) = unknown {
            format!("Broker {broker} is not registered.")
        } else if distinct.len() != target.len() {
            "The manual partition assignment has a broker more than once.".to_owned()
        } else {
            return Ok(());
        };
        Err((ErrorCode::InvalidReplicaAssignment, reason))
    }
}

/// Replicas and ISR of before a move that is under way.
fn reverted(
    partition: &PartitionRegistration,
    election: ElectionKind,
) -> Result<(Vec<BrokerId>, Vec<BrokerId>), Refusal> {
    if !partition.is_reassigned() {
        let reason = "No partition reassignment is in progress.".to_owned();
        return Err((ErrorCode::NoReassignmentInProgress, reason));
    }
    let old = |list: &[BrokerId]| -> Vec<BrokerId> {
        let was = |id: &BrokerId| !partition.adding.contains(id);
        list.iter().copied().filter(was).collect()
    };
    let (replicas, mut isr) = (old(&partition.replicas), old(&partition.isr));
    if isr.is_empty() {
        // All that is in sync came with the move: to go back is an unclean election.
        if election != ElectionKind::Unclean {
            let reason = "Taking the reassignment back would need an unclean leader election.";
            return Err((ErrorCode::InvalidReplicaAssignment, reason.to_owned()));
        }
        isr.extend(replicas.first());
    }
    Ok((replicas, isr))
}

#[cfg(test)]
#[path = "reassignment_tests.rs"]
mod tests;
