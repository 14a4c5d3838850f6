//! Every scenario of the library, really tried: seed 1, every cell as its file expects, its story as
//! a snapshot; and 199 other seeds, which must end alike.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

use ktrial::compile::compile;
use ktrial::expect::unmet;
use ktrial::file::parse;
use ktrial::library::{Entry, LIBRARY};
use ktrial_core::{BrokerId, LeaderEpoch};
use ktrial_reports::Cell;
use ktrial_sim::history::FinalRecord;
use ktrial_sim::plan::Plan;
use ktrial_sim::{check, trial};
use std::collections::{BTreeMap, BTreeSet};

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
    let settings = settings.collect::<String>().replace(", ", "-");
    format!("{}{}", plan.scenario, settings.replace(['$', '[', ']'], ""))
}

#[test]
fn every_cell_ends_as_its_file_expects() {
    for entry in LIBRARY {
        for cell in cells(entry, 1) {
            let none: Vec<String> = Vec::new();
            assert_eq!(cell.unmet, none, "{}", name(&cell.plan));
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

/// Beside seed 1. Latencies differ, the story's meaning does not.
const SEEDS: std::ops::RangeInclusive<u64> = 2..=200;

/// What must be the same under every seed, beside what the file expects. Which record of a load beside the
/// steps meets which leader is the seed's to say: then verdict and logs may differ within that. So is, with
/// ZooKeeper, which broker is the first controller, and with it how often a leader epoch is raised on the
/// way: then the order of the epochs counts, and not their numbers.
fn meaning(cell: &Cell) -> impl PartialEq + std::fmt::Debug {
    let lost = cell.verdict.lost.iter().map(|lost| lost.value.clone());
    let told = cell.plan.timeline.is_empty();
    let mut logs = cell.verdict.logs.clone();
    if cell.plan.zookeeper.is_some() {
        logs.values_mut().for_each(number_epochs);
    }
    let rest = (cell.verdict.verdict, logs);
    (lost.collect::<Vec<String>>(), told.then_some(rest))
}

/// Numbers the leader epochs of a partition's records from 0.
fn number_epochs(replicas: &mut BTreeMap<BrokerId, Vec<FinalRecord>>) {
    let records = || replicas.values().flatten();
    let epochs: BTreeSet<LeaderEpoch> = records().map(|record| record.epoch).collect();
    let numbers: BTreeMap<_, _> = epochs.into_iter().zip(0..).collect();
    for record in replicas.values_mut().flatten() {
        record.epoch = LeaderEpoch(numbers[&record.epoch]);
    }
}

#[test]
fn other_seeds_end_alike() {
    let jobs = u64::try_from(std::thread::available_parallelism().map_or(1, usize::from)).unwrap();
    for entry in LIBRARY {
        let first = cells(entry, 1);
        std::thread::scope(|scope| {
            for job in 0..jobs {
                let first = &first;
                scope.spawn(move || {
                    for seed in SEEDS.filter(|seed| seed % jobs == job) {
                        for (one, other) in first.iter().zip(cells(entry, seed)) {
                            let name = format!("{}, seed {seed}", name(&one.plan));
                            assert_eq!(other.unmet, one.unmet, "{name}");
                            assert_eq!(meaning(&other), meaning(one), "{name}");
                        }
                    }
                });
            }
        });
    }
}
