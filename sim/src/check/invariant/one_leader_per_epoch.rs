//! Two brokers never lead the same partition in the same leader epoch.
//!
//! Source: KRaft `NeverTwoLeadersInSameEpoch`, Kafka's simulation `SingleLeader`.
//! False positives avoided: two leaders at the same *time* in different epochs are legal (a
//! stale leader learns late), and one broker may take up its own epoch again after a restart.

use super::{Excuses, Findings, Invariant, Moment};
use ktrial_core::{BrokerId, Event, LeaderEpoch, TopicName, TopicPartition};
use std::collections::BTreeMap;

#[derive(Default)]
pub(super) struct OneLeaderPerEpoch {
    leaders: BTreeMap<TopicPartition, BTreeMap<LeaderEpoch, BrokerId>>,
}

impl Invariant for OneLeaderPerEpoch {
    fn forget(&mut self, topic: &TopicName) {
        self.leaders.retain(|name, _| name.topic != *topic);
    }

    fn observe(&mut self, moment: &Moment<'_>, _: Excuses<'_>, findings: &mut Findings) {
        let (
            Some(Event::BecameLeader {
                partition,
                leader_epoch,
                ..
            }),
            Some(broker),
        ) = (moment.event(), moment.broker())
        else {
            return;
        };
        let epochs = self.leaders.entry(partition.clone()).or_default();
        let leader = *epochs.entry(*leader_epoch).or_insert(broker);
        if leader != broker {
            let what = format!(
                "broker {broker} leads {partition} in leader epoch {leader_epoch}, in which broker \
                 {leader} led"
            );
            findings.broken("one_leader_per_epoch", partition, moment.at(), what);
        }
    }
}
