//! The connections that a process serves. Of each, one request is read at a time: the next one stays in
//! the socket until the process has answered the one before, said that it needs no answer, or closed
//! the connection. So the answers on a connection come in the order of its requests, and a produce that
//! waits for replication holds up what its client sends after it.
//!
//! Source: Kafka's `SocketServer` mutes a connection so (`Processor.processCompletedReceives`).
//! Next: `lanes.rs`.

use ktrial_core::{ConnectionId, Input};
use std::collections::{BTreeMap, VecDeque};

/// The connections of which a request is being served, and what waits on each.
#[derive(Debug, Default)]
pub(super) struct Sockets(BTreeMap<ConnectionId, VecDeque<Input>>);

impl Sockets {
    /// An input came. Returns it if it can be read now: it is no request, or its connection is free.
    pub(super) fn arrived(&mut self, input: Input) -> Option<Input> {
        let Input::Request { connection, .. } = &input else {
            return Some(input);
        };
        if let Some(waiting) = self.0.get_mut(connection) {
            waiting.push_back(input);
            return None;
        }
        self.0.insert(*connection, VecDeque::new());
        Some(input)
    }

    /// The request that was being served has ended. Returns the next one of its connection.
    pub(super) fn ended(&mut self, connection: ConnectionId) -> Option<Input> {
        let next = self.0.get_mut(&connection)?.pop_front();
        if next.is_none() {
            self.0.remove(&connection);
        }
        next
    }

    /// The process closed the connection: what was not read is gone.
    pub(super) fn closed(&mut self, connection: ConnectionId) {
        self.0.remove(&connection);
    }
}
