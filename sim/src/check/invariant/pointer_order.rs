//! Pointers of a replica are in order: log start <= recovery point <= log end, and the entries of its
//! leader epoch cache rise strictly in both fields and lie within the log.
//!
//! Source: `UnifiedLog`, `LeaderEpochFileCache`. (log start <= high
//! watermark <= log end is `high_watermark_bounds`.) False positives avoided: an epoch that started at
//! the log's end has an entry but no record yet, so an entry may lie at the end.

use super::{Excuses, Findings, Invariant, Moment};
use crate::history::What;
use ktrial_core::{EpochOffset, Event, Offset};

const NAME: &str = "pointer_order";

#[derive(Default)]
pub(super) struct PointerOrder;

impl Invariant for PointerOrder {
    fn observe(&mut self, moment: &Moment<'_>, _: Excuses<'_>, findings: &mut Findings) {
        let Some((name, _)) = moment.partition else {
            return;
        };
        let mut report = |what| findings.broken(NAME, name, moment.at(), what);
        match &moment.entry.what {
            What::Event(Event::Flushed { recovery_point, .. }) => {
                let Some((broker, replica)) = moment.replica() else {
                    return;
                };
                let (start, end) = (replica.log.start(), replica.log.end());
                if *recovery_point < start || *recovery_point > end {
                    report(format!(
                        "broker {broker} has recovery point {recovery_point} on {name}, outside its \
                         log [{start}, {end})"
                    ));
                }
            }
            What::Event(Event::LogLoaded {
                log_start_offset,
                log_end_offset,
                leader_epochs,
                ..
            }) => {
                if log_start_offset > log_end_offset {
                    report(format!("{name} was loaded with its start behind its end"));
                }
                if let Some(problem) = disorder(leader_epochs, Some(*log_end_offset)) {
                    report(format!(
                        "the leader epochs of {name} at its load: {problem}"
                    ));
                }
            }
            What::FinalLog(log) => {
                if let Some(problem) = disorder(&log.leader_epochs, None) {
                    let broker = log.broker;
                    report(format!(
                        "the leader epochs of {name} on broker {broker}: {problem}"
                    ));
                }
            }
            _ => {}
        }
    }
}

/// What is wrong with an epoch cache.
fn disorder(epochs: &[EpochOffset], end: Option<Offset>) -> Option<String> {
    let falls = epochs.windows(2).find_map(|pair| match pair {
        [a, b] if a.epoch >= b.epoch || a.offset >= b.offset => Some(format!("{b} follows {a}")),
        _ => None,
    });
    let last = epochs
        .last()
        .zip(end)
        .filter(|(last, end)| last.offset > *end);
    falls.or_else(|| last.map(|(last, end)| format!("{last} is behind the log's end {end}")))
}
