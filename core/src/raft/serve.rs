//! The leader answers fetches: of voters, whose progress they prove, and of observers.
//!
//! | fetch | answer |
//! |---|---|
//! | not of the metadata log alone | UNKNOWN_TOPIC_OR_PARTITION |
//! | a leader epoch below ours | FENCED_LEADER_EPOCH, with the leader and its epoch |
//! | a leader epoch above ours | UNKNOWN_LEADER_EPOCH |
//! | this replica does not lead | NOT_LEADER_OR_FOLLOWER, with the leader and its epoch |
//! | the log parts from ours | where, without records |
//! | the log ends before ours begins, or there is none yet and we have a snapshot | the name of the snapshot |
//! | at the log's end, and the high watermark is known | parked until either moves, or 500 ms at most |
//! | else | whole batches up to the log's end, and the high watermark |
//!
//! Invariants:
//! - A parked fetch waits at the end of the log, so the next write answers all of them.
//! - Only a valid fetch counts as a voter's progress.
//!
//! Source: `KafkaRaftClient.handleFetchRequest`, `tryCompleteFetchRequest`, `validateLeaderOnlyRequest`.
//! Next: `follow.rs`, the other side.

use super::position::Position;
use super::state::Role;
use super::voters::VoterKey;
use super::{Context, Raft};
use crate::error::ErrorCode;
use crate::id::{BrokerId, NodeId};
use crate::log::ReadError;
use crate::machine::ReplyTo;
use crate::message::{
    FetchPartition, FetchPartitionResponse, FetchRequest, FetchResponse, Fetcher, LeaderIdAndEpoch,
    Response,
};
use crate::metadata::METADATA_TOPIC_ID;
use crate::offset::{LeaderEpoch, Offset};
use crate::storage::StorageError;
use crate::time::Timestamp;
use bytes::Bytes;
use std::time::Duration;

/// What a fetch gets now.
enum Fetched {
    Answer(FetchResponse),
    /// Nothing yet.
    Wait,
}

impl Raft {
    /// Answers a fetch, or parks it.
    pub(super) fn fetch(
        &mut self,
        context: &mut Context<'_>,
        reply: ReplyTo,
        request: FetchRequest,
    ) -> Result<(), StorageError> {
        match self.fetched(context, &request)? {
            Fetched::Answer(response) => respond(context, reply, response),
            Fetched::Wait => self.parked.park(context.now.monotonic, reply, request),
        }
        Ok(())
    }

    /// Answers what waited: all if something moved, else those whose time is up.
    pub(super) fn answer_parked(&mut self, context: &mut Context<'_>) -> Result<(), StorageError> {
        let due = if std::mem::take(&mut self.wake_fetches) {
            self.parked.take_all()
        } else {
            self.parked.take_expired(context.now.monotonic)
        };
        for (reply, mut request) in due {
            request.max_wait = Duration::ZERO;
            self.fetch(context, reply, request)?;
        }
        Ok(())
    }

    fn fetched(
        &mut self,
        context: &mut Context<'_>,
        request: &FetchRequest,
    ) -> Result<Fetched, StorageError> {
        let [partition] = &request.partitions[..] else {
            let all = request.partitions.iter();
            let refused = |partition| self.refuse(partition, ErrorCode::UnknownTopicOrPartition);
            return Ok(answer(all.map(refused).collect()));
        };
        let position = match self.check(partition) {
            Err(error) => {
                let mut response = self.refuse(partition, error);
                response.current_leader = Some(self.current_leader());
                return Ok(answer(vec![response]));
            }
            Ok(position) => position,
        };
        if position != Position::Valid {
            let mut response = self.answer(partition, Bytes::new());
            match position {
                Position::Diverging(known) => response.diverging_epoch = Some(known),
                Position::Snapshot(id) => response.snapshot = Some(id),
                Position::Valid => {}
            }
            return Ok(answer(vec![response]));
        }
        let max_bytes = partition.max_bytes.min(request.max_bytes);
        let from = partition.fetch_offset;
        let records = match self.log.read(context.storage, from, max_bytes) {
            Ok(records) => records,
            Err(ReadError::OutOfRange(_)) => {
                let refused = self.refuse(partition, ErrorCode::OffsetOutOfRange);
                return Ok(answer(vec![refused]));
            }
            Err(ReadError::Storage(error)) => return Err(error),
        };
        self.note_progress(context, request.fetcher, from);
        let known = match request.fetcher {
            Fetcher::Quorum { high_watermark, .. } => high_watermark,
            Fetcher::Consumer | Fetcher::Replica { .. } => None,
        };
        let response = self.answer(partition, records);
        let news = known.is_some_and(|known| known < response.high_watermark);
        if response.records.is_empty() && !news && !request.max_wait.is_zero() {
            return Ok(Fetched::Wait);
        }
        Ok(answer(vec![response]))
    }

