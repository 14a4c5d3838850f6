//! `shrink`: from a plan that fails to a smallest one that fails in the same way, and what it shows.
//!
//! `plan.json` of the folder is the smallest one so far while the search goes on: whoever stops it in
//! whatever way keeps that.

use super::{Exit, output, replay, run};
use crate::expect::class_name;
use crate::shrink::{Goal, Measure, Options, Progress, Shrunk, shrink};
use ktrial_reports::Cell;
use ktrial_sim::plan::Plan;
use ktrial_sim::verdict::Finding;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

/// The command's arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// A plan.json of a report folder
    plan: PathBuf,
    /// The finding that has to stay, by the name of its check [default: the first one that nothing
    /// permits]
    #[arg(long, value_name = "NAME")]
    check: Option<String>,
    /// Write the result here [default: next to the plan, NAME.shrunk]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Trials at a time [default: as many as the machine has cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// End with the best so far after this time, such as 60s
    #[arg(long, value_name = "TIME", value_parser = super::time)]
    time: Option<u64>,
}

/// Runs the command.
pub(super) fn shrink_plan(arguments: &Arguments) -> Result<Exit, String> {
    let plan = replay::read(&arguments.plan)?;
    let before = run::try_plan(&plan)?;
    let goal = goal(&before, arguments.check.as_deref())?;
    let folder = folder(arguments);
    let made = std::fs::create_dir_all(&folder);
    made.map_err(|error| format!("cannot make the folder {}: {error}", folder.display()))?;
    let target = folder.join("plan.json");
    let same = |a: &Path, b: &Path| matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b);
    if same(&target, &arguments.plan) {
        return Err(format!(
            "{} is the plan to shrink: choose another --out, or it would be overwritten",
            target.display()
        ));
    }
    write(&folder, "plan.json", &pretty(&plan)?)?;
    write(&folder, "story-before.txt", &story(&before))?;
    let begun = Instant::now();
    let shrunk = search(&plan, &goal, arguments, &folder, begun)?;
    let took = begun.elapsed();
    let after = run::try_plan(&shrunk.plan)?;
    let files = Files::new(&shrunk, &before, &after, took);
    write(&folder, "plan.json", &pretty(&shrunk.plan)?)?;
    let scenario = crate::write::to_toml(&shrunk.plan);
    write(&folder, "scenario.toml", &scenario)?;
    write(&folder, "story-after.txt", &story(&after))?;
    write(&folder, "shrink.json", &pretty(&files)?)?;
    tell(&shrunk, &before, &after, took, &folder);
    Ok(Exit::AsExpected)
}

/// The finding that has to stay.
fn goal(cell: &Cell, check: Option<&str>) -> Result<Goal, String> {
    let verdict = &cell.verdict;
    if let Some(goal) = Goal::choose(verdict, check) {
        return Ok(goal);
    }
    let mut found: Vec<&str> = verdict.findings.iter().map(|f| f.check.as_str()).collect();
    found.sort_unstable();
    found.dedup();
    let has = if found.is_empty() {
        "it has no finding".to_owned()
    } else {
        format!("its findings are {}", crate::suggest::list(&found))
    };
    let class = class_name(verdict.verdict);
    Err(match check {
        Some(check) => {
            format!("the plan does not show `{check}`: its verdict is {class}, and {has}")
        }
        None if found.is_empty() => {
            format!("the plan does not fail: its verdict is {class}, and {has}")
        }
        None => format!(
            "the plan does not fail: its verdict is {class}, and {has}, all permitted by its \
             configuration\nname one with --check to shrink the plan to it"
        ),
    })
}

fn folder(arguments: &Arguments) -> PathBuf {
    arguments.out.clone().unwrap_or_else(|| {
        let name = arguments.plan.file_stem().unwrap_or_default();
        let name = format!("{}.shrunk", name.to_string_lossy());
        arguments.plan.with_file_name(name)
    })
}

