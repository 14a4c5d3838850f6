//! Messages of ZooKeeper: between its clients (Kafka's brokers) and its servers, and among the servers.
//!
//! A server answers on the connection that a request came on, and pushes there too: events of watches to
//! its clients, and to a follower all that its leader has to say. What is pushed has the correlation
//! [`PUSHED`].
//!
//! Source: ZooKeeper `zookeeper.jute`, `ZooDefs.OpCode`, `Leader` (packet types), `FastLeaderElection`.

use crate::id::CorrelationId;
use crate::zookeeper::{
    Happened, Head, Notification, SessionId, Stat, Tree, Txn, ZooKeeperError, Zxid,
};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// The correlation of what a server sends without being asked.
pub const PUSHED: CorrelationId = CorrelationId(u32::MAX);

/// What a client asks of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ZooKeeperRequest {
    /// The first on each connection: begin a session, or go on with one.
    Connect {
        /// The session to go on with; `None` = a new one.
        session: Option<SessionId>,
        /// The timeout that the client would like.
        timeout: Duration,
        /// What the client has seen: a server that is behind it does not serve it.
        last_zxid_seen: Zxid,
    },
    /// Read or change the tree.
    Operation(Operation),
    /// Watch again what was watched on another connection.
    SetWatches(SetWatches),
    /// The client lives.
    Ping,
    /// End the session.
    Close,
}

/// What a client wants of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Change it.
    Change(Change),
    /// Change it in several ways, or not at all.
    Multi(Vec<Change>),
    /// Read a znode's data.
    GetData {
        /// Which.
        path: String,
        /// Whether to watch it.
        watch: bool,
    },
    /// Ask whether a znode exists.
    Exists {
        /// Which.
        path: String,
        /// Whether to watch it.
        watch: bool,
    },
    /// Read the names of a znode's children.
    GetChildren {
        /// Which.
        path: String,
        /// Whether to watch them.
        watch: bool,
    },
}

/// A change that a client wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Create a znode.
    Create {
        /// Its path, without the number of a sequential one.
        path: String,
        /// What it holds.
        data: Bytes,
        /// It goes with the session.
        ephemeral: bool,
        /// The server adds a number to its name.
        sequential: bool,
    },
    /// Delete a znode.
    Delete {
        /// Which.
        path: String,
        /// Only if this is its version.
        version: Option<i32>,
    },
    /// Set a znode's data.
    SetData {
        /// Which.
        path: String,
        /// The new data.
        data: Bytes,
        /// Only if this is its version.
        version: Option<i32>,
    },
    /// Go on only if this is a znode's version. Part of a multi.
    Check {
        /// Which.
        path: String,
        /// The version that it should have.
        version: i32,
    },
}

/// Watches that a client had before, by what it waited for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetWatches {
    /// What happened until then is known to the client.
    pub since: Zxid,
    /// Data of znodes that were there.
    pub data: Vec<String>,
    /// Znodes that were not there.
    pub exists: Vec<String>,
    /// Children.
    pub children: Vec<String>,
}

/// What a server tells a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ZooKeeperResponse {
    /// The connection belongs to this session.
    Connected {
        /// Which.
        session: SessionId,
        /// The timeout that holds.
        timeout: Duration,
    },
    /// The session has ended.
    Expired,
    /// The answer to a request.
    Reply {
        /// The last transaction that the server has applied.
        zxid: Zxid,
        /// The answer.
        result: Result<Answer, Refusal>,
    },
    /// A watch tells. Pushed.
    Event {
        /// What.
        happened: Happened,
        /// To which znode.
        path: String,
    },
}

/// A request that was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing to say.
    Done,
    /// What became of each change.
    Changed(Vec<Changed>),
    /// A znode's data.
    Data(Bytes, Stat),
    /// A znode, if it is there.
    Exists(Option<Stat>),
    /// Names of children, in order.
    Children(Vec<String>),
}

/// What became of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// Created under this path.
    Created(String),
    /// Deleted.
    Deleted,
    /// Set; the znode's state after it.
    Set(Stat),
    /// As it should be.
    Checked,
}

/// A request that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub error: ZooKeeperError,
    /// Which change of a multi was refused; 0 for a single one.
    pub index: usize,
}

