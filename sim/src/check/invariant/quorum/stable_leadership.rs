//! A leader that a majority follows is not challenged: a voter that asks beforehand whether it would be
//! elected (KIP-996) is told no by the leader and by each voter that has fetched from it.
//!
//! From the moment that a voter begins to ask, whoever leads or follows and does not change until it becomes
//! a candidate has said no. If the others are no majority, somebody said yes who must not.
//!
//! Source: Kafka's simulation `StableLeadership`; TLA+ kip_996. Kafka's holds only in the scenarios that cut
//! links so that a majority is left; this one always.
//! False positives avoided: a voter that had answered before it began to follow; so only those count that
//! followed when the question was new. Before KIP-996 nobody asks, and leaders may be unseated.

use super::Report;
use ktrial_core::event::QuorumRole;
use ktrial_core::{ControllerId, Event, LeaderEpoch};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Default)]
pub(super) struct StableLeadership {
    /// What each voter is, and whether it has fetched as such.
    roles: BTreeMap<ControllerId, (QuorumRole, bool)>,
    /// For each voter that asks: those that have led or followed ever since.
    content: BTreeMap<ControllerId, BTreeSet<ControllerId>>,
}

impl StableLeadership {
    pub(super) fn check(
        &mut self,
        voters: usize,
        voter: ControllerId,
        event: &Event,
        report: &mut Report<'_>,
    ) {
        match event {
            Event::QuorumOpened { .. } => self.stopped(voter),
            Event::QuorumRole { role, epoch, .. } => {
                if *role == QuorumRole::Candidate {
                    self.candidate(voters, (voter, *epoch), report);
                }
                self.stopped(voter);
                self.roles.insert(voter, (*role, false));
                if *role == QuorumRole::Prospective {
                    let content = self.roles.iter().filter(|(_, role)| refuses(**role));
                    let content = content.map(|(id, _)| *id).collect();
                    self.content.insert(voter, content);
                }
            }
            Event::QuorumAppended { .. } | Event::QuorumLearned { .. } => {
                if let Some((_, fetched)) = self.roles.get_mut(&voter) {
                    *fetched = true;
                }
            }
            _ => {}
        }
    }

    /// The process is gone, or is something else now.
    pub(super) fn stopped(&mut self, voter: ControllerId) {
        self.roles.remove(&voter);
        self.content.remove(&voter);
        self.content.values_mut().for_each(|content| {
            content.remove(&voter);
        });
    }

    fn candidate(
        &self,
        voters: usize,
        (voter, epoch): (ControllerId, LeaderEpoch),
        report: &mut Report<'_>,
    ) {
        let Some(content) = self.content.get(&voter) else {
            return;
        };
        let willing = voters.saturating_sub(content.len());
        if willing * 2 <= voters {
            let what = format!(
                "controller {voter} becomes a candidate in quorum epoch {epoch}, though {} of {voters} voters led \
                 or followed all the time since it asked whether they would elect it",
                content.len()
            );
            report.broken("quorum_stable_leadership", what);
        }
    }
}

fn refuses((role, fetched): (QuorumRole, bool)) -> bool {
    role == QuorumRole::Leader || (role == QuorumRole::Follower && fetched)
}
