//! Checks on what the applications were told and what the disks hold at the end, with the names of
//! Jepsen's Kafka workload (`jepsen.tests.kafka`), for single sends and for polls with `assign`.
//!
//! | class | exact meaning here | file |
//! |---|---|---|
//! | `lost_write` | an acknowledged value (acks other than 0) that is not in the log that counts at the end | `lost_write.rs` |
//! | `duplicate` | a value at more than one offset of that log | `duplicate.rs` |
//! | `aborted_read` | a value whose send certainly failed is in a log or was read (G1a) | `aborted_read.rs` |
//! | `inconsistent_offsets` | an offset with two values, over acknowledgements and polls | `inconsistent_offsets.rs` |
//! | `int_nonmonotonic_poll`, `int_poll_skip` | in one poll, a partition's next record is not after the last one, or leaves out a known one | `poll_order.rs` |
//! | `nonmonotonic_poll`, `poll_skip` | the same, from the last record of a poll to the first of a later one | `poll_order.rs` |
//! | `int_nonmonotonic_send` | of the values that one step sends, a later one is acknowledged at a lower offset | `send_order.rs` |
//! | `nonmonotonic_send` | the same, for values of different steps | `send_order.rs` |
//! | `int_send_skip` | others' records between two of one step: counted as a goal | `send_order.rs` |
//! | `unseen` | an acknowledged value that is still there and that a consumer should have got | `unseen.rs` |
//!
//! `allowed.rs` says which configuration allows which. Jepsen's `precommitted_read` (a client reads what it
//! has not committed yet) and its cycles of dependencies (`G0`, `G1c` and the others of Elle) are about
//! transactions and come with them.
//!
//! We are omniscient where Jepsen is not: it deduces losses from reads (a value below the highest one read
//! that nobody read), we look at the disks, which shows those above it too; and what was read and is gone
//! later is `consistent_read`. Unknown
//! outcomes stay unknown: such a value may be there or not, once.
//!
//! The log that counts (`Authority`): the leader's; with no leader at the end, or one whose process is gone
//! or has not taken up its leadership, those of the replicas that may become leader. A record that only a
//! stopped eligible replica holds is waiting, not lost.

mod aborted_read;
mod duplicate;
mod inconsistent_offsets;
mod lost_write;
mod poll_order;
mod resurrected;
mod send_order;
mod unseen;

pub(super) use duplicate::{Duplicate, duplicated};
pub(super) use lost_write::{LostWrite, lost_writes};
pub(super) use send_order::interleaved;

use super::allowed::Allowed;
use super::findings::Findings;
use super::happened::Happened;
use super::promise::Promises;
use crate::history::{EndReason, Entry, FinalLog, What};
use crate::plan::{Action, Plan};
use crate::view::{Operation, View};
use ktrial_core::event::{ResetCause, SendOutcome};
use ktrial_core::{BrokerId, Event, NodeId, Offset, Timestamp, TopicPartition};
use std::collections::{BTreeMap, BTreeSet};
use xxhash_rust::xxh3::xxh3_64;

/// A step of a consumer's reading.
pub(super) enum Read<'a> {
    /// It got a record.
    Record {
        client: NodeId,
        /// In which poll, counted over all consumers.
        poll: usize,
        partition: &'a TopicPartition,
        offset: Offset,
        value: &'a str,
        at: Timestamp,
    },
    /// It begins anew (its process started, or its partitions were assigned): with all partitions, or
    /// with this one.
    Anew {
        client: NodeId,
        partition: Option<&'a TopicPartition>,
    },
}

/// What the clients were told, and the disks at the end; borrowed from the record.
#[derive(Default)]
pub(super) struct History<'a> {
    pub(super) reads: Vec<Read<'a>>,
    polls: usize,
    pub(super) logs: BTreeMap<&'a TopicPartition, BTreeMap<BrokerId, &'a FinalLog>>,
    pub(super) ended: Option<(Timestamp, EndReason)>,
    /// Clients whose process was ever stopped, frozen, started again or given other partitions.
    pub(super) troubled: BTreeSet<NodeId>,
    started: BTreeSet<NodeId>,
    /// When the steps were done.
    pub(super) steps_done: Option<Timestamp>,
    /// What is wrong with links, disks and clocks, by step: since when it is over.
    disturbed: BTreeMap<usize, Option<Timestamp>>,
}

