//! A server that leads: it finds an epoch, brings its followers' logs to its own, then decides on requests,
//! proposes, and commits what a quorum has logged.
//!
//! | phase | lasts until |
//! |---|---|
//! | discovery | a quorum has come and promised an epoch above all that it knew |
//! | synchronisation | a quorum has acknowledged the leader's log in that epoch |
//! | broadcast | fewer than a quorum answer within `syncLimit` ticks |
//!
//! Rules:
//! - A follower whose log is newer than the leader's ends its leading: it would cut off what may be
//!   committed.
//! - With the quorum of the second phase, all that the leader's log had is committed.
//! - A proposal is sent before it is flushed here; the leader counts itself once it is flushed.
//! - The first two phases together may take `initLimit` ticks.
//!
//! Invariants: transactions are committed in their order.
//!
//! Simplified: the leader does not learn that a follower's connection ended, but only that it is silent.
//! Source: ZooKeeper `Leader.lead`, `getEpochToPropose`, `waitForEpochAck`, `waitForNewLeaderAck`,
//! `tryToCommit`, `LearnerHandler.run`, `syncFollower`.
//! Next: `sessions.rs`.

use super::database::Remedy;
use super::election::Head;
use super::prepare::Outstanding;
use super::sessions::Sessions;
use super::txn::{Body, Txn, ZooKeeperError};
use super::zxid::{SessionId, ZooKeeperId, Zxid};
use super::{Role, Server};
use crate::event::Event;
use crate::id::ConnectionId;
use crate::machine::{Effect, Effects, ReplyTo};
use crate::message::{PUSHED, PeerRequest, PeerResponse, Response, Submission, Wanted};
use crate::storage::StorageError;
use crate::time::{Now, Timestamp, earliest};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How far a follower has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// It came.
    Here,
    /// It has promised the epoch, and is not synchronised.
    Promised { head: Head, counts: bool },
    /// It was sent the leader's log, and gets all that is proposed.
    Sent,
    /// It has the leader's log.
    Synced,
}

#[derive(Clone, Debug)]
struct Learner {
    connection: ConnectionId,
    accepted_epoch: u32,
    stage: Stage,
    acked: Zxid,
    heard_at: Timestamp,
}

/// What a leader knows.
#[derive(Clone, Debug)]
pub(super) struct Leading {
    /// Both first phases have to be over by then.
    until: Timestamp,
    /// The epoch that it leads in, once a quorum was there.
    epoch: Option<u32>,
    active: bool,
    /// It is the only server.
    alone: bool,
    learners: BTreeMap<ZooKeeperId, Learner>,
    flushed: Zxid,
    committed: Zxid,
    last: Zxid,
    outstanding: Outstanding,
    sessions: Sessions,
    ping_at: Timestamp,
    check_at: Timestamp,
}

impl Leading {
    /// Nobody follows yet.
    pub(super) fn new(now: Timestamp, config: &super::ZooKeeperConfig, alone: bool) -> Self {
        Self {
            until: now + config.tick_time * config.init_limit,
            epoch: None,
            active: false,
            alone,
            learners: BTreeMap::new(),
            flushed: Zxid::ZERO,
            committed: Zxid::ZERO,
            last: Zxid::ZERO,
            outstanding: Outstanding::default(),
            sessions: Sessions::new(config.tick_time),
            ping_at: now,
            check_at: now,
        }
    }

    /// When it wants waking.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        if !self.active {
            return Some(self.until);
        }
        let followers = (!self.alone).then_some(self.ping_at.min(self.check_at));
        earliest(followers, self.sessions.deadline())
    }

    fn synced(&self) -> usize {
        let learners = self.learners.values();
        learners.filter(|l| l.stage == Stage::Synced).count() + 1
    }

    /// Whether it decides on requests.
    pub(super) fn is_active(&self) -> bool {
        self.active
    }
}

impl Server {
    /// Takes note that the log is flushed, and commits what a quorum has.
    pub(super) fn leader_flushed(
        &mut self,
        now: Now,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        if let Role::Leading(leading) = &mut self.role
            && leading.active
        {
            leading.flushed = self.database.last_logged();
        }
        self.commit(now, out)
    }

