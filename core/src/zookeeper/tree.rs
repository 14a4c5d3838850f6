//! The tree of znodes, and the sessions: what all transactions so far come to.
//!
//! Rules:
//! - A znode has data, versions and children; an ephemeral one has an owner and no children.
//! - `czxid` is the transaction that made it, `mzxid` the last one that set its data, `pzxid` the last one
//!   that added or removed a child. `version` counts changes of data from 0, `cversion` children ever made.
//! - The end of a session deletes its ephemeral znodes, in the order of their paths.
//!
//! Invariants: every znode but the root has its parent; an owner's list names exactly its ephemerals.
//!
//! Simplified: no permissions, containers, times to live, quotas or digest.
//! Source: ZooKeeper `DataTree.processTxn`, `createNode`, `deleteNode`, `setData`, `killSession`.
//! Next: `watches.rs`.

use super::path;
use super::txn::{Applied, Body, Txn};
use super::zxid::{SessionId, Zxid};
use crate::invariant::invariant;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A znode.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Znode {
    /// What it holds.
    pub data: Bytes,
    /// Names of its children.
    pub children: BTreeSet<String>,
    /// The transaction that made it.
    pub czxid: Zxid,
    /// The last one that set its data.
    pub mzxid: Zxid,
    /// The last one that changed its children.
    pub pzxid: Zxid,
    /// Wall clock of `czxid`, in milliseconds.
    pub ctime: i64,
    /// Wall clock of `mzxid`, in milliseconds.
    pub mtime: i64,
    /// How often its data was set.
    pub version: i32,
    /// How many children it ever had.
    pub cversion: i32,
    /// The session that it goes with.
    pub ephemeral_owner: Option<SessionId>,
}

/// What a client is told of a znode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stat {
    /// The transaction that made it.
    pub czxid: Zxid,
    /// The last one that set its data.
    pub mzxid: Zxid,
    /// The last one that changed its children.
    pub pzxid: Zxid,
    /// How often its data was set.
    pub version: i32,
    /// How often its children changed.
    pub cversion: i32,
    /// The session that it goes with.
    pub ephemeral_owner: Option<SessionId>,
    /// How many children it has.
    pub children: usize,
}

/// What happened to a znode, for those who watch it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Happened {
    /// It was created.
    Created,
    /// It was deleted.
    Deleted,
    /// Its data was set.
    DataChanged,
    /// It got or lost a child.
    ChildrenChanged,
}

/// All znodes and sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    nodes: BTreeMap<String, Znode>,
    ephemerals: BTreeMap<SessionId, BTreeSet<String>>,
    sessions: BTreeMap<SessionId, Duration>,
    last: Zxid,
}

impl Default for Tree {
    /// The root, `/zookeeper` and what is always below it.
    fn default() -> Self {
        let mut tree = Self {
            nodes: BTreeMap::from([("/".to_owned(), Znode::default())]),
            ephemerals: BTreeMap::new(),
            sessions: BTreeMap::new(),
            last: Zxid::ZERO,
        };
        for path in ["/zookeeper", "/zookeeper/config", "/zookeeper/quota"] {
            tree.put(path, Znode::default());
        }
        tree
    }
}

impl Tree {
    /// The last transaction it has.
    pub fn last(&self) -> Zxid {
        self.last
    }

    /// The znode at `path`.
    pub fn get(&self, path: &str) -> Option<&Znode> {
        self.nodes.get(path)
    }

