//! The admin client: sends what an operator wants to the active controller until it is answered.
//!
//! Rule: one operation after the other; NOT_CONTROLLER, a lost connection or a timeout means asking
//! the next controller after a backoff; any other answer ends the operation.
//! Invariants: at most one request in flight; each operation ends once.
//! Simplified: no `default.api.timeout.ms`, so an operation waits as long as nobody answers; the
//! controllers are asked directly (`--bootstrap-controller`, KIP-919), without finding out first which
//! of them is active. A request that was lost may have been carried out, and is sent again.
//! Source: `KafkaAdminClient`, `AdminMetadataManager`.
//! Next: `channel.rs`.

use crate::channel::{Backoff, Channel, Connector};
use crate::error::ErrorCode;
use crate::event::Event;
use crate::id::{ClientId, Incarnation, NodeId, OperationId};
use crate::machine::{Command, Effect, Effects, Input, Lane, Machine};
use crate::message::{Request, Response};
use crate::random::Random;
use crate::snapshot::{ClientSnapshot, Snapshot};
use crate::time::{Now, Timestamp, earliest};
use std::collections::VecDeque;
use std::time::Duration;

/// What an admin client is given at its start.
#[derive(Clone, Debug)]
pub struct AdminStart {
    /// Its node.
    pub id: ClientId,
    /// Which start of it.
    pub incarnation: Incarnation,
    /// The controllers that it asks; with ZooKeeper the brokers, of whom one is it.
    pub controllers: Vec<NodeId>,
    /// Its randomness.
    pub random: Random,
}

/// An admin client.
#[derive(Debug)]
pub struct Admin {
    connector: Connector,
    random: Random,
    controllers: Vec<Channel<()>>,
    /// The controller that is asked now.
    current: usize,
    /// The first one is being asked.
    operations: VecDeque<Operation>,
    /// How often the first operation has failed, and when it is tried again.
    attempts: u32,
    retry_at: Timestamp,
    stopped: bool,
}

#[derive(Debug)]
struct Operation {
    id: OperationId,
    request: Request,
}

impl Admin {
    const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
    const RETRY: Backoff = Backoff {
        initial: Duration::from_millis(100),
        max: Duration::from_millis(1_000),
    };
    const RECONNECT: Backoff = Backoff {
        initial: Duration::from_millis(50),
        max: Duration::from_millis(1_000),
    };

    /// Starts.
    pub fn start(start: AdminStart, now: Now) -> Self {
        let _ = now;
        let channel = |id: &NodeId| Channel::new(*id);
        Self {
            connector: Connector::new(
                NodeId::Client(start.id),
                start.incarnation,
                Connector::SETUP,
                &start.random,
            ),
            random: start.random,
            controllers: start.controllers.iter().map(channel).collect(),
            current: 0,
            operations: VecDeque::new(),
            attempts: 0,
            retry_at: Timestamp::ZERO,
            stopped: false,
        }
    }

    fn pump(&mut self, now: Timestamp, out: &mut Effects) {
        let Some(channel) = self.controllers.get_mut(self.current) else {
            return;
        };
        let idle = channel.in_flight() == 0 && channel.is_ready(now) && now >= self.retry_at;
        if let Some(operation) = self.operations.front().filter(|_| idle) {
            let request = operation.request.clone();
            let timeout = Self::REQUEST_TIMEOUT;
            channel.send(now, &mut self.connector, request, timeout, (), out);
        }
    }

    /// The controller that was asked is not the right one or cannot be reached.
    fn rotate(&mut self, now: Timestamp) {
        self.current = (self.current + 1) % self.controllers.len().max(1);
        self.retry_at = now + Self::RETRY.after(self.attempts, &mut self.random);
        self.attempts += 1;
    }

    fn answered(&mut self, now: Timestamp, response: &Response, out: &mut Effects) {
        let (error, message) = first_error(response);
        if error == ErrorCode::NotController {
            self.rotate(now);
            return;
        }
        self.attempts = 0;
        self.retry_at = now;
        if let Some(operation) = self.operations.pop_front() {
            out.observe(Event::Administered {
                operation: operation.id,
                error,
                message,
            });
        }
    }

