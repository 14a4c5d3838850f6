//! One replica of the metadata log `__cluster_metadata-0`: a voter of its quorum (a controller), or an
//! observer (a broker, or a controller that is not among the voters).
//!
//! The voters elect a leader by majority; it alone appends, and all others fetch from it. What is on a
//! majority is committed. It is part of a process, not a machine of its own: its owner hands it the disk,
//! the connections and the time with each call (`Context`), and asks afterwards what is committed.
//!
//! | file | what |
//! |---|---|
//! | `start.rs` | what the disk says at the start |
//! | `voters.rs` | who votes, and how votes are counted |
//! | `state.rs`, `transition.rs` | the states and the ways between them |
//! | `quorum_state.rs` | what a voter must not forget |
//! | `vote.rs`, `epoch.rs` | requests about elections |
//! | `leader.rs`, `serve.rs`, `parked.rs` | the leader: high watermark, check-quorum, answers to fetches |
//! | `follow.rs` | fetching |
//! | `replica_log.rs`, `control.rs`, `position.rs` | the log, and where two copies part |
//! | `snapshots.rs`, `growth.rs`, `snapshotting.rs`, `fetch_snapshot.rs` | what takes the place of its beginning |
//! | `poll.rs`, `links.rs` | timers and connections |
//!
//! Invariants: what a voter promised (an epoch, a vote, records) is on its disk before anybody is told.
//! Simplified: the voters do not change (no AddVoter, RemoveVoter); no DescribeQuorum.
//! Source: KIP-595, KIP-630, KIP-631, KIP-853, KIP-996; `KafkaRaftClient`.
//! Next: `state.rs`.

mod control;
mod epoch;
mod fetch_snapshot;
mod follow;
mod growth;
mod leader;
mod links;
mod parked;
mod poll;
mod position;
pub(crate) mod quorum_state;
mod replica_log;
mod serve;
mod snapshots;
mod snapshotting;
mod start;
mod state;
mod transition;
mod vote;
mod voters;

pub(crate) use quorum_state::directory_id;
pub(crate) use snapshotting::News;
pub use voters::{DirectoryId, VoterKey};

use crate::channel::{Backoff, Connector};
use crate::config::{BrokerConfig, ControllerConfig};
use crate::error::ErrorCode;
use crate::event::Event;
use crate::id::{ConnectionId, ControllerId, CorrelationId, Incarnation, NodeId};
use crate::machine::{Effects, ReplyTo};
use crate::message::{Request, Response};
use crate::offset::{LeaderEpoch, Offset};
use crate::random::Random;
use crate::rules::Rules;
use crate::storage::{Storage, StorageError};
use crate::time::{Now, Timestamp};
use bytes::Bytes;
use fetch_snapshot::Fetching;
use links::Links;
use parked::ParkedFetches;
use quorum_state::Stored;
use replica_log::ReplicaLog;
use state::{Election, Role};
use std::time::Duration;
use voters::VoterSet;

/// What its process lends it for one call.
pub(crate) struct Context<'a> {
    pub(crate) storage: &'a mut dyn Storage,
    pub(crate) connector: &'a mut Connector,
    /// For the waits between connections.
    pub(crate) random: &'a mut Random,
    pub(crate) backoff: Backoff,
    pub(crate) now: Now,
    pub(crate) out: &'a mut Effects,
}

/// The times of the protocol.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QuorumSettings {
    election_timeout: Duration,
    fetch_timeout: Duration,
    request_timeout: Duration,
    retry_backoff: Duration,
    election_backoff_max: Duration,
    fetch_max_bytes: usize,
    snapshot_bytes: u64,
    snapshot_interval: Duration,
    retention_bytes: i64,
    segment_bytes: u64,
}

