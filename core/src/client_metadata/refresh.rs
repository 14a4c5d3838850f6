//! When a client asks for metadata again: on demand, but not more often than the backoff allows, and
//! when what it knows has become old.
//!
//! Rule: a request is due when one is wanted (or the last good answer is older than
//! `metadata.max.age.ms`) and the backoff since the last answer or failure is over. Answers that bring
//! nothing new lengthen the backoff like failures do. A new topic needs no backoff.
//! Invariants: at most one request in flight.
//! Simplified: each backoff draws its jitter once, not at each look at the clock.
//! Source: `Metadata.timeToNextUpdate`, `timeToAllowUpdate`, `update`, `failedUpdate`.
//! Next: `mod.rs`, for what an answer changes.

use crate::channel::Backoff;
use crate::random::Random;
use crate::time::Timestamp;
use std::time::Duration;

/// The schedule of metadata requests.
#[derive(Clone, Debug)]
pub(super) struct Refresh {
    backoff: Backoff,
    max_age: Duration,
    wanted: bool,
    in_flight: bool,
    topics_added_in_flight: bool,
    failures: u32,
    equivalent_answers: u32,
    allowed_at: Timestamp,
    equivalent_until: Timestamp,
    expires_at: Timestamp,
}

impl Refresh {
    pub(super) fn new(backoff: Backoff, max_age: Duration) -> Self {
        Self {
            backoff,
            max_age,
            wanted: true,
            in_flight: false,
            topics_added_in_flight: false,
            failures: 0,
            equivalent_answers: 0,
            allowed_at: Timestamp::ZERO,
            equivalent_until: Timestamp::ZERO,
            expires_at: Timestamp::ZERO,
        }
    }

    /// When the next request is to be sent; `None` while one is in flight.
    pub(super) fn due(&self) -> Option<Timestamp> {
        let wanted_at = if self.wanted {
            Timestamp::ZERO
        } else {
            self.expires_at
        };
        (!self.in_flight).then(|| wanted_at.max(self.allowed_at).max(self.equivalent_until))
    }

    pub(super) fn request(&mut self) {
        self.wanted = true;
    }

    /// A new topic is asked for at once; if a request is in flight, right after it.
    pub(super) fn request_for_new_topic(&mut self) {
        self.wanted = true;
        self.topics_added_in_flight = self.in_flight;
        self.allowed_at = Timestamp::ZERO;
        self.equivalent_answers = 0;
        self.equivalent_until = Timestamp::ZERO;
    }

    pub(super) fn sent(&mut self) {
        self.in_flight = true;
        self.topics_added_in_flight = false;
    }

    /// A good answer came. The caller may want another one at once: it calls `request` after this.
    pub(super) fn succeeded(&mut self, now: Timestamp, news: bool, random: &mut Random) {
        self.in_flight = false;
        self.wanted = self.topics_added_in_flight;
        self.failures = 0;
        self.expires_at = now + self.max_age;
        self.allowed_at = now + self.backoff.after(0, random);
        if news {
            self.equivalent_answers = 0;
            self.equivalent_until = Timestamp::ZERO;
        } else {
            self.equivalent_until = now + self.backoff.after(self.equivalent_answers, random);
            self.equivalent_answers += 1;
        }
    }

    pub(super) fn failed(&mut self, now: Timestamp, random: &mut Random) {
        self.in_flight = false;
        self.allowed_at = now + self.backoff.after(self.failures, random);
        self.failures += 1;
        self.equivalent_answers = 0;
        self.equivalent_until = Timestamp::ZERO;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refresh() -> (Refresh, Random) {
        let backoff = Backoff {
            initial: Duration::from_millis(100),
            max: Duration::from_millis(1_000),
        };
        (
            Refresh::new(backoff, Duration::from_secs(300)),
            Random::stream(1, "refresh"),
        )
    }

    #[test]
    fn the_first_request_is_due_at_once_and_then_when_old() {
        let (mut refresh, mut random) = refresh();
        assert_eq!(refresh.due(), Some(Timestamp::ZERO));
        refresh.sent();
        assert_eq!(refresh.due(), None);
        refresh.succeeded(Timestamp::from_millis(5), true, &mut random);
        assert_eq!(refresh.due(), Some(Timestamp::from_millis(300_005)));
    }

    #[test]
    fn a_wish_waits_for_the_backoff_and_longer_when_nothing_is_new() {
        let (mut refresh, mut random) = refresh();
        let mut waits = Vec::new();
        for _ in 0..4 {
            refresh.sent();
            refresh.succeeded(Timestamp::ZERO, false, &mut random);
            refresh.request();
            waits.push(refresh.due().unwrap().as_millis());
        }
        assert!((80..=120).contains(&waits[0]), "{waits:?}");
        assert!((640..=960).contains(&waits[3]), "{waits:?}");
    }

    #[test]
    fn a_new_topic_waits_for_nothing_but_the_answer_in_flight() {
        let (mut refresh, mut random) = refresh();
        refresh.sent();
        refresh.failed(Timestamp::ZERO, &mut random);
        refresh.request_for_new_topic();
        assert_eq!(refresh.due(), Some(Timestamp::ZERO));
        refresh.sent();
        refresh.request_for_new_topic();
        refresh.succeeded(Timestamp::ZERO, true, &mut random);
        assert!(refresh.due().unwrap().as_millis() <= 120);
    }
}
