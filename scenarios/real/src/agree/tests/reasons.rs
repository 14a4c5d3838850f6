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

/// As the KRaft controller of 3.6 and later does it.
fn kraft() -> Outcome {
    let states = [
        "1 0 | 1 2 3",
        "1 0 | 1 2",
        "1 0 | 1",
        "- 1 | 1",
        "1 2 | 1",
        "1 2 | 1 2",
        "1 2 | 1 2 3",
    ];
    outcome("simulated", "A0 B0 D2", "0,0 2,2", &states)
}

/// As the controller of ZooKeeper mode does it.
fn zookeeper() -> Outcome {
    let states = [
        "1 0 | 1 2 3",
        "1 1 | 1 2",
        "1 2 | 1",
        "- 3 | 1",
        "1 4 | 1",
        "1 4 | 1 2",
        "1 4 | 1 2 3",
    ];
    outcome("3.9.1 (zookeeper)", "A0 B1 D4", "0,0 1,1 4,2", &states)
}

#[test]
fn zookeeper_raises_the_epoch_of_each_isr_that_it_shrinks() {
    let because = vec!["zookeeper_shrink_raises_epoch".to_owned()];
    assert_eq!(
        judged("3.9.1/zookeeper", &kraft(), &zookeeper()),
        (because.clone(), vec![])
    );
    // In KRaft mode that would be news.
    let all = vec![Kind::Epochs, Kind::Checkpoints, Kind::States];
    assert_eq!(judged("3.9.1/kraft", &kraft(), &zookeeper()), (vec![], all));
    // It hides no other ISR,
    let mut real = zookeeper();
    real.states_mut().last_mut().unwrap().isr = ids("1 2");
    let (reasons, unexplained) = judged("3.9.1/zookeeper", &kraft(), &real);
    assert!(reasons.is_empty());
    assert_eq!(unexplained, [Kind::Epochs, Kind::Checkpoints, Kind::States]);
    // no checkpoint that does not fit its log,
    let mut real = zookeeper();
    real.replica_mut(1).checkpoint.remove(1);
    let (reasons, unexplained) = judged("3.9.1/zookeeper", &kraft(), &real);
    assert_eq!(
        (reasons, unexplained),
        (because, vec![Kind::Epochs, Kind::Checkpoints])
    );
    // and nothing of another kind.
    let mut real = zookeeper();
    real.lost = ["B".to_owned()].into();
    assert_eq!(judged("3.9.1/zookeeper", &kraft(), &real).1, [Kind::Lost]);
}

#[test]
fn a_zookeeper_leader_that_drops_a_follower_keeps_its_epoch() {
    // Simulated as the KRaft controller before 3.6.
    let simulated = zookeeper().on("simulated");
    let because = vec!["zookeeper_leader_shrinks_without_epoch".to_owned()];
    let real = kraft().on("2.8.2 (zookeeper)");
    assert_eq!(judged("2.8.2", &simulated, &real), (because, vec![]));
}

#[test]
fn the_oldest_empty_the_isr_if_an_unclean_election_may_follow() {
    let simulated = zookeeper().on("simulated");
    let mut real = zookeeper();
    real.states_mut()[3].isr.clear();
    let because = vec!["zookeeper_last_member_leaves_if_unclean".to_owned()];
    assert_eq!(judged("0.10.2.2", &simulated, &real), (because, vec![]));
    // Later ones do not; but there the controller may have gone with the leader.
    let because = vec!["zookeeper_controller_among_brokers".to_owned()];
    assert_eq!(judged("1.1.1", &simulated, &real), (because, vec![]));
    real.states_mut()[5].isr = ids("1 3");
    real.states_mut()[6].isr = ids("1 3");
    assert_eq!(
        judged("0.10.2.2", &simulated, &real),
        (vec![], vec![Kind::States])
    );
}

#[test]
fn which_replica_counts_is_up_to_who_leads_at_the_end() {
    // Both replicas parted in the simulation and for real; there the leadership went back, here not yet.
    let mut simulated = zookeeper().on("simulated");
    let mut real = zookeeper();
    for (outcome, lost) in [(&mut simulated, "D"), (&mut real, "B")] {
        outcome.replica_mut(2).records.remove(1);
        outcome.lost = [lost.to_owned()].into();
    }
    simulated.states_mut().push(state("2 5 | 1 2 3"));
    simulated.verdict = Class::Broken;
    let because = vec!["zookeeper_controller_among_brokers".to_owned()];
    assert_eq!(judged("0.10.2.2", &simulated, &real), (because, vec![]));
    // If it is another replica that parted, or the same leader, that says nothing.
    let mut other = real.clone();
    let (one, two) = (real.replica_mut(1).clone(), real.replica_mut(2).clone());
    (*other.replica_mut(1), *other.replica_mut(2)) = (two, one);
    let unexplained = judged("0.10.2.2", &simulated, &other).1;
    assert!(unexplained.contains(&Kind::Lost), "{unexplained:?}");
    let simulated = Outcome {
        states: real.states.clone(),
        ..simulated
    };
    let unexplained = [Kind::Verdict, Kind::Lost];
    assert_eq!(judged("0.10.2.2", &simulated, &real).1, unexplained);
}

#[test]
fn the_oldest_logs_have_no_epochs() {
    let simulated = zookeeper().on("simulated");
    let mut real = zookeeper();
    for broker in [1, 2] {
        let replica = real.replica_mut(broker);
        replica.checkpoint.clear();
        for record in &mut replica.records {
            record.epoch = LeaderEpoch(-1);
        }
    }
    let because = vec!["no_leader_epochs_in_logs".to_owned()];
    assert_eq!(judged("0.10.2.2", &simulated, &real), (because, vec![]));
    let all = vec![Kind::Epochs, Kind::Checkpoints];
    assert_eq!(judged("0.11.0.3", &simulated, &real), (vec![], all));
}

#[test]
fn of_several_runs_the_farthest_counts() {
    let target = "4.3.1".parse().unwrap();
    let mut other = kraft();
    other.verdict = Class::Broken;
    let runs = [kraft(), other, kraft()];
    let judged = agree(&target, &[kraft()], &runs).unwrap();
    assert!(judged.agreement.is_unexplained());
    assert_eq!(judged.real, 1);
    assert_eq!(agree(&target, &[kraft()], &[]), None);
}
