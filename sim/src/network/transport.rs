//! Sending: carries out what machines want of the network.
//!
//! Next: `held.rs`.

use super::connection::{Direction, Found, Payload, Segment, ServerEnd};
use super::link::Passage;
use crate::history::{Message, Why};
use crate::world::{Happening, World};
use ktrial_core::message::{Api, Request, Response};
use ktrial_core::{ConnectionId, CorrelationId, Effect, NodeId, Timestamp};
use std::time::Duration;

impl World {
    /// Carries out an effect of the machine of `node`, which is not an event and not its exit.
    pub(crate) fn carry_out(&mut self, node: usize, effect: Effect) {
        match effect {
            Effect::Connect { connection, to } => self.connect(node, connection, to),
            Effect::Send {
                connection,
                to,
                correlation,
                request,
            } => self.send(node, connection, to, (correlation, request)),
            Effect::Respond {
                connection,
                correlation,
                response,
            } => self.respond(node, connection, correlation, response),
            Effect::Close { connection } => self.close(node, connection),
            Effect::Unanswered { .. } | Effect::Observe(_) | Effect::Exit => {}
        }
    }

    /// A message of a process that ended before the message left.
    pub(crate) fn never_sent(&mut self, node: usize, effect: &Effect) {
        let from = self.nodes[node].id;
        let (to, api, response) = match effect {
            Effect::Send { to, request, .. } => (*to, request.api(), false),
            Effect::Respond {
                connection,
                response,
                ..
            } => (connection.client, response.api(), true),
            Effect::Connect { .. }
            | Effect::Close { .. }
            | Effect::Unanswered { .. }
            | Effect::Observe(_)
            | Effect::Exit => return,
        };
        let message = self.message(from, to, api, response);
        self.dropped(message, Why::SenderStopped);
    }

    /// Opens a connection without a first request. If nobody has the address, nothing ever answers.
    fn connect(&mut self, node: usize, id: ConnectionId, to: NodeId) {
        if let (Some(server), Found::New) = (self.index(to), self.connections.find(node, id)) {
            let slot = self.connections.open(id, node, server);
            self.transmit(slot, Direction::Up, Payload::Open);
        }
    }

    fn send(
        &mut self,
        node: usize,
        id: ConnectionId,
        to: NodeId,
        (correlation, request): (CorrelationId, Box<Request>),
    ) {
        let found = self.connections.find(node, id);
        let Some(server) = self.index(to) else {
            // Nobody has that address: as silent as a machine without power, for ever.
            let message = self.message(self.nodes[node].id, to, request.api(), false);
            return self.dropped(message, Why::ReceiverDown);
        };
        let slot = match found {
            Found::Known(slot) => slot,
            Found::New => {
                let slot = self.connections.open(id, node, server);
                self.transmit(slot, Direction::Up, Payload::Open);
                slot
            }
            Found::Gone => return self.refuse_send(node, to, &request),
        };
        let connection = self.connections.at(slot);
        if !connection.client_open {
            self.refuse_send(node, to, &request);
        } else if connection.established {
            self.transmit(slot, Direction::Up, Payload::Request(correlation, request));
        } else {
            connection.waiting.push((self.now, correlation, request));
        }
    }

    fn refuse_send(&mut self, node: usize, to: NodeId, request: &Request) {
        let message = self.message(self.nodes[node].id, to, request.api(), false);
        self.dropped(message, Why::ConnectionClosed);
    }

    fn respond(
        &mut self,
        node: usize,
        id: ConnectionId,
        correlation: CorrelationId,
        response: Box<Response>,
    ) {
        let found = match self.index(id.client) {
            Some(client) => self.connections.find(client, id),
            None => Found::Gone,
        };
        if let Found::Known(slot) = found
            && let ServerEnd::Open(_) = self.connections.at(slot).server_end
        {
            let payload = Payload::Response(correlation, response);
            return self.transmit(slot, Direction::Down, payload);
        }
        let message = self.message(self.nodes[node].id, id.client, response.api(), true);
        self.dropped(message, Why::ConnectionClosed);
    }

    fn close(&mut self, node: usize, id: ConnectionId) {
        let Some(client) = self.index(id.client) else {
            return;
        };
        let Found::Known(slot) = self.connections.find(client, id) else {
            return;
        };
        if client == node {
            self.close_client_end(slot, Why::ConnectionClosed, true);
        } else {
            self.close_server_end(slot, true);
        }
    }

