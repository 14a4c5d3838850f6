//! What a trial costs, held against the goals of the design. Run with
//! `cargo bench -p ktrial --bench speed`. Machines are noisy: compare runs side by side, not days apart.

#![expect(clippy::print_stdout, reason = "a benchmark, for people to read")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a benchmark stops where it fails"
)]

use ktrial::compile::compile;
use ktrial::file::parse;
use ktrial::library;
use ktrial_sim::history::{Record, What};
use ktrial_sim::plan::{Action, Condition, Plan, Step, When};
use ktrial_sim::{check, trial};
use std::time::{Duration, Instant};

fn plans(name: &str, text: &str) -> Vec<Plan> {
    let scenario = parse(name, name, text).unwrap_or_else(|problems| panic!("{problems}"));
    compile(&scenario, 1, &[]).unwrap().plans
}

/// The best of several runs: what the code costs when nobody else is at work.
fn best<T>(runs: usize, mut run: impl FnMut() -> T) -> (Duration, T) {
    let mut best: Option<(Duration, T)> = None;
    for _ in 0..runs {
        let start = Instant::now();
        let result = run();
        let took = start.elapsed();
        if best.as_ref().is_none_or(|(least, _)| took < *least) {
            best = Some((took, result));
        }
    }
    best.unwrap()
}

/// A line of `/proc/self/status` in KiB.
fn memory(line: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let found = status.lines().find_map(|text| {
        text.strip_prefix(line)?
            .split_whitespace()
            .next()?
            .parse()
            .ok()
    });
    found.unwrap_or(0)
}

/// The processor time of this process so far, its ended threads included. Starting a large cluster takes
/// far longer than what it then does, and wall time is too noisy for the difference of the two.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = stat.rsplit_once(')').unwrap().1;
    let ticks = |field: usize| -> u64 {
        let fields = after_name.split_whitespace();
        fields.into_iter().nth(field).unwrap().parse().unwrap()
    };
    // Fields 14 and 15 of proc(5), user and system time, in hundredths of a second.
    Duration::from_millis((ticks(11) + ticks(12)) * 10)
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// The flagship, both cells: trial and judgement.
fn flagship() {
    let entry = library::find("all-brokers-down").unwrap();
    let plans = plans(entry.name, entry.text);
    for plan in &plans {
        let judge = |record: &Record| check::judge(plan, record);
        let (trial_time, record) = best(200, || trial::run(plan).unwrap());
        let (judge_time, verdict) = best(200, || judge(&record));
        println!(
            "all-brokers-down {:?}: {:.2} ms a trial, {:.2} ms its checks and digest, {} entries (goal: 5 ms in all)",
            plan.cell.values().collect::<Vec<_>>(),
            millis(trial_time),
            millis(judge_time),
            verdict.events,
        );
    }
    let before = memory("VmRSS:");
    for _ in 0..500 {
        for plan in &plans {
            let record = trial::run(plan).unwrap();
            check::judge(plan, &record);
        }
    }
    let after = memory("VmRSS:");
    println!(
        "memory after 400 and 1,400 trials: {before} and {after} KiB, peak {} KiB (goal: 20 MB)",
        memory("VmHWM:")
    );
}

const THROUGHPUT: &str = r#"
title = "throughput"
why = "a benchmark"
[cluster]
brokers = 3
[topics.t]
replicas = [[1, 2, 3]]
[producers.p]
batch.size = 12000
linger.ms = 5
buffer.memory = 1000000000
delivery.timeout.ms = 600000
[consumers.c]
assign = ["t-0"]
auto.offset.reset = "earliest"
[[step]]
send = { producer = "p", topic = "t", partition = 0, values = ["x"] }
"#;

/// Records of 100 bytes in batches of 100, acknowledged by three replicas and read by a consumer.
fn throughput(records: usize) {
    let mut plan = plans("throughput", THROUGHPUT).remove(0);
    plan.record_messages = false;
    let values: Vec<String> = (0..records)
        .map(|number| format!("{number:0100}"))
        .collect();
    let Some(Action::Send { values: sent, .. }) = plan.steps[0].action.as_mut() else {
        panic!("the plan's step sends");
    };
    let last = values.last().cloned().unwrap();
    *sent = values;
    let condition = Condition::Consumed {
        consumer: "c".to_owned(),
        values: vec![last],
    };
    let when = When::Until {
        condition,
        within_ms: 60_000,
    };
    plan.steps.push(Step {
        when,
        action: None,
        for_ms: None,
        may_miss: false,
    });
    let (took, record) = best(3, || trial::run(&plan).unwrap());
    let polled = record.entries.iter().filter_map(|entry| match &entry.what {
        What::Event(ktrial_core::Event::Polled { records }) => Some(records.len()),
        _ => None,
    });
    assert_eq!(
        polled.sum::<usize>(),
        records,
        "the consumer got every record"
    );
    println!(
        "produce and consume through 3 replicas, acks=all: {:.0} records/s (goal: 1,000,000)",
        records as f64 / took.as_secs_f64()
    );
}

const IDLE: &str = r#"
title = "idle"
why = "a benchmark"
time_limit = "20000s"
[cluster]
brokers = 3
[topics.t]
replicas = [[1, 2, 3]]
[[step]]
after = "10000s"
"#;

/// A cluster that does nothing but keep alive.
fn idle() {
    let mut plan = plans("idle", IDLE).remove(0);
    plan.record_messages = false;
    let (took, record) = best(3, || trial::run(&plan).unwrap());
    let simulated = record
        .entries
        .last()
        .map_or(0, |entry| entry.at.as_millis())
        / 1_000;
    println!(
        "idle, 3 brokers and 1 controller: {:.0} simulated seconds per second (goal: 10,000)",
        simulated as f64 / took.as_secs_f64()
    );
}

