//! The controller: it decides who lives and who leads, by writing records to the metadata log.
//!
//! The controllers are the voters of the metadata quorum (`raft/`). The one that leads it is active: a
//! request becomes records; they change the state at once (`cluster.rs`), are written a moment later
//! (`metadata_log.rs`), and only when they are committed is it answered. A request that changes nothing
//! waits too if there is anything uncommitted, for it may have seen it. This file only routes.
//!
//! | this controller | requests | state |
//! |---|---|---|
//! | is active | become records | runs ahead of what is committed |
//! | stands by | NOT_CONTROLLER | replays what is committed |
//! | becomes active | | it leads, and has replayed everything before its epoch |
//! | is active no more | NOT_CONTROLLER, also for those that wait | goes back to what is committed |
//!
//! Invariants:
//! - No answer leaves before the records that it rests on are committed.
//! - State changes only by replaying records, but for sessions and heartbeats, which are not durable.
//!
//! Simplified: requests do not expire in its queue; to go back, the state is made anew from the latest
//! snapshot and the log (Kafka: a timeline of snapshots in memory).
//! Source: KIP-500, KIP-631, `QuorumController`.
//! Next: `cluster.rs`, then `registry.rs` and `leadership.rs`; `raft/mod.rs`.

mod alter_partition;
mod cluster;
mod configs;
mod deadlines;
mod directories;
mod election;
mod heartbeats;
mod index;
mod leadership;
mod metadata_log;
mod partition_change;
mod partitions;
pub(crate) mod placement;
mod reassignment;
pub(crate) mod refusals;
mod registry;
mod snapshot;
mod standing;
mod topics;

use self::cluster::{Changes, Cluster};
use self::deadlines::Periodic;
use self::metadata_log::MetadataLog;
use crate::config::{ControllerConfig, TopicConfig};
use crate::error::ErrorCode;
use crate::event::Event;
use crate::id::{ControllerId, Incarnation, NodeId};
use crate::invariant::invariant;
use crate::machine::{Command, Effect, Effects, Input, Lane, Machine, ReplyTo, StartError};
use crate::message::{Request, Response};
use crate::metadata::metadata_partition;
use crate::offset::{LeaderEpoch, Offset};
use crate::raft::{QuorumSettings, RaftStart};
use crate::random::Random;
use crate::rules::Rules;
use crate::snapshot::Snapshot;
use crate::storage::{Storage, StorageError};
use crate::time::{Now, Timestamp, earliest};
use std::collections::VecDeque;
use std::time::Duration;

/// A controller that stops waits this long for somebody else to lead (`KafkaRaftManager.shutdown`).
const STOPPING_TIMEOUT: Duration = Duration::from_secs(5);

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
    /// The controllers of the quorum, itself included (`controller.quorum.voters`).
    pub controllers: Vec<ControllerId>,
    /// Its randomness.
    pub random: Random,
}

