//! What the leader of the quorum knows of its voters: how far each has fetched, what a majority has, and
//! whether a majority still follows.
//!
//! - High watermark: sort the ends of all voters' logs, the leader's own included, from the highest; the one
//!   in the middle is on a majority. It counts only if it is above the start of the leader's epoch: the
//!   LEADER_CHANGE record has to be on a majority before anything older is called committed, for only then
//!   can nobody with a shorter log be elected (KAFKA-12619, figure 8 of the Raft paper).
//! - Check-quorum: a majority has to fetch within 1.5 fetch timeouts, again and again (KAFKA-15489).
//!
//! Invariants: the high watermark never moves back. Only a valid fetch counts for the voter's offset.
//! Source: `LeaderState`. Next: `serve.rs` feeds it.

use super::voters::{VoterKey, VoterSet};
use crate::id::ControllerId;
use crate::offset::Offset;
use crate::planted::Bug;
use crate::rules::Rules;
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A leader's knowledge in its epoch.
#[derive(Clone, Debug)]
pub(super) struct Leading {
    /// Where its epoch starts.
    pub(super) epoch_start: Offset,
    /// The other voters.
    others: BTreeMap<ControllerId, Progress>,
    /// Below it everything is on a majority; `None` until something of its own epoch is.
    pub(super) high_watermark: Option<Offset>,
    /// The voters that have fetched since the last time a majority had.
    fetched: BTreeSet<ControllerId>,
    /// When it resigns, without a majority.
    pub(super) check_until: Timestamp,
    check_timeout: Duration,
    /// When it next tells of itself to voters that do not fetch.
    pub(super) begin_at: Timestamp,
    begin_interval: Duration,
}

#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    end: Option<Offset>,
    fetched_at: Option<Timestamp>,
}

impl Leading {
    pub(super) fn new(
        id: ControllerId,
        epoch_start: Offset,
        voters: &VoterSet,
        fetch_timeout: Duration,
        now: Timestamp,
    ) -> Self {
        let others = voters.ids().filter(|voter| *voter != id);
        let check_timeout = fetch_timeout * 3 / 2;
        let others: BTreeMap<_, _> = others.map(|id| (id, Progress::default())).collect();
        let alone = others.is_empty();
        Self {
            epoch_start,
            others,
            high_watermark: None,
            fetched: BTreeSet::new(),
            check_until: if alone {
                Timestamp::NEVER
            } else {
                now + check_timeout
            },
            check_timeout,
            begin_at: if alone { Timestamp::NEVER } else { now },
            begin_interval: fetch_timeout / 2,
        }
    }

    /// A voter's valid fetch: it has everything below `end`.
    pub(super) fn fetched(&mut self, voter: ControllerId, end: Offset, now: Timestamp) {
        let Some(progress) = self.others.get_mut(&voter) else {
            return;
        };
        progress.end = Some(end);
        self.follows(voter, now);
    }

    /// It follows, whatever it has: a fetch, or a part of a snapshot.
    pub(super) fn follows(&mut self, voter: ControllerId, now: Timestamp) {
        let Some(progress) = self.others.get_mut(&voter) else {
            return;
        };
        progress.fetched_at = Some(now);
        self.fetched.insert(voter);
        // With itself that is a majority.
        if self.fetched.len() >= self.others.len().div_ceil(2) {
            self.fetched.clear();
            self.check_until = now + self.check_timeout;
        }
    }

    /// Moves the high watermark, if it may. Returns whether it moved.
    pub(super) fn advance(&mut self, own_end: Offset, rules: Rules) -> bool {
        let ends = self.others.values().map(|progress| progress.end);
        let mut ends: Vec<Option<Offset>> = ends.chain([Some(own_end)]).collect();
        ends.sort_unstable_by(|a, b| b.cmp(a));
        let mut middle = ends.len() / 2;
        if rules.has(Bug::QuorumHighWatermarkByMinority) {
            middle = middle.saturating_sub(1);
        }
        let Some(offset) = ends.get(middle).copied().flatten() else {
            return false;
        };
        let of_own_epoch = if rules.raft_leader_change_record_needed {
            offset > self.epoch_start
        } else {
            offset >= self.epoch_start
        };
        let moves = of_own_epoch && self.high_watermark.is_none_or(|known| offset > known);
        if moves {
            self.high_watermark = Some(offset);
        }
        moves
    }

