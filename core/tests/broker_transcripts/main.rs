//! Transcripts of one broker: inputs and the exact effects, in order.
//!
//! `>` an input; `x <- ...` a request sent to x; `x <= ...` a response to x; `*` an event.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod driver;

use driver::{Driver, TOPIC, batch};
use ktrial_core::config::TopicConfig;
use ktrial_core::message::{
    AlterPartitionOutcome, AlterPartitionResponse, LeaderRecoveryState, PartitionState, Response,
};
use ktrial_core::metadata::*;
use ktrial_core::*;

fn ids(numbers: &[i32]) -> Vec<BrokerId> {
    numbers.iter().copied().map(BrokerId).collect()
}

fn created(leader: i32, isr: &[i32]) -> MetadataRecord {
    MetadataRecord::Partition(PartitionRecord {
        topic_id: TOPIC,
        partition: 0,
        replicas: ids(&[1, 2, 3]),
        isr: ids(isr),
        leader: Some(BrokerId(leader)),
        leader_recovery_state: LeaderRecoveryState::Recovered,
        leader_epoch: LeaderEpoch(0),
        partition_epoch: PartitionEpoch(0),
        elr: Vec::new(),
        last_known_elr: Vec::new(),
        removing: Vec::new(),
        adding: Vec::new(),
        directories: Vec::new(),
    })
}

fn changed(leader: LeaderChange, isr: &[i32]) -> MetadataRecord {
    MetadataRecord::PartitionChange(PartitionChangeRecord {
        topic_id: TOPIC,
        partition: 0,
        isr: Some(ids(isr)),
        leader,
        leader_recovery_state: None,
        elr: None,
        last_known_elr: None,
        replicas: None,
        removing: None,
        adding: None,
        directories: None,
    })
}

fn min_isr(min_insync_replicas: u32) -> TopicConfig {
    TopicConfig {
        min_insync_replicas,
        ..TopicConfig::default()
    }
}

/// The controller's answer to a proposal.
fn committed(driver: &mut Driver, isr: &[i32], partition_epoch: i32) {
    let state = PartitionState {
        leader: Some(BrokerId(1)),
        leader_epoch: LeaderEpoch(0),
        partition_epoch: PartitionEpoch(partition_epoch),
        isr: ids(isr),
        leader_recovery_state: LeaderRecoveryState::Recovered,
    };
    let outcome = AlterPartitionOutcome {
        partition: driver::orders(),
        error: ErrorCode::None,
        state: Some(state),
    };
    let response = AlterPartitionResponse {
        error: ErrorCode::None,
        partitions: vec![outcome],
    };
    driver.answer("committed", Response::AlterPartition(response));
}

#[test]
fn a_broker_registers_catches_up_opens_its_logs_and_is_unfenced() {
    let mut driver = Driver::new(1, TopicConfig::default());
    driver.wait();
    driver.wait();
    driver.registered(1);
    driver.wait();
    driver.heartbeat(false, true, false);
    driver.metadata(&[
        MetadataRecord::Topic(TopicRecord {
            topic: "orders".into(),
            topic_id: TOPIC,
        }),
        created(1, &[1, 2, 3]),
    ]);
    driver.wait();
    driver.heartbeat(true, true, false);
    driver.wait();
    driver.heartbeat(true, false, false);
    insta::assert_snapshot!(driver.transcript);
}

#[test]
fn acks_all_waits_for_the_isr_and_the_follower_learns_one_round_late() {
    let mut driver = Driver::running(1, TopicConfig::default(), &[created(1, &[1, 2])]);
    driver.follower(2, 0, None, 0);
    driver.produce(-1, "A");
    driver.follower(2, 1, Some(0), 0);
    driver.produce(1, "B");
    insta::assert_snapshot!(driver.transcript);
}

#[test]
fn too_few_in_the_isr_refuse_acks_all_and_take_acks_1() {
    let mut driver = Driver::running(1, min_isr(2), &[created(1, &[1])]);
    driver.produce(-1, "A");
    driver.produce(1, "B");
    driver.produce(7, "C");
    driver.produce(0, "D");
    insta::assert_snapshot!(driver.transcript);
}

#[test]
fn a_produce_that_nobody_replicates_times_out_and_stays_in_the_log() {
    let mut driver = Driver::running(1, TopicConfig::default(), &[created(1, &[1, 2])]);
    driver.produce(-1, "A");
    driver.at(30_011);
    driver.timer(Lane::Purgatory);
    driver.follower(2, 0, None, 0);
    insta::assert_snapshot!(driver.transcript);
}

#[test]
fn a_lagging_member_leaves_and_a_caught_up_one_joins() {
    let mut driver = Driver::running(1, TopicConfig::default(), &[created(1, &[1, 2])]);
    driver.produce(-1, "A");
    driver.at(45_011);
    driver.timer(Lane::Scheduler);
    committed(&mut driver, &[1], 1);
    driver.follower(2, 0, None, 0);
    driver.follower(2, 1, Some(0), 0);
    committed(&mut driver, &[1, 2], 2);
    insta::assert_snapshot!(driver.transcript);
}

