//! `nonmonotonic_send` and `int_nonmonotonic_send`: a producer sends two values to a partition, one after the
//! other, and the later one is acknowledged at the lower offset. And how often others came between two
//! values of one step (`int_send_skip`), which is always allowed.
//!
//! Jepsen's operation with several sends is here a step that sends several values at one moment: within it
//! the class has `int` in front. From one send to the next in the dense order of what is known to be
//! written, less than one is nonmonotonic and more is a skip.
//!
//! False positives avoided: only values that were acknowledged with an offset. What a retry may do without
//! idempotence is allowed (`allowed.rs`).

use super::{Case, Findings, acknowledged_offset, partition_of};
use crate::view::Operation;
use ktrial_core::{NodeId, Offset, TopicPartition};
use std::collections::BTreeMap;

pub(super) fn check(case: &Case<'_>, findings: &mut Findings) {
    for (before, after, partition) in pairs(case) {
        let (first, second) = (before.1, after.1);
        if second > first {
            continue;
        }
        let at_once = before.0.started == after.0.started;
        let class = if at_once {
            "int_nonmonotonic_send"
        } else {
            "nonmonotonic_send"
        };
        let client = after.0.client;
        let permitted = case.allowed.reorder(case, client, &partition);
        let what = format!(
            "{client} sent {} before {}, and they are at offsets {first} and {second} of {partition}",
            before.0.value, after.0.value
        );
        findings.report(class, Some(&partition), None, permitted, what);
    }
}

/// Pairs of values of one step and partition with others' records between them.
pub(in crate::check) fn interleaved(case: &Case<'_>) -> usize {
    let skips = pairs(case).filter(|(before, after, partition)| {
        let at_once = before.0.started == after.0.started;
        let between = |offset: &Offset| *offset > before.1 && *offset < after.1;
        let owners = case
            .happened
            .ledger
            .between(partition, (before.1.next(), after.1));
        let mut bases = owners.map(|written| written.batch.base);
        at_once && bases.any(|base| between(&base))
    });
    skips.count()
}

type Placed<'a> = (&'a Operation, Offset);

/// Each acknowledged send and the one before it of its producer and partition.
fn pairs<'a>(case: &Case<'a>) -> impl Iterator<Item = (Placed<'a>, Placed<'a>, TopicPartition)> {
    let mut last: BTreeMap<(NodeId, TopicPartition), Placed<'a>> = BTreeMap::new();
    let operations = case.view.operations().list().iter();
    operations.filter_map(move |operation| {
        let offset = acknowledged_offset(operation)?;
        let partition = partition_of(operation)?;
        let key = (operation.client, partition.clone());
        let before = last.insert(key, (operation, offset))?;
        Some((before, (operation, offset), partition))
    })
}
