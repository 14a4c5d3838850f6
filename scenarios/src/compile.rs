//! Scenario + seed + settings → one plan per cell of the matrix.
//!
//! What is set wins in this order: `--set`, the cell of the matrix, the file, the defaults of
//! `kafka.release`, Kafka's newest defaults.

use crate::diagnostic::{Diagnostic, Problems, Span};
use crate::draw::draw;
use crate::file::{Axis, Scenario, Version, in_which};
use crate::setting::{Kind, Nowhere, Target, target};
use crate::suggest;
use ktrial_core::Rules;
use ktrial_core::config::{ConfigError, Settings};
use ktrial_core::message::NewTopic;
use ktrial_core::rules::RuleError;
use ktrial_sim::plan::Plan;
use std::collections::{BTreeMap, BTreeSet};

/// A setting of the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// The key as given.
    pub key: String,
    /// The value as given.
    pub value: String,
}

/// A scenario's plans.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// One per cell, in the order of the matrix: its last setting changes fastest.
    pub plans: Vec<Plan>,
    /// Settings of the command line that are not in the file's matrix, or with another value.
    pub overridden: BTreeSet<String>,
}

/// A setting or a variable, where it goes (`None` = a variable), and its value.
type Chosen<'a> = (&'a str, Option<&'a Target>, &'a str);
/// The same from the command line.
type Given = (String, Option<Target>, String);

/// Makes the plans.
///
/// # Errors
/// A setting of the command line that goes nowhere, or settings that exclude each other.
pub fn compile(
    scenario: &Scenario,
    seed: u64,
    overrides: &[Override],
) -> Result<Compiled, Problems> {
    let problems = |list| Problems::new(&scenario.file, &scenario.text, list);
    let overrides = targets(scenario, overrides).map_err(problems)?;
    let overridden = overrides
        .iter()
        .filter(|(key, _, value)| {
            let axis = scenario.matrix.iter().find(|axis| axis.key == *key);
            axis.is_none_or(|axis| !axis.values.contains(value))
        })
        .map(|(key, _, _)| key.clone())
        .collect();
    let mut plans = Vec::new();
    let mut found: BTreeMap<_, Vec<Diagnostic>> = BTreeMap::new();
    for cell in cells(&scenario.matrix, &overrides) {
        let named = |key: &str| cell.iter().find(|(other, _, _)| *other == key);
        let is_of = |version: &&Version| {
            let mut values = version.values.iter();
            values.all(|(key, value)| named(key).is_some_and(|(_, _, is)| is == value))
        };
        if let Some(version) = scenario.versions.iter().find(is_of) {
            let mistakes = found.entry(version.values.clone()).or_default();
            match plan(version, seed, &cell) {
                Ok(plan) => plans.push(plan),
                Err(more) => mistakes.extend(more),
            }
        }
    }
    let mistakes = in_which(&found);
    if mistakes.is_empty() {
        Ok(Compiled { plans, overridden })
    } else {
        Err(problems(mistakes))
    }
}

/// Finds out where each setting of the command line goes.
fn targets(scenario: &Scenario, overrides: &[Override]) -> Result<Vec<Given>, Vec<Diagnostic>> {
    let mut found: Vec<Given> = Vec::new();
    let mut problems = Vec::new();
    for Override { key, value } in overrides {
        if found.iter().any(|(other, _, _)| other == key) {
            problems.push(Diagnostic::nowhere(format!("--set {key} is given twice")));
            continue;
        }
        let given = if key.starts_with('$') {
            variable(scenario, key, value)
        } else {
            setting(scenario, key, value)
        };
        match given {
            Ok(given) => found.push(given),
            Err(Nowhere { message, help }) => {
                let message = format!("--set {key}={value}: {message}");
                problems.push(Diagnostic::nowhere(message).with_help(help));
            }
        }
    }
    if problems.is_empty() {
        Ok(found)
    } else {
        Err(problems)
    }
}

/// A setting has to go somewhere in every version of the file.
fn setting(scenario: &Scenario, key: &str, value: &str) -> Result<Given, Nowhere> {
    let mut goes = None;
    for version in &scenario.versions {
        let target = target(key, &version.base)?;
        target.check(value).map_err(|message| Nowhere {
            message,
            help: None,
        })?;
        goes = Some(target);
    }
    Ok((key.to_owned(), goes, value.to_owned()))
}

/// A variable has the values of the file and no others. Blanks do not matter.
fn variable(scenario: &Scenario, key: &str, value: &str) -> Result<Given, Nowhere> {
    let variables = scenario.matrix.iter().filter(|axis| axis.target.is_none());
    let names: Vec<&str> = variables.clone().map(|axis| axis.key.as_str()).collect();
    let Some(axis) = variables.into_iter().find(|axis| axis.key == key) else {
        return Err(Nowhere {
            message: "the scenario has no such variable".to_owned(),
            help: suggest::help(key, &names),
        });
    };
    let dense = |text: &str| text.split_whitespace().collect::<String>();
    let found = axis
        .values
        .iter()
        .find(|known| dense(known) == dense(value));
    found.map_or_else(
        || {
            Err(Nowhere {
                message: "the variable has no such value".to_owned(),
                help: Some(format!("[matrix] has {}", suggest::list(&axis.values))),
            })
        },
        |known| Ok((key.to_owned(), None, known.clone())),
    )
}

