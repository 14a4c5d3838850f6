//! Outcomes made by hand: what each level lets pass, and what it must not.

use super::super::{Agreement, But, Kind, compare};
use super::*;

const STATES: [&str; 5] = [
    "1 0 | 1 2 3",
    "1 0 | 1 2",
    "- 1 | | 1 | 1",
    "2 2! | 2",
    "2 2 | 1 2 3",
];

fn simulated() -> Outcome {
    outcome("simulated", "A0 B0 D2", "0,0 2,2", &STATES)
}

fn with_states(states: &[&str]) -> Outcome {
    outcome("4.3.1", "A0 B0 D2", "0,0 2,2", states)
}

#[track_caller]
fn same_but(real: &Outcome, but: &[But]) {
    let expected = match but {
        [] => Agreement::Same { of: 1 },
        but => Agreement::SameBut {
            but: but.to_vec(),
            of: 1,
        },
    };
    assert_eq!(compare(&[simulated()], real), expected);
}

/// The first difference, and what it says.
#[track_caller]
fn differs(simulated: &Outcome, real: &Outcome, kind: Kind, says: &str) {
    match compare(std::slice::from_ref(simulated), real) {
        Agreement::Differs {
            first, unexplained, ..
        } => {
            assert_eq!((first.kind, first.says.as_str()), (kind, says));
            assert_eq!(unexplained.first(), Some(&kind));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn equal_in_everything_is_same() {
    let mut real = simulated().on("4.3.1");
    // What came before a state is for sentences only.
    real.states_mut()[1].after = Some("kill broker 3".to_owned());
    same_but(&real, &[]);
}

#[test]
fn one_of_several_simulated_outcomes_is_enough() {
    let other = with_states(&STATES[..4]).on("simulated");
    let real = simulated().on("4.3.1");
    let all = [other.clone(), other.clone(), simulated()];
    assert_eq!(compare(&all, &real), Agreement::Same { of: 2 });
    // None is equal: it is held against the nearest, not against the first.
    let mut first = simulated();
    first.verdict = Class::Broken;
    match compare(&[first, other], &real) {
        Agreement::Differs { first, of: 2, .. } => assert_eq!(first.kind, Kind::States),
        other => panic!("{other:?}"),
    }
    assert!(matches!(compare(&[], &real), Agreement::Failed { .. }));
}

#[test]
fn numbering_lets_epochs_of_the_same_order_pass() {
    let states = [
        "1 3 | 1 2 3",
        "1 3 | 1 2",
        "- 5 | | 1 | 1",
        "2 9! | 2",
        "2 9 | 1 2 3",
    ];
    same_but(
        &outcome("4.3.1", "A3 B3 D9", "3,0 9,2", &states),
        &[But::Numbering],
    );
    // One epoch more is not another number.
    let states = [
        "1 0 | 1 2 3",
        "1 1 | 1 2",
        "- 2 | | 1 | 1",
        "2 3! | 2",
        "2 3 | 1 2 3",
    ];
    let real = outcome("2.8.2", "A0 B0 D3", "0,0 3,2", &states);
    let says =
        "D has leader epoch 3 on 2.8.2, 2 simulated, in the logs of orders-0 on brokers 1, 2";
    differs(&simulated(), &real, Kind::Epochs, says);
    match compare(&[simulated()], &real) {
        Agreement::Differs { others, .. } => assert_eq!(
            others.last().unwrap().says,
            "2.8.2 raised the leader epoch of orders-0 to 1 when broker 3 left the ISR; simulated it stayed 0"
        ),
        other => panic!("{other:?}"),
    }
}

#[test]
fn timing_lets_the_same_moves_in_another_order_pass() {
    // At once and one by one, in either order, and a state written twice.
    for last in [
        &["2 2! | 2", "2 2 | 2 3", "2 2 | 2 3 1"][..],
        &["2 2! | 2", "2 2 | 1 2", "2 2 | 1 2", "2 2 | 1 2 3"],
    ] {
        same_but(&with_states(&[&STATES[..3], last].concat()), &[But::Timing]);
    }
}

#[test]
fn timing_hides_no_rule() {
    for (states, says) in [
        (
            // Broker 3 came and went once more.
            &["2 2! | 2", "2 2 | 2 3", "2 2 | 2", "2 2 | 1 2 3"][..],
            "orders-0 became leader 2 epoch 2 isr [2, 3] on 4.3.1, leader 2 epoch 2 isr [1, 2, 3] simulated",
        ),
        (
            // Elected with another ISR.
            &["2 2! | 2 3", "2 2 | 1 2 3"],
            "orders-0 became leader 2 epoch 2 isr [2, 3] recovering on 4.3.1, leader 2 epoch 2 isr [2] \
             recovering simulated",
        ),
        (
            // Never recovered.
            &["2 2! | 2", "2 2! | 1 2 3"],
            "orders-0 became leader 2 epoch 2 isr [1, 2, 3] recovering on 4.3.1, leader 2 epoch 2 isr [1, 2, \
             3] simulated",
        ),
        (
            &["2 2! | 2"],
            "4.3.1 wrote no further change of orders-0; simulated it went on to leader 2 epoch 2 isr [1, 2, 3]",
        ),
        (
            &["3 2! | 3", "3 2 | 1 2 3"],
            "broker 3 led orders-0 on 4.3.1 (leader 3 epoch 2 isr [3] recovering), broker 2 simulated (leader \
             2 epoch 2 isr [2] recovering)",
        ),
    ] {
        differs(
            &simulated(),
            &with_states(&[&STATES[..3], states].concat()),
            Kind::States,
            says,
        );
    }
    // Another ELR when the leader was gone: what the next election had to choose from.
    let mut states = STATES;
    states[2] = "- 1 | | 1 2 | 1";
    let says = "orders-0 became leader none epoch 1 isr [] elr [1, 2] last known [1] on 4.3.1, leader none \
                epoch 1 isr [] elr [1] last known [1] simulated";
    differs(&simulated(), &with_states(&states), Kind::States, says);
}

#[test]
fn acknowledgement_lets_an_open_end_pass() {
    let mut real = simulated().on("4.3.1");
    real.sends.insert("B".to_owned(), End::Unknown);
    same_but(&real, &[But::Acknowledgement]);
    real.sends.insert("B".to_owned(), End::Acknowledged(None));
    same_but(&real, &[But::Acknowledgement]);
    real.sends.insert("B".to_owned(), End::Failed);
    let says = "B failed on 4.3.1, was acknowledged at offset 1 simulated";
    differs(&simulated(), &real, Kind::Sends, says);
    real.sends
        .insert("B".to_owned(), End::Acknowledged(Some(Offset(2))));
    let says = "B was acknowledged at offset 2 on 4.3.1, was acknowledged at offset 1 simulated";
    differs(&simulated(), &real, Kind::Sends, says);
    real.sends.remove("B");
    differs(
        &simulated(),
        &real,
        Kind::Sends,
        "B was sent in the simulation only",
    );
}

#[test]
fn load_lets_records_of_another_leader_pass() {
    same_but(
        &outcome("4.3.1", "A0 B2 D2", "0,0 2,1", &STATES),
        &[But::Load],
    );
    // The checkpoint does not say of B what B says.
    let real = outcome("4.3.1", "A0 B2 D2", "0,0 2,2", &STATES);
    let says =
        "B has leader epoch 2 on 4.3.1, 0 simulated, in the logs of orders-0 on brokers 1, 2";
    differs(&simulated(), &real, Kind::Epochs, says);
    // The checkpoint alone: written when elected, not with the first record. That is a rule.
    let real = outcome("0.11.0.3", "A0 B0 D2", "0,0 1,2 2,2", &STATES);
    let says = "the leader epoch checkpoint of orders-0 on brokers 1, 2 is (0,0) (1,2) (2,2) on 0.11.0.3, \
                (0,0) (2,2) simulated";
    differs(&simulated(), &real, Kind::Checkpoints, says);
    // Other leaders.
    let states = [
        "1 0 | 1 2 3",
        "1 0 | 1 2",
        "3 1 | 3",
        "2 2! | 2",
        "2 2 | 1 2 3",
    ];
    let real = outcome("4.3.1", "A0 B2 D2", "0,0 2,1", &states);
    differs(
        &simulated(),
        &real,
        Kind::Epochs,
        "B has leader epoch 2 on 4.3.1, 0 simulated, in the logs of \
                                                orders-0 on brokers 1, 2",
    );
}

#[test]
fn levels_add_up_and_the_lightest_is_told() {
    let states = [
        "1 3 | 1 2 3",
        "1 3 | 1 2",
        "- 4 | | 1 | 1",
        "2 5! | 2",
        "2 5 | 2 3",
        "2 5 | 1 2 3",
    ];
    let mut real = outcome("4.3.1", "A3 B3 D5", "3,0 5,2", &states);
    same_but(&real, &[But::Numbering, But::Timing]);
    real.sends.insert("D".to_owned(), End::Pending);
    same_but(&real, &[But::Numbering, But::Timing, But::Acknowledgement]);
}

#[test]
fn the_most_telling_difference_comes_first() {
    let mut real = outcome("4.3.1", "A0 D2", "0,0 2,1", &STATES);
    let says = "the logs of orders-0 on brokers 1, 2 end [A, D] on 4.3.1, [A, B, D] simulated";
    real.sends = simulated().sends;
    differs(&simulated(), &real, Kind::Logs, says);
    real.lost = ["B".to_owned()].into();
    differs(
        &simulated(),
        &real,
        Kind::Lost,
        "4.3.1 lost [B], simulated nothing",
    );
    real.verdict = Class::Permitted;
    differs(
        &simulated(),
        &real,
        Kind::Verdict,
        "the verdict is permitted on 4.3.1, kept simulated",
    );
}

#[test]
fn one_broker_alone_is_named() {
    let mut real = simulated().on("4.3.1");
    real.replica_mut(2).records.pop();
    let says = "broker 2's log of orders-0 ends [A, B] on 4.3.1, [A, B, D] simulated";
    differs(&simulated(), &real, Kind::Logs, says);
    let mut real = simulated().on("4.3.1");
    real.replica_mut(1).damage = Some("a batch is torn".to_owned());
    let says = "on 4.3.1, of broker 1's log of orders-0: a batch is torn; simulated: sound";
    differs(&simulated(), &real, Kind::Damage, says);
    let mut real = simulated().on("4.3.1");
    real.replicas
        .get_mut(&orders())
        .unwrap()
        .remove(&BrokerId(2));
    let says = "only the simulated side has something of orders-0 on broker 2";
    differs(&simulated(), &real, Kind::Logs, says);
}

#[test]
fn long_logs_are_shown_from_where_they_part() {
    let letters = |text: &str| text.chars().map(|c| format!("{c}0 ")).collect::<String>();
    let simulated = outcome("simulated", &letters("ABCDEFGHIJK"), "0,0", &STATES);
    let mut real = outcome("4.3.1", &letters("ABCDEFGHIJ"), "0,0", &STATES);
    real.sends.clone_from(&simulated.sends);
    let says = "the logs of orders-0 on brokers 1, 2 end [] after 10 common ones on 4.3.1, [K] after 10 \
                common ones simulated";
    differs(&simulated, &real, Kind::Logs, says);
}

#[test]
fn what_a_retry_wrote_twice_is_load() {
    let mut real = outcome("4.3.1", "A0 B0 B2 D2", "0,0 2,2", &STATES);
    real.verdict = Class::Permitted;
    real.findings = ["duplicate".to_owned()].into();
    real.duplicated = ["B".to_owned()].into();
    real.sends
        .insert("B".to_owned(), End::Acknowledged(Some(Offset(2))));
    let but = vec![But::Load];
    assert_eq!(
        compare(&[simulated()], &real),
        Agreement::SameBut { but, of: 1 }
    );
    // Not where something else was found as well, or where nothing was allowed to be written twice.
    let says = "the verdict is broken (duplicate) on 4.3.1, kept simulated";
    let mut broken = real.clone();
    broken.verdict = Class::Broken;
    differs(&simulated(), &broken, Kind::Verdict, says);
    let mut lost = real.clone();
    lost.findings.insert("lost_write".to_owned());
    let says = "the verdict is permitted (duplicate, lost_write) on 4.3.1, kept simulated";
    differs(&simulated(), &lost, Kind::Verdict, says);
    // And no other record may be another one.
    real.replica_mut(1).records[3].value = "E".to_owned();
    let says = "broker 1's log of orders-0 ends [A, B, B, E] on 4.3.1, [A, B, D] simulated";
    differs(&simulated(), &real, Kind::Logs, says);
}
