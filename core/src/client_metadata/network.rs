//! A client's connections to the brokers, and the metadata requests that it sends on them.
//!
//! Rule: metadata is asked of the broker with the fewest requests in flight among those that have
//! answered on an open connection; if there is none, of the one that was tried longest ago among those
//! that may be tried; if none may, of the bootstrap brokers. Any lost connection makes metadata
//! suspicious.
//! Invariants: a request that was sent ends once: with a response, or as failed.
//! Simplified: see `channel.rs`.
//! Source: `NetworkClient.leastLoadedNode`, `DefaultMetadataUpdater`; KIP-899 (rebootstrap).
//! Next: `producer/sender.rs`, `consumer/fetcher.rs`.

use super::ClientMetadata;
use crate::channel::{Backoff, Channel, Connector};
use crate::id::{BrokerId, ConnectionId, CorrelationId, NodeId};
use crate::machine::Effects;
use crate::message::{Request, Response};
use crate::random::Random;
use crate::time::{Timestamp, earliest};
use std::collections::BTreeMap;
use std::time::Duration;

/// How a client uses its connections.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NetworkSettings {
    pub(crate) reconnect: Backoff,
    pub(crate) request_timeout: Duration,
    pub(crate) max_in_flight: usize,
}

/// The connections of one client. `T` is what it wants to remember of a request.
#[derive(Clone, Debug)]
pub(crate) struct Network<T> {
    pub(crate) metadata: ClientMetadata,
    pub(crate) random: Random,
    settings: NetworkSettings,
    connector: Connector,
    channels: BTreeMap<BrokerId, Channel<Tag<T>>>,
}

#[derive(Clone, Debug)]
enum Tag<T> {
    Metadata,
    Client(T),
}

/// What a response was.
#[derive(Debug)]
pub(crate) enum Answer<T> {
    /// To nothing that is waited for.
    Stale,
    /// The metadata, which has been taken over.
    Metadata,
    /// To a request of the client.
    Client(BrokerId, T, Response),
}

impl<T> Network<T> {
    pub(crate) fn new(
        metadata: ClientMetadata,
        connector: Connector,
        settings: NetworkSettings,
        random: Random,
    ) -> Self {
        Self {
            metadata,
            random,
            settings,
            connector,
            channels: BTreeMap::new(),
        }
    }

    /// When a request may be sent to `broker`; `None` while too many are in flight.
    pub(crate) fn ready_at(&self, broker: BrokerId) -> Option<Timestamp> {
        match self.channels.get(&broker) {
            Some(channel) if channel.in_flight() >= self.settings.max_in_flight => None,
            Some(channel) => Some(channel.ready_at()),
            None => Some(Timestamp::ZERO),
        }
    }

    pub(crate) fn can_send(&self, now: Timestamp, broker: BrokerId) -> bool {
        self.ready_at(broker).is_some_and(|at| at <= now)
    }

    pub(crate) fn send(
        &mut self,
        now: Timestamp,
        broker: BrokerId,
        request: Request,
        tag: T,
        out: &mut Effects,
    ) {
        self.send_tagged(now, broker, request, Tag::Client(tag), out);
    }

    /// Sends a request that is not answered.
    pub(crate) fn send_one_way(
        &mut self,
        now: Timestamp,
        broker: BrokerId,
        request: Request,
        out: &mut Effects,
    ) {
        channel(&mut self.channels, broker).send_one_way(now, &mut self.connector, request, out);
    }

    fn send_tagged(
        &mut self,
        now: Timestamp,
        broker: BrokerId,
        request: Request,
        tag: Tag<T>,
        out: &mut Effects,
    ) {
        let timeout = self.settings.request_timeout;
        channel(&mut self.channels, broker).send(
            now,
            &mut self.connector,
            request,
            timeout,
            tag,
            out,
        );
    }

    /// Finds out what a response belongs to.
    pub(crate) fn answered(
        &mut self,
        now: Timestamp,
        connection: ConnectionId,
        correlation: CorrelationId,
        response: Response,
    ) -> Answer<T> {
        let found = self.channels.iter_mut().find_map(|(broker, channel)| {
            let tag = channel.answered(connection, correlation)?;
            Some((*broker, tag))
        });
        match (found, response) {
            (None, _) => Answer::Stale,
            (Some((_, Tag::Metadata)), Response::Metadata(response)) => {
                self.metadata.update(now, response, &mut self.random);
                Answer::Metadata
            }
            (Some((_, Tag::Metadata)), _) => {
                self.metadata.failed(now, &mut self.random);
                Answer::Stale
            }
            (Some((broker, Tag::Client(tag))), response) => Answer::Client(broker, tag, response),
        }
    }

