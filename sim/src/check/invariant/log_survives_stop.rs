//! What was written survives the end of the process, and what was flushed survives a loss of power: a log
//! that is opened again is as long as it was, or at least as long as its recovery point.
//!
//! Source: `LogManager.loadLogs`, `UnifiedLog.flush`; POSIX.
//!
//! False positives avoided: a disk that was wiped, that rots or that lies about its flushes keeps no word
//! (`happened.rs`).

use super::{Excuses, Findings, Invariant, Moment};
use ktrial_core::Event;

#[derive(Default)]
pub(super) struct LogSurvivesStop;

impl Invariant for LogSurvivesStop {
    fn observe(&mut self, moment: &Moment<'_>, excuses: Excuses<'_>, findings: &mut Findings) {
        let (Some(Event::LogLoaded { .. }), Some((name, _)), Some((broker, replica))) =
            (moment.event(), moment.partition, moment.replica())
        else {
            return;
        };
        let happened = excuses.happened;
        if happened.is_unreliable(broker) {
            return;
        }
        let (must, why) = if happened.opened_after_force() {
            (replica.previous_recovery_point, "was flushed up to")
        } else {
            (replica.previous_end, "ended at")
        };
        let end = replica.log.end();
        if end < must {
            let what = format!(
                "the log of {name} on broker {broker} {why} {must}, and ends at {end} when it is opened"
            );
            findings.broken("log_survives_stop", name, moment.at(), what);
        }
    }
}
