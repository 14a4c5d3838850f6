//! Fast leader election: servers tell each other whom they would follow until a quorum agrees.
//!
//! Rules:
//! - The best vote is for the server with the newest log: the highest epoch, then zxid, then id. So the
//!   leader has every transaction that a quorum has logged.
//! - Each election has a round. A vote of a later round makes a server join that round; one of an earlier
//!   round is answered, and does not count.
//! - When a quorum votes as the server does, it waits 200 ms for a better vote; then it is decided.
//! - Servers that have a leader tell so; a server joins them when a quorum of them names the same leader and
//!   that one says that it leads.
//! - As long as nothing is decided the vote is repeated, after 200 ms and then twice as long each time, up
//!   to a minute.
//!
//! Simplified: everybody votes (no observers); a vote of a server that is not of the ensemble does not come.
//! Source: ZooKeeper `FastLeaderElection.lookForLeader`, `totalOrderPredicate`, `checkLeader`,
//! `Vote.equals`, `WorkerReceiver.run`.
//! Next: `follower.rs`.

use super::zxid::{ZooKeeperId, Zxid};
use crate::time::{Timestamp, earliest};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a decided vote is held open, and the first wait before it is repeated.
const WAIT: Duration = Duration::from_millis(200);
/// The longest wait before it is repeated.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// Where a server's log ends. Better ones are larger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Head {
    /// The last epoch whose leader's log it took over.
    pub epoch: u32,
    /// Its last transaction.
    pub zxid: Zxid,
}

/// Whom a server would follow. Better ones are larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Vote {
    /// What speaks for that server.
    pub head: Head,
    /// That server.
    pub leader: ZooKeeperId,
}

/// What a server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stance {
    /// It looks for a leader.
    Looking,
    /// It follows one.
    Following,
    /// It leads.
    Leading,
}

/// A server tells its vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notification {
    /// The round of its last election.
    pub round: u64,
    /// Whom it would follow, or does.
    pub vote: Vote,
    /// What it does.
    pub stance: Stance,
}

/// What follows from a vote that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing.
    Wait,
    /// Everybody has to know the own vote.
    Tell,
    /// The sender has to know it.
    Answer,
    /// It is decided who leads.
    Elected(ZooKeeperId),
}

/// One server's part in elections.
#[derive(Clone, Debug)]
pub(super) struct Election {
    id: ZooKeeperId,
    quorum: usize,
    round: u64,
    vote: Vote,
    /// The votes of this round.
    received: BTreeMap<ZooKeeperId, Notification>,
    /// Votes of servers that have a leader.
    settled: BTreeMap<ZooKeeperId, Notification>,
    tell_at: Option<Timestamp>,
    tell_after: Duration,
    decide_at: Option<Timestamp>,
}

impl Election {
    /// Of a server that has just started.
    pub(super) fn new(id: ZooKeeperId, quorum: usize, head: Head) -> Self {
        Self {
            id,
            quorum,
            round: 0,
            vote: Vote { head, leader: id },
            received: BTreeMap::new(),
            settled: BTreeMap::new(),
            tell_at: None,
            tell_after: WAIT,
            decide_at: None,
        }
    }

    /// A new election begins. Everybody has to know the own vote.
    pub(super) fn begin(&mut self, now: Timestamp, head: Head) {
        self.round += 1;
        self.received.clear();
        self.settled.clear();
        self.vote = Vote {
            head,
            leader: self.id,
        };
        self.tell_after = WAIT;
        self.tell_at = Some(now + WAIT);
        self.decide_at = None;
        self.count_own();
    }

    /// The server follows or leads in this epoch: what it tells from now on.
    pub(super) fn settle(&mut self, epoch: u32) {
        self.vote.head.epoch = epoch;
        self.tell_at = None;
        self.decide_at = None;
    }

    /// What the server tells.
    pub(super) fn notification(&self, stance: Stance) -> Notification {
        Notification {
            round: self.round,
            vote: self.vote,
            stance,
        }
    }

    /// A vote came while this server looks for a leader, its own log ending at `head`.
    pub(super) fn notified(
        &mut self,
        now: Timestamp,
        from: ZooKeeperId,
        notification: Notification,
        head: Head,
    ) -> Verdict {
        if notification.stance != Stance::Looking {
            return self.joined(from, notification);
        }
        if notification.round < self.round {
            return Verdict::Answer;
        }
        let own = Vote {
            head,
            leader: self.id,
        };
        let before = (self.round, self.vote);
        if notification.round > self.round {
            self.round = notification.round;
            self.received.clear();
            self.vote = own.max(notification.vote);
        } else {
            self.vote = self.vote.max(notification.vote);
        }
        self.received.insert(from, notification);
        let changed = before != (self.round, self.vote);
        if changed {
            self.decide_at = None;
            self.count_own();
        }
        let agreeing = self.received.values();
        let agreeing = agreeing.filter(|n| n.vote == self.vote).count();
        if agreeing >= self.quorum && self.decide_at.is_none() {
            self.decide_at = Some(now + WAIT);
        }
        if changed {
            Verdict::Tell
        } else {
            Verdict::Wait
        }
    }

