//! A broker's life as the controller sees it: registration, heartbeats, fencing, controlled shutdown.
//!
//! | from | to | trigger |
//! |---|---|---|
//! | Starting | Recovery | a heartbeat is answered "caught up": it has applied its own registration |
//! | Recovery | Running | a heartbeat is answered "not fenced" |
//! | Running | Stopping | SIGTERM, with controlled shutdown enabled |
//! | Stopping | Down | a heartbeat is answered "shut down", or the controller does not answer for 5 minutes |
//! | Starting, Recovery | Down | SIGTERM |
//! | any | as at SIGTERM | the controller cannot be told of a lost log directory (KIP-858) |
//!
//! Source: `BrokerLifecycleManager`; KIP-500, KIP-631, KIP-966 (previous broker epoch).
//! Next: the controller's side is `controller/registry.rs`.

use super::shared::{ControllerLink, Shared};
use crate::error::ErrorCode;
use crate::event::Event;
use crate::id::{ConnectionId, CorrelationId, Incarnation, NodeId};
use crate::machine::Effects;
use crate::message::{
    BrokerHeartbeatRequest, BrokerHeartbeatResponse, BrokerRegistrationRequest,
    BrokerRegistrationResponse, Request, Response,
};
use crate::offset::{BrokerEpoch, Offset};
use crate::raft::DirectoryId;
use crate::time::{Timestamp, earliest};
use std::time::Duration;

/// While it catches up the broker asks this often, so that a start with nothing to recover is quick.
const STARTING_INTERVAL: Duration = Duration::from_millis(10);
/// The first heartbeat after the one that asked for a controlled shutdown.
const FIRST_STOPPING_INTERVAL: Duration = Duration::from_millis(50);
/// A controlled shutdown takes no longer than this (`BrokerServer.shutdown`).
const STOPPING_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// A broker that was told to ask another controller looks again after this
/// (`NodeToControllerRequestThread.doWork`).
const FIND_CONTROLLER: Duration = Duration::from_millis(100);
/// Half of `broker.session.timeout.ms`, by default.
const HALF_SESSION: Duration = Duration::from_millis(4_500);

/// How long a heartbeat may take: no longer than after it another controller can still hear the next one
/// within the session. Simplified: the session is taken to be the default one.
fn heartbeat_timeout(shared: &Shared) -> Duration {
    let timeout = shared.config.controller_socket_timeout;
    match shared.rules {
        rules if rules.heartbeat_within_interval => {
            timeout.min(shared.config.broker_heartbeat_interval)
        }
        rules if rules.heartbeat_within_session => timeout.min(HALF_SESSION),
        _ => timeout,
    }
}

/// Where in its life the broker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It catches up with the metadata log.
    Starting,
    /// It opens its logs and asks to be unfenced.
    Recovery,
    /// It serves.
    Running,
    /// It hands over its leaderships (`PENDING_CONTROLLED_SHUTDOWN`).
    Stopping,
    /// It is done.
    Down,
}

/// What an answer of the controller means for the rest of the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Nothing.
    None,
    /// It has caught up: open the logs and publish the metadata.
    CaughtUp,
    /// It may stop now.
    Stop,
}

/// The broker's dealings with the controller about itself.
#[derive(Debug)]
pub(super) struct Lifecycle {
    state: State,
    link: ControllerLink<()>,
    incarnation: Incarnation,
    previous_epoch: Option<BrokerEpoch>,
    in_flight: bool,
    /// When to send next.
    next: Option<Timestamp>,
    /// Something happened meanwhile that should be said at once.
    at_once: bool,
    logs_ready: bool,
    fenced: bool,
    stopping_answered: bool,
    /// Registration, or controlled shutdown, must be done by then.
    limit: Option<Timestamp>,
    /// The log directories that could be used when it started.
    log_dirs: Vec<DirectoryId>,
    /// Those of them that are lost now, with the time by which the controller must have heard.
    offline: Vec<(DirectoryId, Timestamp)>,
    /// So many of them are in the heartbeat under way.
    telling: usize,
    /// So many of them the controller has heard of.
    told: usize,
}

impl Lifecycle {
    /// Begins to register at once.
    pub(super) fn start(
        shared: &Shared,
        controllers: &[NodeId],
        incarnation: Incarnation,
        previous_epoch: Option<BrokerEpoch>,
        now: Timestamp,
    ) -> Self {
        Self {
            state: State::Starting,
            link: ControllerLink::new(controllers, heartbeat_timeout(shared)),
            incarnation,
            previous_epoch,
            in_flight: false,
            next: Some(now),
            at_once: false,
            logs_ready: false,
            fenced: true,
            stopping_answered: false,
            limit: Some(now + shared.config.initial_broker_registration_timeout),
            log_dirs: shared.storage.online_ids(),
            offline: Vec::new(),
            telling: 0,
            told: 0,
        }
    }