    /// Somebody who follows, or wants to, says something.
    pub(super) fn hear_learner(
        &mut self,
        now: Now,
        from: (ZooKeeperId, ConnectionId),
        request: PeerRequest,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        let (id, connection) = from;
        let Role::Leading(leading) = &mut self.role else {
            out.push(Effect::Close { connection });
            return Ok(());
        };
        if let PeerRequest::FollowerInfo { accepted_epoch } = request {
            let learner = Learner {
                connection,
                accepted_epoch,
                stage: Stage::Here,
                acked: Zxid::ZERO,
                heard_at: now.monotonic,
            };
            if let Some(before) = leading.learners.insert(id, learner) {
                let connection = before.connection;
                out.push(Effect::Close { connection });
            }
            return self.discover(id, out);
        }
        let Some(learner) = leading.learners.get_mut(&id) else {
            out.push(Effect::Close { connection });
            return Ok(());
        };
        if learner.connection != connection {
            out.push(Effect::Close { connection });
            return Ok(());
        }
        learner.heard_at = now.monotonic;
        match request {
            PeerRequest::AckEpoch { head, counts } => {
                learner.stage = Stage::Promised { head, counts };
                self.synchronise(now.monotonic, id, out)
            }
            PeerRequest::Ack(zxid) => self.acked(now, id, zxid, out),
            PeerRequest::Pong(sessions) => {
                for session in sessions {
                    leading.sessions.touch(now.monotonic, session);
                }
                Ok(())
            }
            PeerRequest::Revalidate(session) => {
                let timeout = leading.sessions.take_over(now.monotonic, session, id);
                let validity = PeerResponse::Validity { session, timeout };
                push(connection, validity, out);
                Ok(())
            }
            PeerRequest::Submit(submission) => self.decide(now, id, submission, out),
            PeerRequest::Notification(_) | PeerRequest::FollowerInfo { .. } => Ok(()),
        }
    }

    /// A follower came. With a quorum there is an epoch.
    fn discover(&mut self, id: ZooKeeperId, out: &mut Effects) -> Result<(), StorageError> {
        let quorum = self.quorum();
        let own = self.database.accepted_epoch();
        let Role::Leading(leading) = &mut self.role else {
            return Ok(());
        };
        let tell = |learner: &Learner, epoch: u32, out: &mut Effects| {
            push(learner.connection, PeerResponse::LeaderInfo { epoch }, out);
        };
        if let Some(epoch) = leading.epoch {
            if let Some(learner) = leading.learners.get(&id) {
                tell(learner, epoch, out);
            }
            return Ok(());
        }
        if leading.learners.len() + 1 < quorum {
            return Ok(());
        }
        let known = leading.learners.values().map(|l| l.accepted_epoch);
        let epoch = known.fold(own, u32::max) + 1;
        leading.epoch = Some(epoch);
        for learner in leading.learners.values() {
            tell(learner, epoch, out);
        }
        self.database.accept(epoch)
    }

    /// A follower has promised the epoch. With a quorum of them they get the log.
    fn synchronise(
        &mut self,
        now: Timestamp,
        id: ZooKeeperId,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        let (quorum, own) = (self.quorum(), self.database.head());
        let Role::Leading(leading) = &self.role else {
            return Ok(());
        };
        let promised = leading.learners.iter();
        let promised: Vec<(ZooKeeperId, Head, bool)> = promised
            .filter_map(|(id, learner)| match learner.stage {
                Stage::Promised { head, counts } => Some((*id, head, counts)),
                _ => None,
            })
            .collect();
        if leading.active {
            self.send_log(id, out);
            return Ok(());
        }
        if promised.iter().any(|(_, head, _)| *head > own) {
            return self.look(now, out);
        }
        let later = leading.learners.values();
        let later = later.filter(|l| matches!(l.stage, Stage::Sent | Stage::Synced));
        let counting = promised.iter().filter(|(_, _, counts)| *counts).count();
        if later.count() + counting + 1 >= quorum {
            for (id, _, _) in promised {
                self.send_log(id, out);
            }
        }
        Ok(())
    }

