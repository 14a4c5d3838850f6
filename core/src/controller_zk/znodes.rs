//! Kafka's znodes: their paths, and what stands in them.
//!
//! | path | holds | goes with the session |
//! |---|---|---|
//! | `/controller` | the controller's id | yes |
//! | `/controller_epoch` | how many controllers there were; each of its writes checks this node's version | no |
//! | `/brokers/ids/N` | a broker; the zxid of its creation is the broker's epoch | yes |
//! | `/brokers/topics/T` | the replicas of each partition | no |
//! | `/brokers/topics/T/partitions/P/state` | leader and ISR; its version is the partition's epoch | no |
//! | `/config/topics/T` | settings of a topic | no |
//! | `/config/changes/config_change_N` | whose settings have changed | no |
//! | `/admin/delete_topics/T` | a topic that shall go | no |
//! | `/isr_change_notification/isr_change_N` | partitions whose ISR a leader has changed (before 2.7) | no |
//! | `/log_dir_event_notification/log_dir_event_N` | a broker that has lost a log directory (since 1.0) | no |
//!
//! Rule: fields that a release does not know are read over, and those of later releases may be missing.
//!
//! Simplified: written as by the newest release with ZooKeeper (3.9), whose order of fields is kept.
//! Source: `ZkData.scala`: `ControllerZNode`, `ControllerEpochZNode`, `BrokerIdZNode`, `TopicZNode`,
//! `TopicPartitionStateZNode`, `ConfigEntityZNode`, `IsrChangeNotificationSequenceZNode`,
//! `LogDirEventNotificationSequenceZNode`; KIP-380, KIP-516.
//! Next: `elector.rs`.

use super::assignment::Assignment;
use crate::id::{BrokerId, Incarnation, TopicName, TopicPartition};
use crate::message::LeaderRecoveryState;
use crate::offset::{LeaderEpoch, PartitionEpoch};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Who is the controller.
pub const CONTROLLER: &str = "/controller";
/// How many controllers there were.
pub const CONTROLLER_EPOCH: &str = "/controller_epoch";
/// Settings of topics.
pub const TOPIC_CONFIGS: &str = "/config/topics";
/// Settings of all brokers: the defaults of topics.
pub const DEFAULT_BROKER_CONFIG: &str = "/config/brokers/<default>";

/// Settings of brokers.
pub const BROKER_CONFIGS: &str = "/config/brokers";

/// The settings of one broker.
pub fn broker_config(broker: BrokerId) -> String {
    format!("{BROKER_CONFIGS}/{broker}")
}
/// Settings that were changed.
pub const CONFIG_CHANGES: &str = "/config/changes";
/// Topics that shall be deleted.
pub const DELETE_TOPICS: &str = "/admin/delete_topics";
/// The brokers that live.
pub const BROKER_IDS: &str = "/brokers/ids";
/// The topics.
pub const TOPICS: &str = "/brokers/topics";
/// Changes of ISRs by their leaders.
pub const ISR_CHANGE_NOTIFICATION: &str = "/isr_change_notification";
/// Brokers that have lost a log directory.
pub const LOG_DIR_EVENT_NOTIFICATION: &str = "/log_dir_event_notification";
/// Znodes that stay, which a broker creates at its start if they are not there.
pub const PERSISTENT: [&str; 11] = [
    "/consumers",
    BROKER_IDS,
    TOPICS,
    CONFIG_CHANGES,
    DELETE_TOPICS,
    "/brokers/seqid",
    ISR_CHANGE_NOTIFICATION,
    "/latest_producer_id_block",
    LOG_DIR_EVENT_NOTIFICATION,
    TOPIC_CONFIGS,
    BROKER_CONFIGS,
];

/// The znode of a broker.
pub fn broker(id: BrokerId) -> String {
    format!("{BROKER_IDS}/{id}")
}

/// The znode of a topic.
pub fn topic(name: &str) -> String {
    format!("{TOPICS}/{name}")
}

/// The topic that a path of [`topic`] is of.
pub fn topic_of(path: &str) -> Option<TopicName> {
    let name = path.strip_prefix(TOPICS)?.strip_prefix('/')?;
    (!name.contains('/')).then(|| name.into())
}

/// The znode above those of a topic's partitions.
pub fn partitions(topic: &str) -> String {
    format!("{TOPICS}/{topic}/partitions")
}

/// The znode of a topic's settings.
pub fn topic_config(name: &str) -> String {
    format!("{TOPIC_CONFIGS}/{name}")
}

/// The znode of a partition's leader and ISR.
pub fn state(partition: &TopicPartition) -> String {
    let TopicPartition { topic, partition } = partition;
    format!("{TOPICS}/{topic}/partitions/{partition}/state")
}

/// The partition that a path of [`state`] is of.
pub fn partition_of(path: &str) -> Option<TopicPartition> {
    let rest = path.strip_prefix(TOPICS)?.strip_prefix('/')?;
    let (topic, rest) = rest.split_once("/partitions/")?;
    let partition = rest.strip_suffix("/state")?.parse().ok()?;
    Some(TopicPartition::new(topic, partition))
}

