//! `merge`: the shards of a sweep put together.

use super::{Exit, output, sweep};
use crate::sweep::merge as merge_folders;
use std::path::PathBuf;

/// The command's arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Folders with results, finished or not, in any order, any of them more than once
    #[arg(required = true, value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// Write the whole here
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Print summary.json instead of the summary for people
    #[arg(long)]
    json: bool,
    /// Print annotations for a GitHub workflow too
    #[arg(long, conflicts_with = "json")]
    github: bool,
}

/// Runs the command.
pub(super) fn merge(arguments: &Arguments) -> Result<Exit, String> {
    let merged = merge_folders(&arguments.folders, &arguments.out)?;
    for folder in &merged.empty {
        output::note(&format!("{} holds no results", folder.display()));
    }
    sweep::tell(&merged.summary, arguments.json, arguments.github);
    Ok(sweep::exit(&merged.summary))
}
