//! What machines report of themselves for the history: typed, plain data. Checks, explanations and
//! reports are built from these alone, so an event is emitted at every change that they need.
//!
//! Rule: an event says what *did* happen in the state of this machine (or what an application was
//! told), never what should have. The world adds its own entries (messages, faults, steps).

use crate::error::ErrorCode;
use crate::id::{BrokerId, ControllerId, NodeId, OperationId, TopicName, TopicPartition};
use crate::message::Api;
use crate::metadata::MetadataRecord;
use crate::offset::{BrokerEpoch, EpochOffset, LeaderEpoch, Offset, PartitionEpoch};
use crate::zookeeper::{SessionId, ZooKeeperId};
use serde::{Deserialize, Serialize};

/// A value as text, for an event. What is not UTF-8 in it shows as U+FFFD.
pub fn text(value: &[u8]) -> String {
    // The usual case is checked fast; only the other one is worth looking at byte by byte.
    std::str::from_utf8(value).map_or_else(
        |_| String::from_utf8_lossy(value).into_owned(),
        str::to_owned,
    )
}

/// Something that happened in a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    // A broker's life.
    /// The broker's process began; `clean` = the run before ended with a clean shutdown.
    BrokerStarted {
        /// The `.kafka_cleanshutdown` marker was there.
        clean: bool,
    },
    /// The controller took the registration.
    BrokerRegistered {
        /// The epoch of this registration.
        broker_epoch: BrokerEpoch,
    },
    /// The broker may serve: its heartbeat was answered with "not fenced".
    BrokerUnfenced,
    /// The broker learned that it is fenced.
    BrokerFenced,
    /// The broker asked for a controlled shutdown.
    ControlledShutdownStarted,
    /// The broker closed its logs and wrote the clean shutdown marker.
    BrokerStopped,

    // A replica's life.
    /// A replica's log was opened, and recovered if the last stop was unclean.
    LogLoaded {
        /// Which partition.
        partition: TopicPartition,
        /// Where its log starts.
        log_start_offset: Offset,
        /// Where it ends after recovery.
        log_end_offset: Offset,
        /// Its high watermark from the checkpoint, within the log.
        high_watermark: Offset,
        /// Its leader epoch cache.
        leader_epochs: Vec<EpochOffset>,
        /// Bytes that recovery cut off because they were torn or corrupt.
        truncated_bytes: u64,
    },
    /// The replica is the broker's no more: its topic was deleted, the replica was moved away, or its folder
    /// was found to be of another topic or of nobody when the broker started.
    ReplicaDeleted {
        /// Which partition.
        partition: TopicPartition,
    },
    /// The broker began to lead the partition in a new leader epoch.
    BecameLeader {
        /// Which partition.
        partition: TopicPartition,
        /// In which epoch.
        leader_epoch: LeaderEpoch,
        /// Where that epoch starts in its log.
        start_offset: Offset,
        /// The ISR it starts with.
        isr: Vec<BrokerId>,
    },
    /// The broker began to follow a leader (or to wait for one) in a new leader epoch.
    BecameFollower {
        /// Which partition.
        partition: TopicPartition,
        /// In which epoch.
        leader_epoch: LeaderEpoch,
        /// Whom; `None` = nobody leads.
        leader: Option<BrokerId>,
    },
    /// A batch was appended to a replica's log.
    Appended {
        /// Which partition.
        partition: TopicPartition,
        /// Offset of its first record.
        base_offset: Offset,
        /// Offset of its last record.
        last_offset: Offset,
        /// The leader epoch it was first appended in.
        leader_epoch: LeaderEpoch,
        /// The batch's CRC-32C: the same on every replica.
        crc: u32,
    },
    /// The end of a replica's log was cut off.
    Truncated {
        /// Which partition.
        partition: TopicPartition,
        /// The log's end before.
        from: Offset,
        /// The log's end after.
        to: Offset,
        /// Why.
        cause: TruncationCause,
    },
    /// A replica's high watermark moved (back, after a truncation).
    HighWatermark {
        /// Which partition.
        partition: TopicPartition,
        /// Where to.
        offset: Offset,
    },
    /// A replica's log was forced to the disk up to here.
    Flushed {
        /// Which partition.
        partition: TopicPartition,
        /// Offsets below it survive a power loss.
        recovery_point: Offset,
    },
    /// A leader proposed another ISR to the controller.
    IsrProposed {
        /// Which partition.
        partition: TopicPartition,
        /// The members it has now.
        from: Vec<BrokerId>,
        /// The members it proposes.
        to: Vec<BrokerId>,
    },
    /// A leader took over an ISR that the controller committed.
    IsrAdopted {
        /// Which partition.
        partition: TopicPartition,
        /// The members.
        isr: Vec<BrokerId>,
        /// Of which partition epoch.
        partition_epoch: PartitionEpoch,
    },
    /// A server refused (a part of) a request.
    Refused {
        /// Which API.
        api: Api,
        /// About which partition, if about one.
        partition: Option<TopicPartition>,
        /// Who asked.
        from: NodeId,
        /// How it was refused.
        error: ErrorCode,
    },
    /// A follower's fetch was told that its log parts from the leader's.
    Diverged {
        /// Which partition.
        partition: TopicPartition,
        /// Which follower.
        follower: BrokerId,
        /// What the follower has: its last epoch and its log's end.
        fetched: EpochOffset,
        /// The largest common epoch and its end on the leader.
        diverging: EpochOffset,
    },
    /// One of the broker's log directories failed: it goes on without.
    LogDirectoryFailed {
        /// Which.
        directory: String,
        /// What failed.
        error: String,
        /// The replicas in it, which are offline.
        partitions: Vec<TopicPartition>,
    },
    /// A replica cannot be opened: its log directory is lost, or may be the one that is.
    ReplicaOffline {
        /// Which partition.
        partition: TopicPartition,
    },
    /// The broker's disk failed; the replica is offline.
    StorageFailed {
        /// Which partition; `None` = the broker's own files.
        partition: Option<TopicPartition>,
        /// What failed.
        error: String,
    },

    // The metadata quorum: what its voters tell of themselves. A quorum of one has nothing to tell.
    /// A voter opened its copy of the metadata log.
    QuorumOpened {
        /// The id of its directory; all zero if voters are not known by it.
        directory: String,
        /// Its log's end.
        log_end_offset: Offset,
        /// The epoch that its quorum-state file names.
        epoch: LeaderEpoch,
    },
    /// A voter's role, epoch, leader or vote is this now.
    QuorumRole {
        /// Its role.
        role: QuorumRole,
        /// The epoch.
        epoch: LeaderEpoch,
        /// The leader that it knows in that epoch.
        leader: Option<ControllerId>,
        /// Whom it voted for in that epoch.
        voted: Option<ControllerId>,
    },
    /// A voter appended a batch to its copy of the metadata log.
    QuorumAppended {
        /// Offset of its first record.
        base_offset: Offset,
        /// Offset of its last record.
        last_offset: Offset,
        /// The epoch of the leader that first appended it.
        epoch: LeaderEpoch,
        /// Its checksum.
        crc: u32,
    },
    /// A voter cut off the end of its copy of the metadata log.
    QuorumTruncated {
        /// The log's end before.
        from: Offset,
        /// The log's end after.
        to: Offset,
    },
    /// The quorum's leader found that everything below is on a majority.
    QuorumHighWatermark {
        /// The leader's epoch.
        epoch: LeaderEpoch,
        /// Where to.
        offset: Offset,
    },
    /// A replica of the metadata log that fetches learned that everything below is committed. Observers
    /// (brokers) tell of it too.
    QuorumLearned {
        /// Where to.
        offset: Offset,
    },

    /// A replica of the metadata log (any node, also in a quorum of one) made a snapshot of what is
    /// committed.
    QuorumSnapshot {
        /// The end of what it holds.
        offset: Offset,
        /// The epoch of the last record in it.
        epoch: LeaderEpoch,
        /// The checksum of the state that it holds.
        crc: u32,
    },
    /// A replica of the metadata log fetched a snapshot from the leader and put it in its log's place.
    QuorumSnapshotFetched {
        /// The end of what it holds: where the log begins now.
        offset: Offset,
        /// The epoch of the last record in it.
        epoch: LeaderEpoch,
    },
    /// A controller or broker replaced what it knew of the cluster by a snapshot.
    QuorumSnapshotLoaded {
        /// The end of what it holds.
        offset: Offset,
        /// The checksum of the state that it made of it.
        crc: u32,
    },
    /// What a controller or broker knows of the cluster, told when its replica has made a snapshot. The
    /// active controller does not tell: it knows more than is committed.
    QuorumState {
        /// Everything below it was applied.
        offset: Offset,
        /// The checksum.
        crc: u32,
    },
    /// A replica of the metadata log deleted the beginning of its log.
    QuorumLogStart {
        /// Where the log begins now.
        offset: Offset,
    },

    // The controller.
    /// A controller became active.
    ControllerActivated {
        /// In which epoch of the quorum.
        epoch: LeaderEpoch,
    },
    /// The controller wrote a record to the metadata log.
    MetadataWritten {
        /// Where.
        offset: Offset,
        /// What. Boxed, for it is large and seldom: every event takes the room of the largest.
        record: Box<MetadataRecord>,
    },
    /// The controller looked for a leader, and this is why it chose so.
    Elected {
        /// Which partition.
        partition: TopicPartition,
        /// Who leads now; `None` = nobody may.
        leader: Option<BrokerId>,
        /// By which rule.
        rule: ElectionRule,
        /// Every replica, in order, and what spoke for or against it.
        candidates: Vec<Candidate>,
    },

    // ZooKeeper.
    /// A server looks for a leader, and serves nobody.
    EnsembleLooking,
    /// A server follows a leader whose log it has.
    EnsembleFollowing {
        /// Which.
        leader: ZooKeeperId,
        /// In which epoch.
        epoch: u32,
    },
    /// A server leads: a quorum has its log.
    EnsembleLeading {
        /// In which epoch.
        epoch: u32,
    },
    /// The leader ends a session of which nothing was heard for its timeout.
    SessionExpired {
        /// Which.
        session: SessionId,
    },

    // Clients.
    /// An application asked a producer to send a record.
    SendStarted {
        /// The operation.
        operation: OperationId,
        /// To which topic.
        topic: TopicName,
        /// To which partition, if the application chose.
        partition: Option<i32>,
        /// The record's value as text.
        value: String,
    },
    /// A send ended.
    SendEnded {
        /// The operation.
        operation: OperationId,
        /// The partition it went to; `None` if none was chosen before the end.
        partition: Option<TopicPartition>,
        /// How.
        outcome: SendOutcome,
    },
    /// A produce batch will be tried again.
    SendRetried {
        /// To which partition.
        partition: TopicPartition,
        /// Records in the batch.
        records: usize,
        /// Why.
        error: ErrorCode,
    },
    /// A consumer handed records to its application.
    Polled {
        /// In order.
        records: Vec<PolledRecord>,
    },
    /// A consumer set its position in a partition other than by reading on.
    PositionReset {
        /// Which partition.
        partition: TopicPartition,
        /// The position before.
        from: Option<Offset>,
        /// The position after; `None` = the application has to choose.
        to: Option<Offset>,
        /// Why.
        cause: ResetCause,
    },
    /// A consumer reads a partition from another replica than before.
    ReadReplicaNamed {
        /// Which partition.
        partition: TopicPartition,
        /// The follower that the leader has named; `None` = the leader again.
        replica: Option<BrokerId>,
    },
    /// A consumer's fetch failed for good and its application was told.
    FetchFailed {
        /// Which partition.
        partition: TopicPartition,
        /// How.
        error: ErrorCode,
    },
    /// The controller answered an operator's request.
    Administered {
        /// The operation.
        operation: OperationId,
        /// The first error in the answer, or none.
        error: ErrorCode,
        /// In words, if the controller said any.
        message: Option<String>,
    },
}

