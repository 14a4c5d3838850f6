//! The order of the checks: each row breaks one check and all that come after it.

use super::*;
use crate::config::{ControllerConfig, TopicConfig};
use crate::id::{Incarnation, TopicId, TopicIdPartition, TopicPartition};
use crate::metadata::{MetadataRecord, PartitionRecord, RegisterBrokerRecord, TopicRecord};
use crate::offset::{LeaderEpoch, Offset, PartitionEpoch};
use crate::random::Random;
use crate::rules::Rules;

const TOPIC: TopicId = TopicId(7);

/// Brokers 1, 2, 3 with epochs 11, 12, 13; 3 is fenced. `t-0` on 1, 2, 3 with ISR 1 2 and leader 1, at
/// leader epoch 5 and partition epoch 8.
fn cluster(rules: Rules) -> Cluster {
    let random = Random::stream(1, "controller");
    let mut cluster = Cluster::new(
        ControllerConfig::default(),
        TopicConfig::default(),
        rules,
        random,
    );
    let mut records: Vec<MetadataRecord> = (1..=3)
        .map(|id| {
            MetadataRecord::RegisterBroker(RegisterBrokerRecord {
                broker: BrokerId(id),
                incarnation: Incarnation(0),
                broker_epoch: BrokerEpoch(i64::from(10 + id)),
                fenced: id == 3,
                in_controlled_shutdown: false,
                rack: None,
                log_dirs: Vec::new(),
            })
        })
        .collect();
    records.push(MetadataRecord::Topic(TopicRecord {
        topic: "t".into(),
        topic_id: TOPIC,
    }));
    records.push(MetadataRecord::Partition(PartitionRecord {
        topic_id: TOPIC,
        partition: 0,
        replicas: vec![BrokerId(1), BrokerId(2), BrokerId(3)],
        isr: vec![BrokerId(1), BrokerId(2)],
        leader: Some(BrokerId(1)),
        leader_recovery_state: LeaderRecoveryState::Recovered,
        leader_epoch: LeaderEpoch(5),
        partition_epoch: PartitionEpoch(8),
        elr: vec![],
        last_known_elr: vec![],
        removing: Vec::new(),
        adding: Vec::new(),
        directories: Vec::new(),
    }));
    for (offset, record) in (0..).map(Offset).zip(&records) {
        cluster.replay(offset, record).unwrap();
    }
    cluster
}

fn proposal(isr: &[(i32, i64)]) -> AlterPartitionProposal {
    AlterPartitionProposal {
        partition: TopicIdPartition {
            topic_id: TOPIC,
            partition: TopicPartition::new("t", 0),
        },
        leader_epoch: LeaderEpoch(5),
        partition_epoch: PartitionEpoch(8),
        new_isr: isr
            .iter()
            .map(|(broker, epoch)| (BrokerId(*broker), Some(BrokerEpoch(*epoch))))
            .collect(),
        leader_recovery_state: LeaderRecoveryState::Recovered,
    }
}

fn ask(
    cluster: &Cluster,
    broker: i32,
    proposal: AlterPartitionProposal,
) -> (Result<PartitionState, ErrorCode>, Changes) {
    let request = AlterPartitionRequest {
        broker: BrokerId(broker),
        broker_epoch: BrokerEpoch(i64::from(10 + broker)),
        partitions: vec![proposal],
    };
    let mut changes = Changes::default();
    let mut response = cluster.alter_partition(&request, &mut changes);
    let outcome = response.partitions.remove(0);
    let result = outcome.state.ok_or(outcome.error);
    (result, changes)
}

#[test]
fn before_kafka_14154_a_controller_that_knows_less_calls_the_leader_old() {
    let mut rules = Rules::default();
    let mut ahead = proposal(&[(1, 11)]);
    ahead.partition_epoch = PartitionEpoch(9);
    let answer = |rules| ask(&cluster(rules), 1, ahead.clone()).0;
    assert_eq!(answer(rules), Err(ErrorCode::NotController));
    rules.stale_controller_owns_up = false;
    assert_eq!(answer(rules), Err(ErrorCode::FencedLeaderEpoch));
}

