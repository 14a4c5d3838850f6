//! Votes: who gets this voter's, and what the answers to its own requests mean.
//!
//! A log is up to date if its last epoch and end are not below ours, the epoch first.
//!
//! | this voter is | a pre-vote | a vote |
//! |---|---|---|
//! | Unattached, Prospective | if the log is up to date | if it has voted for nobody else, knows no leader, and the log is up to date |
//! | Follower | the same, if it has not fetched from its leader yet | no |
//! | Candidate, Resigned | if the log is up to date | no |
//! | Leader | no | no |
//!
//! | request | answer |
//! |---|---|
//! | negative, or its last epoch not below its epoch (above, with a pre-vote) | INVALID_REQUEST |
//! | an epoch below ours | FENCED_LEADER_EPOCH |
//! | means another voter | INVALID_VOTER_KEY |
//!
//! An epoch above ours is taken up first, whatever becomes of the vote.
//!
//! Source: KIP-595, KIP-996; `KafkaRaftClient.handleVoteRequest`, `handleVoteResponse`,
//! `QuorumState.unattachedOrProspectiveCanGrantVote`. Next: `epoch.rs`.

use super::state::Role;
use super::voters::VoterKey;
use super::{Context, Raft};
use crate::error::ErrorCode;
use crate::id::ControllerId;
use crate::message::{Request, VoteRequest, VoteResponse};
use crate::offset::{LeaderEpoch, Offset};
use crate::planted::Bug;
use crate::storage::StorageError;

impl Raft {
    /// Answers a request for a vote.
    pub(super) fn vote(
        &mut self,
        context: &mut Context<'_>,
        request: &VoteRequest,
    ) -> Result<VoteResponse, StorageError> {
        let (error, granted) = self.judge_vote(context, request)?;
        Ok(VoteResponse {
            error,
            epoch: self.election.epoch,
            leader: self.election.leader,
            granted,
        })
    }

    fn judge_vote(
        &mut self,
        context: &mut Context<'_>,
        request: &VoteRequest,
    ) -> Result<(ErrorCode, bool), StorageError> {
        let epoch = request.epoch;
        let illegal = if request.pre_vote {
            request.last_epoch > epoch
        } else {
            request.last_epoch >= epoch
        };
        if illegal || request.last_offset < Offset::ZERO || request.last_epoch < LeaderEpoch(0) {
            return Ok((ErrorCode::InvalidRequest, false));
        }
        if epoch < self.election.epoch {
            return Ok((ErrorCode::FencedLeaderEpoch, false));
        }
        if epoch > self.election.epoch {
            self.become_unattached(context, epoch, None)?;
        }
        if !self.own_key().is_meant_by(request.voter) {
            return Ok((ErrorCode::InvalidVoterKey, false));
        }
        let granted = self.grants(request);
        if granted && !request.pre_vote {
            self.vote_for(context, request.candidate)?;
        }
        Ok((ErrorCode::None, granted))
    }

    fn grants(&self, request: &VoteRequest) -> bool {
        let rules = self.log.rules();
        let candidate = (request.last_epoch, request.last_offset);
        let up_to_date = candidate >= self.log.end() || rules.has(Bug::QuorumVoteForStaleLog);
        match &self.election.role {
            Role::Leader(_) => false,
            Role::Follower { fetched, .. } => {
                let content = *fetched && !rules.has(Bug::QuorumPreVoteThoughFollowing);
                request.pre_vote && !content && up_to_date
            }
            Role::Candidate { .. } | Role::Resigned { .. } => request.pre_vote && up_to_date,
            Role::Unattached { .. } | Role::Prospective { .. } if request.pre_vote => up_to_date,
            Role::Unattached { .. } | Role::Prospective { .. } => match self.election.voted {
                Some(voted) if !rules.has(Bug::QuorumVotesTwice) => voted == request.candidate,
                _ => self.election.leader.is_none() && up_to_date,
            },
        }
    }

    /// The request to `voter` that the state asks for.
    pub(super) fn vote_request(&self, voter: ControllerId) -> Request {
        let (last_epoch, last_offset) = self.log.end();
        Request::Vote(VoteRequest {
            candidate: self.own_key(),
            voter: self.voters.key(voter),
            epoch: self.election.epoch,
            last_epoch,
            last_offset,
            pre_vote: matches!(self.election.role, Role::Prospective { .. }),
        })
    }

    /// Counts an answer.
    pub(super) fn voted(
        &mut self,
        context: &mut Context<'_>,
        from: ControllerId,
        response: &VoteResponse,
    ) -> Result<bool, StorageError> {
        let answer = (response.error, response.epoch, response.leader);
        if let Some(handled) = self.common(context, answer)? {
            return Ok(handled);
        }
        if !response.error.is_none() {
            return Ok(false);
        }
        if let Role::Prospective { votes, .. } | Role::Candidate { votes, .. } =
            &mut self.election.role
        {
            votes.record(from, response.granted);
            self.count_votes(context)?;
        }
        Ok(true)
    }

    /// What all answers have in common. `None` = what the answer says otherwise counts.
    /// Source: `KafkaRaftClient.maybeHandleCommonResponse`.
    pub(super) fn common(
        &mut self,
        context: &mut Context<'_>,
        (error, epoch, leader): (ErrorCode, LeaderEpoch, Option<ControllerId>),
    ) -> Result<Option<bool>, StorageError> {
        let ours = self.election.epoch;
        if epoch < ours || error == ErrorCode::UnknownLeaderEpoch {
            return Ok(Some(true));
        }
        let fenced = matches!(
            error,
            ErrorCode::FencedLeaderEpoch | ErrorCode::NotLeaderOrFollower
        );
        if epoch > ours || fenced {
            self.learn(context, epoch, leader)?;
            return Ok(Some(true));
        }
        if leader.is_some() && self.election.leader.is_none() {
            self.learn(context, epoch, leader)?;
            return Ok((!error.is_none()).then_some(true));
        }
        Ok(match error {
            ErrorCode::BrokerNotAvailable => Some(false),
            ErrorCode::InvalidVoterKey => Some(true),
            _ => None,
        })
    }

    /// This replica as a voter.
    pub(super) fn own_key(&self) -> VoterKey {
        VoterKey {
            id: self.id,
            directory: self.directory,
        }
    }
}
