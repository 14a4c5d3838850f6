//! What a replica's disk holds at the end is what its events said: same end, same leader epochs. It
//! catches events that lie, and bytes that changed behind the broker's back.
//!
//! Source: ours. False positives avoided: a log that could not be read to its end is not judged
//! (`damage` says so), and one that was not opened since its broker lost power may hold less, or what had
//! been cut off; nor is one judged whose last cut a power loss may have undone, for its broker may not know.

use super::{Excuses, Findings, Invariant, Moment};
use crate::history::{FinalLog, What};
use crate::view::Replica;
use ktrial_core::Offset;

#[derive(Default)]
pub(super) struct FinalLogEqualsView;

impl Invariant for FinalLogEqualsView {
    fn observe(&mut self, moment: &Moment<'_>, excuses: Excuses<'_>, findings: &mut Findings) {
        let (What::FinalLog(log), Some((name, partition))) = (&moment.entry.what, moment.partition)
        else {
            return;
        };
        if log.damage.is_some()
            || excuses.happened.is_unread(name, log.broker)
            || excuses.happened.is_unsound(name)
        {
            return;
        }
        let silent = Replica::default();
        let replica = partition.replicas.get(&log.broker).unwrap_or(&silent);
        if let Some(problem) = problem(log, replica) {
            let what = format!("{name} on broker {}: {problem}", log.broker);
            findings.report("final_log_equals_view", Some(name), None, false, what);
        }
    }
}

fn problem(log: &FinalLog, replica: &Replica) -> Option<String> {
    let start = replica.log.start();
    let end = log
        .records
        .last()
        .map_or(start, |record| record.offset.next());
    let told = replica.log.end();
    // Without its last batches a log ends where a truncation put its end, with no record before it.
    let last = replica.log.from(Offset::ZERO).last();
    let known = last.map_or(start, |batch| batch.last.next());
    if end > told || end < known {
        return Some(format!("the disk ends at {end}, the events say {told}"));
    }
    let mut batches = replica.log.from(start).iter().peekable();
    for record in &log.records {
        while batches
            .next_if(|batch| batch.last < record.offset)
            .is_some()
        {}
        let batch = batches.peek().filter(|batch| batch.base <= record.offset);
        // Messages before 0.11 have none.
        let has_epoch = record.epoch.0 >= 0;
        if has_epoch && batch.is_some_and(|batch| batch.epoch != record.epoch) {
            return Some(format!(
                "offset {} is of leader epoch {} on the disk, the events say otherwise",
                record.offset, record.epoch
            ));
        }
    }
    None
}