/// `/controller`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControllerNode {
    version: i32,
    /// The controller.
    pub brokerid: BrokerId,
    #[serde(default)]
    timestamp: String,
    #[serde(rename = "kraftControllerEpoch", default = "none")]
    kraft_controller_epoch: i32,
}

impl ControllerNode {
    /// Of a broker that becomes the controller at this wall clock.
    pub fn new(broker: BrokerId, wall: i64) -> Self {
        Self {
            version: 2,
            brokerid: broker,
            timestamp: wall.to_string(),
            kraft_controller_epoch: none(),
        }
    }
}

fn none() -> i32 {
    -1
}

/// `/brokers/ids/N`. Simplified: without endpoints, which have no part here; with the incarnation instead,
/// for a record tells by it which start of the broker it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokerNode {
    /// Which start of it.
    pub incarnation: Incarnation,
    version: i32,
    timestamp: String,
    /// The rack that it stands in, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rack: Option<String>,
}

impl BrokerNode {
    /// Of a broker that registers at this wall clock.
    pub fn new(incarnation: Incarnation, rack: Option<String>, wall: i64) -> Self {
        Self {
            incarnation,
            version: 5,
            timestamp: wall.to_string(),
            rack,
        }
    }
}

/// `/config/topics/T`, `/config/brokers/<default>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigNode {
    version: i32,
    /// The settings.
    pub config: BTreeMap<String, String>,
}

impl ConfigNode {
    /// With these settings.
    pub fn new(config: BTreeMap<String, String>) -> Self {
        Self { version: 1, config }
    }
}

/// `/config/changes/config_change_N`: whose settings changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigChangeNode {
    version: i32,
    /// `topics/T` or `brokers/<default>`.
    pub entity_path: String,
}

impl ConfigChangeNode {
    /// The settings of this entity.
    pub fn new(entity_path: String) -> Self {
        Self {
            version: 2,
            entity_path,
        }
    }
}

/// `/isr_change_notification/isr_change_N`: partitions whose ISR their leader has changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IsrChangeNode {
    version: i32,
    partitions: Vec<IsrChange>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct IsrChange {
    topic: String,
    partition: i32,
}

impl IsrChangeNode {
    /// About these.
    pub fn new<'a>(partitions: impl Iterator<Item = &'a TopicPartition>) -> Self {
        let partitions = partitions.map(|one| IsrChange {
            topic: one.topic.to_string(),
            partition: one.partition,
        });
        Self {
            version: 1,
            partitions: partitions.collect(),
        }
    }

    /// The partitions that it is about.
    pub fn partitions(&self) -> impl Iterator<Item = TopicPartition> {
        let partitions = self.partitions.iter();
        partitions.map(|one| TopicPartition::new(one.topic.as_str(), one.partition))
    }
}

/// `/log_dir_event_notification/log_dir_event_N`: a broker has lost a log directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogDirEventNode {
    version: i32,
    /// The broker.
    pub broker: BrokerId,
    event: i32,
}

impl LogDirEventNode {
    /// Of this broker.
    pub fn new(broker: BrokerId) -> Self {
        Self {
            version: 1,
            broker,
            event: 1,
        }
    }
}

/// `/brokers/topics/T`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicNode {
    /// Replicas that a reassignment takes away, by partition.
    #[serde(default)]
    pub removing_replicas: BTreeMap<String, Vec<BrokerId>>,
    /// Replicas by partition.
    pub partitions: BTreeMap<String, Vec<BrokerId>>,
    /// The topic's id (since 2.8).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic_id: Option<String>,
    /// Replicas that a reassignment adds, by partition.
    #[serde(default)]
    pub adding_replicas: BTreeMap<String, Vec<BrokerId>>,
    version: i32,
}

impl TopicNode {
    /// A topic with these replicas of each partition.
    pub fn new(topic_id: Option<String>, replicas: &[Vec<BrokerId>]) -> Self {
        let numbered = replicas.iter().enumerate();
        Self {
            partitions: numbered.map(|(n, r)| (n.to_string(), r.clone())).collect(),
            topic_id,
            version: 3,
            ..Self::default()
        }
    }

    /// A topic with these assignments.
    pub(super) fn assigned<'a>(
        topic_id: Option<String>,
        partitions: impl Iterator<Item = (i32, &'a Assignment)>,
    ) -> Self {
        let mut node = Self::new(topic_id, &[]);
        for (number, one) in partitions {
            let key = number.to_string();
            node.partitions.insert(key.clone(), one.replicas.clone());
            let lists = [
                (&mut node.adding_replicas, &one.adding),
                (&mut node.removing_replicas, &one.removing),
            ];
            for (lists, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
                lists.insert(key.clone(), list.clone());
            }
        }
        node
    }
}

/// `/brokers/topics/T/partitions/P/state`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateNode {
    /// The controller that wrote it last.
    pub controller_epoch: i32,
    /// The leader, or -1.
    pub leader: i32,
    version: i32,
    /// The leader's epoch.
    pub leader_epoch: LeaderEpoch,
    /// The members.
    pub isr: Vec<BrokerId>,
    /// 1 while the leader recovers from an unclean election (since 3.2).
    #[serde(default, skip_serializing_if = "is_zero")]
    leader_recovery_state: i8,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_zero(value: &i8) -> bool {
    *value == 0
}

