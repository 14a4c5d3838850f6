//! `list`, `show`, `check`, and finding a scenario by name or file.

use super::{Exit, output};
use crate::compile::compile;
use crate::diagnostic::Problems;
use crate::file::{self, Scenario};
use crate::real::{Obstacle, obstacles, timed};
use crate::{library, suggest};
use ktrial_sim::plan::Plan;
use std::path::Path;

/// Reads a scenario: a file if its name has a `/` or ends in `.toml`, else one of the library.
///
/// # Errors
/// There is none, or it has mistakes: shown with their places.
pub fn load(name: &str) -> Result<Scenario, String> {
    if !name.contains('/') && !name.ends_with(".toml") {
        let Some(entry) = library::find(name) else {
            return Err(unknown(name));
        };
        return file::parse(entry.name, entry.path, entry.text).map_err(show_problems);
    }
    let bytes = std::fs::read(name).map_err(|error| format!("cannot read {name}: {error}"))?;
    let text = String::from_utf8(bytes)
        .map_err(|_| format!("cannot read {name}: it is not text in UTF-8"))?;
    let stem = Path::new(name).file_stem().and_then(|stem| stem.to_str());
    file::parse(stem.unwrap_or("scenario"), name, &text).map_err(show_problems)
}

/// The mistakes as text.
#[expect(
    clippy::needless_pass_by_value,
    reason = "it stands behind `map_err`, which hands over the value"
)]
pub fn show_problems(problems: Problems) -> String {
    problems.render(output::colour())
}

fn unknown(name: &str) -> String {
    let help = suggest::help(name, &library::names()).unwrap_or_default();
    let list = "`ktrial list` shows the library; a file has a `/` or ends in `.toml`";
    let file = format!("{name}.toml");
    if Path::new(&file).is_file() {
        return format!("the library has no scenario `{name}`; did you mean the file `{file}`?");
    }
    format!("the library has no scenario `{name}`: {help}\n{list}")
}

/// Prints every scenario of the library with its title, or (for scripts) only the names.
pub(super) fn list(only_names: bool) -> Exit {
    let names = library::names();
    if only_names {
        output::say(&names.join("\n"));
        return Exit::AsExpected;
    }
    let width = names.iter().map(|name| name.len()).max();
    let mut theme = "";
    for entry in library::LIBRARY {
        if entry.theme != theme {
            theme = entry.theme;
            output::say(&format!("{theme}:"));
        }
        let (title, real) = match file::parse(entry.name, entry.path, entry.text) {
            Ok(scenario) => (scenario.title.clone(), mark(&scenario)),
            Err(_) => {
                let title = "(this file has mistakes: `ktrial check` it)";
                (title.to_owned(), "")
            }
        };
        let width = width.unwrap_or_default();
        output::say(&format!("  {:width$}  {real:4}  {title}", entry.name));
    }
    output::say(
        "\nreal: can be tried on a real cluster too; net: only with a network of its own; -: only simulated",
    );
    Exit::AsExpected
}

/// Whether all of its cells can be tried on a real cluster.
fn mark(scenario: &Scenario) -> &'static str {
    let plans = compile(scenario, 1, &[]).map_or_else(|_| Vec::new(), |found| found.plans);
    let found: Vec<Obstacle> = plans.iter().flat_map(obstacles).collect();
    match found.as_slice() {
        [] => "real",
        found if found.iter().all(Obstacle::needs_network) => "net",
        _ => "-",
    }
}

/// Whether these cells can be tried on a real cluster, and if not why.
fn on_a_real_cluster(plans: &[Plan]) -> String {
    let of: Vec<Vec<Obstacle>> = plans.iter().map(obstacles).collect();
    // Of each cell that cannot, what keeps it.
    let never = |found: &Vec<Obstacle>| found.iter().find(|it| !it.needs_network()).cloned();
    let refused: Vec<Obstacle> = of.iter().filter_map(never).collect();
    if let Some(first) = refused.first() {
        if refused.len() == plans.len() {
            return format!("no; {first}");
        }
        let cells = count(refused.len(), "cell");
        return format!("not {cells} of {}; {first}", plans.len());
    }
    let mut answer = match of.iter().flatten().next() {
        Some(network) => format!("yes, with a network of its own; {network}"),
        None => "yes".to_owned(),
    };
    let steps = plans.iter().map(|plan| timed(plan).len()).max();
    if let Some(steps @ 1..) = steps {
        let steps = count(steps, "step");
        answer +=
            &format!("; the time of {steps} is inexact there, so the outcome may depend on it");
    }
    answer
}

/// Prints the text of a scenario, and as a comment behind it what its cells are.
pub(super) fn show(name: &str) -> Result<Exit, String> {
    let scenario = load(name)?;
    let plans = compile(&scenario, 1, &[]).map_err(show_problems)?.plans;
    output::say(scenario.text.trim_end());
    output::say(&format!(
        "\n# {} of {}:",
        count(plans.len(), "cell"),
        scenario.file
    ));
    for plan in plans {
        output::say(&format!("#   {}", super::run::settings(&plan)));
    }
    Ok(Exit::AsExpected)
}

fn count(number: usize, what: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {what}{s}")
}

/// Looks for mistakes in each file.
pub(super) fn check(names: &[String]) -> Exit {
    let mut exit = Exit::AsExpected;
    for name in names {
        let checked = load(name).and_then(|scenario| {
            let compiled = compile(&scenario, 1, &[]).map_err(show_problems)?;
            let steps = compiled.plans.iter().map(|plan| plan.steps.len()).max();
            Ok((steps.unwrap_or_default(), compiled.plans))
        });
        match checked {
            Ok((steps, plans)) => {
                let (steps, cells) = (count(steps, "step"), count(plans.len(), "cell"));
                output::say(&format!("{name}: no mistakes ({steps}, {cells})"));
                let real = on_a_real_cluster(&plans);
                output::say(&format!("  on a real cluster: {real}"));
            }
            Err(message) => {
                output::complain(&message);
                exit = Exit::Usage;
            }
        }
    }
    exit
}
