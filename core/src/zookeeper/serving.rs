//! The clients of one server: their connections, the order of their requests, watches.
//!
//! Rules:
//! - A session's requests are answered in their order. What comes after a change waits until this server
//!   has applied the change, so a client reads its own writes.
//! - A watch tells before anything is answered that was read after the change.
//! - A client that has seen more than this server has applied is sent away.
//! - Only a server that follows or leads serves; all connections end with that.
//!
//! Invariants: a session has at most one connection here.
//!
//! Simplified: a server is not told that a client's connection ended: it keeps it until the session ends
//! or comes back. There is no limit on clients or requests.
//! Source: ZooKeeper `ZooKeeperServer.processConnectRequest`, `CommitProcessor`, `FinalRequestProcessor`.
//! Next: `follower.rs`.

use super::prepare;
use super::tree::{Happened, Tree};
use super::txn::{Applied, Body, Txn, ZooKeeperError};
use super::watches::Watches;
use super::zxid::{SessionId, Zxid};
use crate::id::{ConnectionId, CorrelationId};
use crate::machine::{Effect, Effects, ReplyTo};
use crate::message::{
    Answer, Changed, Operation, PUSHED, Refusal, Response, SetWatches, ZooKeeperRequest,
    ZooKeeperResponse,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// A request and its number on the connection.
pub(super) type Asked = (CorrelationId, ZooKeeperRequest);

#[derive(Clone, Debug, Default)]
struct Client {
    session: Option<SessionId>,
    /// The request whose transaction, or whose session's validity, is waited for.
    awaited: Option<CorrelationId>,
    queue: VecDeque<Asked>,
}

/// The clients of this server.
#[derive(Clone, Debug, Default)]
pub(super) struct Serving {
    open: bool,
    clients: BTreeMap<ConnectionId, Client>,
    by_session: BTreeMap<SessionId, ConnectionId>,
    watches: Watches,
    heard: BTreeSet<SessionId>,
}

/// What a server has to do for a request that it cannot answer by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Further {
    /// Begin a session for a client.
    Open(Duration),
    /// Ask whether a session goes on.
    Revalidate(SessionId),
    /// Have the leader decide: session, number, what is wanted.
    Submit(SessionId, CorrelationId, ZooKeeperRequest),
}

impl Serving {
    /// Clients are served from now on.
    pub(super) fn open(&mut self) {
        self.open = true;
    }

    /// Sends all clients away.
    pub(super) fn close(&mut self, out: &mut Effects) {
        for connection in std::mem::take(self).clients.into_keys() {
            out.push(Effect::Close { connection });
        }
    }

    /// Sessions that were heard of since the last call.
    pub(super) fn heard(&mut self) -> BTreeSet<SessionId> {
        std::mem::take(&mut self.heard)
    }

    /// A client asks. Returns what this server has to do for it.
    pub(super) fn asked(
        &mut self,
        tree: &Tree,
        connection: ConnectionId,
        asked: Asked,
        out: &mut Effects,
    ) -> Option<Further> {
        out.push(Effect::Unanswered { connection });
        if !self.open {
            out.push(Effect::Close { connection });
            return None;
        }
        if let ZooKeeperRequest::Connect {
            session,
            timeout,
            last_zxid_seen,
        } = asked.1
        {
            let wants = (session, timeout, last_zxid_seen);
            return self.connect(tree, connection, (asked.0, wants), out);
        }
        let Some(client) = self.clients.get_mut(&connection) else {
            out.push(Effect::Close { connection });
            return None;
        };
        self.heard.extend(client.session);
        client.queue.push_back(asked);
        self.next(tree, connection, out)
    }

    fn connect(
        &mut self,
        tree: &Tree,
        connection: ConnectionId,
        (correlation, wants): (CorrelationId, (Option<SessionId>, Duration, Zxid)),
        out: &mut Effects,
    ) -> Option<Further> {
        let (session, timeout, last_zxid_seen) = wants;
        if last_zxid_seen > tree.last() {
            out.push(Effect::Close { connection });
            return None;
        }
        let client = Client {
            session,
            awaited: Some(correlation),
            queue: VecDeque::new(),
        };
        self.clients.insert(connection, client);
        let Some(session) = session else {
            return Some(Further::Open(timeout));
        };
        self.bind(session, connection, out);
        Some(Further::Revalidate(session))
    }

