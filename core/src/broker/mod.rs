//! A broker: hosts replicas, serves clients and followers, follows leaders, obeys the controller.
//!
//! This file only routes: each input goes to the part that it belongs to.
//!
//! | part | what it does |
//! |---|---|
//! | `lifecycle` | registration, heartbeats, controlled shutdown |
//! | `observer` | its copy of the metadata log |
//! | `publish` | applies committed metadata to its replicas |
//! | `replicas`, `deletion` | its replicas and their checkpoints; those that it has no more |
//! | `log_dirs`, `assignments` | its log directories: lost ones, and what the controller knows of them |
//! | `produce`, `fetch`, `queries` | requests |
//! | `fetch_session`, `fetch_rest` | what the fetchers of this broker know already; what need not be read again |
//! | `purgatory` | requests that wait |
//! | `fetchers`, `fetcher`, `followed`, `truncation` | follows leaders |
//! | `alter_partition` | proposes ISRs to the controller |
//! | `scheduler` | periodic work |
//! | `zookeeper` | with ZooKeeper: session, registration, the controller's requests, the controller |
//!
//! A disk that fails ends the process (`LogDirFailureHandler`, `Exit.halt`), unless only one of several log
//! directories is lost with it.
//!
//! Source: `BrokerServer`, `KafkaApis`, `ReplicaManager`. Next: `lifecycle.rs`, then `produce.rs`.

mod alter_partition;
mod assignments;
mod deletion;
mod fetch;
mod fetch_rest;
mod fetch_session;
mod fetcher;
mod fetchers;
mod followed;
mod lifecycle;
mod log_dirs;
mod observer;
mod produce;
mod publish;
mod purgatory;
mod queries;
mod replicas;
mod scheduler;
mod shared;
mod truncation;
mod zookeeper;

pub use zookeeper::ZooKeeperMode;

use crate::config::{BrokerConfig, TopicConfig};
use crate::error::ErrorCode;
use crate::event::Event;
use crate::id::{
    BrokerId, ConnectionId, ControllerId, CorrelationId, Incarnation, NodeId, TopicPartition,
};
use crate::machine::{Command, Effect, Effects, Input, Lane, Machine, ReplyTo, StartError};
use crate::message::{Request, Response};
use crate::random::Random;
use crate::rules::Rules;
use crate::snapshot::{BrokerSnapshot, Snapshot};
use crate::storage::{Storage, StorageError};
use crate::time::{Now, Timestamp, earliest};
use alter_partition::AlterPartitions;
use assignments::Assignments;
use fetch_session::FetchSessions;
use fetchers::Fetchers;
use lifecycle::{Lifecycle, Turn};
use log_dirs::LogDirs;
use observer::Observer;
use purgatory::Purgatory;
use replicas::Replicas;
use scheduler::Scheduler;
use shared::Shared;
use std::collections::BTreeMap;
use zookeeper::ZooKeeper;

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
    /// The controllers (`controller.quorum.voters`); none with ZooKeeper.
    pub controllers: Vec<ControllerId>,
    /// The cluster is one with ZooKeeper.
    pub zookeeper: Option<ZooKeeperMode>,
    /// Its randomness.
    pub random: Random,
}