impl<'a> History<'a> {
    pub(super) fn observe(&mut self, plan: &Plan, entry: &'a Entry) {
        match (&entry.what, entry.node) {
            (What::Event(Event::Polled { records }), Some(client)) => {
                self.polls += 1;
                let poll = self.polls;
                let reads = records.iter().map(|record| Read::Record {
                    client,
                    poll,
                    partition: &record.partition,
                    offset: record.offset,
                    value: &record.value,
                    at: entry.at,
                });
                self.reads.extend(reads);
            }
            (
                What::Event(Event::PositionReset {
                    partition,
                    cause: ResetCause::NoPosition,
                    ..
                }),
                Some(client),
            ) => {
                let partition = Some(partition);
                self.reads.push(Read::Anew { client, partition });
            }
            (What::ProcessStopped { .. } | What::ProcessPaused, Some(client)) => {
                self.troubled.insert(client);
            }
            (What::ProcessStarted, Some(client)) if matches!(client, NodeId::Client(_)) => {
                if !self.started.insert(client) {
                    self.troubled.insert(client);
                }
                self.reads.push(Read::Anew {
                    client,
                    partition: None,
                });
            }
            (
                What::Step {
                    index,
                    action: Some(action),
                },
                _,
            ) => self.step(plan, *index, action),
            (What::FaultEffect { step, .. }, _) => {
                if let Some(over) = self.disturbed.get_mut(step) {
                    over.get_or_insert(entry.at);
                }
            }
            (What::StepsDone, _) => {
                self.steps_done = Some(entry.at);
                if plan.recovery.is_some() {
                    self.disturbed.clear();
                }
            }
            (What::Ended { reason }, _) => self.ended = Some((entry.at, *reason)),
            (What::FinalLog(log), _) => {
                let logs = self.logs.entry(&log.partition).or_default();
                logs.insert(log.broker, log);
            }
            _ => {}
        }
    }

    /// Nothing is wrong with any link, disk or clock at the end. (What lasts until then is told of when
    /// the trial ends.)
    pub(super) fn undisturbed(&self) -> bool {
        let end = self.ended.map(|(at, _)| at);
        let mut faults = self.disturbed.values();
        faults.all(|over| over.is_some_and(|over| Some(over) < end))
    }

    fn step(&mut self, plan: &Plan, index: usize, action: &Action) {
        match action {
            Action::Link { .. } | Action::Clock { .. } => {
                self.disturbed.insert(index, None);
            }
            Action::Disk { fault, .. } if !fault.is_instant() => {
                self.disturbed.insert(index, None);
            }
            Action::Heal => {
                let link = |step: &usize| {
                    let action = plan.step(*step).and_then(|step| step.action.as_ref());
                    matches!(action, Some(Action::Link { .. }))
                };
                self.disturbed.retain(|step, _| !link(step));
            }
            Action::Assign { consumer, .. } => {
                let index = plan.consumers.iter().position(|c| c.name == *consumer);
                let number =
                    index.and_then(|index| u32::try_from(plan.producers.len() + index).ok());
                if let Some(number) = number {
                    let client = NodeId::Client(ktrial_core::ClientId(number));
                    self.troubled.insert(client);
                    self.reads.push(Read::Anew {
                        client,
                        partition: None,
                    });
                }
            }
            _ => {}
        }
    }
}

/// Everything that the checks at the end look at.
#[derive(Clone, Copy)]
pub(super) struct Case<'a> {
    pub(super) plan: &'a Plan,
    pub(super) view: &'a View,
    pub(super) history: &'a History<'a>,
    pub(super) promises: &'a Promises,
    pub(super) happened: &'a Happened,
    pub(super) values: &'a Values,
    pub(super) allowed: &'a Allowed,
}

