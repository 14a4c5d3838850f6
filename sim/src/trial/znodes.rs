//! The tree of znodes at any time of a trial: the plan is run up to then, and the servers' disks are read.
//!
//! Rule: the tree is the one that a quorum has logged. Of the servers, ordered by where their logs end, it
//! is that of the last one that is still in a quorum with those ahead of it.
//!
//! Simplified: a log that ends in transactions of a leader that never had a quorum may stand ahead until
//! its server is cut back.
//!
//! Next: `../../../core/src/zookeeper/database.rs`.

use super::cluster::Cluster;
use super::{TrialError, isolated, play};
use crate::plan::Plan;
use ktrial_core::NodeId;
use ktrial_core::zookeeper::{Tree, ZooKeeperId, tree_on};
use std::sync::Arc;

/// Where a tree was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// On the disk of which server.
    pub server: ZooKeeperId,
    /// The tree.
    pub tree: Tree,
}

/// The tree at `until_ms` of the trial, or at its end if that comes before. `server` says on whose disk;
/// `None` takes what a quorum has logged.
///
/// # Errors
/// The plan contradicts itself or has no such server, a disk cannot be read, or the simulator failed.
pub fn at(
    plan: &Plan,
    until_ms: Option<u64>,
    server: Option<ZooKeeperId>,
) -> Result<Found, TrialError> {
    let mut plan = plan.clone();
    if let Some(until) = until_ms {
        plan.time_limit_ms = plan.time_limit_ms.min(until.max(1));
    }
    let plan = Arc::new(plan);
    let cluster = Cluster::new(&plan).map_err(TrialError::InvalidPlan)?;
    isolated(move || {
        let (_, finished) = play(&plan, cluster, 0)?;
        let mut found = Vec::new();
        for (node, disk) in &finished.disks {
            let NodeId::ZooKeeper(id) = *node else {
                continue;
            };
            if server.is_none_or(|server| server == id) {
                let tree = tree_on(Box::new(disk.clone()));
                let tree = tree.map_err(|error| {
                    TrialError::InvalidPlan(format!("the disk of {node} cannot be read: {error}"))
                })?;
                found.push(Found { server: id, tree });
            }
        }
        found.sort_by_key(|found| std::cmp::Reverse(found.tree.last()));
        let quorum = found.len() / 2;
        let none = || TrialError::InvalidPlan("it has no such server of ZooKeeper".to_owned());
        found.into_iter().nth(quorum).ok_or_else(none)
    })?
}
