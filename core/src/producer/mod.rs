//! The producer: takes records from an application and sends them in batches to the leaders of their
//! partitions.
//!
//! Rule: a send that finds no metadata or memory waits, up to `max.block.ms`; sends behind it wait
//! with it, so that records keep their order. Each operation ends exactly once.
//! Invariants: `pending` counts the operations that have started and not ended; a record is either
//! in `blocked` or in a batch.
//! Simplified: no idempotence and transactions, no compression, no interceptors; each waiting send
//! has its own `max.block.ms` from the moment it was asked for, as if each had a thread.
//! Source: `KafkaProducer.doSend`, `waitOnMetadata`, `ensureValidRecordSize`, `Sender.run`.
//! Next: `accumulator.rs`, then `sender.rs`.

mod accumulator;
mod batch;
mod partitioner;
mod queues;
mod sender;

use crate::channel::{Backoff, Connector};
use crate::client_metadata::ClientMetadata;
use crate::client_metadata::network::{Answer, Network, NetworkSettings};
use crate::config::ProducerConfig;
use crate::error::ErrorCode;
use crate::event::{Event, SendOutcome, text};
use crate::id::{BrokerId, ClientId, Incarnation, NodeId, TopicPartition};
use crate::machine::{Command, Effect, Effects, Input, Lane, Machine};
use crate::message::Response;
use crate::random::Random;
use crate::rules::Rules;
use crate::snapshot::{ClientSnapshot, Snapshot};
use crate::time::{Now, Timestamp, earliest};
use accumulator::{Accumulator, Appended, NewRecord};
use sender::{Context, Sender, Tag};
use std::collections::VecDeque;
use std::time::Duration;

/// What a producer is given at its start.
#[derive(Clone, Debug)]
pub struct ProducerStart {
    /// Its node.
    pub id: ClientId,
    /// Which start of it.
    pub incarnation: Incarnation,
    /// Its settings.
    pub config: ProducerConfig,
    /// The brokers that it asks first (`bootstrap.servers`).
    pub bootstrap: Vec<BrokerId>,
    /// The generation of the protocol.
    pub rules: Rules,
    /// Its randomness.
    pub random: Random,
}

/// A producer.
#[derive(Debug)]
pub struct Producer {
    accumulator: Accumulator,
    sender: Sender,
    network: Network<Tag>,
    blocked: VecDeque<Blocked>,
    max_block: Duration,
    /// Larger records are refused.
    max_record_size: usize,
    metadata_version: u64,
    pending: usize,
    state: State,
    wake: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Closing,
    Closed,
}

/// A send that waits for metadata or memory.
#[derive(Debug)]
struct Blocked {
    record: NewRecord,
    deadline: Timestamp,
}

impl Producer {
    /// Starts.
    pub fn start(start: ProducerStart, now: Now) -> Self {
        let ProducerStart {
            id,
            incarnation,
            config,
            bootstrap,
            rules,
            random,
        } = start;
        let _ = now;
        let backoff = Backoff {
            initial: config.retry_backoff,
            max: config.retry_backoff_max,
        };
        let settings = NetworkSettings {
            reconnect: Backoff {
                initial: config.reconnect_backoff,
                max: config.reconnect_backoff_max,
            },
            request_timeout: config.request_timeout,
            max_in_flight: config.max_in_flight_requests_per_connection,
        };
        let metadata = ClientMetadata::new(bootstrap, backoff, config.metadata_max_age);
        let setup = Backoff {
            initial: config.socket_connection_setup_timeout,
            max: config.socket_connection_setup_timeout_max,
        };
        let connector = Connector::new(NodeId::Client(id), incarnation, setup, &random);
        Self {
            accumulator: Accumulator::new(&config),
            sender: Sender::new(&config, rules),
            network: Network::new(metadata, connector, settings, random),
            blocked: VecDeque::new(),
            max_block: config.max_block,
            max_record_size: config.max_request_size.min(config.buffer_memory),
            metadata_version: 0,
            pending: 0,
            state: State::Open,
            wake: None,
        }
    }

    /// Takes a record. Returns whether anything but the record's batch changed.
    fn send(&mut self, now: Now, record: NewRecord, out: &mut Effects) -> bool {
        self.pending += 1;
        out.observe(Event::SendStarted {
            operation: record.operation,
            topic: record.topic.clone(),
            partition: record.partition,
            value: text(&record.value),
        });
        if self.state != State::Open {
            self.fail(&record, ErrorCode::UnknownServerError, out);
            return false;
        }
        if record.batch_bound() > self.max_record_size {
            self.fail(&record, ErrorCode::MessageTooLarge, out);
            return false;
        }
        if self.blocked.is_empty() {
            match self.append(now, &record) {
                Appended::Quietly => return false,
                Appended::Stirring => return true,
                Appended::NoMemory | Appended::UnknownPartition => {}
            }
        }
        self.blocked.push_back(Blocked {
            record,
            deadline: now.monotonic + self.max_block,
        });
        true
    }

    fn append(&mut self, now: Now, record: &NewRecord) -> Appended {
        let network = &mut self.network;
        self.accumulator
            .append(now, record, &network.metadata, &mut network.random)
    }

    /// A record that went into no batch.
    fn fail(&mut self, record: &NewRecord, error: ErrorCode, out: &mut Effects) {
        self.pending -= 1;
        let partition = record
            .partition
            .map(|number| TopicPartition::new(record.topic.clone(), number));
        out.observe(Event::SendEnded {
            operation: record.operation,
            partition,
            outcome: SendOutcome::Failed(error),
        });
    }

