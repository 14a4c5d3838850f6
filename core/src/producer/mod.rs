//! The producer. CONTRACT; the owner writes the rest.

use crate::config::ProducerConfig;
use crate::id::{BrokerId, ClientId, Incarnation};
use crate::machine::{Effects, Input, Lane, Machine};
use crate::random::Random;
use crate::rules::Rules;
use crate::snapshot::Snapshot;
use crate::time::{Now, Timestamp};

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
pub struct Producer {}

impl Producer {
    /// Starts.
    pub fn start(start: ProducerStart, now: Now) -> Self {
        let _ = (start, now);
        unimplemented!()
    }
}

impl Machine for Producer {
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
