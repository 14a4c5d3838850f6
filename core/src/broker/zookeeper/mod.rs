//! A broker of a cluster with ZooKeeper: its session, its registration, and who gets which answer.
//!
//! | stage | until |
//! |---|---|
//! | connecting | it has a session |
//! | reading | Kafka's znodes are there, and it knows the settings of all topics |
//! | opening | its logs are open, recovered if need be |
//! | registering | its znode is there; its epoch is that znode's zxid |
//! | running | it serves, and stands for election as controller (before 1.1 it stands before it registers) |
//! | stopping | the controller has let it go |
//!
//! Rules:
//! - Whom it leads and follows it is told by LeaderAndIsr, what to answer clients by UpdateMetadata.
//! - When its session has ended it goes on serving. It begins another one and registers anew.
//! - A request to ZooKeeper that was lost with its connection is sent again, in whatever session there is; a
//!   controller's since 1.1 only in the same one.
//!
//! Simplified: a broker whose znode of the run before is still there waits for it to go, where Kafka's
//! process ends and somebody starts it again. Logs are opened before it registers, as in
//! Kafka; those of topics that were deleted meanwhile stay until the controller says so.
//! What a broker before 1.1 starts between its controller and its registration takes 100 ms, whatever it
//! is: a controller that takes longer to read the cluster does not count itself among the dead here.
//! Source: `KafkaServer.startup`, `KafkaZkClient.registerBroker`, `ZooKeeperClient`, `KafkaHealthcheck`.
//! Next: `control.rs`.

mod configs;
mod control;
mod isr;
mod shutdown;

use super::Broker;
use super::shared::Shared;
use crate::channel::Connector;
use crate::config::ControllerConfig;
use crate::controller_zk::channels::Wire;
use crate::controller_zk::znodes::{self, BrokerNode, PERSISTENT, encode};
use crate::controller_zk::{self, ControllerZk, Env};
use crate::event::Event;
use crate::id::{
    BrokerId, ConnectionId, CorrelationId, Incarnation, TopicIdPartition, TopicPartition,
};
use crate::log::checkpoint;
use crate::machine::{Effects, ReplyTo};
use crate::message::{Answer, Change, Operation, Refusal, Request, Response, ZooKeeperResponse};
use crate::offset::BrokerEpoch;
use crate::random::Random;
use crate::storage::StorageError;
use crate::time::{Now, Timestamp};
use crate::zookeeper::client::{Client, Notice};
use crate::zookeeper::{Happened, ZooKeeperError, ZooKeeperId};
use configs::Configs;
use control::Control;
use isr::IsrChanges;
use shutdown::ShutDown;
use std::time::Duration;

/// A broker whose znode is still there looks again after this.
const REGISTER_AGAIN: Duration = Duration::from_secs(1);
/// What a broker before 1.1 still had to start between its controller and its registration: long enough for a
/// new controller to have read everything.
const REST_OF_STARTUP: Duration = Duration::from_millis(100);

/// What a broker of a cluster with ZooKeeper is told at its start besides.
#[derive(Clone, Debug)]
pub struct ZooKeeperMode {
    /// The servers of the ensemble (`zookeeper.connect`).
    pub servers: Vec<ZooKeeperId>,
    /// `zookeeper.session.timeout.ms`
    pub session_timeout: Duration,
    /// All brokers of the cluster: each may be the controller.
    pub brokers: Vec<BrokerId>,
    /// Settings for when it is the controller.
    pub controller: ControllerConfig,
}

/// Where it is in its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Connecting,
    Reading,
    Opening,
    Registering,
    Running,
}

/// Whose answer it is.
#[derive(Clone, Debug)]
enum Tag {
    /// The controller's.
    Controller(controller_zk::Tag),
    /// A znode that has to be there was created, or was there.
    Made,
    /// Its own znode was created, or another one is there.
    Register,
    /// Its own znode, of which it has to know the zxid.
    Registered,
    /// Settings.
    Config(configs::Ask),
    /// An ISR that was written.
    Isr(isr::Ask),
    /// Who is the controller, for a broker that shuts down.
    FindController,
}

type Told = Notice<(Tag, Operation)>;
type Reply = Result<Answer, Refusal>;

/// The part of a broker that deals with ZooKeeper.
#[derive(Debug)]
pub(super) struct ZooKeeper {
    client: Client<(Tag, Operation)>,
    timeout: Duration,
    incarnation: Incarnation,
    stage: Stage,
    /// The controller, whether elected or not.
    controller: ControllerZk,
    control: Control,
    configs: Configs,
    isr: IsrChanges,
    shut_down: ShutDown,
    register_at: Option<Timestamp>,
    random: Random,
}

