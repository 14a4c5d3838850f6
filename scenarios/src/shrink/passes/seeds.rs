//! Small seeds, for people to type; and what can go only under another seed, for everything that is
//! drawn after it falls differently.
//!
//! Next: `../../cli/shrink.rs`.

use super::super::search::Search;
use super::super::without::{Gone, without};
use super::cluster::client_names;
use super::records::sent;
use super::steps::without_steps;
use ktrial_sim::plan::Plan;
use std::collections::BTreeSet;

/// The seeds that are tried.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=8;

/// The smallest of them that will do.
pub(super) fn small(search: &mut Search<'_>) {
    let plan = search.plan().clone();
    search.first(SEEDS.map(|seed| seeded(plan.clone(), seed)));
}

/// Leaves out one thing under another seed.
pub(super) fn with_less(search: &mut Search<'_>) {
    loop {
        let plan = search.plan().clone();
        let plans = one_less(&plan);
        let plans = plans
            .into_iter()
            .flat_map(|less| SEEDS.map(move |seed| seeded(less.clone(), seed)));
        if search.first(plans).is_none() {
            return;
        }
    }
}

fn seeded(mut plan: Plan, seed: u64) -> Plan {
    plan.seed = seed;
    plan
}

/// The plan without one step, value, broker or client, each in turn; two steps at once too.
fn one_less(plan: &Plan) -> Vec<Plan> {
    let count = plan.all_steps().count();
    let mut plans = Vec::new();
    for one in 0..count {
        for other in 0..=one {
            plans.push(without_steps(plan, &BTreeSet::from([one, other])));
        }
    }
    let values = sent(plan).into_iter().map(|value| Gone {
        values: [value].into(),
        ..Gone::default()
    });
    let brokers = plan.brokers.iter().map(|broker| Gone {
        brokers: [broker.id].into(),
        ..Gone::default()
    });
    let clients = client_names(plan).into_iter().map(|name| Gone {
        clients: [name].into(),
        ..Gone::default()
    });
    let gone = values.chain(brokers).chain(clients);
    plans.extend(gone.map(|gone| without(plan, &gone)));
    plans
}
