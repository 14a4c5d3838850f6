//! Topics, settings, elections on request, and what is no controller's business.

use super::*;
use crate::offset::LeaderEpoch;

fn cluster() -> Rig {
    let mut rig = Rig::new(Rules::default());
    for id in 1..=3 {
        rig.start_broker(id, false);
    }
    rig.written();
    rig
}

#[test]
fn topics_are_refused_for_these_reasons() {
    let mut rig = cluster();
    let mut create = |topic: &str, replicas: &[i32]| rig.create(topic, replicas, &[]).error;
    assert_eq!(create("a.b", &[1]), ErrorCode::None);
    assert_eq!(create("a.b", &[1]), ErrorCode::TopicAlreadyExists);
    assert_eq!(create("a_b", &[1]), ErrorCode::InvalidTopicException);
    for name in [
        "",
        ".",
        "..",
        "a b",
        "ä",
        "__cluster_metadata",
        &"x".repeat(250),
    ] {
        assert_eq!(
            create(name, &[1]),
            ErrorCode::InvalidTopicException,
            "{name}"
        );
    }
    assert_eq!(create("t", &[1, 1]), ErrorCode::InvalidReplicaAssignment);
    assert_eq!(create("t", &[4]), ErrorCode::InvalidReplicaAssignment);
    assert_eq!(create("t", &[]), ErrorCode::InvalidReplicaAssignment);
    let error = rig.create("t", &[1], &[("min.insync.replicas", "x")]).error;
    assert_eq!(error, ErrorCode::InvalidConfig);
    let error = rig.create("t", &[1], &[("no.such.key", "1")]).error;
    assert_eq!(error, ErrorCode::InvalidConfig);
    let spread = |partitions, replication_factor| NewTopic {
        topic: "t".into(),
        placement: Placement::Spread {
            partitions,
            replication_factor,
        },
        configs: BTreeMap::new(),
    };
    let mut error = |topic| rig.create_topics(vec![topic]).remove(0).error;
    assert_eq!(error(spread(Some(0), None)), ErrorCode::InvalidPartitions);
    assert_eq!(
        error(spread(None, Some(0))),
        ErrorCode::InvalidReplicationFactor
    );
    assert_eq!(
        error(spread(None, Some(4))),
        ErrorCode::InvalidReplicationFactor
    );
    let twice = rig.create_topics(vec![spread(None, None), spread(None, None)]);
    assert!(
        twice
            .iter()
            .all(|topic| topic.error == ErrorCode::InvalidRequest)
    );
    rig.written();
    assert!(
        rig.create_topics(vec![spread(Some(4), Some(2))])
            .remove(0)
            .error
            .is_none()
    );
    assert_eq!(rig.written().len(), 5);
}

#[test]
fn a_fenced_broker_gets_replicas_but_is_not_in_the_isr() {
    let mut rig = cluster();
    rig.kill(1);
    rig.written();
    rig.create("t", &[1, 2, 3], &[("min.insync.replicas", "2")]);
    assert_eq!(
        rig.written(),
        [
            "topic t",
            "config min.insync.replicas=2",
            "clear elr t",
            "partition replicas=[1,2,3] isr=[2,3] leader=2 epochs 0/0",
        ]
    );
    rig.kill(2);
    rig.kill(3);
    let last = "change isr=[] elr=[2,3] last=[3] leader=-1";
    assert_eq!(
        rig.written(),
        [
            "change isr=[3] elr=[2] leader=3",
            "fence 2",
            last,
            "fence 3"
        ]
    );
}

#[test]
fn settings_are_checked_and_min_isr_clears_the_elr() {
    let mut rig = cluster();
    rig.create("t", &[1, 2, 3], &[]);
    let topic = || ConfigResource::Topic("t".into());
    let key = "min.insync.replicas";
    assert_eq!(
        rig.configure(topic(), key, Some("0")).0,
        ErrorCode::InvalidConfig
    );
    assert_eq!(
        rig.configure(topic(), "nonsense", None).0,
        ErrorCode::InvalidConfig
    );
    let unknown = ConfigResource::Topic("u".into());
    assert_eq!(
        rig.configure(unknown, key, Some("1")).0,
        ErrorCode::UnknownTopicOrPartition
    );
    assert_eq!(
        rig.configure(ConfigResource::Cluster, key, None).0,
        ErrorCode::InvalidConfig
    );
    rig.written();
    assert!(rig.configure(topic(), key, Some("3")).0.is_none());
    assert_eq!(
        rig.written(),
        ["config min.insync.replicas=3", "clear elr t"]
    );
    rig.kill(3);
    assert_eq!(rig.partition("t").elr, [BrokerId(3)]);
    rig.written();
    // The same again is no change for a topic, but is written for the cluster.
    assert!(rig.configure(topic(), key, Some("3")).0.is_none());
    assert_eq!(rig.written(), [] as [&str; 0]);
    assert!(
        rig.configure(ConfigResource::Cluster, key, Some("1"))
            .0
            .is_none()
    );
    assert_eq!(
        rig.written(),
        ["config min.insync.replicas=1", "clear elr *"]
    );
    assert!(rig.partition("t").elr.is_empty());
    assert!(rig.controller.cluster.index.in_elr(BrokerId(3)).is_empty());
}

