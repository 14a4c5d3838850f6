//! Where the plans of a sweep come from.
//!
//! A source is a function from a seed to plans, with a name, and a fingerprint of all that decides them
//! but the seed. Whoever generates plans writes a source, and gets workers, shards, resumption and reports.
//!
//! Invariants: the same source gives the same plans for a seed, in the same order, on any machine.
//!
//! Next: `seeds.rs`.

use crate::compile::{Override, compile};
use crate::diagnostic::Problems;
use crate::expect;
use crate::file::Scenario;
use ktrial_sim::plan::Plan;
use ktrial_sim::verdict::Verdict;
use std::collections::BTreeSet;
use xxhash_rust::xxh3::xxh3_64;

/// Makes the plans of a sweep.
pub trait Source: Sync {
    /// What it is called: part of the folder's name, so letters, digits, `-`, `_` and `.`.
    fn name(&self) -> String;

    /// The trials of a seed, at least one.
    ///
    /// # Errors
    /// There is no plan for this seed, and why. The sweep goes on with the next one.
    fn plans(&self, seed: u64) -> Result<Vec<Plan>, String>;

    /// What was not as expected of a trial, in words; nothing if it was.
    fn unmet(&self, plan: &Plan, verdict: &Verdict) -> Vec<String>;

    /// The goals that its trials are meant to reach between them, by name.
    fn goals(&self) -> Vec<String> {
        Vec::new()
    }

    /// Hash of all that decides plans and expectations but the seed. See [`fingerprint`].
    fn fingerprint(&self) -> String;
}

/// A fingerprint of some texts.
pub fn fingerprint<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let mut whole = String::new();
    for text in texts {
        // With its length in front, so that no two lists of texts are one.
        whole.push_str(&format!("{}:{text}", text.len()));
    }
    format!("{:016x}", xxh3_64(whole.as_bytes()))
}

/// Every cell of a scenario, for each seed.
#[derive(Clone, Debug)]
pub struct ScenarioSource {
    scenario: Scenario,
    overrides: Vec<Override>,
    /// Those of seed 0.
    plans: Vec<Plan>,
    overridden: BTreeSet<String>,
}

impl ScenarioSource {
    /// With settings of the command line.
    ///
    /// # Errors
    /// A setting goes nowhere, or settings exclude each other.
    pub fn new(scenario: Scenario, overrides: &[Override]) -> Result<Self, Problems> {
        let compiled = compile(&scenario, 0, overrides)?;
        Ok(Self {
            scenario,
            overrides: overrides.to_vec(),
            plans: compiled.plans,
            overridden: compiled.overridden,
        })
    }
}

impl Source for ScenarioSource {
    fn name(&self) -> String {
        self.scenario.name.clone()
    }

    fn plans(&self, seed: u64) -> Result<Vec<Plan>, String> {
        if self
            .scenario
            .versions
            .iter()
            .all(|version| version.draws.is_empty())
        {
            return Ok(self.plans.iter().map(|plan| seeded(plan, seed)).collect());
        }
        // The seed decides more than the plan's own figure: who is meant, when a workload sends.
        let compiled = compile(&self.scenario, seed, &self.overrides);
        let compiled = compiled.map_err(|problems| problems.render(false))?;
        Ok(compiled.plans)
    }

    fn unmet(&self, plan: &Plan, verdict: &Verdict) -> Vec<String> {
        expect::unmet(&self.scenario.expects, &self.overridden, plan, verdict)
    }

    fn fingerprint(&self) -> String {
        let plans: Vec<String> = self.plans.iter().map(json).collect();
        let text = std::iter::once(self.scenario.text.as_str());
        fingerprint(text.chain(plans.iter().map(String::as_str)))
    }
}

/// A plan, under other seeds. It knows no expectations: neither broken nor inconclusive is as expected.
#[derive(Clone, Debug)]
pub struct PlanSource {
    plan: Plan,
}

impl PlanSource {
    /// The plan's own seed does not matter.
    pub fn new(plan: &Plan) -> Self {
        Self {
            plan: seeded(plan, 0),
        }
    }
}

impl Source for PlanSource {
    fn name(&self) -> String {
        self.plan.scenario.clone()
    }

    fn plans(&self, seed: u64) -> Result<Vec<Plan>, String> {
        Ok(vec![seeded(&self.plan, seed)])
    }

    fn unmet(&self, plan: &Plan, verdict: &Verdict) -> Vec<String> {
        expect::unmet(&[], &BTreeSet::new(), plan, verdict)
    }

    fn fingerprint(&self) -> String {
        fingerprint([json(&self.plan).as_str()])
    }
}

fn seeded(plan: &Plan, seed: u64) -> Plan {
    let mut plan = plan.clone();
    plan.seed = seed;
    plan
}

fn json(plan: &Plan) -> String {
    #[expect(
        clippy::expect_used,
        reason = "every map of a plan has text as its keys"
    )]
    serde_json::to_string(plan).expect("a plan can be written as JSON")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{file, library};

    fn flagship(overrides: &[(&str, &str)]) -> ScenarioSource {
        let entry = library::find("all-brokers-down").unwrap();
        let overrides: Vec<Override> = overrides
            .iter()
            .map(|(key, value)| Override {
                key: (*key).to_owned(),
                value: (*value).to_owned(),
            })
            .collect();
        let scenario = file::parse(entry.name, entry.path, entry.text).unwrap();
        ScenarioSource::new(scenario, &overrides).unwrap()
    }

    #[test]
    fn a_fingerprint_follows_what_is_tried_and_nothing_else() {
        let plain = flagship(&[]).fingerprint();
        assert_eq!(plain, flagship(&[]).fingerprint());
        assert_ne!(plain, flagship(&[("acks", "1")]).fingerprint());
        let plan = flagship(&[]).plans(7).unwrap().remove(0);
        let other = Plan {
            seed: 8,
            ..plan.clone()
        };
        let slower = Plan {
            settle_ms: plan.settle_ms + 1,
            ..plan.clone()
        };
        let of = |plan: &Plan| PlanSource::new(plan).fingerprint();
        assert_eq!(of(&plan), of(&other));
        assert_ne!(of(&plan), of(&slower));
        assert_ne!(fingerprint(["ab", "c"]), fingerprint(["a", "bc"]));
    }

    #[test]
    fn every_cell_is_tried_for_each_seed() {
        let plans = flagship(&[]).plans(7).unwrap();
        assert_eq!(plans.len(), 2);
        assert!(plans.iter().all(|plan| plan.seed == 7));
        assert_ne!(plans[0].cell, plans[1].cell);
    }
}
