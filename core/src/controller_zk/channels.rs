//! What the controller sends to each broker: one queue and one request at a time, each sent again until it
//! is answered or the broker is gone.
//!
//! Rules:
//! - A request that failed is tried again after 100 ms.
//! - A broker that is registered anew gets a new queue: what was meant for the one before is dropped.
//! - A queue knows nothing of other brokers' queues: what one has not heard another may have.
//!
//! Source: `ControllerChannelManager`, `RequestSendThread.doWork`.
//! Next: `mod.rs`.

use crate::channel::{Backoff, Channel, Connector};
use crate::id::{BrokerId, ConnectionId, CorrelationId, NodeId};
use crate::machine::Effects;
use crate::message::Request;
use crate::random::Random;
use crate::time::{Timestamp, earliest};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// After a request that failed.
const RETRY: Backoff = Backoff {
    initial: Duration::from_millis(100),
    max: Duration::from_millis(100),
};

/// The queue of one broker.
#[derive(Clone, Debug)]
struct Sender {
    channel: Channel<()>,
    /// The first one is under way.
    queue: VecDeque<Request>,
}

/// The queues.
#[derive(Clone, Debug)]
pub(crate) struct Channels {
    senders: BTreeMap<BrokerId, Sender>,
    timeout: Duration,
}

/// What sending takes.
pub(crate) struct Wire<'a> {
    pub(crate) now: Timestamp,
    pub(crate) connector: &'a mut Connector,
    pub(crate) random: &'a mut Random,
    pub(crate) out: &'a mut Effects,
}

impl Channels {
    /// No queues. A request takes no longer than `timeout`.
    pub(crate) fn new(timeout: Duration) -> Self {
        Self {
            senders: BTreeMap::new(),
            timeout,
        }
    }

    /// A broker is there, perhaps anew.
    pub(crate) fn add(&mut self, broker: BrokerId, wire: &mut Wire<'_>) {
        self.remove(broker, wire);
        let sender = Sender {
            channel: Channel::new(NodeId::Broker(broker)),
            queue: VecDeque::new(),
        };
        self.senders.insert(broker, sender);
    }

    /// A broker is gone.
    pub(crate) fn remove(&mut self, broker: BrokerId, wire: &mut Wire<'_>) {
        if let Some(mut sender) = self.senders.remove(&broker) {
            sender.channel.close(wire.now, RETRY, wire.random, wire.out);
        }
    }

    /// The controller is none any more.
    pub(crate) fn clear(&mut self, wire: &mut Wire<'_>) {
        for (_, mut sender) in std::mem::take(&mut self.senders) {
            sender.channel.close(wire.now, RETRY, wire.random, wire.out);
        }
    }

    /// Hands over a request.
    pub(crate) fn push(&mut self, broker: BrokerId, request: Request, wire: &mut Wire<'_>) {
        if let Some(sender) = self.senders.get_mut(&broker) {
            sender.queue.push_back(request);
            sender.pump(self.timeout, wire);
        }
    }

    /// Whether a connection is one of these.
    pub(crate) fn owns(&self, connection: ConnectionId) -> bool {
        self.senders
            .values()
            .any(|sender| sender.channel.owns(connection))
    }

    /// A connection is established.
    pub(crate) fn connected(&mut self, connection: ConnectionId) {
        for sender in self.senders.values_mut() {
            sender.channel.connected(connection);
        }
    }

    /// A broker has answered. Returns which, and what it was asked.
    pub(crate) fn answered(
        &mut self,
        (connection, correlation): (ConnectionId, CorrelationId),
        wire: &mut Wire<'_>,
    ) -> Option<(BrokerId, Request)> {
        for (broker, sender) in &mut self.senders {
            if sender.channel.answered(connection, correlation).is_some() {
                let request = sender.queue.pop_front();
                sender.pump(self.timeout, wire);
                return request.map(|request| (*broker, request));
            }
        }
        None
    }

    /// A connection has ended.
    pub(crate) fn disconnected(&mut self, connection: ConnectionId, wire: &mut Wire<'_>) {
        for sender in self.senders.values_mut() {
            if sender.channel.owns(connection) {
                let (now, random) = (wire.now, &mut *wire.random);
                sender.channel.disconnected(connection, now, RETRY, random);
            }
        }
    }

    /// A deadline may have come.
    pub(crate) fn timer(&mut self, wire: &mut Wire<'_>) {
        for sender in self.senders.values_mut() {
            sender
                .channel
                .expire(wire.now, RETRY, wire.random, wire.out);
            sender.pump(self.timeout, wire);
        }
    }

    /// When something has to be sent again.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        let each = self.senders.values().map(|sender| {
            let idle = sender.channel.in_flight() == 0 && !sender.queue.is_empty();
            let again = idle.then(|| sender.channel.ready_at());
            earliest(again, sender.channel.next_deadline())
        });
        each.fold(None, earliest)
    }
}

impl Sender {
    fn pump(&mut self, timeout: Duration, wire: &mut Wire<'_>) {
        if self.channel.in_flight() > 0 || !self.channel.is_ready(wire.now) {
            return;
        }
        if let Some(request) = self.queue.front().cloned() {
            let (now, connector) = (wire.now, &mut *wire.connector);
            self.channel
                .send(now, connector, request, timeout, (), wire.out);
        }
    }
}
