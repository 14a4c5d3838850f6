//! A batch of leader epoch e is appended first by the broker that leads in e: nobody else makes records.
//!
//! Source: KIP-101 (a leader epoch has one writer); with `one_leader_per_epoch` this is what makes
//! `log_matching` possible.
//!
//! Permitted where a disk rots: a batch's checksum does not cover its offset and its leader epoch.
//!
//! False positives avoided: none known. A leader says that it leads before it appends, and what follows
//! is copied from a log that has it already.

use super::{Excuses, Findings, Invariant, Moment};
use crate::view::Role;
use ktrial_core::Event;

#[derive(Default)]
pub(super) struct WrittenByLeader;

impl Invariant for WrittenByLeader {
    fn observe(&mut self, moment: &Moment<'_>, excuses: Excuses<'_>, findings: &mut Findings) {
        let (Some(Event::Appended { base_offset, .. }), Some((name, _)), Some((broker, replica))) =
            (moment.event(), moment.partition, moment.replica())
        else {
            return;
        };
        let Some(batch) = replica.log.batch_at(*base_offset) else {
            return;
        };
        if replica.role == Role::Leader(batch.epoch) {
            return;
        }
        let written = excuses.happened.ledger.of(name, batch);
        let first = written.is_some_and(|written| written.copies == [broker]);
        let before =
            written.is_some_and(|written| written.at < moment.at() || written.by != broker);
        if first && !before {
            let permitted = excuses.happened.is_unsound(name);
            let what = format!(
                "broker {broker} appended offset {base_offset} of leader epoch {} to {name} before \
                 anybody, and does not lead in that epoch",
                batch.epoch
            );
            let at = Some(moment.at());
            findings.report("written_by_leader", Some(name), at, permitted, what);
        }
    }
}