/// The leader and ISR of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaderAndIsr {
    /// The leader; `None` = nobody.
    pub leader: Option<BrokerId>,
    /// The leader's epoch.
    pub leader_epoch: LeaderEpoch,
    /// The members.
    pub isr: Vec<BrokerId>,
    /// Whether the leader has recovered from an unclean election.
    pub leader_recovery_state: LeaderRecoveryState,
    /// The version of its znode.
    pub partition_epoch: PartitionEpoch,
}

impl LeaderAndIsr {
    /// What a znode of this version says.
    pub fn of(node: &StateNode, version: i32) -> Self {
        Self {
            leader: (node.leader >= 0).then_some(BrokerId(node.leader)),
            leader_epoch: node.leader_epoch,
            isr: node.isr.clone(),
            leader_recovery_state: match node.leader_recovery_state {
                0 => LeaderRecoveryState::Recovered,
                _ => LeaderRecoveryState::Recovering,
            },
            partition_epoch: PartitionEpoch(version),
        }
    }

    /// The znode that says so, as a controller of this epoch writes it.
    pub fn node(&self, controller_epoch: i32) -> StateNode {
        StateNode {
            controller_epoch,
            leader: self.leader.map_or(-1, |leader| leader.0),
            version: 1,
            leader_epoch: self.leader_epoch,
            isr: self.isr.clone(),
            leader_recovery_state: match self.leader_recovery_state {
                LeaderRecoveryState::Recovered => 0,
                LeaderRecoveryState::Recovering => 1,
            },
        }
    }
}

/// A znode's bytes.
pub fn encode<T: Serialize>(node: &T) -> Bytes {
    serde_json::to_vec(node).map_or_else(|_| Bytes::new(), Bytes::from)
}

/// What the bytes of a znode say; `None` if they make no sense.
pub fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Option<T> {
    serde_json::from_slice(bytes).ok()
}

/// What stands in `/controller_epoch`.
pub fn decode_epoch(bytes: &[u8]) -> Option<i32> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn znodes_are_written_as_kafka_writes_them() {
        let state = LeaderAndIsr {
            leader: Some(BrokerId(1)),
            leader_epoch: LeaderEpoch(4),
            isr: vec![BrokerId(1), BrokerId(0)],
            leader_recovery_state: LeaderRecoveryState::Recovered,
            partition_epoch: PartitionEpoch(7),
        };
        let text = r#"{"controller_epoch":2,"leader":1,"version":1,"leader_epoch":4,"isr":[1,0]}"#;
        let bytes = encode(&state.node(2));
        assert_eq!(bytes, text);
        let read: StateNode = decode(&bytes).unwrap();
        assert_eq!(LeaderAndIsr::of(&read, 7), state);
        let recovering = LeaderAndIsr {
            leader: None,
            leader_recovery_state: LeaderRecoveryState::Recovering,
            ..state
        };
        let bytes = encode(&recovering.node(2));
        assert!(
            bytes.ends_with(br#""leader_recovery_state":1}"#),
            "{bytes:?}"
        );
        let read: StateNode = decode(&bytes).unwrap();
        assert_eq!(LeaderAndIsr::of(&read, 7), recovering);
        let topic = TopicNode::new(None, &[vec![BrokerId(1)]]);
        let text =
            r#"{"removing_replicas":{},"partitions":{"0":[1]},"adding_replicas":{},"version":3}"#;
        assert_eq!(encode(&topic), text);
        let controller = ControllerNode::new(BrokerId(3), 1_600);
        let text = r#"{"version":2,"brokerid":3,"timestamp":"1600","kraftControllerEpoch":-1}"#;
        assert_eq!(encode(&controller), text);
    }

    #[test]
    fn znodes_of_old_releases_are_read() {
        let topic: TopicNode = decode(br#"{"version":1,"partitions":{"0":[0,1]}}"#).unwrap();
        assert_eq!(topic.partitions["0"], [BrokerId(0), BrokerId(1)]);
        let old = br#"{"version":1,"brokerid":0,"timestamp":"1"}"#;
        assert_eq!(decode::<ControllerNode>(old).unwrap().brokerid, BrokerId(0));
        assert_eq!(decode_epoch(b"12"), Some(12));
        assert_eq!(decode::<StateNode>(b"nonsense"), None);
    }

    #[test]
    fn paths_name_partitions() {
        let partition = TopicPartition::new("a-b", 3);
        let path = state(&partition);
        assert_eq!(path, "/brokers/topics/a-b/partitions/3/state");
        assert_eq!(partition_of(&path), Some(partition));
        assert_eq!(partition_of("/brokers/topics/a-b/partitions/3"), None);
        assert_eq!(topic_of(&topic("a-b")), Some("a-b".into()));
        assert_eq!(topic_of(&partitions("a-b")), None);
    }
}