/// What a server sends to another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerRequest {
    /// The sender's vote.
    Notification(Notification),
    /// The sender wants to follow.
    FollowerInfo {
        /// The last epoch that it promised to follow.
        accepted_epoch: u32,
    },
    /// The sender follows in the new epoch.
    AckEpoch {
        /// What it has.
        head: Head,
        /// Whether it had not promised that epoch before: else it does not count for the leader.
        counts: bool,
    },
    /// The sender has logged everything up to here.
    Ack(Zxid),
    /// The sender lives, and has heard of these sessions.
    Pong(Vec<SessionId>),
    /// A client wants to go on with this session at the sender.
    Revalidate(SessionId),
    /// A client's request for the leader to decide.
    Submit(Submission),
}

/// A client's request on its way to the leader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    /// Whose.
    pub session: SessionId,
    /// The session's number for it.
    pub cxid: u32,
    /// What is wanted.
    pub wanted: Wanted,
}

/// What only the leader can decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A session.
    CreateSession(Duration),
    /// The end of the session.
    CloseSession,
    /// One change (not a multi) or several.
    Changes {
        /// Which.
        changes: Vec<Change>,
        /// Whether they are a multi.
        multi: bool,
    },
}

/// What a server tells another one. All but the refusal of a connection is pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerResponse {
    /// A quorum is here: this is the new epoch.
    LeaderInfo {
        /// Its number.
        epoch: u32,
    },
    /// The follower's log has transactions that are not the leader's: cut it.
    Truncate {
        /// The last one to keep.
        to: Zxid,
    },
    /// The follower lacks so much that it gets the whole tree.
    Snapshot(Arc<Tree>),
    /// All that the leader has was sent.
    NewLeader {
        /// The first number of its epoch.
        zxid: Zxid,
    },
    /// A quorum has it: serve clients.
    UpToDate,
    /// Log this.
    Proposal(Arc<Txn>),
    /// A quorum has logged everything up to here: apply it.
    Commit(Zxid),
    /// The leader lives.
    Ping,
    /// Whether a session goes on.
    Validity {
        /// Which.
        session: SessionId,
        /// Its timeout, if it does.
        timeout: Option<Duration>,
    },
}

/// A number of 64 bits, a header of a packet, a length.
const FIELD: usize = 8;
/// A znode's state.
const STAT: usize = 68;

impl ZooKeeperRequest {
    /// Bytes behind the header, about.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Connect { .. } => 44,
            Self::Operation(Operation::Change(change)) => change.size(),
            Self::Operation(Operation::Multi(changes)) => {
                changes.iter().map(|change| FIELD + change.size()).sum()
            }
            Self::Operation(
                Operation::GetData { path, .. }
                | Operation::Exists { path, .. }
                | Operation::GetChildren { path, .. },
            ) => FIELD + path.len(),
            Self::SetWatches(watches) => {
                let paths = watches.data.iter().chain(&watches.exists);
                let paths = paths.chain(&watches.children);
                paths.map(|path| FIELD + path.len()).sum()
            }
            Self::Ping | Self::Close => FIELD,
        }
    }
}

impl Change {
    fn size(&self) -> usize {
        match self {
            Self::Create { path, data, .. } | Self::SetData { path, data, .. } => {
                4 * FIELD + path.len() + data.len()
            }
            Self::Delete { path, .. } | Self::Check { path, .. } => 2 * FIELD + path.len(),
        }
    }
}

impl ZooKeeperResponse {
    /// Bytes behind the header, about.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Connected { .. } | Self::Expired => 36,
            Self::Event { path, .. } => 2 * FIELD + path.len(),
            Self::Reply { result, .. } => match result {
                Ok(Answer::Data(data, _)) => data.len() + STAT,
                Ok(Answer::Exists(_)) => STAT,
                Ok(Answer::Children(names)) => names.iter().map(|name| 4 + name.len()).sum(),
                Ok(Answer::Changed(changed)) => changed.len() * STAT,
                Ok(Answer::Done) | Err(_) => FIELD,
            },
        }
    }
}

impl PeerRequest {
    /// Bytes behind the header, about.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Notification(_) => 60,
            Self::Pong(sessions) => FIELD + 2 * FIELD * sessions.len(),
            Self::Submit(submission) => match &submission.wanted {
                Wanted::Changes { changes, .. } => {
                    let changes = changes.iter().map(Change::size);
                    4 * FIELD + changes.sum::<usize>()
                }
                Wanted::CreateSession(_) | Wanted::CloseSession => 4 * FIELD,
            },
            _ => 3 * FIELD,
        }
    }
}

impl PeerResponse {
    /// Bytes behind the header, about.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Snapshot(tree) => {
                let nodes = tree.iter();
                nodes
                    .map(|(path, node)| STAT + path.len() + node.data.len())
                    .sum()
            }
            Self::Proposal(txn) => 4 * FIELD + txn.size(),
            _ => 3 * FIELD,
        }
    }
}
