//! A connection to one server as a client keeps it: opened by itself or by the first request, with
//! requests in flight that are answered in order, closed when it does not open in time or one of
//! them times out, opened again after a backoff. Producer, consumer, admin client, replica fetchers
//! and the broker's channels to the controller all use it.
//!
//! | from | to | trigger |
//! |---|---|---|
//! | closed | opening | its owner connects or sends a request, once the backoff is over |
//! | opening | established | the driver says so (`Input::Connected`), or a response comes |
//! | opening | closed | not established within the setup timeout, which doubles with each such failure |
//! | any | closed | refused, reset, a request timed out, or closed by its owner |
//!
//! Source: `NetworkClient.handleTimedOutRequests`, `handleTimedOutConnections`,
//! `ClusterConnectionStates`, `InFlightRequests`, `ExponentialBackoff.backoff`.
//! Simplified: no ApiVersions handshake, no idle close. Brokers and the admin client give requests to a
//! connection that is still opening, where Kafka keeps them until it is ready: they try again anyway.
//! Producers and consumers connect first, for what they count as sent is not theirs to lose.
//!
//! Next: whoever owns the channel.

use crate::id::{ConnectionId, CorrelationId, Incarnation, NodeId};
use crate::machine::{Effect, Effects};
use crate::message::Request;
use crate::random::Random;
use crate::time::{Timestamp, earliest};
use std::collections::VecDeque;
use std::time::Duration;

/// Names the connections and requests of one process, and says how long a connection may take to
/// open. Shared by all its channels.
#[derive(Clone, Debug)]
pub struct Connector {
    node: NodeId,
    incarnation: Incarnation,
    setup: Backoff,
    random: Random,
    next_connection: u32,
    next_correlation: u32,
}

impl Connector {
    /// `socket.connection.setup.timeout.ms` and its `max`, by default.
    pub const SETUP: Backoff = Backoff {
        initial: Duration::from_secs(10),
        max: Duration::from_secs(30),
    };

    /// For a process that just started. `random` is the process's; nothing is drawn from it.
    pub fn new(node: NodeId, incarnation: Incarnation, setup: Backoff, random: &Random) -> Self {
        Self {
            node,
            incarnation,
            setup,
            random: random.part("connection setup"),
            next_connection: 0,
            next_correlation: 0,
        }
    }

    fn setup_timeout(&mut self, failures: u32) -> Duration {
        self.setup.after(failures, &mut self.random)
    }

    fn connection(&mut self) -> ConnectionId {
        let number = self.next_connection;
        self.next_connection += 1;
        ConnectionId {
            client: self.node,
            incarnation: self.incarnation,
            number,
        }
    }

    fn correlation(&mut self) -> CorrelationId {
        let number = self.next_correlation;
        self.next_correlation = self.next_correlation.wrapping_add(1);
        CorrelationId(number)
    }
}

/// Waits that double with each failure up to a maximum, with jitter of 20 %.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// The first wait.
    pub initial: Duration,
    /// The longest wait.
    pub max: Duration,
}

impl Backoff {
    /// The wait after `failures` earlier failures (0 for the first).
    pub fn after(&self, failures: u32, random: &mut Random) -> Duration {
        const JITTER_PERCENT: u64 = 20;
        let doubled = self
            .initial
            .saturating_mul(1 << failures.min(20))
            .min(self.max);
        random.jitter(doubled, JITTER_PERCENT).min(self.max)
    }
}

/// A connection to one server. `T` is what its owner wants to remember of each request.
#[derive(Clone, Debug)]
pub struct Channel<T> {
    to: NodeId,
    connection: Option<ConnectionId>,
    /// It has to be established by then; `None` = it is.
    setup_until: Option<Timestamp>,
    /// Connections in a row that were never established.
    setup_failures: u32,
    /// Something was answered on the connection.
    proven: bool,
    /// When a connection was last begun, or ended.
    tried_at: Option<Timestamp>,
    in_flight: VecDeque<InFlight<T>>,
    failures: u32,
    retry_at: Timestamp,
}

#[derive(Clone, Debug)]
struct InFlight<T> {
    correlation: CorrelationId,
    deadline: Timestamp,
    tag: T,
}

impl<T> Channel<T> {
    /// A channel to `to`, not connected.
    pub fn new(to: NodeId) -> Self {
        Self {
            to,
            connection: None,
            setup_until: None,
            setup_failures: 0,
            proven: false,
            tried_at: None,
            in_flight: VecDeque::new(),
            failures: 0,
            retry_at: Timestamp::ZERO,
        }
    }

    /// The server.
    pub fn to(&self) -> NodeId {
        self.to
    }

    /// Requests that wait for a response.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// When the backoff after the last failure ends; a request before that is not sent.
    pub fn ready_at(&self) -> Timestamp {
        self.retry_at
    }

    /// Whether a request may be sent now.
    pub fn is_ready(&self, now: Timestamp) -> bool {
        now >= self.retry_at
    }

    /// Begins to open a connection, if there is none.
    pub fn connect(&mut self, now: Timestamp, connector: &mut Connector, out: &mut Effects) {
        if self.connection.is_none() {
            let connection = self.open(now, connector);
            out.push(Effect::Connect {
                connection,
                to: self.to,
            });
        }
    }

