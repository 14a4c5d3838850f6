//! One cluster's processes: properties, start, signals, end.
//!
//! | file | what it is |
//! |---|---|
//! | `place.rs` | the addresses, ports and networks of its nodes |
//! | `properties.rs` | the settings of each node |
//! | `format.rs` | data folders as `kafka-storage format` leaves them |
//! | `hosts.rs` | names that old ZooKeeper clients ask for on a newer Java |
//! | `node.rs` | one node: its folder, its process, its log |
//! | `cluster.rs` | the nodes together |
//! | `prepare.rs` | what makes starts fast, made once per release |
//!
//! Next: `place.rs`.

mod cluster;
mod format;
mod hosts;
mod node;
mod place;
mod prepare;
mod properties;

pub use crate::kafka::Signal;
pub use cluster::Rig;
pub use place::{Place, Places};
pub use prepare::prepare;
pub use properties::Shape;
