//! Makes the verdict from the plan and the record.
//!
//! One pass over the entries keeps a [`View`] and feeds the invariants; then the clients' history is
//! judged, the losses are explained (a second pass, only if there are any) and the trial is classified.
//! Nothing here asks core what is right: the checks know Kafka's properties by themselves and use only
//! core's plain data types.
//!
//! | module | what it does |
//! |---|---|
//! | `invariant/` | properties of the cluster after every entry, one file each |
//! | `client/`, `allowed` | what applications may expect, with Jepsen's names |
//! | `liveness/` | what must not stand still for ever |
//! | `promise` | what Kafka promises under the plan |
//! | `happened`, `ledger`, `election` | which of the promise's exceptions took place, for which record |
//! | `explain/` | how records came to be lost, what outages waited for |
//! | `goals` | what the trial has exercised |
//! | `summary` | the class and its sentence |
//!
//! Next: `promise.rs`.

mod allowed;
mod client;
mod election;
mod explain;
mod findings;
pub mod goals;
mod happened;
mod invariant;
mod ledger;
mod liveness;
mod moment;
mod promise;
mod quorum_rules;
#[cfg(test)]
pub(crate) mod story;
mod summary;
#[cfg(test)]
mod tests;

use crate::history::{FinalLog, Record, What};
use crate::plan::Plan;
use crate::verdict::{Lost, Outage, Verdict};
use crate::view::View;
use allowed::Allowed;
use client::{Case, History, LostWrite, Values};
use explain::Outages;
use findings::Findings;
use goals::Goals;
use happened::Happened;
use invariant::{Excuses, Invariant, Invariants};
use ktrial_core::event::SendOutcome;
use ktrial_core::{BrokerId, Event, NodeId, TopicPartition};
use moment::Moment;
use promise::{LossCause, Promises};
use std::collections::BTreeMap;

/// Judges a record.
pub fn judge(plan: &Plan, record: &Record) -> Verdict {
    assess(plan, record, crate::history::codec::digest(record))
}

/// What one pass over the entries gives.
struct Pass<'a> {
    view: View,
    history: History<'a>,
    happened: Happened,
    outages: Vec<Outage>,
    findings: Findings,
    goals: Goals,
    inconclusive: Option<String>,
}

fn assess(plan: &Plan, record: &Record, digest: String) -> Verdict {
    let promises = Promises::new(plan);
    let mut pass = pass(plan, record, &promises);
    let values = Values::new(&pass.view);
    let allowed = Allowed::new(&promises, &pass.view);
    let case = Case {
        plan,
        view: &pass.view,
        history: &pass.history,
        promises: &promises,
        happened: &pass.happened,
        values: &values,
        allowed: &allowed,
    };
    let losses = client::lost_writes(&case);
    let duplicates = client::duplicated(&case);
    client::check_deleted(&case, &mut pass.findings);
    liveness::check(&case, record, &mut pass.findings);
    pass.findings.close(pass.view.deleted_topics());
    client::check(&case, &mut pass.findings);
    let at_the_end = goals::AtTheEnd {
        waiting: client::waiting(&case),
        interleaved: client::interleaved(&case),
    };
    let lost = explain::lost(plan, record, &losses);
    let duplicated = explain::duplicated(record, &pass.view, &duplicates);
    report_records(&lost, &duplicates, &mut pass.findings);
    let findings = pass.findings.finish();
    let permitted = lost.iter().filter(|lost| lost.permitted).count();
    let duplicated_records = duplicated.len();
    let (acknowledged, unknown, failed) = count(&pass.view);
    let causes = causes(&losses);
    let (verdict, summary) = summary::summarise(&summary::Facts {
        acknowledged,
        lost: &lost,
        causes: &causes,
        duplicated: &duplicated,
        outages: &pass.outages,
        findings: &findings,
        inconclusive: pass.inconclusive.as_deref(),
    });
    Verdict {
        settings: plan.cell.clone(),
        verdict,
        summary,
        promise: promises.promise.clone(),
        acknowledged,
        unknown,
        failed,
        lost,
        duplicated,
        unavailable: pass.outages,
        logs: by_partition(&pass.history, |log| log.records.clone()),
        leader_epochs: by_partition(&pass.history, |log| {
            let epochs = log.leader_epochs.iter();
            epochs
                .map(|entry| (entry.epoch.0, entry.offset.0))
                .collect()
        }),
        findings,
        goals: pass.goals.finish(permitted, duplicated_records, at_the_end),
        events: u64::try_from(record.entries.len()).unwrap_or(u64::MAX),
        simulated_ms: simulated_ms(record, &pass.history),
        digest,
    }
}

