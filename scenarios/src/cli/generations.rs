//! `generations`: random trials under the rules of each model, or of each release, held against what is
//! known of it.
//!
//! 0 if it is as known; 1 if a model breaks that holds, or holds that breaks, or if a release breaks what
//! the newest rules break too.

use super::{Exit, output, sweep};
use crate::fuzz::Profile;
use crate::generations::{self, Census, Release, Row, Watch};
use std::fmt::Write as _;
use std::thread;

/// Seeds of the short form.
const SHORT: u64 = 200;

/// The command's arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// What to try
    #[arg(value_enum)]
    what: What,
    /// So many seeds, from 0 [default: 2000 for models, 1000 for releases]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    seeds: Option<u64>,
    /// Only these releases; may be repeated
    #[arg(long = "release", value_name = "RELEASE")]
    releases: Vec<String>,
    /// All releases with ZooKeeper, not only those before 3.3
    #[arg(long)]
    zookeeper: bool,
    /// How wild the trials of releases are
    #[arg(long, value_enum, default_value_t)]
    profile: Profile,
    /// End with the tables of docs/generations.md, as Markdown
    #[arg(long)]
    markdown: bool,
    /// A model that breaks ends with its first finding, one that holds after 200 seeds: for CI
    #[arg(long)]
    short: bool,
    /// Trials at a time [default: as many as the machine has cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
}

/// What is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// The five truncation models of hachikuji's TLA+ specification, with two and with three replicas
    Models,
    /// Every release that brought a rule
    Releases,
}

/// Runs the command.
pub(super) fn generations(arguments: &Arguments) -> Result<Exit, String> {
    let cores = || thread::available_parallelism().map_or(1, usize::from);
    let watch = |seeds| Watch {
        seeds: (0, seeds),
        jobs: arguments.jobs.map_or_else(cores, usize::from),
        first: arguments.short,
        stop: sweep::stop_on_signals(),
    };
    match arguments.what {
        What::Models => models(watch(arguments.seeds.unwrap_or(2_000)), arguments.short),
        What::Releases => releases(arguments, watch(arguments.seeds.unwrap_or(1_000))),
    }
}

fn models(watch: Watch<'_>, short: bool) -> Result<Exit, String> {
    output::say(&format!(
        "{:<30} {:>8}  {:<7} {:<6} {:>6} {:>6} {:>6}  {}",
        "model", "replicas", "TLC", "ktrial", "seeds", "broken", "first", "found by"
    ));
    let mut agree = true;
    let holds = if short { SHORT } else { watch.seeds.1 };
    generations::models(watch, holds, &mut |row| {
        agree &= row.agrees();
        output::say(&model_line(row));
    })?;
    output::say(if agree {
        "\nas TLC finds it, and nothing else"
    } else {
        "\nNOT as TLC finds it"
    });
    Ok(if agree {
        Exit::AsExpected
    } else {
        Exit::NotAsExpected
    })
}

fn model_line(row: &Row) -> String {
    let word = |breaks| if breaks { "breaks" } else { "holds" };
    let replicas = if row.profile == Profile::Pair { 2 } else { 3 };
    let census = &row.census;
    let first = census
        .first()
        .map_or_else(|| "-".to_owned(), |seed| seed.to_string());
    format!(
        "{:<30} {replicas:>8}  {:<7} {:<6} {:>6} {:>6} {first:>6}  {}{}",
        row.model.name,
        word(row.breaks()),
        word(census.broken > 0),
        census.trials,
        census.broken,
        seen(census),
        if row.agrees() { "" } else { "   <-- differs" },
    )
}

/// Each check with the number of its trials.
fn seen(census: &Census) -> String {
    let seen = census.seen.iter();
    let seen: Vec<String> = seen
        .map(|(check, seen)| format!("{check} {}", seen.trials))
        .collect();
    seen.join(", ")
}

fn releases(arguments: &Arguments, watch: Watch<'_>) -> Result<Exit, String> {
    let names = if arguments.releases.is_empty() {
        generations::all_releases()
    } else {
        arguments.releases.clone()
    };
    let mut fine = true;
    let names = (names.as_slice(), arguments.zookeeper);
    let rows = generations::releases(arguments.profile, names, watch, &mut |row| {
        fine &= row.unexplained.is_empty() && !row.census.stopped;
        output::say(release_lines(row).trim_end());
    })?;
    if arguments.markdown {
        output::say(&format!("\n{}", generations::page(&rows).trim_end()));
    }
    output::say(if fine {
        "\nwhatever an old release breaks, later rules mend; the newest breaks nothing"
    } else {
        "\nNOT explained by rules: these break under the newest rules too"
    });
    Ok(if fine {
        Exit::AsExpected
    } else {
        Exit::NotAsExpected
    })
}

fn release_lines(row: &Release) -> String {
    let census = &row.census;
    let mut text = format!(
        "{:<8} {} of {} trials break a promise  {}\n",
        row.release,
        census.broken,
        census.trials,
        seen(census)
    );
    let mut causes: Vec<_> = row.causes.iter().collect();
    causes.sort_by_key(|(_, one)| (std::cmp::Reverse(one.trials), one.seed));
    for (switches, one) in causes {
        let switches: Vec<&str> = switches.iter().copied().collect();
        let switches = switches.join(" + ");
        let _ = writeln!(
            text,
            "    {:>5} mended by {switches}, first seed {}",
            one.trials, one.seed
        );
    }
    if !row.unexplained.is_empty() {
        let _ = writeln!(
            text,
            "    NOT mended by any later rule: seeds {:?}",
            row.unexplained
        );
    }
    text
}
