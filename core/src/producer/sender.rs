//! Batches on the wire: requests, responses, retries, expiry.
//!
//! Rule: a broker that is ready takes requests until its limit in flight; a retriable error puts the
//! batch back (backoff, or at once to a new leader), until its retries or its delivery timeout are
//! over. The delivery timeout also ends a batch that is in flight; its late response ends nothing.
//! Invariants: a batch is in `in_flight` exactly while a request with it is.
//! Simplified: a batch expires at its time wherever it stands in its queue (Kafka waits for those
//! before it); no idempotence, so a retry may write records twice or out of order.
//! Source: `Sender.sendProducerData`, `completeBatch`, `canRetry`, `getExpiredInflightBatches`; KIP-91.
//! Next: `mod.rs`, for what calls this.

use super::accumulator::Accumulator;
use super::batch::{Batch, BatchId};
use crate::channel::Backoff;
use crate::client_metadata::network::Network;
use crate::config::{Acks, ProducerConfig};

use crate::error::ErrorCode;
use crate::event::{Event, SendOutcome};
use crate::id::{BrokerId, TopicIdPartition};
use crate::machine::Effects;
use crate::message::{ProducePartition, ProducePartitionResponse, ProduceRequest};
use crate::message::{ProduceResponse, Request};
use crate::planted::Bug;
use crate::rules::Rules;
use crate::time::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// What the producer remembers of a request: its batches, in order.
pub(super) type Tag = Vec<BatchId>;

/// The sending half of a producer.
#[derive(Debug)]
pub(super) struct Sender {
    acks: Acks,
    retries: u32,
    retry: Backoff,
    request_timeout: Duration,
    one_at_a_time: bool,
    rules: Rules,
    in_flight: BTreeMap<BatchId, Batch>,
    /// Sends that have ended since the producer asked.
    ended: usize,
}

/// What the sender works with at an input.
pub(super) struct Context<'a> {
    pub(super) now: Timestamp,
    pub(super) accumulator: &'a mut Accumulator,
    pub(super) network: &'a mut Network<Tag>,
    pub(super) out: &'a mut Effects,
}

impl Sender {
    pub(super) fn new(config: &ProducerConfig, rules: Rules) -> Self {
        Self {
            acks: config.acks,
            retries: config.retries,
            retry: Backoff {
                initial: config.retry_backoff,
                max: config.retry_backoff_max,
            },
            request_timeout: config.request_timeout,
            one_at_a_time: config.max_in_flight_requests_per_connection == 1,
            rules,
            in_flight: BTreeMap::new(),
            ended: 0,
        }
    }

    /// How many sends have ended since the last call.
    pub(super) fn take_ended(&mut self) -> usize {
        std::mem::take(&mut self.ended)
    }

    /// Sends what is ready to brokers that can take it.
    pub(super) fn send_ready(&mut self, context: &mut Context<'_>) {
        let now = context.now;
        for broker in context.accumulator.queues.ready_brokers(now) {
            while context.network.is_ready(now, broker, context.out)
                && context.accumulator.queues.is_ready(now, broker)
            {
                let batches = context
                    .accumulator
                    .queues
                    .drain(now, broker, self.one_at_a_time);
                if batches.is_empty() {
                    break;
                }
                self.send(context, broker, batches);
            }
        }
    }

    fn send(&mut self, context: &mut Context<'_>, broker: BrokerId, mut batches: Vec<Batch>) {
        let first = batches.first().map(|batch| batch.queue);
        let first = first.filter(|_| self.rules.has(Bug::BatchInWrongPartition));
        let partition = |batch: &mut Batch| {
            batch.was_sent = true;
            let queue = first.unwrap_or(batch.queue);
            let partition = context.accumulator.queues.partition(queue).clone();
            ProducePartition {
                partition: TopicIdPartition {
                    topic_id: context.network.metadata.topic_id(&partition.topic),
                    partition,
                },
                records: batch.close(),
            }
        };
        let request = Request::Produce(ProduceRequest {
            acks: self.acks.code(),
            timeout: self.request_timeout,
            partitions: batches.iter_mut().map(partition).collect(),
        });
        if self.acks == Acks::None {
            context
                .network
                .send_one_way(context.now, broker, request, context.out);
            for mut batch in batches {
                self.end(context, &mut batch, |_| SendOutcome::Sent);
                self.finish(context, &batch);
            }
            return;
        }
        let tag = batches.iter().map(|batch| batch.id).collect();
        let (now, out) = (context.now, &mut *context.out);
        context.network.send(now, broker, request, tag, out);
        for batch in batches {
            self.in_flight.insert(batch.id, batch);
        }
    }

    /// A response came.
    pub(super) fn answered(
        &mut self,
        context: &mut Context<'_>,
        tag: &Tag,
        response: &ProduceResponse,
    ) {
        for (place, id) in tag.iter().enumerate() {
            let Some(batch) = self.in_flight.remove(id) else {
                continue;
            };
            match response.partitions.get(place) {
                Some(answer)
                    if answer.error.is_none() || self.rules.has(Bug::ErrorTakenForSuccess) =>
                {
                    self.acknowledge(context, batch, answer);
                }
                Some(answer) => {
                    self.take_hint(context, &batch, answer);
                    self.refuse(context, batch, answer.error);
                }
                None => self.refuse(context, batch, ErrorCode::UnknownServerError),
            }
        }
    }

