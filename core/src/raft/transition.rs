//! From one state to the next: what is written down first, and what begins.
//!
//! Epoch, leader and vote are on the disk before the replica acts on them; what they do not change
//! (Prospective, Resigned) is kept in memory only.
//!
//! Invariants: the epoch never falls; a vote is never taken back within its epoch.
//! Simplified: observers write nothing down, for they promise nobody anything; a quorum of one does not write
//! that it is a candidate, for it is the leader in the same moment, and writes that.
//! Source: `QuorumState.transitionTo*`, `durableTransitionTo`, `KafkaRaftClient.onBecome*`.
//! Next: `vote.rs`, `epoch.rs`, `poll.rs` call these.

use super::leader::Leading;
use super::quorum_state::{self, Stored};
use super::state::{Election, Role};
use super::voters::{VoterKey, Votes};
use super::{Context, Raft};
use crate::event::Event;
use crate::id::{ControllerId, NodeId};
use crate::log::AppendedBatch;
use crate::offset::LeaderEpoch;
use crate::planted::Bug;
use crate::storage::StorageError;
use crate::time::Timestamp;
use std::time::Duration;

type Done = Result<(), StorageError>;

impl Raft {
    /// An election timeout, drawn anew: from T up to twice as long.
    pub(super) fn election_timeout(&mut self, now: Timestamp) -> Timestamp {
        if !self.is_voter() {
            return Timestamp::NEVER;
        }
        let least = self.settings.election_timeout;
        let spread = u64::try_from(least.as_micros()).unwrap_or(u64::MAX);
        now + least + Duration::from_micros(self.election_random.below(spread))
    }

    /// Takes up a state that the disk has to know of.
    fn durably(&mut self, context: &mut Context<'_>, election: Election) -> Done {
        let stored = Stored {
            epoch: election.epoch,
            leader: election.leader,
            voted: election.voted,
        };
        let forgets = self.log.rules().has(Bug::QuorumVoteNotWritten);
        if self.is_voter() && self.stored != Some(stored) && !forgets {
            quorum_state::write(context.storage, stored)?;
        }
        self.stored = Some(stored);
        self.take_up(context, election);
        Ok(())
    }

    fn take_up(&mut self, context: &mut Context<'_>, election: Election) {
        let led = matches!(self.election.role, Role::Leader(_));
        self.election = election;
        if led {
            self.wake_fetches = true;
        }
        self.fetching = None;
        self.links.reset();
        self.tell_role(context);
    }

    /// Tells the history what this voter is now.
    pub(super) fn tell_role(&self, context: &mut Context<'_>) {
        let election = &self.election;
        let event = Event::QuorumRole {
            role: election.role.name(),
            epoch: election.epoch,
            leader: election.leader,
            voted: election.voted.map(|voted| voted.id),
        };
        self.tell(context, event);
    }

    /// Tells the history something of this voter. A quorum of one has nothing to tell.
    pub(super) fn tell(&self, context: &mut Context<'_>, event: Event) {
        if self.is_voter() && self.voters.len() > 1 {
            context.out.observe(event);
        }
    }

    pub(super) fn tell_appended(&self, context: &mut Context<'_>, batch: AppendedBatch) {
        let event = Event::QuorumAppended {
            base_offset: batch.base_offset,
            last_offset: batch.last_offset,
            epoch: batch.leader_epoch,
            crc: batch.crc,
        };
        self.tell(context, event);
    }

    /// Nobody is known to lead in `epoch`.
    pub(super) fn become_unattached(
        &mut self,
        context: &mut Context<'_>,
        epoch: LeaderEpoch,
        leader: Option<ControllerId>,
    ) -> Done {
        let now = context.now.monotonic;
        let until = match &self.election.role {
            // What is left of the time goes on (KAFKA-17641).
            Role::Unattached { until }
            | Role::Candidate { until, .. }
            | Role::Resigned { until, .. } => *until,
            Role::Prospective { until, votes } if !votes.is_rejected(&self.voters) => *until,
            _ => self.election_timeout(now),
        };
        let same = epoch == self.election.epoch;
        let election = Election {
            epoch,
            leader,
            voted: self.election.voted.filter(|_| same),
            role: Role::Unattached { until },
        };
        self.durably(context, election)
    }

    /// `leader` leads in `epoch`.
    pub(super) fn become_follower(
        &mut self,
        context: &mut Context<'_>,
        epoch: LeaderEpoch,
        leader: ControllerId,
    ) -> Done {
        let same = epoch == self.election.epoch;
        let until = if self.is_voter() {
            context.now.monotonic + self.settings.fetch_timeout
        } else {
            Timestamp::NEVER
        };
        let election = Election {
            epoch,
            leader: Some(leader),
            voted: self.election.voted.filter(|_| same),
            role: Role::Follower {
                until,
                fetched: false,
            },
        };
        self.durably(context, election)
    }