    /// The broker of a cluster with ZooKeeper has nothing to say to a controller: it waits to be told that it
    /// runs.
    pub(super) fn idle(mut self) -> Self {
        self.next = None;
        self.limit = None;
        self
    }

    /// It has registered with ZooKeeper.
    pub(super) fn runs(&mut self) {
        if self.state == State::Starting {
            self.state = State::Running;
            self.fenced = false;
        }
    }

    /// It was told to stop, with ZooKeeper. Returns whether it has to ask the controller first.
    pub(super) fn stops(&mut self, controlled: bool) -> bool {
        let asks = self.state == State::Running && controlled;
        if asks {
            self.state = State::Stopping;
        }
        asks
    }

    pub(super) fn state(&self) -> State {
        self.state
    }

    pub(super) fn is_fenced(&self) -> bool {
        self.fenced
    }

    pub(super) fn owns(&self, connection: ConnectionId) -> bool {
        self.link.owns(connection)
    }

    /// The logs are open: ask to be unfenced, at once.
    pub(super) fn logs_are_ready(&mut self, now: Timestamp) {
        self.logs_ready = true;
        self.say_at_once(now);
    }

    /// A log directory is lost: the controller is told at once.
    pub(super) fn directory_lost(&mut self, id: DirectoryId, now: Timestamp, timeout: Duration) {
        // One that was lost when the broker started was never registered.
        if !self.log_dirs.contains(&id) {
            return;
        }
        self.offline.push((id, now + timeout));
        if self.limit.is_none() || self.state == State::Stopping {
            self.say_at_once(now);
        }
    }

    /// By then the controller must have heard of the first directory that it has not heard of.
    fn telling_limit(&self) -> Option<Timestamp> {
        self.offline.get(self.told).map(|(_, limit)| *limit)
    }

    /// SIGTERM. Returns whether the broker may stop without asking.
    pub(super) fn begin_shutdown(
        &mut self,
        shared: &Shared,
        now: Timestamp,
        out: &mut Effects,
    ) -> Turn {
        match self.state {
            State::Running if shared.config.controlled_shutdown_enable => {
                self.state = State::Stopping;
                self.limit = Some(now + STOPPING_TIMEOUT);
                out.observe(Event::ControlledShutdownStarted);
                self.say_at_once(now);
                Turn::None
            }
            State::Stopping => Turn::None,
            State::Starting | State::Recovery | State::Running | State::Down => Turn::Stop,
        }
    }

    /// The controller has not answered in time, or it is time to speak.
    pub(super) fn timer(
        &mut self,
        shared: &mut Shared,
        applied: Option<Offset>,
        now: Timestamp,
        out: &mut Effects,
    ) -> Turn {
        if self.limit.is_some_and(|limit| now >= limit) {
            return Turn::Stop;
        }
        if self.telling_limit().is_some_and(|limit| now >= limit) {
            self.told = self.offline.len();
            let turn = self.begin_shutdown(shared, now, out);
            if turn != Turn::None {
                return turn;
            }
        }
        if !self.link.expire(shared, now, out).is_empty() {
            if shared.rules.heartbeat_within_interval {
                self.failed(shared, now);
            } else {
                self.lost(shared, now);
            }
        }
        if self.next.is_some_and(|next| now >= next) {
            self.speak(shared, applied, now, out);
        }
        Turn::None
    }

    pub(super) fn connected(&mut self, connection: ConnectionId) {
        self.link.connected(connection);
    }

    pub(super) fn disconnected(
        &mut self,
        shared: &mut Shared,
        connection: ConnectionId,
        now: Timestamp,
    ) {
        if !self.link.disconnected(shared, connection, now).is_empty() {
            self.lost(shared, now);
        }
    }

    /// Registers, or sends a heartbeat.
    fn speak(
        &mut self,
        shared: &mut Shared,
        applied: Option<Offset>,
        now: Timestamp,
        out: &mut Effects,
    ) {
        self.next = None;
        if self.in_flight {
            self.at_once = true;
            return;
        }
        self.link.find(shared.active_controller);
        if !self.link.is_ready(now) {
            self.next = Some(self.link.ready_at());
            return;
        }
        let request = match shared.broker_epoch {
            None => Request::BrokerRegistration(BrokerRegistrationRequest {
                broker: shared.id,
                incarnation: self.incarnation,
                previous_broker_epoch: self.previous_epoch,
                rack: shared.rack(),
                log_dirs: self.log_dirs.clone(),
            }),
            Some(broker_epoch) => Request::BrokerHeartbeat(BrokerHeartbeatRequest {
                broker: shared.id,
                broker_epoch,
                current_metadata_offset: applied,
                want_fence: !self.logs_ready,
                want_shutdown: self.state == State::Stopping,
                offline_log_dirs: self.offline.iter().map(|(id, _)| *id).collect(),
            }),
        };
        self.in_flight = true;
        self.telling = if shared.broker_epoch.is_some() {
            self.offline.len()
        } else {
            0
        };
        self.link.send(shared, now, request, (), out);
    }

