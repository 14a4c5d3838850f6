//! Releases of Apache Kafka, and how to get their jars.
//!
//! | file | what it is |
//! |---|---|
//! | `release.rs` | release numbers, and with which controller a release runs |
//! | `maven.rs` | fetches a release from Maven Central |
//! | `java.rs` | runs programs of a release |
//! | `keys.rs` | which settings a release documents |
//! | `archive.rs` | the classes of a broker made ready, so that it starts in half the time |
//!
//! The cache: `RELEASE/libs` the jars, `RELEASE/keys.txt` the settings, `RELEASE/classes-*.jsa` the archive,
//! `RELEASE/bootstrap.checkpoint` what a new KRaft cluster begins with. Every one is made under another
//! name and renamed, so a run that was interrupted leaves nothing half-made, and two at once do not
//! disturb each other.
//!
//! Next: `release.rs`.

mod archive;
mod java;
mod keys;
mod maven;
mod release;

pub use release::{Mode, Release, Target};

use crate::failure::{Failure, Interrupt};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Where a release's jars come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Maven Central, kept in this folder.
    Cache(PathBuf),
    /// A folder that holds them: `libs` of an unpacked Kafka.
    Libs(PathBuf),
}

impl Source {
    /// The folder in which releases are kept unless told otherwise.
    ///
    /// # Errors
    /// The user has no home.
    pub fn usual_cache() -> Result<PathBuf, Failure> {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let cache = set("XDG_CACHE_HOME").map(PathBuf::from);
        let cache = cache.or_else(|| Some(PathBuf::from(set("HOME")?).join(".cache")));
        let cache = cache.ok_or_else(|| {
            Failure::Rig("neither XDG_CACHE_HOME nor HOME is set: use --cache DIR".to_owned())
        })?;
        Ok(cache.join("ktrial").join("kafka"))
    }
}

/// A release that can be run.
#[derive(Clone, Debug)]
pub struct Kafka {
    release: Release,
    java: java::Java,
    libs: PathBuf,
    /// Where what is derived from the jars is kept.
    folder: PathBuf,
    /// Settings of brokers that it documents.
    keys: BTreeSet<String>,
    /// The archive of a broker's classes, if the JVM took to it.
    archive: Option<PathBuf>,
}

impl Kafka {
    /// Gets a release: from the cache, else from Maven Central.
    ///
    /// # Errors
    /// Java or Maven is missing, there is no such release, or the user stopped it.
    pub fn get(
        release: &Release,
        source: &Source,
        interrupt: &Interrupt,
        tell: &dyn Fn(&str),
    ) -> Result<Self, Failure> {
        let java = java::Java::find()?;
        let (libs, folder) = match source {
            Source::Libs(libs) => {
                check_libs(libs, release)?;
                let folder = Source::usual_cache()?.join(format!("{release}-libs"));
                (libs.clone(), folder)
            }
            Source::Cache(cache) => {
                let folder = cache.join(release.to_string());
                let libs = folder.join("libs");
                if !libs.is_dir() {
                    maven::fetch(release, &folder, interrupt, tell)?;
                }
                (libs, folder)
            }
        };
        fs::create_dir_all(&folder)
            .map_err(|error| Failure::Rig(format!("cannot make {}: {error}", folder.display())))?;
        let mut kafka = Self {
            release: release.clone(),
            java,
            libs,
            folder,
            keys: BTreeSet::new(),
            archive: None,
        };
        kafka.keys = keys::of(&kafka, interrupt)?;
        kafka.archive = archive::of(&kafka, interrupt, tell)?;
        Ok(kafka)
    }

    /// The release.
    pub fn release(&self) -> &Release {
        &self.release
    }

    /// Where its jars are.
    pub fn libs(&self) -> &Path {
        &self.libs
    }

    /// Where what is derived from its jars is kept.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Those of these settings of a broker that the release does not document: it may not know them, and
    /// would ignore them.
    pub fn unknown<'a>(&self, keys: impl IntoIterator<Item = &'a String>) -> Vec<String> {
        let mut unknown: Vec<String> = keys
            .into_iter()
            .filter(|key| !self.keys.contains(*key))
            .cloned()
            .collect();
        unknown.sort();
        unknown.dedup();
        unknown
    }
}

/// The folder holds the jars of this release.
fn check_libs(libs: &Path, release: &Release) -> Result<(), Failure> {
    let rig = |why: String| Failure::Rig(format!("--libs {}: {why}", libs.display()));
    let entries = fs::read_dir(libs).map_err(|error| rig(error.to_string()))?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let core: Vec<String> = names
        .filter(|name| name.starts_with("kafka_2.") && name.ends_with(".jar"))
        .collect();
    let end = format!("-{release}.jar");
    match core.iter().any(|name| name.ends_with(&end)) {
        true => Ok(()),
        false if core.is_empty() => Err(rig(
            "there is no kafka_2.*.jar: name the folder `libs` of an unpacked Kafka".to_owned(),
        )),
        false => Err(rig(format!("it holds {}, not {release}", core.join(", ")))),
    }
}
