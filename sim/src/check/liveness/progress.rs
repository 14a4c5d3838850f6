//! `no_progress`: a cluster in which everything was mended goes on changing until the trial's limit.
//!
//! False positives avoided: only with a recovery, and only if the time limit left the longest delivery
//! timeout of the plan's producers and five minutes more; a send that has not ended keeps a cluster
//! waiting with right. The limit on the record ends a cluster that runs in circles sooner: then a minute
//! is enough. Permitted where a power loss may have undone a truncation: a leader whose epochs belie its
//! records makes its followers cut and copy without end.

use super::{Case, Findings, PATIENCE};
use crate::history::EndReason;
use std::time::Duration;

const ENOUGH: Duration = Duration::from_secs(5 * 60);

pub(super) fn check(case: &Case<'_>, findings: &mut Findings) {
    let (Some((end, reason)), Some(mended)) = (case.history.ended, case.history.steps_done) else {
        return;
    };
    let enough = match reason {
        EndReason::TimeLimit => ENOUGH + case.promises.longest_delivery(),
        EndReason::RecordLimit => PATIENCE,
        _ => return,
    };
    let took = end.since(mended);
    if case.plan.recovery.is_some() && took > enough {
        let what = format!(
            "{} s after everything was mended the cluster still changes",
            took.as_secs()
        );
        let permitted = case.happened.any_unsound();
        findings.report("no_progress", None, None, permitted, what);
    }
}