    /// The session of a connection that asked for a new one.
    pub(super) fn assign(
        &mut self,
        connection: ConnectionId,
        session: SessionId,
    ) -> Option<CorrelationId> {
        let client = self.clients.get_mut(&connection)?;
        client.session = Some(session);
        self.by_session.insert(session, connection);
        client.awaited
    }

    fn bind(&mut self, session: SessionId, connection: ConnectionId, out: &mut Effects) {
        let before = self.by_session.insert(session, connection);
        if let Some(before) = before.filter(|before| *before != connection) {
            self.forget(before, out);
        }
    }

    fn forget(&mut self, connection: ConnectionId, out: &mut Effects) {
        self.watches.forget(connection);
        if self.clients.remove(&connection).is_some() {
            out.push(Effect::Close { connection });
        }
    }

    /// It is known whether a session goes on. Returns what its queued requests need next.
    pub(super) fn validated(
        &mut self,
        tree: &Tree,
        session: SessionId,
        timeout: Option<Duration>,
        out: &mut Effects,
    ) -> Option<Further> {
        let connection = *self.by_session.get(&session)?;
        let correlation = self.clients.get_mut(&connection)?.awaited.take()?;
        let to = ReplyTo {
            connection,
            correlation,
        };
        if let Some(timeout) = timeout {
            respond(to, ZooKeeperResponse::Connected { session, timeout }, out);
            return self.next(tree, connection, out);
        }
        respond(to, ZooKeeperResponse::Expired, out);
        self.by_session.remove(&session);
        self.forget(connection, out);
        None
    }

    /// Answers what can be answered of a connection's queue, and says what the next request needs.
    fn next(
        &mut self,
        tree: &Tree,
        connection: ConnectionId,
        out: &mut Effects,
    ) -> Option<Further> {
        loop {
            let client = self.clients.get_mut(&connection)?;
            if client.awaited.is_some() {
                return None;
            }
            let session = client.session?;
            let (correlation, request) = client.queue.pop_front()?;
            let to = ReplyTo {
                connection,
                correlation,
            };
            match request {
                ZooKeeperRequest::Ping | ZooKeeperRequest::Connect { .. } => {
                    reply(tree, to, Ok(Answer::Done), out);
                }
                ZooKeeperRequest::SetWatches(watches) => self.set_watches(tree, to, &watches, out),
                ZooKeeperRequest::Operation(
                    Operation::GetData { .. }
                    | Operation::Exists { .. }
                    | Operation::GetChildren { .. },
                ) => self.read(tree, to, &request, out),
                ZooKeeperRequest::Operation(_) | ZooKeeperRequest::Close => {
                    client.awaited = Some(correlation);
                    return Some(Further::Submit(session, correlation, request));
                }
            }
        }
    }

    fn read(&mut self, tree: &Tree, to: ReplyTo, request: &ZooKeeperRequest, out: &mut Effects) {
        let ZooKeeperRequest::Operation(operation) = request else {
            return;
        };
        let missing = Refusal {
            error: ZooKeeperError::NoNode,
            index: 0,
        };
        let connection = to.connection;
        let result = match operation {
            Operation::GetData { path, watch } => {
                let node = tree.get(path);
                if *watch && node.is_some() {
                    self.watches.data(path, connection);
                }
                let answer = node.map(|node| Answer::Data(node.data.clone(), node.stat()));
                answer.ok_or(missing)
            }
            Operation::Exists { path, watch } => {
                if *watch {
                    self.watches.data(path, connection);
                }
                Ok(Answer::Exists(tree.get(path).map(|node| node.stat())))
            }
            Operation::GetChildren { path, watch } => {
                let node = tree.get(path);
                if *watch && node.is_some() {
                    self.watches.children(path, connection);
                }
                let names = node.map(|node| node.children.iter().cloned().collect());
                names.map(Answer::Children).ok_or(missing)
            }
            Operation::Change(_) | Operation::Multi(_) => return,
        };
        reply(tree, to, result, out);
    }

