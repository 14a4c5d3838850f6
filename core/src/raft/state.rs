//! What a replica of the metadata log is in its epoch.
//!
//! | from | to | trigger |
//! |---|---|---|
//! | any | Unattached, a higher epoch | a request or answer of a higher epoch that names no leader |
//! | any | Follower | a request or answer that names the leader of a higher epoch, or of this one if none was known |
//! | Unattached | Prospective | election timeout (voters) |
//! | Follower | Prospective | no successful fetch for the fetch timeout (voters) |
//! | Prospective | Candidate, epoch + 1 | a majority would vote for it |
//! | Prospective | Follower, else Unattached | a majority would not, or election timeout |
//! | Candidate | Leader | a majority votes for it |
//! | Candidate | Prospective | election timeout |
//! | Leader | Resigned | no majority fetched for 1.5 fetch timeouts, or it stops |
//! | Resigned | Unattached, epoch + 1 | election timeout |
//!
//! Observers are only ever Unattached or Follower.
//!
//! Source: `QuorumState` and the `*State` classes. Next: `transition.rs`.

use super::leader::Leading;
use super::voters::{VoterKey, Votes};
use crate::event::QuorumRole;
use crate::id::ControllerId;
use crate::offset::LeaderEpoch;
use crate::time::Timestamp;
use std::collections::BTreeSet;

/// The state in an epoch.
#[derive(Clone, Debug)]
pub(super) struct Election {
    /// The epoch.
    pub(super) epoch: LeaderEpoch,
    /// Its leader, if known.
    pub(super) leader: Option<ControllerId>,
    /// Whom this voter voted for in it.
    pub(super) voted: Option<VoterKey>,
    pub(super) role: Role,
}

/// What the replica is.
#[derive(Clone, Debug)]
pub(super) enum Role {
    Unattached {
        /// A voter then looks for votes; never for an observer.
        until: Timestamp,
    },
    Prospective {
        votes: Votes,
        until: Timestamp,
    },
    Candidate {
        votes: Votes,
        until: Timestamp,
    },
    Leader(Box<Leading>),
    Follower {
        /// Without a successful fetch a voter then looks for votes; never for an observer.
        until: Timestamp,
        /// It has fetched from this leader.
        fetched: bool,
    },
    Resigned {
        until: Timestamp,
        /// Who should lead next, the best first.
        successors: Vec<VoterKey>,
        /// Who has not yet answered that it heard of it.
        unheard: BTreeSet<ControllerId>,
    },
}

impl Role {
    /// For events.
    pub(super) fn name(&self) -> QuorumRole {
        match self {
            Self::Unattached { .. } => QuorumRole::Unattached,
            Self::Prospective { .. } => QuorumRole::Prospective,
            Self::Candidate { .. } => QuorumRole::Candidate,
            Self::Leader(_) => QuorumRole::Leader,
            Self::Follower { .. } => QuorumRole::Follower,
            Self::Resigned { .. } => QuorumRole::Resigned,
        }
    }

    /// When its time is up. A leader's is looked at by its own file.
    pub(super) fn until(&self) -> Timestamp {
        match self {
            Self::Unattached { until }
            | Self::Prospective { until, .. }
            | Self::Candidate { until, .. }
            | Self::Follower { until, .. }
            | Self::Resigned { until, .. } => *until,
            Self::Leader(_) => Timestamp::NEVER,
        }
    }
}
