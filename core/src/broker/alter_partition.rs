//! Sends the leaders' wishes for other ISRs to the controller: one request at a time, with all wishes
//! that have gathered meanwhile, again and again until it is answered.
//!
//! Rule: with ZooKeeper they go to the controller that was found first, until it refuses or is gone. That
//! there is another one the leader may have heard long ago, with orders of its own (KAFKA-14154).
//!
//! Source: `AlterPartitionManager`, `Partition.submitAlterPartition`. Next: `partition/leader.rs` takes
//! the answer, `controller/alter_partition.rs` gives it.

use super::Broker;
use super::shared::{ControllerLink, Shared};
use crate::error::ErrorCode;
use crate::id::{ConnectionId, CorrelationId, NodeId, TopicIdPartition, TopicPartition};
use crate::machine::Effects;
use crate::message::{
    AlterPartitionOutcome, AlterPartitionProposal, AlterPartitionRequest, AlterPartitionResponse,
    LeaderRecoveryState, Request,
};
use crate::partition::Proposal;
use crate::storage::StorageError;
use crate::time::{Now, Timestamp, earliest};
use std::collections::BTreeMap;
use std::time::Duration;

/// Wait after an error of the whole request.
const RETRY: Duration = Duration::from_millis(50);

/// Wishes on their way to the controller.
#[derive(Debug)]
pub(super) struct AlterPartitions {
    link: ControllerLink<()>,
    /// The latest wish of each partition; it stays until answered.
    wishes: BTreeMap<TopicPartition, (TopicIdPartition, Proposal)>,
    /// The wishes in the request under way: partition and number.
    in_flight: Option<Vec<(TopicPartition, u64)>>,
    retry_at: Option<Timestamp>,
}

impl AlterPartitions {
    pub(super) fn new(shared: &Shared, controllers: &[NodeId]) -> Self {
        Self {
            link: ControllerLink::new(controllers, shared.config.controller_socket_timeout),
            wishes: BTreeMap::new(),
            in_flight: None,
            retry_at: None,
        }
    }

    pub(super) fn owns(&self, connection: ConnectionId) -> bool {
        self.link.owns(connection)
    }

    /// A controller is known: wishes go there, if there was none.
    pub(super) fn found(&mut self, controller: Option<NodeId>) {
        self.link.find(controller);
    }

    /// Takes a wish on; it goes out at once if no request is under way. Returns whether it was taken:
    /// not while an earlier wish for the partition has no answer.
    #[must_use]
    pub(super) fn submit(
        &mut self,
        shared: &mut Shared,
        id: &TopicIdPartition,
        proposal: Proposal,
        now: Timestamp,
        out: &mut Effects,
    ) -> bool {
        if self.wishes.contains_key(&id.partition) {
            return false;
        }
        self.wishes
            .insert(id.partition.clone(), (id.clone(), proposal));
        self.send(shared, now, out);
        true
    }

    fn send(&mut self, shared: &mut Shared, now: Timestamp, out: &mut Effects) {
        if self.in_flight.is_some() || self.wishes.is_empty() {
            return;
        }
        let Some(broker_epoch) = shared.broker_epoch else {
            // With ZooKeeper it may lead before it has heard of its own registration.
            self.retry_at = Some(now + RETRY);
            return;
        };
        if self.retry_at.is_some_and(|at| now < at) {
            return;
        }
        self.retry_at = None;
        self.link.find(shared.active_controller);
        if !self.link.is_ready(now) {
            self.retry_at = Some(self.link.ready_at());
            return;
        }
        let partitions = self
            .wishes
            .values()
            .map(|(id, wish)| AlterPartitionProposal {
                partition: id.clone(),
                leader_epoch: wish.leader_epoch,
                partition_epoch: wish.partition_epoch,
                new_isr: wish.isr.clone(),
                // A leader that proposes an ISR has recovered (KIP-704).
                leader_recovery_state: LeaderRecoveryState::Recovered,
            });
        let request = Request::AlterPartition(AlterPartitionRequest {
            broker: shared.id,
            broker_epoch,
            partitions: partitions.collect(),
        });
        let numbers = self
            .wishes
            .iter()
            .map(|(name, (_, wish))| (name.clone(), wish.number));
        self.in_flight = Some(numbers.collect());
        self.link.send(shared, now, request, (), out);
    }

