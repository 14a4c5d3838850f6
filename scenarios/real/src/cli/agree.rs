//! `agree`: scenarios x releases, simulated and real side by side.
//!
//! Each cell of each scenario is compiled with the release's rules and defaults, simulated (for ZooKeeper
//! mode under the rules that come nearest, [`Target::zookeeper_rules`]) under several seeds
//! (what is drawn when the plan is made stays; latencies and scheduling change), and played for real:
//! once if all seeds end alike, else several times, for then timing decides.
//! Next: `../agree/mod.rs`, which compares.

use super::{Jars, crew, target};
use crate::agree::table::{Row, Table};
use crate::agree::{Agreement, Outcome, compare, markdown, text};
use crate::failure::{Failure, Interrupt};
use crate::kafka::{Kafka, Target};
use crate::play::{self, Stand};
use crate::rig::Shape;
use ktrial::cli::run::writable;
use ktrial::cli::{Exit, key_value, library, output};
use ktrial::compile::{Override, compile};
use ktrial_reports::Cell;
use ktrial_sim::history::{Entry, What, codec};
use ktrial_sim::plan::Plan;
use ktrial_sim::{check, trial};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The key of the release in a plan's settings.
const RELEASE: &str = "kafka.release";

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
    #[arg(long, default_value_t = 50, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// How often a cell is played for real whose simulated outcome depends on timing
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Clusters side by side
    #[arg(long, default_value_t = crew::JOBS, value_name = "N")]
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

/// One cell on one target.
struct Case {
    scenario: String,
    cell: BTreeMap<String, String>,
    target: Target,
    plan: Plan,
    simulated: Vec<Outcome>,
    unsupported: Option<String>,
    runs: u32,
    patience: Duration,
}

/// Runs the command.
pub(super) fn agree(arguments: &Arguments, interrupt: &Interrupt) -> Result<Exit, Failure> {
    let folder = arguments.out.parent().unwrap_or(Path::new(""));
    let folder = if folder == Path::new("") {
        Path::new(".")
    } else {
        folder
    };
    writable(folder).map_err(Failure::Rig)?;
    let mut table = Table::new(&today(), &command(arguments));
    let before = before(&arguments.out)?;
    let cases = cases(arguments, interrupt)?;
    let mut releases = BTreeMap::new();
    let played = |case: &&Case| case.unsupported.is_none() && !arguments.kept;
    for case in cases.iter().filter(played) {
        let target = &case.target;
        if !releases.contains_key(target) {
            releases.insert(target.clone(), arguments.jars.get(target, interrupt)?);
        }
    }
    let notes = Mutex::new(BTreeSet::new());
    let rows = crew::each(
        &cases,
        arguments.jobs,
        interrupt,
        Case::name,
        |case, tell| {
            let kafka = releases.get(&case.target);
            let folder = clusters(&arguments.out);
            if arguments.kept {
                return case.kept(&folder);
            }
            let (row, left_out) = case.row(kafka, &folder, interrupt, tell);
            let target = &case.target;
            let left_out = left_out.into_iter().map(|key| format!("{target}: {key}"));
            notes
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .extend(left_out);
            output::status("");
            output::note(&format!("{}: {}", case.name(), text::level(&row.agreement)));
            Ok(row)
        },
    );
    for (case, row) in cases.iter().zip(rows) {
        match row {
            Err(Failure::Rig(why)) => return Err(Failure::Rig(why)),
            row => table.add(row.unwrap_or_else(|_| case.other(Agreement::NotRun))),
        }
    }
    for note in notes.into_inner().unwrap_or_else(PoisonError::into_inner) {
        output::note(&format!("note: {note}"));
    }
    let all = match before {
        Some(mut before) => {
            before.merge(table.clone());
            before
        }
        None => table.clone(),
    };
    write(&arguments.out, &all)?;
    if arguments.json {
        let json = table
            .to_json()
            .map_err(|error| Failure::Rig(error.to_string()))?;
        output::say(json.trim_end());
    } else {
        output::say(text::text(&table).trim_end());
        let out = arguments.out.display();
        output::say(&format!("\nwritten: {out}.md, {out}.json"));
    }
    interrupt.check()?;
    let counts = table.counts();
    Ok(match counts {
        _ if counts.unexplained > 0 => Exit::NotAsExpected,
        _ if counts.failed > 0 => Exit::Usage,
        _ => Exit::AsExpected,
    })
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
            let compiled = compile(&scenario, 1, &set)
                .map_err(|problems| Failure::Rig(library::show_problems(problems)))?;
            set.extend(
                target
                    .zookeeper_rules()
                    .iter()
                    .map(|(key, value)| Override {
                        key: (*key).to_owned(),
                        value: (*value).to_owned(),
                    }),
            );
            let simulated = compile(&scenario, 1, &set)
                .map_err(|problems| Failure::Rig(library::show_problems(problems)))?;
            for (plan, simulated) in compiled.plans.into_iter().zip(&simulated.plans) {
                interrupt.check()?;
                output::status(&format!("simulating {name} as {target}"));
                cases.push(case(arguments, target, plan, simulated)?);
            }
        }
    }
    output::status("");
    Ok(cases)
}

