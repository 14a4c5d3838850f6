//! The controller's sets fit: ISR and ELR are replicas, they are disjoint, and a leader is in the ISR.
//!
//! Source: TLA+ kip-966 `ValidControllerIsrAndElr`, hachikuji `LeaderInIsr`.
//! False positives avoided: nothing is asked of fenced members (the record that fences a
//! broker follows the one that takes it out of the ISR), nor that a full ISR empties the ELR (the
//! setting `min.insync.replicas` may have changed since).

use super::{Excuses, Findings, Invariant, Moment};
use crate::view::Committed;
use ktrial_core::{BrokerId, Event};

#[derive(Default)]
pub(super) struct IsrMembers;

impl Invariant for IsrMembers {
    fn observe(&mut self, moment: &Moment<'_>, _: Excuses<'_>, findings: &mut Findings) {
        let (Some(Event::MetadataWritten { .. }), Some((name, partition))) =
            (moment.event(), moment.partition)
        else {
            return;
        };
        if let Some(problem) = partition.committed.as_ref().and_then(problem) {
            let what = format!("{name} at the controller: {problem}");
            findings.broken("isr_members", name, moment.at(), what);
        }
    }
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
    if let Some(id) = stranger(elr) {
        return Some(format!("broker {id} is in the ELR but not a replica"));
    }
    if let Some(id) = elr.iter().find(|id| isr.contains(id)) {
        return Some(format!("broker {id} is in the ISR and in the ELR"));
    }
    let leader = leader.filter(|leader| !isr.contains(leader));
    leader.map(|id| format!("leader {id} is not in the ISR"))
}