    /// Takes an answer. Returns what the controller made of each wish that it answers.
    pub(super) fn answered(
        &mut self,
        connection: ConnectionId,
        correlation: CorrelationId,
        response: &AlterPartitionResponse,
        now: Timestamp,
    ) -> Vec<(u64, AlterPartitionOutcome)> {
        if self.link.answered(connection, correlation).is_none() {
            return Vec::new();
        }
        let sent = self.in_flight.take().unwrap_or_default();
        let mut errors = response.partitions.iter().map(|outcome| outcome.error);
        if !response.error.is_none() || errors.any(|error| error == ErrorCode::NotController) {
            self.link.next_controller();
            self.retry_at = Some(now + RETRY);
            return Vec::new();
        }
        let mut outcomes = Vec::with_capacity(sent.len());
        for (name, number) in sent {
            let outcome = response
                .partitions
                .iter()
                .find(|one| one.partition.partition == name);
            let Some(outcome) = outcome else { continue };
            if self
                .wishes
                .get(&name)
                .is_some_and(|(_, wish)| wish.number == number)
            {
                self.wishes.remove(&name);
            }
            outcomes.push((number, outcome.clone()));
        }
        outcomes
    }

    pub(super) fn connected(&mut self, connection: ConnectionId) {
        self.link.connected(connection);
    }

    pub(super) fn disconnected(
        &mut self,
        shared: &mut Shared,
        connection: ConnectionId,
        now: Timestamp,
    ) {
        if !self.link.disconnected(shared, connection, now).is_empty() {
            self.in_flight = None;
            self.retry_at = Some((now + RETRY).max(self.link.ready_at()));
        }
    }

    /// The controller has not answered in time, or it is time to send again.
    pub(super) fn timer(&mut self, shared: &mut Shared, now: Timestamp, out: &mut Effects) {
        if !self.link.expire(shared, now, out).is_empty() {
            self.in_flight = None;
            self.retry_at = Some((now + RETRY).max(self.link.ready_at()));
        }
        self.send(shared, now, out);
    }

    /// Sends what has gathered, after an answer was taken.
    pub(super) fn send_gathered(&mut self, shared: &mut Shared, now: Timestamp, out: &mut Effects) {
        self.send(shared, now, out);
    }

    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        let retry = self
            .retry_at
            .filter(|_| self.in_flight.is_none() && !self.wishes.is_empty());
        earliest(retry, self.link.next_deadline())
    }
}

impl Broker {
    /// Sends a leader's wish for another ISR to the controller.
    pub(super) fn submit(
        &mut self,
        now: Now,
        id: &TopicIdPartition,
        proposal: Proposal,
        out: &mut Effects,
    ) {
        if self.zookeeper.is_some() && !self.shared.rules.isr_changes_through_controller {
            return self.write_isr(now, id, &proposal, out);
        }
        let number = proposal.number;
        let (shared, at) = (&mut self.shared, now.monotonic);
        if self.alter_partitions.submit(shared, id, proposal, at, out) {
            return;
        }
        // An earlier wish is under way: this one was not attempted (`AlterPartitionManager.submit`).
        let error = ErrorCode::OperationNotAttempted;
        let outcome = AlterPartitionOutcome {
            partition: id.clone(),
            error,
            state: None,
        };
        if let Some(partition) = self.replicas.get_mut(&id.partition) {
            let mut context = self.shared.context(now);
            // Never asks to send again: the answer is definite.
            let _ = partition.proposal_answered(&mut context, number, &outcome, out);
        }
    }

    pub(super) fn proposal_answered(
        &mut self,
        now: Now,
        number: u64,
        outcome: &AlterPartitionOutcome,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        let id = &outcome.partition;
        self.rouse(&id.partition);
        let Some(partition) = self.replicas.get_mut(&id.partition) else {
            return Ok(());
        };
        let mut context = self.shared.context(now);
        match partition.proposal_answered(&mut context, number, outcome, out) {
            Ok(changes) if changes.high_watermark => self.wake(now, &id.partition, out),
            Ok(_) => Ok(()),
            Err(()) => {
                if let Some(again) = partition.pending_proposal(&context) {
                    self.submit(now, id, again, out);
                }
                Ok(())
            }
        }
    }
}
