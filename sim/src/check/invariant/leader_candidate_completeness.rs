//! No running member of the ISR or the ELR has a log that ends below the true high watermark: whoever may
//! be elected cleanly has every record that was ever exposed.
//!
//! The true high watermark is the highest that any leader had while it was the controller's leader.
//!
//! Source: TLA+ kip-966 `LeaderCandidateCompleteness`; hachikuji `StrongIsr`.
//!
//! It looks at a member when its log is opened (with ZooKeeper that is before the broker has registered, so
//! when it is told to follow after that), when the controller takes it in, and when it cuts its log
//! where another's parts from it. (That a member that follows is never overtaken is `high_watermark_bounds`.)
//!
//! Permitted: for one that was moved away, stayed in the ELR, and is a replica again, with an empty log. So
//! does Kafka 4.3.1 (`PartitionChangeBuilder.maybePopulateTargetElr`).
//!
//! False positives avoided: before KIP-101 every follower cut its log at its own high watermark, and fetched
//! the rest again: that is told when such a one is elected meanwhile. A broker that is down, or whose log
//! was not opened since it lost power, says nothing yet. Who was elected with the same record is judged by
//! `leader_completeness`. After a leader has begun that lacks records (reported there), its own high
//! watermark counts. Nothing is said where the loss of the first record that the member lacks is excused: it
//! may not come to it, and else
//! `leader_completeness` tells it.

use super::{Excuses, Findings, Invariant, Moment};
use crate::view::{Committed, PartitionView, Replica};
use ktrial_core::event::TruncationCause;
use ktrial_core::{BrokerId, Event, NodeId, Offset, TopicName, TopicPartition};
use std::collections::{BTreeMap, BTreeSet};

const NAME: &str = "leader_candidate_completeness";

#[derive(Default)]
pub(super) struct LeaderCandidateCompleteness {
    partitions: BTreeMap<TopicPartition, Known>,
}

#[derive(Default)]
struct Known {
    high_watermark: Offset,
    /// Who was in ISR and ELR before this entry.
    candidates: Vec<BrokerId>,
    /// Whose log was opened before its process had registered, and has followed nobody since.
    unregistered: BTreeSet<BrokerId>,
    /// Who has been in the ELR without being a replica, and is in it still.
    strays: Vec<BrokerId>,
}

impl Invariant for LeaderCandidateCompleteness {
    fn forget(&mut self, topic: &TopicName) {
        self.partitions.retain(|name, _| name.topic != *topic);
    }

    fn observe(&mut self, moment: &Moment<'_>, excuses: Excuses<'_>, findings: &mut Findings) {
        let relevant = matches!(
            moment.event(),
            Some(
                Event::BecameLeader { .. }
                    | Event::HighWatermark { .. }
                    | Event::LogLoaded { .. }
                    | Event::BecameFollower { .. }
                    | Event::Truncated {
                        cause: TruncationCause::DivergingEpoch(_) | TruncationCause::OutOfRange,
                        ..
                    }
                    | Event::MetadataWritten { .. }
            )
        );
        let Some((name, partition)) = moment.partition.filter(|_| relevant) else {
            return;
        };
        let Some(committed) = &partition.committed else {
            return;
        };
        if !self.partitions.contains_key(name) {
            self.partitions.insert(name.clone(), Known::default());
        }
        let Some(known) = self.partitions.get_mut(name) else {
            return;
        };
        let case = Case {
            name,
            moment,
            excuses,
            high_watermark: known.high_watermark,
            strays: known.strays.clone(),
        };
        match moment.event() {
            Some(Event::BecameLeader { .. }) => known.follow(moment, committed, true),
            Some(Event::HighWatermark { .. }) => known.follow(moment, committed, false),
            Some(Event::LogLoaded { .. }) if !excuses.promises.registers_first => {
                known.unregistered.extend(moment.broker());
            }
            Some(
                event @ (Event::LogLoaded { .. }
                | Event::Truncated { .. }
                | Event::BecameFollower { .. }),
            ) => {
                let follows = matches!(event, Event::BecameFollower { .. });
                if let Some((broker, replica)) = moment.replica()
                    && (known.unregistered.remove(&broker) || !follows)
                    && is_candidate(committed, broker)
                {
                    case.judge(broker, replica, findings);
                }
            }
            Some(Event::MetadataWritten { .. }) => {
                if excuses.elected.is_none() {
                    case.taken_in(&known.candidates, partition, committed, findings);
                }
                known.candidates.clone_from(&committed.isr);
                known.candidates.extend(&committed.elr);
                let replicas = &committed.replicas;
                let stray = |id: &BrokerId| !replicas.contains(id) || known.strays.contains(id);
                let elr = committed.elr.iter().copied();
                known.strays = elr.filter(stray).collect();
            }
            _ => {}
        }
    }
}

impl Known {
    /// The committed leader begins, or has moved its high watermark.
    fn follow(&mut self, moment: &Moment<'_>, committed: &Committed, begins: bool) {
        let Some((broker, replica)) = moment.replica() else {
            return;
        };
        let leads = replica.role.leads() && replica.role.epoch() == Some(committed.leader_epoch);
        if committed.leader != Some(broker) || !leads {
            return;
        }
        let lacks = replica.log.end() < self.high_watermark;
        if begins && lacks {
            self.high_watermark = replica.high_watermark;
        }
        self.high_watermark = self.high_watermark.max(replica.high_watermark);
    }
}

struct Case<'a> {
    name: &'a TopicPartition,
    moment: &'a Moment<'a>,
    excuses: Excuses<'a>,
    high_watermark: Offset,
    strays: Vec<BrokerId>,
}

impl Case<'_> {
    /// The members that are new.
    fn taken_in(
        &self,
        before: &[BrokerId],
        partition: &PartitionView,
        committed: &Committed,
        findings: &mut Findings,
    ) {
        let members = committed.isr.iter().chain(&committed.elr);
        for broker in members.filter(|broker| !before.contains(broker)) {
            let runs = self.moment.view.is_up(NodeId::Broker(*broker));
            let replica = partition.replicas.get(broker);
            let read = !self.excuses.happened.is_unread(self.name, *broker);
            if let Some(replica) = replica.filter(|_| runs && read) {
                self.judge(*broker, replica, findings);
            }
        }
    }

    fn judge(&self, broker: BrokerId, replica: &Replica, findings: &mut Findings) {
        let end = replica.log.end();
        if end >= self.high_watermark {
            return;
        }
        let mut lacking = self.excuses.happened.ledger.at(self.name, end);
        if lacking.any(|written| self.excuses.permits(self.name, &written.batch)) {
            return;
        }
        let what = format!(
            "broker {broker} may lead {}, but its log ends at {end}, below the high watermark {} that \
             its leader had",
            self.name, self.high_watermark
        );
        let stray = self.strays.contains(&broker);
        let (name, at) = (Some(self.name), Some(self.moment.at()));
        findings.report(NAME, name, at, stray, what);
    }
}

fn is_candidate(committed: &Committed, broker: BrokerId) -> bool {
    let named = committed.isr.contains(&broker) || committed.elr.contains(&broker);
    named && committed.replicas.contains(&broker)
}
