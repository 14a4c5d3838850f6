//! The producer.

use crate::driver::Driver;
use ktrial_core::config::{Config, ProducerConfig, Settings};
use ktrial_core::producer::{Producer, ProducerStart};
use ktrial_core::{BrokerId, ClientId, Incarnation, Now, Random, Rules};

fn run(settings: &[(&str, &str)], script: &str) -> String {
    let start = ProducerStart {
        id: ClientId(0),
        incarnation: Incarnation(0),
        config: config(settings),
        bootstrap: vec![BrokerId(1)],
        rules: Rules::default(),
        random: Random::stream(1, "producer"),
    };
    Driver::new(Producer::start(start, Now::default())).run(script)
}

fn config(settings: &[(&str, &str)]) -> ProducerConfig {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    let settings: Settings = settings.iter().map(owned).collect();
    ProducerConfig::from_settings(&settings).unwrap()
}

#[test]
fn linger_then_send() {
    insta::assert_snapshot!(run(
        &[],
        "
        send 1 orders-0 A
        metadata orders 0=b1@0 1=b1@0
        send 2 orders-0 B
        at 3
        send 3 orders-1 C
        wait
        produced b1 orders-0=17 orders-1=0
        wait
        shutdown
    "
    ));
}

#[test]
fn no_more_requests_in_flight_than_allowed() {
    insta::assert_snapshot!(run(
        &[
            ("linger.ms", "1000"),
            ("batch.size", "1"),
            ("max.in.flight.requests.per.connection", "2")
        ],
        "
        send 1 orders-0 A
        metadata orders 0=b1@0
        send 2 orders-0 B
        send 3 orders-0 C
        send 4 orders-0 D
        produced b1 orders-0=0
        produced b1 orders-0=1
        shutdown
        produced b1 orders-0=2
        produced b1 orders-0=3
    "
    ));
}

#[test]
fn one_in_flight_keeps_order() {
    insta::assert_snapshot!(run(
        &[
            ("batch.size", "1"),
            ("max.in.flight.requests.per.connection", "1")
        ],
        "
        send 1 orders-0 A
        metadata orders 0=b1@0
        send 2 orders-0 B
        produced b1 orders-0=NOT_ENOUGH_REPLICAS
        wait
        produced b1 orders-0=0
        produced b1 orders-0=1
    "
    ));
}

#[test]
fn not_leader_with_a_hint_is_retried_at_once() {
    insta::assert_snapshot!(run(
        &[("linger.ms", "0")],
        "
        send 1 orders-0 A
        metadata orders 0=b1@0
        produced b1 orders-0=NOT_LEADER_OR_FOLLOWER>b2@1
        produced b2 orders-0=5
        wait
        metadata orders 0=b2@1
    "
    ));
}

#[test]
fn not_leader_without_a_hint_is_retried_there_until_metadata_tells_better() {
    insta::assert_snapshot!(run(
        &[("linger.ms", "0")],
        "
        send 1 orders-0 A
        metadata orders 0=b1@0
        produced b1 orders-0=NOT_LEADER_OR_FOLLOWER
        wait
        wait
        produced b1 orders-0=NOT_LEADER_OR_FOLLOWER
        metadata orders 0=b2@1
        produced b2 orders-0=5
    "
    ));
}

#[test]
fn not_enough_replicas_is_retried_after_backoffs_that_grow_and_then_fails_for_certain() {
    insta::assert_snapshot!(run(
        &[("linger.ms", "0"), ("retries", "2")],
        "
        send 1 orders-0 A
        metadata orders 0=b1@0
        produced b1 orders-0=NOT_ENOUGH_REPLICAS
        wait
        produced b1 orders-0=NOT_ENOUGH_REPLICAS
        wait
        produced b1 orders-0=NOT_ENOUGH_REPLICAS
    "
    ));
}

#[test]
fn a_definite_error_after_an_unsure_one_is_unknown() {
    insta::assert_snapshot!(run(
        &[("linger.ms", "0")],
        "
        send 1 orders-0 A
        metadata orders 0=b1@0
        produced b1 orders-0=NOT_ENOUGH_REPLICAS_AFTER_APPEND
        wait
        produced b1 orders-0=INVALID_RECORD
        send 2 orders-0 B
        produced b1 orders-0=INVALID_RECORD
    "
    ));
}

