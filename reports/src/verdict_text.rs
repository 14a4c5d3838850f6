//! The verdict of one cell as text: the word and why first, then each loss with its chain, outages,
//! findings, the promise, the logs as they ended, and last one line of counts.

use crate::Cell;
use crate::words;
use ktrial_sim::history::FinalRecord;
use ktrial_sim::verdict::{Lost, Verdict};
use std::fmt::Write as _;

/// The verdict of a cell.
pub(crate) fn verdict_text(cell: &Cell) -> String {
    let verdict = &cell.verdict;
    let class = words::class(verdict.verdict).to_uppercase();
    let mut text = format!("verdict {class}: {}\n", verdict.summary);
    for unmet in &cell.unmet {
        let _ = writeln!(text, "  NOT AS EXPECTED: {unmet}");
    }
    for lost in &verdict.lost {
        loss(&mut text, lost);
    }
    for it in &verdict.duplicated {
        let at = words::list(&it.offsets);
        let name = words::partition(&it.topic, it.partition);
        let allowed = permitted(it.permitted);
        let _ = writeln!(
            text,
            "  duplicated {} ({name} offsets {at}), {allowed}",
            it.value
        );
        let _ = writeln!(text, "      {}", it.why);
    }
    outages(&mut text, verdict);
    for it in &verdict.findings {
        let at = it
            .at_ms
            .map_or_else(String::new, |ms| format!(" at {}", words::seconds(ms)));
        let allowed = permitted(it.permitted);
        let _ = writeln!(text, "  finding {}{at}, {allowed}: {}", it.check, it.what);
    }
    promise(&mut text, verdict);
    logs(&mut text, verdict);
    let _ = writeln!(text, "  {}", counts(cell));
    text
}

/// `permitted by the configuration`, or that it is not.
pub(crate) fn permitted(permitted: bool) -> &'static str {
    if permitted {
        "permitted by this configuration"
    } else {
        "NOT permitted by this configuration"
    }
}

/// What was promised, in one phrase.
pub(crate) fn promised(verdict: &Verdict) -> String {
    let may = |promised| if promised { "yes" } else { "no" };
    let promise = &verdict.promise;
    format!(
        "no acknowledged record is lost: {}; none is written twice: {}",
        may(promise.no_loss),
        may(promise.no_duplicates)
    )
}

/// The last line: counts, seed and digest.
pub(crate) fn counts(cell: &Cell) -> String {
    let verdict = &cell.verdict;
    format!(
        "acknowledged {}  failed {}  unknown {}  lost {}  duplicated {}   entries {}  {} {}  {}  digest {}",
        verdict.acknowledged,
        verdict.failed,
        verdict.unknown,
        verdict.lost.len(),
        verdict.duplicated.len(),
        verdict.events,
        took(cell),
        words::seconds(verdict.simulated_ms),
        cell.place(),
        verdict.digest
    )
}

/// What kind of time it took.
fn took(cell: &Cell) -> &'static str {
    if cell.record.header.real.is_some() {
        "took"
    } else {
        "simulated"
    }
}

fn loss(text: &mut String, lost: &Lost) {
    let name = words::partition(&lost.topic, lost.partition);
    let allowed = permitted(lost.permitted);
    let (value, offset) = (&lost.value, lost.offset);
    let _ = writeln!(text, "  lost {value} ({name} offset {offset}), {allowed}");
    let _ = writeln!(text, "      {}", lost.why);
    for link in &lost.chain {
        let _ = writeln!(
            text,
            "      {:>10}  {}",
            words::seconds(link.at_ms),
            link.what
        );
    }
}

fn outages(text: &mut String, verdict: &Verdict) {
    for outage in &verdict.unavailable {
        let name = words::partition(&outage.topic, outage.partition);
        let _ = writeln!(
            text,
            "  {name} unavailable {}",
            words::outage(outage, verdict)
        );
        let _ = writeln!(text, "      {}", outage.why);
    }
}

fn promise(text: &mut String, verdict: &Verdict) {
    let _ = writeln!(text, "  promised: {}", promised(verdict));
    for reason in &verdict.promise.because {
        let _ = writeln!(text, "      {reason}");
    }
}

fn logs(text: &mut String, verdict: &Verdict) {
    let _ = writeln!(text, "  final logs (offset:value@epoch)");
    for (partition, replicas) in &verdict.logs {
        for (broker, records) in replicas {
            let log = words::values(&records.iter().map(record).collect::<Vec<_>>());
            let log = if log.is_empty() { "empty" } else { &log };
            let epochs = verdict.leader_epochs.get(partition);
            let epochs = epochs.and_then(|all| all.get(broker));
            let epochs = epochs.into_iter().flatten();
            let epochs = words::list(epochs.map(|(epoch, start)| format!("{epoch} from {start}")));
            let _ = writeln!(
                text,
                "      {partition}  broker {broker}: {log}   epochs: {epochs}"
            );
        }
    }
}

fn record(record: &FinalRecord) -> String {
    format!("{}:{}@{}", record.offset, record.value, record.epoch)
}
