//! The leader decides on requests: what each one comes to, after all that were decided before it and are
//! not applied yet.
//!
//! Rule: a request is checked against the tree as it will be. The leader keeps, for each znode that an
//! unapplied transaction touches, what it will be like; a multi is checked in a layer above that, which
//! is thrown away when one of its changes is refused.
//!
//! | change | refused with |
//! |---|---|
//! | create | NodeExists, NoNode (parent), NoChildrenForEphemerals, BadArguments |
//! | delete | NoNode, BadVersion, NotEmpty, BadArguments (the root) |
//! | set data, check | NoNode, BadVersion |
//!
//! Source: ZooKeeper `PrepRequestProcessor.pRequest2Txn`, `getRecordForPath`, `getPendingChanges`.
//! Next: `leader/mod.rs`.

use super::path;
use super::tree::Tree;
use super::txn::{Applied, Body, ZooKeeperError};
use super::zxid::{SessionId, Zxid};
use crate::message::{Change, Refusal};
use std::collections::{BTreeMap, BTreeSet};

/// A znode as it will be.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Future {
    exists: bool,
    version: i32,
    cversion: i32,
    children: usize,
    ephemeral_owner: Option<SessionId>,
}

/// The changes that were decided and not applied yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Outstanding {
    futures: BTreeMap<String, (Zxid, Future)>,
}

/// The changes of one request, above those that were decided before.
struct Layer<'a> {
    tree: &'a Tree,
    below: &'a BTreeMap<String, (Zxid, Future)>,
    futures: BTreeMap<String, Future>,
}

impl Outstanding {
    /// Decides on the changes of a request: all of them or the first refusal.
    pub(super) fn decide(
        &mut self,
        tree: &Tree,
        (session, zxid): (SessionId, Zxid),
        changes: &[Change],
        multi: bool,
    ) -> Body {
        let mut layer = self.layer(tree);
        let mut applied = Vec::new();
        for (index, change) in changes.iter().enumerate() {
            match layer.decide(change, session) {
                Ok(change) => applied.push(change),
                Err(error) => return Body::Error { error, index },
            }
        }
        let futures = layer.futures;
        self.keep(zxid, futures);
        match (multi, applied.len()) {
            (false, 1) => applied.pop().map_or(Body::Multi(Vec::new()), Body::Change),
            _ => Body::Multi(applied),
        }
    }

    /// The ephemeral znodes of a session will be gone.
    pub(super) fn close(&mut self, tree: &Tree, session: SessionId, zxid: Zxid) {
        let outstanding = self.futures.iter();
        let owned = outstanding.filter(|(_, (_, node))| node.ephemeral_owner == Some(session));
        let mut paths: BTreeSet<String> = owned.map(|(path, _)| path.clone()).collect();
        paths.extend(tree.ephemerals(session).map(str::to_owned));
        let mut layer = self.layer(tree);
        for path in paths {
            // One that will be deleted by an earlier request is no more.
            if layer.find(&path).exists {
                layer.remove(&path);
            }
        }
        let futures = layer.futures;
        self.keep(zxid, futures);
    }

    /// Everything up to `zxid` is applied.
    pub(super) fn applied(&mut self, zxid: Zxid) {
        self.futures.retain(|_, (of, _)| *of > zxid);
    }

    fn layer<'a>(&'a self, tree: &'a Tree) -> Layer<'a> {
        Layer {
            tree,
            below: &self.futures,
            futures: BTreeMap::new(),
        }
    }

    fn keep(&mut self, zxid: Zxid, futures: BTreeMap<String, Future>) {
        let futures = futures.into_iter();
        self.futures
            .extend(futures.map(|(path, node)| (path, (zxid, node))));
    }
}

