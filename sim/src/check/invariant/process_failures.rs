//! No machine panics, and none fails to start over what its disk holds.
//!
//! Source: ours. A panic is a broken rule of the code under trial; the cluster may recover from it, but
//! it is never right.

use super::{Excuses, Findings, Invariant, Moment};
use crate::history::What;

#[derive(Default)]
pub(super) struct ProcessFailures;

impl Invariant for ProcessFailures {
    fn observe(&mut self, moment: &Moment<'_>, _: Excuses<'_>, findings: &mut Findings) {
        let (check, message) = match &moment.entry.what {
            What::Panicked { message } => ("machine_panicked", message),
            What::StartFailed { error } => ("start_failed", error),
            _ => return,
        };
        let node = moment
            .entry
            .node
            .map_or_else(|| "the world".to_owned(), |node| node.to_string());
        let what = format!("{node}: {message}");
        findings.report(check, None, Some(moment.at()), false, what);
    }
}