    /// A request will not be answered.
    pub(super) fn lost(&mut self, context: &mut Context<'_>, tag: &Tag, error: ErrorCode) {
        for id in tag {
            if let Some(mut batch) = self.in_flight.remove(id) {
                if self.rules.has(Bug::LostRequestTakenForSuccess) {
                    self.end(context, &mut batch, |index| {
                        Batch::acknowledged(index, None)
                    });
                }
                self.refuse(context, batch, error);
            }
        }
    }

    fn acknowledge(
        &mut self,
        context: &mut Context<'_>,
        mut batch: Batch,
        answer: &ProducePartitionResponse,
    ) {
        self.end(context, &mut batch, |index| {
            Batch::acknowledged(index, answer.base_offset)
        });
        self.finish(context, &batch);
    }

    /// KIP-951: the response names the leader, which saves asking for metadata.
    fn take_hint(
        &mut self,
        context: &mut Context<'_>,
        batch: &Batch,
        answer: &ProducePartitionResponse,
    ) {
        let about_leader = matches!(
            answer.error,
            ErrorCode::NotLeaderOrFollower | ErrorCode::FencedLeaderEpoch
        );
        if let Some(hint) = answer.current_leader.filter(|_| about_leader) {
            let partition = context.accumulator.queues.partition(batch.queue);
            context.network.metadata.update_leader(partition, hint);
        }
    }

    fn refuse(&mut self, context: &mut Context<'_>, mut batch: Batch, error: ErrorCode) {
        if error.is_invalid_metadata() {
            context.network.metadata.request_update();
        }
        let expired = context.accumulator.is_expired(context.now, &batch);
        let may_retry = !expired && batch.attempts < self.retries && !batch.is_done();
        if error == ErrorCode::MessageTooLarge && batch.count() > 1 {
            self.split(context, batch);
        } else if may_retry && error.is_retriable() {
            self.retry(context, batch, error);
        } else {
            let outcome = batch.refused(error);
            self.end(context, &mut batch, |_| outcome);
            self.finish(context, &batch);
        }
    }

    fn split(&mut self, context: &mut Context<'_>, batch: Batch) {
        self.observe_retry(context, &batch, ErrorCode::MessageTooLarge);
        self.unmute(context, batch.queue);
        if let Some(mut unreadable) = context.accumulator.put_back_split(batch) {
            let outcome = unreadable.refused(ErrorCode::MessageTooLarge);
            self.end(context, &mut unreadable, |_| outcome);
            self.finish(context, &unreadable);
        }
    }

    fn retry(&mut self, context: &mut Context<'_>, mut batch: Batch, error: ErrorCode) {
        self.observe_retry(context, &batch, error);
        let backoff = self
            .retry
            .after(batch.attempts, &mut context.network.random);
        batch.maybe_written |= !error.is_definite();
        batch.attempts += 1;
        batch.retry_at = context.now + backoff;
        let queue = batch.queue;
        context.accumulator.queues.put_back(batch);
        self.unmute(context, queue);
    }

    fn observe_retry(&self, context: &mut Context<'_>, batch: &Batch, error: ErrorCode) {
        context.out.observe(Event::SendRetried {
            partition: context.accumulator.queues.partition(batch.queue).clone(),
            records: batch.count(),
            error,
        });
    }

    /// Ends the batches whose delivery timeout is over.
    pub(super) fn expire(&mut self, context: &mut Context<'_>) {
        while let Some((id, queue)) = context.accumulator.pop_expired(context.now) {
            if let Some(mut batch) = self.in_flight.remove(&id) {
                // Its memory is free when the response comes; until then the request holds it.
                let outcome = batch.expired();
                self.end(context, &mut batch, |_| outcome);
                self.in_flight.insert(id, batch);
            } else if let Some(mut batch) = context.accumulator.queues.take(queue, id) {
                let outcome = batch.expired();
                self.end(context, &mut batch, |_| outcome);
                context.accumulator.finish(&batch);
            }
        }
    }

    fn end(
        &mut self,
        context: &mut Context<'_>,
        batch: &mut Batch,
        outcome: impl Fn(usize) -> SendOutcome,
    ) {
        let partition = context.accumulator.queues.partition(batch.queue);
        let failed = self.rules.has(Bug::UnknownReportedFailed);
        for (index, operation) in batch.end().into_iter().enumerate() {
            self.ended += 1;
            context.out.observe(Event::SendEnded {
                operation,
                partition: Some(partition.clone()),
                outcome: match outcome(index) {
                    SendOutcome::Unknown(error) if failed => SendOutcome::Failed(error),
                    outcome => outcome,
                },
            });
        }
    }

    /// A request with the batch has ended for good.
    fn finish(&mut self, context: &mut Context<'_>, batch: &Batch) {
        context.accumulator.finish(batch);
        self.unmute(context, batch.queue);
    }

    fn unmute(&self, context: &mut Context<'_>, queue: usize) {
        if self.one_at_a_time {
            context.accumulator.queues.set_muted(queue, false);
        }
    }
}
