//! A broker's epochs rise: each registration has a higher one than the one before, of all brokers, and no
//! broker is told one that the controller has not given it.
//!
//! Source: KIP-631 (the broker epoch is the offset of its registration), KIP-903.
//!
//! False positives avoided: a broker may hear late of a registration, so any epoch that it was ever given
//! is right. A process that registers again, for it did not hear the answer, keeps its epoch.

use super::{Excuses, Findings, Invariant, Moment};
use ktrial_core::metadata::MetadataRecord;
use ktrial_core::{BrokerEpoch, BrokerId, Event, Incarnation};
use std::collections::BTreeMap;

const NAME: &str = "broker_epochs";

#[derive(Default)]
pub(super) struct BrokerEpochs {
    newest: Option<BrokerEpoch>,
    /// The newest registration of each broker.
    registered: BTreeMap<BrokerId, (Incarnation, BrokerEpoch)>,
    given: BTreeMap<BrokerId, Vec<BrokerEpoch>>,
}

impl Invariant for BrokerEpochs {
    fn observe(&mut self, moment: &Moment<'_>, _: Excuses<'_>, findings: &mut Findings) {
        match moment.event() {
            Some(Event::MetadataWritten { record, .. }) => {
                let MetadataRecord::RegisterBroker(registration) = &**record else {
                    return;
                };
                let (broker, epoch) = (registration.broker, registration.broker_epoch);
                let again = (registration.incarnation, epoch);
                if self.registered.insert(broker, again) == Some(again) {
                    return;
                }
                if let Some(before) = self.newest.filter(|before| *before >= epoch) {
                    let what = format!(
                        "broker {broker} was registered with epoch {epoch} after {before} was given"
                    );
                    findings.report(NAME, None, Some(moment.at()), false, what);
                }
                self.newest = Some(epoch);
                self.given.entry(broker).or_default().push(epoch);
            }
            Some(Event::BrokerRegistered { broker_epoch }) => {
                let Some(broker) = moment.broker() else {
                    return;
                };
                let given = self.given.get(&broker);
                if !given.is_some_and(|given| given.contains(broker_epoch)) {
                    let what = format!(
                        "broker {broker} was told epoch {broker_epoch}, which it was not given"
                    );
                    findings.report(NAME, None, Some(moment.at()), false, what);
                }
            }
            _ => {}
        }
    }
}
