//! A leader and its followers, driven by hand: each rule of replication, and each switch flipped.

use super::*;
use crate::error::ErrorCode;
use crate::id::{Incarnation, TopicId};
use crate::log::OpenFrom;
use crate::memory_storage::MemoryStorage;
use crate::message::{
    AlterPartitionOutcome, FetchPartition, Fetcher, LeaderRecoveryState, ListOffsetsPartition,
    OffsetTarget, PartitionState,
};
use crate::offset::EpochOffset;
use crate::record::BatchBuilder;
use crate::rules::Truncation;
use crate::time::{Timestamp, WallClock};
use bytes::Bytes;
use leader::{FetchRead, ReadParameters, Refusal};

const LAG: Duration = Duration::from_secs(30);

/// A replica with its disk and what it knows of the cluster.
pub(super) struct Node {
    id: BrokerId,
    storage: MemoryStorage,
    pub(super) brokers: BTreeMap<BrokerId, BrokerRegistration>,
    rules: Rules,
    seconds: u64,
    partition: Partition,
    events: Vec<Event>,
}

fn orders() -> TopicIdPartition {
    TopicIdPartition {
        topic_id: TopicId(7),
        partition: TopicPartition::new("orders", 0),
    }
}

fn ids(numbers: &[i32]) -> Vec<BrokerId> {
    numbers.iter().copied().map(BrokerId).collect()
}

pub(super) fn registration(epoch: i64) -> BrokerRegistration {
    BrokerRegistration {
        incarnation: Incarnation(0),
        broker_epoch: BrokerEpoch(epoch),
        fenced: false,
        in_controlled_shutdown: false,
        rack: None,
        log_dirs: Vec::new(),
    }
}

/// Metadata of `orders-0` with replicas [1, 2, 3].
pub(super) fn metadata(
    leader: i32,
    leader_epoch: i32,
    isr: &[i32],
    partition_epoch: i32,
) -> PartitionRegistration {
    PartitionRegistration {
        replicas: ids(&[1, 2, 3]),
        isr: ids(isr),
        elr: Vec::new(),
        last_known_elr: Vec::new(),
        leader: Some(BrokerId(leader)),
        leader_recovery_state: LeaderRecoveryState::Recovered,
        leader_epoch: LeaderEpoch(leader_epoch),
        partition_epoch: PartitionEpoch(partition_epoch),
        removing: Vec::new(),
        adding: Vec::new(),
        directories: Vec::new(),
    }
}

fn batch(value: &str) -> Bytes {
    let mut builder = BatchBuilder::new();
    builder.append(WallClock(1_000), None, Some(value.as_bytes()), &[]);
    builder.finish()
}

impl Node {
    pub(super) fn new(id: i32, rules: Rules, min_insync_replicas: u32) -> Self {
        let config = TopicConfig {
            min_insync_replicas,
            ..TopicConfig::default()
        };
        let mut storage = MemoryStorage::new();
        let from = OpenFrom::default();
        let (log, _) = Log::open(
            &mut storage,
            "data/orders-0",
            from,
            config.clone(),
            Now::default(),
        )
        .unwrap();
        Self {
            id: BrokerId(id),
            storage,
            brokers: (1..=3)
                .map(|id| (BrokerId(id), registration(100 + i64::from(id))))
                .collect(),
            rules,
            seconds: 0,
            partition: Partition::new(orders(), log, &config),
            events: Vec::new(),
        }
    }

    /// A broker stands in this rack.
    pub(super) fn stand(&mut self, id: i32, rack: &str) {
        let registration = self.brokers.get_mut(&BrokerId(id)).unwrap();
        registration.rack = Some(rack.to_owned());
    }

