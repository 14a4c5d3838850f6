//! What a committed transaction of ZooKeeper means, as metadata records: so a record of a trial tells a
//! cluster with ZooKeeper in the words in which it tells one with KRaft.
//!
//! | znode | change | record |
//! |---|---|---|
//! | `/brokers/ids/N` | created | RegisterBroker, unfenced; its epoch is the zxid |
//! | | deleted, by hand or with its session | BrokerRegistrationChange, fenced |
//! | `/brokers/topics/T` | created, deleted | Topic, RemoveTopic |
//! | | set | Partition, as a whole, where the assignment is another one |
//! | `.../partitions/P/state` | created | Partition |
//! | | set, same leader and epoch | PartitionChange of the ISR |
//! | | set, epoch one higher | PartitionChange that names the leader, even the same one |
//! | | set otherwise | Partition, as a whole |
//! | `/config/topics/T`, `/config/brokers/<default>` | | one Config for each key that changed |
//!
//! Rules:
//! - A partition's epoch is the version of its znode. Another assignment does not raise it.
//! - Where a leader changes, `Elected` stands just before, with what the tree said of the candidates.
//! - ZooKeeper's log has no offsets of records. A record's is its transaction's zxid and its place in it.
//!
//! Invariants: the same transaction over the same tree is told in the same words by every server.
//! Simplified: who is shutting down is in the controller's memory alone, and not told.
//! Source: KIP-380, KIP-497; `ZkData.scala`, `ZkPartitionStateMachine`.
//! Next: `../zookeeper/database.rs`, which asks.

use super::assignment::Assignment;
use super::znodes::{
    BROKER_CONFIGS, BROKER_IDS, BrokerNode, ConfigNode, DEFAULT_BROKER_CONFIG, LeaderAndIsr,
    StateNode, TOPIC_CONFIGS, TOPICS, TopicNode, decode, partition_of, state, topic,
};
use crate::event::{Candidate, ElectionRule, Event};
use crate::id::{BrokerId, TopicId, TopicPartition};
use crate::message::ConfigResource;
use crate::metadata::{
    BrokerRegistrationChangeRecord, ConfigRecord, LeaderChange, MetadataRecord,
    PartitionChangeRecord, PartitionRecord, RegisterBrokerRecord, RemoveTopicRecord, TopicRecord,
};
use crate::offset::{BrokerEpoch, Offset};
use crate::zookeeper::{Applied, Body, Tree, Txn};
use std::collections::{BTreeMap, BTreeSet};

/// Records that one transaction may have: those of a znode with settings, one for each key.
const PER_TRANSACTION: i64 = 256;

/// What `txn` means over the tree before it.
pub fn events(tree: &Tree, txn: &Txn) -> Vec<Event> {
    let mut told = Told {
        tree,
        txn,
        written: 0,
        events: Vec::new(),
    };
    match &txn.body {
        Body::Change(change) => told.change(change),
        Body::Multi(changes) => changes.iter().for_each(|change| told.change(change)),
        Body::CloseSession => {
            for path in tree.ephemerals(txn.session) {
                told.deleted(path);
            }
        }
        Body::CreateSession { .. } | Body::Error { .. } => {}
    }
    told.events
}

struct Told<'a> {
    tree: &'a Tree,
    txn: &'a Txn,
    written: i64,
    events: Vec<Event>,
}