impl QuorumSettings {
    /// A controller's.
    pub(crate) fn new(config: &ControllerConfig) -> Self {
        Self {
            // Without any spread there would be nothing to tell two candidates apart.
            election_timeout: config.election_timeout.max(Duration::from_millis(1)),
            fetch_timeout: config.fetch_timeout.max(Duration::from_millis(2)),
            request_timeout: config.quorum_request_timeout,
            retry_backoff: config.quorum_retry_backoff.max(Duration::from_millis(1)),
            election_backoff_max: config.election_backoff_max,
            fetch_max_bytes: config.quorum_fetch_max_bytes,
            snapshot_bytes: config.snapshot_bytes,
            snapshot_interval: config.snapshot_interval,
            retention_bytes: config.metadata_retention_bytes,
            segment_bytes: config.metadata_segment_bytes,
        }
    }

    /// A broker's: it has no part in elections, and its times are the quorum's defaults.
    pub(crate) fn of_observer(config: &BrokerConfig) -> Self {
        Self {
            snapshot_bytes: config.snapshot_bytes,
            snapshot_interval: config.snapshot_interval,
            retention_bytes: config.metadata_retention_bytes,
            segment_bytes: config.metadata_segment_bytes,
            ..Self::new(&ControllerConfig::default())
        }
    }
}

/// Who the replica is.
#[derive(Clone, Debug)]
pub(crate) struct RaftStart<'a> {
    pub(crate) node: NodeId,
    pub(crate) incarnation: Incarnation,
    /// The controllers of the quorum, as they were formatted.
    pub(crate) controllers: &'a [ControllerId],
    pub(crate) settings: QuorumSettings,
    pub(crate) rules: Rules,
    /// Draws election timeouts from a stream of its own.
    pub(crate) random: &'a Random,
}

/// A replica of the metadata log.
#[derive(Debug)]
pub(crate) struct Raft {
    node: NodeId,
    /// A controller's number; an observer's means nothing.
    id: ControllerId,
    directory: Option<DirectoryId>,
    voters: VoterSet,
    bootstrap: Vec<ControllerId>,
    settings: QuorumSettings,
    election_random: Random,
    log: ReplicaLog,
    election: Election,
    /// What the disk says of it.
    stored: Option<Stored>,
    links: Links,
    parked: ParkedFetches,
    /// The snapshot that it fetches from the leader of this epoch.
    fetching: Option<Fetching>,
    /// The end of a snapshot that its owner does not know of yet.
    made: Option<Offset>,
    /// When old snapshots are looked at.
    clean_at: Option<Timestamp>,
    /// Something moved for which parked fetches wait.
    wake_fetches: bool,
    /// It is to leave the quorum.
    stopping: bool,
}

impl Raft {
    /// Whether it is one of the voters.
    pub(crate) fn is_voter(&self) -> bool {
        self.voters.is_voter(self.own_key())
    }

    /// Whether there are other voters.
    pub(crate) fn has_others(&self) -> bool {
        self.voters.len() > 1
    }

    /// The leader that it follows, or itself.
    pub(crate) fn leader(&self) -> Option<ControllerId> {
        match self.election.role {
            Role::Resigned { .. } => None,
            _ => self.election.leader,
        }
    }

    /// The epoch that it leads in, once it may act on it: all that was committed before is known to be, for
    /// a record of its own is.
    pub(crate) fn leads(&self) -> Option<LeaderEpoch> {
        match &self.election.role {
            Role::Leader(leading) if leading.high_watermark.is_some() => Some(self.election.epoch),
            _ => None,
        }
    }

    /// The end of its log.
    pub(crate) fn end_offset(&self) -> Offset {
        self.log.end_offset()
    }

    /// The end of what it knows to be committed.
    pub(crate) fn high_watermark(&self) -> Offset {
        self.log.high_watermark()
    }

    /// Appends a batch, as the leader.
    pub(crate) fn append(
        &mut self,
        context: &mut Context<'_>,
        batch: &Bytes,
    ) -> Result<(), StorageError> {
        let (epoch, now) = (self.election.epoch, context.now);
        let appended = self.log.append(context.storage, batch, epoch, now)?;
        self.tell_appended(context, appended);
        self.wake_fetches = true;
        self.advance(context);
        Ok(())
    }

