//! A leader that a majority of the voters has left, for a higher epoch, finds out by itself: nobody fetches
//! from it any more, so it resigns after 1.5 fetch timeouts. Brokers that only reach this one would go on
//! asking it otherwise, and it can commit nothing.
//!
//! Source: KAFKA-15489 (3.7), `LeaderState.timeUntilCheckQuorumExpires`. Before that it leads on until
//! it hears of the other.
//! False positives avoided: fetches may still be under way when the majority leaves (5 s are added); a
//! process that was frozen, or whose disk hung, has to have been at work for another second.

use super::super::Excuses;
use super::Report;
use super::voters::Voters;
use ktrial_core::event::QuorumRole;
use ktrial_core::{ControllerId, Event, LeaderEpoch, Timestamp};
use std::collections::BTreeMap;
use std::time::Duration;

/// What was under way when the majority left has arrived after this.
const LATE: Duration = Duration::from_secs(5);
/// At work for this long, a process has looked at its timers.
const AWAKE: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct CheckQuorum {
    leaders: BTreeMap<ControllerId, Leading>,
}

struct Leading {
    epoch: LeaderEpoch,
    /// When a majority of the voters was in higher epochs.
    left: Option<Timestamp>,
    /// The first thing that it told when its time was up.
    awake: Option<Timestamp>,
    reported: bool,
}

impl CheckQuorum {
    /// `voters` know of the event already.
    pub(super) fn check(
        &mut self,
        voters: &Voters,
        (voter, at): (ControllerId, Timestamp),
        event: &Event,
        excuses: Excuses<'_>,
        report: &mut Report<'_>,
    ) {
        if let Event::QuorumRole { role, epoch, .. } = event {
            self.leaders.remove(&voter);
            if *role == QuorumRole::Leader {
                let leading = Leading {
                    epoch: *epoch,
                    left: None,
                    awake: None,
                    reported: false,
                };
                self.leaders.insert(voter, leading);
            }
            for leading in self.leaders.values_mut() {
                let beyond = voters.all.values();
                let beyond = beyond.filter(|other| other.epoch > leading.epoch).count();
                if beyond * 2 > voters.count {
                    leading.left.get_or_insert(at);
                }
            }
        }
        let rules = &excuses.promises.quorum;
        let limit = rules.fetch_timeout(voter) * 3 / 2 + LATE;
        let Some(leading) = self.leaders.get_mut(&voter) else {
            return;
        };
        if leading.reported || leading.left.is_none_or(|left| at.since(left) < limit) {
            return;
        }
        let awake = *leading.awake.get_or_insert(at);
        if at.since(awake) < AWAKE {
            return;
        }
        leading.reported = true;
        let what = format!(
            "controller {voter} still leads the quorum in epoch {}, long after a majority of the voters has \
             gone on to higher epochs",
            leading.epoch
        );
        report.broken("quorum_leader_has_majority", what);
    }

    pub(super) fn stopped(&mut self, voter: ControllerId) {
        self.leaders.remove(&voter);
    }
}
