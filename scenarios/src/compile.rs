//! Scenario + seed + settings → one plan per cell of the matrix.
//!
//! What is set wins in this order: `--set`, the cell of the matrix, the file, the defaults of
//! `kafka.release`, Kafka's newest defaults.

use crate::diagnostic::{Diagnostic, Problems, Span};
use crate::draw::draw;
use crate::file::{Axis, Scenario};
use crate::setting::{Kind, Nowhere, Target, target};
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

/// A setting with its place in the plan.
type Chosen<'a> = (&'a str, &'a Target, &'a str);

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
    let mut mistakes = Vec::new();
    for cell in cells(&scenario.matrix, &overrides) {
        match plan(scenario, seed, &cell) {
            Ok(plan) => plans.push(plan),
            Err(found) => mistakes.extend(found),
        }
    }
    if mistakes.is_empty() {
        Ok(Compiled { plans, overridden })
    } else {
        Err(problems(mistakes))
    }
}

/// Finds out where each setting of the command line goes.
fn targets(
    scenario: &Scenario,
    overrides: &[Override],
) -> Result<Vec<(String, Target, String)>, Vec<Diagnostic>> {
    let mut found: Vec<(String, Target, String)> = Vec::new();
    let mut problems = Vec::new();
    for Override { key, value } in overrides {
        if found.iter().any(|(other, _, _)| other == key) {
            problems.push(Diagnostic::nowhere(format!("--set {key} is given twice")));
            continue;
        }
        match target(key, &scenario.base) {
            Err(Nowhere { message, help }) => {
                let message = format!("--set {key}={value}: {message}");
                problems.push(Diagnostic::nowhere(message).with_help(help));
            }
            Ok(target) => match target.check(value) {
                Err(message) => {
                    problems.push(Diagnostic::nowhere(format!(
                        "--set {key}={value}: {message}"
                    )));
                }
                Ok(()) => found.push((key.clone(), target, value.clone())),
            },
        }
    }
    if problems.is_empty() {
        Ok(found)
    } else {
        Err(problems)
    }
}

/// Every combination of the matrix, with the settings of the command line in place of an axis or
/// behind all of them.
fn cells<'a>(
    matrix: &'a [Axis],
    overrides: &'a [(String, Target, String)],
) -> Vec<Vec<Chosen<'a>>> {
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
                    longer.push((axis.key.as_str(), &axis.target, *value));
                    longer
                })
            })
            .collect();
    }
    let free = overrides
        .iter()
        .filter(|(key, _, _)| matrix.iter().all(|axis| axis.key != *key));
    let free: Vec<Chosen<'a>> = free
        .map(|(key, target, value)| (key.as_str(), target, value.as_str()))
        .collect();
    for cell in &mut cells {
        cell.extend(free.iter().copied());
    }
    cells
}

fn plan(scenario: &Scenario, seed: u64, cell: &[Chosen<'_>]) -> Result<Plan, Vec<Diagnostic>> {
    let mut plan = scenario.base.clone();
    plan.seed = seed;
    plan.cell = cell
        .iter()
        .map(|(key, _, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    rules(scenario, cell, &mut plan)
        .map_err(|error| vec![Diagnostic::nowhere(error.to_string())])?;
    for (_, target, value) in cell {
        target.apply(&mut plan, value);
    }
    let release = scenario.defaults.as_ref().unwrap_or(&plan.release);
    let defaults = Rules::default_settings(release).unwrap_or_default();
    for (key, value) in defaults {
        if let Ok(target) = target(key, &plan) {
            target.fill(&mut plan, value);
        }
    }
    draw(&scenario.draws, &mut plan).map_err(|mistake| vec![mistake])?;
    let mistakes = conflicts(&plan, &scenario.places);
    if mistakes.is_empty() {
        Ok(plan)
    } else {
        Err(mistakes)
    }
}

fn rules(scenario: &Scenario, cell: &[Chosen<'_>], plan: &mut Plan) -> Result<(), RuleError> {
    for (_, target, value) in cell {
        if **target == Target::Release {
            plan.release = (*value).to_owned();
        }
    }
    plan.rules = Rules::kafka(&plan.release)?;
    for (switch, value) in &scenario.rules {
        plan.rules.set(switch, value)?;
    }
    for (_, target, value) in cell {
        if let Target::Rule(switch) = target {
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
    }
}