/// A broker process.
pub struct Broker {
    shared: Shared,
    lifecycle: Lifecycle,
    /// Without ZooKeeper.
    observer: Option<Observer>,
    /// With ZooKeeper.
    zookeeper: Option<ZooKeeper>,
    replicas: Replicas,
    purgatory: Purgatory,
    fetch_sessions: FetchSessions,
    fetchers: Fetchers,
    alter_partitions: AlterPartitions,
    assignments: Assignments,
    scheduler: Scheduler,
    /// When `flush.ms` last flushed a log.
    flushed_at: BTreeMap<TopicPartition, Timestamp>,
    /// The metadata has been caught up with: now the logs can be opened.
    open_logs_at: Option<Timestamp>,
    /// The logs are open and metadata is applied as it comes.
    published: bool,
    /// The process has ended.
    ended: bool,
}

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
        let random = start.random.part("log dirs");
        let names = &start.config.log_dirs;
        let mut storage = LogDirs::start(storage, names, start.rules, random)?;
        let (replicas, previous_epoch, clean) = Replicas::start(&mut storage)?;
        out.observe(Event::BrokerStarted { clean });
        let voters = start.controllers.clone();
        let mode = start.zookeeper.clone();
        let nodes =
            |mode: &ZooKeeperMode| mode.brokers.iter().copied().map(NodeId::Broker).collect();
        let quorum = || voters.iter().copied().map(NodeId::Controller).collect();
        let controllers: Vec<NodeId> = mode.as_ref().map_or_else(quorum, nodes);
        let incarnation = start.incarnation;
        let slots = start.config.max_incremental_fetch_session_cache_slots;
        let fetch_sessions = FetchSessions::new(slots, start.random.part("fetch sessions"));
        let mut shared = Shared::new(start, storage);
        let lifecycle = Lifecycle::start(
            &shared,
            &controllers,
            incarnation,
            previous_epoch,
            now.monotonic,
        );
        let (observer, zookeeper, lifecycle) = match mode {
            Some(mode) => {
                let zookeeper = ZooKeeper::start(mode, &shared, incarnation);
                (None, Some(zookeeper), lifecycle.idle())
            }
            None => {
                let observer = Observer::start(&mut shared, &voters, incarnation, now, out)?;
                (Some(observer), None, lifecycle)
            }
        };
        let mut broker = Self {
            lifecycle,
            alter_partitions: AlterPartitions::new(&shared, &controllers),
            assignments: Assignments::new(&shared, &controllers),
            observer,
            zookeeper,
            replicas,
            shared,
            purgatory: Purgatory::default(),
            fetch_sessions,
            fetchers: Fetchers::default(),
            scheduler: Scheduler::default(),
            flushed_at: BTreeMap::new(),
            open_logs_at: None,
            published: false,
            ended: false,
        };
        broker.directories_lost(now, out)?;
        Ok(broker)
    }

    fn route(&mut self, now: Now, input: Input, out: &mut Effects) -> Result<(), StorageError> {
        match input {
            Input::Request {
                connection,
                correlation,
                request,
            } => self.request(
                now,
                ReplyTo {
                    connection,
                    correlation,
                },
                *request,
                out,
            ),
            Input::Response {
                connection,
                correlation,
                response,
            } => self.response(now, connection, correlation, &response, out),
            Input::Connected { connection } => {
                self.connected(connection);
                Ok(())
            }
            Input::Disconnected { connection } => self.disconnected(now, connection, out),
            Input::Timer(lane) => self.timer(now, lane, out),
            Input::Command(Command::Shutdown) if self.zookeeper.is_some() => {
                self.begin_zookeeper_shutdown(now, out)
            }
            Input::Command(Command::Shutdown) => {
                let turn = self
                    .lifecycle
                    .begin_shutdown(&self.shared, now.monotonic, out);
                self.turn(now, turn, out)
            }
            // Sends, assignments and operators' wishes are for clients.
            Input::Command(_) => Ok(()),
        }
    }

    fn request(
        &mut self,
        now: Now,
        reply: ReplyTo,
        request: Request,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        match request {
            Request::Produce(request) => self.produce(now, reply, &request, out)?,
            Request::Fetch(request) => self.fetch(now, reply, request, out)?,
            Request::ListOffsets(request) => self.list_offsets(now, reply, &request, out)?,
            Request::OffsetForLeaderEpoch(request) => self.epoch_ends(reply, &request, out)?,
            Request::Metadata(request) => self.metadata(reply, &request, out),
            request @ (Request::LeaderAndIsr(_)
            | Request::UpdateMetadata(_)
            | Request::StopReplica(_))
                if self.zookeeper.is_some() =>
            {
                self.control(now, reply, request, out)?;
            }
            request if self.zookeeper.is_some() && is_for_controller(&request) => {
                self.ask_controller(now, reply, request, out);
            }
            other => {
                // Not an API of brokers: the connection is closed (`KafkaApis.handle`).
                let (api, from) = (other.api(), reply.connection.client);
                let error = ErrorCode::UnsupportedVersion;
                out.observe(Event::Refused {
                    api,
                    partition: None,
                    from,
                    error,
                });
                out.push(Effect::Close {
                    connection: reply.connection,
                });
            }
        }
        Ok(())
    }

    fn response(
        &mut self,
        now: Now,
        connection: ConnectionId,
        correlation: CorrelationId,
        response: &Response,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        let at = now.monotonic;
        if self.lifecycle.owns(connection) {
            let shared = &mut self.shared;
            let turn = self
                .lifecycle
                .answered(shared, connection, correlation, response, at, out);
            return self.turn(now, turn, out);
        }
        if self
            .zookeeper
            .as_ref()
            .is_some_and(|one| one.owns(connection))
        {
            let request = (connection, correlation);
            return self.zookeeper_response(now, request, response, out);
        }
        if self
            .observer
            .as_ref()
            .is_some_and(|one| one.owns(connection))
        {
            let request = (connection, correlation);
            return self.observed(now, request, response, out);
        }
        match response {
            Response::AlterPartition(response) if self.alter_partitions.owns(connection) => {
                let answers = self
                    .alter_partitions
                    .answered(connection, correlation, response, at);
                for (number, outcome) in answers {
                    self.proposal_answered(now, number, &outcome, out)?;
                }
                self.alter_partitions
                    .send_gathered(&mut self.shared, at, out);
            }
            Response::AssignReplicasToDirs(response) if self.assignments.owns(connection) => {
                self.assignments
                    .answered(connection, correlation, response, at);
            }
            response => {
                let owner = self.fetchers.owner(connection);
                if let Some(fetcher) = owner.and_then(|source| self.fetchers.get_mut(source)) {
                    let arrived = (connection, correlation, response);
                    fetcher.answered(&mut self.shared, &mut self.replicas, arrived, now, out)?;
                    let risen = std::mem::take(&mut fetcher.risen);
                    self.wake_each(now, &risen, out)?;
                }
            }
        }
        Ok(())
    }

    /// The metadata log goes on.
    fn observed(
        &mut self,
        now: Now,
        request: (ConnectionId, CorrelationId),
        response: &Response,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        let Some(observer) = &mut self.observer else {
            return Ok(());
        };
        let batches = observer.answered(&mut self.shared, request, response, now, out)?;
        self.apply_metadata(&batches, now, out)?;
        if let Some(observer) = &mut self.observer {
            observer.timer(&mut self.shared, now, out)?;
        }
        Ok(())
    }

    fn connected(&mut self, connection: ConnectionId) {
        self.lifecycle.connected(connection);
        if let Some(observer) = &mut self.observer {
            observer.connected(connection);
        }
        if let Some(zookeeper) = &mut self.zookeeper {
            zookeeper.connected(connection);
        }
        self.alter_partitions.connected(connection);
        self.assignments.connected(connection);
        let owner = self.fetchers.owner(connection);
        if let Some(fetcher) = owner.and_then(|source| self.fetchers.get_mut(source)) {
            fetcher.connected(connection);
        }
    }

    fn disconnected(
        &mut self,
        now: Now,
        connection: ConnectionId,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        let at = now.monotonic;
        self.lifecycle
            .disconnected(&mut self.shared, connection, at);
        if let Some(observer) = &mut self.observer {
            observer.disconnected(&mut self.shared, connection, now, out);
        }
        if self
            .zookeeper
            .as_ref()
            .is_some_and(|one| one.owns(connection))
        {
            self.zookeeper_disconnected(now, connection, out)?;
        }
        self.alter_partitions
            .disconnected(&mut self.shared, connection, at);
        self.assignments
            .disconnected(&mut self.shared, connection, at);
        let owner = self.fetchers.owner(connection);
        if let Some(fetcher) = owner.and_then(|source| self.fetchers.get_mut(source)) {
            fetcher.disconnected(&mut self.shared, connection, at);
            fetcher.work(&mut self.shared, &mut self.replicas, now, out)?;
        }
        Ok(())
    }

    fn timer(&mut self, now: Now, lane: Lane, out: &mut Effects) -> Result<(), StorageError> {
        let at = now.monotonic;
        match lane {
            Lane::Lifecycle if self.zookeeper.is_some() => self.zookeeper_timer(now, out),
            Lane::Lifecycle => {
                let applied = self.observer.as_ref().and_then(Observer::applied);
                let turn = self.lifecycle.timer(&mut self.shared, applied, at, out);
                self.turn(now, turn, out)
            }
            Lane::Metadata => {
                if let Some(observer) = &mut self.observer {
                    observer.timer(&mut self.shared, now, out)?;
                }
                if self.zookeeper.is_some() {
                    return self.zookeeper_metadata(now, out);
                }
                match self.open_logs_at.take() {
                    Some(_) => self.first_publish(now, out),
                    None => Ok(()),
                }
            }
            Lane::AlterPartition => {
                self.alter_partitions.timer(&mut self.shared, at, out);
                self.isr_answers(now, out)
            }
            Lane::DirectoryAssignments => {
                self.assignments.timer(&mut self.shared, at, out);
                Ok(())
            }
            Lane::Fetcher(source) => match self.fetchers.get_mut(source) {
                Some(fetcher) => fetcher.timer(&mut self.shared, &mut self.replicas, now, out),
                None => Ok(()),
            },
            Lane::Scheduler => self.scheduled(now, out),
            Lane::Purgatory => self.expire_parked(now, out),
            Lane::Main | Lane::RequestHandler => Ok(()),
        }
    }

    /// Does what the lifecycle's turn means for the rest.
    fn turn(&mut self, now: Now, turn: Turn, out: &mut Effects) -> Result<(), StorageError> {
        match turn {
            Turn::None => Ok(()),
            Turn::CaughtUp => {
                // The loader's thread opens the logs; heartbeats go on meanwhile.
                self.open_logs_at = Some(now.monotonic);
                Ok(())
            }
            Turn::Stop => self.stop(now.monotonic, out),
        }
    }

    /// Closes everything in order and ends the process.
    fn stop(&mut self, now: Timestamp, out: &mut Effects) -> Result<(), StorageError> {
        let epoch = self.shared.broker_epoch;
        // A broker that never opened its logs must not call them clean.
        if self.published {
            self.replicas.close(&mut self.shared.storage, epoch, out)?;
        }
        self.close_session(now, out);
        self.lifecycle.stopped();
        self.ended = true;
        out.observe(Event::BrokerStopped);
        out.push(Effect::Exit);
        Ok(())
    }

    /// When each lane but those of the fetchers wants waking.
    fn own_deadlines(&self) -> [(Lane, Option<Timestamp>); 6] {
        let zookeeper = self.zookeeper.as_ref();
        let session = zookeeper.and_then(ZooKeeper::deadline);
        let metadata = match (zookeeper, &self.observer) {
            (Some(zookeeper), _) => zookeeper.metadata_deadline(),
            (None, observer) => {
                let observer = observer.as_ref().and_then(Observer::next_deadline);
                earliest(observer, self.open_logs_at)
            }
        };
        let alter = self.alter_partitions.next_deadline();
        let alter = earliest(alter, zookeeper.and_then(ZooKeeper::isr_deadline));
        let lifecycle = earliest(self.lifecycle.next_deadline(), session);
        [
            (Lane::Lifecycle, lifecycle),
            (Lane::Metadata, metadata),
            (Lane::AlterPartition, alter),
            (Lane::DirectoryAssignments, self.assignments.next_deadline()),
            (Lane::Scheduler, self.scheduler.next_deadline()),
            (Lane::Purgatory, self.purgatory.next_deadline()),
        ]
    }
}

