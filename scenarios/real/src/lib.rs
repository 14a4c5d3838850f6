//! Plays a scenario on the real Apache Kafka: the same plan, the same director, the same record, the same
//! verdict. What the simulated world does with machines, this one does with processes.
//!
//! | module | what it is |
//! |---|---|
//! | [`kafka`] | releases, and how to get their jars |
//! | [`rig`] | one cluster's processes: properties, start, signals, end |
//! | [`network`] | a network of one's own between them, whose links can be cut |
//! | [`watch`] | what the cluster's files tell, as entries of the record |
//! | [`client`] | librdkafka as producer, consumer and operator |
//! | [`play`] | one plan on one release |
//! | [`world`] | obeys the director with real means and keeps the record |
//! | [`agree`] | simulated and real outcomes side by side |
//! | [`cli`] | the commands |
//!
//! Start reading at [`world`].

pub mod agree;
pub mod cli;
pub mod client;
pub mod failure;
pub mod kafka;
pub mod network;
pub mod play;
pub mod rig;
pub mod watch;
pub mod world;
