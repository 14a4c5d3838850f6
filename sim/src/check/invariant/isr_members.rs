//! The controller's sets fit: ISR and ELR are replicas, they are disjoint, and a leader is in the ISR; with
//! ELR, an ISR of `min.insync.replicas` members leaves the ELR empty, and nobody in the ISR is fenced.
//!
//! Source: TLA+ kip-966 `ValidControllerIsrAndElr` and `ValidControllerState`, hachikuji `LeaderInIsr`.
//!
//! Permitted: a replica that was moved away and stays in the ELR. When a move ends with fewer than
//! `min.insync.replicas` members in the ISR, Kafka counts those who leave the assignment among the ELR, for
//! they were in the ISR before (`PartitionChangeBuilder.maybePopulateTargetElr`, as of 4.3.1). Nobody
//! elects them. And a fenced replica in the ISR after a move was cancelled that had left nobody else in it:
//! Kafka takes the first replica, whether it is alive or not, where unclean election is on
//! (`PartitionReassignmentRevert`).
//!
//! With ZooKeeper assignment and ISR are two znodes. When a move is taken back, who was coming leaves the
//! assignment first: until the next change of the ISR it is a member that is no replica.
//!
//! False positives avoided: whether a full ISR empties the ELR is asked only of a record that changes the
//! partition, for the setting may change between. A full ISR has `min.insync.replicas` members, or as many as
//! the topic's first partition had replicas when the change was built
//! (`ReplicationControlManager.getTopicEffectiveMinIsr`): here, the most it ever had. Fenced members are
//! looked for when a broker is fenced (the record that fences it follows the one that takes it out) and
//! when a record takes one in; and only with the rules that forbid them.

use super::{Excuses, Findings, Invariant, Moment};
use crate::view::Committed;
use ktrial_core::metadata::MetadataRecord;
use ktrial_core::{BrokerId, Event, TopicName, TopicPartition};
use std::collections::{BTreeMap, BTreeSet};

const NAME: &str = "isr_members";

#[derive(Default)]
pub(super) struct IsrMembers {
    /// All that were ever replicas.
    replicas: BTreeMap<TopicPartition, BTreeSet<BrokerId>>,
    /// The state before the next record.
    before: BTreeMap<TopicPartition, Committed>,
    /// The only member of the ISR, since a move was cancelled.
    put_in: BTreeMap<TopicPartition, BrokerId>,
    /// Members of the ISR that left the assignment before it (ZooKeeper).
    leaving: BTreeMap<TopicPartition, BTreeSet<BrokerId>>,
    /// The most replicas that a topic's first partition ever had.
    factors: BTreeMap<TopicName, usize>,
}

impl Invariant for IsrMembers {
    fn observe(&mut self, moment: &Moment<'_>, excuses: Excuses<'_>, findings: &mut Findings) {
        let Some(Event::MetadataWritten { record, .. }) = moment.event() else {
            return;
        };
        if let Some(broker) = fences(record) {
            if excuses.promises.elr {
                self.fenced(moment, broker, findings);
            }
            return;
        }
        let Some((name, partition)) = moment.partition else {
            return;
        };
        let Some(committed) = &partition.committed else {
            return;
        };
        if let Some(id) = committed.moved_away_in_elr() {
            let what =
                format!("{name} at the controller: broker {id} is in the ELR but not a replica");
            let were = self.replicas.get(name);
            let moved = were.is_some_and(|were| were.contains(&id));
            findings.report(NAME, Some(name), Some(moment.at()), moved, what);
        }
        self.remember(name, committed);
        let leaving = self.leaving.get(name);
        let problem = problem(committed, leaving).or_else(|| {
            let elr = excuses.promises.elr;
            elr.then(|| self.not_empty(moment, committed, &name.topic))
                .flatten()
        });
        if let Some(problem) = problem {
            let what = format!("{name} at the controller: {problem}");
            findings.broken(NAME, name, moment.at(), what);
        }
        let fenced = fenced_in_isr(moment, committed).filter(|_| excuses.promises.elr);
        if let Some(id) = fenced {
            let what = format!("{name} at the controller: broker {id} is in the ISR and fenced");
            let put_in = self.put_in.get(name) == Some(&id);
            findings.report(NAME, Some(name), Some(moment.at()), put_in, what);
        }
    }
}

