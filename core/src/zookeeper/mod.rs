//! ZooKeeper: the ensemble that keeps the cluster's metadata before KRaft.
//!
//! | file | what it is |
//! |---|---|
//! | `zxid.rs`, `path.rs` | numbers and names |
//! | `tree.rs`, `txn.rs` | znodes, and the transactions that change them |
//! | `watches.rs` | who is told of the next change |
//! | `jute.rs`, `txn_log.rs`, `snapshot_file.rs`, `database.rs` | the tree on the disk |
//! | `prepare.rs`, `sessions.rs` | what a leader decides, and whose time is up |
//! | `election.rs`, `follower.rs`, `leader.rs` | who leads, and atomic broadcast |
//! | `serving.rs` | one server's clients |
//! | `client.rs` | the client's half, inside a broker |
//!
//! A server looks for a leader, follows one, or leads. A server that is alone leads at once.
//!
//! Invariants: a transaction that a client was told of is on a quorum of disks; servers apply the same
//! transactions in the same order; a session's requests are answered in their order.
//!
//! Simplified: no observers, no reconfiguration, no permissions, no four-letter words, no limit on what is
//! outstanding. All work is on one thread; a flush covers all that came before it, as in
//! `SyncRequestProcessor`. Servers talk over two connections where the real ones have one for votes.
//! Source: ZooKeeper `QuorumPeer.run`, `QuorumPeerMain`, `ZooKeeperServer`.
//! Next: `tree.rs`, then `election.rs`.

pub mod client;
mod database;
mod election;
mod follower;
mod jute;
mod leader;
pub mod path;
mod prepare;
mod serving;
mod sessions;
mod snapshot_file;
mod tree;
mod txn;
mod txn_log;
mod watches;
mod zxid;

#[cfg(test)]
mod tests;

pub use crate::config::ZooKeeperConfig;
pub use election::{Head, Notification, Stance, Vote};
pub use tree::{Happened, Stat, Tree, Znode};
pub use txn::{Applied, Body, Txn, ZooKeeperError};
pub use zxid::{SessionId, ZooKeeperId, Zxid};

use crate::channel::{Backoff, Channel, Connector};
use crate::event::Event;
use crate::id::{ConnectionId, CorrelationId, Incarnation, NodeId};
use crate::machine::{Effect, Effects, Input, Lane, Machine, StartError};
use crate::message::ZooKeeperRequest;
use crate::message::{Operation, PeerRequest, Request, Response, Submission, Wanted};
use crate::random::Random;
use crate::snapshot::{Snapshot, ZnodeSnapshot, ZooKeeperSnapshot};
use crate::storage::{Storage, StorageError};
use crate::time::{Now, Timestamp, earliest};
use database::Database;
use election::{Election, Verdict};
use follower::{Following, Wish};
use leader::Leading;
use serving::{Further, Serving};
use std::collections::BTreeMap;
use std::time::Duration;

/// Connections among servers are tried again at once: who tries says when.
const BACKOFF: Backoff = Backoff {
    initial: Duration::ZERO,
    max: Duration::ZERO,
};

/// What a server is told at its start.
#[derive(Clone, Debug)]
pub struct ServerStart {
    /// Its number.
    pub id: ZooKeeperId,
    /// Which start this is.
    pub incarnation: Incarnation,
    /// Its settings.
    pub config: ZooKeeperConfig,
    /// All servers of the ensemble, this one too.
    pub ensemble: Vec<ZooKeeperId>,
    /// Its randomness.
    pub random: Random,
}

/// What a server does.
enum Role {
    Looking,
    Following(Following),
    Leading(Box<Leading>),
}

/// A server of the ensemble.
pub struct Server {
    id: ZooKeeperId,
    config: ZooKeeperConfig,
    ensemble: usize,
    connector: Connector,
    random: Random,
    peers: BTreeMap<ZooKeeperId, Channel<()>>,
    database: Database,
    election: Election,
    role: Role,
    serving: Serving,
    /// The log has to be flushed then.
    flush_at: Option<Timestamp>,
    next_session: i64,
}