/// Whether a request is for the controller among the brokers.
fn is_for_controller(request: &Request) -> bool {
    matches!(
        request,
        Request::AlterPartition(_)
            | Request::ControlledShutdown(_)
            | Request::CreateTopics(_)
            | Request::CreatePartitions(_)
            | Request::DeleteTopics(_)
            | Request::ElectLeaders(_)
            | Request::AlterPartitionReassignments(_)
            | Request::IncrementalAlterConfigs(_)
    )
}

impl Machine for Broker {
    fn handle(&mut self, now: Now, input: Input, out: &mut Effects) {
        if self.ended {
            return;
        }
        let mut done = self.route(now, input, out);
        if done.is_ok() && !self.ended {
            done = self.directories_lost(now, out);
        }
        if let Err(error) = done {
            self.ended = true;
            out.observe(Event::StorageFailed {
                partition: None,
                error: error.to_string(),
            });
            out.push(Effect::Exit);
        }
        if std::mem::take(&mut self.shared.rolled) {
            self.scheduler.rolled(now.monotonic);
        }
    }

    fn deadlines(&self, visit: &mut dyn FnMut(Lane, Timestamp)) {
        let fetchers = self.fetchers.deadlines();
        let fetchers = fetchers.map(|(source, deadline)| (Lane::Fetcher(source), deadline));
        for (lane, deadline) in self.own_deadlines().into_iter().chain(fetchers) {
            if let Some(at) = deadline.filter(|_| !self.ended) {
                visit(lane, at);
            }
        }
    }

