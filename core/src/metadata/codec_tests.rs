//! Round trips and golden bytes of metadata records.

use super::*;
use crate::id::{BrokerId, Incarnation};
use crate::message::{ConfigResource, LeaderRecoveryState};
use crate::metadata::{
    BrokerRegistrationChangeRecord, ConfigRecord, LeaderChange, PartitionChangeRecord,
    PartitionRecord, RegisterBrokerRecord,
};
use crate::offset::{BrokerEpoch, LeaderEpoch, PartitionEpoch};
use crate::raft::DirectoryId;
use proptest::prelude::*;

fn brokers() -> impl Strategy<Value = Vec<BrokerId>> {
    prop::collection::vec((0..40_i32).prop_map(BrokerId), 0..5)
}

fn recovery() -> impl Strategy<Value = LeaderRecoveryState> {
    prop_oneof![
        Just(LeaderRecoveryState::Recovered),
        Just(LeaderRecoveryState::Recovering)
    ]
}

fn leader_change() -> impl Strategy<Value = LeaderChange> {
    prop_oneof![
        Just(LeaderChange::Unchanged),
        Just(LeaderChange::NoLeader),
        (0..9_i32).prop_map(|id| LeaderChange::Leader(BrokerId(id))),
    ]
}

fn partition_change() -> impl Strategy<Value = MetadataRecord> {
    let lists = || {
        (
            prop::option::of(brokers()),
            prop::option::of(brokers()),
            prop::option::of(brokers()),
        )
    };
    (
        any::<u128>(),
        any::<i32>(),
        (lists(), lists()),
        leader_change(),
        prop::option::of(recovery()),
    )
        .prop_map(
            |(topic_id, partition, (lists, assignment), leader, leader_recovery_state)| {
                let (isr, elr, last_known_elr) = lists;
                let (replicas, removing, adding) = assignment;
                MetadataRecord::PartitionChange(PartitionChangeRecord {
                    topic_id: TopicId(topic_id),
                    partition,
                    isr,
                    leader,
                    leader_recovery_state,
                    elr,
                    last_known_elr,
                    replicas,
                    removing,
                    adding,
                    directories: Some(vec![DirectoryId(9), DirectoryId::UNASSIGNED]),
                })
            },
        )
}

fn partition() -> impl Strategy<Value = MetadataRecord> {
    let lists = (
        brokers(),
        brokers(),
        brokers(),
        brokers(),
        brokers(),
        brokers(),
    );
    (
        any::<u128>(),
        lists,
        prop::option::of(0..9_i32),
        recovery(),
        any::<(i32, i32, i32)>(),
    )
        .prop_map(|(topic_id, lists, leader, state, numbers)| {
            let (replicas, isr, elr, last_known_elr, removing, adding) = lists;
            MetadataRecord::Partition(PartitionRecord {
                topic_id: TopicId(topic_id),
                partition: numbers.0,
                replicas,
                isr,
                leader: leader.map(BrokerId),
                leader_recovery_state: state,
                leader_epoch: LeaderEpoch(numbers.1),
                partition_epoch: PartitionEpoch(numbers.2),
                elr,
                last_known_elr,
                removing,
                adding,
                directories: vec![DirectoryId(9)],
            })
        })
}

fn broker_records() -> impl Strategy<Value = MetadataRecord> {
    let rack = prop::option::of("[a-z]{1,9}");
    let register = (any::<(i32, u32, i64, bool, bool)>(), rack).prop_map(|(fields, rack)| {
        MetadataRecord::RegisterBroker(RegisterBrokerRecord {
            broker: BrokerId(fields.0),
            incarnation: Incarnation(fields.1),
            broker_epoch: BrokerEpoch(fields.2),
            fenced: fields.3,
            in_controlled_shutdown: fields.4,
            rack,
            log_dirs: vec![DirectoryId(9)],
        })
    });
    let change = (
        any::<(i32, i64)>(),
        prop::option::of(any::<bool>()),
        any::<bool>(),
    )
        .prop_map(|(ids, fenced, stopping)| {
            MetadataRecord::BrokerRegistrationChange(BrokerRegistrationChangeRecord {
                broker: BrokerId(ids.0),
                broker_epoch: BrokerEpoch(ids.1),
                fenced,
                in_controlled_shutdown: stopping.then_some(true),
                log_dirs: stopping.then(|| vec![DirectoryId(9)]),
            })
        });
    prop_oneof![register, change]
}

