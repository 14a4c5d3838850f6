//! Real clients of a real cluster: librdkafka as producer and consumer, and as the operator's hands.
//!
//! Each client tells what its application was told, as events of the record, through one channel; the
//! world enters them after what the cluster's files tell, so that an acknowledgement never stands before
//! the append that it is about.
//!
//! | file | what it is |
//! |---|---|
//! | `settings.rs` | Kafka's settings as librdkafka's |
//! | `producer.rs` | sends, and how each ended |
//! | `consumer.rs` | polls |
//! | `operator.rs` | topics, settings, elections |
//! | `watermarks.rs` | the leaders' high watermarks |
//!
//! Simplified: librdkafka is not the Java client. Batching, retries and back-off follow the same settings
//! but not the same code, so how records are cut into batches and when they are sent again can differ. It
//! does not tell of its retries.
//!
//! Next: `producer.rs`.

mod consumer;
mod operator;
mod producer;
mod settings;
mod watermarks;

pub use operator::{RunTool, Tools};
pub use settings::left_out;

use crate::failure::Failure;
use consumer::Reader;
use ktrial_core::{Command, Event, NodeId, TopicPartition};
use ktrial_sim::plan::Plan;
use operator::Operator;
use producer::Producer;
use rdkafka::error::RDKafkaErrorCode;
use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use watermarks::Watermarks;

/// What a client has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// An event of a client.
    Event(NodeId, Event),
    /// The leader of a partition answered with its high watermark.
    HighWatermark(TopicPartition, i64),
}

/// A client's settings and process.
enum Client {
    Producer(Producer),
    Consumer(Reader),
    Operator(Box<Operator>),
}

/// All clients of a plan.
pub struct Clients {
    plan: Plan,
    bootstrap: String,
    tools: Tools,
    running: BTreeMap<NodeId, Client>,
    _watermarks: Watermarks,
    told: Receiver<Told>,
    tell: Sender<Told>,
}

impl Clients {
    /// The clients of a plan, none of which runs yet; `bootstrap` are the brokers' addresses.
    ///
    /// # Errors
    /// librdkafka cannot be used.
    pub fn new(plan: &Plan, bootstrap: String, tools: Tools) -> Result<Self, Failure> {
        let (tell, told) = channel();
        Ok(Self {
            _watermarks: Watermarks::new(plan, &bootstrap, tell.clone())?,
            plan: plan.clone(),
            bootstrap,
            tools,
            running: BTreeMap::new(),
            told,
            tell,
        })
    }

    /// Whether it is the operator: the last one.
    pub fn is_operator(&self, node: NodeId) -> bool {
        let others = self.plan.producers.len() + self.plan.consumers.len();
        matches!(node, NodeId::Client(id) if usize::try_from(id.0) == Ok(others))
    }

    /// Starts a client's process; nothing if it runs. Tells whether it began.
    ///
    /// # Errors
    /// A setting that librdkafka refuses.
    pub fn start(&mut self, node: NodeId) -> Result<bool, Failure> {
        if self.running.contains_key(&node) {
            return Ok(false);
        }
        let NodeId::Client(id) = node else {
            return Ok(false);
        };
        let place = usize::try_from(id.0).unwrap_or(usize::MAX);
        let (bootstrap, tell) = (&self.bootstrap, self.tell.clone());
        let producers = self.plan.producers.len();
        let consumer = place.checked_sub(producers);
        let consumer = consumer.and_then(|place| self.plan.consumers.get(place));
        let client = match (self.plan.producers.get(place), consumer) {
            (Some(plan), _) => Client::Producer(Producer::new(node, plan, bootstrap, tell)?),
            (None, Some(plan)) => Client::Consumer(Reader::new(node, plan, bootstrap, tell)?),
            (None, None) => {
                let operator = Operator::new(node, bootstrap, self.tools.clone(), tell)?;
                Client::Operator(Box::new(operator))
            }
        };
        self.running.insert(node, client);
        Ok(true)
    }

    /// Ends a client's process at once: what it had not sent is never sent. Tells whether it ran.
    pub fn stop(&mut self, node: NodeId) -> bool {
        self.running.remove(&node).is_some()
    }

    /// Gives a command to a client; lost if it does not run. Returns what the client says at once.
    pub fn command(&mut self, node: NodeId, command: Command) -> Vec<Event> {
        match (self.running.get_mut(&node), command) {
            (
                Some(Client::Producer(producer)),
                Command::Send {
                    operation,
                    topic,
                    partition,
                    key,
                    value,
                },
            ) => return producer.send(operation, (&topic, partition), key.as_deref(), &value),
            (Some(Client::Consumer(reader)), Command::Assign { partitions }) => {
                reader.assign(partitions);
            }
            (Some(Client::Operator(operator)), Command::Administer { operation, request }) => {
                operator.administer(operation, *request);
            }
            _ => {}
        }
        Vec::new()
    }

    /// What was said since the last call.
    pub fn told(&mut self) -> Vec<Told> {
        self.told.try_iter().collect()
    }
}

/// An error of librdkafka as Kafka's; what only librdkafka knows (negative numbers) has none.
fn kafka_error(code: RDKafkaErrorCode) -> Option<ktrial_core::ErrorCode> {
    let number = code as i32;
    let mut all = ktrial_core::ErrorCode::ALL.iter();
    all.find(|known| number > 0 && i32::from(known.code()) == number)
        .copied()
}
