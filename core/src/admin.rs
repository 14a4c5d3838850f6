//! The admin client. CONTRACT; the owner writes the rest.

use crate::id::{ClientId, ControllerId, Incarnation};
use crate::machine::{Effects, Input, Lane, Machine};
use crate::random::Random;
use crate::snapshot::Snapshot;
use crate::time::{Now, Timestamp};

/// What a admin client is given at its start.
#[derive(Clone, Debug)]
pub struct AdminStart {
    /// Its node.
    pub id: ClientId,
    /// Which start of it.
    pub incarnation: Incarnation,
    /// The controllers that it asks.
    pub controllers: Vec<ControllerId>,
    /// Its randomness.
    pub random: Random,
}

/// A admin client.
pub struct Admin {}

impl Admin {
    /// Starts.
    pub fn start(start: AdminStart, now: Now) -> Self {
        let _ = (start, now);
        unimplemented!()
    }
}

impl Machine for Admin {
    fn handle(&mut self, now: Now, input: Input, out: &mut Effects) {
        let _ = (now, input, out);
        unimplemented!()
    }
    fn deadlines(&self, visit: &mut dyn FnMut(Lane, Timestamp)) {
        let _ = visit;
        unimplemented!()
    }
    fn lane(&self, input: &Input) -> Lane {
        let _ = input;
        Lane::Main
    }
    fn snapshot(&self) -> Snapshot {
        unimplemented!()
    }
}
