//! Produce: append to the leader's log, then answer at once (acks=1), not at all (acks=0), or when the
//! high watermark has passed the records (acks=all).
//!
//! A request that times out, loses its leader or falls below min.insync.replicas while it waits is
//! answered with an error, but its records *stay* in the log and may be committed later.
//!
//! Source: `KafkaApis.handleProduceRequest`, `ReplicaManager.appendRecords`, `DelayedProduce`.
//! Simplified: no quotas, no authorisation.
//! Next: `purgatory.rs`.

use super::Broker;
use super::purgatory::{DelayedProduce, Parked, Ticket};
use crate::error::ErrorCode;
use crate::event::Event;
use crate::id::TopicPartition;
use crate::machine::{Effect, Effects, ReplyTo};
use crate::message::{
    Api, ProducePartition, ProducePartitionResponse, ProduceRequest, ProduceResponse, Response,
};
use crate::offset::Offset;
use crate::partition::{Partition, Refusal};
use crate::planted::Bug;
use crate::storage::StorageError;
use crate::time::Now;

impl Broker {
    pub(super) fn produce(
        &mut self,
        now: Now,
        reply: ReplyTo,
        request: &ProduceRequest,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        let mut partitions = Vec::with_capacity(request.partitions.len());
        let mut changed = Vec::new();
        for one in &request.partitions {
            let outcome = self.append(now, reply, request.acks, one, &mut changed, out)?;
            partitions.push(outcome);
        }
        match request.acks {
            0 => self.end_unanswered(reply, &partitions, out),
            -1 if partitions.iter().any(|(_, required)| required.is_some()) => {
                let delayed = DelayedProduce { reply, partitions };
                self.park_produce(now, request, delayed, out);
            }
            _ => respond(reply, partitions, out),
        }
        self.wake_each(now, &changed, out)
    }

    /// Appends to one partition. Returns the answer, and the high watermark that it has to wait for.
    fn append(
        &mut self,
        now: Now,
        reply: ReplyTo,
        acks: i16,
        one: &ProducePartition,
        changed: &mut Vec<TopicPartition>,
        out: &mut Effects,
    ) -> Result<(ProducePartitionResponse, Option<Offset>), StorageError> {
        let mut response = ProducePartitionResponse {
            partition: one.partition.clone(),
            error: ErrorCode::None,
            base_offset: None,
            log_append_time: None,
            log_start_offset: None,
            current_leader: None,
        };
        let hosted = self.replicas.hosted_by_id(&self.shared, &one.partition);
        let result = match hosted {
            _ if !(-1..=1).contains(&acks) => Err(ErrorCode::InvalidRequiredAcks),
            Err(error) => Err(error),
            Ok(partition) => {
                let mut context = self.shared.context(now);
                match partition.append(&mut context, acks, &one.records, out) {
                    Ok((batch, _)) => {
                        self.shared.rolled |= partition.log().flush_wanted().is_some();
                        Ok((batch, partition.log().log_start_offset()))
                    }
                    Err(Refusal::Storage(error)) => Err(self.shared.refuse_lost(error)?),
                    Err(Refusal::Code(error)) => {
                        if error == ErrorCode::NotLeaderOrFollower {
                            response.current_leader = Some(partition.leader_hint());
                        }
                        Err(error)
                    }
                }
            }
        };
        match result {
            Ok((batch, start)) => {
                changed.push(one.partition.partition.clone());
                response.base_offset = Some(batch.base_offset);
                response.log_append_time = batch.log_append_time;
                response.log_start_offset = Some(start);
                let rules = self.shared.rules;
                let waits = acks == -1 && !rules.has(Bug::AcknowledgedBeforeReplication);
                let required = if rules.has(Bug::AcknowledgedOneRecordEarly) {
                    batch.last_offset
                } else {
                    batch.last_offset.next()
                };
                Ok((response, waits.then_some(required)))
            }
            Err(error) => {
                let unnoticed = self.shared.rules.has(Bug::NotEnoughReplicasAcknowledged);
                if !(unnoticed && error == ErrorCode::NotEnoughReplicas) {
                    response.error = error;
                }
                let from = reply.connection.client;
                let partition = Some(one.partition.partition.clone());
                out.observe(Event::Refused {
                    api: Api::Produce,
                    partition,
                    from,
                    error,
                });
                Ok((response, None))
            }
        }
    }

