//! The controller's sets fit: ISR and ELR are replicas, they are disjoint, and a leader is in the ISR; with
//! ELR, an ISR of `min.insync.replicas` members leaves the ELR empty, and nobody in the ISR is fenced.
//!
//! Source: TLA+ kip-966 `ValidControllerIsrAndElr` and `ValidControllerState`, hachikuji `LeaderInIsr`.
//!
//! Permitted: a replica that was moved away and stays in the ELR. When a move ends with fewer than
//! `min.insync.replicas` members in the ISR, Kafka counts those who leave the assignment among the ELR, for
//! they were in the ISR before (`PartitionChangeBuilder.maybePopulateTargetElr`, as of 4.3.1). Nobody
//! elects them.
//!
//! False positives avoided: whether a full ISR empties the ELR is asked only of a record that changes the
//! partition, for the setting may change between. Fenced members are looked for when a broker is fenced
//! (the record that fences it follows the one that takes it out) and when a record takes one in; and
//! only with the rules that forbid them.

use super::{Excuses, Findings, Invariant, Moment};
use crate::view::Committed;
use ktrial_core::metadata::MetadataRecord;
use ktrial_core::{BrokerId, Event, TopicPartition};
use std::collections::BTreeSet;

const NAME: &str = "isr_members";

#[derive(Default)]
pub(super) struct IsrMembers {
    /// Partitions whose replicas were ever moved.
    moved: BTreeSet<TopicPartition>,
}

impl Invariant for IsrMembers {
    fn observe(&mut self, moment: &Moment<'_>, excuses: Excuses<'_>, findings: &mut Findings) {
        let Some(Event::MetadataWritten { record, .. }) = moment.event() else {
            return;
        };
        if let Some(broker) = fences(record) {
            if excuses.promises.elr {
                fenced(moment, broker, findings);
            }
            return;
        }
        let Some((name, partition)) = moment.partition else {
            return;
        };
        let Some(committed) = &partition.committed else {
            return;
        };
        if let Some(id) = former_in_elr(committed) {
            let what =
                format!("{name} at the controller: broker {id} is in the ELR but not a replica");
            let moved = self.moved.contains(name);
            findings.report(NAME, Some(name), Some(moment.at()), moved, what);
        }
        if !committed.removing.is_empty() || !committed.adding.is_empty() {
            self.moved.insert(name.clone());
        }
        let problem = problem(committed).or_else(|| {
            let elr = excuses.promises.elr;
            elr.then(|| elr_problem(moment, committed, &name.topic))
                .flatten()
        });
        if let Some(problem) = problem {
            let what = format!("{name} at the controller: {problem}");
            findings.broken(NAME, name, moment.at(), what);
        }
    }
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

/// A broker was fenced: it is in no ISR.
fn fenced(moment: &Moment<'_>, broker: BrokerId, findings: &mut Findings) {
    for (name, partition) in moment.view.partitions() {
        let committed = partition.committed.as_ref();
        if committed.is_some_and(|committed| committed.isr.contains(&broker)) {
            let what = format!("broker {broker} is fenced and in the ISR of {name}");
            findings.broken(NAME, name, moment.at(), what);
        }
    }
}

/// What the rules of ELR forbid.
fn elr_problem(moment: &Moment<'_>, committed: &Committed, topic: &str) -> Option<String> {
    let min = moment.view.settings().min_insync_replicas(topic);
    let min = usize::try_from(min).unwrap_or(usize::MAX);
    let Committed {
        replicas, isr, elr, ..
    } = committed;
    if isr.len() >= min.min(replicas.len()) && !elr.is_empty() {
        return Some(format!(
            "{} member(s) in the ISR are enough, and the ELR is not empty",
            isr.len()
        ));
    }
    let is_fenced = |id: &&BrokerId| {
        let registration = moment.view.registration(**id);
        registration.is_some_and(|registration| registration.fenced)
    };
    let fenced = isr.iter().find(is_fenced);
    fenced.map(|id| format!("broker {id} is in the ISR and fenced"))
}

/// A member of the ELR that is no replica.
fn former_in_elr(committed: &Committed) -> Option<BrokerId> {
    let mut elr = committed.elr.iter();
    elr.find(|id| !committed.replicas.contains(id)).copied()
}

fn problem(committed: &Committed) -> Option<String> {
    let Committed {
        replicas,
        isr,
        elr,
        leader,
        ..
    } = committed;
    let stranger = |list: &[BrokerId]| list.iter().find(|id| !replicas.contains(id)).copied();
    if let Some(id) = stranger(isr) {
        return Some(format!("broker {id} is in the ISR but not a replica"));
    }
    if let Some(id) = elr.iter().find(|id| isr.contains(id)) {
        return Some(format!("broker {id} is in the ISR and in the ELR"));
    }
    let leader = leader.filter(|leader| !isr.contains(leader));
    leader.map(|id| format!("leader {id} is not in the ISR"))
}
