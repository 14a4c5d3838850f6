//! What every part of a broker uses: its identity, settings, disk and its image of the cluster.

use super::BrokerStart;
use super::log_dirs::LogDirs;
use crate::channel::{Backoff, Channel, Connector};
use crate::config::{BrokerConfig, TopicConfig};
use crate::id::{BrokerId, ConnectionId, CorrelationId, NodeId};
use crate::machine::Effects;
use crate::message::Request;
use crate::metadata::MetadataImage;
use crate::offset::BrokerEpoch;
use crate::partition::Context;
use crate::random::Random;
use crate::rules::Rules;
use crate::time::{Now, Timestamp, earliest};
use std::time::Duration;

/// What every part of a broker uses.
pub(super) struct Shared {
    pub(super) id: BrokerId,
    pub(super) config: BrokerConfig,
    pub(super) topic_defaults: TopicConfig,
    pub(super) rules: Rules,
    pub(super) storage: LogDirs,
    pub(super) random: Random,
    pub(super) connector: Connector,
    /// The cluster as far as this broker has applied the metadata log.
    pub(super) image: MetadataImage,
    /// Its registration.
    pub(super) broker_epoch: Option<BrokerEpoch>,
    /// The controller that leads the quorum, as far as the broker's copy of the metadata log says; with
    /// ZooKeeper the one that UpdateMetadata came from.
    pub(super) active_controller: Option<NodeId>,
    /// An append has rolled a log: what is behind is to be flushed.
    pub(super) rolled: bool,
}

/// With ZooKeeper a leader does not know the registrations of others, nor who may lead without the ISR.
fn rules_of(start: &BrokerStart) -> Rules {
    let mut rules = start.rules;
    if start.zookeeper.is_some() {
        rules.isr_broker_epoch_check = false;
        rules.elr = false;
    }
    rules
}

impl Shared {
    pub(super) fn new(start: BrokerStart, storage: LogDirs) -> Self {
        let rules = rules_of(&start);
        Self {
            id: start.id,
            connector: Connector::new(
                NodeId::Broker(start.id),
                start.incarnation,
                Connector::SETUP,
                &start.random,
            ),
            config: start.config,
            topic_defaults: start.topic_defaults,
            rules,
            storage,
            random: start.random,
            image: MetadataImage::new(rules),
            broker_epoch: None,
            active_controller: None,
            rolled: false,
        }
    }

    /// What a partition needs of its broker.
    pub(super) fn context(&mut self, now: Now) -> Context<'_> {
        Context {
            storage: &mut self.storage,
            rules: &self.rules,
            brokers: self.image.brokers(),
            local: self.id,
            local_epoch: self.broker_epoch,
            replica_lag_time_max: self.config.replica_lag_time_max,
            now,
        }
    }

    /// A topic's settings on this broker.
    pub(super) fn topic_config(&self, topic: &str) -> TopicConfig {
        let (at, defaults) = (Some(self.id), &self.topic_defaults);
        self.image.topic_config(topic, at, defaults)
    }

    /// `broker.rack`, if it is set.
    pub(super) fn rack(&self) -> Option<String> {
        Some(self.config.broker_rack.clone()).filter(|rack| !rack.is_empty())
    }

    pub(super) fn backoff(&self) -> Backoff {
        Backoff {
            initial: self.config.reconnect_backoff,
            max: self.config.reconnect_backoff_max,
        }
    }
}

/// A channel to the active controller, whichever that is. It stays with the one that it has found until that
/// one refuses, is gone or does not answer in time; that another one leads by then does not move it.
/// Source: `NodeToControllerRequestThread.doWork`, `handleResponse`; `RaftControllerNodeProvider`.
/// Simplified: while the broker knows no active controller it asks one after the other, where Kafka waits; a
/// request that was refused is sent again by who sent it.
#[derive(Debug)]
pub(super) struct ControllerLink<T> {
    /// One for each controller.
    channels: Vec<Channel<T>>,
    current: usize,
    /// The active controller that it has found; `None` = `current` is a guess.
    found: Option<NodeId>,
    timeout: Duration,
}

