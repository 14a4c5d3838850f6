//! What random trials have found in ktrial or in Kafka's rules, each as its shrunk plan. A bug that was
//! mended must not come back; what is Kafka's own must stay as it is.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use ktrial_sim::plan::Plan;
use ktrial_sim::verdict::{Class, Verdict};
use ktrial_sim::{check, trial};

/// Runs the plan of a name.
fn verdict(name: &str) -> Verdict {
    let file = format!("{}/tests/found/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(file).unwrap();
    let plan: Plan = serde_json::from_str(&text).unwrap();
    check::judge(&plan, &trial::run(&plan).unwrap())
}

/// The checks that reported something, and whether it is permitted.
fn findings(verdict: &Verdict) -> Vec<(&str, bool)> {
    let findings = verdict.findings.iter();
    let mut findings: Vec<_> = findings.map(|f| (f.check.as_str(), f.permitted)).collect();
    findings.dedup();
    findings
}

/// A follower cut its log, and then its disk failed as the leader epoch checkpoint was to follow. The log
/// was shorter, but no event said so. Found by `ktrial fuzz --profile harsh --seed 1073`.
#[test]
fn a_cut_is_told_even_if_the_checkpoint_after_it_fails() {
    let verdict = verdict("cut-before-failed-checkpoint");
    // The one record goes with the power of its leader, as its configuration allows.
    let expected = [("leader_completeness", true), ("lost_write", true)];
    assert_eq!(findings(&verdict), expected);
}

/// Kafka's own race, as of 4.3.1: metadata of the same partition epoch makes a leader forget its wish for
/// another ISR while the controller grants it. Found by `ktrial fuzz --seed 389`.
#[test]
fn a_leader_forgets_a_wish_that_is_granted() {
    let verdict = verdict("forgotten-isr-proposal");
    assert_eq!(findings(&verdict), [("maximal_isr_superset", true)]);
}

/// A broker's metadata log had rolled, and nobody forced the old segment to disk: with the power went its
/// records, but not the name of the next. The broker never knew, and took a leader epoch for another.
/// Found by `ktrial fuzz --seed 1431`.
#[test]
fn a_power_loss_leaves_no_hole_in_the_metadata_log() {
    let verdict = verdict("segment-lost-behind-roll");
    assert_eq!(findings(&verdict), []);
}

/// A replica was moved away and its folder renamed, but the new name did not reach the disk: after a power
/// loss the old log was there again. Found by `ktrial fuzz --profile harsh --seed 573`.
#[test]
fn a_deleted_replica_is_not_back_after_a_power_loss() {
    let verdict = verdict("deletion-undone");
    assert_eq!(findings(&verdict), []);
}

/// Kafka's own: a reassignment that is taken back when nobody in sync would stay is an unclean election,
/// though nobody is elected. Found by `ktrial fuzz --profile harsh --seed 745`.
#[test]
fn a_reassignment_is_taken_back_uncleanly() {
    let verdict = verdict("taken-back-uncleanly");
    assert_eq!(findings(&verdict), [("lost_write", true)]);
}

/// Kafka's own, as of 4.3.1: one heartbeat asks to be unfenced and names a lost log directory, and the
/// broker is elected for what was in it. Found by `ktrial fuzz --seed 2459`.
#[test]
fn a_broker_is_elected_for_what_it_says_it_has_lost() {
    let verdict = verdict("elected-as-directory-went");
    assert_eq!(findings(&verdict), [("stuck_partition", true)]);
}

/// A bit flips in the id of a log directory, and the broker is unfenced before the controller knows in which
/// directory its replica is now. Kafka's own, as of 4.3.1: the assignment that says so elects nobody. A disk
/// that rots is no evidence, so nothing is said. Found by `ktrial fuzz --profile harsh --seed 615`.
#[test]
fn an_assignment_to_a_directory_elects_nobody() {
    let verdict = verdict("directory-unknown-when-unfenced");
    assert_eq!(findings(&verdict), []);
    assert_eq!(verdict.verdict, Class::Unavailable);
}

/// With ZooKeeper. While a broker opened its logs from a slow disk, its pings overtook its registration, and
/// its session took no answer from then on: it never proposed an ISR. Found by
/// `ktrial fuzz --seed 2 --set zookeeper.servers=3 --set kafka.release=3.9`.
#[test]
fn answers_come_though_a_thread_was_busy() {
    let verdict = verdict("answers-overtaken");
    assert_eq!(findings(&verdict), []);
}

/// With ZooKeeper. Nobody told the controller of a lost log directory. Found by the same with seed 163.
#[test]
fn a_lost_directory_is_told_by_a_notification() {
    let verdict = verdict("lost-directory-untold");
    assert!(findings(&verdict).iter().all(|(_, permitted)| *permitted));
}

/// Kafka's own, up to 3.9 with ZooKeeper: a leader loses power and is back while there is no controller. The
/// next controller cannot tell, and it leads on in the same epoch. Found by the same with seed 277.
#[test]
fn nobody_sees_who_restarted_between_two_controllers() {
    let verdict = verdict("restarted-between-controllers");
    assert!(findings(&verdict).contains(&("leader_completeness", false)));
}

/// The plans that the TLA+ models' first failures shrink to (docs/tla.md), each under its seed: broken as
/// TLC has it, and not with the next rule.
#[test]
fn what_tlc_finds_is_still_found() {
    for (name, seed) in [
        ("tla-truncate-to-hw", 1),
        ("tla-kip101", 5),
        ("tla-kip279", 1),
        ("tla-kip320-first-try", 5),
    ] {
        let file = format!("{}/tests/found/{name}.toml", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&file).unwrap();
        let scenario = ktrial::file::parse(name, &file, &text).unwrap();
        let compiled = ktrial::compile::compile(&scenario, seed, &[]).unwrap();
        assert_eq!(compiled.plans.len(), 2, "{name}");
        for plan in &compiled.plans {
            let record = trial::run(plan).unwrap();
            let verdict = check::judge(plan, &record);
            let unmet =
                ktrial::expect::unmet(&scenario.expects, &compiled.overridden, plan, &verdict);
            assert_eq!(unmet, Vec::<String>::new(), "{name} {:?}", plan.cell);
            let cell: Vec<&str> = plan.cell.values().map(String::as_str).collect();
            let cell = format!("{name}-{}", cell.join("-"));
            let told = ktrial_reports::Cell {
                plan: plan.clone(),
                record,
                unmet,
                verdict,
            };
            insta::assert_snapshot!(cell, ktrial_reports::story(&told));
        }
    }
}
