//! Data folders as `kafka-storage format` leaves them.
//!
//! Rules:
//! - The release's own tool formats one folder, once; every node's folder is made after that pattern,
//!   without a JVM for each. `bootstrap.checkpoint` holds the features of a new cluster (the metadata
//!   version, and with 4.1 and later the ELR) and nothing of the node or the cluster: it is copied.
//!   `meta.properties` names the cluster, the node and (3.7 and later) the folder: those are put in.
//! - A folder's id is new each time: after a wipe the controller must see another disk.
//! - Several controllers of 3.9 and later are the voters of a quorum that knows their folders (KIP-853): the
//!   tool is run once more for a cluster, and writes the snapshot that each of them begins with. In one that
//!   `controller.quorum.voters` names, a controller with a new disk would vote under its old name.
//! - With ZooKeeper nothing is formatted: the broker writes `meta.properties` itself.
//!
//! Source: KIP-631, KIP-858 (`directory.id`), `StorageTool`, `Formatter`.
//! Next: `hosts.rs`.

use super::properties;
use crate::failure::{Failure, Interrupt};
use crate::kafka::{Kafka, once, trouble};
use ktrial_core::TopicId;
use ktrial_core::config::Settings;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The longest that the tool may take.
const LONGEST: Duration = Duration::from_secs(120);
const META: &str = "meta.properties";

