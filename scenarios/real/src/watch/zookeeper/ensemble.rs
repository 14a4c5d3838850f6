//! The logs of several servers together: what a majority of them has is committed.
//!
//! Rules:
//! - The leader proposes a change, and each server writes it before it says so. A change that a majority has
//!   written will never be taken back, and nobody learns of it before.
//! - A server that is ahead of the new leader cuts its log, and begins another file: what it had is told by
//!   nobody, for the zxids of a new epoch are higher.
//! - A server with a new disk, or far behind, gets a snapshot in place of the changes before it. So a change
//!   is committed too if a later one of its epoch is.
//!
//! Invariants: each change is told once, in the order of zxids.
//!
//! Simplified: zxids never begin anew, so not all disks are lost.
//! Source: `Leader.processAck`, `FollowerZooKeeperServer.logRequest`, `FileTxnLog.truncate`.
//! Next: `jute.rs`.

use super::log::TxnLog;
use super::txn::Txn;
use crate::failure::Failure;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// The ensemble's logs under watch.
#[derive(Clone, Debug)]
pub(in super::super) struct Ensemble {
    logs: Vec<TxnLog>,
    /// What was not told yet, and which servers have it.
    written: BTreeMap<i64, (Txn, BTreeSet<usize>)>,
    told: i64,
}

impl Ensemble {
    /// The logs in these `dataDir`s, one for each server.
    pub(in super::super) fn new(data: &[PathBuf]) -> Self {
        Self {
            logs: data.iter().map(|data| TxnLog::new(data)).collect(),
            written: BTreeMap::new(),
            told: 0,
        }
    }

    /// What was committed since the last call.
    ///
    /// # Errors
    /// A file cannot be read or understood.
    pub(super) fn poll(&mut self) -> Result<Vec<Txn>, Failure> {
        for (server, log) in self.logs.iter_mut().enumerate() {
            for txn in log.poll()? {
                let zxid = txn.zxid;
                if zxid > self.told {
                    let of = self.written.entry(zxid);
                    of.or_insert((txn, BTreeSet::new())).1.insert(server);
                }
            }
        }
        let majority = self.logs.len() / 2 + 1;
        let is_committed = |(_, (_, by)): &(&i64, &(Txn, BTreeSet<usize>))| by.len() >= majority;
        let Some((last, _)) = self.written.iter().rev().find(is_committed) else {
            return Ok(Vec::new());
        };
        // One of an earlier epoch that only a minority has was cut.
        self.told = *last;
        let rest = self.written.split_off(&(self.told + 1));
        let until = std::mem::replace(&mut self.written, rest);
        let committed = |zxid: i64, by: usize| by >= majority || epoch(zxid) == epoch(self.told);
        let txns = until.into_values();
        let txns = txns.filter(|(txn, by)| committed(txn.zxid, by.len()));
        Ok(txns.map(|(txn, _)| txn).collect())
    }
}

/// Which leader's it is.
fn epoch(zxid: i64) -> i64 {
    zxid >> 32
}
