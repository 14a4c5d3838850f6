//! With ZooKeeper: two brokers are never the controller in the same controller epoch, and none is told twice
//! that it is.
//!
//! Source: KAFKA-6082 (`/controller` and `/controller_epoch` are written together);
//! `KafkaZkClient.registerControllerAndIncrementControllerEpoch`.
//! False positives avoided: two controllers at the same *time* in different epochs are legal: one that was
//! replaced learns of it late. The quorum of KRaft has a check of its own.

use super::{Excuses, Findings, Invariant, Moment};
use ktrial_core::{BrokerId, Event, LeaderEpoch};
use std::collections::BTreeMap;

const NAME: &str = "one_controller_per_epoch";

#[derive(Default)]
pub(super) struct OneControllerPerEpoch {
    controllers: BTreeMap<LeaderEpoch, BrokerId>,
}

impl Invariant for OneControllerPerEpoch {
    fn observe(&mut self, moment: &Moment<'_>, _: Excuses<'_>, findings: &mut Findings) {
        let (Some(Event::ControllerActivated { epoch }), Some(broker)) =
            (moment.event(), moment.broker())
        else {
            return;
        };
        if let Some(before) = self.controllers.insert(*epoch, broker) {
            let what = format!(
                "broker {broker} became the controller in epoch {epoch}, in which broker {before} was it"
            );
            findings.report(NAME, None, Some(moment.at()), false, what);
        }
    }
}
