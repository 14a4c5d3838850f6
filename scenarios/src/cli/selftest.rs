//! `selftest`: every planted bug, the check that finds it, and after how many random trials.

use super::{Exit, output, sweep};
use crate::fuzz::Profile;
use crate::selftest::{Hunt, hunt_all, shrunk};
use ktrial_core::planted::Bug;
use ktrial_sim::plan::Plan;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

/// The command's arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Only these bugs; may be repeated
    #[arg(long = "bug", value_name = "NAME")]
    bugs: Vec<String>,
    /// Give a bug up after so many seeds
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    most: u64,
    /// How wild the trials are [default: `swarm`, and `rejoin` for the few bugs that need it]
    #[arg(long, value_enum)]
    profile: Option<Profile>,
    /// Trials at a time [default: as many as the machine has cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Write the plan that showed each bug here, as NAME.json
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Shrink each plan that showed a bug, and tell how small it got
    #[arg(long, conflicts_with = "json")]
    shrink: bool,
    /// Print a JSON array instead of the table
    #[arg(long)]
    json: bool,
}

/// Runs the command: 0 if every bug was found, else 1.
pub(super) fn selftest(arguments: &Arguments) -> Result<Exit, String> {
    let bugs = bugs(&arguments.bugs)?;
    let cores = || thread::available_parallelism().map_or(1, usize::from);
    let jobs = arguments.jobs.map_or_else(cores, usize::from);
    let done = AtomicUsize::new(0);
    let stop = sweep::stop_on_signals();
    let hunts = hunt_all(
        arguments.profile,
        &bugs,
        (0, arguments.most),
        (jobs, stop),
        &|hunt| {
            let done = 1 + done.fetch_add(1, Ordering::Relaxed);
            output::status(&format!("{done}/{} bugs  {}", bugs.len(), hunt.bug.name()));
        },
    );
    output::status("");
    let hunts = hunts?;
    if let Some(folder) = &arguments.out {
        keep(&hunts, folder)?;
    }
    if arguments.shrink {
        let sizes = shrink_all(&hunts, arguments, (jobs, stop))?;
        output::say(&sizes);
    }
    if arguments.json {
        let text = serde_json::to_string_pretty(&hunts).map_err(|error| error.to_string())?;
        output::say(&text);
    } else {
        output::say(table(&hunts, bugs.len()).trim_end());
    }
    Ok(match () {
        () if hunts.len() < bugs.len() => Exit::Usage,
        () if hunts.iter().all(|hunt| hunt.seed.is_some()) => Exit::AsExpected,
        () => Exit::NotAsExpected,
    })
}

fn bugs(names: &[String]) -> Result<Vec<Bug>, String> {
    if names.is_empty() {
        return Ok(Bug::ALL.to_vec());
    }
    let known: Vec<&str> = Bug::ALL.iter().map(|bug| bug.name()).collect();
    let bug = |name: &String| {
        name.parse().map_err(|_| {
            let help = crate::suggest::help(name, &known);
            format!(
                "no bug is called `{name}`{}",
                help.map_or_else(String::new, |h| format!("\n{h}"))
            )
        })
    };
    names.iter().map(bug).collect()
}

/// One line for each bug, then the sum.
fn table(hunts: &[Hunt], all: usize) -> String {
    let mut text = format!("{:<38} {:>6}  {}\n", "planted bug", "seeds", "found by");
    for hunt in hunts {
        let checks: Vec<&str> = hunt.checks.iter().map(String::as_str).collect();
        let by = match hunt.seed {
            Some(_) => checks.join(", "),
            None => "NOT FOUND".to_owned(),
        };
        text.push_str(&format!(
            "{:<38} {:>6}  {by}\n",
            hunt.bug.name(),
            hunt.seeds
        ));
    }
    let mut seeds: Vec<u64> = hunts
        .iter()
        .filter(|h| h.seed.is_some())
        .map(|h| h.seeds)
        .collect();
    seeds.sort_unstable();
    let median = seeds.get(seeds.len() / 2).copied().unwrap_or(0);
    text.push_str(&format!(
        "\n{} of {all} bugs found; median {median} seeds, most {}\n",
        seeds.len(),
        seeds.last().copied().unwrap_or(0)
    ));
    text
}

/// How small the plan of each bug gets, on one line each.
fn shrink_all(
    hunts: &[Hunt],
    arguments: &Arguments,
    (jobs, stop): (usize, &AtomicBool),
) -> Result<String, String> {
    let mut text = format!(
        "{:<38} {:>6} {:>7} {:>7} {:>7} {:>8}\n",
        "planted bug", "faults", "records", "brokers", "trials", "seconds"
    );
    let (mut small, mut found) = (0, 0);
    for (nth, hunt) in hunts.iter().enumerate() {
        let name = hunt.bug.name();
        output::status(&format!("{}/{}  shrinks {name}", nth + 1, hunts.len()));
        let begun = Instant::now();
        let Some(shrunk) = shrunk(hunt, (jobs, stop)) else {
            continue;
        };
        if shrunk.stopped {
            output::status("");
            return Err(format!("interrupted while {name} was shrunk"));
        }
        found += 1;
        let seconds = begun.elapsed().as_secs_f64();
        let after = &shrunk.after;
        small += u64::from(after.faults <= 3 && after.records <= 5 && seconds < 60.0);
        let _ = writeln!(
            text,
            "{name:<38} {:>6} {:>7} {:>7} {:>7} {seconds:>8.1}",
            after.faults, after.records, after.brokers, shrunk.trials
        );
        if let Some(folder) = &arguments.out {
            write(folder, &format!("{name}.shrunk.json"), &json(&shrunk.plan)?)?;
            let scenario = crate::write::to_toml(&shrunk.plan);
            write(folder, &format!("{name}.toml"), &scenario)?;
        }
    }
    output::status("");
    let _ = writeln!(
        text,
        "\n{small} of {found} plans have at most 3 faults and 5 records, in under a minute\n",
    );
    Ok(text)
}

fn json(plan: &Plan) -> Result<String, String> {
    serde_json::to_string_pretty(plan).map_err(|error| error.to_string())
}

fn write(folder: &Path, file: &str, text: &str) -> Result<(), String> {
    let failed = |error| format!("cannot write to {}: {error}", folder.display());
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(folder.join(file), text))
        .map_err(failed)
}

fn keep(hunts: &[Hunt], folder: &Path) -> Result<(), String> {
    for hunt in hunts {
        if let Some(plan) = hunt.plan() {
            write(folder, &format!("{}.json", hunt.bug.name()), &json(&plan)?)?;
        }
    }
    Ok(())
}