#[test]
fn a_deposed_leader_answers_who_waits_and_follows() {
    let mut driver = Driver::running(1, TopicConfig::default(), &[created(1, &[1, 2])]);
    driver.follower(2, 0, None, 0);
    driver.produce(-1, "A");
    driver.metadata(&[changed(LeaderChange::Leader(BrokerId(2)), &[2])]);
    driver.produce(-1, "B");
    driver.follower(3, 0, None, 0);
    insta::assert_snapshot!(driver.transcript);
}

#[test]
fn a_follower_appends_truncates_where_told_and_goes_on() {
    let mut driver = Driver::running(3, TopicConfig::default(), &[created(1, &[1, 2, 3])]);
    driver.leader_answers(
        &[batch("A", 0, 0), batch("B", 1, 0)],
        1,
        None,
        ErrorCode::None,
    );
    driver.metadata(&[changed(LeaderChange::Leader(BrokerId(2)), &[2, 3])]);
    driver.leader_answers(&[], 1, Some((0, 1)), ErrorCode::None);
    driver.leader_answers(&[batch("C", 1, 1)], 1, None, ErrorCode::None);
    driver.leader_answers(&[], 2, None, ErrorCode::None);
    insta::assert_snapshot!(driver.transcript);
}

#[test]
fn a_fenced_follower_waits_for_metadata_and_a_refused_one_backs_off() {
    let mut driver = Driver::running(3, TopicConfig::default(), &[created(1, &[1, 2, 3])]);
    driver.leader_answers(&[], -1, None, ErrorCode::NotLeaderOrFollower);
    driver.at(1_100);
    driver.timer(Lane::Fetcher(BrokerId(1)));
    driver.leader_answers(&[], -1, None, ErrorCode::FencedLeaderEpoch);
    driver.at(9_000);
    driver.timer(Lane::Fetcher(BrokerId(1)));
    insta::assert_snapshot!(driver.transcript);
}

#[test]
fn a_controlled_shutdown_asks_first_and_closes_the_logs() {
    let mut driver = Driver::running(1, TopicConfig::default(), &[created(1, &[1, 2, 3])]);
    driver.produce(1, "A");
    driver.command(Command::Shutdown);
    driver.timer(Lane::Lifecycle);
    driver.heartbeat(true, false, false);
    driver.at(60);
    driver.timer(Lane::Lifecycle);
    driver.at(100);
    driver.timer(Lane::Lifecycle);
    driver.heartbeat(true, true, true);
    driver.produce(1, "B");
    insta::assert_snapshot!(driver.transcript);
}

#[test]
fn a_leader_that_goes_on_in_a_new_epoch_lets_fetches_wait() {
    let mut driver = Driver::running(1, TopicConfig::default(), &[created(1, &[1, 2])]);
    driver.follower(2, 0, None, 0);
    driver.metadata(&[changed(LeaderChange::Leader(BrokerId(1)), &[1, 2])]);
    driver.produce(-1, "A");
    insta::assert_snapshot!(driver.transcript);
}

#[test]
fn a_follower_gives_up_on_records_that_do_not_continue_its_log() {
    let mut driver = Driver::running(3, TopicConfig::default(), &[created(1, &[1, 2, 3])]);
    driver.leader_answers(&[batch("A", 0, 0)], 1, None, ErrorCode::None);
    driver.leader_answers(&[batch("B", 0, 0)], 1, None, ErrorCode::None);
    driver.at(9_000);
    driver.timer(Lane::Fetcher(BrokerId(1)));
    driver.metadata(&[changed(LeaderChange::Leader(BrokerId(2)), &[2, 3])]);
    insta::assert_snapshot!(driver.transcript);
}

/// KAFKA-14392 and KAFKA-19294: how long a heartbeat waits for a controller that does not answer, and when
/// the next one is sent then.
#[test]
fn a_heartbeat_is_given_up_before_the_session_ends() {
    for (release, given_up, next) in [
        ("3.3", 30_000, 32_000),
        ("3.4", 4_500, 6_500),
        ("4.1", 2_000, 4_000),
    ] {
        let rules = Rules::kafka(release).unwrap();
        let mut driver = Driver::under(rules, 1, TopicConfig::default());
        driver.timer(Lane::Lifecycle);
        driver.registered(1);
        driver.timer(Lane::Lifecycle);
        assert_eq!(
            driver.deadline(Lane::Lifecycle),
            Some(given_up),
            "{release}"
        );
        driver.at(given_up);
        driver.timer(Lane::Lifecycle);
        assert_eq!(driver.deadline(Lane::Lifecycle), Some(next), "{release}");
    }
}