impl Told<'_> {
    fn change(&mut self, change: &Applied) {
        match change {
            Applied::Create { path, data, .. } => self.set(path, data, 0),
            Applied::SetData {
                path,
                data,
                version,
            } => self.set(path, data, *version),
            Applied::Delete { path } => self.deleted(path),
            Applied::Check { .. } => {}
        }
    }

    fn write(&mut self, record: MetadataRecord) {
        let offset = Offset(self.txn.zxid.0 * PER_TRANSACTION + self.written);
        self.written += 1;
        let record = Box::new(record);
        self.events.push(Event::MetadataWritten { offset, record });
    }

    fn set(&mut self, path: &str, data: &[u8], version: i32) {
        if let Some(partition) = partition_of(path) {
            self.state(path, &partition, data, version);
        } else if let Some(broker) = below(path, BROKER_IDS).and_then(|id| id.parse().ok()) {
            self.registered(BrokerId(broker), path, data);
        } else if let Some(name) = below(path, TOPICS) {
            self.topic(name, path, data);
        } else if let Some(name) = below(path, TOPIC_CONFIGS) {
            self.configured(&ConfigResource::Topic(name.into()), path, data);
        } else if path == DEFAULT_BROKER_CONFIG {
            self.configured(&ConfigResource::Cluster, path, data);
        } else if let Some(broker) = below(path, BROKER_CONFIGS).and_then(|id| id.parse().ok()) {
            self.configured(&ConfigResource::Broker(BrokerId(broker)), path, data);
        }
    }

    fn registered(&mut self, broker: BrokerId, path: &str, data: &[u8]) {
        let node: Option<BrokerNode> = decode(data);
        let Some(node) = node.filter(|_| self.tree.get(path).is_none()) else {
            return;
        };
        self.write(MetadataRecord::RegisterBroker(RegisterBrokerRecord {
            broker,
            incarnation: node.incarnation,
            broker_epoch: BrokerEpoch(self.txn.zxid.0),
            fenced: false,
            in_controlled_shutdown: false,
            rack: node.rack,
            log_dirs: Vec::new(),
        }));
    }

    fn topic(&mut self, name: &str, path: &str, data: &[u8]) {
        let Some(topic_id) = id_in(data) else {
            return;
        };
        let Some(before) = self.tree.get(path) else {
            let topic = name.into();
            return self.write(MetadataRecord::Topic(TopicRecord { topic, topic_id }));
        };
        let before = decode::<TopicNode>(&before.data);
        if let (Some(before), Some(now)) = (before, decode::<TopicNode>(data)) {
            self.reassigned(name, topic_id, &before, &now);
        }
    }

    /// A topic's znode was set: which partitions have another assignment.
    fn reassigned(&mut self, name: &str, id: TopicId, before: &TopicNode, now: &TopicNode) {
        for key in now.partitions.keys() {
            let assignment = Assignment::of(now, key);
            let Ok(number) = key.parse() else { continue };
            let path = state(&TopicPartition::new(name, number));
            let found = self
                .tree
                .get(&path)
                .filter(|_| assignment != Assignment::of(before, key));
            let found = found.and_then(|node| Some((decode(&node.data)?, node.version)));
            if let Some((node, version)) = found {
                let now = LeaderAndIsr::of(&node, version);
                let record = whole(id, number, assignment, now);
                self.write(MetadataRecord::Partition(record));
            }
        }
    }

    fn deleted(&mut self, path: &str) {
        let Some(node) = self.tree.get(path) else {
            return;
        };
        if let Some(broker) = below(path, BROKER_IDS).and_then(|id| id.parse().ok()) {
            let broker_epoch = BrokerEpoch(node.czxid.0);
            let change = BrokerRegistrationChangeRecord {
                broker: BrokerId(broker),
                broker_epoch,
                fenced: Some(true),
                in_controlled_shutdown: None,
                log_dirs: None,
            };
            self.write(MetadataRecord::BrokerRegistrationChange(change));
        } else if below(path, TOPICS).is_some() {
            if let Some(topic_id) = id_in(&node.data) {
                self.write(MetadataRecord::RemoveTopic(RemoveTopicRecord { topic_id }));
            }
        } else if let Some(name) = below(path, TOPIC_CONFIGS) {
            self.configured(&ConfigResource::Topic(name.into()), path, b"");
        }
    }

    fn state(&mut self, path: &str, name: &TopicPartition, data: &[u8], version: i32) {
        let found = self.tree.get(&topic(&name.topic));
        let found = found.and_then(|node| decode::<TopicNode>(&node.data).zip(id_in(&node.data)));
        let (Some((topic, id)), Some(node)) = (found, decode::<StateNode>(data)) else {
            return;
        };
        let after = LeaderAndIsr::of(&node, version);
        let key = name.partition.to_string();
        let assignment = Assignment::of(&topic, &key);
        let before = self.tree.get(path).and_then(|node| {
            decode(&node.data).map(|state| LeaderAndIsr::of(&state, node.version))
        });
        let before = before.filter(|before| follows(before, &after));
        let Some(before) = before else {
            let record = whole(id, name.partition, assignment, after);
            self.write(MetadataRecord::Partition(record));
            return;
        };
        self.elected(name, &assignment.replicas, &before, &after);
        let record = difference(id, name.partition, &before, &after);
        self.write(MetadataRecord::PartitionChange(record));
    }

    /// The election that a change tells of, if the leader is another one.
    fn elected(
        &mut self,
        name: &TopicPartition,
        replicas: &[BrokerId],
        before: &LeaderAndIsr,
        after: &LeaderAndIsr,
    ) {
        if after.leader == before.leader {
            return;
        }
        let candidate = |broker: &BrokerId| Candidate {
            broker: *broker,
            available: self.tree.get(&super::znodes::broker(*broker)).is_some(),
            in_isr: before.isr.contains(broker),
            in_elr: false,
            last_known_leader: false,
        };
        self.events.push(Event::Elected {
            partition: name.clone(),
            leader: after.leader,
            rule: match after.leader {
                None => ElectionRule::Nobody,
                Some(leader) if before.isr.contains(&leader) => ElectionRule::Isr,
                Some(_) => ElectionRule::Unclean,
            },
            candidates: replicas.iter().map(candidate).collect(),
        });
    }

    fn configured(&mut self, resource: &ConfigResource, path: &str, data: &[u8]) {
        let settings = |data: &[u8]| {
            let node: Option<ConfigNode> = decode(data);
            node.map(|node| node.config).unwrap_or_default()
        };
        let now: BTreeMap<String, String> = settings(data);
        let before = self.tree.get(path).map(|node| settings(&node.data));
        let before = before.unwrap_or_default();
        let keys: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
        for key in keys {
            if before.get(key) != now.get(key) {
                self.write(MetadataRecord::Config(ConfigRecord {
                    resource: resource.clone(),
                    key: key.clone(),
                    value: now.get(key).cloned(),
                }));
            }
        }
    }
}

