//! APIs between brokers and controllers.

use crate::error::ErrorCode;
use crate::id::{BrokerId, Incarnation, TopicIdPartition, TopicPartition};
use crate::offset::{BrokerEpoch, LeaderEpoch, Offset, PartitionEpoch};
use crate::raft::DirectoryId;
use serde::{Deserialize, Serialize};

/// BrokerRegistration (v4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerRegistrationRequest {
    /// Who.
    pub broker: BrokerId,
    /// Which start of it.
    pub incarnation: Incarnation,
    /// The broker epoch of the run before, if that ended with a clean shutdown (KIP-966).
    pub previous_broker_epoch: Option<BrokerEpoch>,
    /// The rack that it stands in, if that is known.
    pub rack: Option<String>,
    /// The log directories that it can use (KIP-858); empty if it has but one.
    pub log_dirs: Vec<DirectoryId>,
}

/// Answer to [`BrokerRegistrationRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerRegistrationResponse {
    /// What went wrong, if anything.
    pub error: ErrorCode,
    /// The epoch of this registration.
    pub broker_epoch: Option<BrokerEpoch>,
}

/// BrokerHeartbeat (v1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerHeartbeatRequest {
    /// Who.
    pub broker: BrokerId,
    /// Its registration.
    pub broker_epoch: BrokerEpoch,
    /// The last metadata offset that it has applied; `None` before the first.
    pub current_metadata_offset: Option<Offset>,
    /// It asks to be fenced, or to stay so.
    pub want_fence: bool,
    /// It asks to be let go.
    pub want_shutdown: bool,
    /// The log directories that it has lost since it started.
    pub offline_log_dirs: Vec<DirectoryId>,
}

/// Answer to [`BrokerHeartbeatRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerHeartbeatResponse {
    /// What went wrong, if anything.
    pub error: ErrorCode,
    /// It has applied its own registration record.
    pub is_caught_up: bool,
    /// It may not serve.
    pub is_fenced: bool,
    /// It may stop now.
    pub should_shut_down: bool,
}

/// AlterPartition (v3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlterPartitionRequest {
    /// The leader who proposes.
    pub broker: BrokerId,
    /// Its registration.
    pub broker_epoch: BrokerEpoch,
    /// The proposals.
    pub partitions: Vec<AlterPartitionProposal>,
}

/// A proposed ISR.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlterPartitionProposal {
    /// Which partition.
    pub partition: TopicIdPartition,
    /// The epoch the proposer leads in.
    pub leader_epoch: LeaderEpoch,
    /// The partition epoch that the proposal is based on.
    pub partition_epoch: PartitionEpoch,
    /// The members, with the broker epochs that the leader saw; `None` = not known (before KIP-903).
    pub new_isr: Vec<(BrokerId, Option<BrokerEpoch>)>,
    /// Whether the leader still recovers from an unclean election.
    pub leader_recovery_state: LeaderRecoveryState,
}

/// Whether a leader that was elected uncleanly has recovered (KIP-704).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeaderRecoveryState {
    /// The leader was elected cleanly, or has recovered (0).
    #[default]
    Recovered,
    /// The leader was elected uncleanly and has not changed the ISR since (1).
    Recovering,
}

/// Answer to [`AlterPartitionRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlterPartitionResponse {
    /// An error of the whole request.
    pub error: ErrorCode,
    /// One entry per proposal, in the order of the request; empty with an error of the whole.
    pub partitions: Vec<AlterPartitionOutcome>,
}

/// What the controller made of a proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlterPartitionOutcome {
    /// Which partition.
    pub partition: TopicIdPartition,
    /// What went wrong, if anything.
    pub error: ErrorCode,
    /// The partition's state after the change, without an error.
    pub state: Option<PartitionState>,
}

