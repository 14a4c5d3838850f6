//! An empty log directory as `kafka-storage format` leaves it: `meta.properties` with the cluster's id, the
//! node's and the directory's, and `bootstrap.checkpoint`, with which a new cluster's metadata begins.
//!
//! The checkpoint depends on the release only, so the release's own tool makes it once, into the cache; the
//! small text beside it is written here. That saves a JVM for each server of each cluster.
//!
//! Source: `StorageTool.formatCommand`, `Formatter`, `MetaPropertiesEnsemble` (directory ids since 3.7,
//! KIP-858).

use super::cannot;
use crate::failure::{Failure, Interrupt};
use crate::kafka::Kafka;
use std::fs;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::Path;

/// The id of every cluster of ours; none ever meets another one.
const CLUSTER: &str = "ktrialktrialktrialktrg";
const BOOTSTRAP: &str = "bootstrap.checkpoint";
const META: &str = "meta.properties";

/// Formats a log directory.
pub(super) fn format(
    kafka: &Kafka,
    id: i32,
    folder: &Path,
    data: &Path,
    interrupt: &Interrupt,
) -> Result<(), Failure> {
    let kept = kafka.folder().join(BOOTSTRAP);
    if !kept.exists() {
        let tool = by_tool(kafka, folder, data, interrupt);
        return tool.and_then(|()| keep(data, &kept));
    }
    let path = data.join(BOOTSTRAP);
    fs::copy(&kept, &path).map_err(|error| cannot("write", &path, &error))?;
    let mut text = format!("version=1\ncluster.id={CLUSTER}\nnode.id={id}\n");
    if kafka.release().at_least("3.7") {
        text.push_str(&format!("directory.id={}\n", directory_id()));
    }
    let path = data.join(META);
    fs::write(&path, text).map_err(|error| cannot("write", &path, &error))
}

fn by_tool(
    kafka: &Kafka,
    folder: &Path,
    data: &Path,
    interrupt: &Interrupt,
) -> Result<(), Failure> {
    let properties = folder.join("server.properties");
    let properties = properties.display().to_string();
    let arguments = ["format", "-t", CLUSTER, "-c", &properties];
    let arguments = arguments.map(str::to_owned);
    kafka.tool_within("kafka.tools.StorageTool", &arguments, interrupt)?;
    if !data.join(META).exists() {
        let why = format!(
            "kafka.tools.StorageTool wrote no {META} into {}",
            data.display()
        );
        return Err(Failure::Rig(why));
    }
    Ok(())
}

/// Keeps the checkpoint for the next server. Releases before it was invented have none.
fn keep(data: &Path, kept: &Path) -> Result<(), Failure> {
    let made = data.join(BOOTSTRAP);
    if !made.exists() {
        return Ok(());
    }
    let temporary = kept.with_extension(format!("part-{}", std::process::id()));
    fs::copy(&made, &temporary)
        .and_then(|_| fs::rename(&temporary, kept))
        .map_err(|error| cannot("write", kept, &error))
}

/// A random UUID as Kafka writes it: 22 digits of base 64. (None that begins with `-`, as Kafka does.)
fn directory_id() -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let random = || RandomState::new().build_hasher().finish();
    let mut bits = u128::from(random()) << 64 | u128::from(random());
    // The last digit has two bits, so the number is read from the top.
    let mut id = String::from("k");
    for place in 1..22 {
        let digit = usize::try_from(bits & 63).unwrap_or(0);
        let digit = if place == 21 {
            digit & 0b11_0000
        } else {
            digit
        };
        id.push(char::from(DIGITS[digit]));
        bits >>= 6;
    }
    id
}
