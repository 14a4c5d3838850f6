//! A topic is deleted, with all its brokers there or not.

use super::*;
use crate::message::{
    AlterPartitionReassignmentsRequest, DeleteTopicsRequest, ElectLeadersRequest, ElectionType,
    Reassignment,
};

impl Rig {
    fn delete(&mut self, topic: &str) -> ErrorCode {
        let request = DeleteTopicsRequest {
            topics: vec![topic.into()],
        };
        match self.ask(Request::DeleteTopics(request)) {
            Response::DeleteTopics(response) => response.topics[0].1,
            other => panic!("{other:?}"),
        }
    }

    /// What was sent since, without what all brokers are told of all.
    fn orders(&mut self) -> Vec<String> {
        let told = self.told().into_iter();
        told.filter(|one| !one.contains("UpdateMetadata")).collect()
    }

    fn is_gone(&self, topic: &str) -> bool {
        let paths = [
            znodes::topic(topic),
            znodes::topic_config(topic),
            format!("{DELETE_TOPICS}/{topic}"),
        ];
        let left = paths.iter().filter(|path| self.znodes.contains_key(*path));
        let left = left.count();
        assert!(left == 0 || left == paths.len(), "all of it or nothing");
        left == 0
    }
}

#[test]
fn replicas_leave_the_isr_stop_and_delete_their_logs() {
    let mut rig = Rig::new(Rules::default());
    rig.create("t", &[&[1, 2]]);
    rig.told();
    rig.silent = [1, 2].map(BrokerId).into();
    assert_eq!(rig.delete("t"), ErrorCode::None);
    assert_eq!(
        rig.told(),
        [
            "1 UpdateMetadata -t-0",
            "2 UpdateMetadata -t-0",
            "3 UpdateMetadata -t-0",
            "1 StopReplica t-0",
            "2 StopReplica t-0",
        ],
        "the next one waits for the answer"
    );
    assert_eq!(rig.state("t-0"), Some((-1, 2, vec![2])));
    assert!(!rig.is_gone("t"));
    let mut rig = Rig::new(Rules::default());
    rig.create("t", &[&[1, 2]]);
    rig.told();
    rig.delete("t");
    let expected = [
        "1 StopReplica t-0",
        "1 StopReplica t-0 and delete",
        "2 StopReplica t-0",
        "2 StopReplica t-0 and delete",
    ];
    assert_eq!(rig.orders(), expected);
    assert!(rig.is_gone("t"));
    assert_eq!(rig.create("t", &[&[2, 3]]), ErrorCode::None);
}

#[test]
fn a_replica_that_is_away_holds_back_the_end_and_not_the_beginning() {
    let mut rig = Rig::new(Rules::default());
    rig.create("t", &[&[1, 2, 3]]);
    rig.create("other", &[&[3, 1]]);
    rig.go(3);
    rig.told();
    assert_eq!(rig.delete("t"), ErrorCode::None);
    let deleted = |broker: i32| format!("{broker} StopReplica t-0 and delete");
    let orders = rig.orders();
    assert!(
        orders.contains(&deleted(1)) && orders.contains(&deleted(2)),
        "{orders:?}"
    );
    assert!(!rig.is_gone("t"), "3 has it still");
    assert_eq!(rig.create("t", &[&[1, 2]]), ErrorCode::TopicAlreadyExists);
    assert_eq!(
        rig.delete("t"),
        ErrorCode::None,
        "once more changes nothing"
    );
    assert_eq!(rig.orders(), Vec::<String>::new());
    // Another broker that goes and comes is no reason to elect, nor to delete twice.
    let state = rig.state("t-0");
    rig.go(2);
    rig.come(2);
    assert_eq!(rig.orders(), Vec::<String>::new(), "2 has nothing of other");
    assert_eq!(rig.state("t-0"), state);
    rig.come(3);
    let orders = rig.orders();
    assert_eq!(
        orders,
        [
            "3 LeaderAndIsr other-0 led by 1 t-0 led by -1",
            "3 StopReplica t-0",
            "3 StopReplica t-0 and delete",
        ],
    );
    assert!(rig.is_gone("t"));
    assert_eq!(rig.create("t", &[&[1, 2]]), ErrorCode::None);
}

