//! The leader counts with everybody whom the controller may elect: its maximal ISR holds the committed
//! ISR, and the ELR too while its own ISR has `min.insync.replicas` members.
//!
//! Source: TLA+ kip-966 `ReplicationQuorumSuperset`; KIP-497.
//!
//! What a leader believes is told by `became_leader`, `isr_adopted` and `isr_proposed`.
//!
//! Permitted: a member that the leader itself has asked for. When metadata of the same partition epoch
//! reaches a leader whose wish is under way, it forgets the wish (`Partition.makeLeader` skips only older
//! partition epochs), and for a moment does not count with whom the controller takes in at its request.
//! That is Kafka's own race, as of 4.3.1.
//!
//! False positives avoided: only the leader that the controller means, in its epoch. A proposal counts
//! until the leader takes over another ISR, so what is called maximal here may be larger than it is.
//! The highest `min.insync.replicas` that the topic ever had decides about the ELR, for the leader may
//! not have heard of the newest.

use super::{Excuses, Findings, Invariant, Moment};
use crate::view::{Committed, Replica};
use ktrial_core::{BrokerId, Event, TopicName, TopicPartition};
use std::collections::{BTreeMap, BTreeSet};

const NAME: &str = "maximal_isr_superset";

#[derive(Default)]
pub(super) struct MaximalIsrSuperset {
    /// The highest `min.insync.replicas` so far.
    highest: BTreeMap<TopicName, usize>,
    /// Whom the leader of a partition has asked for since it last took over an ISR.
    wished: BTreeMap<TopicPartition, BTreeSet<BrokerId>>,
}

impl Invariant for MaximalIsrSuperset {
    fn forget(&mut self, topic: &TopicName) {
        self.wished.retain(|name, _| name.topic != *topic);
    }

    fn observe(&mut self, moment: &Moment<'_>, _: Excuses<'_>, findings: &mut Findings) {
        let Some((name, partition)) = moment.partition else {
            return;
        };
        let relevant = matches!(
            moment.event(),
            Some(
                Event::MetadataWritten { .. }
                    | Event::BecameLeader { .. }
                    | Event::IsrAdopted { .. }
                    | Event::IsrProposed { .. }
            )
        );
        let (Some(committed), Some((leader, replica))) = (&partition.committed, partition.leader())
        else {
            return;
        };
        if !relevant {
            return;
        }
        self.follow_wishes(name, moment.event());
        let min = moment.view.settings().min_insync_replicas(&name.topic);
        let min = usize::try_from(min).unwrap_or(usize::MAX);
        let highest = self.highest.entry(name.topic.clone()).or_insert(min);
        *highest = (*highest).max(min);
        let leads = replica.role.leads() && replica.role.epoch() == Some(committed.leader_epoch);
        if !leads {
            return;
        }
        if let Some((member, list)) = outside(committed, replica, *highest) {
            let what = format!(
                "leader {leader} of {name} does not count with broker {member}, which is in the {list}"
            );
            let wished = self.wished.get(name);
            let permitted = wished.is_some_and(|wished| wished.contains(&member));
            findings.report(NAME, Some(name), Some(moment.at()), permitted, what);
        }
    }
}

impl MaximalIsrSuperset {
    fn follow_wishes(&mut self, name: &TopicPartition, event: Option<&Event>) {
        match event {
            Some(Event::IsrProposed { to, .. }) => {
                let wished = self.wished.entry(name.clone()).or_default();
                wished.extend(to);
            }
            Some(Event::BecameLeader { .. } | Event::IsrAdopted { .. }) => {
                self.wished.remove(name);
            }
            _ => {}
        }
    }
}

/// A member of the controller's sets that the leader does not count with.
fn outside(
    committed: &Committed,
    leader: &Replica,
    min_insync: usize,
) -> Option<(BrokerId, &'static str)> {
    let outside = |list: &[BrokerId]| {
        let mut members = list.iter().copied();
        members.find(|id| !leader.isr.contains(id) && !leader.proposed.contains(id))
    };
    if let Some(member) = outside(&committed.isr) {
        return Some((member, "ISR"));
    }
    let needed = min_insync.min(committed.replicas.len());
    let enough = leader.isr.len() >= needed;
    // One that was moved away may be left in the ELR, and is never elected.
    let is_replica = |member: &BrokerId| committed.replicas.contains(member);
    let elr: Vec<BrokerId> = committed.elr.iter().copied().filter(is_replica).collect();
    let member = outside(&elr).filter(|_| enough);
    member.map(|member| (member, "ELR"))
}
