//! The simulated world that Kafka's logic runs in.
//!
//! | module | what it is |
//! |---|---|
//! | [`plan`] | a trial, fully decided |
//! | [`trial`] | runs a plan, gives its record |
//! | [`world`] | nodes, processes and the order of events; what the director orders |
//! | `network` | TCP connections over links that can be cut or slow |
//! | [`disk`] | page cache and platter of each server, and what a power loss leaves |
//! | `host` | the task around one machine: lanes, timers, effects |
//! | `agenda`, `clock` | what happens next; wall clocks |
//! | [`history`] | the record: typed entries, JSON Lines, digest |
//! | [`check`] | makes the verdict from plan and record |
//! | [`view`] | the cluster so far, as the record tells it |
//! | [`verdict`] | the verdict as data |
//!
//! Start reading at [`trial`].

#[cfg(not(madsim))]
compile_error!(
    "ktrial needs madsim's simulator, which exists only under `--cfg madsim`. Build from within the \
     workspace, whose .cargo/config.toml sets it, and do not set RUSTFLAGS in the environment (it \
     replaces that setting)."
);

mod agenda;
pub mod check;
mod clock;
pub mod disk;
pub mod history;
mod host;
mod network;
pub mod plan;
pub mod trial;
pub mod verdict;
pub mod view;
pub mod world;