    /// Calls the partition with a context and keeps what it reports.
    pub(super) fn call<T>(
        &mut self,
        call: impl FnOnce(&mut Partition, &mut Context<'_>, &mut Effects) -> T,
    ) -> T {
        let wall = i64::try_from(self.seconds).unwrap() * 1_000 + 1_000;
        let mut context = Context {
            storage: &mut self.storage,
            rules: &self.rules,
            brokers: &self.brokers,
            local: self.id,
            local_epoch: self.brokers.get(&self.id).map(|broker| broker.broker_epoch),
            replica_lag_time_max: LAG,
            now: Now {
                monotonic: Timestamp::from_millis(self.seconds * 1_000),
                wall: WallClock(wall),
            },
        };
        let mut out = Effects::new();
        let result = call(&mut self.partition, &mut context, &mut out);
        self.events
            .extend(out.drain().filter_map(|effect| match effect {
                crate::machine::Effect::Observe(event) => Some(event),
                _ => None,
            }));
        result
    }

    pub(super) fn apply(&mut self, registration: &PartitionRegistration) -> Became {
        self.call(|partition, context, out| partition.apply(context, registration, out))
            .unwrap()
            .0
    }

    pub(super) fn append(&mut self, acks: i16, value: &str) -> Result<Changes, ErrorCode> {
        let records = batch(value);
        let appended =
            self.call(|partition, context, out| partition.append(context, acks, &records, out));
        match appended {
            Ok((_, changes)) => Ok(changes),
            Err(Refusal::Code(error)) => Err(error),
            Err(Refusal::Storage(error)) => panic!("{error}"),
        }
    }

    /// A follower's fetch, as its leader sees it.
    pub(super) fn fetched(&mut self, follower: i32, offset: i64) -> (FetchRead, Changes) {
        self.fetched_as(follower, offset, Some(100 + i64::from(follower)), None)
            .unwrap()
    }

    fn fetched_as(
        &mut self,
        follower: i32,
        offset: i64,
        broker_epoch: Option<i64>,
        last_epoch: Option<i32>,
    ) -> Result<(FetchRead, Changes), ErrorCode> {
        let request = FetchPartition {
            partition: orders(),
            fetch_offset: Offset(offset),
            current_leader_epoch: Some(self.partition.leader_epoch()),
            last_fetched_epoch: last_epoch.map(LeaderEpoch),
            log_start_offset: None,
            max_bytes: 1 << 20,
        };
        let epoch = broker_epoch.map(BrokerEpoch);
        let parameters = ReadParameters {
            fetcher: Fetcher::Replica {
                id: BrokerId(follower),
                epoch,
            },
            max_bytes: 1 << 20,
            at_least_one: true,
            is_progress: true,
        };
        self.call(|partition, context, out| {
            partition.fetch(context, &request, (parameters, None), out)
        })
        .map_err(|refusal| match refusal {
            Refusal::Code(error) => error,
            Refusal::Storage(error) => panic!("{error}"),
        })
    }

    fn high_watermark(&self) -> i64 {
        self.partition.log().high_watermark().0
    }

    fn isr(&self) -> Vec<BrokerId> {
        self.partition.snapshot().isr
    }

    /// Answers the proposal under way with success.
    fn commit(&mut self, isr: &[i32], partition_epoch: i32) {
        self.answer(ErrorCode::None, Some((isr, partition_epoch)))
            .unwrap();
    }

    fn answer(&mut self, error: ErrorCode, state: Option<(&[i32], i32)>) -> Result<Changes, ()> {
        let (leader, leader_epoch) = (Some(self.id), self.partition.leader_epoch());
        let outcome = AlterPartitionOutcome {
            partition: orders(),
            error,
            state: state.map(|(isr, partition_epoch)| PartitionState {
                leader,
                leader_epoch,
                partition_epoch: PartitionEpoch(partition_epoch),
                isr: ids(isr),
                leader_recovery_state: LeaderRecoveryState::Recovered,
            }),
        };
        let number = self.partition.proposals;
        self.call(|partition, context, out| {
            partition.proposal_answered(context, number, &outcome, out)
        })
    }
}

/// Broker 1 leads in epoch 0 with the given ISR.
fn leader(isr: &[i32], min_insync_replicas: u32, rules: Rules) -> Node {
    let mut node = Node::new(1, rules, min_insync_replicas);
    node.apply(&metadata(1, 0, isr, 0));
    node
}

#[test]
fn the_high_watermark_is_the_smallest_log_end_of_the_isr() {
    let mut node = leader(&[1, 2, 3], 1, Rules::default());
    node.append(-1, "A").unwrap();
    assert_eq!(node.high_watermark(), 0);
    node.fetched(2, 1);
    assert_eq!(node.high_watermark(), 0, "broker 3 does not have A yet");
    let (read, changes) = node.fetched(3, 1);
    assert!(changes.high_watermark);
    assert_eq!(node.high_watermark(), 1);
    assert_eq!(
        read.high_watermark,
        Offset(0),
        "the follower learns it one round late"
    );
    assert_eq!(node.fetched(3, 1).0.high_watermark, Offset(1));
}

#[test]
fn acks_all_needs_min_insync_replicas_and_acks_1_does_not() {
    let mut node = leader(&[1], 2, Rules::default());
    assert_eq!(node.append(-1, "A"), Err(ErrorCode::NotEnoughReplicas));
    assert!(node.append(1, "A").is_ok());
    assert_eq!(node.partition.log().log_end_offset(), Offset(1));
}

#[test]
fn the_high_watermark_waits_below_min_isr_since_kafka_15583() {
    for (switch, expected) in [(true, 0), (false, 1)] {
        let rules = Rules {
            hw_requires_min_isr: switch,
            ..Rules::default()
        };
        let mut node = leader(&[1], 2, rules);
        node.append(1, "A").unwrap();
        assert_eq!(
            node.high_watermark(),
            expected,
            "hw_requires_min_isr = {switch}"
        );
    }
}

#[test]
fn a_produce_is_answered_when_replicated_and_told_if_the_isr_fell_below_min() {
    let mut node = leader(
        &[1, 2],
        2,
        Rules {
            hw_requires_min_isr: false,
            ..Rules::default()
        },
    );
    node.append(-1, "A").unwrap();
    assert_eq!(node.partition.replicated(Offset(1)), None);
    node.seconds = 31;
    let shrink = node.call(|partition, context, out| partition.propose_shrink(context, out));
    assert_eq!(shrink.unwrap().isr, [(BrokerId(1), Some(BrokerEpoch(101)))]);
    assert_eq!(
        node.partition.replicated(Offset(1)),
        None,
        "who is to leave still counts"
    );
    node.commit(&[1], 1);
    assert_eq!(
        node.partition.replicated(Offset(1)),
        Some(ErrorCode::NotEnoughReplicasAfterAppend),
        "written, but by fewer than promised"
    );
}

#[test]
fn a_follower_joins_the_isr_when_it_has_caught_up() {
    let mut node = leader(&[1, 2], 1, Rules::default());
    node.append(-1, "A").unwrap();
    node.fetched(2, 1);
    assert_eq!(
        node.fetched(3, 0).1.proposal,
        None,
        "behind the high watermark"
    );
    let proposal = node.fetched(3, 1).1.proposal.unwrap();
    let members: Vec<_> = proposal.isr.iter().map(|(id, _)| id.0).collect();
    assert_eq!(members, [1, 2, 3]);
    assert_eq!(
        node.isr(),
        ids(&[1, 2]),
        "not before the controller has committed it"
    );
    assert_eq!(node.partition.snapshot().maximal_isr, ids(&[1, 2, 3]));
    node.commit(&[1, 2, 3], 1);
    assert_eq!(node.isr(), ids(&[1, 2, 3]));
}

#[test]
fn the_maximal_isr_holds_the_high_watermark_back_since_kip_497() {
    for (switch, expected) in [(true, 1), (false, 2)] {
        let mut node = leader(
            &[1, 2],
            1,
            Rules {
                maximal_isr: switch,
                ..Rules::default()
            },
        );
        node.append(-1, "A").unwrap();
        node.fetched(2, 1);
        node.fetched(3, 1); // Broker 3 is proposed; the answer does not come.
        node.seconds = 60; // Broker 3 is not caught up any more either.
        node.append(-1, "B").unwrap();
        node.fetched(2, 2);
        assert_eq!(node.high_watermark(), expected, "maximal_isr = {switch}");
    }
}

#[test]
fn joining_takes_the_start_of_the_epoch_since_kafka_7128() {
    for (switch, joins) in [(true, false), (false, true)] {
        let rules = Rules {
            isr_expand_requires_epoch_start: switch,
            ..Rules::default()
        };
        let mut node = leader(&[1], 1, rules);
        node.append(1, "A").unwrap();
        node.append(1, "B").unwrap();
        // It leads again, in epoch 1 from offset 2; the high watermark happens to be behind.
        node.call(|partition, _, _| partition.log_mut().set_high_watermark(Offset(1)));
        node.apply(&metadata(1, 1, &[1, 2], 1));
        assert_eq!(node.high_watermark(), 1);
        let proposal = node.fetched(3, 1).1.proposal;
        assert_eq!(
            proposal.is_some(),
            joins,
            "isr_expand_requires_epoch_start = {switch}"
        );
    }
}

#[test]
fn a_fenced_broker_does_not_join_since_kip_841() {
    for (switch, joins) in [(true, false), (false, true)] {
        let mut node = leader(
            &[1],
            1,
            Rules {
                isr_requires_unfenced: switch,
                ..Rules::default()
            },
        );
        node.brokers.get_mut(&BrokerId(3)).unwrap().fenced = true;
        let proposal = node.fetched(3, 0).1.proposal;
        assert_eq!(
            proposal.is_some(),
            joins,
            "isr_requires_unfenced = {switch}"
        );
    }
}

#[test]
fn a_process_that_restarted_since_does_not_join_since_kip_903() {
    for (switch, joins) in [(true, false), (false, true)] {
        let mut node = leader(
            &[1],
            1,
            Rules {
                isr_broker_epoch_check: switch,
                ..Rules::default()
            },
        );
        // The leader has not heard yet that broker 3 registered again, under a higher epoch.
        let proposal = node.fetched_as(3, 0, Some(999), None).unwrap().1.proposal;
        assert_eq!(
            proposal.is_some(),
            joins,
            "isr_broker_epoch_check = {switch}"
        );
    }
}

#[test]
fn a_fetch_of_an_older_registration_is_refused() {
    let mut node = leader(&[1], 1, Rules::default());
    assert_eq!(
        node.fetched_as(3, 0, Some(50), None).unwrap_err(),
        ErrorCode::NotLeaderOrFollower
    );
}

#[test]
fn refused_proposals_fall_back_wait_or_go_out_again() {
    for (error, pending, again) in [
        (ErrorCode::IneligibleReplica, false, false),
        (ErrorCode::OperationNotAttempted, false, false),
        (ErrorCode::InvalidUpdateVersion, true, false),
        (ErrorCode::FencedLeaderEpoch, true, false),
        (ErrorCode::NewLeaderElected, true, false),
        (ErrorCode::NotController, true, true),
    ] {
        let mut node = leader(&[1, 2], 1, Rules::default());
        node.fetched(3, 0).1.proposal.unwrap();
        assert_eq!(node.answer(error, None).is_err(), again, "{error}");
        let snapshot = node.partition.snapshot();
        assert_eq!(snapshot.maximal_isr.len() == 3, pending, "{error}");
        assert_eq!(snapshot.isr, ids(&[1, 2]), "{error}");
    }
}

#[test]
fn metadata_replaces_a_proposal_and_its_late_answer_is_ignored() {
    let mut node = leader(&[1, 2], 1, Rules::default());
    node.fetched(3, 0).1.proposal.unwrap();
    node.apply(&metadata(1, 0, &[1], 1));
    assert_eq!(node.isr(), ids(&[1]));
    node.commit(&[1, 2, 3], 2);
    assert_eq!(
        node.isr(),
        ids(&[1]),
        "the answer is about a state that is gone"
    );
}

#[test]
fn older_metadata_is_ignored() {
    let mut node = leader(&[1, 2, 3], 1, Rules::default());
    assert_eq!(
        node.apply(&metadata(1, 0, &[1, 2], 5)),
        Became::Leader { new_epoch: false }
    );
    assert_eq!(node.apply(&metadata(1, 0, &[1], 4)), Became::Ignored);
    assert_eq!(node.isr(), ids(&[1, 2]));
}

#[test]
fn lagging_members_are_proposed_to_leave() {
    let mut node = leader(&[1, 2, 3], 1, Rules::default());
    node.append(-1, "A").unwrap();
    node.seconds = 20;
    node.fetched(2, 1);
    node.seconds = 31;
    let proposal = node.call(|partition, context, out| partition.propose_shrink(context, out));
    let members: Vec<_> = proposal.unwrap().isr.iter().map(|(id, _)| id.0).collect();
    assert_eq!(members, [1, 2], "broker 3 has not caught up since second 0");
    let again = node.call(|partition, context, out| partition.propose_shrink(context, out));
    assert_eq!(again, None, "one proposal at a time");
}

/// A leader whose followers are gone: with the ISR down to itself it has what every member has.
#[test]
fn a_granted_isr_raises_the_high_watermark_since_kafka_13091() {
    let shrunk = |release: &str| {
        let mut node = leader(&[1, 2, 3], 1, Rules::kafka(release).unwrap());
        node.append(-1, "A").unwrap();
        node.seconds = 31;
        node.call(|partition, context, out| partition.propose_shrink(context, out));
        node.commit(&[1], 1);
        assert_eq!(node.isr(), ids(&[1]));
        node
    };
    assert_eq!(shrunk("3.0").high_watermark(), 1);
    assert_eq!(shrunk("2.6").high_watermark(), 1, "a leader that writes it");
    let mut node = shrunk("2.8.2");
    assert_eq!(node.high_watermark(), 0);
    node.append(-1, "B").unwrap();
    assert_eq!(node.high_watermark(), 2, "the next append looks anew");
}

#[test]
fn requests_of_other_epochs_are_fenced() {
    let mut node = leader(&[1, 2, 3], 1, Rules::default());
    node.apply(&metadata(1, 3, &[1, 2, 3], 1));
    let request = |epoch: Option<i32>| FetchPartition {
        partition: orders(),
        fetch_offset: Offset(0),
        current_leader_epoch: epoch.map(LeaderEpoch),
        last_fetched_epoch: None,
        log_start_offset: None,
        max_bytes: 100,
    };
    let parameters = ReadParameters {
        fetcher: Fetcher::Consumer,
        max_bytes: 100,
        at_least_one: true,
        is_progress: true,
    };
    for (epoch, expected) in [
        (Some(2), Some(ErrorCode::FencedLeaderEpoch)),
        (Some(4), Some(ErrorCode::UnknownLeaderEpoch)),
        (Some(3), None),
        (None, None),
    ] {
        let result = node.call(|partition, context, out| {
            partition.fetch(context, &request(epoch), (parameters, None), out)
        });
        assert_eq!(result.err(), expected.map(Refusal::Code), "epoch {epoch:?}");
    }
}

/// Leader 1 with [A@0, B@1, C@1]: epoch 1 from offset 1.
fn leader_of_two_epochs(rules: Rules) -> Node {
    let mut node = leader(&[1], 1, rules);
    node.append(1, "A").unwrap();
    node.apply(&metadata(1, 1, &[1], 1));
    node.append(1, "B").unwrap();
    node.append(1, "C").unwrap();
    node
}

#[test]
fn a_diverging_fetch_is_told_where_and_is_no_progress_since_kafka_13141() {
    for (switch, counts) in [(true, false), (false, true)] {
        let rules = Rules {
            ignore_fetch_offset_when_diverging: switch,
            ..Rules::default()
        };
        let mut node = leader_of_two_epochs(rules);
        // Broker 3 has three records of epoch 0; here epoch 0 ends at 1.
        let (read, changes) = node.fetched_as(3, 3, Some(103), Some(0)).unwrap();
        assert_eq!(
            read.diverging_epoch,
            Some(EpochOffset::new(LeaderEpoch(0), Offset(1)))
        );
        assert!(read.records.is_empty());
        assert_eq!(
            changes.proposal.is_some(),
            counts,
            "ignore_fetch_offset... = {switch}"
        );
    }
}

#[test]
fn a_new_leader_enters_its_epoch_at_once_since_kafka_7415() {
    for (switch, entries) in [(true, 2), (false, 1)] {
        let rules = Rules {
            leader_epoch_entry_on_election: switch,
            ..Rules::default()
        };
        let mut node = leader(&[1], 1, rules);
        node.append(1, "A").unwrap();
        node.apply(&metadata(1, 1, &[1], 1));
        let found = node.partition.log().leader_epochs().len();
        assert_eq!(found, entries, "leader_epoch_entry_on_election = {switch}");
    }
}

#[test]
fn where_a_follower_cuts() {
    // The follower has A@0 and then X@1, Y@1 of an epoch 1 that it led itself.
    let follower = leader_of_two_epochs(Rules::default());
    let cut = |epoch: Option<i32>, end: Option<i64>| {
        let divergence = Divergence {
            epoch: epoch.map(LeaderEpoch),
            end: end.map(Offset),
        };
        let cut = follower.partition.cut_at(divergence, Offset(2));
        (cut.offset.0, cut.complete)
    };
    assert_eq!(
        cut(Some(1), Some(2)),
        (2, true),
        "both have epoch 1: the smaller end"
    );
    assert_eq!(cut(Some(0), Some(5)), (1, true), "our epoch 0 ends at 1");
    assert_eq!(
        cut(Some(0), Some(0)),
        (0, true),
        "the leader's ends before ours"
    );
    assert_eq!(
        cut(None, Some(2)),
        (2, true),
        "KIP-101: the leader's end alone"
    );
    assert_eq!(cut(None, Some(9)), (3, true), "but never beyond our log");
    assert_eq!(
        cut(None, None),
        (2, true),
        "the leader knows nothing: where we began"
    );
    assert_eq!(
        cut(Some(5), Some(9)),
        (3, true),
        "an epoch above all of ours"
    );
}

#[test]
fn a_follower_asks_again_while_the_leader_names_an_epoch_that_it_lacks() {
    // The follower's epochs are 0 from 0, 1 from 1 and 3 from 3; it ends at 4.
    let mut follower = leader_of_two_epochs(Rules::default());
    follower.apply(&metadata(1, 3, &[1], 2));
    follower.append(1, "D").unwrap();
    let divergence = Divergence::of(EpochOffset::new(LeaderEpoch(2), Offset(9)));
    let cut = follower.partition.cut_at(divergence, Offset(4));
    assert_eq!(
        (cut.offset, cut.complete),
        (Offset(3), false),
        "the end of our epoch 1"
    );
}

#[test]
fn answers_about_epochs_name_the_epoch_since_kip_279() {
    let node = leader_of_two_epochs(Rules::default());
    let question = crate::message::EpochQuestion {
        partition: TopicPartition::new("orders", 0),
        current_leader_epoch: None,
        leader_epoch: LeaderEpoch(0),
    };
    let answer = |truncation| node.partition.epoch_end(truncation, &question).unwrap();
    assert_eq!(answer(Truncation::Epoch101).leader_epoch, None);
    assert_eq!(answer(Truncation::Epoch101).end_offset, Some(Offset(1)));
    assert_eq!(
        answer(Truncation::Epoch279).leader_epoch,
        Some(LeaderEpoch(0))
    );
}

#[test]
fn a_follower_takes_over_records_and_the_high_watermark_within_its_log() {
    let mut leader = leader_of_two_epochs(Rules::default());
    let (read, _) = leader.fetched_as(2, 0, Some(102), None).unwrap();
    let mut follower = Node::new(2, Rules::default(), 1);
    follower.apply(&metadata(1, 1, &[1], 1));
    let batches = follower
        .call(|partition, context, out| {
            partition.append_fetched(context, &read.records, Offset(99), out)
        })
        .unwrap();
    assert_eq!(batches.len(), 3);
    assert_eq!(follower.high_watermark(), 3, "not beyond its log");
    assert_eq!(
        follower.partition.log().leader_epochs(),
        leader.partition.log().leader_epochs()
    );
    let cause = TruncationCause::HighWatermark;
    follower
        .call(|partition, context, out| partition.truncate(context, Offset(1), cause, out))
        .unwrap();
    assert_eq!(
        follower.high_watermark(),
        1,
        "a cut takes the high watermark down"
    );
    assert!(matches!(
        follower.events.last(),
        Some(Event::HighWatermark {
            offset: Offset(1),
            ..
        })
    ));
}

#[test]
fn a_consumer_above_the_high_watermark_is_not_let_wait() {
    let mut node = leader(&[1, 2], 1, Rules::default());
    node.append(1, "A").unwrap();
    let mut ahead = |offset| {
        let request = FetchPartition {
            partition: orders(),
            fetch_offset: Offset(offset),
            current_leader_epoch: None,
            last_fetched_epoch: None,
            log_start_offset: None,
            max_bytes: 1 << 20,
        };
        let parameters = ReadParameters {
            fetcher: Fetcher::Consumer,
            max_bytes: 1 << 20,
            at_least_one: true,
            is_progress: true,
        };
        let fetched = node.call(|partition, context, out| {
            partition.fetch(context, &request, (parameters, None), out)
        });
        let (read, _) = fetched.unwrap();
        assert!(read.records.is_empty());
        read.is_ahead
    };
    assert!(!ahead(0), "at the high watermark it waits for more");
    assert!(ahead(1));
}

#[test]
fn the_start_of_a_log_without_epochs_has_none() {
    let mut node = leader(&[1], 1, Rules::default());
    node.append(1, "A").unwrap();
    let request = ListOffsetsPartition {
        partition: orders().partition,
        current_leader_epoch: None,
        target: OffsetTarget::Earliest,
    };
    let earliest = |node: &mut Node| {
        let found = node.call(|partition, context, _| {
            partition.list_offset(context, Fetcher::Consumer, &request)
        });
        let found = found.unwrap();
        (found.offset, found.leader_epoch)
    };
    assert_eq!(earliest(&mut node), (Some(Offset(0)), Some(LeaderEpoch(0))));
    // The epoch checkpoint was lost, and its log was not checked.
    let config = TopicConfig::default();
    node.storage
        .delete("data/orders-0/leader-epoch-checkpoint")
        .unwrap();
    let from = OpenFrom {
        clean: true,
        ..OpenFrom::default()
    };
    let (log, _) = Log::open(
        &mut node.storage,
        "data/orders-0",
        from,
        config.clone(),
        Now::default(),
    )
    .unwrap();
    node.partition = Partition::new(orders(), log, &config);
    node.rules.leader_epoch_entry_on_election = false;
    node.apply(&metadata(1, 1, &[1], 1));
    assert_eq!(earliest(&mut node), (Some(Offset(0)), None));
}
