//! One transaction: what the leader made of a request, decided to the last number, so that every server
//! that applies it comes to the same tree.
//!
//! Next: `tree.rs`, which applies it; `jute.rs`, which writes it down.

use super::zxid::{SessionId, Zxid};
use bytes::Bytes;
use std::time::Duration;

/// A transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Txn {
    /// Its number.
    pub zxid: Zxid,
    /// The session that asked for it.
    pub session: SessionId,
    /// The session's number for its request.
    pub cxid: u32,
    /// The leader's wall clock, in milliseconds.
    pub time: i64,
    /// What it does.
    pub body: Body,
}

/// What a transaction does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A session begins.
    CreateSession {
        /// It ends when nothing is heard of it for so long.
        timeout: Duration,
    },
    /// A session ends, and its ephemeral znodes with it.
    CloseSession,
    /// One change.
    Change(Applied),
    /// Several changes, all of them.
    Multi(Vec<Applied>),
    /// A request that was refused: it changes nothing, but has its place in the order.
    Error {
        /// Why.
        error: ZooKeeperError,
        /// Which change of a multi was refused; 0 for a single one.
        index: usize,
    },
}

/// A change with all that the leader decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// A znode is created.
    Create {
        /// Its path, with the number of a sequential one.
        path: String,
        /// What it holds.
        data: Bytes,
        /// It goes with its session.
        ephemeral: bool,
        /// How many children its parent has ever had, with this one.
        parent_cversion: i32,
    },
    /// A znode is deleted.
    Delete {
        /// Which.
        path: String,
    },
    /// A znode gets other contents.
    SetData {
        /// Which.
        path: String,
        /// The new contents.
        data: Bytes,
        /// The version from now on.
        version: i32,
    },
    /// A version was as it should be: nothing changes.
    Check {
        /// Of which znode.
        path: String,
        /// Its version.
        version: i32,
    },
}

/// How ZooKeeper refuses.
/// Source: `KeeperException.Code`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ZooKeeperError {
    /// The connection ended before an answer came: it may or may not have been done (-4). Only a client
    /// says so to itself.
    ConnectionLoss,
    /// The path or request makes no sense (-8).
    BadArguments,
    /// There is no such znode (-101).
    NoNode,
    /// The version is another one (-103).
    BadVersion,
    /// Ephemeral znodes have no children (-108).
    NoChildrenForEphemerals,
    /// The znode is there already (-110).
    NodeExists,
    /// The znode has children (-111).
    NotEmpty,
    /// The session has ended (-112).
    SessionExpired,
    /// The session goes on with another server (-118).
    SessionMoved,
}

impl ZooKeeperError {
    /// Every error, with ZooKeeper's number for it.
    pub(super) const NUMBERS: [(Self, i32); 9] = [
        (Self::ConnectionLoss, -4),
        (Self::BadArguments, -8),
        (Self::NoNode, -101),
        (Self::BadVersion, -103),
        (Self::NoChildrenForEphemerals, -108),
        (Self::NodeExists, -110),
        (Self::NotEmpty, -111),
        (Self::SessionExpired, -112),
        (Self::SessionMoved, -118),
    ];

    /// ZooKeeper's number for it.
    pub fn number(self) -> i32 {
        let found = Self::NUMBERS.iter().find(|(error, _)| *error == self);
        found.map_or(0, |(_, number)| *number)
    }
}

impl Txn {
    /// Bytes of what it does, about.
    pub fn size(&self) -> usize {
        let changes = match &self.body {
            Body::Change(change) => std::slice::from_ref(change),
            Body::Multi(changes) => changes.as_slice(),
            Body::CreateSession { .. } | Body::CloseSession | Body::Error { .. } => &[],
        };
        let size = |change: &Applied| match change {
            Applied::Create { path, data, .. } | Applied::SetData { path, data, .. } => {
                path.len() + data.len()
            }
            Applied::Delete { path } | Applied::Check { path, .. } => path.len(),
        };
        changes.iter().map(|change| 16 + size(change)).sum()
    }
}
