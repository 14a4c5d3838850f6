//! What the controller among the brokers did otherwise in older releases: each rule with a release before it
//! and the release that has it, as the partition's states in ZooKeeper tell it. All of it was seen on real
//! clusters (docs/agreement.md).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

use ktrial::compile::{Override, compile};
use ktrial::file::parse;
use ktrial_core::Event;
use ktrial_sim::history::What;
use ktrial_sim::trial;
use ktrial_sim::view::View;

const HEAD: &str = r#"
title = "t"
why = "a test"
[cluster]
brokers = BROKERS
[cluster.config]
broker.session.timeout.ms = 3000
replica.lag.time.max.ms = LAG
[zookeeper]
servers = 1
tickTime = 1000
"#;

/// Leader, epoch and ISR of orders-0 after each change, under a release.
fn states(scenario: &str, release: &str) -> Vec<String> {
    states_with(scenario, release, "60000", "2")
}

/// The same with another `replica.lag.time.max.ms`: a leader that drops a dead follower by itself would hide
/// what the controller does.
fn states_with_lag(scenario: &str, release: &str, lag: &str) -> Vec<String> {
    states_with(scenario, release, lag, "2")
}

fn states_with(scenario: &str, release: &str, lag: &str, brokers: &str) -> Vec<String> {
    let text = format!("{HEAD}{scenario}").replace("LAG", lag);
    let text = text.replace("BROKERS", brokers);
    let scenario =
        parse("test", "test.toml", &text).unwrap_or_else(|p| panic!("{}", p.render(false)));
    let set = Override {
        key: "kafka.release".to_owned(),
        value: release.to_owned(),
    };
    let plan = compile(&scenario, 1, &[set]).unwrap().plans.remove(0);
    let record = trial::run(&plan).unwrap();
    let mut view = View::new(&plan);
    let mut states: Vec<String> = Vec::new();
    for entry in &record.entries {
        view.apply(entry);
        if !matches!(entry.what, What::Event(Event::MetadataWritten { .. })) {
            continue;
        }
        let name = "orders-0".parse().unwrap();
        let committed = view.partition(&name).and_then(|one| one.committed.as_ref());
        let Some(committed) = committed else { continue };
        let leader = committed.leader.map_or("-".to_owned(), |id| id.to_string());
        let mut isr: Vec<String> = committed.isr.iter().map(ToString::to_string).collect();
        isr.sort();
        let state = format!("{leader} {} [{}]", committed.leader_epoch, isr.join(" "));
        if states.last() != Some(&state) {
            states.push(state);
        }
    }
    states
}

/// `failover_shrinks_isr` (KAFKA-3143): broker 2, a follower, is the controller and dies.
#[test]
fn a_new_controller_takes_the_dead_out_of_the_isr_since_2_3() {
    let (before, since) = (states(FOLLOWER_DIES, "2.2"), states(FOLLOWER_DIES, "2.3"));
    assert!(before.last().unwrap().ends_with("[1 2]"), "{before:?}");
    assert!(since.last().unwrap().ends_with("[1]"), "{since:?}");
}

/// `equal_end_stays_in_isr` (KAFKA-7152): the same, and the leader may notice.
#[test]
fn a_follower_with_an_equal_log_stays_in_the_isr_since_2_1() {
    let soon = FOLLOWER_DIES.replacen("quiet = \"3s\"", "quiet = \"20s\"", 1);
    let of = |release| states_with_lag(&soon, release, "5000");
    let (before, since) = (of("2.0.1"), of("2.1"));
    assert!(before.last().unwrap().ends_with("[1]"), "{before:?}");
    assert!(since.last().unwrap().ends_with("[1 2]"), "{since:?}");
}

const FOLLOWER_DIES: &str = r#"
[topics.orders]
replicas = [[1, 2]]
[[step]] # Broker 1 stops and comes back: 2 is the controller.
shutdown = { broker = 1 }
[[step]]
until = { broker = { id = 1, is = "fenced" } }
start = { broker = 1 }
[[step]]
until = { all = [{ in_sync = {} }, { leader = { is = 1 } }, { quiet = "2s" }] }
kill = { broker = 2 }
[[step]]
until = { broker = { id = 2, is = "fenced" } }
[[step]]
until = { quiet = "3s" }
"#;