impl<'a> Case<'a> {
    /// The brokers whose logs count for a partition at the end.
    pub(super) fn authority(&self, partition: &TopicPartition) -> Vec<BrokerId> {
        let state = self.view.partition(partition);
        let Some(committed) = state.and_then(|state| state.committed.as_ref()) else {
            return Vec::new();
        };
        if let Some(leader) = committed.leader {
            let replica = state.and_then(|state| state.replicas.get(&leader));
            let epoch = replica.and_then(|replica| replica.role.epoch());
            if epoch == Some(committed.leader_epoch) {
                return vec![leader];
            }
        }
        let eligible = super::explain::eligible(self.plan, self.view, partition);
        if eligible.is_empty() {
            committed.replicas.clone()
        } else {
            eligible
        }
    }

    /// The logs that count for a partition at the end.
    pub(super) fn logs_that_count(&self, partition: &TopicPartition) -> Vec<&'a FinalLog> {
        let Some(logs) = self.history.logs.get(partition) else {
            return Vec::new();
        };
        let brokers = self.authority(partition);
        brokers
            .iter()
            .filter_map(|broker| logs.get(broker).copied())
            .collect()
    }

    /// Whether a loss that the configuration allows explains an oddity that a client saw.
    pub(super) fn loss_permitted(&self, partition: &TopicPartition) -> bool {
        self.allowed.loss(self, partition)
    }

    /// Whether a loss that is excused explains what a consumer got, or did not get.
    pub(super) fn reading_excused(&self, partition: &TopicPartition) -> bool {
        Allowed::reading(self, partition)
    }
}

/// The partition that an operation went to, if known.
pub(super) fn partition_of(operation: &Operation) -> Option<TopicPartition> {
    let partition = operation.partition?;
    let topic = operation.topic.clone();
    Some(TopicPartition { topic, partition })
}

/// Finds the send of a value. Sorted hashes, for values are long and there are many.
pub(super) struct Values(Vec<(u64, usize)>);

impl Values {
    pub(super) fn new(view: &View) -> Self {
        let operations = view.operations().list().iter().enumerate();
        let mut hashes: Vec<(u64, usize)> = operations
            .map(|(index, operation)| (xxh3_64(operation.value.as_bytes()), index))
            .collect();
        hashes.sort_unstable();
        Self(hashes)
    }

    pub(super) fn find<'v>(&self, view: &'v View, value: &str) -> Option<(usize, &'v Operation)> {
        let hash = xxh3_64(value.as_bytes());
        let first = self.0.partition_point(|entry| entry.0 < hash);
        let same = self
            .0
            .get(first..)?
            .iter()
            .take_while(|entry| entry.0 == hash);
        let mut found = same.filter_map(|(_, index)| {
            let operation = view.operations().list().get(*index)?;
            (*operation.value == *value).then_some((*index, operation))
        });
        found.next()
    }
}

/// How many acknowledged records wait in the logs of partitions that nobody leads.
pub(super) fn waiting(case: &Case<'_>) -> usize {
    let leaderless = case.view.partitions().filter(|(_, partition)| {
        let committed = partition.committed.as_ref();
        committed.is_some_and(|committed| committed.leader.is_none())
    });
    let logs = leaderless.map(|(name, _)| case.logs_that_count(name));
    let records = logs.filter_map(|logs| logs.into_iter().max_by_key(|log| log.records.len()));
    let values = records.flat_map(|log| &log.records);
    let waiting = values.filter(|record| {
        let found = case.values.find(case.view, &record.value);
        found.is_some_and(|(_, operation)| operation.acknowledged())
    });
    waiting.count()
}

/// Looks for records of topics that were deleted.
pub(super) fn check_deleted(case: &Case<'_>, findings: &mut Findings) {
    resurrected::check(case, findings);
}

/// Runs the checks whose result is findings only.
pub(super) fn check(case: &Case<'_>, findings: &mut Findings) {
    aborted_read::check(case, findings);
    inconsistent_offsets::check(case, findings);
    poll_order::check(case, findings);
    send_order::check(case, findings);
    unseen::check(case, findings);
}

/// The offset that an acknowledgement named.
fn acknowledged_offset(operation: &Operation) -> Option<Offset> {
    match operation.ended {
        Some((_, SendOutcome::Acknowledged { offset })) => offset,
        _ => None,
    }
}
