//! Whatever a plan says, it runs or is refused with a sentence: never a panic, never a simulator that
//! fails.

#![expect(clippy::unwrap_used, reason = "a test")]

mod common;

use ktrial_core::{Random, TopicPartition};
use ktrial_sim::history::What;
use ktrial_sim::plan::{
    Action, ClockFault, Condition, DiskCall, DiskFault, Latency, LinkFault, Plan, Recovery, Step,
    StopKind, Target, When,
};
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

/// What the plan of the other tests has not: a timeline with roles and every fault, and a recovery.
fn with_faults(mut plan: Plan) -> Plan {
    let of = |role: &str| -> Target { format!("{role}(orders-0)").parse().unwrap() };
    let link = |from: Target, to: Target, one_way, fault| Action::Link {
        from: vec![from],
        to: vec![to],
        one_way,
        api: Vec::new(),
        fault,
    };
    let delay = LinkFault::Delay(Latency::Uniform {
        min_us: 1_000,
        max_us: 9_000,
    });
    let disk = |fault| Action::Disk {
        nodes: vec![of("leader")],
        directory: Some("data".to_owned()),
        fault,
    };
    let lose = LinkFault::Lose {
        per_mille: 100,
        reset: true,
    };
    let faults = [
        link(of("leader"), Target::Rest, false, LinkFault::Cut),
        link(Target::Rest, Target::Controller, true, delay),
        link(common::b(1).into(), common::b(2).into(), true, lose),
        Action::Pause {
            nodes: vec![of("followers")],
        },
        disk(DiskFault::Slow { times: 10 }),
        disk(DiskFault::Stall),
        disk(DiskFault::Fail {
            calls: vec![DiskCall::Write],
        }),
        Action::Clock {
            nodes: vec![of("out-of-isr")],
            fault: ClockFault {
                jump_ms: -5_000,
                drift_ppm: 100,
            },
        },
    ];
    for (nth, fault) in (1..).zip(faults) {
        plan.timeline.push(Step {
            for_ms: Some(2_000),
            ..common::after(4_000 * nth, fault)
        });
    }
    plan.timeline.push(Step {
        when: When::Until {
            condition: Condition::IsrAtMost {
                partition: TopicPartition::new("orders", 0),
                members: 1,
            },
            within_ms: 90_000,
        },
        action: Some(Action::Stop {
            nodes: vec![of("last-in-isr")],
            how: StopKind::Kill,
        }),
        for_ms: Some(3_000),
        may_miss: true,
    });
    plan.recovery = Some(Recovery {
        nodes: vec![common::b(1), common::b(2), common::b(3)],
    });
    plan
}

fn pick<'a, T>(random: &mut Random, items: &'a [T]) -> &'a T {
    let index = random.below(items.len() as u64);
    &items[usize::try_from(index).unwrap()]
}

/// Names, roles and kinds, to stand where another one stood.
const WORDS: [&str; 16] = [
    "",
    "b9",
    "k0",
    "app",
    "x",
    "c3000",
    "rest",
    "controller",
    "leader(orders-0)",
    "followers(orders-9)",
    "out-of-isr(orders-0)",
    "cut",
    "stall",
    "full",
    "kill",
    "heal",
];

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
            *text = pick(random, &WORDS).to_string();
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
        if seed % 2 == 0 {
            plan = with_faults(plan);
        }
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

/// A text that is no plan is refused by the reader, whatever it is.
#[test]
fn noise_is_no_plan() {
    let text = serde_json::to_string(&with_faults(common::plan(1))).unwrap();
    let mut random = Random::stream(1, "noise");
    let mut taken = 0;
    for _ in 0..2_000 {
        let mut bytes = text.clone().into_bytes();
        for _ in 0..=random.below(3) {
            let at = usize::try_from(random.below(bytes.len() as u64)).unwrap();
            match random.below(3) {
                0 => bytes[at] = u8::try_from(random.below(256)).unwrap(),
                1 => {
                    bytes.remove(at);
                }
                _ => bytes.truncate(at + 1),
            }
        }
        let Ok(plan) = serde_json::from_slice::<Plan>(&bytes) else {
            continue;
        };
        taken += 1;
        match trial::check(&plan) {
            Ok(()) => {}
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
    assert!(taken > 20, "only {taken} were plans: nothing was looked at");
}