impl ZooKeeper {
    /// Begins a session.
    pub(super) fn start(mode: ZooKeeperMode, shared: &Shared, incarnation: Incarnation) -> Self {
        let controller = ControllerZk::new(
            shared.id,
            shared.rules,
            mode.controller,
            shared.topic_defaults.clone(),
            shared.config.controller_socket_timeout,
            &shared.random,
        );
        Self {
            client: Client::new(mode.servers, mode.session_timeout, &shared.random),
            timeout: mode.session_timeout,
            incarnation,
            stage: Stage::Connecting,
            controller,
            control: Control::default(),
            configs: Configs::default(),
            isr: IsrChanges::default(),
            shut_down: ShutDown::new(shared.config.controller_socket_timeout),
            register_at: None,
            random: shared.random.part("controller channels"),
        }
    }

    /// Whether a connection is the session's, the controller's or that of a shutdown.
    pub(super) fn owns(&self, connection: ConnectionId) -> bool {
        self.client.owns(connection)
            || self.controller.owns(connection)
            || self.shut_down.owns(connection)
    }

    pub(super) fn connected(&mut self, connection: ConnectionId) {
        self.client.connected(connection);
        self.controller.connected(connection);
        self.shut_down.connected(connection);
    }

    /// When the session, the controller or a shutdown wants waking.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        let parts = [
            self.client.deadline(),
            self.controller.deadline(),
            self.shut_down.deadline(),
            self.isr.deadline(),
            self.register_at,
        ];
        parts.into_iter().flatten().min()
    }

    /// When logs have to be opened, or requests of the controller wait for nothing any more.
    pub(super) fn metadata_deadline(&self) -> Option<Timestamp> {
        self.control.deadline()
    }

    /// When answers about ISRs are there.
    pub(super) fn isr_deadline(&self) -> Option<Timestamp> {
        self.isr.answers_deadline()
    }

    fn submit(
        &mut self,
        now: Timestamp,
        connector: &mut Connector,
        (operation, tag): (Operation, Tag),
        out: &mut Effects,
    ) {
        let tag = (tag, operation.clone());
        self.client.submit(now, connector, operation, tag, out);
    }
}

impl Broker {
    /// The part that deals with ZooKeeper, and what it needs of the broker.
    fn zookeeper(&mut self) -> Option<(&mut ZooKeeper, &mut Shared)> {
        Some((self.zookeeper.as_mut()?, &mut self.shared))
    }

    fn ask(&mut self, now: Now, operation: Operation, tag: Tag, out: &mut Effects) {
        if let Some((zookeeper, shared)) = self.zookeeper() {
            let connector = &mut shared.connector;
            zookeeper.submit(now.monotonic, connector, (operation, tag), out);
        }
    }

