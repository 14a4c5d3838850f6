//! A server that follows: it takes over the leader's log, then logs what the leader proposes, applies
//! what the leader commits, and passes its clients' changes on.
//!
//! | it hears | it does |
//! |---|---|
//! | `LeaderInfo` | promises the epoch, on its disk, and tells where its log ends |
//! | `Truncate`, `Snapshot`, `Proposal`, `Commit` | makes its log and tree the leader's |
//! | `NewLeader` | flushes, notes the epoch, acknowledges |
//! | `UpToDate` | serves clients |
//! | `Proposal` | logs, flushes with what else came meanwhile, acknowledges |
//! | `Commit` | applies |
//! | `Ping` | answers, with the sessions that it has heard of |
//!
//! Rules:
//! - A leader that is not there yet is tried again, five times, 100 ms apart.
//! - It looks for another leader when the connection ends, or nothing comes for `initLimit` ticks before
//!   it serves, `syncLimit` ticks after.
//! - An epoch that it has promised before is not acknowledged again: a promise counts once.
//!
//! Simplified: the log that was taken over is flushed before the epoch is noted and acknowledged
//! (releases before 3.8.3 did that in another order, ZOOKEEPER-4646, and could lose transactions).
//! Source: ZooKeeper `Learner.connectToLeader`, `registerWithLeader`, `syncWithLeader`,
//! `Follower.processPacket`, `SendAckRequestProcessor`.
//! Next: `leader.rs`.

use super::zxid::{SessionId, ZooKeeperId, Zxid};
use super::{Role, Server};
use crate::channel::Channel;
use crate::id::{ConnectionId, NodeId};
use crate::machine::Effects;
use crate::message::{PeerRequest, PeerResponse, Request, Submission};
use crate::storage::StorageError;
use crate::time::{Now, Timestamp, earliest};
use std::time::Duration;

/// Attempts to reach the leader.
const ATTEMPTS: u32 = 5;
/// Time between them.
const AGAIN: Duration = Duration::from_millis(100);

/// What a follower knows of its leader.
#[derive(Clone, Debug)]
pub(super) struct Following {
    channel: Channel<()>,
    attempts: u32,
    /// When to connect again.
    again_at: Option<Timestamp>,
    /// It looks for another leader then.
    until: Timestamp,
    epoch: Option<u32>,
    /// It has the leader's log.
    synced: bool,
}

impl Following {
    /// Nothing was heard of that leader yet.
    pub(super) fn new(leader: ZooKeeperId, until: Timestamp) -> Self {
        Self {
            channel: Channel::new(NodeId::ZooKeeper(leader)),
            attempts: 0,
            again_at: None,
            until,
            epoch: None,
            synced: false,
        }
    }

    /// When it wants waking.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        let setup = self.channel.next_deadline();
        earliest(earliest(self.again_at, setup), Some(self.until))
    }

    /// Whether that is the leader it follows, at work.
    pub(super) fn is_synced(&self) -> bool {
        self.synced
    }

    /// A connection is established.
    pub(super) fn connected(&mut self, connection: ConnectionId) {
        self.channel.connected(connection);
    }

    /// Whether this is the connection to the leader.
    pub(super) fn owns(&self, connection: ConnectionId) -> bool {
        self.channel.owns(connection)
    }
}

impl Server {
    /// Connects to the leader.
    pub(super) fn approach(&mut self, now: Timestamp, out: &mut Effects) {
        let accepted_epoch = self.database.accepted_epoch();
        if let Role::Following(following) = &mut self.role {
            following.attempts += 1;
            following.again_at = None;
        }
        self.tell_leader(now, PeerRequest::FollowerInfo { accepted_epoch }, out);
    }

    /// Sends something to the leader.
    pub(super) fn tell_leader(&mut self, now: Timestamp, request: PeerRequest, out: &mut Effects) {
        if let Role::Following(following) = &mut self.role {
            let request = Request::ZooKeeperPeer(request);
            let channel = &mut following.channel;
            channel.send_one_way(now, &mut self.connector, request, out);
        }
    }

    /// Leaves the leader.
    pub(super) fn part(&mut self, now: Timestamp, out: &mut Effects) {
        if let Role::Following(following) = &mut self.role {
            let channel = &mut following.channel;
            channel.close(now, super::BACKOFF, &mut self.random, out);
        }
    }

