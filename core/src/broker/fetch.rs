//! Fetch: what followers and consumers read. A fetch that finds too little waits until there is
//! enough, something goes wrong, or its time is up.
//!
//! Source: `KafkaApis.handleFetchRequest`, `ReplicaManager.fetchMessages`, `DelayedFetch`.
//! Which replica a consumer should read from: `partition/read_replica.rs`.
//! Simplified: no quotas; a fetch that
//! waits is looked at again by reading again, where Kafka compares positions first: the same answers,
//! some reads more. One that wants more than a byte waits on when a segment is rolled, where Kafka
//! answers with what there is.
//! Next: `fetch_session.rs`, `partition/leader.rs`.

use super::Broker;
use super::fetch_session::Context;
use super::purgatory::{DelayedFetch, Parked, Ticket};
use crate::config::ReplicaSelector;
use crate::error::ErrorCode;
use crate::event::Event;
use crate::id::{TopicIdPartition, TopicPartition};
use crate::machine::{Effects, ReplyTo};
use crate::message::{
    Api, FetchPartition, FetchPartitionResponse, FetchRequest, FetchResponse, Fetcher,
    LeaderIdAndEpoch, Response,
};
use crate::offset::Offset;
use crate::partition::{FetchRead, ReadParameters, Refusal};
use crate::storage::StorageError;
use crate::time::Now;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// What a look at all partitions of a fetch found.
struct Found {
    partitions: Vec<FetchPartitionResponse>,
    bytes: usize,
    /// An error, divergence, or an offset that cannot be read yet: nothing to wait for.
    urgent: bool,
    /// Those that need not be read again until something happens to them.
    resting: Vec<TopicIdPartition>,
}

impl Found {
    fn is_enough(&self, request: &FetchRequest) -> bool {
        self.bytes >= request.min_bytes.min(request.max_bytes)
    }
}

impl Broker {
    pub(super) fn fetch(
        &mut self,
        now: Now,
        reply: ReplyTo,
        mut request: FetchRequest,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        let context = self.enter_session(now.monotonic, &mut request);
        if let Context::Refused(error) = context {
            refuse_all(reply, error, out);
            return Ok(());
        }
        let mut changed = Vec::new();
        let wanted = &request.partitions;
        let mut found = self.look(now, reply, &request, wanted, Some(&mut changed), out)?;
        if let Context::Incremental(id) = context {
            self.rest(id, std::mem::take(&mut found.resting));
        }
        // Of a session only those are named here that do not rest.
        let is_empty = request.partitions.is_empty() && !matches!(context, Context::Incremental(_));
        let at_once = request.max_wait == Duration::ZERO
            || is_empty
            || found.urgent
            || found.is_enough(&request);
        if at_once {
            self.respond(reply, context, found.partitions, out);
        } else {
            self.park_fetch(now, reply, request, context);
        }
        self.wake_each(now, &changed, out)
    }

    fn park_fetch(&mut self, now: Now, reply: ReplyTo, request: FetchRequest, context: Context) {
        let deadline = now.monotonic + request.max_wait;
        let request = Arc::new(request);
        let parked = Parked::Fetch(DelayedFetch {
            reply,
            request: Arc::clone(&request),
            context,
        });
        let names = request
            .partitions
            .iter()
            .map(|one| &one.partition.partition);
        let ticket = self.purgatory.park(parked, names, deadline);
        if let Context::Incremental(id) = context {
            self.fetch_sessions.parked(id, ticket);
        }
    }

    /// Looks at a fetch that waits. Returns whether it has ended.
    pub(super) fn retry_fetch(
        &mut self,
        now: Now,
        ticket: Ticket,
        is_last: bool,
        out: &mut Effects,
    ) -> Result<bool, StorageError> {
        let Some(Parked::Fetch(delayed)) = self.purgatory.get_mut(ticket) else {
            return Ok(true);
        };
        let DelayedFetch {
            reply,
            request,
            context,
        } = delayed.clone();
        let awake = match context {
            Context::Incremental(id) => self.fetch_sessions.awake(id),
            Context::Full(_) | Context::Refused(_) => None,
        };
        let wanted = awake.as_ref().unwrap_or(&request.partitions);
        let found = self.look(now, reply, &request, wanted, None, out)?;
        if !is_last && !found.urgent && !found.is_enough(&request) {
            return Ok(false);
        }
        self.purgatory.take(ticket);
        if let Context::Incremental(id) = context {
            self.fetch_sessions.unparked(id, ticket);
        }
        self.respond(reply, context, found.partitions, out);
        Ok(true)
    }

    /// Answers with all that was read, or with what is news to the session.
    fn respond(
        &mut self,
        reply: ReplyTo,
        context: Context,
        read: Vec<FetchPartitionResponse>,
        out: &mut Effects,
    ) {
        let (session_id, partitions) = match context {
            Context::Incremental(id) => (id, self.fetch_sessions.answer(id, read)),
            Context::Full(id) => {
                self.fetch_sessions.told_all(id, &read);
                (id, read)
            }
            Context::Refused(_) => (0, read),
        };
        let response = FetchResponse {
            error: ErrorCode::None,
            partitions,
            session_id,
        };
        out.respond(reply, Response::Fetch(response));
    }

