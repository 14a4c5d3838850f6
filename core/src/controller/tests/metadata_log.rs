//! Writing, committing, observing and starting again.

use super::*;
use crate::metadata::{METADATA_TOPIC_ID, codec};
use crate::offset::{EpochOffset, LeaderEpoch};
use crate::record::batches;

fn fetch_request(offset: i64, epoch: i32, last_epoch: i32) -> Request {
    Request::Fetch(FetchRequest {
        fetcher: Fetcher::Replica {
            id: BrokerId(1),
            epoch: None,
        },
        max_wait: Duration::from_millis(500),
        min_bytes: 1,
        max_bytes: 1 << 20,
        partitions: vec![FetchPartition {
            partition: TopicIdPartition {
                topic_id: METADATA_TOPIC_ID,
                partition: metadata_partition().partition,
            },
            fetch_offset: Offset(offset),
            current_leader_epoch: Some(LeaderEpoch(epoch)),
            last_fetched_epoch: Some(LeaderEpoch(last_epoch)),
            log_start_offset: None,
            max_bytes: 1 << 20,
        }],
        session: FetchSession::none(),
        rack: String::new(),
    })
}

impl Rig {
    fn fetch(&mut self, offset: i64, epoch: i32, last_epoch: i32) -> CorrelationId {
        let request = fetch_request(offset, epoch, last_epoch);
        self.send(NodeId::Broker(BrokerId(1)), request)
    }

    fn fetched(&mut self, correlation: CorrelationId) -> Option<FetchPartitionResponse> {
        match self.responses.remove(&correlation)? {
            Response::Fetch(mut response) => Some(response.partitions.remove(0)),
            _ => panic!("another answer"),
        }
    }
}

#[test]
fn answers_wait_until_their_records_are_written() {
    let mut rig = Rig::new(Rules::default());
    rig.pass(Duration::from_millis(25));
    rig.events.clear();
    let register = BrokerRegistrationRequest {
        broker: BrokerId(1),
        incarnation: Incarnation(0),
        previous_broker_epoch: None,
        rack: None,
        log_dirs: Vec::new(),
    };
    let from = NodeId::Broker(BrokerId(1));
    let first = rig.send(from, Request::BrokerRegistration(register));
    // It changes nothing, but has seen what is not written yet.
    let elect = ElectLeadersRequest {
        election: ElectionType::Preferred,
        partitions: None,
    };
    let second = rig.send(from, Request::ElectLeaders(elect));
    rig.pass(Duration::from_millis(24));
    assert!(rig.responses.is_empty() && rig.events.is_empty());
    assert_eq!(rig.controller.log.high_watermark(), Offset(4));
    assert_eq!(rig.controller.cluster.image.brokers().len(), 1);
    rig.pass(Duration::from_millis(1));
    assert!(rig.responses.contains_key(&first) && rig.responses.contains_key(&second));
    assert!(matches!(
        &rig.events[..],
        [Event::MetadataWritten {
            offset: Offset(4),
            ..
        }]
    ));
    assert_eq!(rig.controller.log.high_watermark(), Offset(5));
}

#[test]
fn observers_get_what_is_written_and_wait_for_more() {
    let mut rig = Rig::new(Rules::default());
    rig.pass(Duration::from_millis(25));
    let fetch = rig.fetch(0, 1, 0);
    let got = rig.fetched(fetch).unwrap();
    assert_eq!(
        (got.error, got.high_watermark),
        (ErrorCode::None, Offset(4))
    );
    let parts: Vec<_> = batches(&got.records).map(Result::unwrap).collect();
    assert_eq!(parts.len(), 2);
    assert!(parts[0].is_control() && parts[0].leader_epoch() == LeaderEpoch(1));
    let records = codec::decode_batch(&parts[1]).unwrap();
    let offsets: Vec<i64> = records.iter().map(|(offset, _)| offset.0).collect();
    assert_eq!(offsets, [1, 2, 3]);
    // At the end it waits; the NoOp wakes it.
    let fetch = rig.fetch(4, 1, 1);
    assert!(rig.fetched(fetch).is_none());
    rig.pass(Duration::from_millis(475));
    assert!(rig.fetched(fetch).is_none());
    rig.pass(Duration::from_millis(25));
    let got = rig.fetched(fetch).unwrap();
    assert_eq!(got.high_watermark, Offset(5));
    assert_eq!(batches(&got.records).count(), 1);
}

#[test]
fn a_fetch_is_answered_empty_when_its_time_is_up() {
    let settings = [("metadata.max.idle.interval.ms", "0")];
    let mut rig = Rig::with(Rules::default(), &settings, &[]);
    rig.pass(Duration::from_millis(25));
    let fetch = rig.fetch(4, 1, 1);
    rig.pass(Duration::from_millis(499));
    assert!(rig.fetched(fetch).is_none());
    rig.pass(Duration::from_millis(1));
    let got = rig.fetched(fetch).unwrap();
    assert!(got.records.is_empty() && got.error.is_none());
}

