//! APIs that clients use: produce, fetch, offsets, metadata.

use crate::error::ErrorCode;
use crate::id::{BrokerId, NodeId, TopicId, TopicIdPartition, TopicName, TopicPartition};
use crate::offset::{BrokerEpoch, EpochOffset, LeaderEpoch, Offset};
use crate::raft::DirectoryId;
use crate::time::WallClock;
use bytes::Bytes;
use std::time::Duration;

/// Produce (v13).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProduceRequest {
    /// 0, 1 or -1 (all); anything else is an error.
    pub acks: i16,
    /// How long the leader may wait for replication (`request.timeout.ms` of the producer).
    pub timeout: Duration,
    /// One entry per partition.
    pub partitions: Vec<ProducePartition>,
}

/// Records for one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducePartition {
    /// Where to.
    pub partition: TopicIdPartition,
    /// Exactly one record batch v2.
    pub records: Bytes,
}

/// Answer to [`ProduceRequest`]. With acks=0 there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProduceResponse {
    /// One entry per partition, in the order of the request.
    pub partitions: Vec<ProducePartitionResponse>,
}

/// Outcome for one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducePartitionResponse {
    /// Which partition.
    pub partition: TopicIdPartition,
    /// What went wrong, if anything.
    pub error: ErrorCode,
    /// The offset of the first record; `None` with an error.
    pub base_offset: Option<Offset>,
    /// The broker's time for the records, with LogAppendTime.
    pub log_append_time: Option<WallClock>,
    /// The log's start.
    pub log_start_offset: Option<Offset>,
    /// With NOT_LEADER_OR_FOLLOWER: who leads now, as far as the broker knows (KIP-951).
    pub current_leader: Option<LeaderIdAndEpoch>,
}

/// A leader and the epoch it leads in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaderIdAndEpoch {
    /// The leader, `None` if there is none.
    pub leader: Option<BrokerId>,
    /// Its epoch.
    pub epoch: LeaderEpoch,
}

/// Who is fetching.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetcher {
    /// A consumer: sees what is below the high watermark.
    Consumer,
    /// A follower, or a broker observing the metadata log: sees everything, and its offset is its
    /// progress.
    Replica {
        /// Which broker.
        id: BrokerId,
        /// The broker epoch of its registration (KIP-903).
        epoch: Option<BrokerEpoch>,
    },
    /// A replica of the metadata log, voter or observer. (Kafka has these fields by partition.)
    Quorum {
        /// Which process.
        node: NodeId,
        /// The directory of its log, if voters are known by it (KIP-853).
        directory: Option<DirectoryId>,
        /// The high watermark that it knows (Fetch v18, KIP-1166).
        high_watermark: Option<Offset>,
    },
}

/// The fetch session that a request belongs to (KIP-227).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchSession {
    /// Its id; 0 = none yet.
    pub id: i32,
    /// 0 begins a new session, -1 wants none; any other number is that of the request within its session.
    pub epoch: i32,
    /// Partitions that are wanted no more.
    pub forgotten: Vec<TopicIdPartition>,
}

impl FetchSession {
    /// The epoch of a request that begins a session (`FetchMetadata.INITIAL_EPOCH`).
    pub const INITIAL_EPOCH: i32 = 0;
    /// The epoch of a request that wants no session, or ends one (`FetchMetadata.FINAL_EPOCH`).
    pub const FINAL_EPOCH: i32 = -1;

    /// No session is wanted.
    pub fn none() -> Self {
        Self {
            id: 0,
            epoch: Self::FINAL_EPOCH,
            forgotten: Vec::new(),
        }
    }

    /// Whether the request names all its partitions.
    pub fn is_full(&self) -> bool {
        self.epoch == Self::INITIAL_EPOCH || self.epoch == Self::FINAL_EPOCH
    }

    /// The epoch after this one: always positive.
    pub fn next_epoch(epoch: i32) -> i32 {
        epoch.checked_add(1).filter(|next| *next > 0).unwrap_or(1)
    }
}

/// Fetch (v17).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchRequest {
    /// Who asks.
    pub fetcher: Fetcher,
    /// How long to wait for `min_bytes`.
    pub max_wait: Duration,
    /// Wait until there is this much.
    pub min_bytes: usize,
    /// Return at most this much in all (but at least one batch).
    pub max_bytes: usize,
    /// Served in this order. Within a session only those that are new or have another position.
    pub partitions: Vec<FetchPartition>,
    /// The session.
    pub session: FetchSession,
    /// The rack that the asker stands in; empty = not known (v11, KIP-392).
    pub rack: String,
}

/// What to read of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchPartition {
    /// Which partition.
    pub partition: TopicIdPartition,
    /// From where.
    pub fetch_offset: Offset,
    /// The leader epoch that the reader believes in; `None` means "do not check" (before KIP-320).
    pub current_leader_epoch: Option<LeaderEpoch>,
    /// The epoch of the last record that a follower has (v12, KAFKA-10554).
    pub last_fetched_epoch: Option<LeaderEpoch>,
    /// The start of the follower's own log.
    pub log_start_offset: Option<Offset>,
    /// At most this much of this partition.
    pub max_bytes: usize,
}

