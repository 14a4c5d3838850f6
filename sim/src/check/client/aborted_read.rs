//! `aborted_read` (Jepsen's G1a for single sends): a value whose send certainly failed is in a log at
//! the end, or was read.
//!
//! False positives avoided: a time-out and every other error that leaves the outcome open is `Unknown`,
//! never `Failed`.

use super::{Case, Findings, Read};
use crate::view::Operation;
use ktrial_core::event::SendOutcome;
use ktrial_core::{Timestamp, TopicPartition};

const NAME: &str = "aborted_read";

pub(super) fn check(case: &Case<'_>, findings: &mut Findings) {
    let failed =
        |operation: &Operation| matches!(operation.ended, Some((_, SendOutcome::Failed(_))));
    if !case.view.operations().list().iter().any(failed) {
        return;
    }
    let is_failed = |value: &str| {
        let operation = case.values.find(case.view, value);
        operation.is_some_and(|(_, operation)| failed(operation))
    };
    let mut report = |partition: &TopicPartition, at: Option<Timestamp>, what| {
        findings.report(NAME, Some(partition), at, false, what);
    };
    for read in &case.history.reads {
        if let Read::Record {
            partition,
            value,
            at,
            offset,
            ..
        } = read
            && is_failed(value)
        {
            let what =
                format!("{value}, whose send failed, was read at {partition} offset {offset}");
            report(partition, Some(*at), what);
        }
    }
    for (partition, logs) in &case.history.logs {
        for (broker, log) in logs {
            for record in log.records.iter().filter(|record| is_failed(&record.value)) {
                let (value, offset) = (&record.value, record.offset);
                let what = format!(
                    "{value}, whose send failed, is in the log of broker {broker} at {partition} \
                     offset {offset}"
                );
                report(partition, None, what);
            }
        }
    }
}