    /// Votes for a candidate of this epoch.
    pub(super) fn vote_for(&mut self, context: &mut Context<'_>, candidate: VoterKey) -> Done {
        let until = self.election_timeout(context.now.monotonic);
        let mut election = self.election.clone();
        election.voted = Some(candidate);
        match &mut election.role {
            Role::Prospective { votes, until: at } => {
                *votes = Votes::by_itself(self.id);
                *at = until;
            }
            role => *role = Role::Unattached { until },
        }
        self.durably(context, election)
    }

    /// Asks whether it would be elected (KIP-996). Before that it asked for votes at once.
    pub(super) fn become_prospective(&mut self, context: &mut Context<'_>) -> Done {
        let votes = Votes::by_itself(self.id);
        let alone = votes.is_granted(&self.voters);
        if alone || !self.log.rules().raft_prevote {
            return self.become_candidate(context);
        }
        let until = self.election_timeout(context.now.monotonic);
        let mut election = self.election.clone();
        election.role = Role::Prospective { votes, until };
        self.take_up(context, election);
        Ok(())
    }

    /// A majority would not vote for it, or did not say so in time.
    pub(super) fn give_up_prospect(&mut self, context: &mut Context<'_>) -> Done {
        let (epoch, leader) = (self.election.epoch, self.election.leader);
        match leader {
            Some(leader) if leader != self.id => self.become_follower(context, epoch, leader),
            leader => self.become_unattached(context, epoch, leader),
        }
    }

    /// Begins an epoch, votes for itself and asks for votes.
    pub(super) fn become_candidate(&mut self, context: &mut Context<'_>) -> Done {
        let until = self.election_timeout(context.now.monotonic);
        let votes = Votes::by_itself(self.id);
        let election = Election {
            epoch: self.election.epoch.next(),
            leader: None,
            voted: Some(self.own_key()),
            role: Role::Candidate { votes, until },
        };
        if self.has_others() {
            self.durably(context, election)?;
        } else {
            self.take_up(context, election);
        }
        self.count_votes(context)
    }

    /// A majority of its votes makes a candidate the leader, and a prospective one a candidate.
    pub(super) fn count_votes(&mut self, context: &mut Context<'_>) -> Done {
        match &self.election.role {
            Role::Prospective { votes, .. } if votes.is_granted(&self.voters) => {
                self.become_candidate(context)
            }
            Role::Prospective { votes, .. } if votes.is_rejected(&self.voters) => {
                self.give_up_prospect(context)
            }
            Role::Candidate { votes, .. } if votes.is_granted(&self.voters) => {
                let granting: Vec<_> = votes.granting().collect();
                self.become_leader(context, &granting)
            }
            _ => Ok(()),
        }
    }

    /// Leads in its epoch, from the end of its log on.
    pub(super) fn become_leader(
        &mut self,
        context: &mut Context<'_>,
        granting: &[ControllerId],
    ) -> Done {
        let (now, epoch) = (context.now, self.election.epoch);
        let start = self.log.end_offset();
        let timeout = self.settings.fetch_timeout;
        let leading = Leading::new(self.id, start, &self.voters, timeout, now.monotonic);
        let election = Election {
            epoch,
            leader: Some(self.id),
            voted: self.election.voted,
            role: Role::Leader(Box::new(leading)),
        };
        self.durably(context, election)?;
        let voters: Vec<_> = self.voters.ids().collect();
        let (_, batch) =
            self.log
                .begin_epoch(context.storage, (self.id, epoch), (&voters, granting), now)?;
        self.tell_appended(context, batch);
        self.advance(context);
        Ok(())
    }

    /// Leads no more, and tells the voters so.
    pub(super) fn resign(&mut self, context: &mut Context<'_>) {
        let Role::Leader(leading) = &self.election.role else {
            return;
        };
        let successors = leading.successors(&self.voters);
        let unheard = successors.iter().map(|voter| voter.id).collect();
        let until = self.election_timeout(context.now.monotonic);
        let mut election = self.election.clone();
        election.role = Role::Resigned {
            until,
            successors,
            unheard,
        };
        self.take_up(context, election);
    }

    /// What a request or answer says of epoch and leader.
    /// Source: `KafkaRaftClient.maybeTransition`.
    pub(super) fn learn(
        &mut self,
        context: &mut Context<'_>,
        epoch: LeaderEpoch,
        leader: Option<ControllerId>,
    ) -> Done {
        let leader = leader.filter(|leader| NodeId::Controller(*leader) != self.node);
        if epoch > self.election.epoch {
            match leader {
                Some(leader) => self.become_follower(context, epoch, leader),
                None => self.become_unattached(context, epoch, None),
            }
        } else if epoch == self.election.epoch
            && let Some(leader) = leader
            && self.election.leader.is_none()
        {
            self.become_follower(context, epoch, leader)
        } else {
            Ok(())
        }
    }
}
