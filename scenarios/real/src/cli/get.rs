//! `get`: fetches releases into the cache.

use super::Jars;
use crate::failure::{Failure, Interrupt};
use crate::kafka::Release;
use ktrial::cli::{Exit, output};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Releases such as 0.10.2.2 or 4.3.1
    #[arg(required = true, value_name = "RELEASE", value_parser = release)]
    releases: Vec<Release>,
    #[command(flatten)]
    jars: Jars,
}

fn release(text: &str) -> Result<Release, String> {
    text.parse()
}

/// Runs the command.
pub(super) fn get(arguments: &Arguments, interrupt: &Interrupt) -> Result<Exit, Failure> {
    for release in &arguments.releases {
        let kafka = arguments.jars.get(release, interrupt)?;
        output::say(&format!("{release}: {}", kafka.folder().display()));
    }
    Ok(Exit::AsExpected)
}
