//! What a trial costs: runs a plan many times, each time with another seed, and judges it. Run with
//! `cargo run --release -p ktrial-sim --example flagship -- plan.json 2000`.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "an example, for people to read"
)]

use ktrial_sim::plan::Plan;
use ktrial_sim::{check, trial};
use std::time::{Duration, Instant};

/// A number from this process's files in /proc: the field of a line, or of the only line.
fn proc(file: &str, line: &str, field: usize) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/self/{file}")).unwrap();
    let line = text.lines().find(|l| l.starts_with(line)).unwrap();
    let number = line.split_whitespace().nth(field).unwrap();
    number.parse().unwrap()
}

/// User time, in ticks of 10 ms.
fn user_ms() -> u64 {
    proc("stat", "", 13) * 10
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().unwrap();
    let count: u32 = arguments.next().unwrap().parse().unwrap();
    let mut plan: Plan = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let (mut entries, mut running, mut judging) = (0, Duration::ZERO, Duration::ZERO);
    let first = plan.seed;
    let user = user_ms();
    for number in 0..count {
        plan.seed = first + u64::from(number);
        let started = Instant::now();
        let record = trial::run(&plan).unwrap();
        let ran = Instant::now();
        let verdict = check::judge(&plan, &record);
        judging += ran.elapsed();
        running += ran - started;
        entries += record.entries.len();
        std::hint::black_box(verdict);
    }
    let user = user_ms() - user;
    println!(
        "trials      {count}, {} entries each",
        entries / usize::try_from(count).unwrap()
    );
    println!("run         {:?} (wall)", running / count);
    println!("judge       {:?} (wall)", judging / count);
    println!(
        "user time   {:.2} ms per trial",
        f64::from(u32::try_from(user).unwrap()) / f64::from(count)
    );
    println!("peak memory {} KiB", proc("status", "VmHWM", 1));
}