/// The folder that the release's own tool has formatted.
pub(super) fn pattern(
    kafka: &Kafka,
    interrupt: &Interrupt,
    tell: &dyn Fn(&str),
) -> Result<PathBuf, Failure> {
    let place = kafka.facts().join("formatted");
    once(&place, &kafka.lock(), interrupt, tell, |part| {
        fs::create_dir_all(part).map_err(|error| trouble("make", part, &error))?;
        let settings = [
            ("process.roles", "broker,controller"),
            ("node.id", "1"),
            ("controller.quorum.voters", "1@127.0.0.1:9093"),
            ("controller.listener.names", "CONTROLLER"),
            (
                "listeners",
                "PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093",
            ),
            (
                "listener.security.protocol.map",
                "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            ),
            ("log.dirs", &part.display().to_string()),
        ];
        let settings = settings.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let file = part.with_extension("properties");
        write(&file, &properties::text(&settings.into()))?;
        let named = file.display().to_string();
        let args = ["format", "-t", &new_id()?, "-c", &named].map(str::to_owned);
        let done = kafka.run(&[], "kafka.tools.StorageTool", &args, LONGEST, interrupt);
        let _ = fs::remove_file(&file);
        let done = done?;
        if !done.status.success() || !part.join(META).exists() {
            let last = done.stderr.lines().last().unwrap_or_default().to_owned();
            let why = format!("Kafka {} does not format a folder: {last}", kafka.release());
            return Err(Failure::Rig(why));
        }
        Ok(())
    })?;
    Ok(place)
}

/// A controller of a new quorum.
pub(super) struct Voter {
    pub(super) number: i32,
    pub(super) address: SocketAddr,
    /// The id of its folder.
    pub(super) directory: String,
}

/// Has the release's own tool format `place`, which is not there yet, for the first of these voters.
pub(super) fn voters(
    kafka: &Kafka,
    place: &Path,
    cluster: &str,
    voters: &[Voter],
    interrupt: &Interrupt,
) -> Result<(), Failure> {
    let Some(first) = voters.first() else {
        return Ok(());
    };
    let settings = [
        ("process.roles", "controller".to_owned()),
        ("node.id", first.number.to_string()),
        (
            "controller.quorum.bootstrap.servers",
            first.address.to_string(),
        ),
        ("controller.listener.names", "CONTROLLER".to_owned()),
        ("listeners", format!("CONTROLLER://{}", first.address)),
        ("log.dirs", place.display().to_string()),
    ];
    let settings = settings.map(|(key, value)| (key.to_owned(), value));
    let file = place.with_extension("properties");
    write(&file, &properties::text(&settings.into()))?;
    let each = |it: &Voter| format!("{}@{}:{}", it.number, it.address, it.directory);
    let all: Vec<String> = voters.iter().map(each).collect();
    let (named, all) = (file.display().to_string(), all.join(","));
    let args = [
        "format",
        "-t",
        cluster,
        "-c",
        &named,
        "--initial-controllers",
        &all,
    ];
    let args = args.map(str::to_owned);
    let done = kafka.run(&[], "kafka.tools.StorageTool", &args, LONGEST, interrupt)?;
    let _ = fs::remove_file(&file);
    if done.status.success() && place.join(META).exists() {
        return Ok(());
    }
    let last = done.stderr.lines().last().unwrap_or_default();
    let why = format!("Kafka {} does not format a quorum: {last}", kafka.release());
    Err(Failure::Rig(why))
}

/// Formats the data folder of a node, which exists and is empty.
pub(super) fn format(
    pattern: &Path,
    data: &Path,
    cluster: &str,
    (number, directory): (i32, &str),
) -> Result<(), Failure> {
    let entries = fs::read_dir(pattern).map_err(|error| trouble("read", pattern, &error))?;
    for entry in entries.filter_map(Result::ok) {
        let from = entry.path();
        let to = data.join(entry.file_name());
        if from.is_dir() {
            copy_folder(&from, &to)?;
            continue;
        }
        if entry.file_name() != META {
            fs::copy(&from, &to).map_err(|error| trouble("write", &to, &error))?;
            continue;
        }
        let text = fs::read_to_string(&from).map_err(|error| trouble("read", &from, &error))?;
        write(&to, &meta(&text, cluster, number, directory))?;
    }
    Ok(())
}

/// Copies a folder that has only files.
fn copy_folder(from: &Path, to: &Path) -> Result<(), Failure> {
    fs::create_dir(to).map_err(|error| trouble("make", to, &error))?;
    let entries = fs::read_dir(from).map_err(|error| trouble("read", from, &error))?;
    for entry in entries.filter_map(Result::ok) {
        let to = to.join(entry.file_name());
        fs::copy(entry.path(), &to).map_err(|error| trouble("write", &to, &error))?;
    }
    Ok(())
}

/// The pattern's `meta.properties` with other ids.
fn meta(pattern: &str, cluster: &str, number: i32, directory: &str) -> String {
    let lines = pattern.lines().filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.split_once('='));
    let number = number.to_string();
    let settings: Settings = pairs
        .map(|(key, value)| {
            let value = match key {
                "cluster.id" => cluster,
                "node.id" => &number,
                "directory.id" => directory,
                _ => value,
            };
            (key.to_owned(), value.to_owned())
        })
        .collect();
    properties::text(&settings)
}

/// An id that nothing else has, as Kafka writes it: not beginning with `-`, which looks like an option.
pub(super) fn new_id() -> Result<String, Failure> {
    let source = Path::new("/proc/sys/kernel/random/uuid");
    loop {
        let text = fs::read_to_string(source).map_err(|error| trouble("read", source, &error))?;
        let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
        let number = u128::from_str_radix(&digits, 16);
        let number = number.map_err(|_| Failure::Rig(format!("`{text}` is no UUID")))?;
        let id = TopicId(number).to_string();
        if !id.starts_with('-') {
            return Ok(id);
        }
    }
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text).map_err(|error| trouble("write", path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_gets_its_own_ids_and_keeps_the_rest() {
        let pattern = "#\n#Sat Nov 21\ncluster.id=A\ndirectory.id=B\nnode.id=1\nversion=1\n";
        let made = meta(pattern, "C", 7, "D");
        assert_eq!(made, "cluster.id=C\ndirectory.id=D\nnode.id=7\nversion=1\n");
        let older = meta("node.id=1\nversion=1\ncluster.id=A\n", "C", 7, "D");
        assert_eq!(older, "cluster.id=C\nnode.id=7\nversion=1\n");
    }
}
