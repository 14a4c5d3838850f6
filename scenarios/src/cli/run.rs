//! `run`: every cell of a scenario, its story and verdict, and the report folder.

use super::{Exit, RunArguments, library, output};
use crate::compile::compile;
use crate::expect::{self, class_name};
use crate::file::Scenario;
use ktrial_reports::{Cell, Run};
use ktrial_sim::plan::Plan;
use ktrial_sim::{check, trial};
use std::path::{Path, PathBuf};
use std::thread;

/// Runs the command.
pub(super) fn run(arguments: &RunArguments) -> Result<Exit, String> {
    let scenario = library::load(&arguments.scenario)?;
    let run_folder = folder(arguments, &scenario);
    let run = try_all(&scenario, arguments, &run_folder)?;
    ktrial_reports::write_folder(&run, &run_folder).map_err(|error| error.to_string())?;
    if arguments.json {
        output::say(&ktrial_reports::json(&run).to_string());
    } else {
        tell(&run, &run_folder);
    }
    Ok(Exit::of(
        run.cells
            .iter()
            .map(|cell| (cell.verdict.verdict, cell.unmet.is_empty())),
    ))
}

fn folder(arguments: &RunArguments, scenario: &Scenario) -> PathBuf {
    arguments.out.clone().unwrap_or_else(|| {
        let name = format!("{}-seed{}", scenario.name, arguments.seed);
        Path::new("ktrial-out").join(name)
    })
}

/// Tries every cell. The folder is made first: better to fail before the trials than after.
fn try_all(scenario: &Scenario, arguments: &RunArguments, folder: &Path) -> Result<Run, String> {
    let compiled =
        compile(scenario, arguments.seed, &arguments.set).map_err(library::show_problems)?;
    writable(folder)?;
    let jobs = thread::available_parallelism().map_or(1, usize::from);
    let mut cells = Vec::new();
    for plans in compiled.plans.chunks(jobs) {
        for plan in plans {
            output::progress(&format!("trying {}", cell_name(plan)));
        }
        for (plan, tried) in plans.iter().zip(try_plans(plans)) {
            let mut cell = tried.map_err(|error| format!("{}: {error}", cell_name(plan)))?;
            let (expects, overridden) = (&scenario.expects, &compiled.overridden);
            cell.unmet = expect::unmet(expects, overridden, plan, &cell.verdict);
            cells.push(cell);
        }
    }
    Ok(Run {
        scenario: scenario.name.clone(),
        title: scenario.title.clone(),
        why: scenario.why.clone(),
        seed: arguments.seed,
        cells,
    })
}

/// Makes the folder, and a file in it, to see whether that can be done.
///
/// # Errors
/// It cannot.
pub fn writable(folder: &Path) -> Result<(), String> {
    let probe = folder.join(".ktrial-probe");
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&probe, b""))
        .and_then(|()| std::fs::remove_file(&probe))
        .map_err(|error| {
            format!(
                "cannot write to the report folder {}: {error}\nchoose another one with --out DIR",
                folder.display()
            )
        })
}

/// Tries some plans, each on a thread of its own.
fn try_plans(plans: &[Plan]) -> Vec<Result<Cell, String>> {
    thread::scope(|scope| {
        let threads: Vec<_> = plans
            .iter()
            .map(|plan| scope.spawn(|| try_plan(plan)))
            .collect();
        let joined = threads.into_iter().map(|thread| {
            let stopped = "ktrial itself failed: please report this as a bug of ktrial";
            thread.join().unwrap_or_else(|_| Err(stopped.to_owned()))
        });
        joined.collect()
    })
}

/// Tries one plan on a thread of its own.
pub(super) fn try_alone(plan: &Plan) -> Result<Cell, String> {
    let mut tried = try_plans(std::slice::from_ref(plan));
    tried
        .pop()
        .unwrap_or_else(|| Err("nothing was tried".to_owned()))
}

/// Writes the report of one trial and tells it.
pub(super) fn report(cell: Cell, folder: &Path, json: bool) -> Result<(), String> {
    writable(folder)?;
    let run = Run {
        scenario: cell.plan.scenario.clone(),
        title: cell.plan.title.clone(),
        why: String::new(),
        seed: cell.plan.seed,
        cells: vec![cell],
    };
    ktrial_reports::write_folder(&run, folder).map_err(|error| error.to_string())?;
    if json {
        output::say(&ktrial_reports::json(&run).to_string());
    } else {
        tell(&run, folder);
    }
    Ok(())
}

/// Tries one plan.
pub(super) fn try_plan(plan: &Plan) -> Result<Cell, String> {
    let record = trial::run(plan).map_err(|error| error.to_string())?;
    let verdict = check::judge(plan, &record);
    Ok(Cell {
        plan: plan.clone(),
        record,
        verdict,
        unmet: Vec::new(),
    })
}

/// A cell's settings on one line.
pub fn settings(plan: &Plan) -> String {
    if plan.cell.is_empty() {
        return "default settings".to_owned();
    }
    let settings = plan.cell.iter();
    let settings: Vec<String> = settings
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    settings.join(", ")
}

fn cell_name(plan: &Plan) -> String {
    format!("{}, seed {}, {}", plan.scenario, plan.seed, settings(plan))
}

/// The run for people.
pub fn tell(run: &Run, folder: &Path) {
    for cell in &run.cells {
        let (name, place) = (&cell.plan.scenario, cell.place());
        output::say(&format!("== {name}, {place}, {}\n", settings(&cell.plan)));
        output::say(ktrial_reports::story(cell).trim_end());
        output::say("");
        output::say(ktrial_reports::verdict_text(cell).trim_end());
        output::say("");
    }
    output::say(&format!("report: {}", folder.join("index.html").display()));
    for cell in run.cells.iter().filter(|cell| !cell.unmet.is_empty()) {
        let class = class_name(cell.verdict.verdict);
        output::say(&format!(
            "\nnot as expected ({class}): {}",
            cell_name(&cell.plan)
        ));
        for unmet in &cell.unmet {
            output::say(&format!("  {unmet}"));
        }
        if let Some(plan) = plan_file(folder, &cell.plan) {
            output::say(&format!("  again: ktrial replay {}", plan.display()));
        }
    }
}

/// The report's copy of a plan, found by what it says.
fn plan_file(folder: &Path, plan: &Plan) -> Option<PathBuf> {
    let folders = std::fs::read_dir(folder).ok()?;
    let inside = folders.filter_map(|entry| Some(entry.ok()?.path().join("plan.json")));
    let mut files: Vec<PathBuf> = inside.chain([folder.join("plan.json")]).collect();
    files.sort();
    files.into_iter().find(|file| {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        serde_json::from_str::<Plan>(&text).is_ok_and(|found| found == *plan)
    })
}
