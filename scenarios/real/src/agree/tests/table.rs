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

/// Its records have no epochs, nor has it checkpoints.
fn oldest() -> Outcome {
    let mut outcome = kraft().on("0.10.2.2 (zookeeper)");
    for broker in [1, 2] {
        let replica = outcome.replica_mut(broker);
        replica.checkpoint.clear();
        let records = replica.records.iter_mut();
        records.for_each(|record| record.epoch = LeaderEpoch(-1));
    }
    outcome
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
        "ktrial-real agree --kafka 0.10.2.2/zookeeper,4.3.1",
    );
    let mut lossy = kraft().on("4.3.1");
    lossy.replica_mut(2).records.pop();
    table.add(row("4.3.1", false, &[kraft().on("4.3.1")]));
    table.add(row("0.10.2.2/zookeeper", false, &[oldest()]));
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
    0.10.2.2/zookeeper  differs              kept         [A B]; empty
        A has leader epoch -1 on 0.10.2.2 (zookeeper), 0 simulated, in the logs of orders-0 on
        brokers 1, 2 (and another difference).
        Reason: no_leader_epochs_in_logs.
    4.3.1/kraft         same                 kept         [A B]; (0,0)

two-brokers   unclean.leader.election.enable=true
    4.3.1/kraft      differs, unexplained kept         orders-0 on 1: [A B]; (0,0)  and 1 more
        Broker 2's log of orders-0 ends [A] on 4.3.1, [A, B] simulated.
        No reason is known for: final logs.

power-loss   default settings
    4.3.1/kraft      unsupported
        Step 3 cuts the power of broker 1: a real machine's page cache cannot be lost.

reasons
  no_leader_epochs_in_logs: Before 0.11 a record carries no leader epoch and no broker keeps a leader
    epoch checkpoint: followers truncate to their high watermark. Simulated logs always have both; the
    rule of truncation is the old one. (KIP-101, KIP-98 (message format v2); ReplicaManager.makeFollowers
    (0.10.2.2))

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
        "Made on 2026-11-21 by\n\n    ktrial-real agree --kafka 0.10.2.2/zookeeper,4.3.1\n",
        "Releases: 0.10.2.2/zookeeper, 4.3.1/kraft.\n",
        "**4 cells: 1 same, 1 different with a known reason, 1 different without a known reason, 1 unsupported.**\n",
        "\n## two-brokers\n",
        "| unclean.leader.election.enable=false | 0.10.2.2/zookeeper | differs | kept: \\[A B\\]; empty | \
         kept: \\[A B\\]; (0,0) |\n|  | 4.3.1/kraft | same | kept: \\[A B\\]; (0,0) | the same |\n",
        "\n- **0.10.2.2/zookeeper**, unclean.leader.election.enable=false: A has leader epoch -1",
        "Reason: no\\_leader\\_epochs\\_in\\_logs.\n",
        "\n- **4.3.1/kraft**, default settings: Step 3 cuts the power",
        "\n## Reasons\n\n- **no\\_leader\\_epochs\\_in\\_logs**: Before 0.11",
        "ReplicaManager.makeFollowers (0.10.2.2))\n",
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
        "two-brokers Some(\"false\") 0.10.2.2/zookeeper",
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
