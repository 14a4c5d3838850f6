//! Every acknowledged record is in the log of at least one broker, at every moment.
//!
//! Source: TLA+ kip-966 `NoCommittedRecordLostGlobally`; KRaft `AckedValueNotLost`.
//!
//! The time when the last copy goes, while `lost_write` tells what is missing in the end. Nothing is said
//! of a loss that is excused: `lost_write` tells it.
//!
//! False positives avoided: a log that lost power counts as whole until it is opened again. A record
//! whose offset two leaders have used meanwhile is not judged, nor one whose last copy went before its
//! acknowledgement arrived.

use super::{Excuses, Findings, Invariant, Moment};
use crate::check::ledger::Written;
use ktrial_core::{Event, Offset, TopicPartition};

const NAME: &str = "acknowledged_somewhere";

#[derive(Default)]
pub(super) struct AcknowledgedSomewhere;

impl Invariant for AcknowledgedSomewhere {
    fn observe(&mut self, moment: &Moment<'_>, excuses: Excuses<'_>, findings: &mut Findings) {
        let (name, range) = match moment.event() {
            Some(Event::Truncated {
                partition,
                from,
                to,
                ..
            }) => (partition, (*to, *from)),
            Some(Event::LogLoaded { partition, .. }) => {
                let Some((_, replica)) = moment.replica() else {
                    return;
                };
                (partition, replica.changed_by_load())
            }
            _ => return,
        };
        gone(moment, (name, range), excuses, findings);
    }
}

fn gone(
    moment: &Moment<'_>,
    (name, range): (&TopicPartition, (Offset, Offset)),
    excuses: Excuses<'_>,
    findings: &mut Findings,
) {
    let happened = excuses.happened;
    let gone = |written: &&Written| written.acknowledged.is_some() && written.copies.is_empty();
    for written in happened.ledger.between(name, range).filter(gone) {
        let cause = happened.cause(excuses.promises, written.acknowledged, name, written);
        if cause.is_some() {
            continue;
        }
        let what = format!(
            "no broker has the records of {name} from {} to {} of leader epoch {} any more, of which \
             one was acknowledged",
            written.batch.base, written.batch.last, written.batch.epoch
        );
        findings.broken(NAME, name, moment.at(), what);
    }
}