fn other_records() -> impl Strategy<Value = MetadataRecord> {
    let resource = prop_oneof![
        Just(ConfigResource::Cluster),
        (0..9).prop_map(|id| ConfigResource::Broker(BrokerId(id))),
        "[a-z.]{1,200}".prop_map(|name| ConfigResource::Topic(name.into())),
    ];
    prop_oneof![
        (".{1,9}", any::<u128>()).prop_map(|(topic, id)| MetadataRecord::Topic(TopicRecord {
            topic: topic.into(),
            topic_id: TopicId(id),
        })),
        (resource, ".{0,9}", prop::option::of(".{0,300}")).prop_map(|(resource, key, value)| {
            MetadataRecord::Config(ConfigRecord {
                resource,
                key,
                value,
            })
        }),
        (".{0,9}", any::<i16>()).prop_map(|(name, level)| {
            MetadataRecord::FeatureLevel(FeatureLevelRecord { name, level })
        }),
        prop::option::of("[a-z]{1,9}").prop_map(|topic| {
            MetadataRecord::ClearElr(ClearElrRecord {
                topic: topic.map(Into::into),
            })
        }),
        any::<u128>().prop_map(|id| MetadataRecord::RemoveTopic(RemoveTopicRecord {
            topic_id: TopicId(id),
        })),
        Just(MetadataRecord::NoOp),
    ]
}

fn any_record() -> impl Strategy<Value = MetadataRecord> {
    prop_oneof![
        partition_change(),
        partition(),
        broker_records(),
        other_records()
    ]
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_the_same(record in any_record()) {
        prop_assert_eq!(decode(&encode(&record)), Ok(Some(record)));
    }

    #[test]
    fn cut_off_records_are_refused(record in any_record(), cut in any::<prop::sample::Index>()) {
        let bytes = encode(&record);
        prop_assert!(decode(&bytes[..cut.index(bytes.len())]).is_err());
    }

    #[test]
    fn foreign_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = decode(&bytes);
    }
}

#[test]
fn a_partition_change_has_only_the_tags_that_changed() {
    let record = MetadataRecord::PartitionChange(PartitionChangeRecord {
        topic_id: TopicId(0xab),
        partition: 7,
        isr: Some(vec![]),
        leader: LeaderChange::NoLeader,
        leader_recovery_state: None,
        elr: Some(vec![BrokerId(1)]),
        last_known_elr: Some(vec![BrokerId(1)]),
        replicas: None,
        removing: None,
        adding: None,
        directories: None,
    });
    let mut golden = vec![1, 5, 2, 0, 0, 0, 7];
    golden.extend([0; 15]);
    golden.push(0xab);
    golden.push(4); // four tagged fields: tag, size, value
    golden.extend([0, 1, 1]); // isr, empty
    golden.extend([1, 4, 0xff, 0xff, 0xff, 0xff]); // leader -1
    golden.extend([6, 5, 2, 0, 0, 0, 1]); // eligibleLeaderReplicas [1]
    golden.extend([7, 5, 2, 0, 0, 0, 1]); // lastKnownElr [1]
    assert_eq!(encode(&record), golden);
}

#[test]
fn registrations_are_written_in_version_4() {
    let record = MetadataRecord::RegisterBroker(RegisterBrokerRecord {
        broker: BrokerId(3),
        incarnation: Incarnation(2),
        broker_epoch: BrokerEpoch(258),
        fenced: true,
        in_controlled_shutdown: false,
        rack: None,
        log_dirs: Vec::new(),
    });
    let mut golden = vec![1, 0, 4, 0, 0, 0, 3, 0];
    golden.extend([0; 15]);
    golden.push(2);
    golden.extend([0, 0, 0, 0, 0, 0, 1, 2]); // broker epoch
    golden.extend([1, 1, 0]); // no endpoints, no features, no rack
    golden.extend([1, 0, 0]); // fenced, not stopping, no tags
    assert_eq!(encode(&record), golden);
}

#[test]
fn fencing_is_version_0_and_stopping_version_1() {
    let change = |fenced, in_controlled_shutdown| {
        encode(&MetadataRecord::BrokerRegistrationChange(
            BrokerRegistrationChangeRecord {
                broker: BrokerId(1),
                broker_epoch: BrokerEpoch(5),
                fenced,
                in_controlled_shutdown,
                log_dirs: None,
            },
        ))
    };
    let head = [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 5];
    assert_eq!(
        change(Some(true), None),
        [&[1, 17, 0][..], &head, &[1, 0, 1, 1]].concat()
    );
    assert_eq!(
        change(Some(false), None),
        [&[1, 17, 0][..], &head, &[1, 0, 1, 0xff]].concat()
    );
    assert_eq!(
        change(None, Some(true)),
        [&[1, 17, 1][..], &head, &[1, 1, 1, 1]].concat()
    );
}

#[test]
fn unknown_tagged_fields_are_skipped() {
    let known = [1, 20, 0];
    assert_eq!(
        decode(&[&known[..], &[1, 9, 2, 7, 7]].concat()),
        Ok(Some(MetadataRecord::NoOp))
    );
    assert!(decode(&[&known[..], &[0, 0]].concat()).is_err());
    assert!(decode(&[0, 20, 0, 0]).is_err());
    assert!(decode(&[1, 6, 0, 0]).is_err());
}

