//! What Apache Kafka 4.3.1 did in the twelve cells of order-of-return: three orders of return, both
//! settings, two kinds of stop (its brokers 0, 1, 2 are 1, 2, 3 here). The simulated cluster must end in
//! the same logs, offsets and leader epoch checkpoints.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

use ktrial::compile::compile;
use ktrial::file::parse;
use ktrial::library::find;
use ktrial_core::{BrokerId, TopicPartition};
use ktrial_sim::plan::Plan;
use ktrial_sim::verdict::Verdict;
use ktrial_sim::{check, trial};

/// One row of the table, the same for both kinds of stop.
struct Row {
    unclean: bool,
    /// Who comes back first, second, third.
    back: [i32; 3],
    /// Values in the order of all three final logs.
    log: &'static str,
    /// Where D is.
    offset_of_d: i64,
    /// The leader epoch checkpoint of all three.
    epochs: &'static [(i32, i64)],
    why: &'static str,
}

const ROWS: [Row; 6] = [
    Row {
        unclean: false,
        back: [3, 2, 1],
        log: "ABCD",
        offset_of_d: 3,
        epochs: &[(0, 0), (2, 3)],
        why: "only broker 1 is or was eligible: nobody leads until it is back",
    },
    Row {
        unclean: false,
        back: [2, 3, 1],
        log: "ABCD",
        offset_of_d: 3,
        epochs: &[(0, 0), (2, 3)],
        why: "that broker 2 has more than broker 3 makes it no more eligible",
    },
    Row {
        unclean: false,
        back: [1, 2, 3],
        log: "ABCD",
        offset_of_d: 3,
        epochs: &[(0, 0), (2, 3)],
        why: "the last leader is back: it leads at once",
    },
    Row {
        unclean: true,
        back: [3, 2, 1],
        log: "AD",
        offset_of_d: 1,
        epochs: &[(0, 0), (2, 1)],
        why: "broker 3 may lead with [A]: the others truncate to it",
    },
    Row {
        unclean: true,
        back: [2, 3, 1],
        log: "ABD",
        offset_of_d: 2,
        epochs: &[(0, 0), (2, 2)],
        why: "broker 2 may lead with [A, B]: only C is lost",
    },
    Row {
        unclean: true,
        back: [1, 2, 3],
        log: "ABCD",
        offset_of_d: 3,
        epochs: &[(0, 0), (2, 3)],
        why: "an unclean election is allowed but the broker that is back has everything",
    },
];

/// The library's twelve cells.
fn plans() -> Vec<Plan> {
    let entry = find("order-of-return").unwrap();
    let scenario = parse(entry.name, entry.path, entry.text);
    let scenario = scenario.unwrap_or_else(|problems| panic!("{problems}"));
    compile(&scenario, 1, &[]).unwrap().plans
}

fn compare(row: &Row, plan: &Plan, verdict: &Verdict) {
    let case = format!("{:?}: {}", plan.cell, row.why);
    let partition = TopicPartition::new("orders", 0);
    for broker in [1, 2, 3].map(BrokerId) {
        let log = &verdict.logs[&partition][&broker];
        let values: String = log.iter().map(|record| record.value.as_str()).collect();
        assert_eq!(values, row.log, "log of {broker}; {case}");
        let d = log.iter().find(|record| record.value == "D").unwrap();
        assert_eq!(d.offset.0, row.offset_of_d, "offset of D; {case}");
        let epochs = &verdict.leader_epochs[&partition][&broker];
        assert_eq!(epochs.as_slice(), row.epochs, "epochs of {broker}; {case}");
    }
    let lost: String = verdict
        .lost
        .iter()
        .map(|lost| lost.value.as_str())
        .collect();
    let gone: String = "ABC".chars().filter(|c| !row.log.contains(*c)).collect();
    assert_eq!(lost, gone, "lost; {case}");
    assert!(verdict.lost.iter().all(|lost| lost.permitted), "{case}");
}

#[test]
fn the_twelve_cells_end_as_in_real_kafka() {
    let mut plans = plans();
    for row in &ROWS {
        for stop in ["kill", "shutdown"] {
            let is = |plan: &Plan, key: &str, value: &str| plan.cell[key] == value;
            let back = format!("{:?}", row.back);
            let of = |plan: &Plan| {
                is(
                    plan,
                    "unclean.leader.election.enable",
                    &row.unclean.to_string(),
                ) && is(plan, "$back", &back)
                    && is(plan, "$stop", stop)
            };
            let plan = plans.remove(plans.iter().position(of).unwrap());
            let record = trial::run(&plan).unwrap();
            compare(row, &plan, &check::judge(&plan, &record));
        }
    }
    assert!(plans.is_empty(), "cells that real Kafka was not asked for");
}