#[test]
fn a_brokers_own_setting_is_the_default_there_and_nothing_to_the_controller() {
    let mut rig = cluster();
    rig.create("t", &[1, 2, 3], &[]);
    let of = |id| ConfigResource::Broker(BrokerId(id));
    rig.written();
    let set = rig.configure(of(1), "flush.messages", Some("1")).0;
    assert!(set.is_none());
    assert_eq!(rig.written(), ["config flush.messages=1"]);
    let unclean = "unclean.leader.election.enable";
    assert!(rig.configure(of(1), unclean, Some("true")).0.is_none());
    let cluster = &rig.controller.cluster;
    assert!(!cluster.topic_config("t").unclean_leader_election_enable);
    let at = |id| {
        let defaults = &cluster.topic_defaults;
        cluster
            .image
            .topic_config("t", Some(BrokerId(id)), defaults)
    };
    assert!(at(1).unclean_leader_election_enable && !at(2).unclean_leader_election_enable);
    assert_eq!(
        (at(1).flush_messages, at(2).flush_messages),
        (1, u64::MAX >> 1)
    );
}

#[test]
fn what_a_broker_may_not_have_of_its_own_is_refused() {
    let mut rig = cluster();
    let of = |id| ConfigResource::Broker(BrokerId(id));
    let mut refused = |id, key, value| rig.configure(of(id), key, value).0;
    let elr = refused(1, "min.insync.replicas", Some("1"));
    assert_eq!(elr, ErrorCode::InvalidConfig, "with ELR there is one");
    let unknown = refused(9, "flush.messages", Some("1"));
    assert_eq!(unknown, ErrorCode::BrokerIdNotRegistered);
    let fixed = refused(1, "replica.lag.time.max.ms", Some("1"));
    assert_eq!(fixed, ErrorCode::InvalidConfig, "not while it runs");
}

#[test]
fn enabling_unclean_election_takes_effect_at_the_next_look() {
    let settings = [
        ("broker.session.timeout.ms", "3000"),
        ("unclean.leader.election.interval.ms", "60000"),
    ];
    let mut rig = Rig::with(Rules::default(), &settings, &[]);
    for id in 1..=2 {
        rig.start_broker(id, false);
    }
    rig.create("t", &[1, 2], &[]);
    rig.kill(2);
    rig.kill(1);
    rig.start_broker(2, false);
    rig.configure(
        ConfigResource::Topic("t".into()),
        "unclean.leader.election.enable",
        Some("true"),
    );
    rig.written();
    rig.wait(Duration::from_secs(20));
    assert_eq!(rig.partition("t").leader, None);
    rig.wait(Duration::from_secs(60));
    assert_eq!(
        rig.written(),
        ["change isr=[2] elr=[] last=[] leader=2 Recovering"]
    );
}

#[test]
fn leadership_is_given_back_periodically() {
    let mut rig = cluster();
    rig.create("t", &[1, 2], &[]);
    rig.kill(1);
    rig.start_broker(1, false);
    rig.propose(&[2, 1]);
    rig.written();
    rig.wait(Duration::from_secs(301));
    assert_eq!(rig.written(), ["change leader=1"]);
    assert!(rig.controller.cluster.index.imbalanced().is_empty());
}

