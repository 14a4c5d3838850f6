//! `inconsistent_offsets`: one offset of a partition has two values, over all acknowledgements and all
//! polls.
//!
//! Jepsen's version order: each offset maps to the set of values seen there, fed by every poll and by
//! sends that must have been written. Permitted where a loss is: the offset of a lost record is used
//! again.

use super::{Case, Findings, Read, acknowledged_offset, partition_of};
use ktrial_core::{Offset, TopicPartition};
use std::collections::BTreeMap;

pub(super) fn check(case: &Case<'_>, findings: &mut Findings) {
    for (partition, mut versions) in versions(case) {
        versions.sort();
        versions.dedup();
        for pair in versions.windows(2) {
            let [(offset, first), (other, second)] = pair else {
                continue;
            };
            if offset == other {
                let permitted = case.loss_permitted(&partition);
                let what = format!("offset {offset} of {partition} was {first} and was {second}");
                let check = "inconsistent_offsets";
                findings.report(check, Some(&partition), None, permitted, what);
            }
        }
    }
}

/// What was seen at which offset.
fn versions<'a>(case: &Case<'a>) -> BTreeMap<TopicPartition, Vec<(Offset, &'a str)>> {
    let mut versions: BTreeMap<TopicPartition, Vec<(Offset, &str)>> = BTreeMap::new();
    for operation in case.view.operations().list() {
        if let Some(offset) = acknowledged_offset(operation)
            && let Some(partition) = partition_of(operation)
        {
            let list = versions.entry(partition).or_default();
            list.push((offset, &operation.value));
        }
    }
    for read in &case.history.reads {
        if let Read::Record {
            partition,
            offset,
            value,
            ..
        } = read
        {
            if let Some(list) = versions.get_mut(*partition) {
                list.push((*offset, value));
            } else {
                versions.insert((*partition).clone(), vec![(*offset, value)]);
            }
        }
    }
    versions
}
