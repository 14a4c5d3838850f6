//! Every scenario of the library, really tried: seed 1, every cell as its file expects, its story as
//! a snapshot.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

use ktrial::compile::compile;
use ktrial::expect::unmet;
use ktrial::file::parse;
use ktrial::library::{Entry, LIBRARY};
use ktrial_reports::Cell;
use ktrial_sim::plan::Plan;
use ktrial_sim::{check, trial};

/// The cells of a scenario under a seed, tried and held against its expectations.
fn cells(entry: &Entry, seed: u64) -> Vec<Cell> {
    let scenario = parse(entry.name, entry.path, entry.text);
    let scenario = scenario.unwrap_or_else(|problems| panic!("{problems}"));
    let compiled = compile(&scenario, seed, &[]).unwrap();
    let tried = compiled.plans.iter().map(|plan| {
        let record = trial::run(plan).unwrap();
        let verdict = check::judge(plan, &record);
        Cell {
            plan: plan.clone(),
            unmet: unmet(&scenario.expects, &compiled.overridden, plan, &verdict),
            record,
            verdict,
        }
    });
    tried.collect()
}

/// `all-brokers-down--unclean.leader.election.enable-true`: a name for a cell's snapshot.
fn name(plan: &Plan) -> String {
    let settings = plan
        .cell
        .iter()
        .map(|(key, value)| format!("--{key}-{value}"));
    format!("{}{}", plan.scenario, settings.collect::<String>())
}

#[test]
fn every_cell_ends_as_its_file_expects() {
    for entry in LIBRARY {
        for cell in cells(entry, 1) {
            let none: Vec<String> = Vec::new();
            assert_eq!(cell.unmet, none, "{}", name(&cell.plan));
            assert!(cell.verdict.findings.iter().all(|found| found.permitted));
        }
    }
}

#[test]
fn every_cell_tells_its_story() {
    for entry in LIBRARY {
        for cell in cells(entry, 1) {
            insta::assert_snapshot!(name(&cell.plan), ktrial_reports::story(&cell));
        }
    }
}

/// Latencies differ, the story's meaning does not.
#[test]
fn other_seeds_end_alike() {
    for entry in LIBRARY {
        let first = cells(entry, 1);
        for seed in 2..=20 {
            for (one, other) in first.iter().zip(cells(entry, seed)) {
                let name = format!("{}, seed {seed}", name(&one.plan));
                assert_eq!(other.unmet, one.unmet, "{name}");
                assert_eq!(other.verdict.verdict, one.verdict.verdict, "{name}");
                assert_eq!(other.verdict.logs, one.verdict.logs, "{name}");
            }
        }
    }
}
