//! A replica's high watermark is within its log; a leader's never falls while it leads, and is never
//! above the log of a member of the ISR that the controller committed.
//!
//! Source: hachikuji `AsyncIsr.ValidHighWatermark` (every member of the controller's ISR has the
//! leader's high watermark), Kafka's simulation `MonotonicHighWatermark`.
//!
//! False positives avoided, for the last part: a stale leader (the controller has another one, or
//! another epoch) may believe in an old ISR; a member that has not taken anything from this leader in
//! this epoch (it restarts, or lost records with its power and is about to leave the ISR) says nothing
//! about what the leader was told. A follower's high watermark may fall.

use super::{Excuses, Findings, Invariant, Moment};
use crate::view::{PartitionView, Replica, Role};
use ktrial_core::{BrokerId, Event, TopicPartition};

const NAME: &str = "high_watermark_bounds";

#[derive(Default)]
pub(super) struct HighWatermarkBounds;

impl Invariant for HighWatermarkBounds {
    fn observe(&mut self, moment: &Moment<'_>, _: Excuses<'_>, findings: &mut Findings) {
        let (Some((name, partition)), Some((broker, replica))) =
            (moment.partition, moment.replica())
        else {
            return;
        };
        let mut report = |permitted, what| {
            findings.report(NAME, Some(name), Some(moment.at()), permitted, what);
        };
        match moment.event() {
            Some(Event::LogLoaded { .. }) => within(name, broker, replica, &mut report),
            Some(Event::HighWatermark { .. }) => {
                within(name, broker, replica, &mut report);
                if replica.role.leads() {
                    rises(name, broker, replica, &mut report);
                    on_every_member(name, (broker, replica), partition, &mut report);
                }
            }
            _ => {}
        }
    }
}

fn within(
    name: &TopicPartition,
    broker: BrokerId,
    replica: &Replica,
    report: &mut dyn FnMut(bool, String),
) {
    let (start, end) = (replica.log.start(), replica.log.end());
    let high_watermark = replica.high_watermark;
    if high_watermark < start || high_watermark > end {
        report(
            false,
            format!(
                "broker {broker} has high watermark {high_watermark} on {name}, outside its log [{start}, {end})"
            ),
        );
    }
}

fn rises(
    name: &TopicPartition,
    broker: BrokerId,
    replica: &Replica,
    report: &mut dyn FnMut(bool, String),
) {
    let (before, now) = (replica.previous_high_watermark, replica.high_watermark);
    if now < before {
        report(
            false,
            format!(
                "the high watermark of {name} fell from {before} to {now} while broker {broker} led"
            ),
        );
    }
}

fn on_every_member(
    name: &TopicPartition,
    (leader, replica): (BrokerId, &Replica),
    partition: &PartitionView,
    report: &mut dyn FnMut(bool, String),
) {
    let Some(committed) = &partition.committed else {
        return;
    };
    let epoch = committed.leader_epoch;
    if committed.leader != Some(leader) || replica.role.epoch() != Some(epoch) {
        return;
    }
    for member in &committed.isr {
        let Some(follower) = partition.replicas.get(member) else {
            continue;
        };
        let follows = follower.role == Role::Follower(epoch, Some(leader)) && follower.agreed;
        if follows && follower.log.end() < replica.high_watermark {
            let permitted = !replica.isr.contains(member) && replica.proposed.contains(member);
            report(
                permitted,
                format!(
                    "leader {leader} of {name} has high watermark {}, but broker {member}, a member of the \
                 ISR, has its log's end at {}",
                    replica.high_watermark,
                    follower.log.end()
                ),
            );
        }
    }
}
