//! Scenario files and the command line of ktrial.
//!
//! | module | what it is |
//! |---|---|
//! | [`library`] | the scenarios that come with ktrial |
//! | [`fuzz`] | random plans: everything about a trial drawn from its seed |
//! | [`mod@file`] | a scenario file, read: every mistake with its place |
//! | [`compile`] | scenario + seed + settings → one plan per cell of the matrix |
//! | [`mod@draw`] | what a scenario leaves to the seed |
//! | [`expect`] | what a cell was expected to end in, held against its verdict |
//! | [`real`] | can a plan be tried on a real cluster, and if not why |
//! | [`setting`] | where a setting belongs: broker, controller, topic, client, rule |
//! | [`diagnostic`] | mistakes and how they are shown |
//! | [`compare`] | two trials that differ in one thing, held against each other |
//! | [`shrink`] | from a plan that shows a finding to a smallest one that still does |
//! | [`write`](mod@write) | a plan as a scenario file |
//! | [`selftest`] | are the checks awake: planted bugs in random plans |
//! | [`generations`] | random trials under the rules of each model and of each release |
//! | [`sweep`] | many trials: workers, shards, results |
//! | [`cli`] | the commands |
//!
//! Holds no protocol, and draws no picture. The format is described in `docs/scenarios.md`.
//! Start reading at [`mod@file`].

pub mod cli;
pub mod compare;
pub mod compile;
pub mod diagnostic;
pub mod draw;
mod duration;
pub mod expect;
pub mod file;
pub mod fuzz;
pub mod generations;
pub mod library;
pub mod real;
pub mod selftest;
pub mod setting;
pub mod shrink;
mod suggest;
pub mod sweep;
pub mod write;