#[test]
fn elections_on_request() {
    let mut rig = cluster();
    rig.create("t", &[1, 2], &[]);
    let elect = |rig: &mut Rig, election, topic: Option<&str>| {
        let partitions = topic.map(|topic| vec![TopicPartition::new(topic, 0)]);
        let request = Request::ElectLeaders(ElectLeadersRequest {
            election,
            partitions,
        });
        match rig.ask(NodeId::Client(crate::id::ClientId(0)), request) {
            Response::ElectLeaders(response) => response
                .partitions
                .into_iter()
                .map(|(_, error)| error)
                .collect::<Vec<_>>(),
            _ => panic!("another answer"),
        }
    };
    use ElectionType::{Preferred, Unclean};
    let not_needed = [ErrorCode::ElectionNotNeeded];
    assert_eq!(elect(&mut rig, Preferred, Some("t")), not_needed);
    assert_eq!(elect(&mut rig, Unclean, Some("t")), not_needed);
    assert_eq!(
        elect(&mut rig, Preferred, Some("u")),
        [ErrorCode::UnknownTopicOrPartition]
    );
    assert!(elect(&mut rig, Preferred, None).is_empty());
    rig.kill(1);
    let unavailable = [ErrorCode::PreferredLeaderNotAvailable];
    assert_eq!(elect(&mut rig, Preferred, Some("t")), unavailable);
    rig.kill(2);
    let nobody = [ErrorCode::EligibleLeadersNotAvailable];
    assert_eq!(elect(&mut rig, Unclean, Some("t")), nobody);
    rig.start_broker(1, false);
    rig.written();
    assert_eq!(elect(&mut rig, Unclean, None), [ErrorCode::None]);
    assert_eq!(
        rig.written(),
        ["change isr=[1] elr=[] last=[] leader=1 Recovering"]
    );
}

#[test]
fn brokers_must_name_the_epoch_that_they_have() {
    let mut rig = cluster();
    assert_eq!(
        rig.register(1, false).error,
        ErrorCode::DuplicateBrokerRegistration
    );
    // The same process again keeps its epoch, and is not fenced.
    let epoch = rig.brokers[&1].epoch;
    rig.brokers.get_mut(&1).unwrap().starts = 0;
    assert_eq!(rig.register(1, false).broker_epoch, Some(epoch));
    assert!(!rig.heartbeat(1, false, false).is_fenced);
    rig.brokers.get_mut(&1).unwrap().epoch = BrokerEpoch(0);
    let stale = rig.heartbeat(1, false, false);
    assert_eq!(
        (stale.error, stale.is_fenced),
        (ErrorCode::StaleBrokerEpoch, true)
    );
    assert!(rig.events.iter().any(|event| matches!(
        event,
        Event::Refused {
            api: Api::BrokerHeartbeat,
            error: ErrorCode::StaleBrokerEpoch,
            ..
        }
    )));
}

#[test]
fn what_is_for_brokers_is_refused_and_the_connection_closed() {
    let mut rig = cluster();
    let request = MetadataRequest {
        topics: None,
        allow_auto_topic_creation: false,
    };
    let connection = ConnectionId {
        client: NodeId::Client(crate::id::ClientId(0)),
        incarnation: Incarnation(0),
        number: 9,
    };
    let mut out = Effects::new();
    let request = Box::new(Request::Metadata(request));
    let correlation = CorrelationId(1);
    let input = Input::Request {
        connection,
        correlation,
        request,
    };
    rig.controller.handle(rig.now, input, &mut out);
    assert!(matches!(
        out.as_slice(),
        [
            Effect::Observe(Event::Refused {
                error: ErrorCode::UnsupportedVersion,
                ..
            }),
            Effect::Close { .. }
        ]
    ));
}

#[test]
fn a_topic_gets_more_partitions_and_never_fewer() {
    let mut rig = cluster();
    rig.create("t", &[1, 2], &[]);
    rig.written();
    let mut add = |topic: &str, count, replicas: Option<&[&[i32]]>| {
        let ids = |list: &&[i32]| list.iter().copied().map(BrokerId).collect();
        let request = Request::CreatePartitions(CreatePartitionsRequest {
            topic: topic.into(),
            count,
            replicas: replicas.map(|lists| lists.iter().map(ids).collect()),
        });
        match rig.ask(NodeId::Client(crate::id::ClientId(0)), request) {
            Response::CreatePartitions(response) => response.error,
            other => panic!("{other:?}"),
        }
    };
    let unknown = add("u", 2, None);
    assert_eq!(unknown, ErrorCode::UnknownTopicOrPartition);
    assert_eq!(add("t", 1, None), ErrorCode::InvalidPartitions);
    let too_few_places = add("t", 3, Some(&[&[2, 3]]));
    assert_eq!(too_few_places, ErrorCode::InvalidReplicaAssignment);
    let other_factor = add("t", 2, Some(&[&[2]]));
    assert_eq!(other_factor, ErrorCode::InvalidReplicaAssignment);
    assert!(add("t", 2, Some(&[&[3, 2]])).is_none());
    assert!(add("t", 4, None).is_none());
    let topic = rig.controller.cluster.image.topic("t").unwrap();
    let second = &topic.partitions[&1];
    assert_eq!((second.leader, second.isr.len()), (Some(BrokerId(3)), 2));
    assert_eq!(topic.partitions.len(), 4);
    let as_many = topic.partitions.values().all(|one| one.replicas.len() == 2);
    assert!(as_many, "as many replicas as the first has");
}

