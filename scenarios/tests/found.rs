//! What random trials have found in ktrial or in Kafka's rules, each as its shrunk plan. A bug that was
//! mended must not come back; what is Kafka's own must stay as it is.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use ktrial_sim::plan::Plan;
use ktrial_sim::verdict::Verdict;
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
/// another ISR while the controller grants it. Found by `ktrial fuzz --seed 404`.
#[test]
fn a_leader_forgets_a_wish_that_is_granted() {
    let verdict = verdict("forgotten-isr-proposal");
    assert_eq!(findings(&verdict), [("maximal_isr_superset", true)]);
}