    fn moved_deadlines(&mut self, visit: &mut dyn FnMut(Lane, Option<Timestamp>)) {
        let ended = self.ended;
        let mut visit = |lane, deadline: Option<_>| visit(lane, deadline.filter(|_| !ended));
        for (lane, deadline) in self.own_deadlines() {
            visit(lane, deadline);
        }
        if ended {
            self.fetchers.touch_all();
        }
        self.fetchers
            .moved_deadlines(|source, deadline| visit(Lane::Fetcher(source), deadline));
    }

    fn lane(&self, input: &Input) -> Lane {
        match input {
            Input::Request { .. } => Lane::RequestHandler,
            Input::Timer(lane) => *lane,
            Input::Command(_) => Lane::Lifecycle,
            Input::Response { connection, .. }
            | Input::Connected { connection }
            | Input::Disconnected { connection } => {
                let zookeeper = self.zookeeper.as_ref();
                let observer = self.observer.as_ref();
                if self.lifecycle.owns(*connection)
                    || zookeeper.is_some_and(|one| one.owns(*connection))
                {
                    Lane::Lifecycle
                } else if observer.is_some_and(|one| one.owns(*connection)) {
                    Lane::Metadata
                } else if self.alter_partitions.owns(*connection) {
                    Lane::AlterPartition
                } else if self.assignments.owns(*connection) {
                    Lane::DirectoryAssignments
                } else {
                    let owner = self.fetchers.owner(*connection);
                    owner.map_or(Lane::Main, Lane::Fetcher)
                }
            }
        }
    }

    fn slots(&self, lane: Lane) -> usize {
        match lane {
            Lane::RequestHandler => self.shared.config.num_io_threads,
            _ => 1,
        }
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot::Broker(BrokerSnapshot {
            broker_epoch: self.shared.broker_epoch,
            fenced: self.lifecycle.is_fenced(),
            metadata_offset: self.observer.as_ref().and_then(Observer::applied),
            parked_requests: self.purgatory.len(),
            replicas: self
                .replicas
                .iter()
                .map(|partition| partition.snapshot())
                .collect(),
        })
    }
}
