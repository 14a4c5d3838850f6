//! The broker. CONTRACT; the owner writes the rest.

use crate::config::{BrokerConfig, TopicConfig};
use crate::id::{BrokerId, ControllerId, Incarnation};
use crate::machine::{Effects, Input, Lane, Machine, StartError};
use crate::random::Random;
use crate::rules::Rules;
use crate::snapshot::Snapshot;
use crate::storage::Storage;
use crate::time::{Now, Timestamp};

/// What a broker process is given at its start.
#[derive(Clone, Debug)]
pub struct BrokerStart {
    /// Its `node.id`.
    pub id: BrokerId,
    /// Which start of it.
    pub incarnation: Incarnation,
    /// Its settings.
    pub config: BrokerConfig,
    /// Defaults of topics, from its properties file.
    pub topic_defaults: TopicConfig,
    /// The generation of the protocol.
    pub rules: Rules,
    /// The controllers (`controller.quorum.voters`).
    pub controllers: Vec<ControllerId>,
    /// Its randomness.
    pub random: Random,
}

/// A broker process.
pub struct Broker {}

impl Broker {
    /// Starts over what the disk holds.
    ///
    /// # Errors
    /// The disk failed, or its files cannot be used.
    pub fn start(
        start: BrokerStart,
        storage: Box<dyn Storage>,
        now: Now,
        out: &mut Effects,
    ) -> Result<Self, StartError> {
        let _ = (start, storage, now, out);
        unimplemented!()
    }
}

impl Machine for Broker {
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
