//! Failures in noise are found again in a few steps, always the same ones.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

mod noise;

use ktrial::compile::{Override, compile};
use ktrial::file::parse;
use ktrial::library;
use ktrial::shrink::{Goal, Options, Shrunk, shrink};
use ktrial_sim::plan::{Action, Plan, When};
use ktrial_sim::verdict::Verdict;
use ktrial_sim::{check, trial};
use noise::Noise;

fn verdict(plan: &Plan) -> Verdict {
    check::judge(plan, &trial::run(plan).unwrap())
}

fn shrunk(plan: &Plan, check: &str, jobs: usize) -> Shrunk {
    let goal = Goal::choose(&verdict(plan), Some(check)).unwrap();
    let options = Options {
        jobs,
        stop: &|| false,
    };
    let mut last = None;
    let shrunk = shrink(plan, &goal, &options, &mut |progress| {
        if let Some(last) = last {
            assert!(progress.measure <= last, "it grew in {}", progress.pass);
        }
        last = Some(progress.measure);
    });
    assert!(!shrunk.stopped);
    assert_eq!(last, Some(shrunk.after));
    let shown = verdict(&shrunk.plan);
    assert_eq!(shrunk.goal.shown_by(&shown), shrunk.finding.as_ref());
    assert!(shrunk.finding.is_some());
    assert_eq!(
        (&shrunk.goal.check, shrunk.goal.permitted),
        (&goal.check, goal.permitted)
    );
    shrunk
}

/// What is wrong in a plan.
type Change = fn(&mut Plan);

/// The noise under one changed rule, and what it leads to.
fn noise(seed: u64, change: impl FnOnce(&mut Plan)) -> Plan {
    let mut plan = Noise {
        seed,
        brokers: 5,
        faults: 14,
        sends: 60,
        ms: 40_000,
    }
    .plan();
    change(&mut plan);
    plan
}

fn old_truncation(plan: &mut Plan) {
    plan.rules.set("truncation", "hw").unwrap();
}

fn unclean(plan: &mut Plan) {
    let key = "unclean.leader.election.enable".to_owned();
    plan.topic_defaults.insert(key, "true".to_owned());
}

/// The first seed whose noise shows a finding.
fn first_with(check: &str, change: Change) -> Plan {
    let plans = (0..40).map(|seed| noise(seed, change));
    let mut plans = plans.filter(|plan| Goal::choose(&verdict(plan), Some(check)).is_some());
    plans.next().unwrap()
}

#[test]
fn failures_in_noise_end_small() {
    let table: [(&str, Change); 2] = [
        ("lost_write", old_truncation),
        ("leader_completeness", unclean),
    ];
    for (check, change) in table {
        let shrunk = shrunk(&first_with(check, change), check, 2);
        let (before, after) = (shrunk.before, shrunk.after);
        assert!(
            after.faults <= 3 && after.records <= 5 && after.brokers <= 3,
            "{check}: {after:?}"
        );
        assert!(
            after.clients <= 1 && after.settings <= 2,
            "{check}: {after:?}"
        );
        assert!(after < before);
    }
}

#[test]
fn the_result_does_not_depend_on_the_number_of_jobs() {
    let plan = first_with("lost_write", unclean);
    let [one, two] = [1, 2].map(|jobs| shrunk(&plan, "lost_write", jobs));
    assert_eq!(one.plan, two.plan);
    assert_eq!(one.finding, two.finding);
}

/// A script with conditions, where most candidates are plans that contradict themselves: a start of a
/// broker that was never killed, a wait for a value that nobody sends.
#[test]
fn a_script_stays_a_plan_that_can_be_run() {
    let entry = library::find("all-brokers-down").unwrap();
    let scenario = parse(entry.name, entry.path, entry.text).unwrap();
    let set = Override {
        key: "unclean.leader.election.enable".to_owned(),
        value: "true".to_owned(),
    };
    let plan = compile(&scenario, 1, &[set]).unwrap().plans.remove(0);
    let shrunk = shrunk(&plan, "lost_write", 2);
    assert!(shrunk.after.faults <= 2, "{:?}", shrunk.after);
    assert_eq!(shrunk.after.records, 1);
    assert_eq!(shrunk.after.brokers, 2);
    let waits = |when: &When| matches!(when, When::Until { .. });
    assert!(!shrunk.plan.all_steps().any(|step| waits(&step.when)));
    let named = shrunk
        .plan
        .all_steps()
        .filter_map(|step| step.action.as_ref());
    let starts = named.filter(|action| matches!(action, Action::Start { .. }));
    assert_eq!(
        starts.count(),
        0,
        "a fault that lasts for a time needs no start"
    );
}

#[test]
fn a_plan_that_does_not_fail_stays_as_it_is() {
    let plan = noise(1, |_| {});
    let goal = Goal {
        check: "lost_write".to_owned(),
        partition: None,
        permitted: false,
    };
    let options = Options {
        jobs: 1,
        stop: &|| false,
    };
    let shrunk = shrink(&plan, &goal, &options, &mut |_| {});
    assert_eq!((shrunk.finding, shrunk.plan), (None, plan));
}

#[test]
fn a_search_that_is_stopped_keeps_the_best_so_far() {
    let plan = first_with("lost_write", unclean);
    let goal = Goal::choose(&verdict(&plan), Some("lost_write")).unwrap();
    let asked = std::sync::atomic::AtomicU32::new(0);
    let options = Options {
        jobs: 1,
        stop: &|| asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) > 12,
    };
    let shrunk = shrink(&plan, &goal, &options, &mut |_| {});
    assert!(shrunk.stopped && shrunk.after < shrunk.before);
    assert!(shrunk.goal.shown_by(&verdict(&shrunk.plan)).is_some());
}

#[test]
fn the_same_finding_is_of_the_same_partition_and_as_permitted() {
    let plan = first_with("lost_write", unclean);
    let verdict = verdict(&plan);
    let goal = Goal::choose(&verdict, Some("lost_write")).unwrap();
    assert!(goal.partition.is_some() && goal.permitted);
    assert!(goal.shown_by(&verdict).is_some());
    let others = [
        Goal {
            permitted: false,
            ..goal.clone()
        },
        Goal {
            partition: None,
            ..goal.clone()
        },
        Goal {
            check: "isr_members".to_owned(),
            ..goal
        },
    ];
    for other in others {
        assert_eq!(other.shown_by(&verdict), None, "{other}");
    }
    // Nothing was broken, so no finding is chosen unless it is named.
    assert_eq!(Goal::choose(&verdict, None), None);
}
