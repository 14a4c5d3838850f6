//! The wait at the end: until the cluster has been converged for a while, or nothing changes any more.
//!
//! Rule: the budget is reset by progress. Every change of a log, leader, ISR, registration, process or
//! send begins the settling time anew, so a slow recovery is never taken for a stuck one; only the time
//! limit of the plan ends a cluster that goes on changing without coming to rest.
//!
//! Next: `../action.rs`.

use crate::history::EndReason;
use crate::view::View;
use ktrial_core::Timestamp;
use std::time::Duration;

/// So long a cluster stays converged before the trial ends: consumers read on, nothing comes undone.
pub(in crate::trial) const REST: Duration = Duration::from_secs(2);

/// The wait.
#[derive(Debug)]
pub(super) struct Settle {
    since: Timestamp,
    settle: Duration,
    converged: Option<Timestamp>,
    /// The change after which convergence was looked at last.
    seen: Timestamp,
}

impl Settle {
    /// Begins to wait.
    pub(super) fn new(since: Timestamp, settle_ms: u64) -> Self {
        Self {
            since,
            settle: Duration::from_millis(settle_ms),
            converged: None,
            seen: Timestamp::NEVER,
        }
    }

    /// Why the trial ends now, if it does.
    pub(super) fn over(&mut self, view: &View, now: Timestamp) -> Option<EndReason> {
        self.look(view, now);
        if self.converged.is_some_and(|at| now >= at + REST) {
            return Some(EndReason::Converged);
        }
        (now >= self.settled_at(view)).then_some(match self.converged {
            Some(_) => EndReason::Converged,
            None => EndReason::Settled,
        })
    }

    /// Sees an entry. Tells whether it made a difference.
    pub(super) fn observe(&mut self, view: &View, now: Timestamp) -> bool {
        let before = self.converged;
        self.look(view, now);
        self.converged != before
    }

    /// Shows the times at which something may be over.
    pub(super) fn times(&self, view: &View, show: &mut impl FnMut(Timestamp)) {
        show(self.settled_at(view));
        if let Some(at) = self.converged {
            show(at + REST);
        }
    }

    /// When it can be said that nothing has changed for long enough.
    fn settled_at(&self, view: &View) -> Timestamp {
        view.last_change().max(self.since) + self.settle
    }

    /// Notes since when the cluster is converged; once it is, looks again only after a change. Until then the
    /// leader's high watermark may be all that is missing, and that is no change.
    fn look(&mut self, view: &View, now: Timestamp) {
        let change = view.last_change();
        // Several changes can have one time: look again until time has gone on.
        if self.converged.is_some() && self.seen == change && now > change {
            return;
        }
        self.seen = if now > change {
            change
        } else {
            Timestamp::NEVER
        };
        if view.converged() {
            self.converged.get_or_insert(now);
        } else {
            self.converged = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::story::Story;

    #[test]
    fn a_high_watermark_that_comes_last_is_seen() {
        let mut story = Story::new();
        story.at(10).append(0, 0, 0, "A").append(1, 0, 0, "A");
        story.append(2, 0, 0, "A");
        let mut view = View::new(&story.plan);
        story.entries.iter().for_each(|entry| view.apply(entry));
        let ms = |ms| Timestamp::ZERO + Duration::from_millis(ms);
        let mut settle = Settle::new(Timestamp::ZERO, 60_000);
        assert_eq!(settle.over(&view, ms(20)), None);
        let seen = story.entries.len();
        story.at(30).high_watermark(0, 1);
        story.entries[seen..]
            .iter()
            .for_each(|entry| view.apply(entry));
        assert!(settle.observe(&view, ms(30)));
        assert_eq!(settle.over(&view, ms(31)), None);
        assert_eq!(
            settle.over(&view, ms(30) + REST),
            Some(EndReason::Converged)
        );
    }
}
