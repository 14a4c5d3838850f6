//! Collects what the checks find. A bug tends to show at every entry after it: a check reports a
//! partition a few times and then no more. What is permitted and what is not are counted apart, so that
//! the first never hides the second.

use crate::verdict::Finding;
use ktrial_core::{Timestamp, TopicName, TopicPartition};
use std::collections::{BTreeMap, BTreeSet};

/// How often one check reports one partition.
const REPEATS: u32 = 3;

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Findings {
    list: Vec<Finding>,
    reported: BTreeMap<(&'static str, Option<TopicPartition>, bool), u32>,
    /// Nothing more is reported about topics of these names.
    closed: BTreeSet<TopicName>,
}

impl Findings {
    /// Reports a finding, unless this check has reported this partition often enough.
    pub(super) fn report(
        &mut self,
        check: &'static str,
        partition: Option<&TopicPartition>,
        at: Option<Timestamp>,
        permitted: bool,
        what: String,
    ) {
        if partition.is_some_and(|partition| self.closed.contains(&partition.topic)) {
            return;
        }
        let reported = self
            .reported
            .entry((check, partition.cloned(), permitted))
            .or_default();
        *reported += 1;
        if *reported <= REPEATS {
            self.list.push(Finding {
                check: check.to_owned(),
                what,
                partition: partition.cloned(),
                at_ms: at.map(Timestamp::as_millis),
                permitted,
            });
        }
    }

    /// What was found of topics of these names after this is not known to be about one topic.
    pub(super) fn close(&mut self, topics: impl Iterator<Item = TopicName>) {
        self.closed.extend(topics);
    }

    /// A property that no configuration excuses was broken at a time.
    pub(super) fn broken(
        &mut self,
        check: &'static str,
        partition: &TopicPartition,
        at: Timestamp,
        what: String,
    ) {
        self.report(check, Some(partition), Some(at), false, what);
    }

    /// In order of their times, those without a time last.
    pub(super) fn finish(mut self) -> Vec<Finding> {
        self.list
            .sort_by_key(|finding| finding.at_ms.unwrap_or(u64::MAX));
        self.list
    }
}
