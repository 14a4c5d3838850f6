//! A record that was below the high watermark of any leader is in the log of every later leader.
//!
//! Source: TLA+ kip-966 `LeaderCompleteness`. Excused when an unclean
//! election, or a log that power loss made shorter, came before it and the plan allows such a loss.
//!
//! False positives avoided: a broker that learns late of a leadership that is over is not judged. What
//! a new leader lacks is forgotten after it was reported: from then on the new leader's log counts.
//!
//! It compares only the last batch below the high watermark: with `log_matching`, equal there means
//! equal before.

use super::{Excuses, Findings, Invariant, Moment};
use crate::view::{Batch, Replica};
use ktrial_core::event::ElectionRule;
use ktrial_core::{BrokerId, Event, Offset, TopicName, TopicPartition};
use std::collections::BTreeMap;

#[derive(Default)]
pub(super) struct LeaderCompleteness {
    exposed: BTreeMap<TopicPartition, Exposed>,
}

/// What leaders have exposed.
struct Exposed {
    /// In order.
    batches: Vec<Batch>,
    by: BrokerId,
}

impl Exposed {
    fn end(&self) -> Offset {
        self.batches
            .last()
            .map_or(Offset::ZERO, |batch| batch.last.next())
    }

    /// Takes in what a leader exposes.
    fn extend(&mut self, leader: BrokerId, replica: &Replica) {
        let high_watermark = replica.high_watermark;
        if high_watermark <= self.end() {
            return;
        }
        let new = replica.log.from(self.end()).iter();
        let new = new.take_while(|batch| batch.last < high_watermark);
        self.batches.extend(new);
        self.by = leader;
    }

    /// The first batch that the replica lacks.
    fn lacking(&self, replica: &Replica) -> Option<usize> {
        let has = |batch: &Batch| replica.log.batch_at(batch.base) == Some(batch);
        if self.batches.last().is_none_or(has) {
            return None;
        }
        Some(self.batches.partition_point(has))
    }
}

impl Invariant for LeaderCompleteness {
    fn forget(&mut self, topic: &TopicName) {
        self.exposed.retain(|name, _| name.topic != *topic);
    }

    fn observe(&mut self, moment: &Moment<'_>, excuses: Excuses<'_>, findings: &mut Findings) {
        let (Some((name, partition)), Some((broker, replica))) =
            (moment.partition, moment.replica())
        else {
            return;
        };
        let begins = match moment.event() {
            Some(Event::BecameLeader { .. }) => true,
            Some(Event::HighWatermark { .. }) if replica.role.leads() => false,
            _ => return,
        };
        if !self.exposed.contains_key(name) {
            let none = Exposed {
                batches: Vec::new(),
                by: broker,
            };
            self.exposed.insert(name.clone(), none);
        }
        let Some(exposed) = self.exposed.get_mut(name) else {
            return;
        };
        let current = partition.committed.as_ref().is_some_and(|committed| {
            committed.leader == Some(broker) && replica.role.epoch() == Some(committed.leader_epoch)
        });
        let lacking = exposed.lacking(replica).filter(|_| begins && current);
        if let Some(index) = lacking {
            let first = exposed.batches.get(index);
            let from = first.map_or(Offset::ZERO, |batch| batch.base);
            let permitted = first.is_some_and(|batch| excuses.permits(name, batch));
            let rule = partition.elected_by.map_or("", rule_name);
            let what = format!(
                "broker {broker} leads {name}{rule} without the records from {from} to {} that were \
                 below the high watermark of broker {}",
                Offset(exposed.end().0 - 1),
                exposed.by
            );
            let at = Some(moment.at());
            findings.report("leader_completeness", Some(name), at, permitted, what);
            exposed.batches.truncate(index);
        }
        if current {
            exposed.extend(broker, replica);
        }
    }
}

fn rule_name(rule: ElectionRule) -> &'static str {
    match rule {
        ElectionRule::Isr => " (elected from the ISR)",
        ElectionRule::Elr => " (elected from the ELR)",
        ElectionRule::LastKnownLeader => " (elected as the last known leader)",
        ElectionRule::Unclean => " (by unclean election)",
        ElectionRule::Nobody => "",
    }
}
