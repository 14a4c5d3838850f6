//! `duplicate`: a value at more than one offset of the log that counts at the end.
//!
//! Permitted when its producer retries without idempotence: an attempt whose response was lost is
//! written, and written again by the retry. False positives avoided: values of nobody's send (they have
//! no promise, but occur twice none the less) are reported too, as not permitted.

use super::{Allowed, Case};
use ktrial_core::{NodeId, Offset, TopicPartition};
use xxhash_rust::xxh3::xxh3_64;

/// A value that was written more than once.
pub(in crate::check) struct Duplicate<'a> {
    pub(in crate::check) partition: &'a TopicPartition,
    pub(in crate::check) value: &'a str,
    pub(in crate::check) offsets: Vec<Offset>,
    pub(in crate::check) client: Option<NodeId>,
    pub(in crate::check) permitted: bool,
}

/// Every value that was written more than once, by partition and first offset.
pub(in crate::check) fn duplicated<'a>(case: &Case<'a>) -> Vec<Duplicate<'a>> {
    let mut found = Vec::new();
    for partition in case.history.logs.keys() {
        let logs = case.logs_that_count(partition);
        let Some(log) = logs.first() else {
            continue;
        };
        let records = log.records.iter().enumerate();
        let mut hashes: Vec<(u64, usize)> = records
            .map(|(index, record)| (xxh3_64(record.value.as_bytes()), index))
            .collect();
        hashes.sort_unstable();
        let before = found.len();
        for same in hashes
            .chunk_by(|a, b| a.0 == b.0)
            .filter(|same| same.len() > 1)
        {
            let records = same.iter().filter_map(|(_, index)| log.records.get(*index));
            let records: Vec<_> = records.collect();
            let Some(first) = records.first() else {
                continue;
            };
            // Two values with one hash are as good as impossible, but not a duplicate.
            let equal = records.iter().filter(|record| record.value == first.value);
            let offsets: Vec<Offset> = equal.map(|record| record.offset).collect();
            if offsets.len() < 2 {
                continue;
            }
            let operation = case.values.find(case.view, &first.value);
            let client = operation.map(|(_, operation)| operation.client);
            found.push(Duplicate {
                partition,
                value: &first.value,
                offsets,
                client,
                permitted: Allowed::duplicate(case, client),
            });
        }
        if let Some(new) = found.get_mut(before..) {
            new.sort_by(|a, b| a.offsets.cmp(&b.offsets));
        }
    }
    found
}