#[test]
fn delivery_timeout_never_sent() {
    insta::assert_snapshot!(run(
        &[
            ("delivery.timeout.ms", "300"),
            ("request.timeout.ms", "200"),
            ("linger.ms", "0"),
            ("metadata.max.age.ms", "1000000")
        ],
        "
        send 1 orders-0 A
        metadata orders 0=none@0
        wait
        metadata orders 0=none@0
        wait
        metadata orders 0=none@0
        wait
    "
    ));
}

#[test]
fn delivery_timeout_sent() {
    insta::assert_snapshot!(run(
        &[
            ("delivery.timeout.ms", "300"),
            ("request.timeout.ms", "250"),
            ("linger.ms", "0")
        ],
        "
        send 1 orders-0 A
        metadata orders 0=none@0
        wait
        metadata orders 0=b1@0
        at 200
        send 2 orders-0 B
        wait
        produced b1 orders-0=7
        produced b1 orders-0=8
    "
    ));
}

#[test]
fn acks_0_knows_nothing() {
    insta::assert_snapshot!(run(
        &[("acks", "0"), ("linger.ms", "0")],
        "
        send 1 orders-0 A
        metadata orders 0=b1@0
        send 2 orders-0 B
        shutdown
    "
    ));
}

#[test]
fn a_lost_connection_is_retried_after_its_backoff() {
    insta::assert_snapshot!(run(
        &[("linger.ms", "0")],
        "
        send 1 orders-0 A
        metadata orders 0=b1@0
        cut b1
        wait
        produced b1 orders-0=0
    "
    ));
}

#[test]
fn a_request_timeout_closes_the_connection() {
    insta::assert_snapshot!(run(
        &[
            ("linger.ms", "0"),
            ("request.timeout.ms", "1000"),
            ("retries", "0")
        ],
        "
        send 1 orders-0 A
        metadata orders 0=b1@0
        wait
    "
    ));
}

#[test]
fn a_host_without_power_is_given_up_within_the_setup_timeout() {
    insta::assert_snapshot!(run(
        &[("max.block.ms", "120000")],
        "
        dark b2
        send 1 orders-0 A
        metadata orders 0=b2@0
        wait
        wait
        metadata orders 0=b1@1
        produced b1 orders-0=17
    "
    ));
}

#[test]
fn sends_wait_for_metadata_up_to_max_block() {
    insta::assert_snapshot!(run(
        &[("max.block.ms", "150")],
        "
        send 1 orders A
        metadata orders UNKNOWN_TOPIC_OR_PARTITION
        wait
        metadata orders UNKNOWN_TOPIC_OR_PARTITION
        wait
        send 2 nowhere B
    "
    ));
}

#[test]
fn sends_wait_for_memory_and_keep_their_order() {
    insta::assert_snapshot!(run(
        &[
            ("buffer.memory", "200"),
            ("batch.size", "100"),
            ("linger.ms", "1000"),
            ("max.in.flight.requests.per.connection", "1")
        ],
        "
        send 1 orders-0 A
        metadata orders 0=b1@0 1=b1@0
        send 2 orders-1 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
        send 3 orders-1 bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
        send 4 orders-0 C
        produced b1 orders-0=0 orders-1=0
    "
    ));
}

#[test]
fn records_that_are_too_large() {
    insta::assert_snapshot!(run(
        &[
            ("max.request.size", "100"),
            ("linger.ms", "0"),
            ("batch.size", "100"),
            ("max.in.flight.requests.per.connection", "1")
        ],
        "
        send 1 orders-0 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
    "
    ));
    insta::assert_snapshot!(run(
        &[("linger.ms", "5"), ("batch.size", "200")],
        "
        send 1 orders-0 A
        metadata orders 0=b1@0
        send 2 orders-0 B
        send 3 orders-0 C
        wait
        produced b1 orders-0=MESSAGE_TOO_LARGE
        produced b1 orders-0=MESSAGE_TOO_LARGE
        produced b1 orders-0=0
        produced b1 orders-0=MESSAGE_TOO_LARGE
        produced b1 orders-0=1
    "
    ));
}

#[test]
fn records_without_key_stay_with_a_partition_and_keys_are_hashed() {
    insta::assert_snapshot!(run(
        &[("linger.ms", "5"), ("batch.size", "100")],
        "
        send 1 orders A
        metadata orders 0=b1@0 1=b1@0 2=none@0
        send 2 orders B
        send 3 orders key1 21
        send 4 orders key2 foobar
        send 5 orders key1 21
        wait
    "
    ));
}
