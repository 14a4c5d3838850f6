//! BeginQuorumEpoch and EndQuorumEpoch: a leader tells the voters that it leads, or that it leads no more.
//!
//! When a leader resigns its followers need not wait for their fetch timeout: the first of the preferred
//! successors looks for votes at once, the second after `election.backoff.max` >> (successors - 1), each
//! further one after twice as long.
//!
//! Source: `KafkaRaftClient.handleBeginQuorumEpochRequest`, `handleEndQuorumEpochRequest`,
//! `strictExponentialElectionBackoffMs`. Next: `serve.rs`.

use super::state::Role;
use super::voters::VoterKey;
use super::{Context, Raft};
use crate::error::ErrorCode;
use crate::id::ControllerId;
use crate::message::{
    BeginQuorumEpochRequest, EndQuorumEpochRequest, QuorumEpochResponse, Request,
};
use crate::storage::StorageError;
use crate::time::Timestamp;
use std::time::Duration;

impl Raft {
    /// A leader tells of itself.
    pub(super) fn begin_epoch(
        &mut self,
        context: &mut Context<'_>,
        request: &BeginQuorumEpochRequest,
    ) -> Result<QuorumEpochResponse, StorageError> {
        if request.epoch < self.election.epoch {
            return Ok(self.epoch_response(ErrorCode::FencedLeaderEpoch));
        }
        self.learn(context, request.epoch, Some(request.leader))?;
        let meant = self.own_key().is_meant_by(request.voter);
        let error = if meant {
            ErrorCode::None
        } else {
            ErrorCode::InvalidVoterKey
        };
        Ok(self.epoch_response(error))
    }

    /// A leader has resigned.
    pub(super) fn end_epoch(
        &mut self,
        context: &mut Context<'_>,
        request: &EndQuorumEpochRequest,
    ) -> Result<QuorumEpochResponse, StorageError> {
        if request.epoch < self.election.epoch {
            return Ok(self.epoch_response(ErrorCode::FencedLeaderEpoch));
        }
        self.learn(context, request.epoch, Some(request.leader))?;
        let key = self.own_key();
        let follows = self.election.leader == Some(request.leader);
        if let Role::Follower { until, .. } = &mut self.election.role
            && follows
            && *until != Timestamp::NEVER
        {
            let most = self.settings.election_backoff_max;
            *until = context.now.monotonic + successor_backoff(key, &request.preferred, most);
        }
        Ok(self.epoch_response(ErrorCode::None))
    }

    fn epoch_response(&self, error: ErrorCode) -> QuorumEpochResponse {
        QuorumEpochResponse {
            error,
            epoch: self.election.epoch,
            leader: self.election.leader,
        }
    }

    /// An answer to a request of one of the two kinds.
    pub(super) fn epoch_answered(
        &mut self,
        context: &mut Context<'_>,
        from: ControllerId,
        response: &QuorumEpochResponse,
    ) -> Result<bool, StorageError> {
        let answer = (response.error, response.epoch, response.leader);
        if let Some(handled) = self.common(context, answer)? {
            return Ok(handled);
        }
        if let Role::Resigned { unheard, .. } = &mut self.election.role {
            unheard.remove(&from);
        }
        Ok(response.error.is_none())
    }

    pub(super) fn begin_epoch_request(&self, voter: ControllerId) -> Request {
        Request::BeginQuorumEpoch(BeginQuorumEpochRequest {
            leader: self.id,
            epoch: self.election.epoch,
            voter: self.voters.key(voter),
        })
    }

    pub(super) fn end_epoch_request(&self, successors: &[VoterKey]) -> Request {
        Request::EndQuorumEpoch(EndQuorumEpochRequest {
            leader: self.id,
            epoch: self.election.epoch,
            preferred: successors.to_vec(),
        })
    }
}

/// How long this successor waits before it looks for votes.
fn successor_backoff(own: VoterKey, preferred: &[VoterKey], most: Duration) -> Duration {
    let place = preferred.iter().position(|named| own.is_meant_by(*named));
    match place.unwrap_or(preferred.len()) {
        0 => Duration::ZERO,
        place if place >= preferred.len() => most,
        place => {
            let halved = |times: usize| u32::try_from(times).map_or(1, |times| 1 << times.min(20));
            let base = most / halved(preferred.len() - 1);
            (base * halved(place - 1)).min(most)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_successor_waits_twice_as_long_as_the_one_before() {
        let key = |id| VoterKey {
            id: ControllerId(id),
            directory: None,
        };
        let preferred: Vec<_> = (1..=4).map(key).collect();
        let wait = |id| successor_backoff(key(id), &preferred, Duration::from_secs(1)).as_millis();
        assert_eq!([1, 2, 3, 4, 9].map(wait), [0, 125, 250, 500, 1_000]);
        assert_eq!(
            successor_backoff(key(1), &[], Duration::from_secs(1)),
            Duration::ZERO
        );
    }
}