impl Server {
    /// A server over what its disk holds.
    ///
    /// # Errors
    /// The disk failed, or holds what cannot be right.
    pub fn start(
        start: ServerStart,
        disk: Box<dyn Storage>,
        now: Now,
        out: &mut Effects,
    ) -> Result<Self, StartError> {
        let node = NodeId::ZooKeeper(start.id);
        let database = Database::open(disk, start.config.snap_count)?;
        let ensemble = start.ensemble.len();
        let election = Election::new(start.id, ensemble / 2 + 1, database.head());
        let others = start.ensemble.iter().filter(|id| **id != start.id);
        let setup = Connector::SETUP;
        let mut server = Self {
            id: start.id,
            ensemble,
            connector: Connector::new(node, start.incarnation, setup, &start.random),
            peers: others
                .map(|id| (*id, Channel::new(NodeId::ZooKeeper(*id))))
                .collect(),
            random: start.random,
            database,
            election,
            role: Role::Looking,
            serving: Serving::default(),
            flush_at: None,
            next_session: first_session(start.id, now.monotonic),
            config: start.config,
        };
        if server.peers.is_empty() {
            let leading = Leading::new(now.monotonic, &server.config, true);
            server.role = Role::Leading(Box::new(leading));
            server.activate(now, out)?;
        } else {
            server.look(now.monotonic, out)?;
        }
        Ok(server)
    }

    fn quorum(&self) -> usize {
        self.ensemble / 2 + 1
    }

    fn stance(&self) -> Stance {
        match self.role {
            Role::Looking => Stance::Looking,
            Role::Following(_) => Stance::Following,
            Role::Leading(_) => Stance::Leading,
        }
    }

    /// Leaves what it does and looks for a leader.
    fn look(&mut self, now: Timestamp, out: &mut Effects) -> Result<(), StorageError> {
        self.part(now, out);
        self.dismiss(out);
        self.serving.close(out);
        self.flush_at = None;
        self.database.fast_forward()?;
        self.role = Role::Looking;
        out.observe(Event::EnsembleLooking);
        self.election.begin(now, self.database.head());
        self.tell_all(now, out);
        Ok(())
    }

    fn tell_all(&mut self, now: Timestamp, out: &mut Effects) {
        let peers: Vec<ZooKeeperId> = self.peers.keys().copied().collect();
        for peer in peers {
            self.tell(now, peer, out);
        }
    }

    fn tell(&mut self, now: Timestamp, peer: ZooKeeperId, out: &mut Effects) {
        let notification = self.election.notification(self.stance());
        let request = Request::ZooKeeperPeer(PeerRequest::Notification(notification));
        if let Some(channel) = self.peers.get_mut(&peer) {
            channel.send_one_way(now, &mut self.connector, request, out);
        }
    }

    /// Another server told its vote.
    fn notified(
        &mut self,
        now: Timestamp,
        from: ZooKeeperId,
        notification: Notification,
        out: &mut Effects,
    ) {
        if !matches!(self.role, Role::Looking) {
            if notification.stance == Stance::Looking {
                self.tell(now, from, out);
            }
            return;
        }
        let head = self.database.head();
        let verdict = self.election.notified(now, from, notification, head);
        self.conclude(now, verdict, Some(from), out);
    }

    fn conclude(
        &mut self,
        now: Timestamp,
        verdict: Verdict,
        from: Option<ZooKeeperId>,
        out: &mut Effects,
    ) {
        match verdict {
            Verdict::Wait => {}
            Verdict::Tell => self.tell_all(now, out),
            Verdict::Answer => {
                if let Some(from) = from {
                    self.tell(now, from, out);
                }
            }
            Verdict::Elected(leader) if leader == self.id => {
                let leading = Leading::new(now, &self.config, false);
                self.role = Role::Leading(Box::new(leading));
            }
            Verdict::Elected(leader) => {
                let until = now + self.config.tick_time * self.config.init_limit;
                self.role = Role::Following(Following::new(leader, until));
                self.approach(now, out);
            }
        }
    }

    fn observe_role(&self, epoch: u32, out: &mut Effects) {
        let leader = self.election.notification(self.stance()).vote.leader;
        out.observe(match self.role {
            Role::Following(_) => Event::EnsembleFollowing { leader, epoch },
            Role::Looking | Role::Leading(_) => Event::EnsembleLeading { epoch },
        });
    }