    /// Lets the controller do something, and asks ZooKeeper what it wants to know.
    fn with_controller(
        &mut self,
        now: Now,
        out: &mut Effects,
        work: impl FnOnce(&mut ControllerZk, &mut Env<'_>),
    ) {
        let Some((zookeeper, shared)) = self.zookeeper() else {
            return;
        };
        let mut env = Env {
            wire: Wire {
                now: now.monotonic,
                connector: &mut shared.connector,
                random: &mut zookeeper.random,
                out,
            },
            wall: now.wall.0,
        };
        work(&mut zookeeper.controller, &mut env);
        for (operation, tag) in zookeeper.controller.take_operations() {
            let asked = (operation, Tag::Controller(tag));
            zookeeper.submit(now.monotonic, &mut shared.connector, asked, out);
        }
    }

    /// A response of ZooKeeper, of a broker to its controller, or of the controller to a shutdown.
    pub(super) fn zookeeper_response(
        &mut self,
        now: Now,
        request: (ConnectionId, CorrelationId),
        response: &Response,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        match response {
            Response::ZooKeeper(response) => {
                self.zookeeper_says(now, request, response.clone(), out)
            }
            Response::ControlledShutdown(response) => self.let_go(now, request, response, out),
            response => {
                self.with_controller(now, out, |controller, env| {
                    controller.response(request, response, env);
                });
                Ok(())
            }
        }
    }

    fn zookeeper_says(
        &mut self,
        now: Now,
        request: (ConnectionId, CorrelationId),
        response: ZooKeeperResponse,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        let Some((zookeeper, shared)) = self.zookeeper() else {
            return Ok(());
        };
        let connector = &mut shared.connector;
        let client = &mut zookeeper.client;
        let told = client.response(now.monotonic, request, response, connector, out);
        self.told(now, told, out)
    }

    /// A connection has ended.
    pub(super) fn zookeeper_disconnected(
        &mut self,
        now: Now,
        connection: ConnectionId,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        self.with_controller(now, out, |controller, env| {
            controller.disconnected(connection, env);
        });
        let Some((zookeeper, _)) = self.zookeeper() else {
            return Ok(());
        };
        let random = &mut zookeeper.random;
        zookeeper
            .shut_down
            .disconnected(now.monotonic, connection, random);
        let told = zookeeper.client.disconnected(now.monotonic, connection);
        self.told(now, told, out)
    }

    /// A deadline of the session, the controller or a shutdown may have come.
    pub(super) fn zookeeper_timer(
        &mut self,
        now: Now,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        let at = now.monotonic;
        let Some((zookeeper, shared)) = self.zookeeper() else {
            return Ok(());
        };
        let due = zookeeper.client.deadline().is_some_and(|due| due <= at);
        let told = if due {
            zookeeper.client.timer(at, &mut shared.connector, out)
        } else {
            Vec::new()
        };
        let register = zookeeper.register_at.take_if(|due| *due <= at).is_some();
        self.told(now, told, out)?;
        if register {
            self.register(now, out);
        }
        self.with_controller(now, out, ControllerZk::timer);
        self.note_isr_changes(now, out);
        self.shut_down_timer(now, out)
    }

    fn told(&mut self, now: Now, told: Vec<Told>, out: &mut Effects) -> Result<(), StorageError> {
        for notice in told {
            match notice {
                Notice::Connected { .. } => self.session_begins(now, out),
                Notice::Disconnected => {}
                Notice::Expired => self.session_ended(now, out),
                Notice::Event { happened, path } => self.watch_tells(now, happened, &path, out),
                Notice::Answered {
                    tag: (tag, operation),
                    result,
                } => self.answer_came(now, (tag, operation), result, out)?,
            }
        }
        Ok(())
    }

    /// There is a connection; the session may be the one of before.
    fn session_begins(&mut self, now: Now, out: &mut Effects) {
        let Some((zookeeper, _)) = self.zookeeper() else {
            return;
        };
        match zookeeper.stage {
            Stage::Connecting => {
                zookeeper.stage = Stage::Reading;
                for path in folders() {
                    self.ask(now, make(path), Tag::Made, out);
                }
                self.read_configs(now, out);
            }
            Stage::Registering => self.register_and_stand(now, out),
            Stage::Reading | Stage::Opening | Stage::Running => {}
        }
    }

    fn session_ended(&mut self, now: Now, out: &mut Effects) {
        self.with_controller(now, out, ControllerZk::expire);
        let Some((zookeeper, shared)) = self.zookeeper() else {
            return;
        };
        let timeout = zookeeper.timeout;
        if shared.rules.controller_stops_with_session {
            let of_controller = |tag: &Tag| matches!(tag, Tag::Controller(_));
            let wanted = |(tag, _): &(Tag, Operation)| !of_controller(tag);
            zookeeper.client.keep_waiting(wanted);
        }
        zookeeper.client.renew(now.monotonic, timeout);
        if matches!(zookeeper.stage, Stage::Running) {
            zookeeper.stage = Stage::Registering;
            self.watch_configs(now, out);
        }
    }

    fn watch_tells(&mut self, now: Now, happened: Happened, path: &str, out: &mut Effects) {
        if path == znodes::CONFIG_CHANGES {
            return self.watch_configs(now, out);
        }
        self.with_controller(now, out, |controller, env| {
            controller.happened(happened, path, env);
        });
    }

    fn answer_came(
        &mut self,
        now: Now,
        (tag, operation): (Tag, Operation),
        result: Reply,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        let lost =
            matches!(&result, Err(refusal) if refusal.error == ZooKeeperError::ConnectionLoss);
        let elector = matches!(tag, Tag::Controller(controller_zk::Tag::Elector(_)));
        if lost && !elector {
            self.ask(now, operation, tag, out);
            return Ok(());
        }
        match tag {
            Tag::Controller(tag) => self.with_controller(now, out, |controller, env| {
                controller.answered(tag, result, env);
            }),
            Tag::Made => {}
            Tag::Register => self.look_registered(now, out),
            Tag::Registered => self.registered(now, &result, out),
            Tag::Config(ask) => self.config_came(now, ask, &result, out),
            Tag::Isr(ask) => self.isr_answered(now, ask, &result, out),
            Tag::FindController => self.controller_found(now, &result, out),
        }
        Ok(())
    }

    /// The settings are known: now the logs can be opened, by another thread.
    fn configs_known(&mut self, now: Now) {
        let Some((zookeeper, _)) = self.zookeeper() else {
            return;
        };
        if zookeeper.stage == Stage::Reading {
            zookeeper.stage = Stage::Opening;
        }
        zookeeper.control.wake(now.monotonic);
    }

    /// Opens the logs if that is due, else works on what the controller has sent.
    pub(super) fn zookeeper_metadata(
        &mut self,
        now: Now,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        let Some((zookeeper, _)) = self.zookeeper() else {
            return Ok(());
        };
        if zookeeper.stage != Stage::Opening {
            return self.control_waiting(now, out);
        }
        zookeeper.control.slept();
        zookeeper.stage = Stage::Registering;
        let directories = self.replicas.directories.iter();
        let folders = directories.flat_map(|one| {
            let folder = |name: &TopicPartition| (format!("{}/{name}", one.name), name.clone());
            one.folders.iter().map(folder)
        });
        for (directory, name) in folders.collect::<Vec<_>>() {
            let storage = &mut self.shared.storage;
            if let Some(topic_id) = checkpoint::read_topic_id(storage, &directory)? {
                let id = TopicIdPartition {
                    topic_id,
                    partition: name,
                };
                self.replicas.get_or_open(&mut self.shared, &id, now, out)?;
            }
        }
        self.published = true;
        self.scheduler.start(&self.shared, now.monotonic);
        self.scheduler.deleted(self.replicas.next_deletion());
        self.register_and_stand(now, out);
        Ok(())
    }

    /// Before 1.1 it may be the controller before it is there: then it counts itself among the dead at first.
    fn register_and_stand(&mut self, now: Now, out: &mut Effects) {
        if self.shared.rules.registered_before_controller {
            return self.register(now, out);
        }
        let Some((zookeeper, _)) = self.zookeeper() else {
            return;
        };
        zookeeper.register_at = Some(now.monotonic + REST_OF_STARTUP);
        self.with_controller(now, out, ControllerZk::stand);
    }

    fn register(&mut self, now: Now, out: &mut Effects) {
        let Some((zookeeper, shared)) = self.zookeeper() else {
            return;
        };
        if !zookeeper.client.is_connected() {
            return; // When there is a session.
        }
        let node = BrokerNode::new(zookeeper.incarnation, shared.rack(), now.wall.0);
        let create = Operation::Change(Change::Create {
            path: znodes::broker(shared.id),
            data: encode(&node),
            ephemeral: true,
            sequential: false,
        });
        self.ask(now, create, Tag::Register, out);
    }

    /// The znode is there: made now, or before a connection was lost, or by another session. It tells itself.
    fn look_registered(&mut self, now: Now, out: &mut Effects) {
        let path = znodes::broker(self.shared.id);
        self.ask(
            now,
            Operation::GetData { path, watch: false },
            Tag::Registered,
            out,
        );
    }

    fn registered(&mut self, now: Now, result: &Reply, out: &mut Effects) {
        let Some((zookeeper, shared)) = self.zookeeper() else {
            return;
        };
        let session = zookeeper.client.session();
        let own = match result {
            Ok(Answer::Data(_, stat)) if stat.ephemeral_owner == session => Some(stat.czxid),
            _ => None,
        };
        let Some(czxid) = own else {
            zookeeper.register_at = Some(now.monotonic + REGISTER_AGAIN);
            return;
        };
        zookeeper.stage = Stage::Running;
        let broker_epoch = BrokerEpoch(czxid.0);
        shared.broker_epoch = Some(broker_epoch);
        zookeeper.control.wake(now.monotonic);
        out.observe(Event::BrokerRegistered { broker_epoch });
        let stands = shared.rules.registered_before_controller;
        self.lifecycle.runs();
        if stands {
            self.with_controller(now, out, ControllerZk::stand);
        }
    }

    /// Passes a request to the controller, if this broker is it.
    pub(super) fn ask_controller(
        &mut self,
        now: Now,
        reply: ReplyTo,
        request: Request,
        out: &mut Effects,
    ) {
        self.with_controller(now, out, |controller, env| {
            controller.request(reply, request, env);
        });
    }

    /// Ends the session in order.
    pub(super) fn close_session(&mut self, now: Timestamp, out: &mut Effects) {
        if let Some((zookeeper, shared)) = self.zookeeper() {
            zookeeper.client.close(now, &mut shared.connector, out);
        }
    }
}

/// The znodes that have to be there, parents first.
fn folders() -> Vec<String> {
    let mut all = Vec::new();
    for path in PERSISTENT {
        let mut at = 0;
        while let Some(next) = path[at + 1..].find('/') {
            at += 1 + next;
            all.push(path[..at].to_owned());
        }
        all.push(path.to_owned());
    }
    all.sort();
    all.dedup();
    all
}

fn make(path: String) -> Operation {
    Operation::Change(Change::Create {
        path,
        data: bytes::Bytes::new(),
        ephemeral: false,
        sequential: false,
    })
}
