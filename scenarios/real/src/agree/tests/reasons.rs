//! Known reasons: what each covers, and what it must not hide.

use super::super::{Agreement, Kind, agree};
use super::*;

fn judged(target: &str, simulated: &Outcome, real: &Outcome) -> (Vec<String>, Vec<Kind>) {
    let target = target.parse().unwrap();
    let judged = agree(
        &target,
        std::slice::from_ref(simulated),
        std::slice::from_ref(real),
    )
    .unwrap();
    match judged.agreement {
        Agreement::Differs {
            reasons,
            unexplained,
            ..
        } => (reasons, unexplained),
        other => panic!("{other:?}"),
    }
}

/// Leader 1, whose follower dies and comes back.
fn simulated() -> Outcome {
    let states = ["1 0 | 1 2", "1 1 | 1", "1 1 | 1 2"];
    outcome("simulated", "A0 B0 C1", "0,0 1,2", &states)
}

#[test]
fn the_oldest_logs_have_no_epochs() {
    let mut real = simulated().on("0.10.2.2 (zookeeper)");
    for broker in [1, 2] {
        let replica = real.replica_mut(broker);
        replica.checkpoint.clear();
        for record in &mut replica.records {
            record.epoch = LeaderEpoch(-1);
        }
    }
    let because = vec!["no_leader_epochs_in_logs".to_owned()];
    assert_eq!(
        judged("0.10.2.2", &simulated(), &real),
        (because.clone(), vec![])
    );
    let all = vec![Kind::Epochs, Kind::Checkpoints];
    assert_eq!(
        judged("0.11.0.3", &simulated(), &real),
        (vec![], all.clone())
    );
    // It hides nothing of another kind,
    let mut lossy = real.clone();
    lossy.lost = ["B".to_owned()].into();
    assert_eq!(
        judged("0.10.2.2", &simulated(), &lossy),
        (because, vec![Kind::Lost])
    );
    // and no checkpoint that is there.
    real.replica_mut(1).checkpoint = simulated().replica_mut(1).checkpoint.clone();
    assert_eq!(judged("0.10.2.2", &simulated(), &real), (vec![], all));
}

#[test]
fn a_high_watermark_that_was_ahead_for_a_moment_is_not_seen() {
    let real = simulated().on("2.8.2 (zookeeper)");
    let broken = |findings: &[&str]| Outcome {
        verdict: Class::Broken,
        findings: findings.iter().map(|check| (*check).to_owned()).collect(),
        ..simulated()
    };
    let because = vec!["high_watermark_before_truncation_is_not_seen".to_owned()];
    let seen = broken(&["log_matching"]);
    assert_eq!(judged("2.8.2", &seen, &real), (because, vec![]));
    // It is mended since, and it hides no other finding.
    assert_eq!(judged("3.4.1", &seen, &real), (vec![], vec![Kind::Verdict]));
    let worse = broken(&["log_matching", "lost_write"]);
    assert_eq!(
        judged("2.8.2", &worse, &real),
        (vec![], vec![Kind::Verdict])
    );
}

#[test]
fn what_is_seen_in_votes_alone_is_not_seen() {
    let real = simulated().on("3.3.2");
    let mut seen = simulated();
    seen.verdict = Class::Broken;
    seen.findings = ["quorum_leader_has_majority".to_owned()].into();
    let because = vec!["votes_are_not_seen".to_owned()];
    assert_eq!(judged("3.3.2/kraft", &seen, &real), (because, vec![]));
    let none = (vec![], vec![Kind::Verdict]);
    assert_eq!(judged("3.3.2/zookeeper", &seen, &real), none);
    // The near miss: something else was found too.
    seen.findings.insert("lost_write".to_owned());
    assert_eq!(judged("3.3.2/kraft", &seen, &real), none);
}

#[test]
fn what_a_quorum_takes_back_is_not_seen() {
    let real = simulated().on("3.3.2");
    let mut seen = simulated();
    seen.verdict = Class::Broken;
    let found = ["quorum_consistent_committed_data", "epochs_monotone"];
    seen.findings = found.map(str::to_owned).into();
    let because = vec!["metadata_that_is_taken_back_is_not_seen".to_owned()];
    assert_eq!(judged("3.3.2/kraft", &seen, &real), (because, vec![]));
    let none = (vec![], vec![Kind::Verdict]);
    assert_eq!(
        judged("3.9.1/kraft", &seen, &real),
        none,
        "it knows its voters' disks"
    );
    // The near misses: something else was found too, or only what follows of it.
    seen.findings.insert("lost_write".to_owned());
    assert_eq!(judged("3.3.2/kraft", &seen, &real), none);
    seen.findings = ["epochs_monotone".to_owned()].into();
    assert_eq!(judged("3.3.2/kraft", &seen, &real), none);
}

#[test]
fn an_outcome_whose_differences_have_reasons_is_the_nearest() {
    let real = simulated().on("2.8.2 (zookeeper)");
    let mut seen = simulated();
    seen.verdict = Class::Broken;
    seen.findings = ["log_matching".to_owned()].into();
    // Its difference is less telling, and has no reason.
    let states = ["1 0 | 1 2", "1 1 | 1"];
    let other = outcome("other", "A0 B0 C1", "0,0 1,2", &states);
    let nearest = |target: &str| {
        let simulated = [other.clone(), seen.clone()];
        let judged = agree(
            &target.parse().unwrap(),
            &simulated,
            std::slice::from_ref(&real),
        );
        let judged = judged.unwrap();
        (judged.simulated, judged.agreement.is_unexplained())
    };
    assert_eq!(nearest("2.8.2"), (1, false));
    assert_eq!(nearest("3.4.1"), (0, true));
}

#[test]
fn of_several_runs_the_farthest_counts() {
    let target = "4.3.1".parse().unwrap();
    let mut other = simulated();
    other.verdict = Class::Broken;
    let runs = [simulated(), other, simulated()];
    let judged = agree(&target, &[simulated()], &runs).unwrap();
    assert!(judged.agreement.is_unexplained());
    assert_eq!(judged.real, 1);
    assert_eq!(agree(&target, &[simulated()], &[]), None);
}
