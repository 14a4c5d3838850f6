//! The controller: it decides who lives and who leads, by writing records to the metadata log.
//!
//! This is the active controller of a quorum with one voter. A request becomes records; they change
//! the state at once (`cluster.rs`), are written a moment later (`metadata_log.rs`), and only then
//! answered. A request that changes nothing waits too if there is anything unwritten, for it may have
//! seen it. This file only routes.
//!
//! Invariants:
//! - No answer leaves before the records that it rests on are on the disk.
//! - State changes only by replaying records, but for sessions and heartbeats, which are not durable.
//!
//! Simplified: one controller, no failover; requests do not expire in its queue.
//! Source: KIP-500, KIP-631, `QuorumController`.
//! Next: `cluster.rs`, then `registry.rs` and `leadership.rs`.

mod alter_partition;
mod cluster;
mod configs;
mod deadlines;
mod election;
mod fetch;
mod heartbeats;
mod index;
mod leadership;
mod metadata_log;
mod partition_change;
mod placement;
mod quorum_state;
mod refusals;
mod registry;
mod snapshot;
mod topics;

use self::cluster::{Changes, Cluster};
use self::deadlines::Periodic;
use self::fetch::{Fetched, ParkedFetches};
use self::metadata_log::MetadataLog;
use crate::config::{ControllerConfig, TopicConfig};
use crate::error::ErrorCode;
use crate::event::Event;
use crate::id::{ControllerId, Incarnation};
use crate::invariant::invariant;
use crate::machine::{Command, Effect, Effects, Input, Lane, Machine, ReplyTo, StartError};
use crate::message::{FetchRequest, Request, Response};
use crate::metadata::metadata_partition;
use crate::offset::Offset;
use crate::random::Random;
use crate::rules::Rules;
use crate::snapshot::Snapshot;
use crate::storage::Storage;
use crate::time::{Now, Timestamp};
use std::collections::VecDeque;

/// What a controller process is given at its start.
#[derive(Clone, Debug)]
pub struct ControllerStart {
    /// Its `node.id`.
    pub id: ControllerId,
    /// Which start of it.
    pub incarnation: Incarnation,
    /// Its settings.
    pub config: ControllerConfig,
    /// Defaults of topics, from its properties file.
    pub topic_defaults: TopicConfig,
    /// The generation of the protocol.
    pub rules: Rules,
    /// Its randomness.
    pub random: Random,
}

/// A controller process.
pub struct Controller {
    id: ControllerId,
    cluster: Cluster,
    log: MetadataLog,
    fetches: ParkedFetches,
    periodic: Periodic,
    /// Answers and the offset that must be committed before each, in that order.
    responses: VecDeque<(Offset, ReplyTo, Response)>,
    /// The process has ended; what still arrives is lost.
    stopped: bool,
}

impl Controller {
    /// Starts over what the disk holds.
    ///
    /// # Errors
    /// The disk failed, or its metadata log cannot be used.
    pub fn start(
        start: ControllerStart,
        storage: Box<dyn Storage>,
        now: Now,
        out: &mut Effects,
    ) -> Result<Self, StartError> {
        let linger = start.config.append_linger;
        let periodic = Periodic::new(&start.config, now.monotonic);
        let mut cluster = Cluster::new(
            start.config,
            start.topic_defaults,
            start.rules,
            start.random,
        );
        let mut replay = |offset, record: &_| cluster.replay(offset, record);
        let kept = (linger, start.rules);
        let log = MetadataLog::open(start.id, kept, storage, now, &mut replay)?;
        out.observe(Event::ControllerActivated { epoch: log.epoch() });
        let changes = cluster.activate(now.monotonic);
        let mut controller = Self {
            id: start.id,
            cluster,
            log,
            fetches: ParkedFetches::default(),
            periodic,
            responses: VecDeque::new(),
            stopped: false,
        };
        controller.commit(now.monotonic, changes, None, out);
        Ok(controller)
    }