fn case(
    arguments: &Arguments,
    target: &Target,
    plan: Plan,
    stand_in: &Plan,
) -> Result<Case, Failure> {
    let mut cell = plan.cell.clone();
    cell.remove(RELEASE);
    let unsupported = play::unsupported(&plan);
    // What the mode promises is judged by its rules, on both sides.
    let plan = Plan {
        cell: plan.cell,
        ..stand_in.clone()
    };
    let mut simulated = Vec::new();
    if unsupported.is_none() {
        for seed in 1..=arguments.seeds {
            simulated.push(simulate(&plan, seed)?);
        }
    }
    let timed = simulated.first().is_some_and(|first| {
        let alike = |other| {
            matches!(
                compare(std::slice::from_ref(first), other),
                Agreement::Same { .. }
            )
        };
        !simulated.iter().all(alike)
    });
    Ok(Case {
        scenario: plan.scenario.clone(),
        cell,
        target: target.clone(),
        plan,
        simulated,
        unsupported,
        patience: arguments.jars.patience(),
        runs: if timed { arguments.runs } else { 1 },
    })
}

/// What the plan ends in under another seed.
fn simulate(plan: &Plan, seed: u64) -> Result<Outcome, Failure> {
    let plan = Plan {
        seed,
        ..plan.clone()
    };
    let record = trial::run(&plan).map_err(|error| Failure::Rig(error.to_string()))?;
    let verdict = check::judge(&plan, &record);
    Ok(Outcome::of(&Cell {
        plan,
        record,
        verdict,
        unmet: Vec::new(),
    }))
}

impl Case {
    fn name(&self) -> String {
        let values: Vec<&str> = self.cell.values().map(String::as_str).collect();
        format!("{} {} {}", self.target, self.scenario, values.join(" "))
    }

    fn other(&self, agreement: Agreement) -> Row {
        Row::other((&self.scenario, &self.cell), &self.target, agreement)
    }

    /// Plays it, and holds both sides against each other. Also: settings that were left out.
    fn row(
        &self,
        kafka: Option<&Arc<Kafka>>,
        clusters: &Path,
        interrupt: &Interrupt,
        tell: &dyn Fn(&str),
    ) -> (Row, BTreeSet<String>) {
        let mut left_out = BTreeSet::new();
        if let Some(step) = self.unsupported.clone() {
            return (self.other(Agreement::Unsupported { step }), left_out);
        }
        let Some(kafka) = kafka else {
            return (self.other(Agreement::NotRun), left_out);
        };
        let began = Instant::now();
        let mut real = Vec::new();
        for run in 1..=self.runs {
            let folder = clusters.join(self.folder()).join(run.to_string());
            let stand = Stand {
                kafka,
                target: &self.target,
                shape: Shape::Separate,
                folder: &folder,
                keep: false,
                patience: self.patience,
                interrupt,
                tell,
            };
            match play::play(&self.plan, &stand) {
                Ok(played) => {
                    left_out.extend(played.left_out);
                    real.push(Outcome::of(&played.cell));
                }
                Err(Failure::Interrupted) => return (self.other(Agreement::NotRun), left_out),
                Err(Failure::Rig(why)) => {
                    return (self.other(Agreement::Failed { why }), left_out);
                }
            }
        }
        let wall = began.elapsed().as_secs();
        let name = (self.scenario.as_str(), &self.cell);
        let row = Row::played(name, &self.target, &self.simulated, &real, wall);
        (row, left_out)
    }

    /// The row from the records that earlier runs left; those that did not come to an end do not count.
    fn kept(&self, clusters: &Path) -> Result<Row, Failure> {
        if let Some(step) = self.unsupported.clone() {
            return Ok(self.other(Agreement::Unsupported { step }));
        }
        let mut real = Vec::new();
        let mut wall = 0;
        for run in 1..=self.runs {
            let folder = clusters.join(self.folder()).join(run.to_string());
            let path = folder.join("record.jsonl");
            let Ok(text) = fs::read_to_string(&path) else {
                continue;
            };
            let record = codec::from_jsonl(&text)
                .map_err(|why| Failure::Rig(format!("{}: {why}", path.display())))?;
            let ended = |entry: &&Entry| matches!(entry.what, What::Ended { .. });
            let Some(ended) = record.entries.iter().find(ended) else {
                continue;
            };
            wall += ended.at.as_millis() / 1_000;
            let verdict = check::judge(&self.plan, &record);
            real.push(Outcome::of(&Cell {
                plan: self.plan.clone(),
                record,
                verdict,
                unmet: Vec::new(),
            }));
        }
        let name = (self.scenario.as_str(), &self.cell);
        Ok(Row::played(
            name,
            &self.target,
            &self.simulated,
            &real,
            wall,
        ))
    }

    /// The name of its clusters' folder.
    fn folder(&self) -> String {
        let plain = |c: char| {
            if c.is_alphanumeric() || "._-".contains(c) {
                c
            } else {
                '-'
            }
        };
        self.name().chars().map(plain).collect()
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
    words.join(" ")
}
