//! A record that is acknowledged was written; and with acks=all it was below the high watermark of a
//! leader whose maximal ISR had at least `min.insync.replicas` members.
//!
//! Source: `ProducerConfig.ACKS_DOC`, `Partition.checkEnoughReplicasReachOffset`; KIP-966.
//!
//! False positives avoided: the response takes its time, so it is asked whether it ever was so. The
//! lowest `min.insync.replicas` that the topic ever had counts, for the leader may not have heard of the
//! newest, and not more than there are replicas. Offsets that two leaders have used: one is enough.

use super::{Excuses, Findings, Invariant, Moment};
use crate::check::ledger::Written;
use crate::view::Operation;
use ktrial_core::event::SendOutcome;
use ktrial_core::{Event, Offset, TopicPartition};

#[derive(Default)]
pub(super) struct AcknowledgedByIsr;

impl Invariant for AcknowledgedByIsr {
    fn observe(&mut self, moment: &Moment<'_>, excuses: Excuses<'_>, findings: &mut Findings) {
        let Some(Event::SendEnded {
            operation,
            partition: Some(name),
            outcome: SendOutcome::Acknowledged { offset: Some(at) },
        }) = moment.event()
        else {
            return;
        };
        if moment.view.was_deleted(&name.topic) {
            return; // It may be about the topic that is no more.
        }
        let operations = moment.view.operations();
        let operation = operations.index(*operation);
        let Some(operation) = operation.and_then(|index| operations.list().get(index)) else {
            return;
        };
        if let Some(problem) = problem(excuses, operation, (name, *at)) {
            let value = &operation.value;
            let what = format!("{value} was acknowledged at {name} offset {at}, {problem}");
            findings.broken("acknowledged_by_isr", name, moment.at(), what);
        }
    }
}

fn problem(
    excuses: Excuses<'_>,
    operation: &Operation,
    (name, offset): (&TopicPartition, Offset),
) -> Option<String> {
    let ledger = &excuses.happened.ledger;
    let since = |written: &&Written| written.at >= operation.started;
    let mut there = ledger.at(name, offset).filter(since).peekable();
    if there.peek().is_none() {
        return Some("where no leader has written anything since it was sent".to_owned());
    }
    if excuses.promises.acks_cause(operation.client).is_some() {
        return None;
    }
    let Some(isr) = there.filter_map(|written| Some(written.exposed?.1)).max() else {
        return Some("which was below no leader's high watermark".to_owned());
    };
    let needed = excuses.happened.lowest_min_insync(&name.topic);
    let needed = needed.min(excuses.happened.fewest_replicas(name));
    (isr < needed).then(|| format!("with {isr} member(s) in the ISR of {needed} that are needed"))
}