    /// Sends a follower what makes its log the leader's. From then on it gets all that is proposed.
    fn send_log(&mut self, id: ZooKeeperId, out: &mut Effects) {
        let Role::Leading(leading) = &mut self.role else {
            return;
        };
        let Some(epoch) = leading.epoch else { return };
        let Some(learner) = leading.learners.get_mut(&id) else {
            return;
        };
        let Stage::Promised { head, .. } = learner.stage else {
            return;
        };
        let connection = learner.connection;
        learner.stage = Stage::Sent;
        let txns = match self.database.remedy(head.zxid) {
            Remedy::Send(txns) => txns,
            Remedy::CutAndSend(to, txns) => {
                push(connection, PeerResponse::Truncate { to }, out);
                txns
            }
            Remedy::Snapshot => {
                let tree = Arc::new(self.database.tree().clone());
                push(connection, PeerResponse::Snapshot(tree), out);
                self.database.waiting().cloned().collect()
            }
        };
        for txn in txns {
            push(connection, PeerResponse::Proposal(txn), out);
        }
        let applied = self.database.tree().last();
        push(connection, PeerResponse::Commit(applied), out);
        let zxid = Zxid::start_of(epoch);
        push(connection, PeerResponse::NewLeader { zxid }, out);
    }

    /// A follower has logged everything up to `zxid`.
    fn acked(
        &mut self,
        now: Now,
        id: ZooKeeperId,
        zxid: Zxid,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        let quorum = self.quorum();
        let Role::Leading(leading) = &mut self.role else {
            return Ok(());
        };
        let active = leading.active;
        let Some(learner) = leading.learners.get_mut(&id) else {
            return Ok(());
        };
        learner.acked = learner.acked.max(zxid);
        if learner.stage == Stage::Sent {
            learner.stage = Stage::Synced;
            if active {
                push(learner.connection, PeerResponse::UpToDate, out);
            } else if leading.synced() >= quorum {
                return self.activate(now, out);
            }
        }
        self.commit(now, out)
    }

    /// A quorum has the leader's log: it is committed, and clients are served.
    pub(super) fn activate(&mut self, now: Now, out: &mut Effects) -> Result<(), StorageError> {
        let last = self.database.last_logged();
        let Role::Leading(leading) = &mut self.role else {
            return Ok(());
        };
        // A server that is alone goes on in its epoch.
        let epoch = leading.epoch.unwrap_or_else(|| last.epoch());
        leading.active = true;
        leading.last = if leading.alone {
            last
        } else {
            Zxid::start_of(epoch)
        };
        leading.flushed = leading.last;
        leading.committed = leading.last;
        leading.check_at = now.monotonic + self.config.tick_time;
        leading.ping_at = now.monotonic + self.config.tick_time / 2;
        for (id, timeout) in self.database.tree().sessions() {
            leading.sessions.track(now.monotonic, id, timeout, None);
        }
        for learner in leading.learners.values() {
            if learner.stage == Stage::Synced {
                push(learner.connection, PeerResponse::UpToDate, out);
            }
        }
        self.database.adopt(epoch)?;
        self.election.settle(epoch);
        self.serving.open();
        self.observe_role(epoch, out);
        self.tell_backlog(out);
        Ok(())
    }

    /// Decides on a request that came through `through`, and proposes what it comes to.
    pub(super) fn decide(
        &mut self,
        now: Now,
        through: ZooKeeperId,
        submission: Submission,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        let Submission {
            session,
            cxid,
            wanted,
        } = submission;
        let Role::Leading(leading) = &mut self.role else {
            return Ok(());
        };
        if !leading.active {
            return Ok(());
        }
        let zxid = leading.last.next();
        let tree = self.database.tree();
        let refused = |error: ZooKeeperError| Body::Error { error, index: 0 };
        let body = match wanted {
            Wanted::CreateSession(timeout) => {
                let sessions = &mut leading.sessions;
                sessions.track(now.monotonic, session, timeout, Some(through));
                Body::CreateSession { timeout }
            }
            Wanted::CloseSession => {
                leading.outstanding.close(tree, session, zxid);
                leading.sessions.forget(session);
                Body::CloseSession
            }
            Wanted::Changes { changes, multi } => match leading.sessions.check(session, through) {
                Err(error) => refused(error),
                Ok(()) => {
                    let asked = (session, zxid);
                    leading.outstanding.decide(tree, asked, &changes, multi)
                }
            },
        };
        leading.last = zxid;
        let txn = Arc::new(Txn {
            zxid,
            session,
            cxid,
            time: now.wall.0,
            body,
        });
        for learner in leading.learners.values() {
            if matches!(learner.stage, Stage::Sent | Stage::Synced) {
                let proposal = PeerResponse::Proposal(Arc::clone(&txn));
                push(learner.connection, proposal, out);
            }
        }
        self.flush_at = Some(now.monotonic);
        self.database.append(txn)
    }