/// One pass over the entries.
fn pass<'a>(plan: &Plan, record: &'a Record, promises: &Promises) -> Pass<'a> {
    let mut view = View::new(plan);
    let mut history = History::default();
    let mut happened = Happened::default();
    let mut invariants = Invariants::new(record.header.real.is_some());
    let mut outages = Outages::default();
    let mut findings = Findings::default();
    let mut goals = Goals::default();
    let mut inconclusive = None;
    for entry in &record.entries {
        if matches!(entry.what, What::Delivered(_) | What::Dropped { .. }) {
            continue;
        }
        view.apply(entry);
        let named = moment::named_partition(&entry.what);
        let broker = match &entry.what {
            What::FinalLog(log) => Some(log.broker),
            _ => entry.node.and_then(NodeId::broker),
        };
        let deleted = named.is_some_and(|name| view.has_deleted(name, broker));
        if !(deleted && matches!(entry.what, What::FinalLog(_))) {
            history.observe(plan, entry);
        }
        inconclusive = inconclusive.or_else(|| summary::inconclusive(plan, &entry.what));
        let written;
        let name = match &entry.what {
            What::Event(Event::MetadataWritten { record, .. }) => {
                written = view.partition_of(record);
                written.as_ref()
            }
            _ => named.filter(|_| !deleted),
        };
        let moment = Moment {
            view: &view,
            entry,
            partition: name.and_then(|name| Some((name, view.partition(name)?))),
        };
        goals.observe(&moment);
        let elected = happened.observe(promises, &moment);
        let excuses = Excuses {
            promises,
            happened: &happened,
            elected,
        };
        invariants.observe(&moment, excuses, &mut findings);
        outages.observe(plan, &moment);
    }
    if history.ended.is_none() {
        inconclusive.get_or_insert("The record has no end.".to_owned());
    }
    Pass {
        view,
        history,
        happened,
        outages: outages.finish(),
        findings,
        goals,
        inconclusive,
    }
}

/// Lost and duplicated records as findings, a few per partition.
fn report_records(lost: &[Lost], duplicates: &[client::Duplicate<'_>], findings: &mut Findings) {
    // Those that nothing permits first, so that they are not left out.
    let (permitted, broken): (Vec<&Lost>, Vec<&Lost>) = lost.iter().partition(|l| l.permitted);
    for lost in broken.into_iter().chain(permitted) {
        let partition = TopicPartition::new(lost.topic.clone(), lost.partition);
        let what = format!(
            "{} at {partition} offset {} was lost",
            lost.value, lost.offset
        );
        findings.report("lost_write", Some(&partition), None, lost.permitted, what);
    }
    let mut duplicates: Vec<_> = duplicates.iter().collect();
    duplicates.sort_by_key(|duplicate| duplicate.permitted);
    for duplicate in duplicates {
        let offsets: Vec<String> = duplicate.offsets.iter().map(ToString::to_string).collect();
        let (value, partition) = (duplicate.value, duplicate.partition);
        let what = format!(
            "{value} is at offsets {} of {partition}",
            offsets.join(", ")
        );
        findings.report(
            "duplicate",
            Some(partition),
            None,
            duplicate.permitted,
            what,
        );
    }
}

/// Acknowledged, unknown and failed sends.
fn count(view: &View) -> (u64, u64, u64) {
    let mut counts = (0, 0, 0);
    for operation in view.operations().list() {
        match operation.ended {
            Some((_, SendOutcome::Acknowledged { .. })) => counts.0 += 1,
            Some((_, SendOutcome::Failed(_))) => counts.2 += 1,
            Some((_, SendOutcome::Sent | SendOutcome::Unknown(_))) | None => counts.1 += 1,
        }
    }
    counts
}

/// What permitted the losses, each once.
fn causes(losses: &[LostWrite<'_>]) -> Vec<LossCause> {
    let mut causes: Vec<LossCause> = losses.iter().filter_map(|lost| lost.cause).collect();
    causes.sort();
    causes.dedup();
    causes
}

fn by_partition<T>(
    history: &History<'_>,
    part: impl Fn(&FinalLog) -> T,
) -> BTreeMap<TopicPartition, BTreeMap<BrokerId, T>> {
    let logs = history.logs.iter().map(|(partition, logs)| {
        let parts = logs.iter().map(|(broker, log)| (*broker, part(log)));
        ((*partition).clone(), parts.collect())
    });
    logs.collect()
}

fn simulated_ms(record: &Record, history: &History<'_>) -> u64 {
    let last = record.entries.last().map(|entry| entry.at);
    let ended = history.ended.map(|(at, _)| at);
    ended.or(last).unwrap_or_default().as_millis()
}