impl<T> ControllerLink<T> {
    /// A link, not connected. A request that takes longer than `timeout` has failed.
    pub(super) fn new(controllers: &[NodeId], timeout: Duration) -> Self {
        let channel = |id: &NodeId| Channel::new(*id);
        Self {
            channels: controllers.iter().map(channel).collect(),
            current: 0,
            found: None,
            timeout,
        }
    }

    /// Turns to the active controller, if it has found none yet.
    pub(super) fn find(&mut self, active: Option<NodeId>) {
        if self.found.is_some() {
            return;
        }
        self.found = active;
        let is = |channel: &Channel<T>| active == Some(channel.to());
        if let Some(found) = self.channels.iter().position(is) {
            self.current = found;
        }
    }

    fn channel(&self) -> Option<&Channel<T>> {
        self.channels.get(self.current)
    }

    /// Whether a request may be sent now.
    pub(super) fn is_ready(&self, now: Timestamp) -> bool {
        self.channel().is_some_and(|channel| channel.is_ready(now))
    }

    /// When the backoff after the last failure ends.
    pub(super) fn ready_at(&self) -> Timestamp {
        self.channel().map_or(Timestamp::NEVER, Channel::ready_at)
    }

    /// Sends a request.
    pub(super) fn send(
        &mut self,
        shared: &mut Shared,
        now: Timestamp,
        request: Request,
        tag: T,
        out: &mut Effects,
    ) {
        if let Some(channel) = self.channels.get_mut(self.current) {
            channel.send(now, &mut shared.connector, request, self.timeout, tag, out);
        }
    }

    /// Whether a connection is this link's.
    pub(super) fn owns(&self, connection: ConnectionId) -> bool {
        self.channels.iter().any(|channel| channel.owns(connection))
    }

    /// Takes note of a response; the tag of its request, if that is waited for.
    pub(super) fn answered(
        &mut self,
        connection: ConnectionId,
        correlation: CorrelationId,
    ) -> Option<T> {
        let mut channels = self.channels.iter_mut();
        channels.find_map(|channel| channel.answered(connection, correlation))
    }

    /// Takes note that a connection is established.
    pub(super) fn connected(&mut self, connection: ConnectionId) {
        for channel in &mut self.channels {
            channel.connected(connection);
        }
    }

    /// Takes note of a broken connection; the tags of the requests that failed with it.
    pub(super) fn disconnected(
        &mut self,
        shared: &mut Shared,
        connection: ConnectionId,
        now: Timestamp,
    ) -> Vec<T> {
        let backoff = shared.backoff();
        let owner = self.channels.iter_mut().find(|one| one.owns(connection));
        let Some(channel) = owner else {
            return Vec::new();
        };
        let failed = channel.disconnected(connection, now, backoff, &mut shared.random);
        if !failed.is_empty() {
            self.next_controller();
        }
        failed
    }

    /// Gives up on requests whose time is up; the tags of the requests that failed.
    pub(super) fn expire(
        &mut self,
        shared: &mut Shared,
        now: Timestamp,
        out: &mut Effects,
    ) -> Vec<T> {
        let backoff = shared.backoff();
        let mut failed = Vec::new();
        for channel in &mut self.channels {
            let expired = channel.expire(now, backoff, &mut shared.random, out);
            failed.extend(expired.unwrap_or_default());
        }
        if !failed.is_empty() {
            self.next_controller();
        }
        failed
    }

    /// When the request in flight times out.
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        let deadlines = self.channels.iter().map(Channel::next_deadline);
        deadlines.fold(None, earliest)
    }

    /// This one is not the active controller, or gone: until another one is known the next one is asked.
    pub(super) fn next_controller(&mut self) {
        self.found = None;
        if self.channels.len() > 1 {
            self.current = (self.current + 1) % self.channels.len();
        }
    }

    /// Whether there is another controller to turn to.
    pub(super) fn has_others(&self) -> bool {
        self.channels.len() > 1
    }
}
