//! Before KIP-996 a voter that misses the leader begins an epoch without asking, and so unseats a leader that
//! all others follow.
//!
//! A leader is unseated if it gives way to a higher epoch though, with itself, a majority had something of it
//! within the last half of the fetch timeout: they do not miss it.
//!
//! Source: KIP-996, "disruptive voters"; Kafka's simulation `StableLeadership`.
//! False positives avoided: a voter that has had nothing for longer may miss the leader by itself.

use super::super::Excuses;
use super::Report;
use ktrial_core::event::QuorumRole;
use ktrial_core::{ControllerId, Event, LeaderEpoch, Timestamp};
use std::collections::BTreeMap;

#[derive(Default)]
pub(super) struct Unseated {
    voters: BTreeMap<ControllerId, Following>,
}

#[derive(Clone, Copy)]
struct Following {
    role: QuorumRole,
    epoch: LeaderEpoch,
    /// When it last had something of the leader of `epoch`.
    fetched: Option<Timestamp>,
    /// The epoch whose leader it followed, without missing it, when it left it.
    left: Option<LeaderEpoch>,
}

impl Unseated {
    pub(super) fn check(
        &mut self,
        voters: usize,
        (voter, at): (ControllerId, Timestamp),
        event: &Event,
        excuses: Excuses<'_>,
        report: &mut Report<'_>,
    ) {
        match event {
            Event::QuorumRole { role, epoch, .. } => {
                let before = self.voters.get(&voter).copied();
                let half = excuses.promises.quorum.fetch_timeout(voter) / 2;
                let now = Following {
                    role: *role,
                    epoch: *epoch,
                    fetched: None,
                    left: before.and_then(|before| before.left(*role, at, half).or(before.left)),
                };
                self.voters.insert(voter, now);
                if let Some(before) = before
                    && before.role == QuorumRole::Leader
                    && *epoch > before.epoch
                {
                    self.unseated(voters, voter, (before.epoch, *epoch), (at, half), report);
                }
            }
            Event::QuorumAppended { .. } | Event::QuorumLearned { .. } => {
                if let Some(following) = self.voters.get_mut(&voter) {
                    following.fetched = Some(at);
                }
            }
            _ => {}
        }
    }

    pub(super) fn stopped(&mut self, voter: ControllerId) {
        self.voters.remove(&voter);
    }

    fn unseated(
        &self,
        voters: usize,
        leader: ControllerId,
        (epoch, by): (LeaderEpoch, LeaderEpoch),
        (at, half): (Timestamp, std::time::Duration),
        report: &mut Report<'_>,
    ) {
        let others = self.voters.iter().filter(|(id, _)| **id != leader);
        let content = others.filter(|(_, voter)| {
            let still = voter.epoch == epoch && voter.is_content(at, half);
            still || voter.left == Some(epoch)
        });
        let content = content.count() + 1;
        if content * 2 > voters {
            let what = format!(
                "controller {leader} leads the quorum no more in epoch {epoch}, unseated by epoch {by}, though {content} \
                 of {voters} voters did not miss it"
            );
            report.broken("quorum_stable_leadership", what);
        }
    }
}

impl Following {
    fn is_content(&self, at: Timestamp, half: std::time::Duration) -> bool {
        let recent = |fetched| at.since(fetched) < half;
        self.role == QuorumRole::Follower && self.fetched.is_some_and(recent)
    }

    fn left(
        &self,
        next: QuorumRole,
        at: Timestamp,
        half: std::time::Duration,
    ) -> Option<LeaderEpoch> {
        let gives_way = matches!(next, QuorumRole::Unattached | QuorumRole::Follower);
        (gives_way && self.is_content(at, half)).then_some(self.epoch)
    }
}