/// Answer to [`FetchRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchResponse {
    /// An error of the whole request.
    pub error: ErrorCode,
    /// One entry per partition, in the order of the request; within a session only those of which there is
    /// something to say.
    pub partitions: Vec<FetchPartitionResponse>,
    /// The session that has begun or goes on; 0 = none.
    pub session_id: i32,
}

/// What was read of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchPartitionResponse {
    /// Which partition.
    pub partition: TopicIdPartition,
    /// What went wrong, if anything.
    pub error: ErrorCode,
    /// The leader's high watermark.
    pub high_watermark: Offset,
    /// The end of decided transactions.
    pub last_stable_offset: Offset,
    /// The leader's log start.
    pub log_start_offset: Offset,
    /// The follower's log parts from the leader's: the largest common epoch and its end on the
    /// leader. No records then.
    pub diverging_epoch: Option<EpochOffset>,
    /// The follower's log ends before the leader's begins: the snapshot that it has to fetch instead.
    /// Only of the metadata log.
    pub snapshot: Option<EpochOffset>,
    /// With NOT_LEADER_OR_FOLLOWER or FENCED_LEADER_EPOCH: who leads now (KIP-951).
    pub current_leader: Option<LeaderIdAndEpoch>,
    /// To be read from this follower (KIP-392). No records then.
    pub preferred_read_replica: Option<BrokerId>,
    /// Whole batches, beginning with the one that holds `fetch_offset`.
    pub records: Bytes,
}

/// ListOffsets (v9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListOffsetsRequest {
    /// Who asks: a replica may see beyond the high watermark.
    pub fetcher: Fetcher,
    /// What to find.
    pub partitions: Vec<ListOffsetsPartition>,
}

/// What to find in one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListOffsetsPartition {
    /// Which partition.
    pub partition: TopicPartition,
    /// The leader epoch that the asker believes in.
    pub current_leader_epoch: Option<LeaderEpoch>,
    /// Which offset.
    pub target: OffsetTarget,
}

/// Which offset ListOffsets is to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetTarget {
    /// The end that the asker may see (timestamp -1).
    Latest,
    /// The log's start (timestamp -2).
    Earliest,
    /// The first record at or after this time.
    At(WallClock),
}

/// Answer to [`ListOffsetsRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListOffsetsResponse {
    /// One entry per partition, in the order of the request.
    pub partitions: Vec<ListOffsetsPartitionResponse>,
}

/// The offset found in one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListOffsetsPartitionResponse {
    /// Which partition.
    pub partition: TopicPartition,
    /// What went wrong, if anything.
    pub error: ErrorCode,
    /// The offset; `None` with an error, or if no record is that late.
    pub offset: Option<Offset>,
    /// The leader epoch of that offset.
    pub leader_epoch: Option<LeaderEpoch>,
}

/// OffsetForLeaderEpoch (v4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetForLeaderEpochRequest {
    /// Who asks.
    pub fetcher: Fetcher,
    /// About which epochs.
    pub partitions: Vec<EpochQuestion>,
}

/// Where does this epoch end?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochQuestion {
    /// Which partition.
    pub partition: TopicPartition,
    /// The leader epoch that the asker believes in.
    pub current_leader_epoch: Option<LeaderEpoch>,
    /// The epoch asked about.
    pub leader_epoch: LeaderEpoch,
}

/// Answer to [`OffsetForLeaderEpochRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetForLeaderEpochResponse {
    /// One entry per question, in the order of the request.
    pub partitions: Vec<EpochAnswer>,
}

/// Where an epoch ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochAnswer {
    /// Which partition.
    pub partition: TopicPartition,
    /// What went wrong, if anything.
    pub error: ErrorCode,
    /// The largest epoch at or below the one asked about that the leader has. Before KIP-279
    /// (`truncation` = `epoch101`) the answer has no epoch.
    pub leader_epoch: Option<LeaderEpoch>,
    /// Its end on the leader; `None` if undefined.
    pub end_offset: Option<Offset>,
}

/// Metadata (v13).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataRequest {
    /// Which topics; `None` is all.
    pub topics: Option<Vec<TopicName>>,
    /// Create a topic that is missing.
    pub allow_auto_topic_creation: bool,
}

/// Answer to [`MetadataRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataResponse {
    /// Brokers that are registered and not fenced.
    pub brokers: Vec<BrokerId>,
    /// One entry per topic.
    pub topics: Vec<TopicMetadata>,
}

/// What is known of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicMetadata {
    /// What went wrong, if anything.
    pub error: ErrorCode,
    /// Its name.
    pub topic: TopicName,
    /// Its id.
    pub topic_id: TopicId,
    /// Its partitions, by number.
    pub partitions: Vec<PartitionMetadata>,
}

/// What is known of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionMetadata {
    /// LEADER_NOT_AVAILABLE without a leader.
    pub error: ErrorCode,
    /// Its number.
    pub partition: i32,
    /// Its leader.
    pub leader: Option<BrokerId>,
    /// The leader's epoch.
    pub leader_epoch: LeaderEpoch,
    /// Its replicas.
    pub replicas: Vec<BrokerId>,
    /// Its in-sync replicas.
    pub isr: Vec<BrokerId>,
    /// Eligible leader replicas (KIP-966; from DescribeTopicPartitions in Kafka).
    pub elr: Vec<BrokerId>,
}
