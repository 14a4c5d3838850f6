//! Requests and responses, typed, with Kafka's names. No bytes: a codec to the wire protocol is an
//! edge, not part of core. Each struct stands for the newest version of its API in Kafka 4.3
//! (`clients/src/main/resources/common/message/*.json`); fields that the simulation has no use for
//! are left out.
//!
//! Next: `machine.rs`, for how a message reaches a machine.

mod broker;
mod controller;
mod data;
mod quorum;
mod size;
mod zookeeper;

pub use broker::*;
pub use controller::*;
pub use data::*;
pub use quorum::*;
pub use zookeeper::*;

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! messages {
    ($($(#[$doc:meta])* $name:ident($request:ident, $response:ident);)*) => {
        /// Which API a message belongs to.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Api { $($(#[$doc])* $name,)* }

        impl Api {
            /// Every API, in the order of Kafka's keys.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];
        }

        /// A request.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Request { $($(#[$doc])* $name($request),)* }

        /// A response.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Response { $($(#[$doc])* $name($response),)* }

        impl Request {
            /// The API it belongs to.
            pub fn api(&self) -> Api {
                match self { $(Self::$name(_) => Api::$name,)* }
            }
        }

        impl Response {
            /// The API it belongs to.
            pub fn api(&self) -> Api {
                match self { $(Self::$name(_) => Api::$name,)* }
            }
        }
    };
}

messages! {
    /// Append records (key 0).
    Produce(ProduceRequest, ProduceResponse);
    /// Read records, as a follower, an observer of the metadata log or a consumer (key 1).
    Fetch(FetchRequest, FetchResponse);
    /// Find an offset by time (key 2).
    ListOffsets(ListOffsetsRequest, ListOffsetsResponse);
    /// Ask for topics, their leaders and the brokers (key 3).
    Metadata(MetadataRequest, MetadataResponse);
    /// A controller among the brokers makes replicas lead or follow (key 4).
    LeaderAndIsr(LeaderAndIsrRequest, ControlResponse);
    /// A controller among the brokers stops replicas (key 5).
    StopReplica(StopReplicaRequest, ControlResponse);
    /// A controller among the brokers tells what to answer clients (key 6).
    UpdateMetadata(UpdateMetadataRequest, ControlResponse);
    /// A broker asks the controller among the brokers to take its leaderships (key 7).
    ControlledShutdown(ControlledShutdownRequest, ControlledShutdownResponse);
    /// Create topics (key 19).
    CreateTopics(CreateTopicsRequest, CreateTopicsResponse);
    /// Delete topics (key 20).
    DeleteTopics(DeleteTopicsRequest, DeleteTopicsResponse);
    /// Ask where leader epochs end (key 23).
    OffsetForLeaderEpoch(OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse);
    /// Give a topic more partitions (key 37).
    CreatePartitions(CreatePartitionsRequest, CreatePartitionsResponse);
    /// Elect leaders now (key 43).
    ElectLeaders(ElectLeadersRequest, ElectLeadersResponse);
    /// Change settings of topics or the cluster (key 44).
    IncrementalAlterConfigs(IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse);
    /// Move replicas to other brokers (key 45).
    AlterPartitionReassignments(AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse);
    /// A voter of the metadata quorum asks for a vote (key 52).
    Vote(VoteRequest, VoteResponse);
    /// A new leader of the metadata quorum tells of itself (key 53).
    BeginQuorumEpoch(BeginQuorumEpochRequest, QuorumEpochResponse);
    /// A leader of the metadata quorum resigns (key 54).
    EndQuorumEpoch(EndQuorumEpochRequest, QuorumEpochResponse);
    /// A leader proposes an ISR (key 56).
    AlterPartition(AlterPartitionRequest, AlterPartitionResponse);
    /// A replica of the metadata log asks for a snapshot (key 59).
    FetchSnapshot(FetchSnapshotRequest, FetchSnapshotResponse);
    /// A broker says that it started (key 62).
    BrokerRegistration(BrokerRegistrationRequest, BrokerRegistrationResponse);
    /// A broker says that it lives (key 63).
    BrokerHeartbeat(BrokerHeartbeatRequest, BrokerHeartbeatResponse);
    /// A broker says in which log directories its replicas are (key 73).
    AssignReplicasToDirs(AssignReplicasToDirsRequest, AssignReplicasToDirsResponse);
    /// A broker and ZooKeeper (no API of Kafka).
    ZooKeeper(ZooKeeperRequest, ZooKeeperResponse);
    /// Servers of ZooKeeper among themselves (no API of Kafka).
    ZooKeeperPeer(PeerRequest, PeerResponse);
}

impl fmt::Display for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
