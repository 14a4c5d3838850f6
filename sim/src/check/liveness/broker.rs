//! `stuck_broker`: a broker runs and does not get registered or unfenced.
//!
//! False positives avoided: a broker registers only when the session of its process before is over, and
//! retries; asked is only when nothing has changed for longer than that can take. A registration of the
//! process before may arrive late and take the place of the newer one; Kafka's broker then waits for its
//! next restart. A broker whose disk rots may have a metadata log of an epoch that nobody ever gave.

use super::{Case, Findings, is_healthy, long_at_rest, runs};
use crate::history::{Record, What};
use ktrial_core::metadata::MetadataRecord;
use ktrial_core::{BrokerId, Event, NodeId};

pub(super) fn check(case: &Case<'_>, record: &Record, findings: &mut Findings) {
    if !long_at_rest(case) {
        return;
    }
    for broker in case.plan.brokers.iter().map(|broker| broker.id) {
        let stuck = runs(case, NodeId::Broker(broker)) && !is_healthy(case, broker);
        if stuck && !overtaken(record, broker) && !case.happened.is_unreliable(broker) {
            let what = format!("broker {broker} runs and may not serve");
            findings.report("stuck_broker", None, None, false, what);
        }
    }
}

/// Whether the newest registration of the broker is of an older process than one before it.
fn overtaken(record: &Record, broker: BrokerId) -> bool {
    let entries = record.entries.iter();
    let incarnations = entries.filter_map(|entry| match &entry.what {
        What::Event(Event::MetadataWritten { record, .. }) => match &**record {
            MetadataRecord::RegisterBroker(one) if one.broker == broker => Some(one.incarnation),
            _ => None,
        },
        _ => None,
    });
    let newest = incarnations.clone().next_back();
    newest < incarnations.max()
}
