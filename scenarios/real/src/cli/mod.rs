//! The commands.
//!
//! | file | what it is |
//! |---|---|
//! | `get.rs` | `get`: fetches releases |
//! | `run.rs` | `run`: a scenario on one release |
//! | `agree.rs` | `agree`: scenarios on several releases, simulated and real side by side |
//! | `crew.rs` | plays several plans at a time, and shows how far they are |
//!
//! Next: `run.rs`.

mod agree;
mod case;
mod crew;
mod get;
mod run;

use crate::failure::{Failure, Interrupt};
use crate::kafka::{Kafka, Source, Target};
use crate::rig;
use clap::{Parser, Subcommand};
use ktrial::cli::{Exit, output};
use ktrial::compile::Override;
use ktrial::file::Scenario;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Plays ktrial's scenarios on the real Apache Kafka, and holds both outcomes against each other.
#[derive(Debug, Parser)]
#[command(name = "ktrial-real", version, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 as expected, or in agreement; 1 not; 2 inconclusive, or not \
                          possible on a real cluster; 3 usage or harness error.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Play every cell of a scenario on a real cluster: the story, the verdict, a report folder
    Run(run::Arguments),
    /// Play scenarios on several releases, simulated and real: where do they agree?
    Agree(agree::Arguments),
    /// Fetch releases of Apache Kafka into the cache
    Get(get::Arguments),
}

/// Where the jars come from, and how long their programs may take to start.
#[derive(Debug, clap::Args)]
struct Jars {
    /// The jars of an unpacked Kafka (its folder `libs`), instead of Maven Central
    #[arg(long, value_name = "DIR")]
    libs: Option<PathBuf>,
    /// Where fetched releases are kept [default: ktrial/kafka in the user's cache folder]
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// How many seconds a cluster may take to come up
    #[arg(long, default_value_t = 120, value_name = "SECONDS")]
    patience: u64,
}

impl Jars {
    fn patience(&self) -> Duration {
        Duration::from_secs(self.patience)
    }

    /// Gets a release and what makes it start fast.
    fn get(&self, target: &Target, interrupt: &Interrupt) -> Result<Arc<Kafka>, Failure> {
        let mut source = Source::usual()?;
        source.libs.clone_from(&self.libs);
        if let Some(cache) = &self.cache {
            source.cache.clone_from(cache);
        }
        let tell = |text: &str| output::status(text);
        let kafka = Kafka::get(&target.release, &source, interrupt, &tell).map(Arc::new);
        let prepared = kafka.and_then(|kafka| {
            rig::prepare(&kafka, target.mode, self.patience(), interrupt, &tell)?;
            Ok(kafka)
        });
        output::status("");
        prepared
    }
}

fn target(text: &str) -> Result<Target, String> {
    text.parse()
}

/// The settings of a target's mode that nobody chose otherwise: the number of ZooKeeper's servers can be the
/// scenario's own.
fn of_mode(target: &Target, scenario: &Scenario, set: &[Override]) -> Vec<Override> {
    let has_own = scenario
        .versions
        .iter()
        .all(|version| version.base.zookeeper.is_some());
    let is_chosen = |key: &str| match key {
        "zookeeper.servers" if has_own => true,
        key => set.iter().any(|chosen| chosen.key == key),
    };
    let settings = target.settings().iter();
    let settings = settings.filter(|(key, _)| !is_chosen(key));
    let settings = settings.map(|(key, value)| Override {
        key: (*key).to_owned(),
        value: (*value).to_owned(),
    });
    settings.collect()
}

/// Runs the program with its arguments, the program's own name first.
pub fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let exit = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => command(&arguments.command),
        Err(error) if error.use_stderr() => {
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

fn command(command: &Command) -> Exit {
    let interrupt = stop_on_signals();
    let done = match command {
        Command::Run(arguments) => run::run(arguments, &interrupt),
        Command::Agree(arguments) => agree::agree(arguments, &interrupt),
        Command::Get(arguments) => get::get(arguments, &interrupt),
    };
    done.unwrap_or_else(|failure| {
        output::status("");
        output::complain(&failure.to_string());
        Exit::Usage
    })
}

/// The flag that Ctrl-C and SIGTERM set. Asked once more, the program ends at once; its processes end with
/// it where `setpriv` exists.
fn stop_on_signals() -> Interrupt {
    static ASKED: AtomicBool = AtomicBool::new(false);
    let interrupt = Interrupt::default();
    let raised = interrupt.clone();
    let set = ctrlc::set_handler(move || {
        if ASKED.swap(true, Ordering::Relaxed) {
            std::process::exit(i32::from(Exit::Usage.code()));
        }
        raised.raise();
        output::status("");
        output::progress("stopping the clusters; once more stops at once");
    });
    if let Err(error) = set {
        output::note(&format!("signals cannot be caught: {error}"));
    }
    interrupt
}
