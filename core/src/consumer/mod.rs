//! The consumer: reads the partitions that it is assigned, from their leaders or from followers that
//! those have named, for an application.
//!
//! Rule: after every input, each partition gets what it waits for: a position, a validation or a fetch.
//! Invariants: at most one fetch in flight per broker (`fetching_from`).
//! Simplified: no groups and no committed offsets; the application polls without pause and handles
//! no errors (see `positions.rs`, `fetcher.rs`).
//! Source: `ClassicKafkaConsumer.poll`, `SubscriptionState`, `AbstractFetch`.
//! Next: `positions.rs`, then `fetcher.rs`.

mod fetcher;
mod offset_reset;
mod positions;
mod read_replica;
mod validation;

use crate::channel::{Backoff, Connector};
use crate::client_metadata::ClientMetadata;
use crate::client_metadata::network::{Answer, Network, NetworkSettings};
use crate::config::ConsumerConfig;
use crate::fetch_session::FetchSessionHandler;
use crate::id::{BrokerId, ClientId, Incarnation, NodeId, TopicPartition};
use crate::machine::{Command, Effect, Effects, Input, Lane, Machine};
use crate::message::Response;
use crate::offset::LeaderEpoch;
use crate::random::Random;
use crate::rules::Rules;
use crate::snapshot::{ClientSnapshot, Snapshot};
use crate::time::{Now, Timestamp, earliest};
use fetcher::Fetched;
use positions::{FetchState, Positions};
use std::collections::{BTreeMap, BTreeSet};
use validation::Asked;

/// What a consumer is given at its start.
#[derive(Clone, Debug)]
pub struct ConsumerStart {
    /// Its node.
    pub id: ClientId,
    /// Which start of it.
    pub incarnation: Incarnation,
    /// Its settings.
    pub config: ConsumerConfig,
    /// The brokers that it asks first (`bootstrap.servers`).
    pub bootstrap: Vec<BrokerId>,
    /// The generation of the protocol.
    pub rules: Rules,
    /// Its randomness.
    pub random: Random,
}

/// A consumer.
#[derive(Debug)]
pub struct Consumer {
    config: ConsumerConfig,
    rules: Rules,
    retry: Backoff,
    positions: Positions,
    network: Network<Tag>,
    fetching_from: BTreeSet<BrokerId>,
    /// What each broker knows of what is read there.
    sessions: BTreeMap<BrokerId, FetchSessionHandler>,
    metadata_version: u64,
    stopped: bool,
    wake: Option<Timestamp>,
}

/// What the consumer remembers of a request.
#[derive(Clone, Debug)]
enum Tag {
    Fetch(Fetched),
    Offsets(Vec<TopicPartition>),
    Epochs(Asked),
}

impl Consumer {
    /// Starts.
    pub fn start(start: ConsumerStart, now: Now) -> Self {
        /// Kafka's consumers have no setting for it.
        const MAX_IN_FLIGHT: usize = 100;
        let _ = now;
        let config = start.config;
        let retry = Backoff {
            initial: config.retry_backoff,
            max: config.retry_backoff_max,
        };
        let settings = NetworkSettings {
            reconnect: Backoff {
                initial: config.reconnect_backoff,
                max: config.reconnect_backoff_max,
            },
            request_timeout: config.request_timeout,
            max_in_flight: MAX_IN_FLIGHT,
        };
        let metadata = ClientMetadata::new(start.bootstrap, retry, config.metadata_max_age);
        let setup = Backoff {
            initial: config.socket_connection_setup_timeout,
            max: config.socket_connection_setup_timeout_max,
        };
        let node = NodeId::Client(start.id);
        let connector = Connector::new(node, start.incarnation, setup, &start.random);
        Self {
            retry,
            positions: Positions::new(config.auto_offset_reset, start.rules),
            network: Network::new(metadata, connector, settings, start.random),
            fetching_from: BTreeSet::new(),
            sessions: BTreeMap::new(),
            metadata_version: 0,
            stopped: false,
            wake: None,
            rules: start.rules,
            config,
        }
    }

    fn assign(&mut self, partitions: Vec<TopicPartition>) {
        for partition in &partitions {
            self.network.metadata.want(&partition.topic);
        }
        self.positions.assign(partitions);
        let positions = &self.positions;
        self.network
            .metadata
            .retain(|topic| positions.is_assigned_topic(topic));
    }

    /// The leader epoch to send along: brokers before KIP-320 do not check it.
    fn fencing_epoch(&self, epoch: Option<LeaderEpoch>) -> Option<LeaderEpoch> {
        epoch.filter(|_| self.rules.fetch_epoch_fencing)
    }

    /// These partitions wait for fresh metadata and a backoff.
    fn retry_later(&mut self, now: Timestamp, partitions: &[TopicPartition]) {
        if partitions.is_empty() {
            return;
        }
        self.network.metadata.request_update();
        let at = now + self.retry.after(0, &mut self.network.random);
        for partition in partitions {
            self.positions.wait(partition, at);
        }
    }