/// `last_member_stays_in_isr`: broker 1 is the controller, broker 2 has the only replica and dies.
const LAST_DIES: &str = r#"
[topics.orders]
replicas = [[2]]
[[step]]
shutdown = { broker = 2 }
[[step]]
until = { broker = { id = 2, is = "fenced" } }
start = { broker = 2 }
[[step]]
until = { all = [{ leader = { is = 2 } }, { quiet = "2s" }] }
kill = { broker = 2 }
[[step]]
until = { broker = { id = 2, is = "fenced" } }
[[step]]
until = { quiet = "3s" }
"#;

#[test]
fn the_last_member_stays_in_the_isr_since_1_1() {
    let enabled = "replicas = [[2]]\nunclean.leader.election.enable = true";
    let unclean = LAST_DIES.replacen("replicas = [[2]]", enabled, 1);
    let (before, since) = (states(&unclean, "1.0"), states(&unclean, "1.1"));
    assert!(before.last().unwrap().ends_with("[]"), "{before:?}");
    assert!(since.last().unwrap().ends_with("[2]"), "{since:?}");
    // Where unclean election is disabled it has always stayed.
    let clean = states(LAST_DIES, "1.0");
    assert!(clean.last().unwrap().ends_with("[2]"), "{clean:?}");
}

/// `registered_before_controller`: the only broker comes back and is the controller at once.
#[test]
fn a_controller_that_was_not_registered_yet_elects_anew_before_1_1() {
    let back = r#"
[topics.orders]
replicas = [[1]]
[[step]]
shutdown = { brokers = [2] }
[[step]]
until = { broker = { id = 2, is = "fenced" } }
shutdown = { broker = 1 }
[[step]]
until = { broker = { id = 1, is = "fenced" } }
start = { broker = 1 }
[[step]]
until = { broker = { id = 1, is = "unfenced" } }
[[step]]
until = { quiet = "3s" }
"#;
    assert_eq!(states(back, "1.0"), ["1 0 [1]", "1 1 [1]"]);
    assert_eq!(states(back, "1.1"), ["1 0 [1]"]);
}

/// `balance_only_if_in_isr` (KAFKA-9866): broker 2 is the new controller and leads; 1, which is preferred, is
/// back within five seconds. Its leader writes the ISR and tells the controller later.
#[test]
fn a_new_controller_gives_the_leadership_back_before_it_knows_the_isr_before_2_6() {
    let back = r#"
[topics.orders]
replicas = [[1, 2]]
[[step]] # Broker 1 is the controller.
shutdown = { broker = 2 }
[[step]]
until = { broker = { id = 2, is = "fenced" } }
start = { broker = 2 }
[[step]]
until = { in_sync = {} }
shutdown = { broker = 1 }
[[step]]
until = { leader = { is = 2 } }
[[step]]
until = { broker = { id = 1, is = "down" } }
start = { broker = 1 }
[[step]]
until = { in_sync = {} }
[[step]]
until = { quiet = "20s" }
"#;
    let (before, since) = (states(back, "2.5"), states(back, "2.6"));
    assert!(before.last().unwrap().starts_with("1 "), "{before:?}");
    assert!(since.last().unwrap().starts_with("2 "), "{since:?}");
}

const ALLOWED_LATE: &str = r#"
[topics.orders]
replicas = [[1, 3]]
[[step]]
kill = { broker = 3 }
[[step]]
until = { isr = { is = [1] } }
kill = { broker = 1 }
[[step]]
until = { all = [{ leader = { is = "none" } }, { broker = { id = 1, is = "fenced" } }] }
start = { broker = 3 }
[[step]]
until = { broker = { id = 3, is = "unfenced" } }
alter_config = { topic = "orders", set = { unclean.leader.election.enable = VALUE } }
[[step]]
until = { quiet = "20s" }
"#;

/// Broker 2 has no replica of the topic, has never read its settings, and is the only one left to be the
/// controller when unclean election is allowed.
#[test]
fn a_controller_that_knew_no_settings_of_a_topic_looks_for_leaders_at_once() {
    let end = |value: &str| {
        let scenario = ALLOWED_LATE.replace("VALUE", value);
        let states = states_with(&scenario, "2.8", "60000", "3");
        states.last().unwrap().clone()
    };
    assert_eq!(end("true"), "3 3 [3]");
    assert!(end("false").starts_with('-'), "the near miss");
}