    /// Commits what a quorum has logged.
    fn commit(&mut self, now: Now, out: &mut Effects) -> Result<(), StorageError> {
        let quorum = self.quorum();
        let Role::Leading(leading) = &mut self.role else {
            return Ok(());
        };
        if !leading.active {
            return Ok(());
        }
        let mut logged: Vec<Zxid> = leading.learners.values().map(|l| l.acked).collect();
        logged.push(leading.flushed);
        logged.sort_unstable_by(|a, b| b.cmp(a));
        let Some(to) = logged.get(quorum - 1).copied() else {
            return Ok(());
        };
        if to <= leading.committed {
            return Ok(());
        }
        leading.committed = to;
        for learner in leading.learners.values() {
            if matches!(learner.stage, Stage::Sent | Stage::Synced) {
                push(learner.connection, PeerResponse::Commit(to), out);
            }
        }
        self.apply(now, to, out)?;
        if let Role::Leading(leading) = &mut self.role {
            leading.outstanding.applied(to);
        }
        Ok(())
    }

    /// A deadline of the leader may have come.
    pub(super) fn leader_timer(&mut self, now: Now, out: &mut Effects) -> Result<(), StorageError> {
        let (tick, quorum) = (self.config.tick_time, self.quorum());
        let silence = tick * self.config.sync_limit;
        let own: Vec<SessionId> = self.serving.heard().into_iter().collect();
        let at = now.monotonic;
        let Role::Leading(leading) = &mut self.role else {
            return Ok(());
        };
        if !leading.active {
            return if at >= leading.until {
                self.look(at, out)
            } else {
                Ok(())
            };
        }
        for session in own {
            leading.sessions.touch(at, session);
        }
        if at >= leading.ping_at {
            leading.ping_at = at + tick / 2;
            for learner in leading.learners.values() {
                push(learner.connection, PeerResponse::Ping, out);
            }
        }
        if at >= leading.check_at {
            leading.check_at = at + tick;
            leading.learners.retain(|_, learner| {
                let lives = learner.heard_at + silence > at;
                if !lives {
                    let connection = learner.connection;
                    out.push(Effect::Close { connection });
                }
                lives
            });
            if leading.synced() < quorum {
                return self.look(at, out);
            }
        }
        self.end_sessions(now, out)
    }

    /// Ends the sessions whose time is up.
    fn end_sessions(&mut self, now: Now, out: &mut Effects) -> Result<(), StorageError> {
        loop {
            let Role::Leading(leading) = &mut self.role else {
                return Ok(());
            };
            let Some(session) = leading.sessions.expired(now.monotonic) else {
                return Ok(());
            };
            out.observe(Event::SessionExpired { session });
            let submission = Submission {
                session,
                cxid: PUSHED.0,
                wanted: Wanted::CloseSession,
            };
            let id = self.id;
            self.decide(now, id, submission, out)?;
        }
    }

    /// A session of this server's own client goes on, or does not.
    pub(super) fn revalidate(
        &mut self,
        now: Timestamp,
        session: SessionId,
    ) -> Option<std::time::Duration> {
        let id = self.id;
        match &mut self.role {
            Role::Leading(leading) => leading.sessions.take_over(now, session, id),
            Role::Looking | Role::Following(_) => None,
        }
    }

    /// A client of the leader was heard of.
    pub(super) fn heard_directly(&mut self, now: Timestamp) {
        if let Role::Leading(leading) = &mut self.role {
            for session in self.serving.heard() {
                leading.sessions.touch(now, session);
            }
        }
    }

    /// Lets go of all followers.
    pub(super) fn dismiss(&mut self, out: &mut Effects) {
        if let Role::Leading(leading) = &mut self.role {
            for learner in std::mem::take(&mut leading.learners).into_values() {
                let connection = learner.connection;
                out.push(Effect::Close { connection });
            }
        }
    }
}

/// Sends a follower something, on the connection that it opened.
fn push(connection: ConnectionId, response: PeerResponse, out: &mut Effects) {
    let to = ReplyTo {
        connection,
        correlation: PUSHED,
    };
    out.respond(to, Response::ZooKeeperPeer(response));
}
