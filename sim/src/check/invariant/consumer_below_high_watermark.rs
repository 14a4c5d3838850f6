//! A consumer never gets a record at or above the high watermark of the leader it read from.
//!
//! Source: TLA+ kip-966 `ConsistentRead`, which needs it.
//!
//! False positives avoided: the high watermark of a partition goes back with an unclean election while
//! a response is under way. So each leadership keeps the highest one it ever had, and a record is in
//! order if any leadership of its own leader epoch or a later one had it below its high watermark.

use super::{Excuses, Findings, Invariant, Moment};
use crate::view::Role;
use ktrial_core::{Event, LeaderEpoch, Offset, TopicName, TopicPartition};
use std::collections::BTreeMap;

#[derive(Default)]
pub(super) struct ConsumerBelowHighWatermark {
    /// The highest high watermark of each leadership.
    highest: BTreeMap<TopicPartition, BTreeMap<LeaderEpoch, Offset>>,
}

impl Invariant for ConsumerBelowHighWatermark {
    fn forget(&mut self, topic: &TopicName) {
        self.highest.retain(|name, _| name.topic != *topic);
    }

    fn observe(&mut self, moment: &Moment<'_>, _: Excuses<'_>, findings: &mut Findings) {
        match moment.event() {
            Some(Event::BecameLeader { .. } | Event::HighWatermark { .. }) => {}
            Some(Event::Polled { records }) => {
                for record in records {
                    let name = &record.partition;
                    let deleted = moment.view.was_deleted(&name.topic);
                    if !deleted && !self.exposed(name, record.leader_epoch, record.offset) {
                        let what = format!(
                            "a consumer got offset {} of {name}, which no leader had below its high \
                             watermark",
                            record.offset
                        );
                        findings.broken("consumer_below_high_watermark", name, moment.at(), what);
                    }
                }
                return;
            }
            _ => return,
        }
        let (Some((name, _)), Some((_, replica))) = (moment.partition, moment.replica()) else {
            return;
        };
        let Role::Leader(epoch) = replica.role else {
            return;
        };
        if !self.highest.contains_key(name) {
            self.highest.insert(name.clone(), BTreeMap::new());
        }
        if let Some(leaderships) = self.highest.get_mut(name) {
            let highest = leaderships.entry(epoch).or_insert(Offset::ZERO);
            *highest = (*highest).max(replica.high_watermark);
        }
    }
}

impl ConsumerBelowHighWatermark {
    fn exposed(&self, name: &TopicPartition, epoch: LeaderEpoch, offset: Offset) -> bool {
        self.highest.get(name).is_some_and(|leaderships| {
            let mut later = leaderships.range(epoch..).rev();
            later.any(|(_, highest)| offset < *highest)
        })
    }
}