    /// Moves the leader's high watermark, if it may.
    fn advance(&mut self, context: &mut Context<'_>) {
        let (end, rules) = (self.log.end_offset(), self.log.rules());
        let Role::Leader(leading) = &mut self.election.role else {
            return;
        };
        if !leading.advance(end, rules) {
            return;
        }
        let offset = leading.high_watermark.unwrap_or_default();
        self.log.set_high_watermark(offset);
        self.wake_fetches = true;
        let epoch = self.election.epoch;
        self.tell(context, Event::QuorumHighWatermark { epoch, offset });
    }

    /// Takes a request, if it is one of the quorum's.
    pub(crate) fn request(
        &mut self,
        context: &mut Context<'_>,
        reply: ReplyTo,
        request: Request,
    ) -> Result<(), StorageError> {
        let response = match request {
            Request::Fetch(request) => return self.fetch(context, reply, request),
            Request::Vote(request) => Response::Vote(self.vote(context, &request)?),
            Request::BeginQuorumEpoch(request) => {
                Response::BeginQuorumEpoch(self.begin_epoch(context, &request)?)
            }
            Request::EndQuorumEpoch(request) => {
                Response::EndQuorumEpoch(self.end_epoch(context, &request)?)
            }
            Request::FetchSnapshot(request) => {
                Response::FetchSnapshot(self.fetch_snapshot(context, &request)?)
            }
            _ => return Ok(()),
        };
        context.out.respond(reply, response);
        Ok(())
    }

    /// Whether a connection is one of its own.
    pub(crate) fn owns(&self, connection: ConnectionId) -> bool {
        self.links.owns(connection)
    }

    /// Takes an answer.
    pub(crate) fn response(
        &mut self,
        context: &mut Context<'_>,
        (connection, correlation): (ConnectionId, CorrelationId),
        response: &Response,
    ) -> Result<(), StorageError> {
        let Some(from) = self.links.answered(connection, correlation) else {
            return Ok(());
        };
        let handled = match response {
            Response::Fetch(response) => self.fetch_answered(context, from, response)?,
            Response::FetchSnapshot(response) => self.snapshot_answered(context, response)?,
            Response::Vote(response) => self.voted(context, from, response)?,
            Response::BeginQuorumEpoch(response) | Response::EndQuorumEpoch(response) => {
                self.epoch_answered(context, from, response)?
            }
            _ => false,
        };
        if !handled {
            let until = context.now.monotonic + self.settings.retry_backoff;
            self.links.back_off(from, until);
        }
        Ok(())
    }

    /// A connection is established.
    pub(crate) fn connected(&mut self, connection: ConnectionId) {
        self.links.connected(connection);
    }

    /// A connection is gone.
    pub(crate) fn disconnected(&mut self, context: &mut Context<'_>, connection: ConnectionId) {
        let retry = self.settings.retry_backoff;
        self.links.disconnected(connection, retry, context);
    }

    /// Does what is due: to be called after every input, and at [`Raft::next_deadline`].
    pub(crate) fn work(&mut self, context: &mut Context<'_>) -> Result<(), StorageError> {
        self.poll(context)
    }

    /// It is to leave the quorum: a leader resigns.
    pub(crate) fn stop(&mut self) {
        self.stopping = true;
    }

    /// Whether it can leave: somebody else leads, or there is nobody else.
    pub(crate) fn may_leave(&self) -> bool {
        let other = self.leader().is_some_and(|leader| leader != self.id);
        !self.is_voter() || self.voters.len() == 1 || other
    }

    /// Closes the log.
    ///
    /// # Errors
    /// The disk failed.
    pub(crate) fn close(&mut self, storage: &mut dyn Storage) -> Result<(), StorageError> {
        self.log.close(storage)
    }
}

/// Reports each refused part of an answer to a fetch.
fn observe_refusals(response: &Response, from: NodeId, out: &mut Effects) {
    let Response::Fetch(fetched) = response else {
        return;
    };
    for part in &fetched.partitions {
        if part.error != ErrorCode::None {
            out.observe(Event::Refused {
                api: response.api(),
                partition: Some(part.partition.partition.clone()),
                from,
                error: part.error,
            });
        }
    }
}