    /// Watches of an earlier connection: those whose change has come meanwhile tell at once.
    fn set_watches(&mut self, tree: &Tree, to: ReplyTo, watches: &SetWatches, out: &mut Effects) {
        let connection = to.connection;
        let since = watches.since;
        for path in &watches.data {
            match tree.get(path) {
                None => tell(connection, Happened::Deleted, path, out),
                Some(node) if node.mzxid > since => {
                    tell(connection, Happened::DataChanged, path, out);
                }
                Some(_) => self.watches.data(path, connection),
            }
        }
        for path in &watches.exists {
            match tree.get(path) {
                Some(_) => tell(connection, Happened::Created, path, out),
                None => self.watches.data(path, connection),
            }
        }
        for path in &watches.children {
            match tree.get(path) {
                None => tell(connection, Happened::Deleted, path, out),
                Some(node) if node.pzxid > since => {
                    tell(connection, Happened::ChildrenChanged, path, out);
                }
                Some(_) => self.watches.children(path, connection),
            }
        }
        reply(tree, to, Ok(Answer::Done), out);
    }

    /// A transaction was applied: watches tell, and the client that waits for it is answered. Returns
    /// what that client needs next.
    pub(super) fn applied(
        &mut self,
        tree: &Tree,
        (txn, happened): (&Txn, &[(Happened, String)]),
        out: &mut Effects,
    ) -> Option<Further> {
        for (what, path) in happened {
            for connection in self.watches.trigger(*what, path) {
                tell(connection, *what, path, out);
            }
        }
        let connection = *self.by_session.get(&txn.session)?;
        let client = self.clients.get_mut(&connection)?;
        let to = ReplyTo {
            connection,
            correlation: CorrelationId(txn.cxid),
        };
        let awaited = client.awaited == Some(to.correlation);
        if awaited {
            client.awaited = None;
        }
        match &txn.body {
            Body::CreateSession { timeout } if awaited => {
                let (session, timeout) = (txn.session, *timeout);
                respond(to, ZooKeeperResponse::Connected { session, timeout }, out);
            }
            Body::CloseSession => {
                if awaited {
                    reply(tree, to, Ok(Answer::Done), out);
                }
                self.by_session.remove(&txn.session);
                self.forget(connection, out);
                return None;
            }
            body if awaited => {
                let refused = prepare::refusal(body);
                let gone = refused.map(|refusal| refusal.error);
                reply(
                    tree,
                    to,
                    refused.map_or_else(|| Ok(changed(tree, body)), Err),
                    out,
                );
                if let Some(ZooKeeperError::SessionMoved | ZooKeeperError::SessionExpired) = gone {
                    self.by_session.remove(&txn.session);
                    self.forget(connection, out);
                    return None;
                }
            }
            _ => {}
        }
        self.next(tree, connection, out)
    }
}

/// What became of the changes of a transaction.
fn changed(tree: &Tree, body: &Body) -> Answer {
    let changes = match body {
        Body::Change(change) => std::slice::from_ref(change),
        Body::Multi(changes) => changes.as_slice(),
        Body::CreateSession { .. } | Body::CloseSession | Body::Error { .. } => &[],
    };
    let changed = changes.iter().map(|change| match change {
        Applied::Create { path, .. } => Changed::Created(path.clone()),
        Applied::Delete { .. } => Changed::Deleted,
        Applied::SetData { path, version, .. } => {
            let stat = tree.get(path).map(|node| node.stat());
            let mut stat = stat.unwrap_or_default();
            stat.version = *version;
            Changed::Set(stat)
        }
        Applied::Check { .. } => Changed::Checked,
    });
    Answer::Changed(changed.collect())
}

fn tell(connection: ConnectionId, happened: Happened, path: &str, out: &mut Effects) {
    let to = ReplyTo {
        connection,
        correlation: PUSHED,
    };
    let path = path.to_owned();
    respond(to, ZooKeeperResponse::Event { happened, path }, out);
}

fn reply(tree: &Tree, to: ReplyTo, result: Result<Answer, Refusal>, out: &mut Effects) {
    let zxid = tree.last();
    respond(to, ZooKeeperResponse::Reply { zxid, result }, out);
}

fn respond(to: ReplyTo, response: ZooKeeperResponse, out: &mut Effects) {
    out.respond(to, Response::ZooKeeper(response));
}
