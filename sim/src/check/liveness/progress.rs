//! `no_progress`: a cluster in which everything was mended goes on changing until the time limit.
//!
//! False positives avoided: only with a recovery, and only if the time limit left the longest delivery
//! timeout of the plan's producers and five minutes more; a send that has not ended keeps a cluster
//! waiting with right.

use super::{Case, Findings};
use crate::history::EndReason;
use std::time::Duration;

const ENOUGH: Duration = Duration::from_secs(5 * 60);

pub(super) fn check(case: &Case<'_>, findings: &mut Findings) {
    let (Some((end, EndReason::TimeLimit)), Some(mended)) =
        (case.history.ended, case.history.steps_done)
    else {
        return;
    };
    if case.plan.recovery.is_none() {
        return;
    }
    let longest = case.promises.longest_delivery();
    let took = end.since(mended);
    if took > ENOUGH + longest {
        let what = format!(
            "{} s after everything was mended the cluster still changes",
            took.as_secs()
        );
        findings.report("no_progress", None, None, false, what);
    }
}
