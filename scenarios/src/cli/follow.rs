//! What became of one record: its send, the batches that hold it, its acknowledgement, what cut it off,
//! who read it, and the logs at the end.
//!
//! Rule: a record is known by partition, offset and leader epoch, for an offset may hold another record
//! after a truncation. Polls and final logs say all three; an acknowledgement says the offset, and the
//! newest batch there tells the epoch.
//!
//! Next: `replay.rs`.

use ktrial_core::event::SendOutcome;
use ktrial_core::{Event, LeaderEpoch, NodeId, Offset, OperationId, TopicPartition};
use ktrial_sim::history::{Record, What};
use ktrial_sim::plan::Action;
use std::collections::BTreeSet;

/// Where a record is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    partition: TopicPartition,
    offset: Offset,
    epoch: LeaderEpoch,
}

/// The places of all entries about the record of a value.
pub(super) fn entries(value: &str, record: &Record) -> BTreeSet<usize> {
    let (sends, places) = find(value, record);
    let mut follow = Follow {
        value,
        sends,
        pending: BTreeSet::new(),
        holders: BTreeSet::new(),
        places,
    };
    let entries = record.entries.iter().enumerate();
    let about = entries.filter(|(_, entry)| follow.is_about(entry.node, &entry.what));
    about.map(|(place, _)| place).collect()
}

type Sends = BTreeSet<(NodeId, OperationId)>;

/// The sends of a value, and where it ever was.
fn find(value: &str, record: &Record) -> (Sends, BTreeSet<Place>) {
    let mut sends = Sends::new();
    let mut batches: Vec<(&TopicPartition, Offset, Offset, LeaderEpoch)> = Vec::new();
    let mut places = BTreeSet::new();
    let mut add = |partition: &TopicPartition, offset, epoch| {
        places.insert(Place {
            partition: partition.clone(),
            offset,
            epoch,
        });
    };
    for entry in &record.entries {
        match (&entry.what, entry.node) {
            (
                What::Event(Event::SendStarted {
                    operation,
                    value: v,
                    ..
                }),
                Some(node),
            ) if v == value => {
                sends.insert((node, *operation));
            }
            (
                What::Event(Event::Appended {
                    partition,
                    base_offset,
                    last_offset,
                    leader_epoch,
                    ..
                }),
                _,
            ) => {
                batches.push((partition, *base_offset, *last_offset, *leader_epoch));
            }
            (
                What::Event(Event::SendEnded {
                    operation,
                    partition: Some(partition),
                    outcome: SendOutcome::Acknowledged { offset: Some(at) },
                }),
                Some(node),
            ) if sends.contains(&(node, *operation)) => {
                let mut newest = batches.iter().rev();
                let there = newest
                    .find(|(of, base, last, _)| *of == partition && (*base..=*last).contains(at));
                if let Some((.., epoch)) = there {
                    add(partition, *at, *epoch);
                }
            }
            (What::Event(Event::Polled { records }), _) => {
                for polled in records.iter().filter(|polled| polled.value == value) {
                    add(&polled.partition, polled.offset, polled.leader_epoch);
                }
            }
            (What::FinalLog(log), _) => {
                for left in log.records.iter().filter(|left| left.value == value) {
                    add(&log.partition, left.offset, left.epoch);
                }
            }
            _ => {}
        }
    }
    (sends, places)
}

/// The second pass over the record.
struct Follow<'a> {
    value: &'a str,
    sends: Sends,
    /// Sends that have not ended.
    pending: BTreeSet<NodeId>,
    places: BTreeSet<Place>,
    /// Who has it now, and where.
    holders: BTreeSet<(NodeId, Place)>,
}

impl Follow<'_> {
    fn is_about(&mut self, node: Option<NodeId>, what: &What) -> bool {
        match what {
            What::Step {
                action: Some(action),
                ..
            } => {
                matches!(&**action, Action::Send { values, .. } if values.iter().any(|v| v == self.value))
            }
            What::FinalLog(log) => self
                .places
                .iter()
                .any(|place| place.partition == log.partition),
            What::Event(event) => node.is_some_and(|node| self.event(node, event)),
            _ => false,
        }
    }

    fn event(&mut self, node: NodeId, event: &Event) -> bool {
        match event {
            Event::SendStarted { operation, .. } => {
                let ours = self.sends.contains(&(node, *operation));
                if ours {
                    self.pending.insert(node);
                }
                ours
            }
            Event::SendEnded { operation, .. } => {
                let ours = self.sends.contains(&(node, *operation));
                if ours {
                    self.pending.remove(&node);
                }
                ours
            }
            Event::SendRetried { partition, .. } => {
                let there = self
                    .places
                    .iter()
                    .any(|place| place.partition == *partition);
                there && self.pending.contains(&node)
            }
            Event::Appended {
                partition,
                base_offset,
                last_offset,
                leader_epoch,
                ..
            } => {
                let there = self.places.iter().find(|place| {
                    place.partition == *partition
                        && (*base_offset..=*last_offset).contains(&place.offset)
                        && place.epoch == *leader_epoch
                });
                there.cloned().is_some_and(|place| {
                    self.holders.insert((node, place));
                    true
                })
            }
            Event::Truncated { partition, to, .. } => self.cut(node, partition, *to),
            Event::LogLoaded {
                partition,
                log_end_offset,
                ..
            } => self.cut(node, partition, *log_end_offset),
            Event::Polled { records } => records.iter().any(|polled| polled.value == self.value),
            _ => false,
        }
    }

    /// A log ends here now; whether that took the record away.
    fn cut(&mut self, node: NodeId, partition: &TopicPartition, end: Offset) -> bool {
        let before = self.holders.len();
        self.holders.retain(|(holder, place)| {
            *holder != node || place.partition != *partition || place.offset < end
        });
        self.holders.len() < before
    }
}