    /// A voter's fetch says how much it has.
    fn note_progress(&mut self, context: &mut Context<'_>, fetcher: Fetcher, end: Offset) {
        let Fetcher::Quorum {
            node: NodeId::Controller(id),
            directory,
            ..
        } = fetcher
        else {
            return;
        };
        if !self.voters.is_voter(VoterKey { id, directory }) {
            return;
        }
        if let Role::Leader(leading) = &mut self.election.role {
            leading.fetched(id, end, context.now.monotonic);
            self.advance(context);
        }
    }

    fn check(&self, partition: &FetchPartition) -> Result<Position, ErrorCode> {
        if partition.partition.topic_id != METADATA_TOPIC_ID
            || partition.partition.partition.partition != 0
        {
            return Err(ErrorCode::UnknownTopicOrPartition);
        }
        self.check_leader(partition.current_leader_epoch)?;
        let last_epoch = partition.last_fetched_epoch;
        if partition.fetch_offset < Offset::ZERO
            || last_epoch.is_some_and(|epoch| epoch < LeaderEpoch(0))
        {
            return Err(ErrorCode::InvalidRequest);
        }
        let (from, epoch) = (partition.fetch_offset, self.election.epoch);
        Ok(self.log.position(from, last_epoch, epoch))
    }

    /// Whether this replica leads in the epoch that the request names.
    pub(super) fn check_leader(&self, named: Option<LeaderEpoch>) -> Result<(), ErrorCode> {
        let epoch = self.election.epoch;
        match named {
            Some(theirs) if theirs < epoch => Err(ErrorCode::FencedLeaderEpoch),
            Some(theirs) if theirs > epoch => Err(ErrorCode::UnknownLeaderEpoch),
            _ if !matches!(self.election.role, Role::Leader(_)) => {
                Err(ErrorCode::NotLeaderOrFollower)
            }
            _ => Ok(()),
        }
    }

    /// The leader as fetches name it: controllers and brokers share one range of numbers.
    fn current_leader(&self) -> LeaderIdAndEpoch {
        LeaderIdAndEpoch {
            leader: self.election.leader.map(|id| BrokerId(id.0)),
            epoch: self.election.epoch,
        }
    }

    fn answer(&self, partition: &FetchPartition, records: Bytes) -> FetchPartitionResponse {
        let high_watermark = match &self.election.role {
            Role::Leader(leading) => leading.high_watermark.unwrap_or(Offset(-1)),
            _ => self.log.high_watermark(),
        };
        FetchPartitionResponse {
            partition: partition.partition.clone(),
            error: ErrorCode::None,
            high_watermark,
            last_stable_offset: high_watermark,
            log_start_offset: self.log.start_offset(),
            diverging_epoch: None,
            snapshot: None,
            current_leader: None,
            records,
            preferred_read_replica: None,
        }
    }

    fn refuse(&self, partition: &FetchPartition, error: ErrorCode) -> FetchPartitionResponse {
        FetchPartitionResponse {
            error,
            ..self.answer(partition, Bytes::new())
        }
    }

    /// When the first parked fetch's time is up.
    pub(super) fn parked_deadline(&self) -> Option<Timestamp> {
        self.parked.deadline()
    }
}

fn respond(context: &mut Context<'_>, reply: ReplyTo, response: FetchResponse) {
    let response = Response::Fetch(response);
    super::observe_refusals(&response, reply.connection.client, context.out);
    context.out.respond(reply, response);
}

fn answer(partitions: Vec<FetchPartitionResponse>) -> Fetched {
    Fetched::Answer(FetchResponse {
        error: ErrorCode::None,
        partitions,
        session_id: 0,
    })
}