    /// The voters that have not fetched for a while, and the next time to look.
    pub(super) fn silent(&mut self, now: Timestamp) -> Vec<ControllerId> {
        self.begin_at = now + self.begin_interval;
        let long_ago = |at: Timestamp| now.since(at) >= self.begin_interval;
        let others = self.others.iter();
        let silent = others.filter(|(_, progress)| progress.fetched_at.is_none_or(long_ago));
        silent.map(|(id, _)| *id).collect()
    }

    /// The other voters, the one that has most of the log first.
    pub(super) fn successors(&self, voters: &VoterSet) -> Vec<VoterKey> {
        let mut others: Vec<_> = self.others.iter().collect();
        others.sort_by_key(|(id, progress)| (std::cmp::Reverse(progress.end), **id));
        others.into_iter().map(|(id, _)| voters.key(*id)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A leader 1 of `voters` voters whose epoch starts at 10.
    fn leading(voters: i32) -> Leading {
        let ids: Vec<_> = (1..=voters).map(ControllerId).collect();
        let voters = VoterSet::new(&ids, false);
        let timeout = Duration::from_secs(2);
        Leading::new(
            ControllerId(1),
            Offset(10),
            &voters,
            timeout,
            Timestamp::ZERO,
        )
    }

    #[test]
    fn the_high_watermark_is_what_a_majority_has_of_the_own_epoch() {
        // Ends of the other voters, the leader's own, and the high watermark.
        let table: &[(&[i64], i64, Option<i64>)] = &[
            (&[], 11, Some(11)),
            (&[11], 12, Some(11)),
            (&[5, 12], 12, Some(12)),
            (&[10, 10], 12, None),
            (&[5, 11], 12, Some(11)),
            (&[20, 20], 12, Some(20)),
            (&[11, 12, 13, 5], 13, Some(12)),
            (&[11, 10, 10, 5], 13, None),
        ];
        for (others, own, expected) in table {
            let mut leading = leading(i32::try_from(others.len()).unwrap() + 1);
            for (id, end) in (2..).zip(others.iter()) {
                leading.fetched(ControllerId(id), Offset(*end), Timestamp::ZERO);
            }
            leading.advance(Offset(*own), Rules::default());
            assert_eq!(leading.high_watermark, expected.map(Offset), "{others:?}");
        }
    }

    #[test]
    fn without_kafka_12619_the_start_of_the_epoch_is_enough() {
        let mut rules = Rules::default();
        let mut one = leading(3);
        one.fetched(ControllerId(2), Offset(10), Timestamp::ZERO);
        assert!(!one.advance(Offset(11), rules));
        rules.raft_leader_change_record_needed = false;
        assert!(one.advance(Offset(11), rules));
        assert_eq!(one.high_watermark, Some(Offset(10)));
    }

    #[test]
    fn a_majority_that_fetches_resets_the_check() {
        let second = |number: u64| Timestamp::from_millis(number * 1_000);
        let mut three = leading(3);
        assert_eq!(three.check_until, second(3));
        three.fetched(ControllerId(2), Offset(0), second(1));
        assert_eq!(three.check_until, second(4));
        let mut five = leading(5);
        five.fetched(ControllerId(2), Offset(0), second(1));
        five.fetched(ControllerId(2), Offset(0), second(2));
        assert_eq!(five.check_until, second(3));
        five.fetched(ControllerId(3), Offset(0), second(2));
        assert_eq!(five.check_until, second(5));
        assert_eq!(leading(1).check_until, Timestamp::NEVER);
    }

    #[test]
    fn those_who_have_most_come_first() {
        let mut leading = leading(4);
        leading.fetched(ControllerId(3), Offset(12), Timestamp::ZERO);
        leading.fetched(ControllerId(4), Offset(12), Timestamp::ZERO);
        let ids: Vec<_> = (1..=4).map(ControllerId).collect();
        let order = leading.successors(&VoterSet::new(&ids, false));
        let order: Vec<i32> = order.iter().map(|key| key.id.0).collect();
        assert_eq!(order, [3, 4, 2]);
    }
}