#[test]
fn checks_come_in_kafkas_order() {
    let cluster = cluster(Rules::default());
    let request = AlterPartitionRequest {
        broker: BrokerId(1),
        broker_epoch: BrokerEpoch(10),
        partitions: vec![proposal(&[])],
    };
    let mut changes = Changes::default();
    let response = cluster.alter_partition(&request, &mut changes);
    assert_eq!(response.error, ErrorCode::StaleBrokerEpoch);
    assert!(response.partitions.is_empty() && changes.answer_at_once);

    let recovering = LeaderRecoveryState::Recovering;
    // Everything is wrong at first; then one thing after the other is put right.
    let mut wrong = proposal(&[(1, 11), (9, 19), (9, 19)]);
    wrong.leader_recovery_state = recovering;
    wrong.partition.topic_id = TopicId(8);
    wrong.partition.partition.partition = 4;
    wrong.leader_epoch = LeaderEpoch(6);
    wrong.partition_epoch = PartitionEpoch(7);
    let check = |broker, wrong: &AlterPartitionProposal, expected| {
        let (result, changes) = ask(&cluster, broker, wrong.clone());
        assert_eq!(result, Err(expected), "{wrong:?}");
        assert!(changes.records.is_empty());
    };
    check(2, &wrong, ErrorCode::UnknownTopicId);
    wrong.partition.topic_id = TOPIC;
    check(2, &wrong, ErrorCode::UnknownTopicOrPartition);
    wrong.partition.partition.partition = 0;
    check(2, &wrong, ErrorCode::NotController);
    wrong.leader_epoch = LeaderEpoch(4);
    check(2, &wrong, ErrorCode::FencedLeaderEpoch);
    wrong.partition_epoch = PartitionEpoch(9);
    check(2, &wrong, ErrorCode::NotController);
    wrong.partition_epoch = PartitionEpoch(7);
    wrong.leader_epoch = LeaderEpoch(5);
    check(2, &wrong, ErrorCode::InvalidRequest);
    check(1, &wrong, ErrorCode::InvalidUpdateVersion);
    wrong.partition_epoch = PartitionEpoch(8);
    check(1, &wrong, ErrorCode::InvalidRequest);
    wrong.new_isr = proposal(&[(2, 12), (3, 13)]).new_isr;
    check(1, &wrong, ErrorCode::InvalidRequest);
    wrong.new_isr = proposal(&[(1, 11), (3, 13)]).new_isr;
    check(1, &wrong, ErrorCode::InvalidRequest);
    wrong.new_isr = proposal(&[(1, 11)]).new_isr;
    check(1, &wrong, ErrorCode::InvalidRequest);
    wrong.leader_recovery_state = LeaderRecoveryState::Recovered;
    wrong.new_isr = proposal(&[(1, 11), (3, 13)]).new_isr;
    check(1, &wrong, ErrorCode::IneligibleReplica);
    wrong.new_isr = proposal(&[(1, 11), (2, 4)]).new_isr;
    check(1, &wrong, ErrorCode::IneligibleReplica);
}

#[test]
fn a_good_proposal_is_written_and_answered_with_the_new_state() {
    let cluster = cluster(Rules::default());
    let (result, changes) = ask(&cluster, 1, proposal(&[(1, 11)]));
    let state = result.unwrap();
    assert_eq!(state.isr, [BrokerId(1)]);
    assert_eq!(state.leader_epoch, LeaderEpoch(5));
    assert_eq!(state.partition_epoch, PartitionEpoch(9));
    assert_eq!(changes.records.len(), 1);
    assert!(changes.events.is_empty());
    // What is so already is no change.
    let (result, changes) = ask(&cluster, 1, proposal(&[(1, 11), (2, 12)]));
    assert_eq!(result.unwrap().partition_epoch, PartitionEpoch(8));
    assert!(changes.records.is_empty());
}

#[test]
fn fenced_members_are_refused_by_one_rule_and_restarted_ones_by_another() {
    let fenced = || proposal(&[(1, 11), (2, 12), (3, 13)]);
    let restarted = || proposal(&[(1, 11), (2, 4)]);
    let with = |key: &str| {
        let mut rules = Rules::default();
        rules.set(key, "false").unwrap();
        cluster(rules)
    };
    let cluster = with("isr_requires_unfenced");
    assert!(ask(&cluster, 1, fenced()).0.is_ok());
    assert_eq!(
        ask(&cluster, 1, restarted()).0,
        Err(ErrorCode::IneligibleReplica)
    );
    let cluster = with("isr_broker_epoch_check");
    assert_eq!(
        ask(&cluster, 1, fenced()).0,
        Err(ErrorCode::IneligibleReplica)
    );
    assert!(ask(&cluster, 1, restarted()).0.is_ok());
}
