//! What a smaller plan still has to show: the same finding.
//!
//! Rule: two findings are the same if they have the check, the partition and whether the configuration
//! permits them in common. Values, offsets, brokers and times may differ: those are what gets smaller. A
//! finding about no partition is the same as any other of its check.
//!
//! Simplified: one check may find two different bugs in one partition; then the smaller plan may show
//! the other one.
//!
//! Next: `measure.rs`.

use ktrial_core::TopicPartition;
use ktrial_sim::verdict::{Finding, Verdict};
use serde::Serialize;
use std::fmt;

/// The finding that has to stay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Goal {
    /// The check's name.
    pub check: String,
    /// The partition, if the finding is about one.
    pub partition: Option<TopicPartition>,
    /// The configuration allows it.
    pub permitted: bool,
}

impl Goal {
    /// To show this finding.
    pub fn of(finding: &Finding) -> Self {
        Self {
            check: finding.check.clone(),
            partition: finding.partition.clone(),
            permitted: finding.permitted,
        }
    }

    /// Of a verdict: the first finding that nothing permits; of a named check, else its first one.
    pub fn choose(verdict: &Verdict, check: Option<&str>) -> Option<Self> {
        let named = |finding: &&Finding| check.is_none_or(|check| finding.check == check);
        let mut found = verdict.findings.iter().filter(named);
        let broken = found.clone().find(|finding| !finding.permitted);
        let finding = broken.or_else(|| check.and_then(|_| found.next()));
        finding.map(Self::of)
    }

    /// The finding of a verdict that is the same.
    pub fn shown_by<'v>(&self, verdict: &'v Verdict) -> Option<&'v Finding> {
        let mut findings = verdict.findings.iter();
        findings.find(|finding| Self::of(finding) == *self)
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.check)?;
        if let Some(partition) = &self.partition {
            write!(f, " in {partition}")?;
        }
        f.write_str(if self.permitted {
            ", permitted"
        } else {
            ", not permitted"
        })
    }
}
