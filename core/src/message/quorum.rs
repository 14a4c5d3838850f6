//! APIs between the voters of the metadata quorum. Each request of Kafka's names the partition
//! `__cluster_metadata-0`, the only one there is; here that goes without saying.
//!
//! Simplified: no cluster id, no endpoints: whoever knows a node's number can reach it.
//! Source: `VoteRequest.json` (v2), `BeginQuorumEpochRequest.json` (v1), `EndQuorumEpochRequest.json` (v1),
//! `FetchSnapshotRequest.json` (v1) and their answers.
//! Next: `raft/mod.rs`.

use crate::error::ErrorCode;
use crate::id::ControllerId;
use crate::message::Fetcher;
use crate::offset::{EpochOffset, LeaderEpoch, Offset};
use crate::raft::VoterKey;
use bytes::Bytes;

/// Vote (v2): a voter asks for a vote, or, before, whether it would get one (KIP-996).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoteRequest {
    /// Who asks.
    pub candidate: VoterKey,
    /// Whom it asks, as far as it knows that voter.
    pub voter: VoterKey,
    /// The epoch of the candidate; with a pre-vote the one it is in, not the one it wants.
    pub epoch: LeaderEpoch,
    /// The epoch of its last record.
    pub last_epoch: LeaderEpoch,
    /// Its log's end.
    pub last_offset: Offset,
    /// It only asks.
    pub pre_vote: bool,
}

/// Answer to [`VoteRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoteResponse {
    /// What went wrong, if anything.
    pub error: ErrorCode,
    /// The epoch of the answering voter.
    pub epoch: LeaderEpoch,
    /// The leader that it knows in that epoch.
    pub leader: Option<ControllerId>,
    /// It votes, or would vote, for the candidate.
    pub granted: bool,
}

/// BeginQuorumEpoch (v1): a new leader tells the voters of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BeginQuorumEpochRequest {
    /// The leader.
    pub leader: ControllerId,
    /// Its epoch.
    pub epoch: LeaderEpoch,
    /// Whom it tells.
    pub voter: VoterKey,
}

/// EndQuorumEpoch (v1): a leader resigns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndQuorumEpochRequest {
    /// The leader that was.
    pub leader: ControllerId,
    /// Its epoch.
    pub epoch: LeaderEpoch,
    /// Who should lead next, the best first.
    pub preferred: Vec<VoterKey>,
}

/// Answer to [`BeginQuorumEpochRequest`] and [`EndQuorumEpochRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuorumEpochResponse {
    /// What went wrong, if anything.
    pub error: ErrorCode,
    /// The epoch of the answering voter.
    pub epoch: LeaderEpoch,
    /// The leader that it knows in that epoch.
    pub leader: Option<ControllerId>,
}

/// FetchSnapshot (v1): a part of a snapshot of the metadata log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchSnapshotRequest {
    /// Who asks.
    pub fetcher: Fetcher,
    /// The leader epoch that it knows.
    pub current_leader_epoch: LeaderEpoch,
    /// Which snapshot: the end of what it holds, and the epoch of the last record.
    pub snapshot: EpochOffset,
    /// From which byte on.
    pub position: u64,
    /// At most so many bytes.
    pub max_bytes: usize,
}

/// Answer to [`FetchSnapshotRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchSnapshotResponse {
    /// What went wrong, if anything.
    pub error: ErrorCode,
    /// The epoch of the answering voter.
    pub epoch: LeaderEpoch,
    /// The leader that it knows in that epoch.
    pub leader: Option<ControllerId>,
    /// Which snapshot.
    pub snapshot: EpochOffset,
    /// All its bytes.
    pub size: u64,
    /// Where these begin.
    pub position: u64,
    /// A part of it; batches may be cut anywhere.
    pub bytes: Bytes,
}