    /// Takes an answer.
    pub(super) fn answered(
        &mut self,
        shared: &mut Shared,
        connection: ConnectionId,
        correlation: CorrelationId,
        response: &Response,
        now: Timestamp,
        out: &mut Effects,
    ) -> Turn {
        if self.link.answered(connection, correlation).is_none() {
            return Turn::None;
        }
        self.in_flight = false;
        match response {
            Response::BrokerRegistration(response) => {
                self.registered(shared, response, now, out);
                Turn::None
            }
            Response::BrokerHeartbeat(response) => match response.error {
                ErrorCode::None => {
                    self.told = self.told.max(self.telling);
                    self.heard(shared, response, now, out)
                }
                error => {
                    self.refused(shared, error, now);
                    Turn::None
                }
            },
            _ => Turn::None,
        }
    }

    fn registered(
        &mut self,
        shared: &mut Shared,
        response: &BrokerRegistrationResponse,
        now: Timestamp,
        out: &mut Effects,
    ) {
        match (response.error, response.broker_epoch) {
            (ErrorCode::None, Some(broker_epoch)) => {
                shared.broker_epoch = Some(broker_epoch);
                self.limit = None;
                out.observe(Event::BrokerRegistered { broker_epoch });
                self.next = Some(now);
            }
            (error, _) => self.refused(shared, error, now),
        }
    }

    fn heard(
        &mut self,
        shared: &Shared,
        response: &BrokerHeartbeatResponse,
        now: Timestamp,
        out: &mut Effects,
    ) -> Turn {
        if response.is_fenced != self.fenced {
            self.fenced = response.is_fenced;
            out.observe(if self.fenced {
                Event::BrokerFenced
            } else {
                Event::BrokerUnfenced
            });
        }
        let interval = shared.config.broker_heartbeat_interval;
        match self.state {
            State::Starting => {
                self.say_in(STARTING_INTERVAL, now);
                if response.is_caught_up {
                    self.state = State::Recovery;
                    return Turn::CaughtUp;
                }
            }
            State::Recovery => {
                if !response.is_fenced {
                    self.state = State::Running;
                }
                self.say_in(interval, now);
            }
            State::Running => self.say_in(interval, now),
            State::Stopping if response.should_shut_down => return Turn::Stop,
            State::Stopping => {
                let first = !self.stopping_answered;
                self.stopping_answered = true;
                self.say_in(
                    if first {
                        FIRST_STOPPING_INTERVAL
                    } else {
                        interval
                    },
                    now,
                );
            }
            State::Down => {}
        }
        Turn::None
    }

    /// The broker has stopped.
    pub(super) fn stopped(&mut self) {
        self.state = State::Down;
        self.next = None;
        self.limit = None;
        self.offline.clear();
    }

    /// The connection is gone: with other controllers to turn to the request is sent again soon.
    fn lost(&mut self, shared: &Shared, now: Timestamp) {
        self.failed(shared, now);
        if self.link.has_others() {
            self.next = Some(now + FIND_CONTROLLER);
        }
    }

    /// Another controller is asked soon; any other refusal is a failure.
    fn refused(&mut self, shared: &Shared, error: ErrorCode, now: Timestamp) {
        self.failed(shared, now);
        if error == ErrorCode::NotController && self.link.has_others() {
            self.link.next_controller();
            self.next = Some(now + FIND_CONTROLLER);
        }
    }

    /// After a failure the next word is never said at once.
    fn failed(&mut self, shared: &Shared, now: Timestamp) {
        self.in_flight = false;
        self.at_once = false;
        self.next = Some(now + shared.config.broker_heartbeat_interval);
    }

    fn say_in(&mut self, interval: Duration, now: Timestamp) {
        let interval = if self.at_once {
            Duration::ZERO
        } else {
            interval
        };
        self.at_once = false;
        self.next = Some(now + interval);
    }

    fn say_at_once(&mut self, now: Timestamp) {
        if self.in_flight {
            self.at_once = true;
        } else {
            self.next = Some(now);
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        let own = earliest(earliest(self.next, self.limit), self.telling_limit());
        earliest(own, self.link.next_deadline())
    }
}
