//! One replica of the metadata log `__cluster_metadata-0`: a voter of its quorum (a controller), or an
//! observer (a broker, or a controller that is not among the voters).
//!
//! The voters elect a leader by majority; it alone appends, and all others fetch from it. What is on a
//! majority is committed. It is part of a process, not a machine of its own: its owner hands it the disk,
//! the connections and the time with each call (`Context`), and asks afterwards what is committed.
//!
//! | file | what |
//! |---|---|
//! | `voters.rs` | who votes, and how votes are counted |
//! | `state.rs`, `transition.rs` | the states and the ways between them |
//! | `quorum_state.rs` | what a voter must not forget |
//! | `vote.rs`, `epoch.rs` | requests about elections |
//! | `leader.rs`, `serve.rs`, `parked.rs` | the leader: high watermark, check-quorum, answers to fetches |
//! | `follow.rs` | fetching |
//! | `replica_log.rs` | the log |
//! | `poll.rs`, `links.rs` | timers and connections |
//!
//! Invariants: what a voter promised (an epoch, a vote, records) is on its disk before anybody is told.
//! Simplified: no snapshots, so the log is kept whole; the voters do not change (no AddVoter,
//! RemoveVoter); no DescribeQuorum.
//! Source: KIP-595, KIP-631, KIP-853, KIP-996; `KafkaRaftClient`.
//! Next: `state.rs`.

mod epoch;
mod follow;
mod leader;
mod links;
mod parked;
mod poll;
pub(crate) mod quorum_state;
mod replica_log;
mod serve;
mod state;
mod transition;
mod vote;
mod voters;

pub(crate) use replica_log::Committed;
pub use voters::{DirectoryId, VoterKey};

use crate::channel::{Backoff, Connector};
use crate::config::ControllerConfig;
use crate::error::ErrorCode;
use crate::event::Event;
use crate::id::{ConnectionId, ControllerId, CorrelationId, Incarnation, NodeId};
use crate::machine::{Effects, ReplyTo, StartError};
use crate::message::{Request, Response};
use crate::offset::{LeaderEpoch, Offset};
use crate::random::Random;
use crate::rules::Rules;
use crate::storage::{Storage, StorageError};
use crate::time::{Now, Timestamp};
use bytes::Bytes;
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
    /// Something moved for which parked fetches wait.
    wake_fetches: bool,
    /// It is to leave the quorum.
    stopping: bool,
}

impl Raft {
    /// Starts over what the disk holds. A voter that led resigns first: it may have lost what it had not
    /// forced to disk, and must not write other records in the same epoch (KAFKA-10527).
    ///
    /// # Errors
    /// The disk failed, or its files cannot be used.
    pub(crate) fn start(
        start: &RaftStart<'_>,
        context: &mut Context<'_>,
    ) -> Result<Self, StartError> {
        let rules = start.rules;
        let voters = VoterSet::new(start.controllers, rules.raft_voter_directory_id);
        let (id, directory) = match start.node {
            NodeId::Controller(id) if voters.key(id).directory.is_some() => {
                let new = voters::formatted(id, start.incarnation.0);
                let directory = quorum_state::directory(context.storage, new)?;
                (id, Some(directory))
            }
            NodeId::Controller(id) => (id, None),
            NodeId::Broker(_) | NodeId::Client(_) | NodeId::ZooKeeper(_) => {
                (ControllerId(-1), None)
            }
        };
        let is_voter = voters.is_voter(VoterKey { id, directory });
        let log = ReplicaLog::open(context.storage, rules, is_voter, context.now)?;
        let stored = if is_voter {
            quorum_state::read(context.storage)?
        } else {
            None
        };
        let mut raft = Self {
            node: start.node,
            id,
            directory,
            links: Links::new(voters.ids().filter(|voter| *voter != id || !is_voter)),
            bootstrap: voters.ids().filter(|voter| *voter != id).collect(),
            voters,
            settings: start.settings,
            election_random: start.random.part("elections"),
            election: Election {
                epoch: log.latest_epoch().unwrap_or_default(),
                leader: None,
                voted: None,
                role: Role::Unattached {
                    until: Timestamp::NEVER,
                },
            },
            log,
            stored,
            parked: ParkedFetches::default(),
            wake_fetches: false,
            stopping: false,
        };
        if is_voter {
            raft.resume(context)?;
        }
        Ok(raft)
    }

    /// The state of a voter that starts. Source: `QuorumState.initialize`, `KafkaRaftClient.initialize`.
    fn resume(&mut self, context: &mut Context<'_>) -> Result<(), StorageError> {
        let now = context.now.monotonic;
        let opened = Event::QuorumOpened {
            directory: self.directory.unwrap_or_default().to_string(),
            log_end_offset: self.log.end_offset(),
            epoch: self.stored.map_or(LeaderEpoch(0), |stored| stored.epoch),
        };
        self.tell(context, opened);
        let log_epoch = self.log.latest_epoch().unwrap_or_default();
        let stored = self.stored.filter(|stored| stored.epoch >= log_epoch);
        let until = self.election_timeout(now);
        if let Some(stored) = stored {
            self.election.epoch = stored.epoch;
            self.election.leader = stored.leader;
            self.election.voted = stored.voted;
            let led = stored.leader == Some(self.id);
            self.election.role = if led {
                Role::Resigned {
                    until,
                    successors: Vec::new(),
                    unheard: self.voters.ids().filter(|id| *id != self.id).collect(),
                }
            } else if stored.leader.is_none() && stored.voted == Some(self.own_key()) {
                let votes = voters::Votes::by_itself(self.id);
                Role::Candidate { votes, until }
            } else if stored.leader.is_some() {
                let until = now + self.settings.fetch_timeout;
                Role::Follower {
                    until,
                    fetched: false,
                }
            } else {
                Role::Unattached { until }
            };
            if led && !self.log.rules().raft_resign_after_restart && self.voters.len() > 1 {
                return self.become_leader(context, &[self.id]);
            }
        } else {
            self.election.role = Role::Unattached { until };
        }
        if self.voters.len() == 1 {
            return self.become_prospective(context);
        }
        self.tell_role(context);
        Ok(())
    }

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

    /// The committed batches from `next` on, and where they end.
    pub(crate) fn committed(
        &mut self,
        storage: &mut dyn Storage,
        next: Offset,
    ) -> Result<(Vec<Committed>, Offset), StorageError> {
        self.log.committed(storage, next)
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
