//! Watches: who wants to know, once, of the next change of a znode.
//!
//! | set by | tells of |
//! |---|---|
//! | reading the data, or whether it exists | created, deleted, data changed |
//! | reading the children | deleted, children changed |
//!
//! Rule: a watch is gone when it has told. A connection that watches data and children of a znode hears
//! once of its deletion.
//!
//! Source: ZooKeeper `WatchManager.triggerWatch`, `DataTree.deleteNode`.
//! Next: `serving/mod.rs`.

use super::tree::Happened;
use crate::id::ConnectionId;
use std::collections::{BTreeMap, BTreeSet};

type ByPath = BTreeMap<String, BTreeSet<ConnectionId>>;

/// The watches of one server's clients.
#[derive(Clone, Debug, Default)]
pub(super) struct Watches {
    data: ByPath,
    children: ByPath,
}

impl Watches {
    /// Watches data and existence.
    pub(super) fn data(&mut self, path: &str, connection: ConnectionId) {
        let of = self.data.entry(path.to_owned()).or_default();
        of.insert(connection);
    }

    /// Watches children.
    pub(super) fn children(&mut self, path: &str, connection: ConnectionId) {
        let of = self.children.entry(path.to_owned()).or_default();
        of.insert(connection);
    }

    /// Something happened: who is told, in order. Their watches are gone.
    pub(super) fn trigger(&mut self, happened: Happened, path: &str) -> BTreeSet<ConnectionId> {
        let take = |watches: &mut ByPath| watches.remove(path).unwrap_or_default();
        match happened {
            Happened::Created | Happened::DataChanged => take(&mut self.data),
            Happened::ChildrenChanged => take(&mut self.children),
            Happened::Deleted => {
                let mut told = take(&mut self.data);
                told.append(&mut take(&mut self.children));
                told
            }
        }
    }

    /// A connection ended: it watches nothing any more.
    pub(super) fn forget(&mut self, connection: ConnectionId) {
        for watches in [&mut self.data, &mut self.children] {
            for watchers in watches.values_mut() {
                watchers.remove(&connection);
            }
            watches.retain(|_, watchers| !watchers.is_empty());
        }
    }
}
