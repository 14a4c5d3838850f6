//! Transcripts of the clients: what goes in, line by line, and exactly what comes out.
//!
//! A script line is an input: a command, an answer to the oldest open request of its kind, a lost
//! connection, or time. The transcript repeats it after `>` and lists the effects below it.
//!
//! Next: `driver.rs`, for the notation.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may stop at what it does not expect"
)]

mod admin;
mod consumer;
mod driver;
mod effects;
mod producer;
