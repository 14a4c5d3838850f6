//! APIs by which an operator changes the cluster. A broker forwards them to the controller in Kafka
//! (KIP-590). Simplified: the operator sends them to the controller directly.

use crate::error::ErrorCode;
use crate::id::{BrokerId, TopicId, TopicName, TopicPartition};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// CreateTopics (v7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateTopicsRequest {
    /// What to create.
    pub topics: Vec<NewTopic>,
}

/// A topic to create.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewTopic {
    /// Its name.
    pub topic: TopicName,
    /// How its partitions are placed.
    pub placement: Placement,
    /// Settings of its own.
    pub configs: BTreeMap<String, String>,
}

/// How many partitions and replicas, or exactly where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Placement {
    /// The controller chooses the brokers.
    Spread {
        /// Number of partitions; `None` takes `num.partitions`.
        partitions: Option<i32>,
        /// Replicas of each; `None` takes `default.replication.factor`.
        replication_factor: Option<i32>,
    },
    /// The replicas of each partition; the first is the preferred leader.
    Manual(Vec<Vec<BrokerId>>),
}

/// Answer to [`CreateTopicsRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateTopicsResponse {
    /// One entry per topic, in the order of the request.
    pub topics: Vec<CreatedTopic>,
}

/// What became of a topic to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatedTopic {
    /// Its name.
    pub topic: TopicName,
    /// Its id, without an error.
    pub topic_id: Option<TopicId>,
    /// What went wrong, if anything.
    pub error: ErrorCode,
    /// In words.
    pub message: Option<String>,
}

/// DeleteTopics (v6). Simplified: by name only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteTopicsRequest {
    /// What to delete.
    pub topics: Vec<TopicName>,
}

/// Answer to [`DeleteTopicsRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteTopicsResponse {
    /// One entry per topic, in the order of the request.
    pub topics: Vec<(TopicName, ErrorCode)>,
}

/// CreatePartitions (v3). Simplified: of one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatePartitionsRequest {
    /// Of which topic.
    pub topic: TopicName,
    /// How many it is to have in all.
    pub count: i32,
    /// Where the new ones are, the preferred leader of each first; `None` = the controller chooses.
    pub replicas: Option<Vec<Vec<BrokerId>>>,
}

/// Answer to [`CreatePartitionsRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatePartitionsResponse {
    /// What went wrong, if anything.
    pub error: ErrorCode,
    /// In words.
    pub message: Option<String>,
}

/// ElectLeaders (v2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElectLeadersRequest {
    /// Preferred or unclean.
    pub election: ElectionType,
    /// For which partitions; `None` is all.
    pub partitions: Option<Vec<TopicPartition>>,
}

/// Which election an operator asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ElectionType {
    /// Give the leadership to the first replica (0).
    Preferred,
    /// Elect a replica that may have lost records (1).
    Unclean,
}

/// Answer to [`ElectLeadersRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElectLeadersResponse {
    /// An error of the whole request.
    pub error: ErrorCode,
    /// Outcome by partition.
    pub partitions: Vec<(TopicPartition, ErrorCode)>,
}

/// AlterPartitionReassignments (v1). Simplified: without `allowReplicationFactorChange` (KIP-860), which is
/// true by default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlterPartitionReassignmentsRequest {
    /// What to move.
    pub partitions: Vec<Reassignment>,
}

/// A partition to move.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reassignment {
    /// Which partition.
    pub partition: TopicPartition,
    /// Where its replicas shall be, the preferred leader first; `None` = a reassignment under way is taken
    /// back.
    pub replicas: Option<Vec<BrokerId>>,
}

/// Answer to [`AlterPartitionReassignmentsRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlterPartitionReassignmentsResponse {
    /// Outcome by partition, in the order of the request, with words if there are any.
    pub partitions: Vec<(TopicPartition, ErrorCode, Option<String>)>,
}

/// IncrementalAlterConfigs (v1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncrementalAlterConfigsRequest {
    /// What to change.
    pub changes: Vec<ConfigChange>,
}

/// Whose settings.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConfigResource {
    /// A topic.
    Topic(TopicName),
    /// All brokers: the default of every topic.
    Cluster,
    /// One broker: the default of every topic there.
    Broker(BrokerId),
}

/// A setting to change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigChange {
    /// Whose.
    pub resource: ConfigResource,
    /// Its key.
    pub key: String,
    /// Its new value; `None` deletes it.
    pub value: Option<String>,
}

/// Answer to [`IncrementalAlterConfigsRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncrementalAlterConfigsResponse {
    /// One entry per resource.
    pub resources: Vec<(ConfigResource, ErrorCode, Option<String>)>,
}
