//! `sweep`: a scenario or a plan under many seeds.
//!
//! Whoever has another source of plans calls [`drive`] with it: signals, progress, the summary and the exit
//! code are the same for all.

use super::{Exit, key_value, library, output, replay};
use crate::compile::Override;
use crate::fuzz::{FuzzSource, Profile};
use crate::sweep::{
    self, Existing, Options, PlanSource, Progress, ScenarioSource, Seeds, Source, parse_range,
    parse_shard,
};
use ktrial_reports::sweep::{self as reports, SeedRange, Shard, Stopped, Summary};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Seeds if nothing is said about them.
const SEEDS: SeedRange = SeedRange {
    from: 0,
    to: Some(100),
};
/// How often the line of progress changes.
const REDRAW: Duration = Duration::from_millis(100);

/// The command's arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// A name of the library, a scenario file, or a plan.json
    #[arg(value_name = "NAME|FILE|PLAN")]
    source: String,
    /// Set a Kafka setting, `kafka.release` or `rules.SWITCH`; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_value)]
    set: Vec<Override>,
    #[command(flatten)]
    how: How,
}

/// How to sweep, whatever the source.
#[derive(Debug, clap::Args)]
pub(super) struct How {
    /// The seeds from A to before B; `A..` with --time or --fail-after goes on until then
    /// [default: 0..100, with --time 0..]
    #[arg(long, value_name = "A..B", value_parser = parse_range)]
    seeds: Option<SeedRange>,
    /// Trials at a time [default: as many as the machine has cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Only the I-th of N parts: every N-th seed
    #[arg(long, value_name = "I/N", value_parser = parse_shard)]
    shard: Option<Shard>,
    /// Write the results here [default: ktrial-out/sweep-NAME]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Go on where results in DIR end
    #[arg(long, conflicts_with = "force")]
    resume: bool,
    /// Replace results in DIR
    #[arg(long)]
    force: bool,
    /// Stop after K trials that were not as expected
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u64).range(1..))]
    fail_after: Option<u64>,
    /// Begin no trial after this time, such as 10m
    #[arg(long, value_name = "TIME", value_parser = super::time)]
    time: Option<u64>,
    /// Print summary.json instead of the summary for people
    #[arg(long)]
    json: bool,
    /// Print annotations for a GitHub workflow too
    #[arg(long, conflicts_with = "json")]
    github: bool,
}

impl How {
    /// Where something of this name goes.
    pub(super) fn folder(&self, name: &str) -> PathBuf {
        let usual = || Path::new("ktrial-out").join(name);
        self.out.clone().unwrap_or_else(usual)
    }

    /// Whether a program reads what is said.
    pub(super) fn json(&self) -> bool {
        self.json
    }
}

/// Runs the command.
pub(super) fn sweep(arguments: &Arguments) -> Result<Exit, String> {
    let source = load(&arguments.source, &arguments.set)?;
    drive(source.as_ref(), &arguments.how)
}

/// Reads a source: random plans if it is called `fuzz` or `fuzz-PROFILE`, a plan if its name ends in
/// `.json`, else a scenario.
pub(super) fn load(name: &str, set: &[Override]) -> Result<Box<dyn Source>, String> {
    let random = |profile: &Profile| name == format!("fuzz-{}", profile.name());
    let profile = Profile::ALL.into_iter().find(random);
    if let Some(profile) = profile.or((name == "fuzz").then(Profile::default)) {
        return Ok(Box::new(FuzzSource::new(profile, set)?));
    }
    if !name.ends_with(".json") {
        let scenario = library::load(name)?;
        let source = ScenarioSource::new(scenario, set).map_err(library::show_problems)?;
        return Ok(Box::new(source));
    }
    if set.is_empty() {
        Ok(Box::new(PlanSource::new(&replay::read(Path::new(name))?)))
    } else {
        Err("--set is for scenarios: in a plan everything is set already".to_owned())
    }
}

/// Sweeps a source and tells what came of it.
pub(super) fn drive(source: &dyn Source, how: &How) -> Result<Exit, String> {
    let options = options(source, how)?;
    let mut bar = Bar { drawn: None };
    let swept = sweep::sweep(source, &options, stop_on_signals(), &mut |progress| {
        bar.draw(progress);
    });
    output::status("");
    let summary = swept?;
    tell(&summary, how.json, how.github);
    if summary.stopped == Some(Stopped::Interrupted) {
        output::note("interrupted: --resume goes on (in place of --force)");
    }
    Ok(exit(&summary))
}

