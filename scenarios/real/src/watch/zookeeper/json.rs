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
#[derive(Clone, Debug, Deserialize)]
pub(super) struct TopicNode {
    /// Replicas by partition.
    pub(super) partitions: BTreeMap<String, Vec<BrokerId>>,
    /// Of these, those that are on their way in. Since 2.4.
    #[serde(default)]
    pub(super) adding_replicas: BTreeMap<String, Vec<BrokerId>>,
    /// Those that are on their way out.
    #[serde(default)]
    pub(super) removing_replicas: BTreeMap<String, Vec<BrokerId>>,
    /// Since 2.8.
    #[serde(default)]
    pub(super) topic_id: Option<String>,
}

impl TopicNode {
    /// A partition's replicas, those that come and those that go.
    pub(super) fn assignment(&self, partition: &str) -> [Vec<BrokerId>; 3] {
        let lists = [
            &self.partitions,
            &self.adding_replicas,
            &self.removing_replicas,
        ];
        lists.map(|of| of.get(partition).cloned().unwrap_or_default())
    }
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
