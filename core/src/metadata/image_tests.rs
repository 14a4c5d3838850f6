//! Epoch rules and layering of settings.

use super::*;
use crate::message::LeaderRecoveryState;
use crate::metadata::LeaderChange;
use crate::offset::{BrokerEpoch, LeaderEpoch, PartitionEpoch};

fn image() -> MetadataImage {
    let mut image = MetadataImage::default();
    let topic = TopicRecord {
        topic: "a.b".into(),
        topic_id: TopicId(9),
    };
    let partition = PartitionRecord {
        topic_id: TopicId(9),
        partition: 0,
        replicas: vec![BrokerId(1), BrokerId(2)],
        isr: vec![BrokerId(1)],
        leader: Some(BrokerId(1)),
        leader_recovery_state: LeaderRecoveryState::Recovered,
        leader_epoch: LeaderEpoch(0),
        partition_epoch: PartitionEpoch(0),
        elr: vec![BrokerId(2)],
        last_known_elr: vec![],
        removing: Vec::new(),
        adding: Vec::new(),
        directories: Vec::new(),
    };
    image
        .apply(Offset(0), &MetadataRecord::Topic(topic))
        .unwrap();
    image
        .apply(Offset(1), &MetadataRecord::Partition(partition))
        .unwrap();
    image
}

fn change() -> PartitionChangeRecord {
    PartitionChangeRecord {
        topic_id: TopicId(9),
        partition: 0,
        isr: None,
        leader: LeaderChange::Unchanged,
        leader_recovery_state: None,
        elr: None,
        last_known_elr: None,
        replicas: None,
        removing: None,
        adding: None,
        directories: None,
    }
}

fn epochs(image: &MetadataImage) -> (i32, i32) {
    let partition = image.partition_by_id(TopicId(9), 0).unwrap();
    (partition.leader_epoch.0, partition.partition_epoch.0)
}

#[test]
fn each_change_raises_the_partition_epoch_and_a_named_leader_the_leader_epoch() {
    let mut image = image();
    let mut apply = |change| {
        let record = MetadataRecord::PartitionChange(change);
        image.apply(Offset(2), &record).unwrap();
        epochs(&image)
    };
    let isr = Some(vec![BrokerId(1), BrokerId(2)]);
    assert_eq!(apply(PartitionChangeRecord { isr, ..change() }), (0, 1));
    let same = LeaderChange::Leader(BrokerId(1));
    assert_eq!(
        apply(PartitionChangeRecord {
            leader: same,
            ..change()
        }),
        (1, 2)
    );
    let none = LeaderChange::NoLeader;
    assert_eq!(
        apply(PartitionChangeRecord {
            leader: none,
            ..change()
        }),
        (2, 3)
    );
    assert_eq!(
        image
            .partition(&TopicPartition::new("a.b", 0))
            .unwrap()
            .leader,
        None
    );
}

#[test]
fn clearing_the_elr_raises_the_partition_epoch_where_there_was_one() {
    let mut image = image();
    let clear = |topic: &str| ClearElrRecord {
        topic: Some(topic.into()),
    };
    image
        .apply(Offset(2), &MetadataRecord::ClearElr(clear("a.b")))
        .unwrap();
    assert_eq!(epochs(&image), (0, 1));
    assert!(image.partition_by_id(TopicId(9), 0).unwrap().elr.is_empty());
    let all = MetadataRecord::ClearElr(ClearElrRecord { topic: None });
    image.apply(Offset(3), &all).unwrap();
    assert_eq!(epochs(&image), (0, 1));
    assert!(
        image
            .apply(Offset(4), &MetadataRecord::ClearElr(clear("none")))
            .is_err()
    );
}

#[test]
fn a_setting_is_the_topics_else_the_clusters_else_the_default() {
    let mut image = image();
    let defaults = TopicConfig {
        min_insync_replicas: 4,
        ..TopicConfig::default()
    };
    let mut set = |resource, value: Option<&str>| {
        let record = ConfigRecord {
            resource,
            key: "min.insync.replicas".to_owned(),
            value: value.map(str::to_owned),
        };
        image
            .apply(Offset(2), &MetadataRecord::Config(record))
            .unwrap();
        image
            .topic_config("a.b", Some(BrokerId(1)), &defaults)
            .min_insync_replicas
    };
    assert_eq!(set(ConfigResource::Cluster, Some("2")), 2);
    assert_eq!(set(ConfigResource::Topic("a.b".into()), Some("3")), 3);
    assert_eq!(set(ConfigResource::Topic("a.b".into()), None), 2);
    let [this, other] = [1, 2].map(|id| ConfigResource::Broker(BrokerId(id)));
    assert_eq!(set(other, Some("5")), 2);
    assert_eq!(set(this.clone(), Some("6")), 6);
    assert_eq!(set(this, None), 2);
    assert_eq!(set(ConfigResource::Cluster, None), 4);
}

#[test]
fn records_about_unknown_things_are_refused() {
    let mut image = image();
    let unknown = PartitionChangeRecord {
        partition: 5,
        ..change()
    };
    assert!(
        image
            .apply(Offset(2), &MetadataRecord::PartitionChange(unknown))
            .is_err()
    );
    let unknown = BrokerRegistrationChangeRecord {
        broker: BrokerId(1),
        broker_epoch: BrokerEpoch(3),
        fenced: Some(true),
        in_controlled_shutdown: None,
        log_dirs: None,
    };
    assert!(
        image
            .apply(
                Offset(2),
                &MetadataRecord::BrokerRegistrationChange(unknown)
            )
            .is_err()
    );
    assert_eq!(
        image.colliding_topic("a_b").map(|name| &**name),
        Some("a.b")
    );
    assert_eq!(image.colliding_topic("ab"), None);
}

#[test]
fn the_records_of_an_image_make_it_again() {
    let mut before = image();
    let register = RegisterBrokerRecord {
        broker: BrokerId(1),
        incarnation: crate::id::Incarnation(3),
        broker_epoch: BrokerEpoch(7),
        fenced: true,
        in_controlled_shutdown: false,
        rack: Some("r".to_owned()),
        log_dirs: vec![crate::raft::DirectoryId(9)],
    };
    let set = |resource, value: &str| {
        MetadataRecord::Config(ConfigRecord {
            resource,
            key: "retention.ms".to_owned(),
            value: Some(value.to_owned()),
        })
    };
    let records = [
        MetadataRecord::RegisterBroker(register),
        set(ConfigResource::Cluster, "5"),
        set(ConfigResource::Broker(BrokerId(1)), "7"),
        set(ConfigResource::Topic("a.b".into()), "6"),
    ];
    for (offset, record) in (2..).zip(&records) {
        before.apply(Offset(offset), record).unwrap();
    }
    let end = before.end_offset();
    let made = before.records();
    let again = MetadataImage::from_records(Rules::default(), end, &made).unwrap();
    assert_eq!(again, before);
    assert_eq!(again.checksum(), before.checksum());
    let change = MetadataRecord::PartitionChange(change());
    before.apply(end, &change).unwrap();
    assert_ne!(again.checksum(), before.checksum());
}
