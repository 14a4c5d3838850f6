//! A topic with more partitions.

use super::*;
use crate::message::{
    AlterPartitionReassignmentsRequest, CreatePartitionsRequest, DeleteTopicsRequest, Reassignment,
};

fn more(topic: &str, count: i32, replicas: Option<&[&[i32]]>) -> Request {
    Request::CreatePartitions(CreatePartitionsRequest {
        topic: topic.into(),
        count,
        replicas: replicas.map(lists),
    })
}

fn error(response: &Response) -> ErrorCode {
    match response {
        Response::CreatePartitions(response) => response.error,
        other => panic!("{other:?}"),
    }
}

impl Rig {
    fn widen(&mut self, topic: &str, count: i32, replicas: Option<&[&[i32]]>) -> ErrorCode {
        error(&self.ask(more(topic, count, replicas)))
    }

    /// The replicas in a topic's znode.
    fn assigned(&self, topic: &str) -> Vec<Vec<i32>> {
        let (data, ..) = &self.znodes[&znodes::topic(topic)];
        let node: znodes::TopicNode = znodes::decode(data).unwrap();
        let ids = |list: &Vec<BrokerId>| list.iter().map(|id| id.0).collect();
        node.partitions.values().map(ids).collect()
    }
}

#[test]
fn new_partitions_get_leaders_and_all_are_told() {
    let mut rig = Rig::new(Rules::default());
    assert_eq!(rig.create("t", &[&[1, 2, 3]]), ErrorCode::None);
    rig.go(3);
    rig.told();
    let placed: &[&[i32]] = &[&[3, 2, 1], &[2, 1, 3]];
    // Not even their leader has to live; the broker has to.
    assert_eq!(
        rig.widen("t", 3, Some(placed)),
        ErrorCode::InvalidReplicaAssignment
    );
    rig.come(3);
    rig.told();
    assert_eq!(rig.widen("t", 3, Some(placed)), ErrorCode::None);
    assert_eq!(rig.assigned("t"), [[1, 2, 3], [3, 2, 1], [2, 1, 3]]);
    assert_eq!(rig.state("t-1"), Some((3, 0, vec![3, 2, 1])));
    assert_eq!(rig.state("t-2"), Some((2, 0, vec![2, 1, 3])));
    let told = rig.told();
    for broker in 1..=3 {
        let orders = format!("{broker} LeaderAndIsr t-1 led by 3 t-2 led by 2");
        let metadata = format!("{broker} UpdateMetadata t-1 t-2");
        assert!(
            told.contains(&orders) && told.contains(&metadata),
            "{told:?}"
        );
    }
    // The topic is watched on: more can follow.
    assert_eq!(rig.widen("t", 4, Some(&[&[1, 2, 3]])), ErrorCode::None);
    assert_eq!(rig.state("t-3"), Some((1, 0, vec![1, 2, 3])));
}

#[test]
fn a_new_controller_watches_too() {
    let mut rig = Rig::new(Rules::default());
    rig.create("t", &[&[1, 2]]);
    rig.fail_over(2);
    assert_eq!(rig.widen("t", 2, Some(&[&[2, 1]])), ErrorCode::None);
    assert_eq!(rig.state("t-1"), Some((2, 0, vec![2, 1])));
    // It dies with the znode written, and before it has given the new one a leader.
    let reply = rig.submit(more("t", 3, Some(&[&[3, 1]])));
    while !rig.responses.contains_key(&reply) {
        let asked = rig.controller.take_operations();
        for (operation, tag) in asked {
            let result = rig.apply(operation);
            rig.call(|controller, env| controller.answered(tag, result, env));
        }
    }
    assert_eq!(rig.state("t-2"), None);
    rig.fail_over(3);
    assert_eq!(rig.state("t-2"), Some((3, 0, vec![3, 1])));
}

#[test]
fn refusals() {
    let mut rig = Rig::new(Rules::default());
    rig.create("t", &[&[1, 2], &[2, 1]]);
    type Case<'a> = (&'a str, i32, Option<&'a [&'a [i32]]>, ErrorCode);
    let cases: [Case<'_>; 8] = [
        ("none", 3, None, ErrorCode::UnknownTopicOrPartition),
        ("t", 2, None, ErrorCode::InvalidPartitions),
        ("t", 1, None, ErrorCode::InvalidPartitions),
        ("t", -1, None, ErrorCode::InvalidPartitions),
        (
            "t",
            3,
            Some(&[&[1, 9]]),
            ErrorCode::InvalidReplicaAssignment,
        ),
        (
            "t",
            3,
            Some(&[&[1, 2], &[2, 1]]),
            ErrorCode::InvalidReplicaAssignment,
        ),
        (
            "t",
            3,
            Some(&[&[1, 1]]),
            ErrorCode::InvalidReplicaAssignment,
        ),
        ("t", 3, Some(&[&[1]]), ErrorCode::InvalidReplicaAssignment),
    ];
    for (topic, count, replicas, refused) in cases {
        assert_eq!(
            rig.widen(topic, count, replicas),
            refused,
            "{topic} {count} {replicas:?}"
        );
    }
    assert_eq!(rig.assigned("t").len(), 2, "nothing was written");
    // Two of three brokers: too few for two replicas only when another goes.
    rig.go(3);
    rig.go(2);
    assert_eq!(rig.widen("t", 3, None), ErrorCode::InvalidReplicationFactor);
}

#[test]
fn who_chooses_nothing_gets_the_row_of_brokers() {
    let mut rig = Rig::new(Rules::default());
    rig.create("t", &[&[2, 3]]);
    assert_eq!(rig.widen("t", 3, None), ErrorCode::None);
    assert_eq!(rig.assigned("t"), [[2, 3], [3, 2], [1, 3]]);
}

#[test]
fn a_topic_that_moves_gets_no_more() {
    let mut rig = Rig::new(Rules::default());
    rig.create("t", &[&[1, 2]]);
    let request = AlterPartitionReassignmentsRequest {
        partitions: vec![Reassignment {
            partition: TopicPartition::new("t", 0),
            replicas: Some(lists(&[&[3, 2]]).remove(0)),
        }],
    };
    // Nobody fetches here, so the move goes on for ever.
    rig.ask(Request::AlterPartitionReassignments(request));
    assert_eq!(rig.assigned("t"), [[3, 2, 1]]);
    assert_eq!(rig.widen("t", 2, None), ErrorCode::ReassignmentInProgress);
}

#[test]
fn a_topic_that_goes_gets_no_more_and_what_was_written_is_taken_back() {
    let mut rig = Rig::new(Rules::default());
    rig.create("t", &[&[1, 2]]);
    rig.go(2); // So that the topic does not go at once.
    rig.create("other", &[&[1]]);
    let delete = DeleteTopicsRequest {
        topics: vec!["t".into()],
    };
    // The deletion is noted first, and the controller hears of it when it has written the partitions.
    rig.submit(Request::DeleteTopics(delete));
    let reply = rig.submit(more("t", 2, Some(&[&[1, 3]])));
    rig.settle();
    assert_eq!(error(&rig.responses[&reply]), ErrorCode::None);
    assert_eq!(rig.state("t-1"), None, "it has no leader");
    assert_eq!(rig.assigned("t"), [[1, 2]], "and is in the znode no more");
    assert_eq!(rig.widen("t", 2, None), ErrorCode::InvalidTopicException);
    rig.come(2);
    assert!(
        !rig.znodes.contains_key(&znodes::topic("t")),
        "the topic is gone"
    );
    assert_eq!(rig.widen("t", 2, None), ErrorCode::UnknownTopicOrPartition);
}
