//! A leader's wishes for another ISR: when it has one, and what the controller's answer means.
//!
//! Invariants: at most one proposal is under way; only the answer to that one counts.
//! Source: `Partition.maybeExpandIsr`, `maybeShrinkIsr`, `submitAlterPartition`,
//! `handleAlterPartitionUpdate`, `handleAlterPartitionError`.
//! Next: `broker/alter_partition.rs`, which sends them.

use super::{Changes, Context, Partition, Proposal, isr::IsrState};
use crate::error::ErrorCode;
use crate::event::Event;
use crate::id::BrokerId;
use crate::machine::Effects;
use crate::message::AlterPartitionOutcome;
use crate::rules::Rules;

impl Partition {
    pub(super) fn propose_expansion(
        &mut self,
        context: &Context<'_>,
        joining: BrokerId,
        out: &mut Effects,
    ) -> Option<Proposal> {
        let high_watermark = self.log.high_watermark();
        let leadership = self.leadership.as_ref()?;
        if !leadership.can_join(context, joining, high_watermark) {
            return None;
        }
        let isr = leadership.isr.committed().to_vec();
        self.propose(context, IsrState::PendingExpand { isr, joining }, out)
    }

    /// Whether nobody can fall out of the ISR until the partition changes: it has none, for it follows, or
    /// every member has all there is.
    pub(crate) fn is_whole(&self, rules: &Rules) -> bool {
        let Some(leadership) = &self.leadership else {
            return true;
        };
        if !rules.equal_end_stays_in_isr && leadership.isr.committed().len() > 1 {
            return false; // Whoever does not fetch falls out, whatever it has.
        }
        let end = Some(self.log.log_end_offset());
        let has_all = |id: &BrokerId| {
            let known = leadership.remotes.get(id);
            known.map_or(Some(*id) == self.leader, |one| one.log_end_offset == end)
        };
        !leadership.isr.is_pending() && leadership.isr.committed().iter().all(has_all)
    }

    /// Proposes to drop the members that have not been caught up for too long.
    pub(crate) fn propose_shrink(
        &mut self,
        context: &Context<'_>,
        out: &mut Effects,
    ) -> Option<Proposal> {
        let leadership = self.leadership.as_ref()?;
        let leaving = leadership.out_of_sync(context, self.log.log_end_offset());
        if leaving.is_empty() {
            return None;
        }
        let isr = leadership.isr.committed().to_vec();
        self.propose(context, IsrState::PendingShrink { isr, leaving }, out)
    }

    fn propose(
        &mut self,
        context: &Context<'_>,
        state: IsrState,
        out: &mut Effects,
    ) -> Option<Proposal> {
        let leadership = self.leadership.as_mut()?;
        out.observe(Event::IsrProposed {
            partition: self.id.partition.clone(),
            from: state.committed().to_vec(),
            to: state.proposed(),
        });
        leadership.isr = state;
        self.proposals += 1;
        self.pending_proposal(context)
    }

    /// The proposal under way, to be sent (again).
    pub(crate) fn pending_proposal(&self, context: &Context<'_>) -> Option<Proposal> {
        let leadership = self.leadership.as_ref()?;
        if !leadership.isr.is_pending() {
            return None;
        }
        let epoch_of = |id: BrokerId| {
            if !context.rules.isr_broker_epoch_check {
                None
            } else if id == context.local {
                context.local_epoch
            } else {
                leadership
                    .remotes
                    .get(&id)
                    .and_then(|replica| replica.broker_epoch)
                    .flatten()
            }
        };
        let isr = leadership
            .isr
            .proposed()
            .into_iter()
            .map(|id| (id, epoch_of(id)))
            .collect();
        Some(Proposal {
            number: self.proposals,
            isr,
            leader_epoch: self.leader_epoch,
            partition_epoch: self.partition_epoch,
        })
    }

    /// Takes the controller's answer to proposal `number`. `Err` = send the same proposal again.
    pub(crate) fn proposal_answered(
        &mut self,
        context: &mut Context<'_>,
        number: u64,
        outcome: &AlterPartitionOutcome,
        out: &mut Effects,
    ) -> Result<Changes, ()> {
        let same = number == self.proposals;
        let Some(leadership) = self.leadership.as_mut().filter(|_| same) else {
            return Ok(Changes::default());
        };
        if !leadership.isr.is_pending() {
            return Ok(Changes::default()); // Metadata was faster.
        }
        match (outcome.error, &outcome.state) {
            (ErrorCode::None, Some(state)) => {
                let stale = state.leader_epoch != self.leader_epoch
                    || state.partition_epoch < self.partition_epoch;
                if stale {
                    return Ok(Changes::default());
                }
                leadership.isr = IsrState::Committed(state.isr.clone());
                self.partition_epoch = state.partition_epoch;
                out.observe(Event::IsrAdopted {
                    partition: self.id.partition.clone(),
                    isr: state.isr.clone(),
                    partition_epoch: state.partition_epoch,
                });
                // If not now (KAFKA-13091), then with the next append or a follower's next fetch. A leader
                // that writes its ISR itself looks at once.
                let rules = context.rules;
                let now = rules.hw_after_isr_change || !rules.isr_changes_through_controller;
                Ok(match now {
                    true => self.advance_high_watermark(context, out),
                    false => Changes::default(),
                })
            }
            // The controller says that it did not apply it: back to what was committed.
            (ErrorCode::OperationNotAttempted | ErrorCode::IneligibleReplica, _) => {
                leadership.isr = IsrState::Committed(leadership.isr.committed().to_vec());
                Ok(Changes::default())
            }
            (error, _) if waits_for_metadata(error) => Ok(Changes::default()),
            _ => Err(()),
        }
    }
}

/// Answers after which only new metadata can tell what became of a proposal.
fn waits_for_metadata(error: ErrorCode) -> bool {
    matches!(
        error,
        ErrorCode::UnknownTopicOrPartition
            | ErrorCode::UnknownTopicId
            | ErrorCode::FencedLeaderEpoch
            | ErrorCode::InvalidUpdateVersion
            | ErrorCode::InvalidRequest
            | ErrorCode::NewLeaderElected
    )
}
