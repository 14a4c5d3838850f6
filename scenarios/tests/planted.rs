//! Planted bugs (`core/src/planted.rs`): each is at the place of its rule, can be set from outside, and
//! is off by default.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

use ktrial::compile::{Override, compile};
use ktrial::file::parse;
use ktrial::library::LIBRARY;
use ktrial_core::planted::Bug;
use ktrial_sim::plan::{Action, Plan, Step};
use ktrial_sim::verdict::Class;
use ktrial_sim::{check, trial};
use std::fs;
use std::path::Path;

/// The code of a folder without tests, comments and the list of bugs itself.
fn code(folder: &Path, found: &mut String) {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(Result::unwrap).collect();
    entries.sort_by_key(fs::DirEntry::path);
    for entry in entries {
        let name = entry.file_name().into_string().unwrap();
        let is_test = name == "tests" || name == "tests.rs" || name.ends_with("_tests.rs");
        if is_test || name == "planted.rs" {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            code(&entry.path(), found);
            continue;
        }
        let text = fs::read_to_string(entry.path()).unwrap();
        let lines = text.lines().take_while(|line| *line != "mod tests {");
        for line in lines {
            found.push_str(line.split("//").next().unwrap());
            found.push('\n');
        }
    }
}

/// The one plan of a scenario of the library that this cell has.
fn plans(name: &str, set: &[(&str, &str)]) -> Result<Vec<Plan>, String> {
    let entry = LIBRARY.iter().find(|entry| entry.name == name).unwrap();
    let scenario = parse(entry.name, entry.path, entry.text);
    let scenario = scenario.unwrap_or_else(|problems| panic!("{problems}"));
    let set = set.iter().map(|(key, value)| Override {
        key: (*key).to_owned(),
        value: (*value).to_owned(),
    });
    let set: Vec<Override> = set.collect();
    let compiled = compile(&scenario, 1, &set);
    compiled
        .map(|compiled| compiled.plans)
        .map_err(|problems| problems.to_string())
}

#[test]
fn each_bug_is_at_one_place() {
    let mut found = String::new();
    let core = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/src");
    code(&core, &mut found);
    let words: Vec<&str> = found
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == ':'))
        .collect();
    for bug in Bug::ALL {
        let variant = format!("Bug::{bug:?}");
        let places = words.iter().filter(|word| **word == variant).count();
        assert_eq!(places, 1, "{variant}");
    }
}

#[test]
fn there_are_enough_of_them() {
    assert!(Bug::ALL.len() >= 36, "{}", Bug::ALL.len());
}

#[test]
fn a_bug_is_set_like_any_rule_and_the_plan_carries_it() {
    for bug in Bug::ALL {
        for plan in plans("all-brokers-down", &[("rules.planted", bug.name())]).unwrap() {
            assert_eq!(plan.rules.planted, Some(*bug));
            let json = serde_json::to_string(&plan).unwrap();
            assert_eq!(serde_json::from_str::<Plan>(&json).unwrap(), plan);
        }
    }
    for plan in plans("all-brokers-down", &[]).unwrap() {
        assert_eq!(plan.rules.planted, None);
    }
    let slip = plans("all-brokers-down", &[("rules.plantd", "canary")]).unwrap_err();
    assert!(slip.contains("did you mean `planted`?"), "{slip}");
    let slip = plans("all-brokers-down", &[("rules.planted", "canari")]).unwrap_err();
    assert!(slip.contains("did you mean `canary`?"), "{slip}");
}

#[test]
fn the_canary_is_found_wherever_a_record_is_sent() {
    for entry in LIBRARY {
        for mut plan in plans(entry.name, &[]).unwrap() {
            plan.rules.planted = Some(Bug::Canary);
            if !plan.all_steps().any(sends) {
                continue;
            }
            let verdict = check::judge(&plan, &trial::run(&plan).unwrap());
            assert_eq!(verdict.verdict, Class::Broken, "{}", entry.name);
        }
    }
}

fn sends(step: &Step) -> bool {
    matches!(step.action, Some(Action::Send { .. }))
}

/// A planted bug breaks a rule, not the machine: its trial ends, without a panic.
#[test]
fn trials_with_a_bug_end() {
    for bug in Bug::ALL {
        for mut plan in plans("all-brokers-down", &[]).unwrap() {
            plan.rules.planted = Some(*bug);
            let verdict = check::judge(&plan, &trial::run(&plan).unwrap());
            let panics = |check: &str| matches!(check, "machine_panicked" | "start_failed");
            let panicked = verdict.findings.iter().find(|found| panics(&found.check));
            assert_eq!(panicked, None, "{bug}");
        }
    }
}