impl IsrMembers {
    fn remember(&mut self, name: &TopicPartition, committed: &Committed) {
        let were = self.replicas.entry(name.clone()).or_default();
        were.extend(&committed.replicas);
        let before = self.before.insert(name.clone(), committed.clone());
        let (isr, replicas) = (&committed.isr, &committed.replicas);
        let stranger = |id: &BrokerId| isr.contains(id) && !replicas.contains(id);
        if before
            .as_ref()
            .is_some_and(|before| committed.is_assigned_anew(before))
        {
            let left = isr.iter().copied().filter(stranger).collect();
            self.leaving.insert(name.clone(), left);
        } else if let Some(leaving) = self.leaving.get_mut(name) {
            leaving.retain(stranger);
        }
        if let Some(id) = before.and_then(|before| put_in(&before, committed)) {
            self.put_in.insert(name.clone(), id);
        } else if committed.leader.is_some() || committed.isr.len() != 1 {
            self.put_in.remove(name);
        }
        if name.partition == 0 {
            let most = self.factors.entry(name.topic.clone()).or_default();
            *most = committed.replicas.len().max(*most);
        }
    }

    /// A broker was fenced, or registered again and still is: it is in no ISR that it was not put into so.
    fn fenced(&self, moment: &Moment<'_>, broker: BrokerId, findings: &mut Findings) {
        for (name, partition) in moment.view.partitions() {
            let committed = partition.committed.as_ref();
            if committed.is_some_and(|committed| committed.isr.contains(&broker)) {
                let what = format!("broker {broker} is fenced and in the ISR of {name}");
                let put_in = self.put_in.get(name) == Some(&broker);
                findings.report(NAME, Some(name), Some(moment.at()), put_in, what);
            }
        }
    }

    /// An ELR although the ISR is large enough.
    fn not_empty(
        &self,
        moment: &Moment<'_>,
        committed: &Committed,
        topic: &TopicName,
    ) -> Option<String> {
        let min = moment.view.settings().min_insync_replicas(topic);
        let min = usize::try_from(min).unwrap_or(usize::MAX);
        let factor = self.factors.get(topic).copied().unwrap_or(usize::MAX);
        let Committed { isr, elr, .. } = committed;
        if isr.len() >= min.min(factor) && !elr.is_empty() {
            return Some(format!(
                "{} member(s) in the ISR are enough, and the ELR is not empty",
                isr.len()
            ));
        }
        None
    }
}

/// A member of the ISR that is fenced.
fn fenced_in_isr(moment: &Moment<'_>, committed: &Committed) -> Option<BrokerId> {
    let is_fenced = |id: &&BrokerId| {
        let registration = moment.view.registration(**id);
        registration.is_some_and(|registration| registration.fenced)
    };
    committed.isr.iter().find(is_fenced).copied()
}

/// The broker that a record fences.
fn fences(record: &MetadataRecord) -> Option<BrokerId> {
    match record {
        MetadataRecord::RegisterBroker(one) => one.fenced.then_some(one.broker),
        MetadataRecord::BrokerRegistrationChange(one) => {
            (one.fenced == Some(true)).then_some(one.broker)
        }
        _ => None,
    }
}

/// Who is the ISR after a move was cancelled, if nobody else was left in it.
fn put_in(before: &Committed, now: &Committed) -> Option<BrokerId> {
    let mut left = before.isr.iter().filter(|id| !before.adding.contains(id));
    let moves = |one: &Committed| !one.adding.is_empty() || !one.removing.is_empty();
    let cancelled = moves(before) && !moves(now);
    let first = *now.replicas.first()?;
    (cancelled && left.next().is_none() && now.isr == [first]).then_some(first)
}

fn problem(committed: &Committed, leaving: Option<&BTreeSet<BrokerId>>) -> Option<String> {
    let Committed {
        replicas,
        isr,
        elr,
        leader,
        ..
    } = committed;
    let leaves = |id: &BrokerId| leaving.is_some_and(|leaving| leaving.contains(id));
    let mut strangers = isr.iter().filter(|id| !replicas.contains(id));
    if let Some(id) = strangers.find(|id| !leaves(id)) {
        return Some(format!("broker {id} is in the ISR but not a replica"));
    }
    if let Some(id) = elr.iter().find(|id| isr.contains(id)) {
        return Some(format!("broker {id} is in the ISR and in the ELR"));
    }
    let leader = leader.filter(|leader| !isr.contains(leader));
    leader.map(|id| format!("leader {id} is not in the ISR"))
}
