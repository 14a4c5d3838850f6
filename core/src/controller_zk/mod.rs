//! The controller of a cluster with ZooKeeper, which is one of the brokers: its parts so far.
//!
//! | file | what it is |
//! |---|---|
//! | `znodes.rs` | Kafka's znodes: paths, and what stands in them |
//! | `elector.rs` | which broker is the controller, in which epoch; its writes |
//! | `leaders.rs` | who leads a partition, by the kind of election |
//!
//! Simplified: no broker uses them yet. What is missing between them is the controller's context, its
//! state machines, its requests to brokers, and the brokers' side of those.
//! Source: `KafkaController`, `KafkaZkClient`, `Election`.
//! Next: `elector.rs`.

pub mod elector;
pub mod leaders;
pub mod znodes;