/// A controller process.
pub struct Controller {
    cluster: Cluster,
    log: MetadataLog,
    /// The epoch in which it is the active controller.
    active: Option<LeaderEpoch>,
    periodic: Periodic,
    /// Answers and the offset that must be committed before each, in that order; and what is answered if
    /// that never comes to pass.
    responses: VecDeque<(Offset, ReplyTo, Response, Response)>,
    /// SIGTERM has come; at this time it ends, whoever leads then.
    stopping: Option<Timestamp>,
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
        let raft = RaftStart {
            node: NodeId::Controller(start.id),
            incarnation: start.incarnation,
            controllers: &start.controllers,
            settings: QuorumSettings::new(&start.config),
            rules: start.rules,
            random: &start.random,
        };
        let log = MetadataLog::open(&raft, start.config.append_linger, storage, now, out)?;
        let periodic = Periodic::new(&start.config, now.monotonic);
        let mut controller = Self {
            cluster: Cluster::new(
                start.config,
                start.topic_defaults,
                start.rules,
                start.random,
            ),
            log,
            active: None,
            periodic,
            responses: VecDeque::new(),
            stopping: None,
            stopped: false,
        };
        let settled = controller.settle(now, out);
        settled.map_err(|error| StartError::Unusable {
            path: metadata_partition().partition.to_string(),
            reason: error.to_string(),
        })?;
        Ok(controller)
    }

    fn request(&mut self, now: Now, reply: ReplyTo, request: Request, out: &mut Effects) {
        let at = now.monotonic;
        let refusal = refusals::not_controller(&request);
        if let (None, Some(refusal)) = (self.active, &refusal) {
            refusals::observe(refusal, reply.connection.client, out);
            return out.respond(reply, refusal.clone());
        }
        let mut changes = Changes::default();
        let cluster = &mut self.cluster;
        let response = match request {
            Request::Fetch(_)
            | Request::Vote(_)
            | Request::BeginQuorumEpoch(_)
            | Request::EndQuorumEpoch(_)
            | Request::FetchSnapshot(_) => return self.quorum_request(now, reply, request, out),
            Request::CreateTopics(request) => {
                Response::CreateTopics(cluster.create_topics(&request, &mut changes))
            }
            Request::DeleteTopics(request) => {
                Response::DeleteTopics(cluster.delete_topics(&request, &mut changes))
            }
            Request::CreatePartitions(request) => {
                Response::CreatePartitions(cluster.create_partitions(&request, &mut changes))
            }
            Request::ElectLeaders(request) => {
                Response::ElectLeaders(cluster.elect_leaders(&request, &mut changes))
            }
            Request::AlterPartitionReassignments(request) => {
                let response = cluster.alter_reassignments(&request, &mut changes);
                Response::AlterPartitionReassignments(response)
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
            Request::AssignReplicasToDirs(request) => {
                Response::AssignReplicasToDirs(cluster.assign_to_dirs(&request, &mut changes))
            }
            Request::BrokerHeartbeat(request) => {
                Response::BrokerHeartbeat(cluster.heartbeat(&request, at, &mut changes))
            }
            Request::Produce(_)
            | Request::ListOffsets(_)
            | Request::Metadata(_)
            | Request::OffsetForLeaderEpoch(_)
            | Request::LeaderAndIsr(_)
            | Request::StopReplica(_)
            | Request::UpdateMetadata(_)
            | Request::ControlledShutdown(_)
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
        let refusal = refusal.unwrap_or_else(|| response.clone());
        self.commit(at, changes, Some((reply, response, refusal)), out);
    }

    /// Replays what was decided, hands it to the log and parks the answer.
    fn commit(
        &mut self,
        now: Timestamp,
        changes: Changes,
        reply: Option<(ReplyTo, Response, Response)>,
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
        let Some((reply, response, refusal)) = reply else {
            return;
        };
        match self.log.highest_pending_offset() {
            Some(offset) if !changes.answer_at_once => {
                self.responses.push_back((offset, reply, response, refusal));
            }
            Some(_) | None => out.respond(reply, response),
        }
    }

    fn quorum_request(&mut self, now: Now, reply: ReplyTo, request: Request, out: &mut Effects) {
        let (raft, mut context) = self.log.raft(now, out);
        if let Err(error) = raft.request(&mut context, reply, request) {
            self.fail(&error, out);
        }
    }

    /// What follows from any input: the quorum's work, and what it has committed.
    fn after(&mut self, now: Now, out: &mut Effects) {
        let mut work = || {
            self.settle(now, out)?;
            let (raft, mut context) = self.log.raft(now, out);
            raft.work(&mut context)?;
            self.settle(now, out)
        };
        let worked = work();
        match worked {
            Ok(()) => self.maybe_stop(now, out),
            Err(error) => self.fail(&error, out),
        }
    }

    /// SIGTERM: writes what is pending and leaves the quorum.
    fn shut_down(&mut self, now: Now, out: &mut Effects) {
        if let Err(error) = self.log.write_pending(now, out) {
            return self.fail(&error, out);
        }
        self.log.raft(now, out).0.stop();
        self.stopping
            .get_or_insert(now.monotonic + STOPPING_TIMEOUT);
    }

    /// Ends once somebody else leads.
    fn maybe_stop(&mut self, now: Now, out: &mut Effects) {
        let late = |limit: Timestamp| now.monotonic >= limit;
        let ends = |limit| late(limit) || self.log.replica().may_leave();
        if !self.stopping.is_some_and(ends) {
            return;
        }
        match self.log.close() {
            Ok(()) => {
                self.stopped = true;
                out.push(Effect::Exit);
            }
            Err(error) => self.fail(&error, out),
        }
    }

    /// A controller whose disk fails ends: another one may do better.
    fn fail(&mut self, error: &StorageError, out: &mut Effects) {
        let partition = Some(metadata_partition().partition);
        let error = error.to_string();
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
                    *request,
                    out,
                );
            }
            Input::Timer(_) => self.run_due(now, out),
            Input::Command(Command::Shutdown) => self.shut_down(now, out),
            Input::Response {
                connection,
                correlation,
                response,
            } => {
                let (raft, mut context) = self.log.raft(now, out);
                let taken = raft.response(&mut context, (connection, correlation), &response);
                if let Err(error) = taken {
                    self.fail(&error, out);
                }
            }
            Input::Connected { connection } => self.log.raft(now, out).0.connected(connection),
            Input::Disconnected { connection } => {
                let (raft, mut context) = self.log.raft(now, out);
                raft.disconnected(&mut context, connection);
            }
            // Other commands are for clients.
            Input::Command(_) => {}
        }
        if !self.stopped {
            self.after(now, out);
        }
    }

    fn deadlines(&self, visit: &mut dyn FnMut(Lane, Timestamp)) {
        if self.stopped {
            return;
        }
        let task = self.tasks().min().map(|(at, _)| at);
        let quorum = earliest(self.log.replica().next_deadline(), self.stopping);
        if let Some(at) = earliest(task, quorum) {
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
