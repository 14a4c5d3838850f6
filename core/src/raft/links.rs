//! The replica's connections to the voters: one request at a time to each, a wait after each failure.
//!
//! A change of state forgets what is under way, so that the next request need not wait for it; its answer,
//! if it still comes, means nothing any more (`RequestManager.resetAll`, `isResponseExpected`).
//!
//! Source: `RequestManager`. Simplified: a request that times out closes its connection.
//! Next: `poll.rs`.

use super::Context;
use crate::channel::Channel;
use crate::id::{ConnectionId, ControllerId, CorrelationId, NodeId};
use crate::message::Request;
use crate::time::{Timestamp, earliest};
use std::collections::BTreeMap;
use std::time::Duration;

/// Connections to the voters.
#[derive(Debug)]
pub(super) struct Links {
    links: BTreeMap<ControllerId, Link>,
    sent: u64,
}

#[derive(Debug)]
struct Link {
    channel: Channel<u64>,
    /// The request whose answer is waited for.
    awaited: Option<u64>,
    retry_at: Timestamp,
}

impl Links {
    pub(super) fn new(voters: impl Iterator<Item = ControllerId>) -> Self {
        let link = |id| {
            let link = Link {
                channel: Channel::new(NodeId::Controller(id)),
                awaited: None,
                retry_at: Timestamp::ZERO,
            };
            (id, link)
        };
        Self {
            links: voters.map(link).collect(),
            sent: 0,
        }
    }

    /// Nothing that is under way matters any more.
    pub(super) fn reset(&mut self) {
        for link in self.links.values_mut() {
            link.awaited = None;
            link.retry_at = Timestamp::ZERO;
        }
    }

    /// Whether an answer of this voter is waited for.
    pub(super) fn is_busy(&self, to: ControllerId) -> bool {
        self.links
            .get(&to)
            .is_some_and(|link| link.awaited.is_some())
    }

    pub(super) fn is_any_busy(&self) -> bool {
        self.links.values().any(|link| link.awaited.is_some())
    }

    /// When a request can be sent to an idle voter: a time that has come, or the end of its wait.
    pub(super) fn ready_at(&self, to: ControllerId) -> Timestamp {
        self.links.get(&to).map_or(Timestamp::NEVER, |link| {
            link.retry_at.max(link.channel.ready_at())
        })
    }

    pub(super) fn send(
        &mut self,
        to: ControllerId,
        request: Request,
        timeout: Duration,
        context: &mut Context<'_>,
    ) {
        let Some(link) = self.links.get_mut(&to) else {
            return;
        };
        self.sent += 1;
        link.awaited = Some(self.sent);
        let (now, connector) = (context.now.monotonic, &mut *context.connector);
        let out = &mut *context.out;
        link.channel
            .send(now, connector, request, timeout, self.sent, out);
    }

    pub(super) fn owns(&self, connection: ConnectionId) -> bool {
        self.links
            .values()
            .any(|link| link.channel.owns(connection))
    }

    /// Whose answer this is, if it is one that is waited for.
    pub(super) fn answered(
        &mut self,
        connection: ConnectionId,
        correlation: CorrelationId,
    ) -> Option<ControllerId> {
        let mut links = self.links.iter_mut();
        let (id, link) = links.find(|(_, link)| link.channel.owns(connection))?;
        let number = link.channel.answered(connection, correlation)?;
        if link.awaited != Some(number) {
            return None;
        }
        link.awaited = None;
        Some(*id)
    }

    /// The next request to this voter waits.
    pub(super) fn back_off(&mut self, to: ControllerId, until: Timestamp) {
        if let Some(link) = self.links.get_mut(&to) {
            link.retry_at = until;
        }
    }

    pub(super) fn connected(&mut self, connection: ConnectionId) {
        for link in self.links.values_mut() {
            link.channel.connected(connection);
        }
    }

    pub(super) fn disconnected(
        &mut self,
        connection: ConnectionId,
        retry: Duration,
        context: &mut Context<'_>,
    ) {
        let (now, backoff) = (context.now.monotonic, context.backoff);
        let mut links = self.links.values_mut();
        let Some(link) = links.find(|link| link.channel.owns(connection)) else {
            return;
        };
        let failed = link
            .channel
            .disconnected(connection, now, backoff, context.random);
        link.failed(&failed, now + retry);
    }

    /// Gives up on requests whose time is up.
    pub(super) fn expire(&mut self, retry: Duration, context: &mut Context<'_>) {
        let (now, backoff) = (context.now.monotonic, context.backoff);
        for link in self.links.values_mut() {
            let failed = link
                .channel
                .expire(now, backoff, context.random, context.out);
            if let Some(failed) = failed {
                link.failed(&failed, now + retry);
            }
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        let deadlines = self.links.values().map(|link| link.channel.next_deadline());
        deadlines.fold(None, earliest)
    }
}

impl Link {
    fn failed(&mut self, failed: &[u64], retry_at: Timestamp) {
        if self
            .awaited
            .is_some_and(|awaited| failed.contains(&awaited))
        {
            self.awaited = None;
            self.retry_at = retry_at;
        }
    }
}
