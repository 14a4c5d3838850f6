//! A client's connections to the brokers, and the metadata requests that it sends on them.
//!
//! Rule: whom to ask is said in `least_loaded.rs`. Any lost connection makes metadata suspicious.
//! Invariants: a request that was sent ends once: with a response, or as failed.
//! Simplified: see `channel.rs`.
//! Source: `NetworkClient`, `DefaultMetadataUpdater`.
//! Next: `least_loaded.rs`; then `producer/sender.rs`, `consumer/fetcher.rs`.

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
    pub(super) settings: NetworkSettings,
    connector: Connector,
    pub(super) channels: BTreeMap<BrokerId, Channel<Tag<T>>>,
}

#[derive(Clone, Debug)]
pub(super) enum Tag<T> {
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

    /// When to look again whether a request can be sent to `broker`: a connection may be begun then;
    /// `None` = when something else happens (it opens, fails, or one of too many requests is answered).
    pub(crate) fn ready_at(&self, broker: BrokerId) -> Option<Timestamp> {
        match self.channels.get(&broker) {
            None => Some(Timestamp::ZERO),
            Some(channel) if channel.is_opening() => None,
            Some(channel) if !channel.is_established() => Some(channel.ready_at()),
            Some(channel) if channel.in_flight() >= self.settings.max_in_flight => None,
            Some(_) => Some(Timestamp::ZERO),
        }
    }

    /// Whether a request can be sent to `broker` now: its connection is established and has room. If
    /// there is none, begins to open one (`NetworkClient.ready`).
    pub(crate) fn is_ready(&mut self, now: Timestamp, broker: BrokerId, out: &mut Effects) -> bool {
        if self.ready_at(broker).is_none_or(|at| at > now) {
            return false;
        }
        let channel = channel(&mut self.channels, broker);
        channel.connect(now, &mut self.connector, out);
        channel.is_established()
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

    /// A connection is established.
    pub(crate) fn connected(&mut self, connection: ConnectionId) {
        for channel in self.channels.values_mut() {
            channel.connected(connection);
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
            lost.extend(tags.map(|tags| (*broker, tags)));
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
        if let Some(broker) = self.least_loaded(now)
            && self.is_ready(now, broker, out)
        {
            let request = Request::Metadata(self.metadata.next_request());
            self.send_tagged(now, broker, request, Tag::Metadata, out);
        }
    }

    /// When something of this is to be looked at again: a request in flight times out, or metadata
    /// can be asked for.
    pub(crate) fn next_deadline(&self) -> Option<Timestamp> {
        let timeout = self.channels.values().fold(None, |next, channel| {
            earliest(next, channel.next_deadline())
        });
        let due = self.metadata.due();
        let refresh = due.and_then(|due| Some((due, self.askable_at()?)));
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
