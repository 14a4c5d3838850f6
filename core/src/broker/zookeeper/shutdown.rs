//! A broker that is told to stop asks the controller to take its leaderships.
//!
//! | from | to | when |
//! |---|---|---|
//! | asks ZooKeeper who is the controller | asks the controller | it is known |
//! | asks the controller | stops | it leads nothing any more |
//! | | waits, then begins again | it still leads something, or the request failed |
//! | waits for the last time | stops | it has asked three times more |
//!
//! Simplified: `controlled.shutdown.max.retries` (3) and `controlled.shutdown.retry.backoff.ms` (5000) cannot
//! be set.
//! Source: `KafkaServer.controlledShutdown`.
//! Next: `../lifecycle.rs`, for a broker without ZooKeeper.

use super::{Reply, Tag};
use crate::broker::Broker;
use crate::broker::lifecycle::{State, Turn};
use crate::channel::{Backoff, Channel};
use crate::controller_zk::znodes::{CONTROLLER, ControllerNode, decode};
use crate::event::Event;
use crate::id::{ConnectionId, CorrelationId, NodeId};
use crate::machine::Effects;
use crate::message::{
    Answer, ControlledShutdownRequest, ControlledShutdownResponse, Operation, Request,
};
use crate::random::Random;
use crate::storage::StorageError;
use crate::time::{Now, Timestamp, earliest};
use std::time::Duration;

const RETRIES: u32 = 3;
const BACKOFF: Duration = Duration::from_secs(5);
const AT_ONCE: Backoff = Backoff {
    initial: Duration::ZERO,
    max: Duration::ZERO,
};

/// A shutdown under way.
#[derive(Clone, Debug)]
pub(super) struct ShutDown {
    channel: Option<Channel<()>>,
    timeout: Duration,
    /// How often it may still ask.
    left: u32,
    again_at: Option<Timestamp>,
}

impl ShutDown {
    pub(super) fn new(timeout: Duration) -> Self {
        Self {
            channel: None,
            timeout,
            left: RETRIES,
            again_at: None,
        }
    }

    pub(super) fn owns(&self, connection: ConnectionId) -> bool {
        let channel = self.channel.as_ref();
        channel.is_some_and(|channel| channel.owns(connection))
    }

    pub(super) fn connected(&mut self, connection: ConnectionId) {
        if let Some(channel) = &mut self.channel {
            channel.connected(connection);
        }
    }

    pub(super) fn disconnected(
        &mut self,
        now: Timestamp,
        connection: ConnectionId,
        random: &mut Random,
    ) {
        if let Some(channel) = self.channel.as_mut().filter(|one| one.owns(connection)) {
            channel.disconnected(connection, now, AT_ONCE, random);
            self.channel = None;
            self.again_at = Some(now + BACKOFF);
        }
    }

    pub(super) fn deadline(&self) -> Option<Timestamp> {
        let channel = self.channel.as_ref().and_then(Channel::next_deadline);
        earliest(self.again_at, channel)
    }
}

impl Broker {
    /// Begins to stop in order.
    pub(in crate::broker) fn begin_zookeeper_shutdown(
        &mut self,
        now: Now,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        if self.lifecycle.state() == State::Stopping {
            return Ok(()); // It is asking already.
        }
        if !self
            .lifecycle
            .stops(self.shared.config.controlled_shutdown_enable)
        {
            return self.turn(now, Turn::Stop, out);
        }
        out.observe(Event::ControlledShutdownStarted);
        self.find_controller(now, out);
        Ok(())
    }

    fn find_controller(&mut self, now: Now, out: &mut Effects) {
        let path = CONTROLLER.to_owned();
        let look = Operation::GetData { path, watch: false };
        self.ask(now, look, Tag::FindController, out);
    }

    /// It is known who the controller is, or that there is none.
    pub(super) fn controller_found(&mut self, now: Now, result: &Reply, out: &mut Effects) {
        let node: Option<ControllerNode> = match result {
            Ok(Answer::Data(data, _)) => decode(data),
            _ => None,
        };
        let Some((zookeeper, shared)) = self.zookeeper() else {
            return;
        };
        let Some(node) = node else {
            zookeeper.shut_down.again_at = Some(now.monotonic + BACKOFF);
            return;
        };
        let epoch = shared.broker_epoch;
        let request = Request::ControlledShutdown(ControlledShutdownRequest {
            broker: shared.id,
            broker_epoch: epoch.filter(|_| shared.rules.broker_epoch_control_requests),
        });
        let mut channel = Channel::new(NodeId::Broker(node.brokerid));
        let timeout = zookeeper.shut_down.timeout;
        let connector = &mut shared.connector;
        channel.send(now.monotonic, connector, request, timeout, (), out);
        zookeeper.shut_down.channel = Some(channel);
    }

    /// The controller has answered.
    pub(super) fn let_go(
        &mut self,
        now: Now,
        (connection, correlation): (ConnectionId, CorrelationId),
        response: &ControlledShutdownResponse,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        let Some((zookeeper, shared)) = self.zookeeper() else {
            return Ok(());
        };
        let shut_down = &mut zookeeper.shut_down;
        let channel = shut_down.channel.as_mut();
        let mine = channel.and_then(|channel| channel.answered(connection, correlation));
        if mine.is_none() {
            return Ok(());
        }
        if let Some(mut channel) = shut_down.channel.take() {
            channel.close(now.monotonic, AT_ONCE, &mut shared.random, out);
        }
        if response.error.is_none() && response.remaining.is_empty() {
            return self.turn(now, Turn::Stop, out);
        }
        shut_down.again_at = Some(now.monotonic + BACKOFF);
        Ok(())
    }

    /// It may be time to ask again, or to stop anyway.
    pub(super) fn shut_down_timer(
        &mut self,
        now: Now,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        let at = now.monotonic;
        let Some((zookeeper, shared)) = self.zookeeper() else {
            return Ok(());
        };
        let shut_down = &mut zookeeper.shut_down;
        if let Some(channel) = &mut shut_down.channel
            && channel
                .expire(at, AT_ONCE, &mut shared.random, out)
                .is_some()
        {
            shut_down.channel = None;
            shut_down.again_at = Some(at + BACKOFF);
        }
        if shut_down.again_at.take_if(|due| *due <= at).is_none() {
            return Ok(());
        }
        if shut_down.left == 0 {
            return self.turn(now, Turn::Stop, out);
        }
        shut_down.left -= 1;
        self.find_controller(now, out);
        Ok(())
    }
}