fn search(
    plan: &Plan,
    goal: &Goal,
    arguments: &Arguments,
    folder: &Path,
    begun: Instant,
) -> Result<Shrunk, String> {
    let interrupted = super::sweep::stop_on_signals();
    let limit = arguments.time.map(Duration::from_micros);
    let stop = || {
        interrupted.load(Ordering::Relaxed) || limit.is_some_and(|limit| begun.elapsed() >= limit)
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let options = Options {
        jobs: arguments.jobs.map_or(cores, usize::from),
        stop: &stop,
    };
    let mut written = Measure::of(plan);
    let mut failed = None;
    let shrunk = shrink(plan, goal, &options, &mut |progress| {
        output::status(&status(progress, begun.elapsed()));
        if progress.measure < written {
            written = progress.measure;
            let text = pretty(progress.plan);
            failed = text
                .and_then(|text| write(folder, "plan.json", &text))
                .err();
        }
    });
    output::status("");
    failed.map_or(Ok(shrunk), Err)
}

fn status(progress: &Progress<'_>, elapsed: Duration) -> String {
    let measure = &progress.measure;
    let rate = f64::from(u32::try_from(progress.trials).unwrap_or(u32::MAX));
    let rate = rate / elapsed.as_secs_f64().max(0.001);
    format!(
        "{} faults, {} steps, {} records, {} brokers left; {} trials, {rate:.0} a second; {}",
        measure.faults,
        measure.steps,
        measure.records,
        measure.brokers,
        progress.trials,
        progress.pass
    )
}

/// `shrink.json`.
#[derive(Serialize)]
struct Files<'a> {
    finding: &'a Option<Finding>,
    before: Counts,
    after: Counts,
    trials: u64,
    wall_ms: u64,
    stopped: bool,
}

/// How large a trial is.
#[derive(Serialize)]
struct Counts {
    #[serde(flatten)]
    measure: Measure,
    entries: u64,
    simulated_ms: u64,
}

impl<'a> Files<'a> {
    fn new(shrunk: &'a Shrunk, before: &Cell, after: &Cell, took: Duration) -> Self {
        let counts = |measure, cell: &Cell| Counts {
            measure,
            entries: cell.verdict.events,
            simulated_ms: cell.verdict.simulated_ms,
        };
        Self {
            finding: &shrunk.finding,
            before: counts(shrunk.before, before),
            after: counts(shrunk.after, after),
            trials: shrunk.trials,
            wall_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            stopped: shrunk.stopped,
        }
    }
}

fn tell(shrunk: &Shrunk, before: &Cell, after: &Cell, took: Duration, folder: &Path) {
    output::say(ktrial_reports::story(after).trim_end());
    output::say("");
    output::say(ktrial_reports::verdict_text(after).trim_end());
    output::say("");
    for line in table(shrunk, before, after) {
        output::say(&line);
    }
    if let Some(finding) = &shrunk.finding {
        output::say(&format!("\nshows {}: {}", shrunk.goal, finding.what));
    }
    let end = if shrunk.stopped {
        "; stopped early, so perhaps it can be smaller"
    } else {
        ""
    };
    let seconds = took.as_secs_f64();
    output::say(&format!("{} trials in {seconds:.1} s{end}", shrunk.trials));
    let plan = folder.join("plan.json");
    output::say(&format!("again: ktrial replay {}", plan.display()));
}

/// What there was and what is left.
fn table(shrunk: &Shrunk, before: &Cell, after: &Cell) -> Vec<String> {
    let (from, to) = (&shrunk.before, &shrunk.after);
    let counts = [
        ("faults", from.faults, to.faults),
        ("other steps", from.steps, to.steps),
        ("records", from.records, to.records),
        ("brokers", from.brokers, to.brokers),
        ("clients", from.clients, to.clients),
        ("partitions", from.partitions, to.partitions),
        ("settings", from.settings, to.settings),
    ];
    let mut lines = vec![format!("{:<16}{:>10}{:>10}", "shrunk", "before", "after")];
    let row = |name: &str, from: String, to: String| format!("{name:<16}{from:>10}{to:>10}");
    lines.extend(
        counts
            .iter()
            .map(|(name, from, to)| row(name, from.to_string(), to.to_string())),
    );
    let simulated = |cell: &Cell| {
        let ms = cell.verdict.simulated_ms;
        format!("{}.{} s", ms / 1_000, ms % 1_000 / 100)
    };
    lines.push(row("simulated time", simulated(before), simulated(after)));
    lines
}

fn story(cell: &Cell) -> String {
    let (story, verdict) = (
        ktrial_reports::story(cell),
        ktrial_reports::verdict_text(cell),
    );
    format!("{story}\n{verdict}")
}

fn pretty(value: &impl Serialize) -> Result<String, String> {
    let text = serde_json::to_string_pretty(value).map_err(|error| error.to_string())?;
    Ok(text + "\n")
}

/// Writes a file at once: a reader finds the old one or the new one.
fn write(folder: &Path, name: &str, text: &str) -> Result<(), String> {
    let (path, partial) = (folder.join(name), folder.join(format!(".{name}.partial")));
    std::fs::write(&partial, text)
        .and_then(|()| std::fs::rename(&partial, &path))
        .map_err(|error| format!("cannot write {}: {error}", path.display()))
}
