//! `get`: fetches releases into the cache.

use super::{Jars, target};
use crate::failure::{Failure, Interrupt};
use crate::kafka::Target;
use ktrial::cli::{Exit, output};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Releases such as 0.10.2.2, 3.9.1/zookeeper or 4.3.1
    #[arg(required = true, value_name = "RELEASE", value_parser = target)]
    releases: Vec<Target>,
    #[command(flatten)]
    jars: Jars,
}

/// Runs the command.
pub(super) fn get(arguments: &Arguments, interrupt: &Interrupt) -> Result<Exit, Failure> {
    for target in &arguments.releases {
        arguments.jars.get(target, interrupt)?;
        output::say(&format!("{target}: ready"));
    }
    Ok(Exit::AsExpected)
}