    /// A server that has a leader told so.
    fn joined(&mut self, from: ZooKeeperId, notification: Notification) -> Verdict {
        if notification.round == self.round {
            self.received.insert(from, notification);
            if self.leads(&self.received, notification) {
                return self.elect(notification);
            }
        }
        self.settled.insert(from, notification);
        if self.leads(&self.settled, notification) {
            self.round = notification.round;
            return self.elect(notification);
        }
        Verdict::Wait
    }

    /// A quorum names that leader, and it says so itself.
    fn leads(&self, votes: &BTreeMap<ZooKeeperId, Notification>, of: Notification) -> bool {
        let same =
            |vote: Vote| vote.leader == of.vote.leader && vote.head.epoch == of.vote.head.epoch;
        let naming = votes.values().filter(|n| same(n.vote)).count();
        let leader = of.vote.leader;
        let confirmed = if leader == self.id {
            self.round == of.round
        } else {
            votes
                .get(&leader)
                .is_some_and(|n| n.stance == Stance::Leading)
        };
        naming >= self.quorum && confirmed
    }

    fn elect(&mut self, notification: Notification) -> Verdict {
        self.vote = notification.vote;
        self.tell_at = None;
        self.decide_at = None;
        Verdict::Elected(self.vote.leader)
    }

    fn count_own(&mut self) {
        let own = self.notification(Stance::Looking);
        self.received.insert(self.id, own);
    }

    /// When it wants waking.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        earliest(self.tell_at, self.decide_at)
    }

    /// A deadline has come.
    pub(super) fn timer(&mut self, now: Timestamp) -> Verdict {
        if self.decide_at.is_some_and(|at| now >= at) {
            self.tell_at = None;
            self.decide_at = None;
            return Verdict::Elected(self.vote.leader);
        }
        if self.tell_at.is_some_and(|at| now >= at) {
            self.tell_after = (self.tell_after * 2).min(LONGEST_WAIT);
            self.tell_at = Some(now + self.tell_after);
            return Verdict::Tell;
        }
        Verdict::Wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(epoch: u32, counter: i64) -> Head {
        let zxid = Zxid(Zxid::start_of(epoch).0 + counter);
        Head { epoch, zxid }
    }

    fn looking(round: u64, head: Head, leader: i32) -> Notification {
        Notification {
            round,
            vote: Vote {
                head,
                leader: ZooKeeperId(leader),
            },
            stance: Stance::Looking,
        }
    }

    fn election(own: Head) -> Election {
        let mut election = Election::new(ZooKeeperId(2), 2, own);
        election.begin(Timestamp::ZERO, own);
        election
    }

    #[test]
    fn the_newest_log_wins_then_the_higher_id() {
        let own = head(1, 5);
        for (other, id, leader) in [
            (head(1, 6), 1, 1),
            (head(2, 1), 1, 1),
            (head(1, 5), 3, 3),
            (head(1, 5), 1, 2),
            (head(0, 9), 3, 2),
        ] {
            let mut election = election(own);
            election.notified(Timestamp::ZERO, ZooKeeperId(id), looking(1, other, id), own);
            assert_eq!(
                election.vote.leader,
                ZooKeeperId(leader),
                "{other:?} of {id}"
            );
        }
    }

    #[test]
    fn a_quorum_decides_after_it_has_waited_for_a_better_vote() {
        let own = head(1, 5);
        let mut election = election(own);
        let verdict = election.notified(Timestamp::ZERO, ZooKeeperId(1), looking(1, own, 2), own);
        assert_eq!(verdict, Verdict::Wait);
        assert_eq!(election.timer(Timestamp::from_millis(199)), Verdict::Wait);
        let better = looking(1, head(1, 6), 3);
        let at = Timestamp::from_millis(199);
        assert_eq!(
            election.notified(at, ZooKeeperId(3), better, own),
            Verdict::Tell
        );
        let at = Timestamp::from_millis(399);
        assert_eq!(election.timer(at), Verdict::Elected(ZooKeeperId(3)));
    }

    #[test]
    fn rounds_pull_a_server_along_and_old_ones_are_answered() {
        let own = head(1, 5);
        let mut election = election(own);
        let later = looking(7, head(1, 1), 1);
        assert_eq!(
            election.notified(Timestamp::ZERO, ZooKeeperId(1), later, own),
            Verdict::Tell
        );
        assert_eq!((election.round, election.vote.leader), (7, ZooKeeperId(2)));
        let old = looking(3, head(9, 9), 3);
        assert_eq!(
            election.notified(Timestamp::ZERO, ZooKeeperId(3), old, own),
            Verdict::Answer
        );
        assert_eq!(election.vote.leader, ZooKeeperId(2));
    }

    #[test]
    fn a_leader_is_joined_when_a_quorum_and_itself_say_so() {
        let own = head(1, 5);
        let mut election = election(own);
        let settled = |stance| Notification {
            stance,
            ..looking(4, head(2, 0), 3)
        };
        let follower = settled(Stance::Following);
        assert_eq!(
            election.notified(Timestamp::ZERO, ZooKeeperId(1), follower, own),
            Verdict::Wait
        );
        let leader = settled(Stance::Leading);
        let verdict = election.notified(Timestamp::ZERO, ZooKeeperId(3), leader, own);
        assert_eq!(verdict, Verdict::Elected(ZooKeeperId(3)));
        assert_eq!(election.round, 4);
    }
}