    fn lost(&mut self, now: Timestamp, requests: Vec<(BrokerId, Tag)>, out: &mut Effects) {
        for (broker, tag) in requests {
            self.lost_one(now, broker, tag, out);
        }
    }

    fn lost_one(&mut self, now: Timestamp, broker: BrokerId, tag: Tag, out: &mut Effects) {
        match tag {
            // The broker's own reconnect backoff holds the next fetch back.
            Tag::Fetch(asked) => {
                for partition in asked.keys() {
                    self.positions.clear_read_replica(partition, out);
                }
                self.fetching_from.remove(&broker);
                self.sessions.entry(broker).or_default().failed();
            }
            Tag::Offsets(partitions) => self.retry_later(now, &partitions),
            Tag::Epochs(asked) => {
                let partitions: Vec<_> = asked.into_iter().map(|asked| asked.0).collect();
                self.retry_later(now, &partitions);
            }
        }
    }

    fn take(&mut self, now: Timestamp, input: Input, out: &mut Effects) {
        match input {
            Input::Command(Command::Assign { partitions }) => self.assign(partitions),
            Input::Command(Command::Shutdown) => {
                self.stopped = true;
                out.push(Effect::Exit);
            }
            Input::Response {
                connection,
                correlation,
                response,
            } => {
                let answer = self
                    .network
                    .answered(now, connection, correlation, *response);
                self.take_answer(now, answer, out);
            }
            Input::Connected { connection } => self.network.connected(connection),
            Input::Disconnected { connection } => {
                let lost = self.network.disconnected(now, connection);
                self.lost(now, lost, out);
            }
            Input::Timer(_) => {
                let lost = self.network.expire(now, out);
                self.lost(now, lost, out);
            }
            // Not for a consumer.
            Input::Request { .. } | Input::Command(_) => {}
        }
    }

    fn take_answer(&mut self, now: Timestamp, answer: Answer<Tag>, out: &mut Effects) {
        let Answer::Client(broker, tag, response) = answer else {
            return;
        };
        match (tag, response) {
            (Tag::Fetch(asked), Response::Fetch(response)) => {
                self.fetching_from.remove(&broker);
                self.take_fetched(now, (broker, asked), response, out);
            }
            (Tag::Offsets(asked), Response::ListOffsets(response)) => {
                self.take_offsets(now, asked, &response, out);
            }
            (Tag::Epochs(asked), Response::OffsetForLeaderEpoch(response)) => {
                self.take_epochs(now, asked, &response, out);
            }
            (tag, _) => self.lost_one(now, broker, tag, out),
        }
    }

    /// Does everything that can be done now.
    fn pump(&mut self, now: Timestamp, out: &mut Effects) {
        let version = self.network.metadata.version();
        if self.metadata_version != version {
            self.metadata_version = version;
            self.positions.update_leaders(&self.network.metadata);
        }
        self.positions.initialize(out);
        self.ask_offsets(now, out);
        self.ask_epochs(now, out);
        self.leave_read_replicas(now, out);
        self.fetch(now, out);
        self.network.refresh_metadata(now, out);
        self.wake = self.next_wake(now);
    }

    fn next_wake(&self, now: Timestamp) -> Option<Timestamp> {
        let network = self.network.next_deadline();
        self.positions
            .iter()
            .fold(network, |next, (partition, assigned)| {
                let leadership = match (assigned.state, assigned.position) {
                    (FetchState::Fetching | FetchState::AwaitValidation, Some(position)) => {
                        position.leadership
                    }
                    (FetchState::AwaitReset(..), _) => self.network.metadata.leadership(partition),
                    _ => return next,
                };
                let fetching = assigned.state == FetchState::Fetching;
                let at = leadership
                    .leader
                    .map(|leader| match fetching {
                        true => assigned.read_from(leader, now),
                        false => leader,
                    })
                    .filter(|leader| !(fetching && self.fetching_from.contains(leader)))
                    .and_then(|leader| self.network.ready_at(leader));
                earliest(next, at.map(|at| at.max(assigned.retry_at)))
            })
    }
}

impl Machine for Consumer {
    fn handle(&mut self, now: Now, input: Input, out: &mut Effects) {
        if self.stopped {
            return;
        }
        self.take(now.monotonic, input, out);
        if self.stopped {
            self.wake = None;
        } else {
            self.pump(now.monotonic, out);
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
        let position = |(partition, assigned): (&TopicPartition, &positions::Assigned)| {
            Some((partition.clone(), assigned.position?.offset))
        };
        Snapshot::Client(ClientSnapshot {
            pending_operations: 0,
            positions: self.positions.iter().filter_map(position).collect(),
        })
    }
}
