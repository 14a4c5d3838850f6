//! The commands. Each returns how it ended; only `output.rs` writes to the terminal.

mod compare;
mod determinism;
mod exit;
mod filter;
mod follow;
mod fuzz;
mod generations;
pub mod library;
mod merge;
pub mod output;
mod replay;
mod rules;
pub mod run;
mod selftest;
mod shrink;
mod starter;
mod sweep;
mod trace;
mod znodes;

pub use exit::Exit;

use crate::compile::Override;
use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

/// Puts Kafka on trial: replays failure scenarios deterministically and gives a verdict about every
/// record.
#[derive(Debug, Parser)]
#[command(name = "ktrial", version, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 as expected, 1 not as expected, 2 inconclusive, 3 usage or \
                          harness error.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Try every cell of a scenario: the story, the verdict, a report folder
    Run(RunArguments),
    /// List the scenarios of the library
    List {
        /// Only the names, one on each line
        #[arg(long)]
        names: bool,
    },
    /// Print a scenario and what its cells are
    Show {
        /// A name of the library, or a file
        #[arg(value_name = "NAME|FILE")]
        name: String,
    },
    /// List the switches of Kafka's rules: what each changes, since when, and its value in a release
    Rules {
        /// A release such as 0.10.2 or 4.1 [default: the newest]
        #[arg(value_name = "RELEASE")]
        release: Option<String>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Look for mistakes in scenario files
    Check {
        /// Files, or names of the library
        #[arg(required = true, value_name = "FILE")]
        files: Vec<String>,
    },
    /// Run a plan again, with the trace of its events: all, or those that are asked for
    Replay(replay::Arguments),
    /// Print the tree of ZooKeeper at any time of a plan's trial
    Znodes(znodes::Arguments),
    /// Hold two trials that differ in one setting against each other
    Compare(compare::Arguments),
    /// Make a failing plan as small as it can be while it fails in the same way
    Shrink(shrink::Arguments),
    /// Try a scenario or a plan under many seeds, on all cores: counts, findings, the first failures
    Sweep(sweep::Arguments),
    /// Random trials: clusters, settings, loads and faults drawn from the seed
    Fuzz(fuzz::Arguments),
    /// Random trials under the rules of each TLA+ model, or of each release: what breaks, and what mends it
    Generations(generations::Arguments),
    /// Hunt planted bugs with random trials: which check finds each, after how many
    Selftest(selftest::Arguments),
    /// Put the shards of a sweep together
    Merge(merge::Arguments),
    /// Try each plan in two processes, and show where their records part if they do
    Determinism(determinism::Arguments),
    /// Try plans from standard input, one on each line; print the digest of each
    #[command(hide = true)]
    Digests {
        /// Print the record of each instead
        #[arg(long)]
        records: bool,
    },
    /// Write a commented file to start a scenario from
    New {
        /// Its name: NAME.toml is written
        name: String,
    },
}

#[derive(Debug, clap::Args)]
struct RunArguments {
    /// A name of the library, or a file (with a `/` or ending in .toml)
    #[arg(value_name = "NAME|FILE")]
    scenario: String,
    /// Decides latencies, jitter and scheduling
    #[arg(
        long,
        default_value_t = 1,
        value_name = "N",
        allow_negative_numbers = true
    )]
    seed: u64,
    /// Set a Kafka setting, `kafka.release` or `rules.SWITCH`; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_value)]
    set: Vec<Override>,
    /// Print one JSON object instead of the story
    #[arg(long)]
    json: bool,
    /// Write the report here [default: ktrial-out/SCENARIO-seedN]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Reads `KEY=VALUE`.
///
/// # Errors
/// What was expected.
pub fn key_value(text: &str) -> Result<Override, String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok(Override {
            key: key.trim().to_owned(),
            value: value.trim().to_owned(),
        }),
        _ => Err("expected KEY=VALUE, such as acks=1".to_owned()),
    }
}

fn time(text: &str) -> Result<u64, String> {
    crate::duration::micros(text).ok_or_else(|| format!("expected {}", crate::duration::EXPECTED))
}

/// Runs the program with its arguments, the program's own name first.
pub fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let exit = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => run_command(arguments.command),
        Err(error) if error.use_stderr() => {
            // Its own words, which may be the help of a command that lacks its arguments.
            output::note(error.to_string().trim_end());
            Exit::Usage
        }
        Err(help) => {
            output::say(help.to_string().trim_end());
            Exit::AsExpected
        }
    };
    exit.into()
}

fn run_command(command: Command) -> Exit {
    let done = match command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Rules { release, json } => Ok(rules::list(release.as_deref(), json)),
        Command::List { names } => Ok(library::list(names)),
        Command::Show { name } => library::show(&name),
        Command::Check { files } => Ok(library::check(&files)),
        Command::Replay(arguments) => replay::replay(&arguments),
        Command::Znodes(arguments) => znodes::znodes(&arguments),
        Command::Compare(arguments) => compare::compare(&arguments),
        Command::Shrink(arguments) => shrink::shrink_plan(&arguments),
        Command::Sweep(arguments) => sweep::sweep(&arguments),
        Command::Fuzz(arguments) => fuzz::fuzz(&arguments),
        Command::Generations(arguments) => generations::generations(&arguments),
        Command::Selftest(arguments) => selftest::selftest(&arguments),
        Command::Merge(arguments) => merge::merge(&arguments),
        Command::Determinism(arguments) => determinism::determinism(&arguments),
        Command::Digests { records } => determinism::digests(records),
        Command::New { name } => starter::new(&name),
    };
    done.unwrap_or_else(|message| {
        output::complain(&message);
        Exit::Usage
    })
}
