//! What a client learns from metadata, and when it asks.

use super::*;

const ORDERS: &str = "orders";

fn metadata() -> (ClientMetadata, Random) {
    let backoff = Backoff {
        initial: Duration::from_millis(100),
        max: Duration::from_millis(1_000),
    };
    let mut metadata = ClientMetadata::new(vec![BrokerId(1)], backoff, Duration::from_secs(300));
    metadata.want(&ORDERS.into());
    (metadata, Random::stream(1, "metadata"))
}

fn answer(id: u128, leader: i32, epoch: i32) -> MetadataResponse {
    MetadataResponse {
        brokers: vec![BrokerId(1), BrokerId(2)],
        topics: vec![TopicMetadata {
            error: ErrorCode::None,
            topic: ORDERS.into(),
            topic_id: TopicId(id),
            partitions: vec![PartitionMetadata {
                error: ErrorCode::None,
                partition: 0,
                leader: Some(BrokerId(leader)).filter(|leader| leader.0 >= 0),
                leader_epoch: LeaderEpoch(epoch),
                replicas: Vec::new(),
                isr: Vec::new(),
                elr: Vec::new(),
            }],
        }],
    }
}

fn unknown() -> MetadataResponse {
    let mut response = answer(0, 0, 0);
    response.topics[0].error = ErrorCode::UnknownTopicOrPartition;
    response.topics[0].partitions.clear();
    response
}

/// (leader or -1, epoch or -1) after these answers.
fn after(answers: Vec<MetadataResponse>) -> (i32, i32) {
    let (mut metadata, mut random) = metadata();
    for answer in answers {
        metadata.next_request();
        metadata.update(Timestamp::ZERO, answer, &mut random);
    }
    let known = metadata.leadership(&TopicPartition::new(ORDERS, 0));
    (
        known.leader.map_or(-1, |leader| leader.0),
        known.epoch.map_or(-1, |epoch| epoch.0),
    )
}

#[test]
fn epochs_never_go_back_for_the_same_topic_id() {
    assert_eq!(after(vec![answer(7, 1, 3)]), (1, 3));
    assert_eq!(after(vec![answer(7, 1, 3), answer(7, 2, 4)]), (2, 4));
    assert_eq!(after(vec![answer(7, 1, 3), answer(7, 2, 2)]), (1, 3));
    assert_eq!(after(vec![answer(7, 1, 3), answer(8, 2, 0)]), (2, 0));
    assert_eq!(after(vec![answer(7, 1, 3), unknown()]), (-1, -1));
    assert_eq!(
        after(vec![answer(7, 1, 3), unknown(), answer(7, 2, 4)]),
        (2, 4)
    );
    // A leader that is not among the brokers is no leader.
    assert_eq!(after(vec![answer(7, 9, 3)]), (-1, 3));
    assert_eq!(after(vec![answer(7, -1, 3)]), (-1, 3));
}

#[test]
fn a_hint_counts_only_with_a_newer_epoch() {
    let (mut metadata, mut random) = metadata();
    let partition = TopicPartition::new(ORDERS, 0);
    let hint = |leader, epoch| LeaderIdAndEpoch {
        leader: Some(BrokerId(leader)),
        epoch: LeaderEpoch(epoch),
    };
    assert!(!metadata.update_leader(&partition, hint(2, 9)), "unknown");
    metadata.update(Timestamp::ZERO, answer(7, 1, 3), &mut random);
    assert!(!metadata.update_leader(&partition, hint(2, 3)));
    assert!(metadata.update_leader(&partition, hint(3, 4)));
    assert_eq!(metadata.leadership(&partition).leader, Some(BrokerId(3)));
    assert!(metadata.brokers().contains(&BrokerId(3)));
}

#[test]
fn a_newer_epoch_without_a_leader_hides_the_old_leader_and_wants_a_refresh() {
    let (mut metadata, mut random) = metadata();
    let partition = TopicPartition::new(ORDERS, 0);
    metadata.update(Timestamp::ZERO, answer(7, 1, 3), &mut random);
    assert!(metadata.due().unwrap() > Timestamp::from_millis(1_000));
    metadata.observe_epoch(&partition, LeaderEpoch(5));
    assert_eq!(metadata.leadership(&partition).leader, None);
    assert!(metadata.due().unwrap() < Timestamp::from_millis(1_000));
}

#[test]
fn an_unknown_topic_or_a_missing_leader_is_asked_for_again() {
    let (mut metadata, mut random) = metadata();
    metadata.update(Timestamp::ZERO, unknown(), &mut random);
    assert!(metadata.due().unwrap() < Timestamp::from_millis(1_000));
    let mut leaderless = answer(7, -1, 3);
    leaderless.topics[0].partitions[0].error = ErrorCode::LeaderNotAvailable;
    metadata.update(Timestamp::ZERO, leaderless, &mut random);
    assert!(metadata.due().unwrap() < Timestamp::from_millis(1_000));
    metadata.update(Timestamp::ZERO, answer(7, 1, 4), &mut random);
    assert!(metadata.due().unwrap() > Timestamp::from_millis(1_000));
}
