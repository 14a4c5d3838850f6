//! Where a release's jars come from, and the programs of this machine that are needed to run them.
//!
//! Next: `process.rs`.

use crate::failure::Failure;
use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

/// Where a release's jars come from.
#[derive(Clone, Debug)]
pub struct Source {
    /// What is kept between runs: jars from Maven, and what was found out about a release.
    pub cache: PathBuf,
    /// The `libs` folder of an unpacked Kafka, instead of Maven.
    pub libs: Option<PathBuf>,
    /// The programs of this machine.
    pub programs: Programs,
}

impl Source {
    /// Maven, with the usual folder for caches: `$XDG_CACHE_HOME/ktrial/kafka`, or the same below
    /// `~/.cache`.
    ///
    /// # Errors
    /// Neither is known: the cache has to be named.
    pub fn usual() -> Result<Self, Failure> {
        let named = |name| env::var_os(name).filter(|value| !value.is_empty());
        let caches = named("XDG_CACHE_HOME").map(PathBuf::from);
        let caches = caches.or_else(|| Some(PathBuf::from(named("HOME")?).join(".cache")));
        let caches = caches.ok_or_else(|| {
            let why = "neither XDG_CACHE_HOME nor HOME is set: say where Kafka's jars are kept, --cache DIR";
            Failure::Rig(why.to_owned())
        })?;
        Ok(Self {
            cache: caches.join("ktrial/kafka"),
            libs: None,
            programs: Programs::here(),
        })
    }
}

/// The programs of this machine, by where to look for them.
#[derive(Clone, Debug)]
pub struct Programs {
    /// Folders, as in `PATH`.
    pub path: OsString,
    /// `JAVA_HOME`; its `bin/java` comes first.
    pub java_home: Option<PathBuf>,
}

impl Programs {
    /// As the environment says.
    pub fn here() -> Self {
        let java_home = env::var_os("JAVA_HOME").filter(|value| !value.is_empty());
        Self {
            path: env::var_os("PATH").unwrap_or_default(),
            java_home: java_home.map(PathBuf::from),
        }
    }

    /// The first file of this name in `path`.
    pub fn find(&self, name: &str) -> Option<PathBuf> {
        let candidates = env::split_paths(&self.path).map(|folder| folder.join(name));
        candidates.into_iter().find(|file| file.is_file())
    }

    /// The program `java`.
    ///
    /// # Errors
    /// There is none.
    pub fn java(&self) -> Result<PathBuf, Failure> {
        let home = self.java_home.as_ref().map(|home| home.join("bin/java"));
        let java = home.filter(|java| java.is_file());
        java.or_else(|| self.find("java")).ok_or_else(|| {
            let why = "there is no Java: install a Java runtime, version 17 (Debian: `apt install \
                       openjdk-17-jre-headless`), or set JAVA_HOME";
            Failure::Rig(why.to_owned())
        })
    }

    /// The program `mvn`.
    ///
    /// # Errors
    /// There is none.
    pub fn maven(&self) -> Result<PathBuf, Failure> {
        self.find("mvn").ok_or_else(|| {
            let why = "there is no Maven to get Kafka's jars with: install it (Debian: `apt install \
                       maven`), or name the `libs` folder of an unpacked Kafka, --libs DIR";
            Failure::Rig(why.to_owned())
        })
    }
}
