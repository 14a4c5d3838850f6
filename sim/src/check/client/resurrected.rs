//! `resurrected`: a record of a topic that was deleted is in a topic that was created later under its name:
//! in a log at the end, or in what a consumer got.
//!
//! A topic's id, not its name, says what it is (KIP-516). Without ids an old replica that comes back passed
//! for one of the new topic.
//!
//! Source: KIP-516. False positives avoided: only a record whose send ended before the deletion was written;
//! a broker that was away keeps its old folder until it comes back, and that log is not asked; a consumer may
//! get old records until every replica of the old topic is gone.

use super::{Case, Findings, Read};
use ktrial_core::{Timestamp, TopicName};

const NAME: &str = "resurrected";

pub(in crate::check) fn check(case: &Case<'_>, findings: &mut Findings) {
    for topic in case.view.deleted_topics() {
        check_topic(case, findings, &topic);
    }
}

fn check_topic(case: &Case<'_>, findings: &mut Findings, topic: &TopicName) {
    let Some(deleted_at) = case.view.deleted_at(topic) else {
        return;
    };
    let of_topic = case
        .history
        .logs
        .iter()
        .filter(|(name, _)| name.topic == *topic);
    for (name, logs) in of_topic.filter(|(name, _)| case.view.partition(name).is_some()) {
        for (broker, log) in logs {
            let old = |value: &&str| is_old(case, value, deleted_at);
            let mut values = log.records.iter().map(|record| record.value.as_str());
            if let Some(value) = values.find(old) {
                let what = format!(
                    "{value}, sent to {topic} before that was deleted, is in the log of {name} on broker \
                     {broker}"
                );
                findings.report(NAME, Some(name), None, false, what);
            }
        }
    }
    for read in &case.history.reads {
        if let Read::Record {
            client,
            partition,
            value,
            at,
            ..
        } = read
            && partition.topic == *topic
            && !case.view.may_be_deleted(topic, *at)
            && is_old(case, value, deleted_at)
        {
            let what = format!("{client} got {value} of {topic}, which was deleted with it");
            findings.report(NAME, Some(partition), Some(*at), false, what);
        }
    }
}

/// Whether the value's send had ended when the topic was deleted.
fn is_old(case: &Case<'_>, value: &str, deleted_at: Timestamp) -> bool {
    let found = case.values.find(case.view, value);
    let ended = found.and_then(|(_, operation)| operation.ended);
    ended.is_some_and(|(at, _)| at < deleted_at)
}
