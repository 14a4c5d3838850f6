//! What really happened of that which a promise makes an exception for. A configuration that allows a
//! loss excuses it only if the trial had what the configuration allows: a loss under
//! `unclean.leader.election.enable=true` but without an unclean election is still a bug. And the
//! exception must have come after the record: what an unclean election costs is what was there then.

use super::moment::Moment;
use super::promise::{LossCause, Promises};
use ktrial_core::event::ElectionRule;
use ktrial_core::{Event, NodeId, Timestamp, TopicPartition};
use std::collections::BTreeMap;

/// The exceptions that took place, up to now: when last.
#[derive(Debug, Default)]
pub(super) struct Happened {
    unclean: BTreeMap<TopicPartition, Timestamp>,
    shortened: BTreeMap<TopicPartition, Timestamp>,
}

impl Happened {
    pub(super) fn observe(&mut self, moment: &Moment<'_>) {
        let Some((name, _)) = moment.partition else {
            return;
        };
        match moment.event() {
            Some(Event::Elected {
                leader: Some(_),
                rule: ElectionRule::Unclean,
                ..
            }) => {
                self.unclean.insert(name.clone(), moment.at());
            }
            Some(Event::LogLoaded { .. }) => {
                let replica = moment.replica();
                if replica.is_some_and(|(_, replica)| replica.log.end() < replica.previous_end) {
                    self.shortened.insert(name.clone(), moment.at());
                }
            }
            _ => {}
        }
    }

    /// What excuses that a record of the partition, there at `since`, is gone although it was below a
    /// high watermark.
    pub(super) fn loss_cause(
        &self,
        promises: &Promises,
        partition: &TopicPartition,
        since: Timestamp,
    ) -> Option<LossCause> {
        let topic = promises.topic(&partition.topic);
        let later = |when: &BTreeMap<TopicPartition, Timestamp>| {
            when.get(partition).is_some_and(|last| *last >= since)
        };
        if topic.unclean && later(&self.unclean) {
            return Some(LossCause::Unclean);
        }
        let power = topic.power_loss && later(&self.shortened);
        power.then_some(LossCause::PowerLoss)
    }

    /// What excuses that a record which `client` sent at `since` and was told is written is gone.
    pub(super) fn loss_cause_for(
        &self,
        promises: &Promises,
        client: NodeId,
        partition: &TopicPartition,
        since: Timestamp,
    ) -> Option<LossCause> {
        let cause = self.loss_cause(promises, partition, since);
        cause.or_else(|| promises.acks_cause(client))
    }
}