#[test]
fn a_deleted_topic_leaves_room_for_another_of_its_name() {
    let mut rig = cluster();
    rig.create("a.b", &[1, 2], &[("min.insync.replicas", "2")]);
    let first = rig.topic_id("a.b");
    rig.written();
    let mut delete = |topics: &[&str]| {
        let topics = topics.iter().map(|topic| (*topic).into()).collect();
        let request = Request::DeleteTopics(DeleteTopicsRequest { topics });
        match rig.ask(NodeId::Client(crate::id::ClientId(0)), request) {
            Response::DeleteTopics(response) => response
                .topics
                .into_iter()
                .map(|(_, error)| error)
                .collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(delete(&["other"]), [ErrorCode::UnknownTopicOrPartition]);
    let twice = [ErrorCode::None, ErrorCode::InvalidRequest];
    assert_eq!(delete(&["a.b", "a.b"]), twice);
    assert_eq!(rig.written(), ["remove topic"]);
    // Nothing of it is left: no name that collides, no setting, no partition without leader.
    rig.kill(1);
    assert_eq!(rig.written(), ["fence 1"]);
    assert_eq!(rig.create("a_b", &[2], &[]).error, ErrorCode::None);
    assert_eq!(rig.written().len(), 2);
    assert_eq!(
        rig.create("a.b", &[2], &[]).error,
        ErrorCode::InvalidTopicException
    );
    assert_ne!(rig.topic_id("a_b"), first);
}

/// Moves `t-0`, or takes the move back.
fn reassign(rig: &mut Rig, replicas: Option<&[i32]>) -> ErrorCode {
    let replicas = replicas.map(|ids| ids.iter().copied().map(BrokerId).collect());
    let partitions = vec![Reassignment {
        partition: TopicPartition::new("t", 0),
        replicas,
    }];
    let request = AlterPartitionReassignmentsRequest { partitions };
    match rig.ask(
        NodeId::Client(crate::id::ClientId(0)),
        Request::AlterPartitionReassignments(request),
    ) {
        Response::AlterPartitionReassignments(mut response) => response.partitions.remove(0).1,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_move_ends_with_the_isr_that_has_the_new_replicas() {
    let mut rig = cluster();
    rig.create("t", &[1, 2], &[]);
    rig.written();
    assert_eq!(reassign(&mut rig, Some(&[3, 2])), ErrorCode::None);
    assert_eq!(
        rig.written(),
        ["change replicas=[3,2,1] removing=[1] adding=[3]"]
    );
    assert_eq!(rig.propose(&[1, 2, 3]).error, ErrorCode::NewLeaderElected);
    assert_eq!(
        rig.written(),
        ["change isr=[2,3] leader=3 replicas=[3,2] removing=[] adding=[]"]
    );
    assert_eq!(rig.partition("t").leader_epoch, LeaderEpoch(1));
    // Another order is a move that has ended when it begins; nobody leaves, so no new epoch.
    assert_eq!(reassign(&mut rig, Some(&[2, 3])), ErrorCode::None);
    assert_eq!(rig.written(), ["change replicas=[2,3]"]);
    // Fewer replicas: the one that stays is in sync, so it ends at once, with a new epoch.
    assert_eq!(reassign(&mut rig, Some(&[3])), ErrorCode::None);
    assert_eq!(rig.written(), ["change isr=[3] leader=3 replicas=[3]"]);
    assert_eq!(rig.partition("t").leader_epoch, LeaderEpoch(2));
}

#[test]
fn a_move_is_taken_back_and_refused_for_these_reasons() {
    let mut rig = cluster();
    rig.create("t", &[1, 2], &[]);
    rig.written();
    assert_eq!(
        reassign(&mut rig, None),
        ErrorCode::NoReassignmentInProgress
    );
    for wrong in [&[][..], &[1, 1], &[1, 9]] {
        let error = reassign(&mut rig, Some(wrong));
        assert_eq!(error, ErrorCode::InvalidReplicaAssignment, "{wrong:?}");
    }
    assert_eq!(rig.written(), [] as [&str; 0]);
    reassign(&mut rig, Some(&[3, 2]));
    rig.written();
    assert_eq!(reassign(&mut rig, None), ErrorCode::None);
    assert_eq!(
        rig.written(),
        ["change leader=1 replicas=[2,1] removing=[] adding=[]"]
    );
}