/// The fields of a registration as a real controller writes them, by version.
fn real_registration(version: u8) -> Vec<u8> {
    let mut bytes = vec![1, 0, version, 0, 0, 0, 3];
    if version >= 2 {
        bytes.push(0); // no broker of ZooKeeper on the move
    }
    bytes.extend([0x10, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 8]); // incarnation
    bytes.extend([0, 0, 0, 0, 0, 0, 0, 9]); // broker epoch
    bytes.extend(*b"\x02\x02P\x02h\x23\x84\0\0\0"); // one endpoint, P on h:9092, no tags
    bytes.extend(*b"\x02\x02f\0\x01\0\x07\0"); // one feature
    bytes.extend(*b"\x02r\x01"); // rack, fenced
    if version >= 1 {
        bytes.push(1); // stopping
    }
    if version >= 3 {
        bytes.extend([1, 0, 17, 2]); // one tag: one log directory
        bytes.extend([7; 16]);
    } else {
        bytes.push(0);
    }
    bytes
}

const SEVENS: DirectoryId = DirectoryId(u128::from_be_bytes([7; 16]));

#[test]
fn registrations_of_every_release_are_read() {
    for version in 0..=4 {
        let record = MetadataRecord::RegisterBroker(RegisterBrokerRecord {
            broker: BrokerId(3),
            incarnation: Incarnation(0x1000_000f),
            broker_epoch: BrokerEpoch(9),
            fenced: true,
            in_controlled_shutdown: version >= 1,
            rack: Some("r".to_owned()),
            log_dirs: if version >= 3 {
                vec![SEVENS]
            } else {
                Vec::new()
            },
        });
        let bytes = real_registration(version);
        assert_eq!(decode(&bytes), Ok(Some(record)), "version {version}");
        for cut in 3..bytes.len() {
            assert!(
                decode(&bytes[..cut]).is_err(),
                "version {version} cut at {cut}"
            );
        }
    }
    assert!(decode(&real_registration(5)).is_err());
}

#[test]
fn partitions_with_directories_and_without_are_read() {
    for version in 0..=2_u8 {
        let mut bytes = vec![1, 3, version, 0, 0, 0, 1];
        bytes.extend([0; 15]);
        bytes.push(5); // topic id
        bytes.extend([2, 0, 0, 0, 1].repeat(2)); // replicas and ISR [1]
        bytes.extend([2, 0, 0, 0, 7, 2, 0, 0, 0, 8]); // one replica goes, one comes
        bytes.extend([0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3]); // leader, epochs
        if version >= 1 {
            bytes.push(2);
            bytes.extend([9; 16]);
        }
        bytes.push(0);
        let Ok(Some(MetadataRecord::Partition(record))) = decode(&bytes) else {
            panic!("version {version}: {:?}", decode(&bytes));
        };
        assert_eq!(record.replicas, [BrokerId(1)]);
        assert_eq!(record.removing, [BrokerId(7)]);
        assert_eq!(record.adding, [BrokerId(8)]);
        assert_eq!(record.leader_epoch, LeaderEpoch(2));
        assert_eq!(record.partition_epoch, PartitionEpoch(3));
        assert_eq!(record.directories.len(), usize::from(version >= 1));
    }
}

#[test]
fn what_has_no_meaning_here_is_skipped() {
    for api in [1, 10, 11, 14, 15, 18, 19, 21, 22, 23, 24, 25, 26, 27] {
        assert_eq!(decode(&[1, api, 0, 0xff]), Ok(None), "type {api}");
    }
    for unknown in [6, 13, 16, 29] {
        assert!(decode(&[1, unknown, 0, 0]).is_err(), "type {unknown}");
    }
    // The setting of a logger, and of a topic.
    assert_eq!(decode(b"\x01\x04\0\x08\x021\x02k\x02v\0"), Ok(None));
    assert!(matches!(
        decode(b"\x01\x04\0\x02\x021\x02k\x02v\0"),
        Ok(Some(MetadataRecord::Config(_)))
    ));
}

#[test]
fn fencing_of_old_releases_is_a_change_of_the_registration() {
    for (api, fenced) in [(7, true), (8, false)] {
        let mut bytes = vec![1, api, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 9, 0];
        let change = BrokerRegistrationChangeRecord {
            broker: BrokerId(3),
            broker_epoch: BrokerEpoch(9),
            fenced: Some(fenced),
            in_controlled_shutdown: None,
            log_dirs: None,
        };
        let record = MetadataRecord::BrokerRegistrationChange(change);
        assert_eq!(decode(&bytes), Ok(Some(record)));
        bytes.pop();
        assert!(decode(&bytes).is_err());
    }
}
