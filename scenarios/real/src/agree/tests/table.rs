//! The table: rows, JSON and back, merging, text and Markdown.

use super::super::markdown::markdown;
use super::super::table::TableError;
use super::super::text::text;
use super::super::{Agreement, Row, Table};
use super::*;
use std::collections::BTreeMap;

fn cell(unclean: bool) -> BTreeMap<String, String> {
    [(
        "unclean.leader.election.enable".to_owned(),
        unclean.to_string(),
    )]
    .into()
}

fn kraft() -> Outcome {
    let states = ["1 0 | 1 2", "1 0 | 1", "1 0 | 1 2"];
    outcome("simulated", "A0 B0", "0,0", &states)
}

fn zookeeper() -> Outcome {
    let states = ["1 0 | 1 2", "1 1 | 1", "1 1 | 1 2"];
    outcome("3.9.1 (zookeeper)", "A0 B1", "0,0 1,1", &states)
}

fn row(target: &str, unclean: bool, real: &[Outcome]) -> Row {
    let target = target.parse().unwrap();
    Row::played(
        ("two-brokers", &cell(unclean)),
        &target,
        &[kraft()],
        real,
        31,
    )
}

fn table() -> Table {
    let mut table = Table::new(
        "2026-11-21",
        "ktrial-real agree --kafka 3.9.1/zookeeper,4.3.1",
    );
    let mut lossy = kraft().on("4.3.1");
    lossy.replica_mut(2).records.pop();
    table.add(row("4.3.1", false, &[kraft().on("4.3.1")]));
    table.add(row("3.9.1/zookeeper", false, &[zookeeper()]));
    table.add(row("4.3.1", true, &[lossy]));
    let step =
        "Step 3 cuts the power of broker 1: a real machine's page cache cannot be lost.".to_owned();
    table.add(Row::other(
        ("power-loss", &BTreeMap::new()),
        &"4.3.1".parse().unwrap(),
        Agreement::Unsupported { step },
    ));
    table
}

#[test]
fn as_text() {
    let expected = "\
two-brokers   unclean.leader.election.enable=false
    3.9.1/zookeeper  differs              kept         [A B]; (0,0) (1,1)
        B has leader epoch 1 on 3.9.1 (zookeeper), 0 simulated, in the logs of orders-0 on brokers
        1, 2 (and 2 other differences).
        Reason: zookeeper_shrink_raises_epoch.
    4.3.1/kraft      same                 kept         [A B]; (0,0)

two-brokers   unclean.leader.election.enable=true
    4.3.1/kraft      differs, unexplained kept         orders-0 on 1: [A B]; (0,0)  and 1 more
        Broker 2's log of orders-0 ends [A] on 4.3.1, [A, B] simulated.
        No reason is known for: final logs.

power-loss   default settings
    4.3.1/kraft      unsupported
        Step 3 cuts the power of broker 1: a real machine's page cache cannot be lost.

reasons
  zookeeper_shrink_raises_epoch: In ZooKeeper mode the controller takes a broker that is down or
    stopping out of the ISR with a new leader epoch, so each death begins one, also where the leader
    stays. (KafkaController.removeReplicaFromIsr up to 0.11,
    ReplicaStateMachine.doRemoveReplicasFromIsr from 1.1 on; waits for the ZooKeeper controller)

4 cells: 1 same, 1 different with a known reason, 1 different without a known reason, 1 unsupported.
";
    assert_eq!(text(&table()), expected);
    assert!(
        text(&table())
            .lines()
            .all(|line| line.chars().count() <= 100)
    );
}

#[test]
fn as_markdown() {
    let text = markdown(&table());
    for part in [
        "Made on 2026-11-21 by\n\n    ktrial-real agree --kafka 3.9.1/zookeeper,4.3.1\n",
        "Releases: 3.9.1/zookeeper, 4.3.1/kraft.\n",
        "**4 cells: 1 same, 1 different with a known reason, 1 different without a known reason, 1 unsupported.**\n",
        "\n## two-brokers\n",
        "| unclean.leader.election.enable=false | 3.9.1/zookeeper | differs | kept: \\[A B\\]; (0,0) (1,1) | \
         kept: \\[A B\\]; (0,0) |\n|  | 4.3.1/kraft | same | kept: \\[A B\\]; (0,0) | the same |\n",
        "\n- **3.9.1/zookeeper**, unclean.leader.election.enable=false: B has leader epoch 1",
        "Reason: zookeeper\\_shrink\\_raises\\_epoch.\n",
        "\n- **4.3.1/kraft**, default settings: Step 3 cuts the power",
        "\n## Reasons\n\n- **zookeeper\\_shrink\\_raises\\_epoch**: In ZooKeeper mode",
        "waits for the ZooKeeper controller)\n",
    ] {
        assert!(text.contains(part), "{part}\nis not in\n{text}");
    }
}

#[test]
fn wall_times_are_not_in_the_markdown() {
    let mut slower = table();
    for row in &mut slower.rows {
        row.wall_s += 1;
    }
    assert_eq!(markdown(&slower), markdown(&table()));
}

#[test]
fn json_and_back() {
    let table = table();
    let json = table.to_json().unwrap();
    assert_eq!(Table::from_json(&json).unwrap(), table);
    // A line for each row and reason, and those that hold them.
    assert_eq!(
        json.lines().count(),
        5 + table.reasons.len() + table.rows.len(),
        "{json}"
    );
    let newer = json.replacen("\"version\":1", "\"version\":2", 1);
    assert!(matches!(
        Table::from_json(&newer),
        Err(TableError::Version(2))
    ));
    assert!(matches!(
        Table::from_json("{}"),
        Err(TableError::Malformed(_))
    ));
    let read: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        read["rows"][1]["agreement"],
        serde_json::json!({ "is": "same", "of": 1 })
    );
    assert_eq!(
        read["rows"][1]["real"]["states"]["orders-0"][0],
        "leader 1 epoch 0 isr [1, 2]"
    );
}

#[test]
fn newer_rows_replace_older_ones_of_the_same_name() {
    let mut merged = table();
    let mut newer = Table::new("2026-12-24", "ktrial-real agree --kafka 4.3.1");
    newer.add(row("4.3.1", true, &[kraft().on("4.3.1")]));
    newer.add(row("3.3.2", false, &[kraft().on("3.3.2")]));
    // What was not run replaces nothing.
    newer.add(row("4.3.1", false, &[]));
    merged.merge(newer.clone());
    let names: Vec<String> = merged
        .rows
        .iter()
        .map(|row| {
            format!(
                "{} {:?} {}",
                row.scenario,
                row.cell.values().next(),
                row.target
            )
        })
        .collect();
    let expected = [
        "two-brokers Some(\"false\") 3.3.2/kraft",
        "two-brokers Some(\"false\") 3.9.1/zookeeper",
        "two-brokers Some(\"false\") 4.3.1/kraft",
        "two-brokers Some(\"true\") 4.3.1/kraft",
        "power-loss None 4.3.1/kraft",
    ];
    assert_eq!(names, expected);
    let counts = merged.counts();
    assert_eq!(
        (counts.same, counts.explained, counts.unexplained),
        (3, 1, 0)
    );
    assert_eq!(merged.date, "2026-12-24");
    let again = merged.clone();
    merged.merge(newer);
    assert_eq!(merged, again);
}