impl Layer<'_> {
    fn find(&self, path: &str) -> Future {
        let own = self.futures.get(path);
        if let Some(future) = own.or_else(|| self.below.get(path).map(|(_, future)| future)) {
            return future.clone();
        }
        let node = self.tree.get(path);
        Future {
            exists: node.is_some(),
            version: node.map_or(0, |node| node.version),
            cversion: node.map_or(0, |node| node.cversion),
            children: node.map_or(0, |node| node.children.len()),
            ephemeral_owner: node.and_then(|node| node.ephemeral_owner),
        }
    }

    fn existing(&self, path: &str) -> Result<Future, ZooKeeperError> {
        let node = self.find(path);
        if node.exists {
            Ok(node)
        } else {
            Err(ZooKeeperError::NoNode)
        }
    }

    fn with_version(&self, path: &str, version: Option<i32>) -> Result<Future, ZooKeeperError> {
        let node = self.existing(path)?;
        match version {
            Some(version) if version != node.version => Err(ZooKeeperError::BadVersion),
            _ => Ok(node),
        }
    }

    fn decide(&mut self, change: &Change, session: SessionId) -> Result<Applied, ZooKeeperError> {
        match change {
            Change::Create { .. } => self.create(change, session),
            Change::Delete { path, version } => {
                if path::split(path).is_none() {
                    return Err(ZooKeeperError::BadArguments);
                }
                if self.with_version(path, *version)?.children > 0 {
                    return Err(ZooKeeperError::NotEmpty);
                }
                self.remove(path);
                Ok(Applied::Delete { path: path.clone() })
            }
            Change::SetData {
                path,
                data,
                version,
            } => {
                let mut node = self.with_version(path, *version)?;
                node.version += 1;
                let version = node.version;
                self.futures.insert(path.clone(), node);
                Ok(Applied::SetData {
                    path: path.clone(),
                    data: data.clone(),
                    version,
                })
            }
            Change::Check { path, version } => {
                self.with_version(path, Some(*version))?;
                Ok(Applied::Check {
                    path: path.clone(),
                    version: *version,
                })
            }
        }
    }

    fn create(&mut self, change: &Change, session: SessionId) -> Result<Applied, ZooKeeperError> {
        let Change::Create {
            path,
            data,
            ephemeral,
            sequential,
        } = change
        else {
            return Err(ZooKeeperError::BadArguments);
        };
        let parent = path.rsplit_once('/').map(|(parent, _)| parent);
        let parent = match parent {
            Some("") => "/",
            Some(parent) => parent,
            None => return Err(ZooKeeperError::BadArguments),
        };
        let mut above = self.existing(parent)?;
        let path = if *sequential {
            path::sequential(path, above.cversion)
        } else {
            path.clone()
        };
        if !path::is_valid(&path) {
            return Err(ZooKeeperError::BadArguments);
        }
        if self.find(&path).exists {
            return Err(ZooKeeperError::NodeExists);
        }
        if above.ephemeral_owner.is_some() {
            return Err(ZooKeeperError::NoChildrenForEphemerals);
        }
        above.children += 1;
        above.cversion += 1;
        let parent_cversion = above.cversion;
        self.futures.insert(parent.to_owned(), above);
        let node = Future {
            exists: true,
            version: 0,
            cversion: 0,
            children: 0,
            ephemeral_owner: ephemeral.then_some(session),
        };
        self.futures.insert(path.clone(), node);
        Ok(Applied::Create {
            path,
            data: data.clone(),
            ephemeral: *ephemeral,
            parent_cversion,
        })
    }

    /// The znode will not be there.
    fn remove(&mut self, path: &str) {
        let gone = Future {
            exists: false,
            version: 0,
            cversion: 0,
            children: 0,
            ephemeral_owner: None,
        };
        self.futures.insert(path.to_owned(), gone);
        if let Some((parent, _)) = path::split(path) {
            let mut above = self.find(parent);
            above.children = above.children.saturating_sub(1);
            self.futures.insert(parent.to_owned(), above);
        }
    }
}

/// The refusal that a transaction says, if it is one.
pub(super) fn refusal(body: &Body) -> Option<Refusal> {
    match body {
        Body::Error { error, index } => Some(Refusal {
            error: *error,
            index: *index,
        }),
        _ => None,
    }
}
