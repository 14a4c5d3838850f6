//! Releases of Apache Kafka, and how to get their jars.
//!
//! | file | what it is |
//! |---|---|
//! | `release.rs` | release numbers, and with which controller a release runs |
//!
//! Next: `release.rs`.

mod release;

pub use release::{Mode, Release, Target};
