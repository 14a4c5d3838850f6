//! The metadata of a cluster with ZooKeeper: the changes of its tree as the metadata records that a KRaft
//! controller would have written.
//!
//! ZooKeeper logs every change of its tree before anybody learns of it, so its log is to Kafka what the
//! metadata log is in KRaft. Of several servers a majority has it then.
//!
//! | file | what it is |
//! |---|---|
//! | `log.rs` | the files of one server: where a transaction begins and ends |
//! | `ensemble.rs` | several servers: what a majority has written |
//! | `jute.rs`, `txn.rs` | one transaction |
//! | `records.rs` | what the nodes mean |
//! | `json.rs` | what stands in them |
//!
//! Next: `records.rs`.

mod ensemble;
mod json;
mod jute;
mod log;
mod records;
mod txn;

pub(super) use ensemble::Ensemble;
pub(super) use records::Tree;

use super::ledger::{Ledger, Told};
use crate::failure::Failure;

/// Tells what the logs say since the last call.
///
/// # Errors
/// A log cannot be read or understood.
pub(super) fn poll(
    ensemble: &mut Ensemble,
    tree: &mut Tree,
    ledger: &mut Ledger,
    out: &mut Vec<Told>,
) -> Result<(), Failure> {
    for txn in ensemble.poll()? {
        tree.apply(&txn, ledger, out);
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]
mod tests;
