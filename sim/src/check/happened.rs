//! What really happened of that which a promise makes an exception for. A configuration that allows a
//! loss excuses it only if the trial had what the configuration allows: a loss under
//! `unclean.leader.election.enable=true` but without an unclean election is still a bug.

use super::moment::Moment;
use super::promise::{LossCause, Promises};
use ktrial_core::event::ElectionRule;
use ktrial_core::{Event, NodeId, TopicPartition};
use std::collections::BTreeSet;

/// The exceptions that took place, up to now.
#[derive(Debug, Default)]
pub(super) struct Happened {
    unclean: BTreeSet<TopicPartition>,
    shortened: BTreeSet<TopicPartition>,
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
                self.unclean.insert(name.clone());
            }
            Some(Event::LogLoaded { .. }) => {
                let replica = moment.replica();
                if replica.is_some_and(|(_, replica)| replica.log.end() < replica.previous_end) {
                    self.shortened.insert(name.clone());
                }
            }
            _ => {}
        }
    }

    /// What excuses that a record of the partition which was below a high watermark is gone.
    pub(super) fn loss_cause(
        &self,
        promises: &Promises,
        partition: &TopicPartition,
    ) -> Option<LossCause> {
        let topic = promises.topic(&partition.topic);
        if topic.unclean && self.unclean.contains(partition) {
            return Some(LossCause::Unclean);
        }
        let power = topic.power_loss && self.shortened.contains(partition);
        power.then_some(LossCause::PowerLoss)
    }

    /// What excuses that a record which `client` was told is written is gone.
    pub(super) fn loss_cause_for(
        &self,
        promises: &Promises,
        client: NodeId,
        partition: &TopicPartition,
    ) -> Option<LossCause> {
        let cause = self.loss_cause(promises, partition);
        cause.or_else(|| promises.acks_cause(client))
    }
}
