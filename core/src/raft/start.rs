//! How a replica starts: who it is, and what it was when it stopped.
//!
//! | what the disk says | it begins as |
//! |---|---|
//! | it led | Resigned: it may have lost what it had not forced to disk (KAFKA-10527) |
//! | it voted for itself, and no leader is known | Candidate |
//! | another one leads | Follower |
//! | an epoch below that of the log, or nothing | Unattached |
//!
//! A quorum of one elects itself at once. Source: `QuorumState.initialize`, `KafkaRaftClient.initialize`.
//! Next: `state.rs`.

use super::links::Links;
use super::parked::ParkedFetches;
use super::quorum_state::{self, directory_id};
use super::replica_log::ReplicaLog;
use super::state::{Election, Role};
use super::voters::{self, VoterKey, VoterSet};
use super::{Context, Raft, RaftStart};
use crate::event::Event;
use crate::id::{ControllerId, NodeId};
use crate::machine::StartError;
use crate::offset::LeaderEpoch;
use crate::storage::StorageError;
use crate::time::Timestamp;

impl Raft {
    /// Starts over what the disk holds. A voter that led resigns first: it may have lost what it had not
    /// forced to disk, and must not write other records in the same epoch (KAFKA-10527).
    ///
    /// # Errors
    /// The disk failed, or its files cannot be used.
    pub(crate) fn start(
        start: &RaftStart<'_>,
        context: &mut Context<'_>,
    ) -> Result<Self, StartError> {
        let rules = start.rules;
        let voters = VoterSet::new(start.controllers, rules.raft_voter_directory_id);
        let (id, directory) = match start.node {
            NodeId::Controller(id) if voters.key(id).directory.is_some() => {
                let new = voters::formatted(id, start.incarnation.0);
                let directory = directory_id(context.storage, quorum_state::LOG_DIRECTORY, new)?;
                (id, Some(directory))
            }
            NodeId::Controller(id) => (id, None),
            NodeId::Broker(_) | NodeId::Client(_) | NodeId::ZooKeeper(_) => {
                (ControllerId(-1), None)
            }
        };
        let is_voter = voters.is_voter(VoterKey { id, directory });
        let segment_bytes = start.settings.segment_bytes;
        let log = ReplicaLog::open(context.storage, rules, is_voter, segment_bytes, context.now)?;
        let stored = if is_voter {
            quorum_state::read(context.storage)?
        } else {
            None
        };
        let mut raft = Self {
            node: start.node,
            id,
            directory,
            links: Links::new(voters.ids().filter(|voter| *voter != id || !is_voter)),
            bootstrap: voters.ids().filter(|voter| *voter != id).collect(),
            voters,
            settings: start.settings,
            election_random: start.random.part("elections"),
            election: Election {
                epoch: log.latest_epoch().unwrap_or_default(),
                leader: None,
                voted: None,
                role: Role::Unattached {
                    until: Timestamp::NEVER,
                },
            },
            log,
            stored,
            parked: ParkedFetches::default(),
            fetching: None,
            made: None,
            clean_at: None,
            wake_fetches: false,
            stopping: false,
        };
        if is_voter {
            raft.resume(context)?;
        }
        Ok(raft)
    }

    /// The state of a voter that starts. Source: `QuorumState.initialize`, `KafkaRaftClient.initialize`.
    fn resume(&mut self, context: &mut Context<'_>) -> Result<(), StorageError> {
        let now = context.now.monotonic;
        let opened = Event::QuorumOpened {
            directory: self.directory.unwrap_or_default().to_string(),
            log_end_offset: self.log.end_offset(),
            epoch: self.stored.map_or(LeaderEpoch(0), |stored| stored.epoch),
        };
        self.tell(context, opened);
        let log_epoch = self.log.latest_epoch().unwrap_or_default();
        let stored = self.stored.filter(|stored| stored.epoch >= log_epoch);
        let until = self.election_timeout(now);
        if let Some(stored) = stored {
            self.election.epoch = stored.epoch;
            self.election.leader = stored.leader;
            self.election.voted = stored.voted;
            let led = stored.leader == Some(self.id);
            self.election.role = if led {
                Role::Resigned {
                    until,
                    successors: Vec::new(),
                    unheard: self.voters.ids().filter(|id| *id != self.id).collect(),
                }
            } else if stored.leader.is_none() && stored.voted == Some(self.own_key()) {
                let votes = voters::Votes::by_itself(self.id);
                Role::Candidate { votes, until }
            } else if stored.leader.is_some() {
                let until = now + self.settings.fetch_timeout;
                Role::Follower {
                    until,
                    fetched: false,
                }
            } else {
                Role::Unattached { until }
            };
            if led && !self.log.rules().raft_resign_after_restart && self.voters.len() > 1 {
                return self.become_leader(context, &[self.id]);
            }
        } else {
            self.election.role = Role::Unattached { until };
        }
        if self.voters.len() == 1 {
            return self.become_prospective(context);
        }
        self.tell_role(context);
        Ok(())
    }
}
