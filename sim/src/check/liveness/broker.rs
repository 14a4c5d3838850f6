//! `stuck_broker`: a broker runs and does not get registered or unfenced.
//!
//! False positives avoided: a broker registers only when the session of its process before is over, and
//! retries; asked is only when nothing has changed for longer than that can take.

use super::{Case, Findings, is_healthy, long_at_rest, runs};
use ktrial_core::NodeId;

pub(super) fn check(case: &Case<'_>, findings: &mut Findings) {
    if !long_at_rest(case) {
        return;
    }
    for broker in case.plan.brokers.iter().map(|broker| broker.id) {
        if runs(case, NodeId::Broker(broker)) && !is_healthy(case, broker) {
            let what = format!("broker {broker} runs and may not serve");
            findings.report("stuck_broker", None, None, false, what);
        }
    }
}
