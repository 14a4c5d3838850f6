//! A voter's epoch never falls, not even over a restart: it is on its disk before the voter acts in it.
//!
//! Source: Kafka's simulation `MonotonicEpoch`. False positives avoided: a voter whose disk was wiped begins
//! anew.

use super::Report;
use super::voters::Voters;
use ktrial_core::{ControllerId, LeaderEpoch};

pub(super) fn check(
    voters: &Voters,
    voter: ControllerId,
    epoch: LeaderEpoch,
    report: &mut Report<'_>,
) {
    if let Some(known) = voters.get(voter)
        && epoch < known.epoch
    {
        let before = known.epoch;
        let what = format!("controller {voter} falls back from quorum epoch {before} to {epoch}");
        report.broken("quorum_monotonic_epoch", what);
    }
}
