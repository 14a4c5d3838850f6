//! Which two plans are compared.
//!
//! Rules:
//! - A key that is set twice makes the two sides; then keys that are set once hold for both.
//! - If no key is set twice, the first side is as the file has it, and the second one has all that is
//!   set.
//! - With nothing set, a scenario of two cells is compared with itself, cell by cell.
//!
//! Simplified: `kafka.release` in a plan changes the rules, not the settings whose defaults changed with
//! releases: what a plan sets, it sets.
//!
//! Next: `first.rs`.

use crate::compile::{Override, compile};
use crate::file::Scenario;
use crate::setting::{Target, target};
use ktrial_core::Rules;
use ktrial_sim::plan::Plan;
use serde::Serialize;

/// What a side has that the other one has not.
pub type Label = String;

/// Two plans.
#[derive(Clone, Debug, Serialize)]
pub struct Sides {
    /// The first one.
    #[serde(skip)]
    pub a: Plan,
    /// The second one.
    #[serde(skip)]
    pub b: Plan,
    /// What the first one is called.
    pub label_a: Label,
    /// What the second one is called.
    pub label_b: Label,
}

impl Sides {
    fn new(a: Plan, b: Plan) -> Self {
        let (label_a, label_b) = (label(&a, &b), label(&b, &a));
        Self {
            a,
            b,
            label_a,
            label_b,
        }
    }
}

/// The settings of a cell that the other one does not share.
fn label(plan: &Plan, other: &Plan) -> Label {
    let own = plan
        .cell
        .iter()
        .filter(|(key, value)| other.cell.get(*key) != Some(value));
    let own: Vec<String> = own.map(|(key, value)| format!("{key}={value}")).collect();
    if own.is_empty() {
        return "as the file has it".to_owned();
    }
    own.join(", ")
}

/// Two sides of what is set.
struct Split {
    a: Vec<Override>,
    b: Vec<Override>,
    /// A key was set twice.
    twice: bool,
}

impl Split {
    fn new(sets: &[Override]) -> Result<Self, String> {
        let count = |set: &Override| sets.iter().filter(|other| other.key == set.key).count();
        if let Some(set) = sets.iter().find(|set| count(set) > 2) {
            return Err(format!(
                "--set {} is given more than twice: there are two sides",
                set.key
            ));
        }
        let twice = sets.iter().any(|set| count(set) == 2);
        let mut split = Self {
            a: Vec::new(),
            b: Vec::new(),
            twice,
        };
        for (place, set) in sets.iter().enumerate() {
            let seen = sets[..place].iter().any(|other| other.key == set.key);
            let pair = count(set) == 2;
            if pair && !seen || twice && !pair {
                split.a.push(set.clone());
            }
            if !pair || seen {
                split.b.push(set.clone());
            }
        }
        Ok(split)
    }
}

/// Two sides of a scenario under a seed. `show` tells the mistakes of what is set.
///
/// # Errors
/// What is set goes nowhere, or leaves more than two cells.
pub fn of_scenario(
    scenario: &Scenario,
    seed: u64,
    sets: &[Override],
    show: impl Fn(crate::diagnostic::Problems) -> String,
) -> Result<Sides, String> {
    let split = Split::new(sets)?;
    let compiled = |sets: &[Override]| compile(scenario, seed, sets).map(|found| found.plans);
    let mut all_a = compiled(&split.a).map_err(&show)?;
    if sets.is_empty() {
        if let [a, b] = &all_a[..] {
            return Ok(Sides::new(a.clone(), b.clone()));
        }
        return Err(format!(
            "the scenario has {} cells: say what differs, with --set KEY=VALUE once or twice",
            all_a.len()
        ));
    }
    let all_b = compiled(&split.b).map_err(&show)?;
    let [b] = &all_b[..] else {
        return Err(open(scenario, &split.b));
    };
    if !split.twice {
        // The cells that differ from the second side in what is set, and in nothing else.
        let set = |key: &str| split.b.iter().any(|set| set.key == key);
        all_a.retain(|a| {
            let same = |key: &String, value: &String| b.cell.get(key) == Some(value);
            let rest = a
                .cell
                .iter()
                .all(|(key, value)| set(key) || same(key, value));
            rest && a.cell != b.cell
        });
    }
    match &all_a[..] {
        [a] => Ok(Sides::new(a.clone(), b.clone())),
        [] => Err("both sides are the same".to_owned()),
        _ if split.twice => Err(open(scenario, &split.a)),
        _ => Err(format!(
            "the scenario has {} other values for that: give both sides, with --set twice",
            all_a.len()
        )),
    }
}

/// What is left open by what is set.
fn open(scenario: &Scenario, sets: &[Override]) -> String {
    let axes = scenario.matrix.iter();
    let open = axes.filter(|axis| sets.iter().all(|set| set.key != axis.key));
    let open: Vec<String> = open
        .map(|axis| format!("{} ({})", axis.key, axis.values.join(", ")))
        .collect();
    format!(
        "the scenario has several cells: set {} too",
        open.join(" and ")
    )
}

/// Two sides of a plan; the other plan, if one is given, is the second one.
///
/// # Errors
/// What is set goes nowhere, or both sides are the same.
pub fn of_plan(plan: &Plan, other: Option<&Plan>, sets: &[Override]) -> Result<Sides, String> {
    let split = Split::new(sets)?;
    let sides = match other {
        // What is set once holds for both plans.
        Some(_) if split.twice => {
            return Err("with two plans, a setting is given once and holds for both".to_owned());
        }
        Some(other) => Sides::new(with(plan, &split.b)?, with(other, &split.b)?),
        None => Sides::new(with(plan, &split.a)?, with(plan, &split.b)?),
    };
    let mut same = sides.b.clone();
    same.cell.clone_from(&sides.a.cell);
    if same == sides.a {
        return Err("both sides are the same: say what differs, with --set KEY=VALUE".to_owned());
    }
    Ok(sides)
}

/// The plan with these settings.
fn with(plan: &Plan, sets: &[Override]) -> Result<Plan, String> {
    let mut plan = plan.clone();
    for Override { key, value } in sets {
        let wrong = |message: &str| format!("--set {key}={value}: {message}");
        let found = target(key, &plan).map_err(|nowhere| match nowhere.help {
            Some(help) => wrong(&format!("{}; {help}", nowhere.message)),
            None => wrong(&nowhere.message),
        })?;
        found.check(value).map_err(|message| wrong(&message))?;
        match &found {
            Target::Release => {
                plan.rules = Rules::kafka(value).map_err(|error| wrong(&error.to_string()))?;
                plan.release.clone_from(value);
            }
            Target::Rule(switch) => {
                let set = plan.rules.set(switch, value);
                set.map_err(|error| wrong(&error.to_string()))?;
            }
            Target::Places { .. } | Target::Ensemble(_) => found.apply(&mut plan, value),
        }
        plan.cell.insert(key.clone(), value.clone());
    }
    Ok(plan)
}
