//! The class of a trial and its summary in one sentence.
//!
//! From the first row that fits:
//!
//! | class | when |
//! |---|---|
//! | broken | a finding that nothing permits |
//! | inconclusive | a step's condition never came true, the time limit, no end, or a fault that touched nothing |
//! | unavailable | a partition has no leader at the end, rightly |
//! | permitted | records were lost or duplicated as the configuration allows |
//! | kept | else |

use super::promise::LossCause;
use crate::history::{EndReason, What};
use crate::plan::Plan;
use crate::verdict::{Class, Duplicated, Finding, Lost, Outage};

/// All that decides.
pub(super) struct Facts<'a> {
    pub(super) acknowledged: u64,
    pub(super) lost: &'a [Lost],
    /// What permitted losses.
    pub(super) causes: &'a [LossCause],
    pub(super) duplicated: &'a [Duplicated],
    pub(super) outages: &'a [Outage],
    pub(super) findings: &'a [Finding],
    /// Why the trial proves nothing, if so.
    pub(super) inconclusive: Option<&'a str>,
}

/// Why a trial proves nothing, as one entry tells it.
pub(super) fn inconclusive(plan: &Plan, what: &What) -> Option<String> {
    let may_miss = |index: &usize| plan.step(*index).is_some_and(|step| step.may_miss);
    match what {
        // One of the script ends the trial: what comes after it never was.
        What::StepFailed { index, .. } if may_miss(index) && *index >= plan.steps.len() => None,
        What::FaultEffect { step, .. } if may_miss(step) => None,
        What::StepFailed { index, .. } => Some(format!(
            "What step {} waited for never came true.",
            index + 1
        )),
        What::FaultEffect {
            step, touched: 0, ..
        } => Some(format!("The fault of step {} touched nothing.", step + 1)),
        What::Ended {
            reason: EndReason::TimeLimit,
        } => Some("The trial reached its time limit.".to_owned()),
        What::Ended {
            reason: EndReason::RecordLimit,
        } => Some("The trial reached the limit of its record.".to_owned()),
        _ => None,
    }
}

/// The class and the sentence.
pub(super) fn summarise(facts: &Facts<'_>) -> (Class, String) {
    let open: Vec<&Outage> = facts.outages.iter().filter(|o| o.to_ms.is_none()).collect();
    if let Some(finding) = facts.findings.iter().find(|finding| !finding.permitted) {
        return (Class::Broken, broken(facts, finding));
    }
    if let Some(why) = facts.inconclusive {
        return (Class::Inconclusive, why.to_owned());
    }
    let records = records(facts);
    if let Some(outage) = open.first() {
        let Outage {
            topic,
            partition,
            why,
            ..
        } = outage;
        let summary = format!("{topic}-{partition} has no leader: {why}. {records}");
        return (Class::Unavailable, summary);
    }
    let permitted = !facts.lost.is_empty() || !facts.duplicated.is_empty();
    let class = if permitted {
        Class::Permitted
    } else {
        Class::Kept
    };
    (class, records)
}

fn broken(facts: &Facts<'_>, first: &Finding) -> String {
    let lost = facts.lost.iter().filter(|lost| !lost.permitted).count();
    if lost > 0 {
        return format!(
            "{lost} of {} acknowledged records {} lost, which was promised not to happen.",
            facts.acknowledged,
            were(lost)
        );
    }
    let duplicated = facts.duplicated.iter().filter(|d| !d.permitted).count();
    if duplicated > 0 {
        let records = if duplicated == 1 {
            "record was"
        } else {
            "records were"
        };
        return format!("{duplicated} {records} written twice, which was promised not to happen.");
    }
    format!("{}: {}.", first.check, first.what)
}

/// What became of the records.
fn records(facts: &Facts<'_>) -> String {
    let acknowledged = facts.acknowledged;
    let mut parts = Vec::new();
    let lost = facts.lost.len();
    if lost > 0 {
        let causes: Vec<&str> = facts
            .causes
            .iter()
            .map(|cause| cause.allowed_by())
            .collect();
        let allow = if causes.len() == 1 { "allows" } else { "allow" };
        parts.push(format!(
            "{lost} of {acknowledged} acknowledged records {} lost, as {} {allow}",
            were(lost),
            causes.join(" and "),
        ));
    }
    let duplicated = facts.duplicated.len();
    if duplicated > 0 {
        let records = if duplicated == 1 {
            "record was"
        } else {
            "records were"
        };
        parts.push(format!(
            "{duplicated} {records} written twice, as retries without idempotence allow"
        ));
    }
    match (parts.is_empty(), acknowledged) {
        (false, _) => format!("{}.", parts.join("; ")),
        (true, 0) => "No record was acknowledged.".to_owned(),
        (true, 1) => "The one acknowledged record was kept.".to_owned(),
        (true, _) => format!("All {acknowledged} acknowledged records were kept."),
    }
}

fn were(count: usize) -> &'static str {
    if count == 1 { "was" } else { "were" }
}