/// Every combination of the matrix, with the settings of the command line in place of an axis or
/// behind all of them.
fn cells<'a>(matrix: &'a [Axis], overrides: &'a [Given]) -> Vec<Vec<Chosen<'a>>> {
    let mut cells: Vec<Vec<Chosen<'a>>> = vec![Vec::new()];
    for axis in matrix {
        let fixed = overrides.iter().find(|(key, _, _)| *key == axis.key);
        let values: Vec<&str> = match fixed {
            Some((_, _, value)) => vec![value],
            None => axis.values.iter().map(String::as_str).collect(),
        };
        cells = cells
            .into_iter()
            .flat_map(|cell| {
                values.iter().map(move |value| {
                    let mut longer = cell.clone();
                    longer.push((axis.key.as_str(), axis.target.as_ref(), *value));
                    longer
                })
            })
            .collect();
    }
    let free = overrides
        .iter()
        .filter(|(key, _, _)| matrix.iter().all(|axis| axis.key != *key));
    let free: Vec<Chosen<'a>> = free
        .map(|(key, target, value)| (key.as_str(), target.as_ref(), value.as_str()))
        .collect();
    for cell in &mut cells {
        cell.extend(free.iter().copied());
    }
    cells
}

fn plan(version: &Version, seed: u64, cell: &[Chosen<'_>]) -> Result<Plan, Vec<Diagnostic>> {
    let mut plan = version.base.clone();
    plan.seed = seed;
    plan.cell = cell
        .iter()
        .map(|(key, _, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    rules(version, cell, &mut plan)
        .map_err(|error| vec![Diagnostic::nowhere(error.to_string())])?;
    for (_, target, value) in cell {
        if let Some(target) = target {
            target.apply(&mut plan, value);
        }
    }
    let release = version.defaults.clone();
    let release = release.unwrap_or_else(|| plan.release.clone());
    fill_defaults(&mut plan, &release);
    draw(&version.draws, &mut plan).map_err(|mistake| vec![mistake])?;
    let mistakes = conflicts(&plan, &version.places);
    if mistakes.is_empty() {
        Ok(plan)
    } else {
        Err(mistakes)
    }
}

/// What the plan does not say is as a release has it by default.
pub(crate) fn fill_defaults(plan: &mut Plan, release: &str) {
    for (key, value) in Rules::default_settings(release).unwrap_or_default() {
        if key == ZOOKEEPER_SESSION && !has_own_session(plan) {
            continue;
        }
        if let Ok(target) = target(key, plan) {
            target.fill(plan, value);
        }
    }
}

const ZOOKEEPER_SESSION: &str = "zookeeper.session.timeout.ms";

/// Whether brokers have sessions with ZooKeeper, and the plan does not say how long one is without word.
fn has_own_session(plan: &Plan) -> bool {
    let mut controllers = plan.controllers.iter();
    let told = controllers.any(|one| one.config.contains_key("broker.session.timeout.ms"));
    plan.zookeeper.is_some() && !told
}

fn rules(version: &Version, cell: &[Chosen<'_>], plan: &mut Plan) -> Result<(), RuleError> {
    for (_, target, value) in cell {
        if *target == Some(&Target::Release) {
            plan.release = (*value).to_owned();
        }
    }
    plan.rules = Rules::kafka(&plan.release)?;
    for (switch, value) in &version.rules {
        plan.rules.set(switch, value)?;
    }
    for (_, target, value) in cell {
        if let Some(Target::Rule(switch)) = target {
            plan.rules.set(switch, value)?;
        }
    }
    Ok(())
}

/// Settings that exclude each other, once per owner.
fn conflicts(plan: &Plan, places: &BTreeMap<String, Span>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut check = |kind: Kind, owner: String, settings: &Settings| {
        if let Err(error) = kind.check_all(settings) {
            found.push(conflict(&owner, &error, settings, places));
        }
    };
    for broker in &plan.brokers {
        check(
            Kind::Broker,
            format!("broker {}", broker.id),
            &broker.config,
        );
    }
    for controller in &plan.controllers {
        let owner = format!("controller {}", controller.id);
        check(Kind::Controller, owner, &controller.config);
    }
    check(Kind::Topic, "every topic".to_owned(), &plan.topic_defaults);
    // A topic without settings of its own has those of every topic.
    let own = |topic: &&NewTopic| !topic.configs.is_empty();
    for topic in plan.topics.iter().filter(own) {
        let mut settings = plan.topic_defaults.clone();
        settings.extend(topic.configs.clone());
        check(Kind::Topic, format!("topic {}", topic.topic), &settings);
    }
    for producer in &plan.producers {
        let owner = format!("producer {}", producer.name);
        check(Kind::Producer, owner, &producer.config);
    }
    for consumer in &plan.consumers {
        let owner = format!("consumer {}", consumer.name);
        check(Kind::Consumer, owner, &consumer.config);
    }
    // The same conflict of every broker is one mistake.
    found.sort_by_key(|mistake: &Diagnostic| mistake.span);
    found.dedup_by(|a, b| a.span.is_some() && a.span == b.span);
    found
}

/// Points to a setting that the error names, if the file sets it.
fn conflict(
    owner: &str,
    error: &ConfigError,
    settings: &Settings,
    places: &BTreeMap<String, Span>,
) -> Diagnostic {
    let text = error.to_string();
    let span = settings
        .keys()
        .filter(|key| text.contains(&format!("`{key}`")))
        .find_map(|key| places.get(key).copied());
    Diagnostic {
        span,
        message: format!("settings of {owner}: {text}"),
        help: None,
        note: None,
    }
}
