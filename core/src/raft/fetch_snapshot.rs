//! A replica that ends before the leader's log begins gets a snapshot, part by part, and goes on behind it.
//!
//! | the leader is asked for | answer |
//! |---|---|
//! | a snapshot that it does not have (any more) | SNAPSHOT_NOT_FOUND: the replica fetches again, and is told of another |
//! | bytes behind the snapshot's end | POSITION_OUT_OF_RANGE |
//! | else | as many bytes as asked for |
//!
//! For check-quorum that is as good as a fetch; it proves nothing of the log.
//!
//! Source: KIP-630; `KafkaRaftClient.handleFetchSnapshotRequest`, `handleFetchSnapshotResponse`.
//! Next: `snapshotting.rs` makes the snapshots.

use super::state::Role;
use super::voters::VoterKey;
use super::{Context, Raft};
use crate::error::ErrorCode;
use crate::event::Event;
use crate::id::NodeId;
use crate::message::{FetchSnapshotRequest, FetchSnapshotResponse, Fetcher, Request};
use crate::offset::EpochOffset;
use crate::storage::StorageError;
use bytes::Bytes;

/// A snapshot that is being fetched.
#[derive(Clone, Debug)]
pub(super) struct Fetching {
    id: EpochOffset,
    bytes: Vec<u8>,
}

impl Fetching {
    pub(super) fn new(id: EpochOffset) -> Self {
        let bytes = Vec::new();
        Self { id, bytes }
    }

    fn position(&self) -> u64 {
        u64::try_from(self.bytes.len()).unwrap_or(u64::MAX)
    }
}

impl Raft {
    /// Answers with a part of a snapshot.
    pub(super) fn fetch_snapshot(
        &mut self,
        context: &mut Context<'_>,
        request: &FetchSnapshotRequest,
    ) -> Result<FetchSnapshotResponse, StorageError> {
        let mut response = FetchSnapshotResponse {
            error: ErrorCode::None,
            epoch: self.election.epoch,
            leader: self.election.leader,
            snapshot: request.snapshot,
            size: 0,
            position: request.position,
            bytes: Bytes::new(),
        };
        if let Err(error) = self.check_leader(Some(request.current_leader_epoch)) {
            response.error = error;
            return Ok(response);
        }
        let snapshots = &self.log.snapshots;
        let Some(bytes) = snapshots.read(context.storage, request.snapshot)? else {
            response.error = ErrorCode::SnapshotNotFound;
            return Ok(response);
        };
        response.size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let from = usize::try_from(request.position).unwrap_or(usize::MAX);
        if from >= bytes.len() {
            response.error = ErrorCode::PositionOutOfRange;
            return Ok(response);
        }
        let end = from.saturating_add(request.max_bytes).min(bytes.len());
        response.bytes = bytes.slice(from..end);
        self.note_snapshot_fetch(context, request.fetcher);
        Ok(response)
    }

    fn note_snapshot_fetch(&mut self, context: &Context<'_>, fetcher: Fetcher) {
        if let Fetcher::Quorum {
            node: NodeId::Controller(id),
            directory,
            ..
        } = fetcher
            && self.voters.is_voter(VoterKey { id, directory })
            && let Role::Leader(leading) = &mut self.election.role
        {
            leading.follows(id, context.now.monotonic);
        }
    }

    /// The next part of the snapshot that is being fetched.
    pub(super) fn fetch_snapshot_request(&self, fetching: &Fetching) -> Request {
        Request::FetchSnapshot(FetchSnapshotRequest {
            fetcher: self.fetcher(),
            current_leader_epoch: self.election.epoch,
            snapshot: fetching.id,
            position: fetching.position(),
            max_bytes: self.settings.fetch_max_bytes,
        })
    }

    /// Takes a part. Returns whether the next request may go out at once.
    pub(super) fn snapshot_answered(
        &mut self,
        context: &mut Context<'_>,
        response: &FetchSnapshotResponse,
    ) -> Result<bool, StorageError> {
        let answer = (response.error, response.epoch, response.leader);
        if let Some(handled) = self.common(context, answer)? {
            return Ok(handled);
        }
        let Some(mut fetching) = self.fetching.take() else {
            return Ok(true);
        };
        match response.error {
            ErrorCode::SnapshotNotFound => {}
            ErrorCode::None
                if response.snapshot == fetching.id && response.position == fetching.position() =>
            {
                fetching.bytes.extend_from_slice(&response.bytes);
                if fetching.position() < response.size {
                    self.fetching = Some(fetching);
                } else {
                    self.install(context, fetching)?;
                }
            }
            _ => {
                self.fetching = Some(fetching);
                return Ok(false);
            }
        }
        self.fetched_well(context.now.monotonic);
        Ok(true)
    }

    /// The snapshot is whole: it takes the log's place.
    fn install(
        &mut self,
        context: &mut Context<'_>,
        fetching: Fetching,
    ) -> Result<(), StorageError> {
        let id = fetching.id;
        let bytes = Bytes::from(fetching.bytes);
        self.log.snapshots.write(context.storage, id, &bytes)?;
        let storage = &mut *context.storage;
        if !self.log.start_at_latest_snapshot(storage, context.now)? {
            let why = format!("a snapshot that ends at {} is behind the log", id.offset);
            return Err(StorageError::Malformed(why));
        }
        let (offset, epoch) = (id.offset, id.epoch);
        let fetched = Event::QuorumSnapshotFetched { offset, epoch };
        context.out.observe(fetched);
        if self.has_others() {
            context.out.observe(Event::QuorumLearned { offset });
        }
        Ok(())
    }
}