    /// Reads the wanted partitions of a fetch in order, within its limits. With `changed` the fetch counts as
    /// the follower's progress, and the partitions where that mattered are noted there.
    fn look(
        &mut self,
        now: Now,
        reply: ReplyTo,
        request: &FetchRequest,
        wanted: &[FetchPartition],
        mut changed: Option<&mut Vec<TopicPartition>>,
        out: &mut Effects,
    ) -> Result<Found, StorageError> {
        let mut found = Found {
            partitions: Vec::with_capacity(wanted.len()),
            bytes: 0,
            urgent: false,
            resting: Vec::new(),
        };
        let limit = request.max_bytes.min(self.shared.config.fetch_max_bytes);
        for one in wanted {
            let parameters = ReadParameters {
                fetcher: request.fetcher,
                max_bytes: limit.saturating_sub(found.bytes),
                at_least_one: found.bytes == 0,
                is_progress: changed.is_some(),
            };
            let rack = self.rack_of(request);
            let how = (parameters, rack);
            let response = match self.read(now, one, how, changed.as_deref_mut(), out)? {
                Ok(read) => {
                    found.urgent |= read.is_ahead || read.preferred_read_replica.is_some();
                    if read.rests {
                        found.resting.push(one.partition.clone());
                    }
                    answer(one, read)
                }
                Err((error, leader)) => {
                    let partition = Some(one.partition.partition.clone());
                    let from = reply.connection.client;
                    out.observe(Event::Refused {
                        api: Api::Fetch,
                        partition,
                        from,
                        error,
                    });
                    refuse(one, error, leader)
                }
            };
            found.bytes += response.records.len();
            found.urgent |= !response.error.is_none() || response.diverging_epoch.is_some();
            found.partitions.push(response);
        }
        Ok(found)
    }

    /// The rack to choose a replica by, if consumers are told one at all.
    fn rack_of<'a>(&self, request: &'a FetchRequest) -> Option<&'a str> {
        let asks = request.fetcher == Fetcher::Consumer && self.shared.rules.fetch_from_follower;
        match self.shared.config.replica_selector {
            ReplicaSelector::RackAware if asks => Some(&request.rack),
            ReplicaSelector::RackAware | ReplicaSelector::None => None,
        }
    }

    fn read(
        &mut self,
        now: Now,
        one: &FetchPartition,
        how: (ReadParameters, Option<&str>),
        changed: Option<&mut Vec<TopicPartition>>,
        out: &mut Effects,
    ) -> Result<Result<FetchRead, (ErrorCode, Option<LeaderIdAndEpoch>)>, StorageError> {
        let partition = match self.replicas.hosted_by_id(&self.shared, &one.partition) {
            Ok(partition) => partition,
            Err(error) => return Ok(Err((error, None))),
        };
        let mut context = self.shared.context(now);
        let (read, changes) = match partition.fetch(&mut context, one, how, out) {
            Ok(done) => done,
            Err(Refusal::Storage(error)) => {
                return Ok(Err((self.shared.refuse_lost(error)?, None)));
            }
            Err(Refusal::Code(error)) => {
                let moved = matches!(
                    error,
                    ErrorCode::NotLeaderOrFollower | ErrorCode::FencedLeaderEpoch
                );
                return Ok(Err((error, moved.then(|| partition.leader_hint()))));
            }
        };
        if let Some(changed) = changed.filter(|_| changes.high_watermark) {
            changed.push(one.partition.partition.clone());
        }
        if let Some(proposal) = changes.proposal {
            self.submit(now, &one.partition, proposal, out);
        }
        Ok(Ok(read))
    }
}

fn answer(one: &FetchPartition, read: FetchRead) -> FetchPartitionResponse {
    FetchPartitionResponse {
        partition: one.partition.clone(),
        error: ErrorCode::None,
        high_watermark: read.high_watermark,
        // Without transactions everything below the high watermark is decided.
        last_stable_offset: read.high_watermark,
        log_start_offset: read.log_start_offset,
        diverging_epoch: read.diverging_epoch,
        snapshot: None,
        preferred_read_replica: read.preferred_read_replica,
        current_leader: None,
        records: read.records,
    }
}

fn refuse(
    one: &FetchPartition,
    error: ErrorCode,
    current_leader: Option<LeaderIdAndEpoch>,
) -> FetchPartitionResponse {
    FetchPartitionResponse {
        partition: one.partition.clone(),
        error,
        high_watermark: Offset(-1),
        last_stable_offset: Offset(-1),
        log_start_offset: Offset(-1),
        diverging_epoch: None,
        snapshot: None,
        preferred_read_replica: None,
        current_leader,
        records: Bytes::new(),
    }
}

/// The session is not known, or at another epoch.
fn refuse_all(reply: ReplyTo, error: ErrorCode, out: &mut Effects) {
    out.observe(Event::Refused {
        api: Api::Fetch,
        partition: None,
        from: reply.connection.client,
        error,
    });
    let response = FetchResponse {
        error,
        partitions: Vec::new(),
        session_id: 0,
    };
    out.respond(reply, Response::Fetch(response));
}