fn options(source: &dyn Source, how: &How) -> Result<Options, String> {
    let range = match how.seeds {
        Some(range) => range,
        None if how.time.is_some() => SeedRange { from: 0, to: None },
        None => SEEDS,
    };
    if range.to.is_none() && how.time.is_none() && how.fail_after.is_none() {
        return Err(format!(
            "--seeds {range} has no end: say when to stop with --time or --fail-after"
        ));
    }
    let jobs = how.jobs.map(usize::from);
    Ok(Options {
        seeds: Seeds {
            range,
            shard: how.shard,
        },
        jobs: jobs.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from)),
        fail_after: how.fail_after,
        time: how.time.map(Duration::from_micros),
        folder: how.folder(&format!("sweep-{}", source.name())),
        existing: match (how.resume, how.force) {
            (true, _) => Existing::Resume,
            (_, true) => Existing::Replace,
            _ => Existing::Keep,
        },
    })
}

/// Shows a summary on standard output.
pub(super) fn tell(summary: &Summary, json: bool, github: bool) {
    if json {
        let text = serde_json::to_string_pretty(summary);
        output::say(&text.unwrap_or_default());
    } else {
        output::say(reports::text(summary).trim_end());
    }
    if github {
        for line in reports::github(summary) {
            output::say(&line);
        }
    }
}

/// What a summary comes to: a failure outweighs what is not known.
pub(super) fn exit(summary: &Summary) -> Exit {
    let tally = &summary.tally;
    let left_out = summary.stopped == Some(Stopped::Interrupted) || !summary.missing.is_empty();
    if tally.failed > 0 {
        Exit::NotAsExpected
    } else if tally.errors > 0 || left_out {
        Exit::Usage
    } else if tally.inconclusive > 0 {
        Exit::Inconclusive
    } else {
        Exit::AsExpected
    }
}

/// Is set when the process is asked to stop. Asked once more, it stops at once.
pub(super) fn stop_on_signals() -> &'static AtomicBool {
    static STOP: AtomicBool = AtomicBool::new(false);
    let asked = ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::Relaxed) {
            std::process::exit(i32::from(Exit::Usage.code()));
        }
        output::status("");
        output::progress("stopping after the trials under way; once more stops at once");
    });
    if let Err(error) = asked {
        // Not a reason not to sweep: what was tried is in the journal anyway.
        output::note(&format!("signals cannot be caught: {error}"));
    }
    &STOP
}

/// The line of progress.
struct Bar {
    drawn: Option<Instant>,
}

impl Bar {
    fn draw(&mut self, progress: Progress<'_>) {
        let now = Instant::now();
        if self.drawn.is_some_and(|drawn| now - drawn < REDRAW) {
            return;
        }
        self.drawn = Some(now);
        output::status(&progress_line(progress));
    }
}

/// `400/1000 seeds  95 seeds/s  kept 400  permitted 400  6 s left`
fn progress_line(progress: Progress<'_>) -> String {
    let tally = progress.tally;
    let elapsed = progress.elapsed.as_secs_f64().max(0.001);
    let rate = (tally.seeds - progress.resumed) as f64 / elapsed;
    let mut parts = vec![match progress.seeds {
        Some(all) => format!("{}/{all} seeds", tally.seeds),
        None => format!("{} seeds", tally.seeds),
    }];
    parts.push(format!("{rate:.0} seeds/s"));
    let verdicts = tally.verdicts.iter();
    parts.extend(verdicts.map(|(verdict, count)| format!("{} {count}", verdict.name())));
    if tally.failed > 0 {
        parts.push(format!("NOT AS EXPECTED {}", tally.failed));
    }
    if let Some(all) = progress.seeds {
        let left = all.saturating_sub(tally.seeds) as f64 / rate.max(0.001);
        parts.push(format!("{left:.0} s left"));
    }
    parts.join("  ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use ktrial_reports::sweep::Tally;

    #[test]
    fn progress_is_told_in_a_line() {
        let mut tally = Tally::default();
        tally.seeds = 400;
        tally.failed = 1;
        tally.verdicts = [(reports::Outcome::Kept, 800)].into();
        let progress = |seeds| Progress {
            tally: &tally,
            seeds,
            resumed: 100,
            elapsed: Duration::from_secs(3),
        };
        assert_eq!(
            progress_line(progress(Some(1_000))),
            "400/1000 seeds  100 seeds/s  kept 800  NOT AS EXPECTED 1  6 s left"
        );
        assert_eq!(
            progress_line(progress(None)),
            "400 seeds  100 seeds/s  kept 800  NOT AS EXPECTED 1"
        );
    }
}
