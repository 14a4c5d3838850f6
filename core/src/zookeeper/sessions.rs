//! Sessions as the leader keeps them: when each ends unless something is heard of it, and which server it
//! is with.
//!
//! Rules:
//! - A session ends at a full tick, the first one after its timeout. So it may live up to a tick longer.
//! - A client that goes to another server takes its session along: requests that come through the one
//!   before are refused.
//! - A new leader gives every session its full timeout, and learns from the first request where it is.
//!
//! Source: ZooKeeper `ExpiryQueue.roundToNextInterval`, `SessionTrackerImpl.checkSession`, `setOwner`.
//! Next: `leader/mod.rs`.

use super::txn::ZooKeeperError;
use super::zxid::{SessionId, ZooKeeperId};
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

#[derive(Clone, Debug)]
struct Session {
    timeout: Duration,
    ends: Timestamp,
    with: Option<ZooKeeperId>,
}

/// The sessions of the ensemble.
#[derive(Clone, Debug)]
pub(super) struct Sessions {
    tick: u64,
    by_id: BTreeMap<SessionId, Session>,
    by_end: BTreeSet<(Timestamp, SessionId)>,
}

impl Sessions {
    /// None yet.
    pub(super) fn new(tick: Duration) -> Self {
        let tick = u64::try_from(tick.as_micros()).unwrap_or(u64::MAX);
        Self {
            tick: tick.max(1),
            by_id: BTreeMap::new(),
            by_end: BTreeSet::new(),
        }
    }

    /// A session begins, or is taken over from another leader.
    pub(super) fn track(
        &mut self,
        now: Timestamp,
        id: SessionId,
        timeout: Duration,
        with: Option<ZooKeeperId>,
    ) {
        self.forget(id);
        let ends = self.end(now, timeout);
        let session = Session {
            timeout,
            ends,
            with,
        };
        self.by_id.insert(id, session);
        self.by_end.insert((ends, id));
    }

    /// The first full tick after the timeout.
    fn end(&self, now: Timestamp, timeout: Duration) -> Timestamp {
        let at = (now + timeout).0;
        Timestamp((at / self.tick).saturating_add(1).saturating_mul(self.tick))
    }

    /// Something was heard of a session. Tells whether it goes on.
    pub(super) fn touch(&mut self, now: Timestamp, id: SessionId) -> bool {
        let Some(timeout) = self.by_id.get(&id).map(|session| session.timeout) else {
            return false;
        };
        let ends = self.end(now, timeout);
        if let Some(session) = self.by_id.get_mut(&id)
            && session.ends < ends
        {
            self.by_end.remove(&(session.ends, id));
            session.ends = ends;
            self.by_end.insert((ends, id));
        }
        true
    }

    /// A client goes on with its session at this server. Returns its timeout if it goes on.
    pub(super) fn take_over(
        &mut self,
        now: Timestamp,
        id: SessionId,
        with: ZooKeeperId,
    ) -> Option<Duration> {
        self.touch(now, id);
        let session = self.by_id.get_mut(&id)?;
        session.with = Some(with);
        Some(session.timeout)
    }

    /// May this session ask for something through this server?
    pub(super) fn check(
        &mut self,
        id: SessionId,
        through: ZooKeeperId,
    ) -> Result<(), ZooKeeperError> {
        let session = self.by_id.get_mut(&id);
        let session = session.ok_or(ZooKeeperError::SessionExpired)?;
        if *session.with.get_or_insert(through) == through {
            Ok(())
        } else {
            Err(ZooKeeperError::SessionMoved)
        }
    }

    /// A session is over.
    pub(super) fn forget(&mut self, id: SessionId) {
        if let Some(session) = self.by_id.remove(&id) {
            self.by_end.remove(&(session.ends, id));
        }
    }

    /// The next session whose time is up.
    pub(super) fn expired(&self, now: Timestamp) -> Option<SessionId> {
        let (ends, id) = self.by_end.first()?;
        (*ends <= now).then_some(*id)
    }

    /// When the next session ends.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        self.by_end.first().map(|(ends, _)| *ends)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_end_at_full_ticks() {
        let mut sessions = Sessions::new(Duration::from_secs(2));
        let (id, timeout) = (SessionId(1), Duration::from_secs(6));
        sessions.track(Timestamp::from_millis(500), id, timeout, None);
        assert_eq!(sessions.deadline(), Some(Timestamp::from_millis(8_000)));
        assert!(sessions.touch(Timestamp::from_millis(1_999), id));
        assert_eq!(sessions.deadline(), Some(Timestamp::from_millis(8_000)));
        assert!(sessions.touch(Timestamp::from_millis(2_000), id));
        assert_eq!(sessions.deadline(), Some(Timestamp::from_millis(10_000)));
        assert_eq!(sessions.expired(Timestamp::from_millis(9_999)), None);
        assert_eq!(sessions.expired(Timestamp::from_millis(10_000)), Some(id));
        sessions.forget(id);
        assert!(!sessions.touch(Timestamp::from_millis(10_000), id));
    }

    #[test]
    fn a_session_is_with_one_server() {
        let mut sessions = Sessions::new(Duration::from_secs(2));
        let (id, first, second) = (SessionId(1), ZooKeeperId(1), ZooKeeperId(2));
        sessions.track(Timestamp::ZERO, id, Duration::from_secs(6), None);
        assert_eq!(sessions.check(id, first), Ok(()));
        assert!(sessions.take_over(Timestamp::ZERO, id, second).is_some());
        assert_eq!(sessions.check(id, first), Err(ZooKeeperError::SessionMoved));
        assert_eq!(sessions.check(id, second), Ok(()));
        let stranger = sessions.check(SessionId(2), first);
        assert_eq!(stranger, Err(ZooKeeperError::SessionExpired));
    }
}
