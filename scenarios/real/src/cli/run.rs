//! `run`: every cell of a scenario on a real cluster, several side by side; its story, its verdict and the
//! report folder are those of `ktrial run`.

use super::{Jars, crew, of_mode, target};
use crate::failure::{Failure, Interrupt};
use crate::kafka::{Kafka, Target};
use crate::play::{self, Stand};
use crate::rig::Shape;
use ktrial::cli::run::{settings, tell, writable};
use ktrial::cli::{Exit, key_value, library, output};
use ktrial::compile::{Override, compile};
use ktrial::expect;
use ktrial::file::Scenario;
use ktrial_core::Rules;
use ktrial_reports::{Cell, Run};
use ktrial_sim::plan::Plan;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// A name of the library, or a file (with a `/` or ending in .toml)
    #[arg(value_name = "NAME|FILE")]
    scenario: String,
    /// The release, such as 4.3.1, or 3.9.1/zookeeper
    #[arg(long, value_name = "RELEASE", value_parser = target)]
    kafka: Target,
    /// Set a Kafka setting; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_value)]
    set: Vec<Override>,
    /// Decides what the scenario draws at random
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// Every broker is a controller too, instead of the scenario's controllers
    #[arg(long)]
    combined: bool,
    /// Clusters side by side
    #[arg(long, default_value_t = crew::jobs(), value_name = "N")]
    jobs: usize,
    /// Keep the brokers' data folders, not only their logs
    #[arg(long)]
    keep: bool,
    /// Print one JSON object instead of the story
    #[arg(long)]
    json: bool,
    /// Write the report here [default: ktrial-out/SCENARIO-kafka-RELEASE-MODE]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    jars: Jars,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments, interrupt: &Interrupt) -> Result<Exit, Failure> {
    let scenario = library::load(&arguments.scenario).map_err(Failure::Rig)?;
    let compiled = compile(&scenario, arguments.seed, &with_mode(arguments, &scenario))
        .map_err(|problems| Failure::Rig(library::show_problems(problems)))?;
    for plan in &compiled.plans {
        if let Some(why) = play::unsupported(plan, &arguments.kafka) {
            output::complain(&format!("unsupported: {}: {why}", plan.scenario));
            return Ok(Exit::Inconclusive);
        }
    }
    let folder = folder(arguments, &scenario.name);
    writable(&folder).map_err(Failure::Rig)?;
    let kafka = arguments.jars.get(&arguments.kafka, interrupt)?;
    let cells = play_all(arguments, &compiled.plans, &kafka, &folder, interrupt)?;
    let cells = cells.into_iter().map(|mut cell| {
        let (expects, overridden) = (&scenario.expects, &compiled.overridden);
        cell.unmet = expect::unmet(expects, overridden, &cell.plan, &cell.verdict);
        cell
    });
    let run = Run {
        scenario: scenario.name.clone(),
        title: scenario.title.clone(),
        why: scenario.why.clone(),
        seed: arguments.seed,
        cells: cells.collect(),
    };
    ktrial_reports::write_folder(&run, &folder).map_err(|error| Failure::Rig(error.to_string()))?;
    if arguments.json {
        output::say(&ktrial_reports::json(&run).to_string());
    } else {
        tell(&run, &folder);
    }
    let ends = run.cells.iter();
    let ends = ends.map(|cell| (cell.verdict.verdict, cell.unmet.is_empty()));
    Ok(Exit::of(ends))
}

/// The settings asked for, and the release unless it has the newest rules and defaults anyway: what was
/// promised is what that release promises.
fn settings_of_run(arguments: &Arguments) -> Vec<Override> {
    let mut set = arguments.set.clone();
    let release = arguments.kafka.release.to_string();
    let rules = Rules::kafka(&release).unwrap_or_default();
    let usual = Rules::default_settings(&release).is_ok_and(|settings| settings.is_empty());
    if !usual || rules != Rules::default() {
        set.push(Override {
            key: "kafka.release".to_owned(),
            value: release,
        });
    }
    set
}

/// Also those of its mode.
fn with_mode(arguments: &Arguments, scenario: &Scenario) -> Vec<Override> {
    let mut set = settings_of_run(arguments);
    set.extend(of_mode(&arguments.kafka, scenario, &arguments.set));
    set
}

fn folder(arguments: &Arguments, scenario: &str) -> PathBuf {
    arguments.out.clone().unwrap_or_else(|| {
        let Target { release, mode } = &arguments.kafka;
        let name = format!("{scenario}-kafka-{release}-{}", mode.name());
        Path::new("ktrial-out").join(name)
    })
}

fn play_all(
    arguments: &Arguments,
    plans: &[Plan],
    kafka: &Arc<Kafka>,
    folder: &Path,
    interrupt: &Interrupt,
) -> Result<Vec<Cell>, Failure> {
    let shape = match arguments.combined {
        true => Shape::Combined,
        false => Shape::Separate,
    };
    let numbered: Vec<(usize, &Plan)> = plans.iter().enumerate().collect();
    let played = crew::each(
        &numbered,
        arguments.jobs,
        interrupt,
        |(_, plan)| settings(plan),
        |(number, plan), tell| {
            let folder = folder.join("clusters").join(format!("{}", number + 1));
            let stand = Stand {
                kafka,
                target: &arguments.kafka,
                shape,
                folder: &folder,
                keep: arguments.keep,
                patience: arguments.jars.patience(),
                interrupt,
                tell,
            };
            play::play(plan, &stand).map_err(|failure| {
                let left = folder.display();
                failure
                    .while_doing(&settings(plan))
                    .with_hint(&format!("the cluster's logs are in {left}"))
            })
        },
    );
    // The first failure that is not just a consequence of being stopped.
    let mut cells = Vec::new();
    let mut notes = BTreeSet::new();
    let mut interrupted = false;
    for result in played {
        match result {
            Ok(played) => {
                notes.extend(played.left_out);
                cells.push(played.cell);
            }
            Err(Failure::Interrupted) => interrupted = true,
            Err(failure) => return Err(failure),
        }
    }
    if interrupted {
        return Err(Failure::Interrupted);
    }
    for note in notes {
        output::note(&format!("note: {note}"));
    }
    Ok(cells)
}
