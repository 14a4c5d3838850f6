//! Two trials that differ in one thing: what is told first is that thing's doing.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

use ktrial::compare::{Comparison, Sides, compare, of_plan, of_scenario, tally};
use ktrial::compile::Override;
use ktrial::diagnostic::Problems;
use ktrial::file::{Scenario, parse};
use ktrial::library;
use ktrial_core::Event;
use ktrial_core::event::ElectionRule;
use ktrial_reports::Cell;
use ktrial_sim::history::What;
use ktrial_sim::plan::Plan;
use ktrial_sim::{check, trial};

const UNCLEAN: &str = "unclean.leader.election.enable";

fn scenario(name: &str) -> Scenario {
    let entry = library::find(name).unwrap();
    parse(entry.name, entry.path, entry.text).unwrap()
}

fn sets(pairs: &[(&str, &str)]) -> Vec<Override> {
    let pairs = pairs.iter().map(|(key, value)| Override {
        key: (*key).to_owned(),
        value: (*value).to_owned(),
    });
    pairs.collect()
}

fn sides(name: &str, pairs: &[(&str, &str)]) -> Result<Sides, String> {
    let show = |problems: Problems| problems.render(false);
    of_scenario(&scenario(name), 1, &sets(pairs), show)
}

fn cell(plan: &Plan) -> Cell {
    let record = trial::run(plan).unwrap();
    let verdict = check::judge(plan, &record);
    Cell {
        plan: plan.clone(),
        record,
        verdict,
        unmet: Vec::new(),
    }
}

fn tried(sides: &Sides) -> (Cell, Cell, Comparison) {
    let (a, b) = (cell(&sides.a), cell(&sides.b));
    let comparison = compare(&a, &b);
    (a, b, comparison)
}

#[test]
fn an_unclean_election_is_the_first_difference() {
    let sides = sides("all-brokers-down", &[(UNCLEAN, "false"), (UNCLEAN, "true")]).unwrap();
    let (a, b, comparison) = tried(&sides);
    let rule = |cell: &Cell, place: Option<usize>| match &cell.record.entries[place.unwrap()].what {
        What::Event(Event::Elected { rule, .. }) => *rule,
        other => panic!("{other:?}"),
    };
    let (first, cluster) = (comparison.first.unwrap(), comparison.cluster.unwrap());
    assert_eq!(rule(&a, first.a), ElectionRule::Nobody);
    assert_eq!(rule(&b, first.b), ElectionRule::Unclean);
    assert_eq!(
        (cluster.parting, &*cluster.partition.to_string()),
        (first, "orders-0")
    );
    let ends = comparison.ends.iter();
    let ends: Vec<String> = ends
        .map(|end| format!("{}: {} | {}", end.what, end.a, end.b))
        .collect();
    insta::assert_snapshot!("ends", ends.join("\n"));
}

/// A near miss: nothing that matters differs, though every later entry comes at another time.
#[test]
fn other_times_are_no_difference_of_the_cluster() {
    let sides = sides(
        "all-brokers-down",
        &[(UNCLEAN, "false"), ("linger.ms", "0"), ("linger.ms", "50")],
    )
    .unwrap();
    let (_, _, comparison) = tried(&sides);
    assert!(comparison.first.is_some());
    assert_eq!(comparison.cluster, None);
    let what: Vec<&str> = comparison.ends.iter().map(|end| &*end.what).collect();
    assert!(
        !what.contains(&"verdict") && !what.contains(&"lost"),
        "{what:?}"
    );
}

#[test]
fn a_trial_does_not_differ_from_itself() {
    let sides = sides("all-brokers-down", &[]).unwrap();
    let a = cell(&sides.a);
    let comparison = compare(&a, &a);
    assert_eq!((comparison.first, comparison.cluster), (None, None));
    assert!(comparison.ends.is_empty());
}

#[test]
fn a_key_makes_the_sides_if_it_is_given_twice() {
    let name = "all-brokers-down";
    let once = sides(name, &[(UNCLEAN, "true")]).unwrap();
    let label = |value: &str| format!("{UNCLEAN}={value}");
    assert_eq!(
        (once.label_a, once.label_b),
        (label("false"), label("true"))
    );
    let both = sides(
        name,
        &[("acks", "1"), (UNCLEAN, "true"), (UNCLEAN, "false")],
    )
    .unwrap();
    assert_eq!(
        (both.label_a, both.label_b),
        (label("true"), label("false"))
    );
    let acks = |plan: &Plan| plan.producers[0].config["acks"].clone();
    assert_eq!(
        (acks(&both.a), acks(&both.b)),
        ("1".to_owned(), "1".to_owned())
    );
    for (pairs, part) in [
        (
            &[("acks", "1"), ("acks", "0"), ("acks", "all")][..],
            "more than twice",
        ),
        (
            &[("acks", "1"), ("acks", "all")],
            "set unclean.leader.election.enable (false, true) too",
        ),
        (&[("akcs", "1"), ("akcs", "all")], "did you mean `acks`?"),
    ] {
        let error = sides(name, pairs).unwrap_err();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn a_plan_is_compared_with_itself_otherwise_set() {
    let plan = sides("all-brokers-down", &[]).unwrap().a;
    let flipped = of_plan(&plan, None, &sets(&[("rules.elr", "false")])).unwrap();
    assert!(flipped.a.rules.elr && !flipped.b.rules.elr);
    assert_eq!(flipped.label_b, "rules.elr=false");
    let old = of_plan(&plan, None, &sets(&[("kafka.release", "2.0")])).unwrap();
    assert_eq!(old.b.rules, ktrial_core::Rules::kafka("2.0").unwrap());
    let mut other = plan.clone();
    other.settle_ms += 1;
    assert!(of_plan(&plan, Some(&other), &[]).is_ok());
    for (other, pairs, part) in [
        (None, &[][..], "both sides are the same"),
        (Some(&plan), &[], "both sides are the same"),
        (None, &[("rules.erl", "false")], "did you mean `elr`?"),
        (
            Some(&other),
            &[("acks", "1"), ("acks", "0")],
            "holds for both",
        ),
    ] {
        let error = of_plan(&plan, other, &sets(pairs)).unwrap_err();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn many_pairs_are_counted() {
    let sides = sides("all-brokers-down", &[]).unwrap();
    let seeded = |plan: &Plan, seed| {
        cell(&Plan {
            seed,
            ..plan.clone()
        })
        .verdict
    };
    let pairs: Vec<_> = (5..8)
        .map(|seed| (seed, seeded(&sides.a, seed), seeded(&sides.b, seed)))
        .collect();
    let tally = tally(pairs.iter().map(|(seed, a, b)| (*seed, a, b)));
    assert_eq!((tally.pairs, tally.verdicts.len()), (3, 1));
    assert_eq!(
        (tally.verdicts[0].count, tally.verdicts[0].first_seed),
        (3, 5)
    );
    let lost = tally
        .figures
        .iter()
        .find(|figure| figure.what == "lost")
        .unwrap();
    assert_eq!(
        (lost.a, lost.b, lost.difference, lost.differs),
        (0.0, 2.0, 2.0, 3)
    );
}
