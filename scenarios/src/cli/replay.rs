//! `replay`: a plan again, with every entry of its record.

use super::trace::Trace;
use super::{Exit, output, run};
use ktrial_sim::plan::{PLAN_VERSION, Plan};
use ktrial_sim::verdict::Class;
use serde::Deserialize;
use std::path::Path;
use std::thread;

/// Runs the command. The trace ends at `until`, in microseconds; the verdict is about the whole.
pub(super) fn replay(file: &Path, until: Option<u64>) -> Result<Exit, String> {
    let plan = read(file)?;
    let stopped = "ktrial itself failed: please report this as a bug of ktrial";
    let tried = thread::scope(|scope| scope.spawn(|| run::try_plan(&plan)).join());
    let cell = tried.unwrap_or_else(|_| Err(stopped.to_owned()))?;
    let shown = |at: u64| until.is_none_or(|until| at <= until);
    let mut trace = Trace::new(&cell.record.header);
    for entry in cell.record.entries.iter().filter(|e| shown(e.at.0)) {
        output::say(&trace.line(entry));
    }
    output::say("");
    output::say(ktrial_reports::verdict_text(&cell).trim_end());
    let class = cell.verdict.verdict;
    let fine = !matches!(class, Class::Broken | Class::Inconclusive);
    Ok(Exit::of([(class, fine)]))
}

/// What a plan of any version has.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// Reads a plan.
pub(super) fn read(file: &Path) -> Result<Plan, String> {
    let name = file.display();
    let text =
        std::fs::read_to_string(file).map_err(|error| format!("cannot read {name}: {error}"))?;
    let no_plan = |error| {
        format!(
            "{name} is not a plan: {error}\n`ktrial run` writes a plan.json for each cell into its \
             report folder"
        )
    };
    // First the version: the other fields of another version are not this one's mistakes.
    let Version { version } = serde_json::from_str(&text).map_err(no_plan)?;
    if version != PLAN_VERSION {
        return Err(format!(
            "{name} is a plan of version {version}, this ktrial reads version {PLAN_VERSION}"
        ));
    }
    serde_json::from_str(&text).map_err(no_plan)
}
