//! Whatever a plan says, it runs or is refused with a sentence: never a panic, never a simulator that
//! fails.

#![expect(clippy::unwrap_used, reason = "a test")]

mod common;

use ktrial_core::Random;
use ktrial_sim::history::What;
use ktrial_sim::plan::Plan;
use ktrial_sim::trial::{self, TrialError};
use serde_json::{Value, json};

/// The places of a plan that a mutation can change: pointers to all its values.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    if !at.is_empty() {
        found.push(at.to_owned());
    }
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                places(item, &format!("{at}/{index}"), found);
            }
        }
        Value::Object(entries) => {
            for (key, item) in entries {
                let key = key.replace('~', "~0").replace('/', "~1");
                places(item, &format!("{at}/{key}"), found);
            }
        }
        _ => {}
    }
}

fn pick<'a, T>(random: &mut Random, items: &'a [T]) -> &'a T {
    let index = random.below(items.len() as u64);
    &items[usize::try_from(index).unwrap()]
}

fn mutate(plan: &mut Value, random: &mut Random) {
    let mut all = Vec::new();
    places(plan, "", &mut all);
    let other = plan.pointer(pick::<String>(random, &all)).unwrap().clone();
    let place = pick(random, &all).clone();
    let lists: Vec<&String> = all
        .iter()
        .filter(|p| plan.pointer(p).is_some_and(Value::is_array))
        .collect();
    let list = (*pick(random, &lists)).clone();
    let chosen = plan.pointer_mut(&place).unwrap();
    match (random.below(4), chosen) {
        (0, value) => *value = other,
        (1, Value::Number(number)) => {
            let numbers = [
                json!(0),
                json!(1),
                json!(-1),
                json!(7),
                json!(u64::MAX),
                json!(i64::MIN),
            ];
            let next = pick(random, &numbers).as_number().unwrap().clone();
            *number = next;
        }
        (1 | 2, Value::String(text)) => {
            *text = pick(random, &["", "b9", "k0", "app", "x"]).to_string();
        }
        _ => {
            let list = plan.pointer_mut(&list).unwrap().as_array_mut().unwrap();
            if list.is_empty() {
                return;
            }
            let (from, to) = (
                random.below(list.len() as u64),
                random.below(list.len() as u64),
            );
            let (from, to) = (usize::try_from(from).unwrap(), usize::try_from(to).unwrap());
            match random.below(3) {
                0 => {
                    list.remove(from);
                }
                1 => list.swap(from, to),
                _ => list.insert(to, list[from].clone()),
            }
        }
    }
}

#[test]
fn any_plan_runs_or_is_refused() {
    let (mut ran, mut refused, mut unread) = (0, 0, 0);
    for seed in 0..800 {
        let mut random = Random::stream(seed, "mutations");
        let mut plan = common::plan(seed);
        plan.time_limit_ms = 120_000;
        let mut value = serde_json::to_value(&plan).unwrap();
        for _ in 0..=random.below(2) {
            mutate(&mut value, &mut random);
        }
        let Ok(plan) = serde_json::from_value::<Plan>(value.clone()) else {
            unread += 1;
            continue;
        };
        match trial::run(&plan) {
            Ok(record) => {
                let fell = record
                    .entries
                    .iter()
                    .find(|entry| matches!(entry.what, What::Panicked { .. }));
                assert!(fell.is_none(), "seed {seed}: {fell:?}\n{value}");
                ran += 1;
            }
            Err(TrialError::InvalidPlan(why)) => {
                assert!(!why.is_empty());
                refused += 1;
            }
            Err(error) => panic!("seed {seed}: {error}\n{value}"),
        }
    }
    assert!(
        ran > 80 && refused > 40,
        "{ran} ran, {refused} refused, {unread} unread"
    );
}
