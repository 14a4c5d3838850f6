//! A broker tells of its log directories, and loses one.

use super::*;
use crate::config::{ControllerConfig, TopicConfig};
use crate::id::{Incarnation, TopicPartition};
use crate::message::{CreateTopicsRequest, NewTopic, Placement};
use crate::metadata::{LeaderChange, PartitionRegistration, RegisterBrokerRecord};
use crate::offset::{BrokerEpoch, Offset};
use crate::random::Random;
use crate::rules::Rules;

const A: DirectoryId = DirectoryId(1_001);
const B: DirectoryId = DirectoryId(1_002);
const EPOCH: BrokerEpoch = BrokerEpoch(11);

/// The cluster and the offset of its next record.
struct World(Cluster, Offset);

impl World {
    /// Broker 1 has directories A and B, broker 2 tells of none; `t-0` and `t-1` are on both, led by 1.
    fn new() -> Self {
        let random = Random::stream(1, "controller");
        let (config, defaults) = (ControllerConfig::default(), TopicConfig::default());
        let mut world = Self(
            Cluster::new(config, defaults, Rules::default(), random),
            Offset::ZERO,
        );
        for (id, log_dirs) in [(1, vec![A, B]), (2, Vec::new())] {
            let record = RegisterBrokerRecord {
                broker: BrokerId(id),
                incarnation: Incarnation(0),
                broker_epoch: EPOCH,
                fenced: false,
                in_controlled_shutdown: false,
                rack: None,
                log_dirs,
            };
            world.replay(vec![MetadataRecord::RegisterBroker(record)]);
        }
        let topic = NewTopic {
            topic: "t".into(),
            placement: Placement::Manual(vec![vec![BrokerId(1), BrokerId(2)]; 2]),
            configs: Default::default(),
        };
        let mut changes = Changes::default();
        let topics = vec![topic];
        let made = world
            .0
            .create_topics(&CreateTopicsRequest { topics }, &mut changes);
        assert_eq!(made.topics[0].error, ErrorCode::None);
        world.replay(changes.records);
        world
    }

    fn replay(&mut self, records: Vec<MetadataRecord>) {
        for record in records {
            self.0.replay(self.1, &record).unwrap();
            self.1 = self.1.next();
        }
    }

    fn partition(&self, number: i32) -> &PartitionRegistration {
        let name = TopicPartition::new("t", number);
        self.0.image.partition(&name).unwrap()
    }

    fn id(&self, number: i32) -> TopicIdPartition {
        TopicIdPartition {
            topic_id: self.0.image.topic("t").unwrap().topic_id,
            partition: TopicPartition::new("t", number),
        }
    }

    /// Broker 1 tells where its replicas are. Returns the answers and the records.
    fn assign(&mut self, replicas: &[(i32, DirectoryId)]) -> (Vec<ErrorCode>, Vec<MetadataRecord>) {
        let replicas = replicas.iter().map(|(number, id)| (self.id(*number), *id));
        let request = AssignReplicasToDirsRequest {
            broker: BrokerId(1),
            broker_epoch: EPOCH,
            replicas: replicas.collect(),
        };
        let mut changes = Changes::default();
        let answer = self.0.assign_to_dirs(&request, &mut changes);
        assert_eq!(answer.error, ErrorCode::None);
        self.replay(changes.records.clone());
        let errors = answer.replicas.into_iter().map(|(_, error)| error);
        (errors.collect(), changes.records)
    }

    /// Broker 1 says that it has lost these.
    fn lose(&mut self, directories: &[DirectoryId]) -> Vec<MetadataRecord> {
        let request = BrokerHeartbeatRequest {
            broker: BrokerId(1),
            broker_epoch: EPOCH,
            current_metadata_offset: None,
            want_fence: false,
            want_shutdown: false,
            offline_log_dirs: directories.to_vec(),
        };
        let mut changes = Changes::default();
        self.0.directories_offline(&request, &mut changes);
        self.replay(changes.records.clone());
        changes.records
    }
}

#[test]
fn a_replica_on_a_broker_with_several_directories_is_unassigned_until_the_broker_tells() {
    let mut world = World::new();
    let [unassigned, unknown] = [DirectoryId::UNASSIGNED, DirectoryId::MIGRATING];
    assert_eq!(world.partition(0).directories, [unassigned, unknown]);
    let (errors, records) = world.assign(&[(0, A), (1, B), (2, A)]);
    let told = [
        ErrorCode::None,
        ErrorCode::None,
        ErrorCode::UnknownTopicOrPartition,
    ];
    assert_eq!(errors, told);
    assert_eq!(records.len(), 2, "nobody is elected because of it");
    assert_eq!(world.partition(0).directories, [A, unknown]);
    assert_eq!(world.partition(1).directories, [B, unknown]);
    assert_eq!(world.assign(&[(0, A)]).1, [], "told twice changes nothing");
}

#[test]
fn a_lost_directory_takes_its_replicas_alone_out_of_isr_and_leadership() {
    let mut world = World::new();
    world.assign(&[(0, A), (1, B)]);
    let records = world.lose(&[B]);
    assert_eq!(records.len(), 2, "one partition, then the registration");
    let stays = world.partition(0);
    assert_eq!((stays.leader, stays.isr.len()), (Some(BrokerId(1)), 2));
    let moved = world.partition(1);
    assert_eq!(moved.leader, Some(BrokerId(2)));
    assert_eq!(moved.isr, [BrokerId(2)]);
    assert_eq!(world.0.image.brokers()[&BrokerId(1)].log_dirs, [A]);
    assert_eq!(world.lose(&[B]), [], "it is lost already");
    // The preferred leader lives, but its replica is in the lost directory: not even an unclean election
    // would take it.
    let mut changes = Changes::default();
    world.0.balance_leaders(&mut changes);
    assert_eq!(changes.records, []);
}

#[test]
fn a_replica_that_turns_out_to_be_in_a_lost_directory_loses_its_leadership_then() {
    let mut world = World::new();
    world.assign(&[(0, A)]);
    assert_eq!(world.lose(&[B]).len(), 1, "nobody knows what was in it");
    let (errors, records) = world.assign(&[(1, B)]);
    assert_eq!(errors, [ErrorCode::None]);
    let leader = |record: &MetadataRecord| match record {
        MetadataRecord::PartitionChange(one) => one.leader,
        _ => panic!("{record:?}"),
    };
    let leaders: Vec<LeaderChange> = records.iter().map(leader).collect();
    let two = LeaderChange::Leader(BrokerId(2));
    assert_eq!(leaders, [LeaderChange::Unchanged, two]);
    assert_eq!(world.partition(1).isr, [BrokerId(2)]);
}
