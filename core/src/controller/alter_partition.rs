//! A leader proposes another ISR.
//!
//! Checked in this order; the first failure is the answer:
//!
//! | check | error |
//! |---|---|
//! | the request's broker epoch is the registered one | STALE_BROKER_EPOCH, for the whole request |
//! | the topic id is known | UNKNOWN_TOPIC_ID |
//! | the partition is known | UNKNOWN_TOPIC_OR_PARTITION |
//! | leader epoch, then partition epoch, not above ours (then we are the old controller) | NOT_CONTROLLER |
//! | leader epoch not below ours | FENCED_LEADER_EPOCH |
//! | the proposer leads | INVALID_REQUEST |
//! | partition epoch not below ours | INVALID_UPDATE_VERSION |
//! | members are replicas, none twice; the leader is one | INVALID_REQUEST |
//! | while recovering only the leader; RECOVERED does not go back | INVALID_REQUEST |
//! | every member is registered, unfenced, not stopping, with the epoch that the leader saw | INELIGIBLE_REPLICA |
//!
//! Source: `ReplicationControlManager.alterPartition`, `validateAlterPartitionData`,
//! `ineligibleReplicasForIsr`; KIP-497, KIP-704, KIP-841, KIP-903.
//! Next: `partition_change.rs`.

use super::cluster::{Changes, Cluster};
use crate::error::ErrorCode;
use crate::id::BrokerId;
use crate::message::{
    AlterPartitionOutcome, AlterPartitionProposal, AlterPartitionRequest, AlterPartitionResponse,
    LeaderRecoveryState, PartitionState,
};
use crate::metadata::{LeaderChange, MetadataRecord, PartitionRegistration};
use crate::offset::BrokerEpoch;
use crate::planted::Bug;
use crate::rules::Rules;
use std::collections::BTreeSet;

impl Cluster {
    /// Takes in a leader's proposals.
    pub(super) fn alter_partition(
        &self,
        request: &AlterPartitionRequest,
        changes: &mut Changes,
    ) -> AlterPartitionResponse {
        let registration = self.image.brokers().get(&request.broker);
        if registration.map(|broker| broker.broker_epoch) != Some(request.broker_epoch) {
            changes.answer_at_once = true;
            return AlterPartitionResponse {
                error: ErrorCode::StaleBrokerEpoch,
                partitions: Vec::new(),
            };
        }
        let mut partitions = Vec::with_capacity(request.partitions.len());
        for proposal in &request.partitions {
            let outcome = self.alter_one(request.broker, proposal, changes);
            partitions.push(AlterPartitionOutcome {
                partition: proposal.partition.clone(),
                error: outcome.as_ref().err().copied().unwrap_or_default(),
                state: outcome.ok(),
            });
        }
        AlterPartitionResponse {
            error: ErrorCode::None,
            partitions,
        }
    }

    fn alter_one(
        &self,
        from: BrokerId,
        proposal: &AlterPartitionProposal,
        changes: &mut Changes,
    ) -> Result<PartitionState, ErrorCode> {
        let topic_id = proposal.partition.topic_id;
        if self.image.topic_by_id(topic_id).is_none() {
            return Err(ErrorCode::UnknownTopicId);
        }
        let key = (topic_id, proposal.partition.partition.partition);
        let (mut builder, name) = self
            .change_of(key)
            .ok_or(ErrorCode::UnknownTopicOrPartition)?;
        let mut partition = builder.partition.clone();
        check_newness(&partition, proposal, self.rules)?;
        if !self.rules.has(Bug::DeposedLeaderProposes) {
            check_leadership(from, &partition, proposal, self.rules)?;
        }
        check_members(from, &partition, proposal)?;
        if !proposal
            .new_isr
            .iter()
            .all(|(broker, epoch)| self.is_eligible(*broker, *epoch))
        {
            return Err(ErrorCode::IneligibleReplica);
        }
        builder.election = self.election_kind(&name);
        builder.target_isr = members(proposal);
        builder.target_recovery_state = proposal.leader_recovery_state;
        let change = builder.build(&|broker| self.image.is_active(broker));
        changes.events.extend(change.event(name));
        if let Some(record) = change.record {
            let leader = record.leader;
            partition.merge(&record, self.rules);
            changes
                .records
                .push(MetadataRecord::PartitionChange(record));
            if leader != LeaderChange::Unchanged && leader != LeaderChange::Leader(from) {
                return Err(ErrorCode::NewLeaderElected);
            }
        }
        Ok(PartitionState {
            leader: partition.leader,
            leader_epoch: partition.leader_epoch,
            partition_epoch: partition.partition_epoch,
            isr: partition.isr,
            leader_recovery_state: partition.leader_recovery_state,
        })
    }

    /// Whether a broker may be in a proposed ISR.
    fn is_eligible(&self, broker: BrokerId, epoch: Option<BrokerEpoch>) -> bool {
        let registration = self.image.brokers().get(&broker);
        let lives = registration.is_some_and(|registration| registration.is_active());
        if self.rules.isr_requires_unfenced && !lives {
            return false;
        }
        let current = registration.map(|registration| registration.broker_epoch);
        let checked =
            self.rules.isr_broker_epoch_check && !self.rules.has(Bug::ProposedMemberUnchecked);
        !checked || epoch.is_none() || current == epoch
    }
}

fn members(proposal: &AlterPartitionProposal) -> Vec<BrokerId> {
    proposal.new_isr.iter().map(|(broker, _)| *broker).collect()
}

/// The proposer does not know more than this controller.
fn check_newness(
    partition: &PartitionRegistration,
    proposal: &AlterPartitionProposal,
    rules: Rules,
) -> Result<(), ErrorCode> {
    if proposal.leader_epoch > partition.leader_epoch
        || proposal.partition_epoch > partition.partition_epoch
    {
        return Err(if rules.stale_controller_owns_up {
            ErrorCode::NotController
        } else {
            ErrorCode::FencedLeaderEpoch
        });
    }
    Ok(())
}

/// The proposer leads, and knows of every change.
fn check_leadership(
    from: BrokerId,
    partition: &PartitionRegistration,
    proposal: &AlterPartitionProposal,
    rules: Rules,
) -> Result<(), ErrorCode> {
    if proposal.leader_epoch < partition.leader_epoch {
        return Err(ErrorCode::FencedLeaderEpoch);
    }
    if partition.leader != Some(from) {
        return Err(ErrorCode::InvalidRequest);
    }
    let stale = proposal.partition_epoch < partition.partition_epoch;
    if stale && !rules.has(Bug::StaleProposalTaken) {
        return Err(ErrorCode::InvalidUpdateVersion);
    }
    Ok(())
}

/// The proposed ISR fits the partition.
fn check_members(
    from: BrokerId,
    partition: &PartitionRegistration,
    proposal: &AlterPartitionProposal,
) -> Result<(), ErrorCode> {
    let isr = members(proposal);
    let distinct: BTreeSet<&BrokerId> = isr.iter().collect();
    let known = isr.iter().all(|member| partition.replicas.contains(member));
    if distinct.len() != isr.len() || !known || !isr.contains(&from) {
        return Err(ErrorCode::InvalidRequest);
    }
    let recovering = proposal.leader_recovery_state == LeaderRecoveryState::Recovering;
    let recovered = partition.leader_recovery_state == LeaderRecoveryState::Recovered;
    if recovering && (isr.len() > 1 || recovered) {
        return Err(ErrorCode::InvalidRequest);
    }
    Ok(())
}

#[cfg(test)]
#[path = "alter_partition_tests.rs"]
mod tests;
