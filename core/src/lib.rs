//! Kafka's logic as synchronous state machines.
//!
//! Pure: no runtime, no clock, no threads, no randomness of its own, no `async`. Every machine has
//! the same verbs, [`Machine`]: inputs and the time go in, effects come out, in order. The world
//! around it (a simulator, a test, one day a real process) carries the effects out.
//!
//! | module | what it is | its model in Apache Kafka |
//! |---|---|---|
//! | [`record`] | record batch v2 as bytes | `DefaultRecordBatch`, `DefaultRecord` |
//! | [`log`] | segments, indexes, checkpoints, recovery | `UnifiedLog`, `LogLoader`, `LeaderEpochFileCache` |
//! | [`partition`] | leader and follower of one partition | `Partition`, `Replica` |
//! | [`broker`] | requests, purgatory, fetchers, lifecycle | `KafkaApis`, `ReplicaManager`, `BrokerLifecycleManager` |
//! | [`metadata`] | records of the metadata log and their image | `MetadataImage`, `*Record.json` |
//! | [`raft`] | the quorum that keeps the metadata log | `KafkaRaftClient`, `QuorumState` |
//! | [`controller`] | the cluster's decisions | `QuorumController`, `ReplicationControlManager` |
//! | [`controller_zk`] | the controller among the brokers, before KRaft | `KafkaController`, `KafkaZkClient` |
//! | [`zookeeper`] | the ensemble before KRaft | ZooKeeper's `QuorumPeer`, `ZooKeeperServer` |
//! | [`producer`] | accumulator and sender | `RecordAccumulator`, `Sender` |
//! | [`consumer`] | positions and fetching | `SubscriptionState`, `AbstractFetch` |
//! | [`rules`] | protocol generations as switches | KIPs and JIRAs |
//! | [`planted`] | wrong changes of the rules, for the checks to find | |
//!
//! Start reading at [`machine`], then `partition/high_watermark.rs`.

pub mod admin;
pub mod broker;
pub mod channel;
pub mod client_metadata;
pub mod config;
pub mod consumer;
pub mod controller;
pub mod controller_zk;
pub mod error;
pub mod event;
mod fetch_session;
pub mod id;
mod invariant;
pub mod log;
pub mod machine;
pub mod memory_storage;
pub mod message;
pub mod metadata;
pub mod offset;
pub mod partition;
pub mod planted;
pub mod producer;
pub mod raft;
pub mod random;
pub mod record;
pub mod rules;
pub mod snapshot;
pub mod storage;
pub mod time;
pub mod zookeeper;

pub use config::{Config, ConfigError, Settings};
pub use error::ErrorCode;
pub use event::Event;
pub use id::{BrokerId, ClientId, ConnectionId, ControllerId, CorrelationId, Incarnation};
pub use id::{NodeId, OperationId, TopicId, TopicIdPartition, TopicName, TopicPartition};
pub use machine::{Command, Effect, Effects, Input, Lane, Machine, ReplyTo};
pub use offset::{BrokerEpoch, EpochOffset, LeaderEpoch, Offset, PartitionEpoch};
pub use planted::Bug;
pub use random::Random;
pub use rules::Rules;
pub use snapshot::Snapshot;
pub use storage::{Storage, StorageError};
pub use time::{Now, Timestamp, WallClock};
pub use zookeeper::ZooKeeperId;