    /// Applies everything up to `to`, and tells those whom it concerns.
    fn apply(&mut self, now: Now, to: Zxid, out: &mut Effects) -> Result<(), StorageError> {
        for done in self.database.commit(to) {
            // Everybody tells the records, for nobody knows what others told; elections only the leader.
            let leads = matches!(self.role, Role::Leading(_));
            let told = done.told.into_iter();
            told.filter(|event| leads || database::is_record(event))
                .for_each(|event| out.observe(event));
            let tree = self.database.tree();
            let applied = (&*done.txn, done.happened.as_slice());
            let further = self.serving.applied(tree, applied, out);
            self.further(now, further, out)?;
        }
        Ok(())
    }

    /// All that the server has applied so far is committed: tells what of it nobody told perhaps.
    fn tell_backlog(&mut self, out: &mut Effects) {
        let untold = self.database.take_untold();
        untold.into_iter().for_each(|event| out.observe(event));
    }

    /// A client asks.
    fn client(
        &mut self,
        now: Now,
        connection: ConnectionId,
        correlation: CorrelationId,
        request: ZooKeeperRequest,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        let tree = self.database.tree();
        let asked = (correlation, request);
        let mut further = self.serving.asked(tree, connection, asked, out);
        if let Some(Further::Open(timeout)) = further {
            let session = SessionId(self.next_session);
            self.next_session += 1;
            let cxid = self.serving.assign(connection, session);
            let timeout = self.negotiate(timeout);
            let submission = cxid.map(|cxid| Submission {
                session,
                cxid: cxid.0,
                wanted: Wanted::CreateSession(timeout),
            });
            further = None;
            if let Some(submission) = submission {
                self.submit(now, submission, out)?;
            }
        }
        self.heard_directly(now.monotonic);
        self.further(now, further, out)
    }

    /// A session's timeout is between 2 and 20 ticks.
    fn negotiate(&self, wanted: Duration) -> Duration {
        let tick = self.config.tick_time;
        wanted.clamp(tick * 2, tick * 20)
    }

    /// Does what a client's request needs besides an answer.
    fn further(
        &mut self,
        now: Now,
        further: Option<Further>,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        match further {
            None | Some(Further::Open(_)) => Ok(()),
            Some(Further::Revalidate(session)) => {
                if matches!(self.role, Role::Following(_)) {
                    self.pass_on(now.monotonic, Wish::Revalidate(session), out);
                    return Ok(());
                }
                let timeout = self.revalidate(now.monotonic, session);
                let tree = self.database.tree();
                let further = self.serving.validated(tree, session, timeout, out);
                self.further(now, further, out)
            }
            Some(Further::Submit(session, correlation, request)) => {
                let submission = Submission {
                    session,
                    cxid: correlation.0,
                    wanted: wanted(request),
                };
                self.submit(now, submission, out)
            }
        }
    }

    fn submit(
        &mut self,
        now: Now,
        submission: Submission,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        match self.role {
            Role::Leading(_) => self.decide(now, self.id, submission, out),
            Role::Following(_) => {
                self.pass_on(now.monotonic, Wish::Submit(submission), out);
                Ok(())
            }
            Role::Looking => Ok(()),
        }
    }

    fn request(
        &mut self,
        now: Now,
        (connection, correlation): (ConnectionId, CorrelationId),
        request: Request,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        match (request, connection.client) {
            (Request::ZooKeeper(request), _) => {
                self.client(now, connection, correlation, request, out)
            }
            (Request::ZooKeeperPeer(request), NodeId::ZooKeeper(from)) => {
                out.push(Effect::Unanswered { connection });
                if let PeerRequest::Notification(notification) = request {
                    self.notified(now.monotonic, from, notification, out);
                    return Ok(());
                }
                self.hear_learner(now, (from, connection), request, out)
            }
            _ => {
                out.push(Effect::Close { connection });
                Ok(())
            }
        }
    }

    fn disconnected(
        &mut self,
        now: Timestamp,
        connection: ConnectionId,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        for channel in self.peers.values_mut() {
            channel.disconnected(connection, now, BACKOFF, &mut self.random);
        }
        match &self.role {
            Role::Following(following) if following.owns(connection) => self.leader_lost(now, out),
            _ => Ok(()),
        }
    }