    /// The other side closed a connection. Returns the client's requests that end by that.
    pub(crate) fn disconnected(
        &mut self,
        now: Timestamp,
        connection: ConnectionId,
    ) -> Vec<(BrokerId, T)> {
        let reconnect = self.settings.reconnect;
        let Some((broker, channel)) = self
            .channels
            .iter_mut()
            .find(|(_, channel)| channel.owns(connection))
        else {
            return Vec::new();
        };
        let broker = *broker;
        let tags = channel.disconnected(connection, now, reconnect, &mut self.random);
        let mut ended = Vec::new();
        self.lost(now, broker, tags, &mut ended);
        ended
    }

    /// Closes the connections on which a request has timed out. Returns the client's requests that
    /// end by that.
    pub(crate) fn expire(&mut self, now: Timestamp, out: &mut Effects) -> Vec<(BrokerId, T)> {
        let mut lost = Vec::new();
        for (broker, channel) in &mut self.channels {
            let tags = channel.expire(now, self.settings.reconnect, &mut self.random, out);
            if !tags.is_empty() {
                lost.push((*broker, tags));
            }
        }
        let mut ended = Vec::new();
        for (broker, tags) in lost {
            self.lost(now, broker, tags, &mut ended);
        }
        ended
    }

    fn lost(
        &mut self,
        now: Timestamp,
        broker: BrokerId,
        tags: Vec<Tag<T>>,
        ended: &mut Vec<(BrokerId, T)>,
    ) {
        self.metadata.request_update();
        for tag in tags {
            match tag {
                Tag::Metadata => self.metadata.failed(now, &mut self.random),
                Tag::Client(tag) => ended.push((broker, tag)),
            }
        }
    }

    /// Asks for metadata if that is due and somebody can be asked.
    pub(crate) fn refresh_metadata(&mut self, now: Timestamp, out: &mut Effects) {
        if self.metadata.due().is_none_or(|at| at > now) {
            return;
        }
        if let Some(broker) = self.least_loaded(now) {
            let request = Request::Metadata(self.metadata.next_request());
            self.send_tagged(now, broker, request, Tag::Metadata, out);
        }
    }

    fn least_loaded(&mut self, now: Timestamp) -> Option<BrokerId> {
        let start = self.random.draw();
        [self.metadata.brokers(), self.metadata.bootstrap()]
            .into_iter()
            .find_map(|brokers| {
                let count = u64::try_from(brokers.len()).ok().filter(|n| *n > 0)?;
                let start = usize::try_from(start % count).unwrap_or(0);
                let rotated = brokers[start..].iter().chain(&brokers[..start]);
                rotated
                    .copied()
                    .filter(|broker| self.can_send(now, *broker))
                    .min_by_key(|broker| match self.channels.get(broker) {
                        Some(channel) if channel.is_proven() => (0, channel.in_flight(), None),
                        Some(channel) => (1, 0, channel.opened_at()),
                        None => (1, 0, None),
                    })
            })
    }

    /// When something of this is to be looked at again: a request in flight times out, or metadata
    /// can be asked for.
    pub(crate) fn next_deadline(&self) -> Option<Timestamp> {
        let timeout = self.channels.values().fold(None, |next, channel| {
            earliest(next, channel.next_deadline())
        });
        let askable = self
            .metadata
            .brokers()
            .iter()
            .chain(self.metadata.bootstrap())
            .filter_map(|broker| self.ready_at(*broker))
            .min();
        let refresh = self.metadata.due().zip(askable);
        earliest(timeout, refresh.map(|(due, askable)| due.max(askable)))
    }
}

fn channel<T>(
    channels: &mut BTreeMap<BrokerId, Channel<Tag<T>>>,
    broker: BrokerId,
) -> &mut Channel<Tag<T>> {
    channels
        .entry(broker)
        .or_insert_with(|| Channel::new(NodeId::Broker(broker)))
}
