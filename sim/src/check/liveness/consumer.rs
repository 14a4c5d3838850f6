//! `stuck_consumer`: a consumer runs, is assigned a partition that serves, and does not read on to the high
//! watermark.
//!
//! Its position is after the last record that it handed out, or where it was set last.
//!
//! False positives avoided: a consumer without a position, or that told its application that it cannot go
//! on (no reset policy, a record that is corrupt), waits for its application. One that was ever stopped,
//! frozen or assigned anew is not judged. Asked is only when nothing has changed for longer than a lost
//! request takes to be repeated.

use super::{Case, Findings, long_at_rest, serves};
use crate::history::{Record, What};
use crate::view::View;
use ktrial_core::{ClientId, Event, NodeId, Offset, TopicPartition};
use std::collections::BTreeMap;

type Positions<'a> = BTreeMap<(NodeId, &'a TopicPartition), Option<Offset>>;

pub(super) fn check(case: &Case<'_>, record: &Record, findings: &mut Findings) {
    if !long_at_rest(case) || case.plan.consumers.is_empty() {
        return;
    }
    let positions = positions(record);
    for (index, consumer) in case.plan.consumers.iter().enumerate() {
        let number = u32::try_from(case.plan.producers.len() + index).unwrap_or(u32::MAX);
        let client = NodeId::Client(ClientId(number));
        if case.history.troubled.contains(&client) {
            continue;
        }
        for name in &consumer.assign {
            let position = positions.get(&(client, name)).copied().flatten();
            let behind = position.and_then(|at| Some((at, high_watermark(case.view, name)?)));
            let Some((at, high_watermark)) = behind.filter(|(at, end)| at < end) else {
                continue;
            };
            if serves(case, name) {
                let what = format!(
                    "{} stays at offset {at} of {name}, whose high watermark is {high_watermark}",
                    consumer.name
                );
                findings.report("stuck_consumer", Some(name), None, false, what);
            }
        }
    }
}

fn high_watermark(view: &View, name: &TopicPartition) -> Option<Offset> {
    let (_, leader) = view.partition(name)?.leader()?;
    Some(leader.high_watermark)
}

/// Where each consumer is; `None` = it waits for its application.
fn positions(record: &Record) -> Positions<'_> {
    let mut positions = Positions::new();
    for entry in &record.entries {
        let (What::Event(event), Some(client)) = (&entry.what, entry.node) else {
            continue;
        };
        match event {
            Event::Polled { records } => {
                for record in records {
                    let next = Some(record.offset.next());
                    positions.insert((client, &record.partition), next);
                }
            }
            Event::PositionReset { partition, to, .. } => {
                positions.insert((client, partition), *to);
            }
            Event::FetchFailed { partition, .. } => {
                positions.insert((client, partition), None);
            }
            _ => {}
        }
    }
    positions
}
