//! `znodes`: the tree of ZooKeeper at any time of a trial.
//!
//! Next: `sim/src/trial/znodes.rs`.

use super::{Exit, output, replay};
use ktrial_core::event::text;
use ktrial_core::zookeeper::{Znode, ZooKeeperId};
use ktrial_sim::trial::znodes;
use std::path::PathBuf;

/// The command's arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// A plan.json of a report folder
    plan: PathBuf,
    /// At this time of the trial, such as 12s [default: at its end]
    #[arg(long, value_name = "TIME", value_parser = super::time)]
    until: Option<u64>,
    /// As the disk of this server has it, such as 1 [default: what a quorum has logged]
    #[arg(long, value_name = "N")]
    server: Option<i32>,
    /// Only below this path
    #[arg(long, value_name = "PATH", default_value = "/")]
    below: String,
}

/// Runs the command.
pub(super) fn znodes(arguments: &Arguments) -> Result<Exit, String> {
    let plan = replay::read(&arguments.plan)?;
    let until = arguments.until.map(|micros| micros.div_ceil(1_000));
    let server = arguments.server.map(ZooKeeperId);
    let found = znodes::at(&plan, until, server).map_err(|error| error.to_string())?;
    let last = found.tree.last();
    output::note(&format!("zookeeper {}, up to {last}", found.server));
    for (path, node) in found.tree.iter() {
        if is_below(path, &arguments.below) {
            output::say(&line(path, node));
        }
    }
    Ok(Exit::AsExpected)
}

fn is_below(path: &str, top: &str) -> bool {
    let top = top.trim_end_matches('/');
    path.strip_prefix(top)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A znode: its path, version, owner and data.
fn line(path: &str, node: &Znode) -> String {
    let owner = match node.ephemeral_owner {
        Some(owner) => format!(" ephemeral of {:#x}", owner.0),
        None => String::new(),
    };
    let data = text(&node.data);
    let head = format!("{path}  v{} {}{owner}", node.version, node.mzxid);
    if data.is_empty() {
        head
    } else {
        format!("{head}  {data}")
    }
}

#[cfg(test)]
mod tests {
    use super::is_below;

    #[test]
    fn below_means_the_path_itself_and_its_children() {
        for (path, top, below) in [
            ("/", "/", true),
            ("/brokers/ids", "/", true),
            ("/brokers", "/brokers", true),
            ("/brokers/ids", "/brokers/", true),
            ("/brokers2", "/brokers", false),
        ] {
            assert_eq!(is_below(path, top), below, "{path} below {top}");
        }
    }
}