/// The name below a folder, if the path has one and ends there.
fn below<'p>(path: &'p str, folder: &str) -> Option<&'p str> {
    let name = path.strip_prefix(folder)?.strip_prefix('/')?;
    (!name.contains('/')).then_some(name)
}

fn id_in(data: &[u8]) -> Option<TopicId> {
    decode::<TopicNode>(data)?.topic_id?.parse().ok()
}

/// Whether a change record can say what lies between two states.
fn follows(before: &LeaderAndIsr, after: &LeaderAndIsr) -> bool {
    let (old, new) = (before.leader_epoch.0, after.leader_epoch.0);
    (old == new && before.leader == after.leader) || old + 1 == new
}

fn whole(
    topic_id: TopicId,
    partition: i32,
    assignment: Assignment,
    state: LeaderAndIsr,
) -> PartitionRecord {
    PartitionRecord {
        topic_id,
        partition,
        replicas: assignment.replicas,
        isr: state.isr,
        leader: state.leader,
        leader_recovery_state: state.leader_recovery_state,
        leader_epoch: state.leader_epoch,
        partition_epoch: state.partition_epoch,
        elr: Vec::new(),
        last_known_elr: Vec::new(),
        removing: assignment.removing,
        adding: assignment.adding,
        directories: Vec::new(),
    }
}

fn difference(
    topic_id: TopicId,
    partition: i32,
    before: &LeaderAndIsr,
    after: &LeaderAndIsr,
) -> PartitionChangeRecord {
    let recovers = after.leader_recovery_state != before.leader_recovery_state;
    PartitionChangeRecord {
        topic_id,
        partition,
        isr: (after.isr != before.isr).then(|| after.isr.clone()),
        leader: match after.leader {
            _ if after.leader_epoch == before.leader_epoch => LeaderChange::Unchanged,
            None => LeaderChange::NoLeader,
            Some(leader) => LeaderChange::Leader(leader),
        },
        leader_recovery_state: recovers.then_some(after.leader_recovery_state),
        elr: None,
        last_known_elr: None,
        replicas: None,
        removing: None,
        adding: None,
        directories: None,
    }
}
