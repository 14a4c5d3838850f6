//! `nonmonotonic_poll` and `poll_skip`: from one record that a consumer gets of a partition to the next,
//! the step in the dense version order must be exactly one. Less is nonmonotonic, more is a skip. Inside
//! one poll the classes are `int_nonmonotonic_poll` and `int_poll_skip`.
//!
//! The dense version order holds the offsets at which something was acknowledged or polled, without
//! holes: a gap between offsets is legal where nothing is known to have been.
//!
//! False positives avoided: a consumer that starts, is assigned anew or has no position begins
//! anywhere. Permitted where a loss is: a consumer that read what was lost goes back (KIP-320).

use super::{Case, Findings, Read, acknowledged_offset, partition_of};
use ktrial_core::{NodeId, Offset, Timestamp, TopicPartition};
use std::collections::BTreeMap;

pub(super) fn check(case: &Case<'_>, findings: &mut Findings) {
    let known = known_offsets(case);
    let mut last: BTreeMap<(NodeId, &TopicPartition), (Offset, usize)> = BTreeMap::new();
    for read in &case.history.reads {
        match read {
            Read::Anew {
                client,
                partition: Some(partition),
            } => {
                last.remove(&(*client, *partition));
            }
            Read::Anew {
                client,
                partition: None,
            } => {
                last.retain(|(other, _), _| other != client);
            }
            Read::Record {
                client,
                partition,
                offset,
                at,
                poll,
                ..
            } => {
                let before = last.insert((*client, *partition), (*offset, *poll));
                let before = before.filter(|(before, _)| before.next() != *offset);
                let Some((before, last_poll)) = before else {
                    continue;
                };
                let (nonmonotonic, skip) = if last_poll == *poll {
                    ("int_nonmonotonic_poll", "int_poll_skip")
                } else {
                    ("nonmonotonic_poll", "poll_skip")
                };
                if *offset <= before {
                    let what = format!(
                        "{client} got offset {offset} of {partition} after offset {before}"
                    );
                    report(case, findings, nonmonotonic, partition, *at, what);
                } else if let Some(skipped) = between(&known, partition, before, *offset) {
                    let what = format!(
                        "{client} got offset {offset} of {partition} after offset {before}: offset \
                         {skipped}, which held a record, was skipped"
                    );
                    report(case, findings, skip, partition, *at, what);
                }
            }
        }
    }
}

fn report(
    case: &Case<'_>,
    findings: &mut Findings,
    check: &'static str,
    partition: &TopicPartition,
    at: Timestamp,
    what: String,
) {
    let permitted = case.reading_excused(partition);
    findings.report(check, Some(partition), Some(at), permitted, what);
}

type Known = BTreeMap<TopicPartition, Vec<Offset>>;

/// Every offset at which something was acknowledged or polled, sorted.
fn known_offsets(case: &Case<'_>) -> Known {
    let mut known = Known::new();
    for operation in case.view.operations().list() {
        if let Some(offset) = acknowledged_offset(operation)
            && let Some(partition) = partition_of(operation)
        {
            known.entry(partition).or_default().push(offset);
        }
    }
    for read in &case.history.reads {
        if let Read::Record {
            partition, offset, ..
        } = read
        {
            if let Some(offsets) = known.get_mut(*partition) {
                offsets.push(*offset);
            } else {
                known.insert((*partition).clone(), vec![*offset]);
            }
        }
    }
    for offsets in known.values_mut() {
        offsets.sort();
    }
    known
}

/// A known offset between two others.
fn between(known: &Known, partition: &TopicPartition, low: Offset, high: Offset) -> Option<Offset> {
    let offsets = known.get(partition)?;
    let next = offsets.get(offsets.partition_point(|offset| *offset <= low))?;
    (*next < high).then_some(*next)
}