    fn request(&mut self, now: Now, reply: ReplyTo, request: Request, out: &mut Effects) {
        let at = now.monotonic;
        let mut changes = Changes::default();
        let cluster = &mut self.cluster;
        let response = match request {
            Request::Fetch(request) => return self.fetch(at, reply, request, out),
            Request::CreateTopics(request) => {
                Response::CreateTopics(cluster.create_topics(&request, &mut changes))
            }
            Request::ElectLeaders(request) => {
                Response::ElectLeaders(cluster.elect_leaders(&request, &mut changes))
            }
            Request::IncrementalAlterConfigs(request) => {
                Response::IncrementalAlterConfigs(cluster.alter_configs(&request, &mut changes))
            }
            Request::AlterPartition(request) => {
                Response::AlterPartition(cluster.alter_partition(&request, &mut changes))
            }
            Request::BrokerRegistration(request) => {
                let next = self.log.next_write_offset();
                let response = cluster.register_broker(&request, next, at, &mut changes);
                Response::BrokerRegistration(response)
            }
            Request::BrokerHeartbeat(request) => {
                Response::BrokerHeartbeat(cluster.heartbeat(&request, at, &mut changes))
            }
            Request::Produce(_)
            | Request::ListOffsets(_)
            | Request::Metadata(_)
            | Request::OffsetForLeaderEpoch(_)
            | Request::ZooKeeper(_)
            | Request::ZooKeeperPeer(_) => {
                out.observe(Event::Refused {
                    api: request.api(),
                    partition: None,
                    from: reply.connection.client,
                    error: ErrorCode::UnsupportedVersion,
                });
                let connection = reply.connection;
                return out.push(Effect::Close { connection });
            }
        };
        refusals::observe(&response, reply.connection.client, out);
        self.commit(at, changes, Some((reply, response)), out);
    }

    /// Replays what was decided, hands it to the log and parks the answer.
    fn commit(
        &mut self,
        now: Timestamp,
        changes: Changes,
        reply: Option<(ReplyTo, Response)>,
        out: &mut Effects,
    ) {
        changes
            .events
            .into_iter()
            .for_each(|event| out.observe(event));
        let mut offset = self.log.next_write_offset();
        for record in &changes.records {
            let replayed = self.cluster.replay(offset, record);
            invariant!(
                replayed.is_ok(),
                "a decided record can be replayed: {replayed:?}"
            );
            offset = offset.next();
        }
        self.log.schedule(changes.records, now);
        if let Some(broker) = changes.stopping {
            let last = self.log.next_write_offset() + -1;
            self.cluster
                .heartbeats
                .set_controlled_shutdown_offset(broker, last);
        }
        let Some((reply, response)) = reply else {
            return;
        };
        match self.log.highest_pending_offset() {
            Some(offset) if !changes.answer_at_once => {
                self.responses.push_back((offset, reply, response));
            }
            Some(_) | None => out.respond(reply, response),
        }
    }

    fn fetch(&mut self, now: Timestamp, reply: ReplyTo, request: FetchRequest, out: &mut Effects) {
        match fetch::fetch(&mut self.log, self.id, &request) {
            Fetched::Answer(response) => {
                let response = Response::Fetch(response);
                refusals::observe(&response, reply.connection.client, out);
                out.respond(reply, response);
            }
            Fetched::Wait => self.fetches.park(now, reply, request),
            Fetched::Failed(error) => self.fail(error, out),
        }
    }

    /// Writes what is pending; then answers what waited for it.
    fn write_pending(&mut self, now: Now, out: &mut Effects) {
        if let Err(error) = self.log.write_pending(now, out) {
            return self.fail(error, out);
        }
        let committed = self.log.high_watermark();
        while let Some((_, reply, response)) = self
            .responses
            .pop_front_if(|(offset, ..)| *offset < committed)
        {
            out.respond(reply, response);
        }
        for (reply, request) in self.fetches.take_all() {
            self.fetch(now.monotonic, reply, request, out);
        }
    }

    fn shut_down(&mut self, now: Now, out: &mut Effects) {
        self.write_pending(now, out);
        if self.stopped {
            return;
        }
        match self.log.close() {
            Ok(()) => {
                self.stopped = true;
                out.push(Effect::Exit);
            }
            Err(error) => self.fail(error, out),
        }
    }

    /// A controller whose disk fails ends: another one may do better.
    fn fail(&mut self, error: String, out: &mut Effects) {
        let partition = Some(metadata_partition().partition);
        out.observe(Event::StorageFailed { partition, error });
        out.push(Effect::Exit);
        self.stopped = true;
    }
}

impl Machine for Controller {
    fn handle(&mut self, now: Now, input: Input, out: &mut Effects) {
        if self.stopped {
            return;
        }
        match input {
            Input::Request {
                connection,
                correlation,
                request,
            } => {
                self.request(
                    now,
                    ReplyTo {
                        connection,
                        correlation,
                    },
                    request,
                    out,
                );
            }
            Input::Timer(_) => self.run_due(now, out),
            Input::Command(Command::Shutdown) => self.shut_down(now, out),
            // It opens no connections, and other commands are for clients.
            Input::Response { .. }
            | Input::Connected { .. }
            | Input::Disconnected { .. }
            | Input::Command(_) => {}
        }
    }

    fn deadlines(&self, visit: &mut dyn FnMut(Lane, Timestamp)) {
        if let Some((at, _)) = self.tasks().min().filter(|_| !self.stopped) {
            visit(Lane::Main, at);
        }
    }

    fn lane(&self, _input: &Input) -> Lane {
        Lane::Main
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot::Controller(self.describe())
    }
}

#[cfg(test)]
mod tests;
