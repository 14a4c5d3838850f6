//! A sweep from its beginning to its summary.
//!
//! Next: `merge.rs`.

use super::engine::{self, Order, Tried};
use super::folder::{self, Existing, Folder};
use super::seeds::Seeds;
use super::source::Source;
use ktrial_reports::sweep::{Effort, Identity, Line, Stopped, Summary, Tally};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// How to sweep.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which seeds.
    pub seeds: Seeds,
    /// Workers.
    pub jobs: usize,
    /// End after so many trials that were not as expected (inconclusive ones do not count).
    pub fail_after: Option<u64>,
    /// Begin no seed after this time.
    pub time: Option<Duration>,
    /// Where the results go.
    pub folder: PathBuf,
    /// What to do about results that are there.
    pub existing: Existing,
}

/// Where a sweep stands.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// What it came to so far.
    pub tally: &'a Tally,
    /// Seeds in all; `None` = without end.
    pub seeds: Option<u64>,
    /// Seeds that an earlier run had tried.
    pub resumed: u64,
    /// Since the beginning.
    pub elapsed: Duration,
}

/// Sweeps. `stop` ends it early; `progress` is called after each seed.
///
/// # Errors
/// The folder cannot be written, or holds another sweep.
pub fn sweep(
    source: &dyn Source,
    options: &Options,
    stop: &AtomicBool,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Summary, String> {
    let begin = Instant::now();
    let identity = Identity {
        name: source.name(),
        fingerprint: source.fingerprint(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        seeds: options.seeds.range,
        shard: options.seeds.shard,
        goals: source.goals(),
    };
    let mut tally = Tally::default();
    let mut folder = Folder::open(&options.folder, &identity, options.existing, &mut |group| {
        add(&mut tally, &group.lines, &options.folder);
    })?;
    let (resumed, before) = (
        tally.seeds,
        (tally.trials, tally.events, tally.simulated_ms),
    );
    let order = Order {
        source,
        seeds: options.seeds,
        skip: resumed,
        jobs: options.jobs,
        deadline: options.time.and_then(|time| begin.checked_add(time)),
        stop,
    };
    let enough = |tally: &Tally| {
        let failures = tally.failed + tally.errors;
        options.fail_after.is_some_and(|enough| failures >= enough)
    };
    let stopped = if enough(&tally) {
        order.seeds.at(resumed).map(|_| Stopped::Failures)
    } else {
        engine::run(&order, &mut |tried: Vec<Tried>| {
            folder.add(&tried)?;
            add(
                &mut tally,
                tried.iter().map(|tried| &tried.line),
                &options.folder,
            );
            progress(Progress {
                tally: &tally,
                seeds: options.seeds.count(),
                resumed,
                elapsed: begin.elapsed(),
            });
            Ok(!enough(&tally))
        })?
    };
    let wall_ms = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX);
    let mut effort = Effort::new(
        options.jobs,
        wall_ms,
        tally.trials - before.0,
        tally.events - before.1,
        tally.simulated_ms - before.2,
    );
    effort.peak_memory_kib = peak_memory_kib();
    let goals = identity.goals.clone();
    let summary = Summary {
        sweep: identity,
        complete: stopped.is_none(),
        stopped,
        missing: Vec::new(),
        tally: tally.finished(&goals),
        effort: Some(effort),
        folder: options.folder.display().to_string(),
    };
    folder.finish(&summary)?;
    Ok(summary)
}

/// Adds the trials of a seed, whose failures can be replayed from the folder.
pub(super) fn add<'a>(tally: &mut Tally, lines: impl IntoIterator<Item = &'a Line>, folder: &Path) {
    for line in lines {
        tally.add(line, || folder::replay(folder, line));
    }
}

/// The most memory that this process had at a time, where the system tells it.
fn peak_memory_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    peak.split_whitespace().next()?.parse().ok()
}
