//! A producer: sends records and tells how each send ended.
//!
//! | librdkafka says | outcome |
//! |---|---|
//! | delivered, with offset | acknowledged (acks=0: sent) |
//! | an error of the broker that says nothing was written, and it was the first try (retries=0) | failed |
//! | its own queue, topic or partition is unknown or full: it never left | failed |
//! | anything else | unknown |
//!
//! Rule: a failure is only told where it is certain. librdkafka does not tell which tries came before
//! the last error, so with retries an error of the broker is unknown.
//! Source: `rd_kafka_msg_status_t`; Jepsen's ok, fail and info.

use super::{Told, kafka_error, settings};
use crate::failure::Failure;
use ktrial_core::event::{SendOutcome, text};
use ktrial_core::{ErrorCode, Event, NodeId, Offset, OperationId, TopicName, TopicPartition};
use ktrial_sim::plan::ProducerPlan;
use rdkafka::client::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseRecord, ProducerContext, ThreadedProducer};
use std::sync::mpsc::Sender;

/// A producer's process.
pub(super) struct Producer {
    inner: ThreadedProducer<Deliveries>,
}

/// Where deliveries are told.
struct Deliveries {
    node: NodeId,
    tell: Sender<Told>,
    acks_none: bool,
    one_try: bool,
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Box<OperationId>;

    fn delivery(&self, result: &DeliveryResult<'_>, operation: Box<OperationId>) {
        let (outcome, message) = match result {
            Ok(message) => (self.delivered(message.offset()), message),
            Err((error, message)) => (self.undelivered(error), message),
        };
        let topic = TopicName::from(message.topic());
        let partition = message.partition();
        let partition = (partition >= 0).then(|| TopicPartition::new(topic, partition));
        let event = Event::SendEnded {
            operation: *operation,
            partition,
            outcome,
        };
        // Nobody listens any more at the end.
        let _ = self.tell.send(Told::Event(self.node, event));
    }
}

impl Deliveries {
    fn delivered(&self, offset: i64) -> SendOutcome {
        if self.acks_none {
            return SendOutcome::Sent;
        }
        let offset = (offset >= 0).then_some(Offset(offset));
        SendOutcome::Acknowledged { offset }
    }

    fn undelivered(&self, error: &KafkaError) -> SendOutcome {
        let code = error.rdkafka_error_code();
        let kafka = code.and_then(kafka_error);
        match code {
            _ if self.one_try && kafka.is_some_and(never_written) => {
                SendOutcome::Failed(kafka.unwrap_or_default())
            }
            Some(
                RDKafkaErrorCode::UnknownPartition
                | RDKafkaErrorCode::UnknownTopic
                | RDKafkaErrorCode::QueueFull,
            ) => SendOutcome::Failed(ErrorCode::UnknownTopicOrPartition),
            Some(RDKafkaErrorCode::MessageTimedOut) => {
                SendOutcome::Unknown(ErrorCode::RequestTimedOut)
            }
            _ => SendOutcome::Unknown(kafka.unwrap_or(ErrorCode::NetworkException)),
        }
    }
}

/// Whether a broker that answers with this error has written nothing.
fn never_written(error: ErrorCode) -> bool {
    matches!(
        error,
        ErrorCode::NotEnoughReplicas
            | ErrorCode::NotLeaderOrFollower
            | ErrorCode::UnknownTopicOrPartition
            | ErrorCode::MessageTooLarge
            | ErrorCode::RecordListTooLarge
            | ErrorCode::InvalidRequiredAcks
            | ErrorCode::InvalidTimestamp
            | ErrorCode::InvalidRecord
            | ErrorCode::CorruptMessage
    )
}

impl Producer {
    pub(super) fn new(
        node: NodeId,
        plan: &ProducerPlan,
        bootstrap: &str,
        tell: Sender<Told>,
    ) -> Result<Self, Failure> {
        let is = |key: &str, value: &str| plan.config.get(key).is_some_and(|is| is == value);
        let context = Deliveries {
            node,
            tell,
            acks_none: is("acks", "0"),
            one_try: is("retries", "0"),
        };
        let config = settings::producer(&plan.config, bootstrap);
        let inner = config
            .create_with_context(context)
            .map_err(|error| settings::refused(&format!("producer {}", plan.name), &error))?;
        Ok(Self { inner })
    }

    /// Sends a record. What librdkafka does not take has failed.
    pub(super) fn send(
        &self,
        operation: OperationId,
        (topic, partition): (&TopicName, Option<i32>),
        key: Option<&[u8]>,
        value: &[u8],
    ) -> Vec<Event> {
        let mut said = vec![Event::SendStarted {
            operation,
            topic: topic.clone(),
            partition,
            value: text(value),
        }];
        let mut record = BaseRecord::with_opaque_to(topic, Box::new(operation)).payload(value);
        if let Some(key) = key {
            record = record.key(key);
        }
        if let Some(partition) = partition {
            record = record.partition(partition);
        }
        if let Err((error, _)) = self.inner.send(record) {
            let code = error.rdkafka_error_code().and_then(kafka_error);
            let code = code.unwrap_or(ErrorCode::UnknownTopicOrPartition);
            said.push(Event::SendEnded {
                operation,
                partition: partition.map(|number| TopicPartition::new(topic.clone(), number)),
                outcome: SendOutcome::Failed(code),
            });
        }
        said
    }
}