    fn take(&mut self, now: Timestamp, input: Input, out: &mut Effects) {
        match input {
            Input::Command(Command::Administer { operation, request }) => {
                self.operations.push_back(Operation {
                    id: operation,
                    request: *request,
                });
            }
            Input::Command(Command::Shutdown) => {
                self.stopped = true;
                out.push(Effect::Exit);
            }
            Input::Response {
                connection,
                correlation,
                response,
            } => {
                let channels = &mut self.controllers;
                let answered = channels
                    .iter_mut()
                    .any(|channel| channel.answered(connection, correlation).is_some());
                if answered {
                    self.answered(now, &response, out);
                }
            }
            Input::Connected { connection } => {
                for channel in &mut self.controllers {
                    channel.connected(connection);
                }
            }
            Input::Disconnected { connection } => {
                let (backoff, random) = (Self::RECONNECT, &mut self.random);
                let lost = self.controllers.iter_mut().any(|channel| {
                    let lost = channel.disconnected(connection, now, backoff, random);
                    !lost.is_empty()
                });
                if lost {
                    self.rotate(now);
                }
            }
            Input::Timer(_) => {
                let random = &mut self.random;
                let expired = self
                    .controllers
                    .iter_mut()
                    .any(|channel| channel.expire(now, Self::RECONNECT, random, out).is_some());
                if expired {
                    self.rotate(now);
                }
            }
            // Not for an admin client.
            Input::Request { .. } | Input::Command(_) => {}
        }
    }
}

/// The first error in an answer, and what was said of it.
fn first_error(response: &Response) -> (ErrorCode, Option<String>) {
    let found = match response {
        Response::CreateTopics(response) => response
            .topics
            .iter()
            .find(|topic| !topic.error.is_none())
            .map(|topic| (topic.error, topic.message.clone())),
        Response::DeleteTopics(response) => response
            .topics
            .iter()
            .find(|(_, error)| !error.is_none())
            .map(|(topic, error)| (*error, Some(topic.to_string()))),
        Response::CreatePartitions(response) => Some(response)
            .filter(|response| !response.error.is_none())
            .map(|response| (response.error, response.message.clone())),
        Response::ElectLeaders(response) => std::iter::once(response.error)
            .chain(response.partitions.iter().map(|partition| partition.1))
            .find(|error| !error.is_none())
            .map(|error| (error, None)),
        Response::AlterPartitionReassignments(response) => response
            .partitions
            .iter()
            .find(|(_, error, _)| !error.is_none())
            .map(|(_, error, message)| (*error, message.clone())),
        Response::IncrementalAlterConfigs(response) => response
            .resources
            .iter()
            .find(|resource| !resource.1.is_none())
            .map(|resource| (resource.1, resource.2.clone())),
        _ => Some((ErrorCode::UnknownServerError, None)),
    };
    found.unwrap_or_default()
}

impl Machine for Admin {
    fn handle(&mut self, now: Now, input: Input, out: &mut Effects) {
        if self.stopped {
            return;
        }
        self.take(now.monotonic, input, out);
        if !self.stopped {
            self.pump(now.monotonic, out);
        }
    }

    fn deadlines(&self, visit: &mut dyn FnMut(Lane, Timestamp)) {
        let Some(channel) = self.controllers.get(self.current).filter(|_| !self.stopped) else {
            return;
        };
        let waiting = !self.operations.is_empty() && channel.in_flight() == 0;
        let retry = waiting.then(|| channel.ready_at().max(self.retry_at));
        if let Some(at) = earliest(retry, channel.next_deadline()) {
            visit(Lane::Main, at);
        }
    }

    fn lane(&self, _input: &Input) -> Lane {
        Lane::Main
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot::Client(ClientSnapshot {
            pending_operations: self.operations.len(),
            positions: Vec::new(),
        })
    }
}
