//! How much has been committed since the last snapshot, so that the next one is made in time.
//!
//! Source: `SnapshotGenerator.publishLogDelta`. Next: `replica_log.rs`.

use super::QuorumSettings;
use crate::offset::Offset;
use crate::time::Timestamp;
use std::collections::VecDeque;

/// Bytes and time since the last snapshot.
#[derive(Debug)]
pub(super) struct Growth {
    /// What was appended and not counted as committed yet: where it ends, and its bytes.
    appended: VecDeque<(Offset, u64)>,
    committed: u64,
    since: Timestamp,
}

impl Growth {
    /// From a start on, with what the log holds beyond its snapshot.
    pub(super) fn new(end: Offset, bytes: u64, now: Timestamp) -> Self {
        let appended = (bytes > 0).then_some((end, bytes));
        Self {
            appended: appended.into_iter().collect(),
            committed: 0,
            since: now,
        }
    }

    pub(super) fn appended(&mut self, end: Offset, bytes: u64) {
        self.appended.push_back((end, bytes));
    }

    /// The log was cut.
    pub(super) fn cut(&mut self, to: Offset) {
        self.appended.retain(|(end, _)| *end <= to);
    }

    /// Everything below `offset` is committed.
    pub(super) fn committed(&mut self, offset: Offset) {
        while let Some((_, bytes)) = self.appended.pop_front_if(|(end, _)| *end <= offset) {
            self.committed += bytes;
        }
    }

    /// Whether it is time for a snapshot. Nothing new, no snapshot.
    pub(super) fn is_due(&self, settings: &QuorumSettings, now: Timestamp) -> bool {
        let interval = settings.snapshot_interval;
        let waited = !interval.is_zero() && now.since(self.since) >= interval;
        self.committed > 0 && (waited || self.committed >= settings.snapshot_bytes)
    }

    /// A snapshot was made or loaded.
    pub(super) fn reset(&mut self, now: Timestamp) {
        self.committed = 0;
        self.since = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ControllerConfig;
    use std::time::Duration;

    #[test]
    fn bytes_or_time_make_a_snapshot_due() {
        let mut settings = QuorumSettings::new(&ControllerConfig::default());
        settings.snapshot_bytes = 100;
        settings.snapshot_interval = Duration::from_secs(10);
        let second = |number: u64| Timestamp::from_millis(number * 1_000);
        let mut growth = Growth::new(Offset(5), 60, second(0));
        growth.appended(Offset(6), 40);
        growth.committed(Offset(5));
        assert!(!growth.is_due(&settings, second(9)));
        assert!(growth.is_due(&settings, second(10)));
        growth.committed(Offset(6));
        assert!(growth.is_due(&settings, second(0)));
        growth.reset(second(1));
        assert!(!growth.is_due(&settings, second(60)));
        growth.appended(Offset(7), 200);
        growth.cut(Offset(6));
        growth.committed(Offset(7));
        assert!(!growth.is_due(&settings, second(60)));
    }
}