/// A partition's leadership and ISR as the controller committed them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionState {
    /// Its leader.
    pub leader: Option<BrokerId>,
    /// The leader's epoch.
    pub leader_epoch: LeaderEpoch,
    /// The epoch of this state.
    pub partition_epoch: PartitionEpoch,
    /// The in-sync replicas.
    pub isr: Vec<BrokerId>,
    /// Whether the leader has recovered.
    pub leader_recovery_state: LeaderRecoveryState,
}

/// AssignReplicasToDirs (v0): a broker says in which of its log directories its replicas are (KIP-858).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssignReplicasToDirsRequest {
    /// Who.
    pub broker: BrokerId,
    /// Its registration.
    pub broker_epoch: BrokerEpoch,
    /// Which replica is where. (Kafka groups them by directory and topic.)
    pub replicas: Vec<(TopicIdPartition, DirectoryId)>,
}

/// Answer to [`AssignReplicasToDirsRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssignReplicasToDirsResponse {
    /// An error of the whole request.
    pub error: ErrorCode,
    /// One entry per replica, in the order of the request; empty with an error of the whole.
    pub replicas: Vec<(TopicIdPartition, ErrorCode)>,
}

/// What a controller among the brokers tells one of them: LeaderAndIsr, UpdateMetadata or StopReplica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlRequest<T> {
    /// The controller who sends it.
    pub controller: BrokerId,
    /// Its epoch: a broker heeds no older one than it has seen.
    pub controller_epoch: i32,
    /// The registration of the broker that it is for (KIP-380); `None` = not known (before).
    pub broker_epoch: Option<BrokerEpoch>,
    /// What it says.
    pub body: T,
}

/// LeaderAndIsr (v7): these replicas lead or follow from now on.
pub type LeaderAndIsrRequest = ControlRequest<Vec<ControlledPartition>>;
/// UpdateMetadata (v8): what to answer clients.
pub type UpdateMetadataRequest = ControlRequest<UpdatedMetadata>;
/// StopReplica (v4): these replicas fetch no more.
pub type StopReplicaRequest = ControlRequest<Vec<StoppedReplica>>;

/// A partition as the controller tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlledPartition {
    /// Which.
    pub partition: TopicIdPartition,
    /// Its replicas.
    pub replicas: Vec<BrokerId>,
    /// Leader and ISR.
    pub state: PartitionState,
}

/// The live brokers, and partitions that have changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdatedMetadata {
    /// All that live, those that are shutting down too, and the racks that they stand in.
    pub brokers: Vec<(BrokerId, Option<String>)>,
    /// The partitions.
    pub partitions: Vec<ControlledPartition>,
    /// Topics that are deleted.
    pub deleted: Vec<TopicIdPartition>,
}

/// A replica to stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoppedReplica {
    /// Of which partition.
    pub partition: TopicIdPartition,
    /// The leader epoch that the controller knew (KIP-570); `None` = not known (before), or the topic is
    /// deleted: whatever the epoch.
    pub leader_epoch: Option<LeaderEpoch>,
    /// Delete its log too.
    pub delete: bool,
}

/// Answer to a [`ControlRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlResponse {
    /// What went wrong, if anything.
    pub error: ErrorCode,
    /// The partitions of a StopReplica that were stopped or deleted.
    pub stopped: Vec<TopicIdPartition>,
    /// The partitions of a LeaderAndIsr whose log is in a lost directory (KAFKA_STORAGE_ERROR).
    pub offline: Vec<TopicPartition>,
}

/// ControlledShutdown (v3): a broker asks the controller to take its leaderships.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlledShutdownRequest {
    /// Who.
    pub broker: BrokerId,
    /// Its registration (KIP-380); `None` = not known (before).
    pub broker_epoch: Option<BrokerEpoch>,
}

/// Answer to [`ControlledShutdownRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlledShutdownResponse {
    /// What went wrong, if anything.
    pub error: ErrorCode,
    /// Partitions that it still leads.
    pub remaining: Vec<TopicPartition>,
}