    /// The connection to the leader ended.
    pub(super) fn leader_lost(
        &mut self,
        now: Timestamp,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        let Role::Following(following) = &mut self.role else {
            return Ok(());
        };
        if following.epoch.is_none() && following.attempts < ATTEMPTS {
            following.channel = Channel::new(following.channel.to());
            following.again_at = Some(now + AGAIN);
            return Ok(());
        }
        self.look(now, out)
    }

    /// A deadline of the follower may have come.
    pub(super) fn follower_timer(
        &mut self,
        now: Timestamp,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        let Role::Following(following) = &mut self.role else {
            return Ok(());
        };
        if now >= following.until {
            return self.look(now, out);
        }
        let channel = &mut following.channel;
        if channel
            .expire(now, super::BACKOFF, &mut self.random, out)
            .is_some()
        {
            return self.leader_lost(now, out);
        }
        if following.again_at.is_some_and(|at| now >= at) {
            self.approach(now, out);
        }
        Ok(())
    }

    /// The leader says something.
    pub(super) fn hear_leader(
        &mut self,
        now: Now,
        response: PeerResponse,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        let sync_limit = self.config.tick_time * self.config.sync_limit;
        let Role::Following(following) = &mut self.role else {
            return Ok(());
        };
        if following.synced {
            following.until = now.monotonic + sync_limit;
        }
        let synced = following.synced;
        match response {
            PeerResponse::LeaderInfo { epoch } => self.promise(now.monotonic, epoch, out),
            PeerResponse::Truncate { to } => self.database.truncate(to),
            PeerResponse::Snapshot(tree) => self.database.install((*tree).clone()),
            PeerResponse::Proposal(txn) => {
                self.database.append(txn)?;
                if synced {
                    self.flush_at = Some(now.monotonic);
                }
                Ok(())
            }
            PeerResponse::Commit(zxid) => self.apply(now, zxid, out),
            PeerResponse::NewLeader { zxid } => self.take_over(now.monotonic, zxid, out),
            PeerResponse::UpToDate => {
                self.serving.open();
                self.tell_backlog(out);
                Ok(())
            }
            PeerResponse::Ping => {
                let heard: Vec<SessionId> = self.serving.heard().into_iter().collect();
                self.tell_leader(now.monotonic, PeerRequest::Pong(heard), out);
                Ok(())
            }
            PeerResponse::Validity { session, timeout } => {
                let tree = self.database.tree();
                let further = self.serving.validated(tree, session, timeout, out);
                self.further(now, further, out)
            }
        }
    }

    fn promise(
        &mut self,
        now: Timestamp,
        epoch: u32,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        let accepted = self.database.accepted_epoch();
        if epoch < accepted {
            return self.look(now, out);
        }
        if let Role::Following(following) = &mut self.role {
            following.epoch = Some(epoch);
        }
        if epoch > accepted {
            self.database.accept(epoch)?;
        }
        let head = self.database.head();
        let counts = epoch > accepted;
        self.tell_leader(now, PeerRequest::AckEpoch { head, counts }, out);
        Ok(())
    }

    /// The log is the leader's now.
    fn take_over(
        &mut self,
        now: Timestamp,
        zxid: Zxid,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        self.database.flush()?;
        self.database.adopt(zxid.epoch())?;
        self.election.settle(zxid.epoch());
        let until = now + self.config.tick_time * self.config.sync_limit;
        if let Role::Following(following) = &mut self.role {
            following.synced = true;
            following.until = until;
        }
        self.tell_leader(now, PeerRequest::Ack(zxid), out);
        let last = self.database.last_logged();
        if self.database.waiting().next().is_some() {
            self.tell_leader(now, PeerRequest::Ack(last), out);
        }
        self.observe_role(zxid.epoch(), out);
        Ok(())
    }

    /// A client of this server wants something that the leader has to decide or know.
    pub(super) fn pass_on(&mut self, now: Timestamp, further: Wish, out: &mut Effects) {
        let request = match further {
            Wish::Revalidate(session) => PeerRequest::Revalidate(session),
            Wish::Submit(submission) => PeerRequest::Submit(submission),
        };
        self.tell_leader(now, request, out);
    }
}

/// What a client's server asks of the leader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// Does this session go on?
    Revalidate(SessionId),
    /// Decide on this.
    Submit(Submission),
}