    /// Lets waiting sends go on, in order. Returns whether any did.
    fn unblock(&mut self, now: Now, out: &mut Effects) -> bool {
        let mut progress = false;
        let mut memory_exhausted = false;
        while let Some(blocked) = self.blocked.pop_front() {
            let appended = self.append(now, &blocked.record);
            let error = match appended {
                Appended::Quietly | Appended::Stirring => {
                    progress = true;
                    continue;
                }
                Appended::NoMemory => None,
                Appended::UnknownPartition => self.why_unknown(&blocked.record),
            };
            let timeout = (blocked.deadline <= now.monotonic).then_some(ErrorCode::RequestTimedOut);
            if let Some(error) = error.or(timeout) {
                self.fail(&blocked.record, error, out);
                continue;
            }
            memory_exhausted = appended == Appended::NoMemory;
            self.blocked.push_front(blocked);
            break;
        }
        let closing = self.state != State::Open;
        self.accumulator
            .queues
            .set_hurry(memory_exhausted || closing);
        progress
    }

    /// Wants the record's topic to be known, unless it is known to be impossible.
    fn why_unknown(&mut self, record: &NewRecord) -> Option<ErrorCode> {
        let metadata = &mut self.network.metadata;
        let error = metadata.topic_error(&record.topic);
        if error == ErrorCode::InvalidTopicException {
            return Some(error);
        }
        metadata.want(&record.topic);
        metadata.request_update();
        None
    }

    /// Does everything that can be done now.
    fn pump(&mut self, now: Now, out: &mut Effects) {
        loop {
            let version = self.network.metadata.version();
            if self.metadata_version != version {
                self.metadata_version = version;
                self.accumulator
                    .queues
                    .update_leaders(&self.network.metadata);
            }
            self.unblock(now, out);
            if self.accumulator.queues.has_leaderless() {
                self.network.metadata.request_update();
            }
            let (sender, mut context) = self.context(now, out);
            sender.send_ready(&mut context);
            sender.expire(&mut context);
            self.pending -= self.sender.take_ended();
            // What ended has freed memory; and what waited for it may be ready at once.
            if !self.unblock(now, out) {
                break;
            }
        }
        self.network.refresh_metadata(now.monotonic, out);
        if self.state == State::Closing && self.pending == 0 {
            self.state = State::Closed;
            out.push(Effect::Exit);
        }
        self.wake = self.next_wake();
    }

    fn next_wake(&self) -> Option<Timestamp> {
        if self.state == State::Closed {
            return None;
        }
        let blocked = self.blocked.front().map(|blocked| blocked.deadline);
        let ready = self
            .accumulator
            .queues
            .next_ready(|broker| self.network.ready_at(broker));
        let expiry = self.accumulator.next_expiry();
        let network = self.network.next_deadline();
        earliest(earliest(blocked, ready), earliest(expiry, network))
    }

    fn context<'a>(&'a mut self, now: Now, out: &'a mut Effects) -> (&'a mut Sender, Context<'a>) {
        let context = Context {
            now: now.monotonic,
            accumulator: &mut self.accumulator,
            network: &mut self.network,
            out,
        };
        (&mut self.sender, context)
    }

    fn lost(
        &mut self,
        now: Now,
        requests: Vec<(BrokerId, Tag)>,
        error: ErrorCode,
        out: &mut Effects,
    ) {
        let (sender, mut context) = self.context(now, out);
        for (_, tag) in requests {
            sender.lost(&mut context, &tag, error);
        }
    }

    /// Returns whether there may be more to do.
    fn take(&mut self, now: Now, input: Input, out: &mut Effects) -> bool {
        match input {
            Input::Command(Command::Send {
                operation,
                topic,
                partition,
                key,
                value,
            }) => {
                let record = NewRecord {
                    operation,
                    topic,
                    partition,
                    key,
                    value,
                };
                return self.send(now, record, out);
            }
            Input::Command(Command::Shutdown) => {
                self.state = State::Closing;
                self.accumulator.queues.set_hurry(true);
            }
            Input::Response {
                connection,
                correlation,
                response,
            } => {
                let answer =
                    self.network
                        .answered(now.monotonic, connection, correlation, *response);
                self.take_answer(now, answer, out);
            }
            Input::Connected { connection } => self.network.connected(connection),
            Input::Disconnected { connection } => {
                let lost = self.network.disconnected(now.monotonic, connection);
                self.lost(now, lost, ErrorCode::NetworkException, out);
            }
            Input::Timer(_) => {
                let lost = self.network.expire(now.monotonic, out);
                self.lost(now, lost, ErrorCode::RequestTimedOut, out);
            }
            // Not for a producer.
            Input::Request { .. } | Input::Command(_) => return false,
        }
        true
    }

    fn take_answer(&mut self, now: Now, answer: Answer<Tag>, out: &mut Effects) {
        let Answer::Client(_, tag, response) = answer else {
            return;
        };
        let (sender, mut context) = self.context(now, out);
        match response {
            Response::Produce(response) => sender.answered(&mut context, &tag, &response),
            _ => sender.lost(&mut context, &tag, ErrorCode::UnknownServerError),
        }
    }
}

impl Machine for Producer {
    fn handle(&mut self, now: Now, input: Input, out: &mut Effects) {
        if self.state == State::Closed {
            return;
        }
        if self.take(now, input, out) {
            self.pump(now, out);
        }
    }

    fn deadlines(&self, visit: &mut dyn FnMut(Lane, Timestamp)) {
        if let Some(at) = self.wake {
            visit(Lane::Main, at);
        }
    }

    fn lane(&self, _input: &Input) -> Lane {
        Lane::Main
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot::Client(ClientSnapshot {
            pending_operations: self.pending,
            positions: Vec::new(),
        })
    }
}