    /// With acks=0 there is no answer; an error shows as a closed connection.
    fn end_unanswered(
        &self,
        reply: ReplyTo,
        partitions: &[(ProducePartitionResponse, Option<Offset>)],
        out: &mut Effects,
    ) {
        let connection = reply.connection;
        let failed = |(response, _): &(ProducePartitionResponse, _)| !response.error.is_none();
        out.push(if partitions.iter().any(failed) {
            Effect::Close { connection }
        } else {
            Effect::Unanswered { connection }
        });
    }

    fn park_produce(
        &mut self,
        now: Now,
        request: &ProduceRequest,
        mut delayed: DelayedProduce,
        out: &mut Effects,
    ) {
        if self.is_replicated(&mut delayed, out) {
            delayed.end(out);
            return;
        }
        let waiting = request
            .partitions
            .iter()
            .map(|one| &one.partition.partition);
        let deadline = now.monotonic + request.timeout;
        self.purgatory
            .park(Parked::Produce(delayed), waiting, deadline);
    }

    /// Looks at each partition that the produce waits for. Returns whether none is left.
    pub(super) fn is_replicated(&self, delayed: &mut DelayedProduce, out: &mut Effects) -> bool {
        let mut done = true;
        let from = delayed.reply;
        for (response, required) in &mut delayed.partitions {
            let Some(offset) = *required else { continue };
            let answer = match self.replicas.get(&response.partition.partition) {
                Some(partition) => partition.replicated(offset),
                None => {
                    let name = &response.partition.partition;
                    Some(self.replicas.why_absent(&self.shared, name))
                }
            };
            match answer {
                None => done = false,
                Some(error) => {
                    *required = None;
                    if error == ErrorCode::NotLeaderOrFollower {
                        let partition = self.replicas.get(&response.partition.partition);
                        response.current_leader = partition.map(Partition::leader_hint);
                    }
                    end_one(response, error, from, out);
                }
            }
        }
        done
    }

    /// Ends a produce that has waited too long.
    pub(super) fn expire_produce(&mut self, ticket: Ticket, out: &mut Effects) {
        let Some(Parked::Produce(mut delayed)) = self.purgatory.take(ticket) else {
            return;
        };
        self.is_replicated(&mut delayed, out);
        let from = delayed.reply;
        for (response, required) in &mut delayed.partitions {
            if required.take().is_some() {
                end_one(response, ErrorCode::RequestTimedOut, from, out);
            }
        }
        delayed.end(out);
    }
}

impl DelayedProduce {
    /// Answers.
    pub(super) fn end(self, out: &mut Effects) {
        respond(self.reply, self.partitions, out);
    }
}

/// Ends the waiting for one partition, with an error or without.
fn end_one(
    response: &mut ProducePartitionResponse,
    error: ErrorCode,
    from: ReplyTo,
    out: &mut Effects,
) {
    if error.is_none() {
        return;
    }
    response.error = error;
    response.base_offset = None;
    out.observe(Event::Refused {
        api: Api::Produce,
        partition: Some(response.partition.partition.clone()),
        from: from.connection.client,
        error,
    });
}

fn respond(
    reply: ReplyTo,
    partitions: Vec<(ProducePartitionResponse, Option<Offset>)>,
    out: &mut Effects,
) {
    let partitions = partitions
        .into_iter()
        .map(|(response, _)| response)
        .collect();
    out.respond(reply, Response::Produce(ProduceResponse { partitions }));
}