    /// Every znode, in the order of their paths.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Znode)> {
        self.nodes.iter().map(|(path, node)| (path.as_str(), node))
    }

    /// Every session and its timeout.
    pub fn sessions(&self) -> impl Iterator<Item = (SessionId, Duration)> {
        self.sessions.iter().map(|(id, timeout)| (*id, *timeout))
    }

    /// The timeout of a session, if there is one.
    pub fn session(&self, id: SessionId) -> Option<Duration> {
        self.sessions.get(&id).copied()
    }

    /// The ephemeral znodes of a session, in order.
    pub fn ephemerals(&self, session: SessionId) -> impl Iterator<Item = &str> {
        let paths = self.ephemerals.get(&session).into_iter().flatten();
        paths.map(String::as_str)
    }

    /// A tree put together from what a snapshot holds.
    pub(super) fn assemble(
        last: Zxid,
        sessions: BTreeMap<SessionId, Duration>,
        nodes: Vec<(String, Znode)>,
    ) -> Self {
        let mut tree = Self {
            nodes: BTreeMap::from([("/".to_owned(), Znode::default())]),
            ephemerals: BTreeMap::new(),
            sessions,
            last,
        };
        for (path, node) in nodes {
            if path == "/" {
                tree.nodes.insert(path, node);
            } else {
                tree.put(&path, node);
            }
        }
        tree
    }

    /// Applies a transaction. Returns what happened to which znodes, in order: the deepest first.
    pub(super) fn apply(&mut self, txn: &Txn) -> Vec<(Happened, String)> {
        let mut happened = Vec::new();
        match &txn.body {
            Body::CreateSession { timeout } => {
                self.sessions.insert(txn.session, *timeout);
            }
            Body::CloseSession => {
                self.sessions.remove(&txn.session);
                let gone = self.ephemerals.remove(&txn.session).unwrap_or_default();
                for path in gone {
                    self.delete(&path, txn.zxid, &mut happened);
                }
            }
            Body::Change(change) => self.change(change, txn, &mut happened),
            Body::Multi(changes) => {
                for change in changes {
                    self.change(change, txn, &mut happened);
                }
            }
            Body::Error { .. } => {}
        }
        self.last = txn.zxid;
        happened
    }

    fn change(&mut self, change: &Applied, txn: &Txn, happened: &mut Vec<(Happened, String)>) {
        match change {
            Applied::Create {
                path,
                data,
                ephemeral,
                parent_cversion,
            } => {
                let node = Znode {
                    data: data.clone(),
                    czxid: txn.zxid,
                    mzxid: txn.zxid,
                    pzxid: txn.zxid,
                    ctime: txn.time,
                    mtime: txn.time,
                    ephemeral_owner: ephemeral.then_some(txn.session),
                    ..Znode::default()
                };
                self.put(path, node);
                let Some((parent, _)) = path::split(path) else {
                    return;
                };
                if let Some(node) = self.nodes.get_mut(parent) {
                    node.cversion = node.cversion.max(*parent_cversion);
                    node.pzxid = txn.zxid;
                }
                happened.push((Happened::Created, path.clone()));
                happened.push((Happened::ChildrenChanged, parent.to_owned()));
            }
            Applied::Delete { path } => self.delete(path, txn.zxid, happened),
            Applied::SetData {
                path,
                data,
                version,
            } => {
                if let Some(node) = self.nodes.get_mut(path) {
                    node.data = data.clone();
                    node.version = *version;
                    node.mzxid = txn.zxid;
                    node.mtime = txn.time;
                    happened.push((Happened::DataChanged, path.clone()));
                }
            }
            Applied::Check { .. } => {}
        }
    }

    fn put(&mut self, path: &str, node: Znode) {
        if let Some(owner) = node.ephemeral_owner {
            let owned = self.ephemerals.entry(owner).or_default();
            owned.insert(path.to_owned());
        }
        if let Some((parent, name)) = path::split(path) {
            let parent = self.nodes.get_mut(parent);
            invariant!(parent.is_some(), "a znode's parent is there: {path}");
            if let Some(parent) = parent {
                parent.children.insert(name.to_owned());
            }
        }
        let children = self.nodes.remove(path).map(|old| old.children);
        let node = Znode {
            children: children.unwrap_or_default(),
            ..node
        };
        self.nodes.insert(path.to_owned(), node);
    }

    fn delete(&mut self, path: &str, zxid: Zxid, happened: &mut Vec<(Happened, String)>) {
        let Some(node) = self.nodes.remove(path) else {
            return;
        };
        invariant!(
            node.children.is_empty(),
            "only a znode without children is deleted: {path}"
        );
        if let Some(owner) = node.ephemeral_owner
            && let Some(owned) = self.ephemerals.get_mut(&owner)
        {
            owned.remove(path);
            if owned.is_empty() {
                self.ephemerals.remove(&owner);
            }
        }
        let Some((parent, name)) = path::split(path) else {
            return;
        };
        if let Some(node) = self.nodes.get_mut(parent) {
            node.children.remove(name);
            node.pzxid = zxid;
        }
        happened.push((Happened::Deleted, path.to_owned()));
        happened.push((Happened::ChildrenChanged, parent.to_owned()));
    }
}

impl Znode {
    /// What a client is told of it. The number of changes of its children counts deletions too.
    pub fn stat(&self) -> Stat {
        let children = self.children.len();
        let deleted = self.cversion - i32::try_from(children).unwrap_or(i32::MAX);
        Stat {
            czxid: self.czxid,
            mzxid: self.mzxid,
            pzxid: self.pzxid,
            version: self.version,
            cversion: self.cversion + deleted,
            ephemeral_owner: self.ephemeral_owner,
            children,
        }
    }
}
