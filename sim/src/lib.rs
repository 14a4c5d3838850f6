//! The simulated world that Kafka's logic runs in.
//!
//! | module | what it is |
//! |---|---|
//! | [`plan`] | a trial, fully decided |
//! | [`trial`] | runs a plan, gives its record |
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

pub mod check;
pub mod history;
pub mod plan;
pub mod trial;
pub mod verdict;
pub mod view;
