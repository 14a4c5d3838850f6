//! What Kafka keeps in ZooKeeper's nodes, as JSON. Fields that are not used here are left alone.
//!
//! Source: `ZkData.scala`: `ControllerZNode`, `TopicZNode`, `TopicPartitionStateZNode`, `ConfigEntityZNode`.
//! Next: `records.rs`.

use ktrial_core::BrokerId;
use serde::Deserialize;
use std::collections::BTreeMap;

/// `/controller`.
#[derive(Debug, Deserialize)]
pub(super) struct ControllerNode {
    pub(super) brokerid: i32,
}

/// `/brokers/topics/T`.
#[derive(Debug, Deserialize)]
pub(super) struct TopicNode {
    /// Replicas by partition.
    pub(super) partitions: BTreeMap<String, Vec<BrokerId>>,
    /// Since 2.8.
    #[serde(default)]
    pub(super) topic_id: Option<String>,
}

/// `/brokers/topics/T/partitions/P/state`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct StateNode {
    pub(super) leader: i32,
    pub(super) leader_epoch: i32,
    pub(super) isr: Vec<BrokerId>,
    /// Since 3.2: 1 while the leader recovers from an unclean election.
    #[serde(default)]
    pub(super) leader_recovery_state: i8,
}

/// `/config/topics/T`, `/config/brokers/<default>`.
#[derive(Debug, Deserialize)]
pub(super) struct ConfigNode {
    #[serde(default)]
    pub(super) config: BTreeMap<String, String>,
}
