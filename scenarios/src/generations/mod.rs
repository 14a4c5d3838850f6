//! Random trials under the rules of every generation: what each one breaks, and since when it is mended.
//!
//! | file | what it is |
//! |---|---|
//! | `census.rs` | what many seeds find under one set of rules |
//! | `models.rs` | the five truncation models of hachikuji's TLA+ specification, and what TLC finds in them |
//! | `releases.rs` | every release with rules of its own |
//! | `cause.rs` | which later rules take a finding away |
//! | `page.rs` | all of that as tables |
//!
//! Rule: a finding under old rules is explained if later rules take it away, in the very same plan. One that
//! the newest rules show too is a bug of ktrial, or of Kafka as it is.
//!
//! Next: `census.rs`.

mod cause;
mod census;
mod models;
mod page;
mod releases;

pub use cause::{Set, cause};
pub use census::{Census, Seen, Watch};
pub use models::{MODELS, Model, Row, models};
pub use page::page;
pub use releases::{Explained, Release, all as all_releases, releases};