    /// Sends a request, opening a connection if there is none. `tag` comes back with its end.
    pub fn send(
        &mut self,
        now: Timestamp,
        connector: &mut Connector,
        request: Request,
        timeout: Duration,
        tag: T,
        out: &mut Effects,
    ) {
        let connection = self.open(now, connector);
        let correlation = connector.correlation();
        self.in_flight.push_back(InFlight {
            correlation,
            deadline: now + timeout,
            tag,
        });
        out.push(Effect::Send {
            connection,
            to: self.to,
            correlation,
            request: Box::new(request),
        });
    }

    /// Sends a request that is never answered (a produce with acks=0).
    pub fn send_one_way(
        &mut self,
        now: Timestamp,
        connector: &mut Connector,
        request: Request,
        out: &mut Effects,
    ) {
        let connection = self.open(now, connector);
        let correlation = connector.correlation();
        out.push(Effect::Send {
            connection,
            to: self.to,
            correlation,
            request: Box::new(request),
        });
    }

    fn open(&mut self, now: Timestamp, connector: &mut Connector) -> ConnectionId {
        *self.connection.get_or_insert_with(|| {
            self.tried_at = Some(now);
            self.setup_until = Some(now + connector.setup_timeout(self.setup_failures));
            connector.connection()
        })
    }

    /// Takes note that a connection is established.
    pub fn connected(&mut self, connection: ConnectionId) {
        if self.owns(connection) {
            self.establish();
        }
    }

    fn establish(&mut self) {
        self.setup_until = None;
        self.setup_failures = 0;
    }

    /// Whether a connection has been begun that is not established yet.
    pub fn is_opening(&self) -> bool {
        self.setup_until.is_some()
    }

    /// Whether there is an established connection.
    pub fn is_established(&self) -> bool {
        self.connection.is_some() && !self.is_opening()
    }

    /// Whether the other side has answered on the connection that is open.
    pub fn is_proven(&self) -> bool {
        self.proven
    }

    /// When a connection was last begun or ended; `None` = never.
    pub fn tried_at(&self) -> Option<Timestamp> {
        self.tried_at
    }

    /// The channel's connection now.
    pub fn connection(&self) -> Option<ConnectionId> {
        self.connection
    }

    /// Whether this is the channel's connection now. Answers on older ones are to be ignored.
    pub fn owns(&self, connection: ConnectionId) -> bool {
        self.connection == Some(connection)
    }

    /// Takes note of a response and returns the tag of its request, or `None` if it is not one that
    /// is waited for.
    pub fn answered(&mut self, connection: ConnectionId, correlation: CorrelationId) -> Option<T> {
        if !self.owns(connection) {
            return None;
        }
        let front = self.in_flight.front()?;
        if front.correlation != correlation {
            return None;
        }
        self.failures = 0;
        self.proven = true;
        self.establish();
        self.in_flight.pop_front().map(|request| request.tag)
    }

    /// As [`Channel::answered`], where several threads of a process share the connection: what one of them
    /// sends while it is busy goes out when it is done, and the others' requests overtake it.
    pub fn answered_in_any_order(
        &mut self,
        connection: ConnectionId,
        correlation: CorrelationId,
    ) -> Option<T> {
        let mut waiting = self.in_flight.iter();
        let place = waiting.position(|request| request.correlation == correlation)?;
        let request = self.in_flight.remove(place)?;
        self.in_flight.push_front(request);
        self.answered(connection, correlation)
    }

    /// Takes note that the other side refused or reset the connection. Returns the tags of the
    /// requests that will not be answered, oldest first.
    pub fn disconnected(
        &mut self,
        connection: ConnectionId,
        now: Timestamp,
        backoff: Backoff,
        random: &mut Random,
    ) -> Vec<T> {
        if !self.owns(connection) {
            return Vec::new();
        }
        self.fail(now, backoff, random)
    }

    /// If a request has timed out, or the connection did not open in time, closes it. Returns the
    /// tags of all requests that were in flight on it, oldest first; `None` = nothing to close.
    pub fn expire(
        &mut self,
        now: Timestamp,
        backoff: Backoff,
        random: &mut Random,
        out: &mut Effects,
    ) -> Option<Vec<T>> {
        self.next_deadline().filter(|deadline| now >= *deadline)?;
        Some(self.close(now, backoff, random, out))
    }

    /// Closes the connection by this side's own will. Returns the tags of all requests in flight.
    pub fn close(
        &mut self,
        now: Timestamp,
        backoff: Backoff,
        random: &mut Random,
        out: &mut Effects,
    ) -> Vec<T> {
        if let Some(connection) = self.connection {
            out.push(Effect::Close { connection });
        }
        self.fail(now, backoff, random)
    }

    /// When the first request in flight, or the opening of the connection, times out.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        // Timeouts of one channel may differ from request to request, so the oldest may not be first.
        let request = self.in_flight.iter().map(|request| request.deadline).min();
        earliest(request, self.setup_until)
    }

    fn fail(&mut self, now: Timestamp, backoff: Backoff, random: &mut Random) -> Vec<T> {
        if self.connection.take().is_some() {
            self.setup_failures = if self.is_opening() {
                self.setup_failures.saturating_add(1)
            } else {
                0
            };
            self.tried_at = Some(now);
        }
        self.setup_until = None;
        self.proven = false;
        self.retry_at = now + backoff.after(self.failures, random);
        self.failures = self.failures.saturating_add(1);
        self.in_flight
            .drain(..)
            .map(|request| request.tag)
            .collect()
    }
}

#[cfg(test)]
#[path = "channel_tests.rs"]
mod tests;