#[test]
fn a_broker_that_goes_before_it_has_answered_is_told_again() {
    let mut rig = Rig::new(Rules::default());
    rig.create("t", &[&[1, 2]]);
    rig.silent = [2].map(BrokerId).into();
    rig.delete("t");
    rig.go(2);
    rig.told();
    rig.silent.clear();
    assert!(!rig.is_gone("t"));
    rig.come(2);
    assert!(
        rig.orders()
            .contains(&"2 StopReplica t-0 and delete".to_owned())
    );
    assert!(rig.is_gone("t"));
}

#[test]
fn a_broker_that_cannot_is_told_again_when_it_comes_back() {
    let mut rig = Rig::new(Rules::default());
    rig.create("t", &[&[1, 2]]);
    rig.failing = [2].map(BrokerId).into();
    rig.delete("t");
    rig.failing.clear();
    assert!(!rig.is_gone("t"));
    rig.go(3);
    rig.come(3);
    assert!(!rig.is_gone("t"), "3 has no replica of it");
    rig.go(2);
    rig.come(2);
    assert!(rig.is_gone("t"));
}

#[test]
fn a_new_controller_begins_anew_and_waits_for_all() {
    for shrinks in [true, false] {
        let rules = Rules {
            failover_shrinks_isr: shrinks,
            ..Rules::default()
        };
        let mut rig = Rig::new(rules);
        rig.create("t", &[&[1, 2, 3]]);
        rig.go(3);
        rig.delete("t");
        rig.told();
        rig.fail_over(2);
        let orders = rig.orders();
        let deletes = |orders: &[String]| {
            let delete = |one: &&String| one.ends_with("and delete");
            orders.iter().filter(delete).count()
        };
        assert_eq!(deletes(&orders), 0, "{orders:?}");
        assert!(orders.contains(&"1 LeaderAndIsr t-0 led by -1".to_owned()));
        assert!(!rig.is_gone("t"));
        rig.come(3);
        let orders = rig.orders();
        assert_eq!(deletes(&orders), 3, "{orders:?}");
        assert!(rig.is_gone("t"));
    }
    // Nobody is away: it begins with its term.
    let mut rig = Rig::new(Rules::default());
    rig.create("t", &[&[1, 2]]);
    rig.silent = [1, 2].map(BrokerId).into();
    rig.delete("t");
    rig.silent.clear();
    rig.fail_over(3);
    assert!(rig.is_gone("t"));
}

#[test]
fn a_topic_that_goes_has_no_elections() {
    let mut rig = Rig::new(Rules::default());
    rig.create("t", &[&[2, 1, 3]]);
    rig.go(3);
    rig.fail_over(1); // So that the topic is held back as it is.
    rig.delete("t");
    let state = rig.state("t-0");
    let elect = |election| {
        Request::ElectLeaders(ElectLeadersRequest {
            election,
            partitions: Some(vec![TopicPartition::new("t", 0)]),
        })
    };
    for election in [ElectionType::Preferred, ElectionType::Unclean] {
        let Response::ElectLeaders(response) = rig.ask(elect(election)) else {
            panic!("another answer");
        };
        assert_eq!(response.partitions[0].1, ErrorCode::InvalidTopicException);
    }
    rig.with(|controller, env| controller.put(Happening::Balance, env));
    rig.with(|controller, env| controller.put(Happening::Unclean(None), env));
    assert_eq!(rig.state("t-0"), state);
}

#[test]
fn a_move_holds_back_what_is_held_back_already() {
    let mut rig = Rig::new(Rules::default());
    let to = |replicas: &[i32]| {
        Request::AlterPartitionReassignments(AlterPartitionReassignmentsRequest {
            partitions: vec![Reassignment {
                partition: TopicPartition::new("t", 0),
                replicas: Some(lists(&[replicas]).remove(0)),
            }],
        })
    };
    rig.create("t", &[&[1, 2]]);
    rig.ask(to(&[3, 2]));
    rig.fail_over(2);
    rig.delete("t");
    assert!(rig.is_gone("t"), "the move was there first");
    // A new controller finds both.
    rig.create("t", &[&[1, 2]]);
    rig.ask(to(&[3, 2]));
    rig.silent = [1, 2, 3].map(BrokerId).into();
    rig.delete("t");
    rig.silent.clear();
    rig.fail_over(1);
    assert!(!rig.is_gone("t"));
    let refused = rig.ask(to(&[1, 3]));
    let Response::AlterPartitionReassignments(response) = refused else {
        panic!("another answer");
    };
    assert_eq!(response.partitions[0].1, ErrorCode::UnknownTopicOrPartition);
}
