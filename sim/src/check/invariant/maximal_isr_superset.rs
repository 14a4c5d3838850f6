//! The leader counts with everybody whom the controller may elect: its maximal ISR holds the committed
//! ISR, and the ELR too while its own ISR has `min.insync.replicas` members.
//!
//! Source: TLA+ kip-966 `ReplicationQuorumSuperset`; KIP-497.
//!
//! What a leader believes is told by `became_leader`, `isr_adopted` and `isr_proposed`.
//!
//! False positives avoided: only the leader that the controller means, in its epoch. Whom it has ever
//! proposed in this epoch counts: when metadata of the partition epoch that it has already arrives, Kafka's
//! leader forgets a wish that is under way, and the controller may grant it all the same. (Whether the
//! high watermark then passes that member is for `high_watermark_bounds` to see.)
//! The highest `min.insync.replicas` that the topic ever had decides about the ELR, for the leader may
//! not have heard of the newest.

use super::{Excuses, Findings, Invariant, Moment};
use crate::view::{Committed, Replica};
use ktrial_core::{BrokerId, Event, LeaderEpoch, TopicName, TopicPartition};
use std::collections::{BTreeMap, BTreeSet};

const NAME: &str = "maximal_isr_superset";

#[derive(Default)]
pub(super) struct MaximalIsrSuperset {
    /// The highest `min.insync.replicas` so far.
    highest: BTreeMap<TopicName, usize>,
    /// Whom the leader of that epoch has proposed.
    proposed: BTreeMap<TopicPartition, (LeaderEpoch, BTreeSet<BrokerId>)>,
}

impl Invariant for MaximalIsrSuperset {
    fn observe(&mut self, moment: &Moment<'_>, _: Excuses<'_>, findings: &mut Findings) {
        let relevant = matches!(
            moment.event(),
            Some(
                Event::MetadataWritten { .. }
                    | Event::BecameLeader { .. }
                    | Event::IsrAdopted { .. }
                    | Event::IsrProposed { .. }
            )
        );
        let Some((name, partition)) = moment.partition.filter(|_| relevant) else {
            return;
        };
        let (Some(committed), Some((leader, replica))) = (&partition.committed, partition.leader())
        else {
            return;
        };
        let min = moment.view.settings().min_insync_replicas(&name.topic);
        let min = usize::try_from(min).unwrap_or(usize::MAX);
        let highest = self.highest.entry(name.topic.clone()).or_insert(min);
        *highest = (*highest).max(min);
        let leads = replica.role.leads() && replica.role.epoch() == Some(committed.leader_epoch);
        if !leads {
            return;
        }
        let none = || (committed.leader_epoch, BTreeSet::new());
        let proposed = self.proposed.entry(name.clone()).or_insert_with(none);
        if proposed.0 != committed.leader_epoch {
            *proposed = none();
        }
        proposed.1.extend(&replica.proposed);
        if let Some((member, list)) = outside(committed, (replica, &proposed.1), *highest) {
            let what = format!(
                "leader {leader} of {name} does not count with broker {member}, which is in the {list}"
            );
            findings.broken(NAME, name, moment.at(), what);
        }
    }
}

/// A member of the controller's sets that the leader does not count with.
fn outside(
    committed: &Committed,
    (leader, proposed): (&Replica, &BTreeSet<BrokerId>),
    min_insync: usize,
) -> Option<(BrokerId, &'static str)> {
    let outside = |list: &[BrokerId]| {
        let mut members = list.iter().copied();
        members.find(|id| !leader.isr.contains(id) && !proposed.contains(id))
    };
    if let Some(member) = outside(&committed.isr) {
        return Some((member, "ISR"));
    }
    let needed = min_insync.min(committed.replicas.len());
    let enough = leader.isr.len() >= needed;
    let member = outside(&committed.elr).filter(|_| enough);
    member.map(|member| (member, "ELR"))
}
