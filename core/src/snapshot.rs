//! A machine's state as plain data: for checks, reports and transcripts. Nothing here has behaviour.

use crate::id::{BrokerId, TopicPartition};
use crate::offset::{BrokerEpoch, EpochOffset, LeaderEpoch, Offset, PartitionEpoch};
use crate::zookeeper::{SessionId, Znode, Zxid};
use serde::{Deserialize, Serialize};

/// The state of one machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Snapshot {
    /// A broker's.
    Broker(BrokerSnapshot),
    /// A controller's.
    Controller(ControllerSnapshot),
    /// A producer's, consumer's or admin client's.
    Client(ClientSnapshot),
    /// A ZooKeeper server's.
    #[serde(rename = "zookeeper")]
    ZooKeeper(ZooKeeperSnapshot),
}

/// A ZooKeeper server's state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZooKeeperSnapshot {
    /// It leads, and serves.
    pub leads: bool,
    /// The last transaction in its log.
    pub last_logged: Zxid,
    /// The last one that it has applied.
    pub last_processed_zxid: Zxid,
    /// The sessions, in order.
    pub sessions: Vec<SessionId>,
    /// Its tree, in the order of the paths.
    pub znodes: Vec<ZnodeSnapshot>,
}

/// A znode.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZnodeSnapshot {
    /// Its path.
    pub path: String,
    /// What it holds, as text.
    pub data: String,
    /// How often its data was set.
    pub version: i32,
    /// The session that it goes with.
    pub ephemeral_owner: Option<SessionId>,
}

impl ZnodeSnapshot {
    /// Of a znode.
    pub fn new(path: &str, node: &Znode) -> Self {
        Self {
            path: path.to_owned(),
            data: crate::event::text(&node.data),
            version: node.version,
            ephemeral_owner: node.ephemeral_owner,
        }
    }
}

/// A broker's state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokerSnapshot {
    /// Its registration, if any.
    pub broker_epoch: Option<BrokerEpoch>,
    /// Whether the controller lets it serve, as far as it knows.
    pub fenced: bool,
    /// The metadata offset it has applied.
    pub metadata_offset: Option<Offset>,
    /// Requests parked until something happens or their time is up.
    pub parked_requests: usize,
    /// Its replicas, in order of their names.
    pub replicas: Vec<ReplicaSnapshot>,
}

/// A broker's view of one of its replicas.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaSnapshot {
    /// Which partition.
    pub partition: TopicPartition,
    /// It believes that it leads.
    pub is_leader: bool,
    /// The leader epoch it believes in.
    pub leader_epoch: LeaderEpoch,
    /// The partition epoch it believes in.
    pub partition_epoch: PartitionEpoch,
    /// The ISR it believes in (leader only, else empty).
    pub isr: Vec<BrokerId>,
    /// The ISR and the members it has proposed (leader only, else empty).
    pub maximal_isr: Vec<BrokerId>,
    /// First offset of its log.
    pub log_start_offset: Offset,
    /// Offsets below it survive a power loss.
    pub recovery_point: Offset,
    /// Offsets below it are on every member of the ISR.
    pub high_watermark: Offset,
    /// The offset after the last.
    pub log_end_offset: Offset,
    /// Its leader epoch cache.
    pub leader_epochs: Vec<EpochOffset>,
}

/// A controller's state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControllerSnapshot {
    /// End of its metadata log.
    pub metadata_end_offset: Offset,
    /// Offsets below it are committed.
    pub metadata_high_watermark: Offset,
    /// Registered brokers: id, epoch, fenced.
    pub brokers: Vec<(BrokerId, BrokerEpoch, bool)>,
    /// Partitions, in order of their names.
    pub partitions: Vec<PartitionSnapshot>,
}

/// A partition as the controller knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionSnapshot {
    /// Which partition.
    pub partition: TopicPartition,
    /// Its replicas.
    pub replicas: Vec<BrokerId>,
    /// Its leader.
    pub leader: Option<BrokerId>,
    /// The leader's epoch.
    pub leader_epoch: LeaderEpoch,
    /// The epoch of this state.
    pub partition_epoch: PartitionEpoch,
    /// In-sync replicas.
    pub isr: Vec<BrokerId>,
    /// Eligible leader replicas (KIP-966).
    pub elr: Vec<BrokerId>,
    /// The last known leader, when nobody leads (KIP-966).
    pub last_known_elr: Vec<BrokerId>,
}

/// A client's state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientSnapshot {
    /// Operations that were asked for and have not ended.
    pub pending_operations: usize,
    /// A consumer's positions.
    pub positions: Vec<(TopicPartition, Offset)>,
}
