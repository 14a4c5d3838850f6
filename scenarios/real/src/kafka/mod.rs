//! Releases of Apache Kafka, and how to get their jars.
//!
//! | file | what it is |
//! |---|---|
//! | `release.rs` | release numbers, and with which controller a release runs |
//! | `source.rs` | where jars come from, and the programs that are needed |
//! | `process.rs` | a process that cannot outlive this one |
//! | `once.rs` | what is made once and kept, whoever asks first |
//! | `maven.rs` | a release's jars from Maven's central repository |
//! | `keys.rs` | the settings that a release knows |
//! | `install.rs` | an installed release, and how its programs are started |
//!
//! Next: `release.rs`.

mod install;
mod keys;
mod maven;
mod once;
mod process;
mod release;
mod source;

pub use install::Kafka;
pub(crate) use once::once;
pub(crate) use process::told;
pub use process::{Finished, Process, Signal};
pub use release::{Mode, Release, Target};
pub use source::{Programs, Source};

use crate::failure::Failure;
use std::io;
use std::path::Path;

/// What could not be done with a file or folder, and what to do about it.
pub(crate) fn trouble(what: &str, path: &Path, error: &io::Error) -> Failure {
    let advice = match error.kind() {
        io::ErrorKind::StorageFull => ": make room, or choose another folder",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            ": choose a folder that may be written"
        }
        _ => "",
    };
    Failure::Rig(format!("cannot {what} {}: {error}{advice}", path.display()))
}
