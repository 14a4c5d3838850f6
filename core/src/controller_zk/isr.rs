//! ISRs that leaders change: by the controller since KIP-497, by notifications before.
//!
//! | release | the leader | the controller |
//! |---|---|---|
//! | before 2.7 | writes the state by its version, then a notification of many changes | reads the states anew, tells all, deletes the notification |
//! | since | asks (AlterPartition) | writes the state by the version that the leader named, answers, tells all |
//!
//! Rules of AlterPartition:
//! - Asked in an older leader epoch: FENCED_LEADER_EPOCH. As a registration that is not the newest:
//!   STALE_BROKER_EPOCH.
//! - A leader that knows a newer state has it from another controller. Before 3.3 its wish was written like
//!   any other, which tells this one of the other. The checks that came with KIP-841 refused it as FENCED,
//!   after which a leader waits for orders; since KAFKA-14154 it is NOT_CONTROLLER, after which it asks the
//!   other.
//! - What holds already is granted. (KAFKA-14144: after a lost answer the leader asks again, with the
//!   partition epoch of before. Refused, it would never learn the new one.)
//! - A member that does not live or shuts down is refused, since KIP-841.
//!
//! Source: `KafkaController.processAlterIsr`, `processAlterPartition`, `processIsrChangeNotification`.
//! Next: `admin.rs`.

use super::membership::written;
use super::task::Task;
use super::znodes::{ISR_CHANGE_NOTIFICATION, IsrChangeNode, LeaderAndIsr, decode};
use super::{ControllerZk, Env, Reply};
use crate::error::ErrorCode;
use crate::id::TopicPartition;
use crate::machine::ReplyTo;
use crate::message::{
    AlterPartitionOutcome, AlterPartitionProposal, AlterPartitionRequest, AlterPartitionResponse,
    Answer, Response,
};
use std::collections::BTreeSet;

impl ControllerZk {
    /// The names of the notifications.
    pub(super) fn isr_changes_listed(&mut self, forget: bool, names: Vec<String>) {
        if forget {
            self.next([Task::Delete(paths(&names))]);
        } else {
            self.next([Task::ReadIsrChanges(names)]);
        }
    }

    /// What they are about.
    pub(super) fn isr_changes_read(&mut self, names: &[String], answers: &[Reply]) {
        let mut partitions = BTreeSet::new();
        for answer in answers {
            if let Ok(Answer::Data(data, _)) = answer
                && let Some(node) = decode::<IsrChangeNode>(data)
            {
                partitions.extend(node.partitions());
            }
        }
        let partitions: Vec<TopicPartition> = partitions.into_iter().collect();
        let tell = !partitions.is_empty();
        self.next([
            Task::ReadStates { partitions, tell },
            Task::Delete(paths(names)),
        ]);
    }

    /// A leader asks for other ISRs.
    pub(super) fn alter_partition(&mut self, reply: ReplyTo, request: &AlterPartitionRequest) {
        let registered = self.context.brokers.get(&request.broker);
        if registered != Some(&request.broker_epoch) {
            let response = AlterPartitionResponse {
                error: ErrorCode::StaleBrokerEpoch,
                partitions: Vec::new(),
            };
            let response = Box::new(Response::AlterPartition(response));
            return self.tasks.push_back(Task::Answer { reply, response });
        }
        let (mut outcomes, mut states) = (Vec::new(), Vec::new());
        for (index, proposal) in request.partitions.iter().enumerate() {
            let mut outcome = AlterPartitionOutcome {
                partition: proposal.partition.clone(),
                error: ErrorCode::None,
                state: None,
            };
            match self.judge(proposal) {
                Ok(None) => {
                    let known = self.context.leadership.get(&proposal.partition.partition);
                    outcome.state = known.map(super::context::told);
                }
                Ok(Some(state)) => {
                    states.push((index, proposal.partition.partition.clone(), state));
                }
                Err(error) => outcome.error = error,
            }
            outcomes.push(outcome);
        }
        self.tasks.push_back(Task::WriteIsrs {
            reply,
            outcomes,
            states,
        });
    }

    /// What is to be written for a proposal; `None` if it holds already.
    fn judge(&self, proposal: &AlterPartitionProposal) -> Result<Option<LeaderAndIsr>, ErrorCode> {
        let name = &proposal.partition.partition;
        let now = self.context.leadership.get(name);
        let now = now.ok_or(ErrorCode::UnknownTopicOrPartition)?;
        let isr: Vec<_> = proposal.new_isr.iter().map(|(broker, _)| *broker).collect();
        let stale = proposal.partition_epoch < now.partition_epoch;
        let newer = proposal.leader_epoch > now.leader_epoch
            || proposal.partition_epoch > now.partition_epoch;
        if newer && self.rules.stale_controller_owns_up {
            return Err(ErrorCode::NotController);
        }
        if newer && self.rules.isr_requires_unfenced {
            return Err(ErrorCode::FencedLeaderEpoch);
        }
        if proposal.leader_epoch < now.leader_epoch {
            return Err(ErrorCode::FencedLeaderEpoch);
        }
        if stale && !self.rules.alter_partition_idempotent {
            return Err(ErrorCode::InvalidUpdateVersion);
        }
        if isr == now.isr && proposal.leader_recovery_state == now.leader_recovery_state {
            return Ok(None);
        }
        if self.rules.isr_requires_unfenced && !isr.iter().all(|id| self.context.is_online(*id)) {
            return Err(ErrorCode::IneligibleReplica);
        }
        Ok(Some(LeaderAndIsr {
            leader: now.leader,
            leader_epoch: proposal.leader_epoch,
            isr,
            leader_recovery_state: proposal.leader_recovery_state,
            partition_epoch: proposal.partition_epoch,
        }))
    }

    /// The states were written, or another version was there.
    pub(super) fn isrs_written(
        &mut self,
        reply: ReplyTo,
        mut outcomes: Vec<AlterPartitionOutcome>,
        states: &[(usize, TopicPartition, LeaderAndIsr)],
        answers: &[Reply],
        env: &mut Env<'_>,
    ) {
        for ((index, name, state), answer) in states.iter().zip(answers) {
            let Some(outcome) = outcomes.get_mut(*index) else {
                continue;
            };
            match answer {
                Ok(_) => {
                    let state = written(state.clone());
                    outcome.state = Some(super::context::told(&state));
                    self.context.leadership.insert(name.clone(), state);
                }
                Err(_) => outcome.error = ErrorCode::InvalidUpdateVersion,
            }
        }
        let partitions = outcomes.iter().map(|one| one.partition.partition.clone());
        let partitions: Vec<TopicPartition> = partitions.collect();
        self.batch.update_all(&self.context, &partitions);
        self.send(env);
        let response = AlterPartitionResponse {
            error: ErrorCode::None,
            partitions: outcomes,
        };
        let granted = response.partitions.iter();
        let granted = granted.filter(|one| one.error.is_none());
        let granted: Vec<TopicPartition> =
            granted.map(|one| one.partition.partition.clone()).collect();
        self.answer(reply, Response::AlterPartition(response), env);
        self.isr_changed(granted);
    }
}

fn paths(names: &[String]) -> Vec<String> {
    let names = names.iter();
    names
        .map(|name| format!("{ISR_CHANGE_NOTIFICATION}/{name}"))
        .collect()
}
