//! Arriving: what becomes of a segment at the other side, and which input that is to the machine there.
//!
//! Two steps: the kernel takes a segment (here cuts, order and the machine's power matter), then the
//! process reads it. They fall together unless the process is frozen. What the kernel has no later cut
//! can hold back, and TCP will not send it again. What overtook an earlier segment of its connection
//! waits in the kernel until that has come.
//!
//! Next: `fault.rs`.

use super::connection::{Direction, Payload, Segment, ServerEnd};
use crate::history::Why;
use crate::world::{Happening, World};
use ktrial_core::Input;

impl World {
    /// A segment reaches the other side. Returns the node whose process gets an input, and the input.
    pub(crate) fn arrive(&mut self, segment: Segment) -> Option<(usize, Input)> {
        let connection = self.connections.at(segment.connection);
        let link = connection.ends(segment.direction);
        let to = link.1;
        let lane = connection.lane(segment.direction);
        if lane.has_lost(segment.number) {
            self.never_read(&segment, Why::SenderStopped);
            return None;
        }
        let cut = self.links.is_held(link, segment.payload.api());
        if cut || !self.nodes[to].powered {
            lane.hold(segment);
            return None;
        }
        if !lane.is_next(segment.number) {
            lane.early.insert(segment.number, segment);
            return None;
        }
        // The kernel has it now. It shakes hands by itself; all else the process reads in order.
        let waits = lane.unread > 0 || self.nodes[to].paused;
        let waits = waits && !matches!(segment.payload, Payload::Open);
        lane.take();
        let (slot, direction) = (segment.connection, segment.direction);
        let input = if waits {
            self.wait_to_be_read(segment, to);
            None
        } else {
            self.take(segment)
        };
        self.take_early(slot, direction, to);
        input
    }

    /// The kernel goes on with what overtook the segment that it has just taken.
    fn take_early(&mut self, slot: usize, direction: Direction, node: usize) {
        while let Some(segment) = self.connections.at(slot).lane(direction).next_early() {
            self.connections.at(slot).lane(direction).take();
            self.wait_to_be_read(segment, node);
        }
    }

    fn wait_to_be_read(&mut self, segment: Segment, node: usize) {
        let happening = Happening::Read(segment);
        if self.nodes[node].paused {
            self.nodes[node].inbox.push(happening);
        } else {
            self.agenda.push(self.now, happening);
        }
    }

    /// A process that was frozen may read a segment that its kernel has. Returns as [`Self::arrive`].
    pub(crate) fn read(&mut self, segment: Segment) -> Option<(usize, Input)> {
        let connection = self.connections.at(segment.connection);
        let (_, to) = connection.ends(segment.direction);
        if self.nodes[to].paused {
            self.wait_to_be_read(segment, to);
            return None;
        }
        if !self.nodes[to].powered {
            self.unread_lost(&segment);
            return None;
        }
        self.take(segment)
    }

    /// The machine lost power: what its kernel had and no process has read is gone.
    pub(crate) fn unread_lost(&mut self, segment: &Segment) {
        let connection = self.connections.at(segment.connection);
        connection.lane(segment.direction).unread -= 1;
        self.never_read(segment, Why::ReceiverDown);
    }

    /// A segment ends here unread.
    pub(super) fn never_read(&mut self, segment: &Segment, why: Why) {
        self.connections.at(segment.connection).under_way -= 1;
        self.lost(segment, why);
        self.connections.tidy(segment.connection);
    }

    /// A segment is read: what that is to the machine.
    fn take(&mut self, segment: Segment) -> Option<(usize, Input)> {
        let connection = self.connections.at(segment.connection);
        let (_, to) = connection.ends(segment.direction);
        connection.lane(segment.direction).unread -= 1;
        connection.under_way -= 1;
        let slot = segment.connection;
        let input = match segment.direction {
            Direction::Up => self.arrive_at_server(segment, to),
            Direction::Down => self.arrive_at_client(segment, to),
        };
        if input.is_none() {
            self.connections.tidy(slot);
        }
        input.map(|input| (to, input))
    }

    fn arrive_at_server(&mut self, segment: Segment, node: usize) -> Option<Input> {
        let slot = segment.connection;
        let connection = self.connections.at(slot);
        match segment.payload {
            Payload::Open => {
                if let Some(process) = self.nodes[node].process {
                    connection.server_end = ServerEnd::Open(process);
                    self.transmit(slot, Direction::Down, Payload::Accept);
                } else {
                    connection.server_end = ServerEnd::Closed;
                    self.transmit(slot, Direction::Down, Payload::End);
                }
                None
            }
            Payload::Request(..) if !matches!(connection.server_end, ServerEnd::Open(_)) => {
                let why = if self.nodes[node].process.is_some() {
                    Why::ConnectionClosed
                } else {
                    Why::ReceiverDown
                };
                self.lost(&segment, why);
                self.transmit(slot, Direction::Down, Payload::End);
                None
            }
            Payload::Request(correlation, request) => {
                let (id, client) = (connection.id, connection.client);
                if self.recorder.keeps_messages() {
                    let mut message = self.message(
                        self.nodes[client].id,
                        self.nodes[node].id,
                        request.api(),
                        false,
                    );
                    message.sent = segment.sent;
                    self.delivered(message);
                }
                Some(Input::Request {
                    connection: id,
                    correlation,
                    request,
                })
            }
            Payload::End => {
                connection.server_end = ServerEnd::Closed;
                None
            }
            Payload::Accept | Payload::Response(..) => None,
        }
    }

    fn arrive_at_client(&mut self, segment: Segment, node: usize) -> Option<Input> {
        let slot = segment.connection;
        let connection = self.connections.at(slot);
        if !connection.client_open {
            let why = if self.nodes[node].process.is_some() {
                Why::ConnectionClosed
            } else {
                Why::ReceiverDown
            };
            self.lost(&segment, why);
            // The reset reaches a server that still believes in the connection.
            if !matches!(segment.payload, Payload::End)
                && matches!(self.connections.at(slot).server_end, ServerEnd::Open(_))
            {
                self.transmit(slot, Direction::Up, Payload::End);
            }
            return None;
        }
        match segment.payload {
            Payload::Accept => {
                connection.established = true;
                let id = connection.id;
                for (sent, correlation, request) in std::mem::take(&mut connection.waiting) {
                    let payload = Payload::Request(correlation, request);
                    self.transmit_since(slot, Direction::Up, payload, sent);
                }
                Some(Input::Connected { connection: id })
            }
            Payload::Response(correlation, response) => {
                let (id, server) = (connection.id, connection.server);
                if self.recorder.keeps_messages() {
                    let mut message = self.message(
                        self.nodes[server].id,
                        self.nodes[node].id,
                        response.api(),
                        true,
                    );
                    message.sent = segment.sent;
                    self.delivered(message);
                }
                Some(Input::Response {
                    connection: id,
                    correlation,
                    response,
                })
            }
            Payload::End => {
                let id = connection.id;
                let why = if connection.reset {
                    Why::Reset
                } else {
                    Why::ReceiverDown
                };
                self.close_client_end(slot, why, false);
                Some(Input::Disconnected { connection: id })
            }
            Payload::Open | Payload::Request(..) => None,
        }
    }

    /// A segment ends here; recorded if it was a message.
    pub(super) fn lost(&mut self, segment: &Segment, why: Why) {
        if let Some(message) = self.message_in(segment) {
            self.dropped(message, why);
        }
    }
}