    fn timer(&mut self, now: Now, out: &mut Effects) -> Result<(), StorageError> {
        let at = now.monotonic;
        if self.flush_at.is_some_and(|due| at >= due) {
            self.flush_at = None;
            self.database.flush()?;
            match &self.role {
                Role::Leading(_) => self.leader_flushed(now, out)?,
                Role::Following(following) if following.is_synced() => {
                    let last = self.database.last_logged();
                    self.tell_leader(at, PeerRequest::Ack(last), out);
                }
                Role::Following(_) | Role::Looking => {}
            }
        }
        for channel in self.peers.values_mut() {
            channel.expire(at, BACKOFF, &mut self.random, out);
        }
        match self.role {
            Role::Looking => {
                let verdict = self.election.timer(at);
                self.conclude(at, verdict, None, out);
                Ok(())
            }
            Role::Following(_) => self.follower_timer(at, out),
            Role::Leading(_) => self.leader_timer(now, out),
        }
    }

    fn work(&mut self, now: Now, input: Input, out: &mut Effects) -> Result<(), StorageError> {
        match input {
            Input::Request {
                connection,
                correlation,
                request,
            } => self.request(now, (connection, correlation), *request, out),
            Input::Response {
                connection,
                response,
                ..
            } => match (*response, &self.role) {
                (Response::ZooKeeperPeer(response), Role::Following(following))
                    if following.owns(connection) =>
                {
                    self.hear_leader(now, response, out)
                }
                _ => Ok(()),
            },
            Input::Connected { connection } => {
                for channel in self.peers.values_mut() {
                    channel.connected(connection);
                }
                if let Role::Following(following) = &mut self.role {
                    following.connected(connection);
                }
                Ok(())
            }
            Input::Disconnected { connection } => self.disconnected(now.monotonic, connection, out),
            Input::Timer(_) => self.timer(now, out),
            Input::Command(_) => {
                out.push(Effect::Exit);
                Ok(())
            }
        }
    }
}

/// The first session of a process: its server, then the time, so that none comes twice.
fn first_session(id: ZooKeeperId, now: Timestamp) -> i64 {
    let time = i64::try_from(now.as_millis()).unwrap_or(0) & 0xff_ffff_ffff;
    (i64::from(id.0) << 56) | (time << 16)
}

fn wanted(request: ZooKeeperRequest) -> Wanted {
    match request {
        ZooKeeperRequest::Operation(Operation::Change(change)) => Wanted::Changes {
            changes: vec![change],
            multi: false,
        },
        ZooKeeperRequest::Operation(Operation::Multi(changes)) => Wanted::Changes {
            changes,
            multi: true,
        },
        _ => Wanted::CloseSession,
    }
}

impl Machine for Server {
    fn handle(&mut self, now: Now, input: Input, out: &mut Effects) {
        if let Err(error) = self.work(now, input, out) {
            let error = error.to_string();
            out.observe(Event::StorageFailed {
                partition: None,
                error,
            });
            out.push(Effect::Exit);
        }
    }

    fn deadlines(&self, visit: &mut dyn FnMut(Lane, Timestamp)) {
        let role = match &self.role {
            Role::Looking => self.election.deadline(),
            Role::Following(following) => following.deadline(),
            Role::Leading(leading) => leading.deadline(),
        };
        let peers = self.peers.values().map(Channel::next_deadline);
        let peers = peers.fold(None, earliest);
        if let Some(at) = earliest(earliest(self.flush_at, role), peers) {
            visit(Lane::Main, at);
        }
    }

    fn lane(&self, _: &Input) -> Lane {
        Lane::Main
    }

    fn snapshot(&self) -> Snapshot {
        let tree = self.database.tree();
        let znodes = tree
            .iter()
            .map(|(path, node)| ZnodeSnapshot::new(path, node));
        Snapshot::ZooKeeper(ZooKeeperSnapshot {
            leads: matches!(&self.role, Role::Leading(leading) if leading.is_active()),
            last_logged: self.database.last_logged(),
            last_processed_zxid: tree.last(),
            sessions: tree.sessions().map(|(id, _)| id).collect(),
            znodes: znodes.collect(),
        })
    }
}

/// The tree that a server's disk holds, with all that its log has.
///
/// # Errors
/// The disk failed, or holds what cannot be right.
pub fn tree_on(disk: Box<dyn Storage>) -> Result<Tree, StartError> {
    let database = Database::open(disk, usize::MAX)?;
    Ok(database.tree().clone())
}
