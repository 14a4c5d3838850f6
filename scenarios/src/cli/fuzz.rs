//! `fuzz`: random trials. Many under a range of seeds, as a sweep; or one, with its draw and its story.

use super::sweep::{self, How};
use super::{Exit, key_value, output, run};
use crate::compile::Override;
use crate::fuzz::{FAMILIES, FuzzSource, MODEL_FAMILIES, Profile, REJOIN_FAMILIES, describe};
use crate::selftest::hunt;
use crate::sweep::Source;
use ktrial_core::planted::Bug;
use ktrial_sim::check::goals::GOALS;
use ktrial_sim::verdict::Class;
use std::sync::atomic::AtomicBool;

/// Seeds in which the canary must show itself.
const CANARY: u64 = 20;

/// The command's arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// How wild the trials are
    #[arg(long, value_enum, default_value_t)]
    profile: Profile,
    /// Set a Kafka setting, `kafka.release` or `rules.SWITCH` in all of them; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_value)]
    set: Vec<Override>,
    /// One trial: what was drawn, its story and its verdict
    #[arg(long, value_name = "N", conflicts_with_all = ["seeds", "shard", "resume", "time", "jobs", "fail_after", "force", "github"])]
    seed: Option<u64>,
    /// With --seed: only what was drawn
    #[arg(long, requires = "seed", conflicts_with_all = ["json", "out"])]
    draw: bool,
    /// List the families of faults
    #[arg(long, exclusive = true)]
    families: bool,
    /// List the coverage goals: what random trials are to come to
    #[arg(long, exclusive = true)]
    goals: bool,
    #[command(flatten)]
    how: How,
}

/// Runs the command.
pub(super) fn fuzz(arguments: &Arguments) -> Result<Exit, String> {
    if arguments.families {
        let others = MODEL_FAMILIES.iter().chain(REJOIN_FAMILIES);
        for family in FAMILIES.iter().chain(others) {
            let (name, from) = (family.name, family.from.name());
            output::say(&format!("{name:<16} {from:<6} {}", family.meaning));
        }
        return Ok(Exit::AsExpected);
    }
    if arguments.goals {
        for goal in GOALS {
            let needs = match goal.needs {
                "" => String::new(),
                needs => format!(" Needs {needs}."),
            };
            output::say(&format!("{:<32} {}{needs}", goal.name, goal.meaning));
        }
        return Ok(Exit::AsExpected);
    }
    let source = FuzzSource::new(arguments.profile, &arguments.set)?;
    match arguments.seed {
        Some(seed) => one(&source, seed, arguments),
        None => {
            canary(arguments.profile)?;
            sweep::drive(&source, &arguments.how)
        }
    }
}

/// A bug that must be found, or nothing that is not found means anything.
fn canary(profile: Profile) -> Result<(), String> {
    let stop = AtomicBool::new(false);
    let hunt = hunt(profile, Bug::Canary, (0, CANARY), &stop)?;
    if hunt.is_some_and(|hunt| hunt.seed.is_some()) {
        return Ok(());
    }
    Err(format!(
        "the canary lives: a planted bug that any workload shows was not found in {CANARY} trials, so \
         this build of ktrial finds nothing"
    ))
}

fn one(source: &FuzzSource, seed: u64, arguments: &Arguments) -> Result<Exit, String> {
    let plan = source.plan(seed)?;
    if arguments.draw {
        output::say(describe(&plan).trim_end());
        return Ok(Exit::AsExpected);
    }
    let name = format!("{}-seed{seed}", source.name());
    let folder = arguments.how.folder(&name);
    if !arguments.how.json() {
        output::say(&describe(&plan));
    }
    let cell = run::try_alone(&plan)?;
    let class = cell.verdict.verdict;
    run::report(cell, &folder, arguments.how.json())?;
    Ok(Exit::of([(class, class != Class::Broken)]))
}
