//! What Apache Kafka 4.3.1 did in the story of all-brokers-down, in three orders of return, under
//! both settings, by two kinds of stop (twelve cells; its brokers 0, 1, 2 are 1, 2, 3 here). The
//! simulated cluster must end in the same logs, offsets and leader epoch checkpoints.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

use ktrial::compile::compile;
use ktrial::file::parse;
use ktrial_core::{BrokerId, TopicPartition};
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

/// The library's file with another order of return, another kind of stop, one setting.
///
/// A controlled stop is over when the broker's process is down; only then does the next step act,
/// as on the real cluster.
fn file(row: &Row, stop: &str) -> String {
    let [first, second, third] = row.back;
    let steps = [
        "send = { values = [\"A\"] }".to_owned(),
        format!("until = {{ acknowledged = {{ values = [\"A\"] }} }}\n{stop} = {{ broker = 3 }}"),
        down(3, "isr = { is = [1, 2] }"),
        "send = { values = [\"B\"] }".to_owned(),
        format!("until = {{ acknowledged = {{ values = [\"B\"] }} }}\n{stop} = {{ broker = 2 }}"),
        down(2, "isr = { is = [1] }"),
        "send = { values = [\"C\"] }".to_owned(),
        format!("until = {{ acknowledged = {{ values = [\"C\"] }} }}\n{stop} = {{ broker = 1 }}"),
        down(1, "broker = { id = 1, is = \"fenced\" }"),
        format!("start = {{ broker = {first} }}"),
        format!("until = {{ broker = {{ id = {first}, is = \"unfenced\" }} }}"),
        "after = \"12s\"\nsend = { values = [\"D\"] }".to_owned(),
        "until = { any = [{ acknowledged = { values = [\"D\"] } }, { quiet = \"5s\" }] }"
            .to_owned(),
        format!("start = {{ broker = {second} }}"),
        format!("until = {{ broker = {{ id = {second}, is = \"unfenced\" }} }}"),
        format!("after = \"5s\"\nstart = {{ broker = {third} }}"),
        "until = { all = [{ in_sync = {} }, { acknowledged = { values = [\"D\"] } }] }".to_owned(),
    ];
    let head = format!(
        "title = \"real Kafka\"\nwhy = \"twelve runs of a real cluster\"\n\
         [cluster.config]\nunclean.leader.election.enable = {}\n\
         broker.session.timeout.ms = 3000\nbroker.heartbeat.interval.ms = 500\n\
         replica.lag.time.max.ms = 3000\n\
         [topics.orders]\nreplicas = [[1, 2, 3]]\n[producers.p1]\nacks = \"all\"\n",
        row.unclean
    );
    let steps: String = steps.iter().map(|s| format!("[[step]]\n{s}\n")).collect();
    head + &steps
}

fn down(broker: i32, and: &str) -> String {
    format!("until = {{ all = [{{ broker = {{ id = {broker}, is = \"down\" }} }}, {{ {and} }}] }}")
}

fn plan(row: &Row, stop: &str) -> ktrial_sim::plan::Plan {
    let text = file(row, stop);
    let scenario = parse("real-kafka", "real-kafka.toml", &text);
    let scenario = scenario.unwrap_or_else(|problems| panic!("{problems}"));
    compile(&scenario, 1, &[]).unwrap().plans.remove(0)
}

fn compare(row: &Row, stop: &str, verdict: &Verdict) {
    let case = format!(
        "unclean={}, back {:?}, {stop}: {}",
        row.unclean, row.back, row.why
    );
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
fn the_twelve_files_have_no_mistakes() {
    for row in &ROWS {
        for stop in ["kill", "shutdown"] {
            assert_eq!(plan(row, stop).steps.len(), 17);
        }
    }
}

#[test]
fn the_twelve_cells_end_as_in_real_kafka() {
    for row in &ROWS {
        for stop in ["kill", "shutdown"] {
            let plan = plan(row, stop);
            let record = trial::run(&plan).unwrap();
            compare(row, stop, &check::judge(&plan, &record));
        }
    }
}
