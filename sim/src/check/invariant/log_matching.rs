//! Logs of one partition agree: (a) the same offset and leader epoch is the same batch, always; (b)
//! below both high watermarks two logs are equal; (c) so they are at the end of the trial between the
//! leader and each other member of the controller's ISR.
//!
//! Source: TLA+ kip-966 `LogMatching`, hachikuji `WeakIsr`.
//!
//! False positives avoided: (b) compares only replicas that are in the same leader epoch and of which
//! each is the leader, has taken something from it in this epoch (`Replica::agreed`), or has joined
//! an ISR that the leader adopted. A replica that comes back after an unclean election still has its
//! old high watermark and its old records until its first fetch makes it truncate. The ISR matters
//! where a log that parted from the leader's ends where that ends, so that there is nothing to take:
//! the divergence of KIP-101. (c) needs nothing that a broker only says of itself, so it finds that
//! divergence on a real cluster too, whose records tell of no adopted ISR. Permitted after a power loss
//! that may have undone a truncation.
//!
//! Cost: each pair keeps how far it was found equal, so every batch is compared once per pair.

use super::{Excuses, Findings, Invariant, Moment};
use crate::history::What;
use crate::view::{Batch, PartitionView, Replica};
use ktrial_core::{BrokerId, Event, Offset, TopicPartition};
use std::collections::BTreeMap;

const NAME: &str = "log_matching";

#[derive(Default)]
pub(super) struct LogMatching {
    /// How far each pair of replicas was found equal.
    equal_to: BTreeMap<TopicPartition, BTreeMap<(BrokerId, BrokerId), Offset>>,
}

impl Invariant for LogMatching {
    fn observe(&mut self, moment: &Moment<'_>, excuses: Excuses<'_>, findings: &mut Findings) {
        if let What::FinalLog(log) = &moment.entry.what {
            return at_the_end(log.broker, moment, excuses, findings);
        }
        let (Some((name, partition)), Some((broker, replica))) =
            (moment.partition, moment.replica())
        else {
            return;
        };
        let mut isr: &[BrokerId] = &[];
        match moment.event() {
            Some(Event::Appended { .. }) => {
                same_batch(moment, findings);
                if !self.equal_to.contains_key(name) {
                    self.equal_to.insert(name.clone(), BTreeMap::new());
                }
            }
            Some(Event::HighWatermark { .. }) => {}
            Some(Event::IsrAdopted { isr: adopted, .. }) if replica.role.leads() => isr = adopted,
            Some(Event::Truncated { .. } | Event::LogLoaded { .. }) => {
                let loaded = matches!(moment.event(), Some(Event::LogLoaded { .. }));
                let from = if loaded {
                    replica.changed_by_load().0
                } else {
                    replica.log.end()
                };
                let pairs = self.equal_to.get_mut(name);
                for (pair, equal_to) in pairs.into_iter().flatten() {
                    if pair.0 == broker || pair.1 == broker {
                        *equal_to = (*equal_to).min(from);
                    }
                }
                return;
            }
            _ => return,
        }
        if let Some(pairs) = self.equal_to.get_mut(name) {
            let changed = (broker, replica);
            compare(pairs, changed, partition, isr, |what| {
                let permitted = excuses.happened.is_unsound(name);
                findings.report(NAME, Some(name), Some(moment.at()), permitted, what);
            });
        }
    }
}

/// (a) The batch just appended, against the other replicas.
fn same_batch(moment: &Moment<'_>, findings: &mut Findings) {
    let (Some((name, partition)), Some((broker, replica))) = (moment.partition, moment.replica())
    else {
        return;
    };
    let Some(Event::Appended { base_offset, .. }) = moment.event() else {
        return;
    };
    let Some(batch) = replica.log.batch_at(*base_offset) else {
        return;
    };
    for (other, theirs) in partition.replicas.iter().filter(|other| *other.0 != broker) {
        let Some(theirs) = theirs.log.batch_at(*base_offset) else {
            continue;
        };
        if theirs.epoch == batch.epoch && theirs != batch {
            let what = format!(
                "brokers {broker} and {other} have different batches at offset {base_offset} of leader \
                 epoch {} in {name}",
                batch.epoch
            );
            findings.broken(NAME, name, moment.at(), what);
        }
    }
}

/// (c) A member of the ISR against the leader.
fn at_the_end(
    broker: BrokerId,
    moment: &Moment<'_>,
    excuses: Excuses<'_>,
    findings: &mut Findings,
) {
    let Some((name, partition)) = moment.partition else {
        return;
    };
    let Some(replica) = partition.replicas.get(&broker) else {
        return;
    };
    let committed = partition.committed.as_ref();
    let isr = committed.map_or(&[][..], |state| &state.isr);
    let leader = committed.and_then(|state| state.leader);
    let leader = leader.filter(|leader| *leader != broker && isr.contains(&broker));
    let Some((leader, theirs)) = leader.and_then(|id| Some((id, partition.replicas.get(&id)?)))
    else {
        return;
    };
    let bound = replica.high_watermark.min(theirs.high_watermark);
    let (first, second) = (
        replica.log.from(Offset::ZERO),
        theirs.log.from(Offset::ZERO),
    );
    if let Some(offset) = first_difference(first, second, bound) {
        let what = format!(
            "at the end the logs of brokers {broker} and {leader}, both in the ISR, differ at offset \
             {offset}, below both high watermarks ({} and {})",
            replica.high_watermark, theirs.high_watermark
        );
        let permitted = excuses.happened.is_unsound(name);
        findings.report(NAME, Some(name), Some(moment.at()), permitted, what);
    }
}

/// (b) One replica against those in its leader epoch that have agreed with the leader, or that it has
/// just taken into `isr`.
fn compare(
    pairs: &mut BTreeMap<(BrokerId, BrokerId), Offset>,
    (broker, replica): (BrokerId, &Replica),
    partition: &PartitionView,
    isr: &[BrokerId],
    mut report: impl FnMut(String),
) {
    let epoch = replica.role.epoch();
    if !replica.agreed || epoch.is_none() {
        return;
    }
    for (other, theirs) in partition.replicas.iter().filter(|other| *other.0 != broker) {
        let agreed = theirs.agreed || isr.contains(other);
        if !agreed || theirs.role.epoch() != epoch {
            continue;
        }
        let bound = replica.high_watermark.min(theirs.high_watermark);
        let pair = (broker.min(*other), broker.max(*other));
        let equal_to = pairs.entry(pair).or_insert(Offset::ZERO);
        if *equal_to >= bound {
            continue;
        }
        let first = replica.log.from(*equal_to);
        let second = theirs.log.from(*equal_to);
        if let Some(offset) = first_difference(first, second, bound) {
            report(format!(
                "the logs of brokers {broker} and {other} differ at offset {offset}, below both high \
                 watermarks ({} and {})",
                replica.high_watermark, theirs.high_watermark
            ));
        }
        *equal_to = bound;
    }
}

fn first_difference(first: &[Batch], second: &[Batch], bound: Offset) -> Option<Offset> {
    let mut seconds = second.iter();
    for batch in first.iter().take_while(|batch| batch.base < bound) {
        if seconds.next() != Some(batch) {
            return Some(batch.base);
        }
    }
    let rest = seconds.next().filter(|batch| batch.base < bound);
    rest.map(|batch| batch.base)
}