    /// Closes the client's end. Requests that wait for the handshake are dropped.
    pub(super) fn close_client_end(&mut self, slot: usize, why: Why, tell: bool) {
        let connection = self.connections.at(slot);
        if !connection.client_open {
            return;
        }
        connection.client_open = false;
        let (client, server) = (connection.client, connection.server);
        let waiting = std::mem::take(&mut connection.waiting);
        for (sent, _, request) in waiting {
            let (from, to) = (self.nodes[client].id, self.nodes[server].id);
            let message = Message {
                sent,
                ..self.message(from, to, request.api(), false)
            };
            self.dropped(message, why);
        }
        if tell {
            self.transmit(slot, Direction::Up, Payload::End);
        }
        self.connections.tidy(slot);
    }

    /// Closes the server's end.
    pub(super) fn close_server_end(&mut self, slot: usize, tell: bool) {
        let connection = self.connections.at(slot);
        if !matches!(connection.server_end, ServerEnd::Open(_)) {
            return;
        }
        connection.server_end = ServerEnd::Closed;
        if tell {
            self.transmit(slot, Direction::Down, Payload::End);
        }
        self.connections.tidy(slot);
    }

    /// Sends a new segment now.
    pub(super) fn transmit(&mut self, slot: usize, direction: Direction, payload: Payload) {
        let sent = self.now;
        self.transmit_since(slot, direction, payload, sent);
    }

    /// Sends a new segment now that its machine gave out at `sent`.
    pub(super) fn transmit_since(
        &mut self,
        slot: usize,
        direction: Direction,
        payload: Payload,
        sent: Timestamp,
    ) {
        let connection = self.connections.at(slot);
        connection.under_way += 1;
        let link = connection.ends(direction);
        let lane = connection.lane(direction);
        let number = lane.number();
        let waits = !lane.held.is_empty();
        let segment = Segment {
            connection: slot,
            direction,
            number,
            sent,
            payload,
        };
        if waits {
            // What comes after a held segment waits behind it.
            self.links.is_held(link, segment.payload.api());
            self.hold(segment);
        } else {
            self.put_on_link(segment, Duration::ZERO);
        }
    }

    /// Puts the first segment of its lane on its link, which takes `delay` longer for it. Tells whether it
    /// passed; else it is held.
    pub(super) fn put_on_link(&mut self, mut segment: Segment, delay: Duration) -> bool {
        let connection = self.connections.at(segment.connection);
        let link = connection.ends(segment.direction);
        let can_reset = !connection.reset && !matches!(segment.payload, Payload::End);
        let latency = match self.links.pass(link, segment.payload.api(), can_reset) {
            Passage::Takes(latency) => latency,
            Passage::Reset(latency) => {
                self.reset(&mut segment);
                latency
            }
            Passage::Lost => {
                self.hold_lost(segment);
                return false;
            }
            Passage::Held => {
                self.hold(segment);
                return false;
            }
        };
        let connection = self.connections.at(segment.connection);
        let lane = connection.lane(segment.direction);
        lane.passed();
        if lane.queued > 0 || self.links.rate(link, segment.payload.api()).is_some() {
            self.queue_up(link, segment, delay + latency);
        } else {
            self.travel(segment, delay + latency);
        }
        true
    }

    /// A segment is under way from now on; it overtakes none of its lane.
    pub(super) fn travel(&mut self, segment: Segment, latency: Duration) {
        let connection = self.connections.at(segment.connection);
        let lane = connection.lane(segment.direction);
        lane.last = lane.last.max(self.now + latency);
        self.agenda.push(lane.last, Happening::Arrive(segment));
    }

    /// The connection is reset between its ends: a reset goes to both, to the one in place of the segment.
    fn reset(&mut self, segment: &mut Segment) {
        self.lost(segment, Why::Reset);
        segment.payload = Payload::End;
        let (slot, direction) = (segment.connection, segment.direction);
        let connection = self.connections.at(slot);
        connection.reset = true;
        let (back, believes) = match direction {
            Direction::Up => (Direction::Down, connection.client_open),
            Direction::Down => {
                let open = matches!(connection.server_end, ServerEnd::Open(_));
                (Direction::Up, open)
            }
        };
        if believes {
            self.transmit(slot, back, Payload::End);
        }
    }

    /// A message that leaves now.
    pub(super) fn message(&self, from: NodeId, to: NodeId, api: Api, response: bool) -> Message {
        Message {
            sent: self.now,
            from,
            to,
            api,
            response,
        }
    }

    /// The message in a segment; `None` for TCP's own.
    pub(super) fn message_in(&mut self, segment: &Segment) -> Option<Message> {
        let (from, to) = self
            .connections
            .at(segment.connection)
            .ends(segment.direction);
        Some(Message {
            sent: segment.sent,
            from: self.nodes[from].id,
            to: self.nodes[to].id,
            api: segment.payload.api()?,
            response: matches!(segment.payload, Payload::Response(..)),
        })
    }
}