/// What a voter of the metadata quorum is in its epoch (`raft/state.rs`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuorumRole {
    /// It knows no leader.
    Unattached,
    /// It asks whether it would be elected (KIP-996).
    Prospective,
    /// It asks for votes.
    Candidate,
    /// It leads.
    Leader,
    /// It follows a leader.
    Follower,
    /// It led and does no more.
    Resigned,
}

/// Why a log was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TruncationCause {
    /// The leader told where the logs part: its largest common epoch and that epoch's end.
    DivergingEpoch(EpochOffset),
    /// To the replica's own high watermark (before KIP-101, or without any epoch).
    HighWatermark,
    /// The follower's log was outside the leader's.
    OutOfRange,
    /// Nobody said: it was seen from outside. No machine of ours reports it.
    Unknown,
}

/// How a leader was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ElectionRule {
    /// From the ISR.
    Isr,
    /// From the eligible leader replicas, with an empty ISR (KIP-966).
    Elr,
    /// The last known leader, with ISR and ELR empty (KIP-966). It may have lost records.
    LastKnownLeader,
    /// Any live replica, because unclean election is allowed. It may lack records.
    Unclean,
    /// Nobody may lead.
    Nobody,
}

/// A replica in an election.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// Which broker.
    pub broker: BrokerId,
    /// Registered, not fenced, not stopping.
    pub available: bool,
    /// It is in the ISR that the election starts from.
    pub in_isr: bool,
    /// It is among the eligible leader replicas.
    pub in_elr: bool,
    /// It is the last known leader.
    pub last_known_leader: bool,
}

/// How a send ended for the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SendOutcome {
    /// The broker acknowledged the record.
    Acknowledged {
        /// Where it is; `None` if the broker did not say (acks=0 is never acknowledged).
        offset: Option<Offset>,
    },
    /// Sent without asking for an acknowledgement (acks=0): nothing is known.
    Sent,
    /// Certainly not written.
    Failed(ErrorCode),
    /// It may or may not have been written.
    Unknown(ErrorCode),
}

/// A record that an application got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolledRecord {
    /// From which partition.
    pub partition: TopicPartition,
    /// At which offset.
    pub offset: Offset,
    /// Its leader epoch.
    pub leader_epoch: LeaderEpoch,
    /// Its value as text.
    pub value: String,
}

/// Why a consumer's position was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResetCause {
    /// It had none.
    NoPosition,
    /// It was outside the log (OFFSET_OUT_OF_RANGE).
    OutOfRange,
    /// The log was truncated below it (KIP-320): where the logs part, if known.
    Truncated(Option<EpochOffset>),
}
