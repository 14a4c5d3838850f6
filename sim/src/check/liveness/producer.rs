//! `stuck_producer`: a send has no end. Either its time is long over, whatever happened; or the partition
//! it goes to serves, with enough members in the ISR, and nothing has changed for a long time.
//!
//! Rule: `delivery.timeout.ms` bounds a send, after up to `max.block.ms` for metadata.
//!
//! Source: KIP-91; TLA+ kip-966 `EventuallyWriteIsAcceptedOrRejected`.
//!
//! False positives avoided: only producers whose process always ran. The second rule needs a cluster of
//! which progress may be demanded, and twice the request timeout without any change.

use super::{Case, Findings, demanded, serves};
use crate::check::client::partition_of;
use crate::view::Operation;
use ktrial_core::Timestamp;
use ktrial_core::config::Acks;
use std::time::Duration;

const NAME: &str = "stuck_producer";
/// For the last request under way, and for the wake that ends it.
const SLACK: Duration = Duration::from_secs(5);

pub(super) fn check(case: &Case<'_>, findings: &mut Findings) {
    let Some((end, _)) = case.history.ended else {
        return;
    };
    if case.view.operations().pending() == 0 {
        return;
    }
    let demanded = demanded(case);
    let operations = case.view.operations().list().iter();
    for operation in operations.filter(|operation| operation.ended.is_none()) {
        if case.history.troubled.contains(&operation.client) {
            continue;
        }
        let Some(problem) = problem(case, operation, end, demanded) else {
            continue;
        };
        let partition = partition_of(operation);
        let (value, at) = (&operation.value, operation.started);
        let what = format!(
            "the send of {value}, begun at {} ms, {problem}",
            at.as_millis()
        );
        findings.report(NAME, partition.as_ref(), None, false, what);
    }
}

fn problem(
    case: &Case<'_>,
    operation: &Operation,
    end: Timestamp,
    demanded: bool,
) -> Option<&'static str> {
    let config = case.promises.producer(operation.client)?;
    let bound = config.max_block + config.delivery_timeout + config.request_timeout + SLACK;
    if end.since(operation.started) > bound {
        return Some("has no end long after delivery.timeout.ms");
    }
    let partition = partition_of(operation).filter(|_| demanded)?;
    let change = case.view.last_change().max(case.history.steps_done?);
    let waited = end.since(change) > 2 * config.request_timeout + SLACK;
    let committed = case.view.partition(&partition)?.committed.as_ref()?;
    let needed = match config.acks {
        Acks::All => case.view.settings().min_insync_replicas(&partition.topic),
        Acks::None | Acks::Leader => 1,
    };
    let needed = usize::try_from(needed).unwrap_or(usize::MAX);
    let enough = committed.isr.len() >= needed.min(committed.replicas.len());
    let stuck = waited && enough && serves(case, &partition);
    stuck.then_some("has no end although its partition serves")
}
