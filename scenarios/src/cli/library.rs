//! `list`, `show`, `check`, and finding a scenario by name or file.

use super::{Exit, output};
use crate::compile::compile;
use crate::diagnostic::Problems;
use crate::file::{self, Scenario};
use crate::{library, suggest};
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
        let title = match file::parse(entry.name, entry.path, entry.text) {
            Ok(scenario) => scenario.base.title,
            Err(_) => "(this file has mistakes: `ktrial check` it)".to_owned(),
        };
        let width = width.unwrap_or_default();
        output::say(&format!("  {:width$}  {title}", entry.name));
    }
    Exit::AsExpected
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
            Ok((scenario.base.steps.len(), compiled.plans.len()))
        });
        match checked {
            Ok((steps, cells)) => {
                let (steps, cells) = (count(steps, "step"), count(cells, "cell"));
                output::say(&format!("{name}: no mistakes ({steps}, {cells})"));
            }
            Err(message) => {
                output::complain(&message);
                exit = Exit::Usage;
            }
        }
    }
    exit
}