#[test]
fn epochs_of_observers_are_checked() {
    let mut rig = Rig::new(Rules::default());
    rig.pass(Duration::from_millis(25));
    let check = |rig: &mut Rig, offset, epoch, last| {
        let fetch = rig.fetch(offset, epoch, last);
        rig.fetched(fetch).unwrap()
    };
    let leader = LeaderIdAndEpoch {
        leader: Some(BrokerId(3000)),
        epoch: LeaderEpoch(1),
    };
    let got = check(&mut rig, 0, 0, 0);
    assert_eq!(
        (got.error, got.current_leader),
        (ErrorCode::FencedLeaderEpoch, Some(leader))
    );
    let got = check(&mut rig, 0, 2, 0);
    assert_eq!(got.error, ErrorCode::UnknownLeaderEpoch);
    let got = check(&mut rig, 9, 1, 1);
    let diverging = Some(EpochOffset::new(LeaderEpoch(1), Offset(4)));
    assert_eq!(
        (got.error, got.diverging_epoch),
        (ErrorCode::None, diverging)
    );
    assert!(got.records.is_empty());
}

#[test]
fn a_restart_leads_in_the_next_epoch_and_knows_what_was_committed() {
    let mut rig = Rig::new(Rules::default());
    for id in 1..=2 {
        rig.start_broker(id, false);
    }
    rig.create("t", &[1, 2], &[("min.insync.replicas", "2")]);
    rig.kill(2);
    let before = rig.controller.cluster.clone();
    let end = rig.controller.log.end_offset();
    // Decided, but not written: forgotten, and never answered.
    let elect = Request::CreateTopics(CreateTopicsRequest {
        topics: vec![NewTopic {
            topic: "lost".into(),
            placement: Placement::Manual(vec![vec![BrokerId(1)]]),
            configs: BTreeMap::new(),
        }],
    });
    rig.send(NodeId::Broker(BrokerId(1)), elect);
    rig.events.clear();
    rig.restart();
    assert_eq!(
        rig.events,
        [Event::ControllerActivated {
            epoch: LeaderEpoch(2)
        }]
    );
    assert_eq!(rig.controller.cluster.image, before.image);
    assert_eq!(rig.controller.cluster.index, before.index);
    assert_eq!(rig.controller.log.end_offset(), end.next());
    assert_eq!(rig.controller.log.high_watermark(), end.next());
    let state = rig
        .disk
        .read_all(crate::raft::quorum_state::QUORUM_STATE)
        .unwrap()
        .unwrap();
    let state = String::from_utf8(state.to_vec()).unwrap();
    assert!(
        state.contains("\"leaderId\":3000,\"leaderEpoch\":2,\"votedId\":3000"),
        "{state}"
    );
    assert!(state.contains("\"data_version\":1"), "{state}");
    // Broker 1 has a fresh session, and loses it a session timeout later.
    rig.pass(Duration::from_millis(2_900));
    assert!(rig.controller.cluster.image.is_active(BrokerId(1)));
    rig.pass(Duration::from_millis(600));
    assert!(!rig.controller.cluster.image.is_active(BrokerId(1)));
}

#[test]
fn two_stale_brokers_are_fenced_one_after_the_other() {
    let mut rig = Rig::new(Rules::default());
    for id in 1..=2 {
        rig.start_broker(id, false);
    }
    rig.create("t", &[1, 2], &[]);
    rig.written();
    rig.pass(Duration::from_secs(5));
    assert_eq!(
        rig.written(),
        [
            "change isr=[2] leader=2",
            "fence 1",
            "change isr=[] elr=[2] last=[2] leader=-1",
            "fence 2",
        ]
    );
}

#[test]
fn a_broken_disk_ends_the_process() {
    let mut rig = Rig::new(Rules::default());
    *rig.disk.broken.borrow_mut() = true;
    rig.pass(Duration::from_millis(25));
    assert!(rig.exited);
    assert!(matches!(
        rig.events.last(),
        Some(Event::StorageFailed { .. })
    ));
    assert_eq!(rig.controller.next_deadline(), None);
}

#[test]
fn an_ordered_stop_writes_what_is_pending() {
    let mut rig = Rig::new(Rules::default());
    rig.input(Input::Command(Command::Shutdown));
    assert!(rig.exited);
    assert_eq!(rig.written().len(), 3);
    let Snapshot::Controller(snapshot) = rig.controller.snapshot() else {
        panic!("another snapshot")
    };
    assert_eq!(
        snapshot.metadata_end_offset,
        snapshot.metadata_high_watermark
    );
}
