//! The checks against hand-made records: for each one a planted violation that it reports and a near
//! miss that it does not; and the whole verdict of the two flagship cells.

mod clients;
mod elections;
mod flagship;
mod invariants;
mod promises;
mod quorum;
mod standstill;

use super::assess;
use super::story::Story;
use crate::verdict::{Finding, Verdict};

fn judged(story: &Story) -> Verdict {
    assess(&story.plan, &story.record(), "digest".to_owned())
}

/// What one check found.
fn findings(story: &Story, check: &str) -> Vec<Finding> {
    let findings = judged(story).findings.into_iter();
    findings.filter(|finding| finding.check == check).collect()
}

#[track_caller]
fn caught(story: &Story, check: &str) {
    let findings = findings(story, check);
    assert!(
        findings.iter().any(|finding| !finding.permitted),
        "{check} found {findings:?}"
    );
}

#[track_caller]
fn excused(story: &Story, check: &str) {
    let findings = findings(story, check);
    assert!(!findings.is_empty(), "{check} found nothing");
    assert!(
        findings.iter().all(|finding| finding.permitted),
        "{findings:?}"
    );
}

#[track_caller]
fn passed(story: &Story, check: &str) {
    assert_eq!(findings(story, check), [], "{check}");
}
