//! `agree`: scenarios x releases, simulated and real side by side.
//!
//! Each cell of each scenario is compiled with the release's rules and defaults, and with ZooKeeper where the
//! release runs with it ([`Target::settings`]), simulated and played for real: `case.rs`.
//! Rows of cells and releases that are not asked for stay in the table that is there.

use super::case::Case;
use super::{Jars, crew, of_mode, target};
use crate::agree::table::{Row, Table};
use crate::agree::{Agreement, markdown, text};
use crate::failure::{Failure, Interrupt};
use crate::kafka::Target;
use ktrial::cli::run::writable;
use ktrial::cli::{Exit, key_value, library, output};
use ktrial::compile::{Override, compile};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The key of the release in a plan's settings.
pub(super) const RELEASE: &str = "kafka.release";
/// How many seeds are simulated, unless told otherwise.
const SEEDS: u64 = 50;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Names of the library, or files; none = the whole library
    #[arg(value_name = "NAME|FILE")]
    scenarios: Vec<String>,
    /// Releases such as 0.10.2.2,3.9.1/zookeeper,4.3.1
    #[arg(long, required = true, value_name = "RELEASES", value_delimiter = ',', value_parser = target)]
    kafka: Vec<Target>,
    /// Set a Kafka setting, or pick a cell; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_value)]
    set: Vec<Override>,
    /// How many seeds are simulated
    #[arg(long, default_value_t = SEEDS, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// How often a cell is played for real whose simulated outcome depends on timing
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Clusters side by side
    #[arg(long, default_value_t = crew::jobs(), value_name = "N")]
    jobs: usize,
    /// Write the table under this name, as Markdown and as JSON; its rows of other cells and releases stay
    #[arg(long, default_value = "ktrial-out/agreement", value_name = "OUT")]
    out: PathBuf,
    /// Judge anew the records that earlier runs of this OUT left, instead of playing again
    #[arg(long)]
    kept: bool,
    /// Print the table as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    jars: Jars,
}

/// Runs the command.
pub(super) fn agree(arguments: &Arguments, interrupt: &Interrupt) -> Result<Exit, Failure> {
    writable(&folder(&arguments.out)).map_err(Failure::Rig)?;
    let before = before(&arguments.out)?;
    let cases = cases(arguments, interrupt)?;
    let mut table = Table::new(&today(), &command(arguments));
    for (case, row) in cases.iter().zip(rows(arguments, &cases, interrupt)?) {
        match row {
            Err(Failure::Rig(why)) => return Err(Failure::Rig(why)),
            row => table.add(row.unwrap_or_else(|_| case.other(Agreement::NotRun))),
        }
    }
    let all = match before {
        Some(mut before) => {
            before.merge(table.clone());
            before
        }
        None => table.clone(),
    };
    write(&arguments.out, &all)?;
    show(arguments, &table)?;
    interrupt.check()?;
    let counts = table.counts();
    Ok(match counts {
        _ if counts.unexplained > 0 => Exit::NotAsExpected,
        _ if counts.failed > 0 => Exit::Usage,
        _ => Exit::AsExpected,
    })
}

/// Plays the cases, or judges the kept records of them.
fn rows(
    arguments: &Arguments,
    cases: &[Case],
    interrupt: &Interrupt,
) -> Result<Vec<Result<Row, Failure>>, Failure> {
    let clusters = clusters(&arguments.out);
    if arguments.kept {
        return Ok(cases.iter().map(|case| case.kept(&clusters)).collect());
    }
    let mut releases = BTreeMap::new();
    for case in cases.iter().filter(|case| case.unsupported.is_none()) {
        let target = &case.target;
        if !releases.contains_key(target) {
            releases.insert(target.clone(), arguments.jars.get(target, interrupt)?);
        }
    }
    let notes = Mutex::new(BTreeSet::new());
    let play = |case: &Case, tell: &dyn Fn(&str)| {
        let kafka = releases.get(&case.target);
        let (row, left_out) = case.row(kafka, &clusters, interrupt, tell);
        let left_out = left_out
            .into_iter()
            .map(|key| format!("{}: {key}", case.target));
        notes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(left_out);
        output::status("");
        output::note(&format!("{}: {}", case.name(), text::level(&row.agreement)));
        Ok(row)
    };
    let rows = crew::each(cases, arguments.jobs, interrupt, Case::name, play);
    for note in notes.into_inner().unwrap_or_else(PoisonError::into_inner) {
        output::note(&format!("note: {note}"));
    }
    Ok(rows)
}

