//! Random plans as a source of a sweep, with settings of the command line in all of them.
//!
//! Rules: a random fault may miss. A trial that reached a limit of time or entries is inconclusive and is
//! counted so, but that is no failure of the sweep. Clusters are drawn, so a setting cannot name a place.
//!
//! Next: `../sweep/engine.rs`.

use super::Profile;
use crate::compile::{Override, fill_defaults};
use crate::setting::{Nowhere, Target, target};
use crate::sweep::{Source, fingerprint};
use ktrial_core::Rules;
use ktrial_sim::plan::Plan;
use ktrial_sim::verdict::{Class, Verdict};

/// Random plans of a profile.
#[derive(Clone, Debug)]
pub struct FuzzSource {
    profile: Profile,
    set: Vec<(Override, Target)>,
}

impl FuzzSource {
    /// With settings of the command line.
    ///
    /// # Errors
    /// A setting goes nowhere, or has no such value.
    pub fn new(profile: Profile, set: &[Override]) -> Result<Self, String> {
        let plan = super::plan(profile, 0);
        let mut targets = Vec::new();
        for setting in set {
            let Override { key, value } = setting;
            let found = target(key, &plan).map_err(|Nowhere { message, help }| {
                let help = help.map_or_else(String::new, |help| format!("\n{help}"));
                format!("--set {key}={value}: {message}{help}")
            })?;
            if matches!(&found, Target::Places { name: Some(_), .. }) {
                return Err(format!(
                    "--set {key}={value}: clusters are drawn, so no broker, topic or client can be named"
                ));
            }
            found
                .check(value)
                .map_err(|message| format!("--set {key}={value}: {message}"))?;
            targets.push((setting.clone(), found));
        }
        Ok(Self {
            profile,
            set: targets,
        })
    }

    /// The plan of a seed.
    ///
    /// # Errors
    /// The settings exclude each other.
    pub fn plan(&self, seed: u64) -> Result<Plan, String> {
        let mut plan = super::plan_with(self.profile, seed, self.servers());
        // The release first: it decides the rules that others flip.
        for (Override { value, .. }, _) in self.of(&Target::Release) {
            plan.rules = Rules::kafka(value).map_err(|error| error.to_string())?;
            plan.release.clone_from(value);
        }
        for (Override { key, value }, target) in &self.set {
            if let Target::Rule(switch) = target {
                let set = plan.rules.set(switch, value);
                set.map_err(|error| error.to_string())?;
            }
            target.apply(&mut plan, value);
            plan.cell.insert(key.clone(), value.clone());
        }
        // What is neither drawn nor set is as the release has it.
        let release = plan.release.clone();
        fill_defaults(&mut plan, &release);
        Ok(plan)
    }

    /// How many servers the ensemble has; 0 = the cluster has a metadata quorum.
    fn servers(&self) -> u8 {
        let mut set = self.set.iter().rev();
        let servers = set.find(|(setting, _)| setting.key == "zookeeper.servers");
        servers.map_or(0, |(setting, _)| setting.value.parse().unwrap_or(0))
    }

    fn of<'a>(&'a self, wanted: &'a Target) -> impl Iterator<Item = &'a (Override, Target)> {
        self.set.iter().filter(move |(_, target)| target == wanted)
    }
}

impl Source for FuzzSource {
    fn name(&self) -> String {
        format!("fuzz-{}", self.profile.name())
    }

    fn plans(&self, seed: u64) -> Result<Vec<Plan>, String> {
        self.plan(seed).map(|plan| vec![plan])
    }

    fn unmet(&self, _: &Plan, verdict: &Verdict) -> Vec<String> {
        match verdict.verdict {
            Class::Broken => vec!["a promise was broken".to_owned()],
            _ => Vec::new(),
        }
    }

    /// What a random trial of a profile that is wild enough comes to sooner or later.
    fn goals(&self) -> Vec<String> {
        if self.profile <= Profile::Light {
            return Vec::new();
        }
        let goals = ktrial_sim::check::goals::GOALS.iter();
        let goals = goals.filter(|goal| goal.needs.is_empty());
        goals.map(|goal| goal.name.to_owned()).collect()
    }

    /// What draws the plans is part of ktrial: its plans of the first seeds stand for it.
    fn fingerprint(&self) -> String {
        let plans = (0..64).map(|seed| match self.plan(seed) {
            Ok(plan) => serde_json::to_string(&plan).unwrap_or_default(),
            Err(error) => error,
        });
        let plans: Vec<String> = plans.collect();
        fingerprint(plans.iter().map(String::as_str))
    }
}
