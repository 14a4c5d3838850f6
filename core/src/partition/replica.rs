//! What a leader knows of one follower: where its log ends, and when it was last caught up.
//!
//! A follower proves its progress by fetching: a fetch at offset F says that everything below F is in
//! its log. It is caught up at the time of a fetch that asks for the leader's end, and also if it asks
//! for what was the end at its fetch before: then it was caught up *then*.
//!
//! Source: `Replica.updateFetchStateOrThrow`, `Replica.resetReplicaState`, `ReplicaState.isCaughtUp`.
//! Next: `isr.rs` and `high_watermark.rs` decide by it.

use crate::offset::{BrokerEpoch, Offset};
use crate::time::Timestamp;
use std::time::Duration;

/// A leader's knowledge of one follower.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RemoteReplica {
    /// Its log's end; `None` before its first fetch in this leadership.
    pub(crate) log_end_offset: Option<Offset>,
    /// The leader's log end at its last fetch.
    last_fetch_leader_end: Option<Offset>,
    /// The time of its last fetch.
    last_fetch: Option<Timestamp>,
    /// When it was last known to have everything; `None` = longer ago than any lag allowed.
    pub(crate) last_caught_up: Option<Timestamp>,
    /// The broker epoch in its last fetch; the inner `None` = the fetch carried none.
    pub(crate) broker_epoch: Option<Option<BrokerEpoch>>,
    /// Where its log ended at the fetch before, if that came from an earlier process of the broker.
    pub(crate) end_before_reboot: Option<Offset>,
}

impl RemoteReplica {
    /// Takes note of a fetch at `offset`.
    pub(crate) fn fetched(
        &mut self,
        offset: Offset,
        leader_end: Offset,
        epoch: Option<BrokerEpoch>,
        now: Timestamp,
    ) {
        if offset >= leader_end {
            self.last_caught_up = self.last_caught_up.max(Some(now));
        } else if self.last_fetch_leader_end.is_none_or(|end| offset >= end) {
            self.last_caught_up = self.last_caught_up.max(self.last_fetch);
        }
        let rebooted = self.broker_epoch.is_some_and(|before| before != epoch);
        self.end_before_reboot = self.log_end_offset.filter(|_| rebooted);
        self.log_end_offset = Some(offset);
        self.last_fetch_leader_end = self.last_fetch_leader_end.max(Some(leader_end));
        self.last_fetch = Some(now);
        self.broker_epoch = Some(epoch);
    }

    /// It has fetched at the same offset, which is the log's end, again and again until `at`.
    pub(crate) fn fetched_until(&mut self, at: Timestamp) {
        self.last_fetch = self.last_fetch.max(Some(at));
        self.last_caught_up = self.last_caught_up.max(Some(at));
    }

    /// Begins a new leader epoch. A member of the ISR gets the benefit of the doubt: it counts as
    /// caught up now; another one must prove itself by a fetch.
    pub(crate) fn begin_epoch(
        &mut self,
        in_isr: bool,
        was_leader: bool,
        leader_end: Offset,
        now: Timestamp,
    ) {
        let caught_up = in_isr.then_some(now);
        if was_leader {
            self.last_fetch_leader_end = Some(leader_end);
            self.last_fetch = caught_up;
            self.last_caught_up = caught_up;
        } else {
            *self = Self {
                last_caught_up: caught_up,
                ..Self::default()
            };
        }
    }

    /// Whether it has everything, or had within the allowed lag.
    pub(crate) fn is_caught_up(&self, leader_end: Offset, now: Timestamp, lag: Duration) -> bool {
        self.log_end_offset == Some(leader_end) || self.was_caught_up(now, lag)
    }

    /// Whether it had everything within the allowed lag.
    pub(crate) fn was_caught_up(&self, now: Timestamp, lag: Duration) -> bool {
        self.last_caught_up.is_some_and(|at| now.since(at) <= lag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAG: Duration = Duration::from_secs(30);

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    #[test]
    fn a_fetch_at_the_end_is_caught_up() {
        let mut replica = RemoteReplica::default();
        replica.fetched(Offset(10), Offset(10), None, at(5));
        assert_eq!(replica.last_caught_up, Some(at(5)));
        assert!(replica.is_caught_up(Offset(11), at(35), LAG));
        assert!(!replica.is_caught_up(Offset(11), at(36), LAG));
        assert!(
            replica.is_caught_up(Offset(10), at(99), LAG),
            "it has all there is"
        );
        assert!(replica.was_caught_up(at(35), LAG) && !replica.was_caught_up(at(36), LAG));
    }

    #[test]
    fn a_fetch_at_the_former_end_was_caught_up_then() {
        let mut replica = RemoteReplica::default();
        replica.fetched(Offset(0), Offset(10), None, at(1));
        assert_eq!(replica.last_caught_up, None, "never caught up yet");
        replica.fetched(Offset(10), Offset(20), None, at(2));
        assert_eq!(
            replica.last_caught_up,
            Some(at(1)),
            "it has what there was at second 1"
        );
        replica.fetched(Offset(15), Offset(30), None, at(3));
        assert_eq!(replica.last_caught_up, Some(at(1)), "it fell behind");
    }

    #[test]
    fn the_first_fetch_of_a_new_process_tells_where_the_one_before_was() {
        let mut replica = RemoteReplica::default();
        replica.fetched(Offset(10), Offset(10), Some(BrokerEpoch(3)), at(1));
        assert_eq!(replica.end_before_reboot, None);
        replica.fetched(Offset(0), Offset(10), Some(BrokerEpoch(4)), at(2));
        assert_eq!(replica.end_before_reboot, Some(Offset(10)));
        replica.fetched(Offset(1), Offset(10), Some(BrokerEpoch(4)), at(3));
        assert_eq!(replica.end_before_reboot, None, "both are of one process");
    }

    #[test]
    fn a_new_epoch_trusts_the_isr_and_nobody_else() {
        let mut replica = RemoteReplica::default();
        replica.fetched(Offset(10), Offset(10), Some(BrokerEpoch(3)), at(1));
        let mut outsider = replica;
        replica.begin_epoch(true, true, Offset(10), at(50));
        assert!(replica.is_caught_up(Offset(99), at(80), LAG));
        assert_eq!(
            replica.log_end_offset,
            Some(Offset(10)),
            "a leader keeps what it knew"
        );
        outsider.begin_epoch(false, true, Offset(12), at(2));
        assert!(!outsider.is_caught_up(Offset(12), at(2), LAG));
        outsider.begin_epoch(true, false, Offset(12), at(2));
        assert_eq!(outsider.log_end_offset, None, "a new leader knows nothing");
        assert_eq!(outsider.broker_epoch, None);
    }
}
