//! Connections between processes, as both ends and the network know them.
//!
//! | end | states |
//! |---|---|
//! | client | open from its first send until it closes, is told of the other end's close, or its process ends |
//! | server | none until the handshake's first segment, open for the process that took it, closed |
//!
//! Invariants: a connection's place is used again only when nothing can name it any more: both ends are
//! closed and nothing is under way. Its name never comes back.
//!
//! Next: `transport.rs`.

use super::lane::Lane;
use ktrial_core::message::{Api, Request, Response};
use ktrial_core::{ConnectionId, CorrelationId, Incarnation, Timestamp};

/// Which way a segment goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Direction {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// What travels between two nodes.
#[derive(Debug)]
pub(crate) struct Segment {
    /// On which connection.
    pub(crate) connection: usize,
    /// Which way.
    pub(crate) direction: Direction,
    /// Its number in that direction.
    pub(crate) number: u32,
    /// When it left.
    pub(crate) sent: Timestamp,
    /// What it carries.
    pub(crate) payload: Payload,
}

/// What a segment carries.
#[derive(Debug)]
pub(crate) enum Payload {
    /// The client wants a connection.
    Open,
    /// The server has one for it.
    Accept,
    /// A request.
    Request(CorrelationId, Box<Request>),
    /// A response.
    Response(CorrelationId, Box<Response>),
    /// The sender's end is closed (FIN), or is not open (RST).
    End,
}

impl Payload {
    /// The API of a message; `None` for TCP's own segments.
    pub(crate) fn api(&self) -> Option<Api> {
        match self {
            Self::Request(_, request) => Some(request.api()),
            Self::Response(_, response) => Some(response.api()),
            Self::Open | Self::Accept | Self::End => None,
        }
    }
}

/// The server's end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ServerEnd {
    /// The handshake has not reached it.
    None,
    /// This process of the server took it.
    Open(Incarnation),
    /// Closed, or never taken.
    Closed,
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Connection {
    /// Its name.
    pub(crate) id: ConnectionId,
    /// The node that opened it.
    pub(crate) client: usize,
    /// The node that it goes to.
    pub(crate) server: usize,
    /// The client's end is open.
    pub(crate) client_open: bool,
    /// The handshake is done, as far as the client knows.
    pub(crate) established: bool,
    /// The server's end.
    pub(crate) server_end: ServerEnd,
    /// Requests that wait for the handshake, and since when.
    pub(crate) waiting: Vec<(Timestamp, CorrelationId, Box<Request>)>,
    /// Something between its ends has reset it.
    pub(crate) reset: bool,
    /// Segments under way or held back.
    pub(crate) under_way: u32,
    up: Lane,
    down: Lane,
}

impl Connection {
    /// The sender and receiver of a segment that goes this way.
    pub(crate) fn ends(&self, direction: Direction) -> (usize, usize) {
        match direction {
            Direction::Up => (self.client, self.server),
            Direction::Down => (self.server, self.client),
        }
    }

    /// The state of one direction.
    pub(crate) fn lane(&mut self, direction: Direction) -> &mut Lane {
        match direction {
            Direction::Up => &mut self.up,
            Direction::Down => &mut self.down,
        }
    }
}

/// All connections.
#[derive(Debug)]
pub(crate) struct Connections {
    slots: Vec<Connection>,
    free: Vec<usize>,
    /// By client, incarnation and number: the slot, or what became of it.
    names: Vec<Vec<Vec<Named>>>,
}

/// What a connection's name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Named {
    Unused,
    Slot(usize),
    Gone,
}

/// What a machine's use of a connection's name means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A connection that some end still knows.
    Known(usize),
    /// It was never opened.
    New,
    /// Nobody knows it any more.
    Gone,
}

impl Connections {
    /// None, between so many nodes.
    pub(crate) fn new(nodes: usize) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            names: vec![Vec::new(); nodes],
        }
    }

    /// The connection at a place.
    pub(crate) fn at(&mut self, slot: usize) -> &mut Connection {
        &mut self.slots[slot]
    }

    /// Every place where a connection is or was.
    pub(crate) fn slots(&self) -> std::ops::Range<usize> {
        0..self.slots.len()
    }

    /// Looks up a name.
    pub(crate) fn find(&self, client: usize, id: ConnectionId) -> Found {
        let named = self.names[client]
            .get(index(id.incarnation.0))
            .and_then(|numbers| numbers.get(index(id.number)));
        match named {
            None | Some(Named::Unused) => Found::New,
            Some(Named::Slot(slot)) => Found::Known(*slot),
            Some(Named::Gone) => Found::Gone,
        }
    }

    /// Enters a new connection.
    pub(crate) fn open(&mut self, id: ConnectionId, client: usize, server: usize) -> usize {
        let connection = Connection {
            id,
            client,
            server,
            client_open: true,
            established: false,
            server_end: ServerEnd::None,
            waiting: Vec::new(),
            reset: false,
            under_way: 0,
            up: Lane::default(),
            down: Lane::default(),
        };
        let slot = if let Some(slot) = self.free.pop() {
            self.slots[slot] = connection;
            slot
        } else {
            self.slots.push(connection);
            self.slots.len() - 1
        };
        *self.name(client, id) = Named::Slot(slot);
        slot
    }

    /// Forgets the connection if nothing can name it any more.
    pub(crate) fn tidy(&mut self, slot: usize) {
        let connection = &self.slots[slot];
        let server_open = matches!(connection.server_end, ServerEnd::Open(_));
        if connection.client_open || server_open || connection.under_way > 0 {
            return;
        }
        let (client, id) = (connection.client, connection.id);
        let name = self.name(client, id);
        if *name == Named::Slot(slot) {
            *name = Named::Gone;
            self.free.push(slot);
        }
    }

    fn name(&mut self, client: usize, id: ConnectionId) -> &mut Named {
        let incarnations = &mut self.names[client];
        let (incarnation, number) = (index(id.incarnation.0), index(id.number));
        if incarnations.len() <= incarnation {
            incarnations.resize(incarnation + 1, Vec::new());
        }
        let numbers = &mut incarnations[incarnation];
        if numbers.len() <= number {
            numbers.resize(number + 1, Named::Unused);
        }
        &mut numbers[number]
    }
}

fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