fn show(arguments: &Arguments, table: &Table) -> Result<(), Failure> {
    if arguments.json {
        let json = table
            .to_json()
            .map_err(|error| Failure::Rig(error.to_string()))?;
        output::say(json.trim_end());
    } else {
        output::say(text::text(table).trim_end());
        let out = arguments.out.display();
        output::say(&format!("\nwritten: {out}.md, {out}.json"));
    }
    Ok(())
}

/// Every cell of every scenario on every target, simulated.
fn cases(arguments: &Arguments, interrupt: &Interrupt) -> Result<Vec<Case>, Failure> {
    let mut names: Vec<&str> = arguments.scenarios.iter().map(String::as_str).collect();
    if names.is_empty() {
        names = ktrial::library::names();
    }
    let mut cases = Vec::new();
    for name in names {
        let scenario = library::load(name).map_err(Failure::Rig)?;
        for target in &arguments.kafka {
            let mut set = arguments.set.clone();
            set.push(Override {
                key: RELEASE.to_owned(),
                value: target.release.to_string(),
            });
            set.extend(of_mode(target, &scenario, &arguments.set));
            let compiled = compile(&scenario, 1, &set)
                .map_err(|problems| Failure::Rig(library::show_problems(problems)))?;
            for plan in compiled.plans {
                interrupt.check()?;
                output::status(&format!("simulating {name} as {target}"));
                let often = (arguments.seeds, arguments.runs);
                let patience = arguments.jars.patience();
                cases.push(Case::new(target, plan, often, patience)?);
            }
        }
    }
    output::status("");
    Ok(cases)
}

/// The folder that `out` is in.
fn folder(out: &Path) -> PathBuf {
    match out.parent() {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn clusters(out: &Path) -> PathBuf {
    let name = out
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    Path::new("ktrial-out").join(format!("{name}-clusters"))
}

fn file(out: &Path, extension: &str) -> PathBuf {
    let mut path = out.as_os_str().to_owned();
    path.push(extension);
    PathBuf::from(path)
}

/// The rows that are there already.
fn before(out: &Path) -> Result<Option<Table>, Failure> {
    let path = file(out, ".json");
    let Ok(text) = fs::read_to_string(&path) else {
        return Ok(None);
    };
    let table = Table::from_json(&text).map_err(|error| {
        Failure::Rig(format!(
            "{}: {error}\nmove it away, or choose another --out",
            path.display()
        ))
    })?;
    Ok(Some(table))
}

fn write(out: &Path, table: &Table) -> Result<(), Failure> {
    let json = table
        .to_json()
        .map_err(|error| Failure::Rig(error.to_string()))?;
    for (extension, text) in [(".json", json), (".md", markdown::markdown(table))] {
        let path = file(out, extension);
        fs::write(&path, text)
            .map_err(|error| Failure::Rig(format!("cannot write {}: {error}", path.display())))?;
    }
    Ok(())
}

/// The day, as `2026-11-21`.
fn today() -> String {
    chrono::Utc::now().date_naive().to_string()
}

/// The command as it was given.
fn command(arguments: &Arguments) -> String {
    let mut words = vec!["ktrial-real".to_owned(), "agree".to_owned()];
    words.extend(arguments.scenarios.iter().cloned());
    let targets: Vec<String> = arguments.kafka.iter().map(Target::to_string).collect();
    words.push(format!("--kafka {}", targets.join(",")));
    for Override { key, value } in &arguments.set {
        words.push(format!("--set '{key}={value}'"));
    }
    if arguments.seeds != SEEDS {
        words.push(format!("--seeds {}", arguments.seeds));
    }
    if arguments.kept {
        words.push("--kept".to_owned());
    }
    words.join(" ")
}