/// A cluster that only keeps alive, with partitions of three replicas spread over all brokers, and a producer
/// that writes to one of them now and then.
fn sized(brokers: usize, partitions: usize, seconds: u64) -> Plan {
    let text = format!(
        r#"
title = "scale"
why = "a benchmark"
time_limit = "20000s"
[cluster]
brokers = {brokers}
[topics.t]
partitions = {partitions}
replication.factor = 3
[producers.p]
[[workload]]
records = {}
every = "100ms"
partition = 0
[[step]]
after = "{seconds}s"
"#,
        seconds * 10
    );
    plans("scale", &text).remove(0)
}

/// What a steady cluster of some size costs per event (a message, or something that a machine tells).
/// Starting it and making its partitions is not counted: two trials of different lengths are held against
/// each other. An argument such as `3x1000` chooses one size.
fn scale() {
    const SHORT: u64 = 20;
    let all = [
        (3, 1),
        (3, 100),
        (3, 1_000),
        (3, 10_000),
        (10, 1_000),
        (30, 1),
        (30, 1_000),
        (30, 10_000),
    ];
    let one = |size: &(usize, usize)| {
        let wanted = format!("{}x{}", size.0, size.1);
        std::env::args().any(|arg| arg == wanted)
    };
    let some = all.iter().any(one);
    let mut least = f64::INFINITY;
    for (brokers, partitions) in all.into_iter().filter(|size| !some || one(size)) {
        let measure = |seconds| {
            let mut plan = sized(brokers, partitions, seconds);
            plan.record_messages = true;
            let events = trial::run(&plan).unwrap().entries.len();
            plan.record_messages = false;
            let took = (0..3).map(|_| {
                let before = processor_time();
                trial::run(&plan).unwrap();
                processor_time() - before
            });
            (events, took.min().unwrap())
        };
        let steady = 3_000 / brokers as u64;
        let (few, short) = measure(SHORT);
        let (many, long) = measure(SHORT + steady);
        let (events, took) = (many - few, long.saturating_sub(short));
        let each = took.as_secs_f64() * 1e6 / events as f64;
        least = least.min(each);
        println!(
            "{brokers} brokers, {partitions} partitions: {each:.2} us an event, {:.2} times the cheapest so far \
             (goal: 1.5); {events} events in {steady} s, {:.0} simulated seconds per second; {:.0} ms to start",
            each / least,
            steady as f64 / took.as_secs_f64(),
            millis(short) - millis(took) * SHORT as f64 / steady as f64,
        );
    }
}

const FAILOVER: &str = r#"
title = "failover"
why = "a benchmark"
[cluster]
controllers = 3
[topics.orders]
replicas = [[1, 2, 3]]
min.insync.replicas = 2
[producers.p1]
acks = "all"
[matrix]
"$how" = ["kill", "power_loss", "shutdown"]
"$who" = ["leader(orders-0)", "controller"]
[[step]]
send = { values = ["A"] }
[[step]]
until = { all = [{ acknowledged = { values = ["A"] } }, { in_sync = {} }, { quiet = "3s" }] }
"$how" = { node = "$who" }
[[step]]
until = { quiet = "30s" }
"#;

/// How long a partition or the cluster has no leader, in simulated time, by what has happened.
fn failover() {
    const SEEDS: u64 = 50;
    let mut waits: std::collections::BTreeMap<String, Vec<f64>> = Default::default();
    for seed in 0..SEEDS {
        let scenario = parse("failover", "failover", FAILOVER).unwrap();
        for mut plan in compile(&scenario, seed, &[]).unwrap().plans {
            plan.record_messages = false;
            let record = trial::run(&plan).unwrap();
            let struck = record.entries.iter().find_map(|entry| match &entry.what {
                What::Step {
                    action: Some(action),
                    ..
                } if action.is_fault() => Some(entry.at),
                _ => None,
            });
            let struck = struck.unwrap();
            let of_controller = plan.cell.values().any(|value| value.contains("controller"));
            let again = record.entries.iter().find_map(|entry| match &entry.what {
                What::Event(ktrial_core::Event::BecameLeader { .. }) if !of_controller => {
                    (entry.at > struck).then_some(entry.at)
                }
                What::Event(ktrial_core::Event::ControllerActivated { .. }) if of_controller => {
                    (entry.at > struck).then_some(entry.at)
                }
                _ => None,
            });
            let wait = again.unwrap().since(struck).as_secs_f64();
            let cell: Vec<&str> = plan.cell.values().map(String::as_str).collect();
            waits.entry(cell.join(" ")).or_default().push(wait);
        }
    }
    for (cell, mut waits) in waits {
        waits.sort_by(f64::total_cmp);
        let middle = waits[waits.len() / 2];
        let (least, most) = (waits[0], waits[waits.len() - 1]);
        println!(
            "{cell}: led again after {middle:.3} s (least {least:.3} s, most {most:.3} s, {SEEDS} seeds)"
        );
    }
}

/// Runs all, or those that the arguments name.
fn main() {
    let named: Vec<String> = std::env::args()
        .skip(1)
        .filter(|name| !name.starts_with('-') && !name.contains('x'))
        .collect();
    let wanted = |name: &str| named.is_empty() || named.iter().any(|one| one == name);
    let all: [(&str, &dyn Fn()); 5] = [
        ("flagship", &flagship),
        ("throughput", &|| throughput(100_000)),
        ("idle", &idle),
        ("scale", &scale),
        ("failover", &failover),
    ];
    for (name, benchmark) in all {
        if wanted(name) {
            benchmark();
        }
    }
}
