//! The consumer.

use crate::driver::Driver;
use ktrial_core::config::{Config, ConsumerConfig, Settings};
use ktrial_core::consumer::{Consumer, ConsumerStart};
use ktrial_core::{BrokerId, ClientId, Incarnation, Now, Random, Rules};

fn run_with(rules: Rules, settings: &[(&str, &str)], script: &str) -> String {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    let settings: Settings = settings.iter().map(owned).collect();
    let start = ConsumerStart {
        id: ClientId(1),
        incarnation: Incarnation(0),
        config: ConsumerConfig::from_settings(&settings).unwrap(),
        bootstrap: vec![BrokerId(1)],
        rules,
        random: Random::stream(1, "consumer"),
    };
    Driver::new(Consumer::start(start, Now::default())).run(script)
}

fn run(settings: &[(&str, &str)], script: &str) -> String {
    run_with(Rules::default(), settings, script)
}

const EARLIEST: (&str, &str) = ("auto.offset.reset", "earliest");
const NONE: (&str, &str) = ("auto.offset.reset", "none");

#[test]
fn resets_to_earliest_and_reads() {
    insta::assert_snapshot!(run(
        &[EARLIEST, ("max.poll.records", "2")],
        "
        assign orders-0 orders-1
        metadata orders 0=b1@0 1=b2@3
        offsets b1 orders-0=0@0
        offsets b2 orders-1=4@3
        fetched b1 orders-0=A,B,C/0@0
        fetched b2 orders-1=X,Y,Z/3@3
        fetched b1 orders-0=control/3@0
        fetched b1 orders-0=empty
        shutdown
    "
    ));
}

#[test]
fn without_a_policy_the_application_has_to_choose() {
    insta::assert_snapshot!(run(
        &[NONE],
        "
        assign orders-0
        metadata orders 0=b1@0
    "
    ));
}

#[test]
fn out_of_range_resets_by_the_policy() {
    insta::assert_snapshot!(run(
        &[EARLIEST],
        "
        assign orders-0
        metadata orders 0=b1@0
        at 1000
        offsets b1 orders-0=OFFSET_NOT_AVAILABLE
        metadata orders 0=b1@0
        wait
        offsets b1 orders-0=0@0
        fetched b1 orders-0=OFFSET_OUT_OF_RANGE
        offsets b1 orders-0=9@0
        fetched b1 orders-0=J/9@0
    "
    ));
}

#[test]
fn a_follower_is_read_from_until_it_fails_and_a_follower_that_lags_loses_no_position() {
    insta::assert_snapshot!(run(
        &[EARLIEST, ("client.rack", "r2")],
        "
        assign orders-0
        metadata orders 0=b1@0 1=b2@0
        offsets b1 orders-0=0@0
        fetched b1 orders-0=at-b2
        fetched b2 orders-0=A,B/0@0
        fetched b2 orders-0=OFFSET_OUT_OF_RANGE
        fetched b1 orders-0=at-b2
        cut b2
        fetched b1 orders-0=C/2@0
    "
    ));
}

#[test]
fn a_change_of_leader_ends_the_reading_from_a_follower() {
    insta::assert_snapshot!(run(
        &[EARLIEST, ("client.rack", "r2")],
        "
        assign orders-0
        metadata orders 0=b1@0 1=b2@0
        offsets b1 orders-0=0@0
        fetched b1 orders-0=at-b2
        fetched b2 orders-0=A/0@0
        fetched b2 orders-0=FENCED_LEADER_EPOCH>b3@1
        epochs b3 orders-0=1@0
        fetched b3 orders-0=B/1@1
    "
    ));
}

const TRUNCATED: &str = "
    assign orders-0
    metadata orders 0=b1@0
    offsets b1 orders-0=0@0
    fetched b1 orders-0=A,B,C/0@0
    fetched b1 orders-0=FENCED_LEADER_EPOCH>b2@1
    epochs b2 orders-0=2@0
    fetched b2 orders-0=D/2@1
";

#[test]
fn a_truncation_is_detected_after_a_change_of_leader() {
    insta::assert_snapshot!(run(&[EARLIEST], TRUNCATED));
}

#[test]
fn without_fencing_the_truncation_goes_unseen() {
    let mut rules = Rules::default();
    rules.set("fetch_epoch_fencing", "false").unwrap();
    insta::assert_snapshot!(run_with(
        rules,
        &[EARLIEST],
        "
        assign orders-0
        metadata orders 0=b1@0
        offsets b1 orders-0=0@0
        fetched b1 orders-0=A,B,C/0@0
        fetched b1 orders-0=NOT_LEADER_OR_FOLLOWER>b2@1
        fetched b2 orders-0=E/3@1
    "
    ));
}

#[test]
fn positions_are_validated_and_kept_if_the_leader_has_them() {
    insta::assert_snapshot!(run(
        &[EARLIEST],
        "
        assign orders-0
        metadata orders 0=b1@0
        offsets b1 orders-0=0@0
        fetched b1 orders-0=A,B,C/0@0
        fetched b1 orders-0=NOT_LEADER_OR_FOLLOWER>b2@1
        at 1000
        epochs b2 orders-0=FENCED_LEADER_EPOCH
        metadata orders 0=b3@2
        epochs b3 orders-0=3@0
        fetched b3 orders-0=D/3@2
    "
    ));
}

#[test]
fn an_undefined_end_resets_by_the_policy() {
    insta::assert_snapshot!(run(
        &[EARLIEST],
        "
        assign orders-0
        metadata orders 0=b1@0
        offsets b1 orders-0=0@0
        fetched b1 orders-0=A,B,C/0@0
        fetched b1 orders-0=NOT_LEADER_OR_FOLLOWER>b2@1
        epochs b2 orders-0=undefined
        offsets b2 orders-0=0@1
    "
    ));
}

#[test]
fn a_fenced_epoch_refreshes_metadata() {
    insta::assert_snapshot!(run(
        &[EARLIEST],
        "
        assign orders-0
        metadata orders 0=b1@0
        offsets b1 orders-0=0@0
        at 1000
        fetched b1 orders-0=FENCED_LEADER_EPOCH
        metadata orders 0=b1@1
        fetched b1 orders-0=UNKNOWN_LEADER_EPOCH
        wait
        fetched b1 orders-0=A/0@1
    "
    ));
}

#[test]
fn a_corrupt_batch_stops_the_partition_after_what_came_before() {
    insta::assert_snapshot!(run(
        &[EARLIEST],
        "
        assign orders-0
        metadata orders 0=b1@0
        offsets b1 orders-0=0@0
        fetched b1 orders-0=A,B/0@0
        fetched b1 orders-0=C!/2@0
    "
    ));
    insta::assert_snapshot!(run(
        &[EARLIEST, ("check.crcs", "false")],
        "
        assign orders-0
        metadata orders 0=b1@0
        offsets b1 orders-0=0@0
        fetched b1 orders-0=C!/0@0
    "
    ));
}

#[test]
fn a_lost_fetch_is_sent_again_after_the_backoff() {
    insta::assert_snapshot!(run(
        &[EARLIEST],
        "
        assign orders-0
        metadata orders 0=b1@0
        offsets b1 orders-0=0@0
        at 1000
        cut b1
        metadata orders 0=b2@1
        fetched b2 orders-0=A/0@0
    "
    ));
}
