//! A second pass over the record, made only when records were lost: gathers what happened to their
//! partitions, and for each lost record how things stood when it was acknowledged.

use crate::check::client::LostWrite;
use crate::history::{Entry, Record, What};
use crate::plan::{Plan, StopKind};
use crate::view::{PartitionView, View};
use ktrial_core::event::{Candidate, ElectionRule, TruncationCause};
use ktrial_core::metadata::MetadataRecord;
use ktrial_core::{BrokerId, Event, LeaderEpoch, NodeId, Offset, Timestamp, TopicPartition};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Something that happened to a partition.
pub(super) struct Happening<'a> {
    pub(super) at: Timestamp,
    pub(super) what: Happened<'a>,
}

/// What can happen to a partition that matters for its records.
pub(super) enum Happened<'a> {
    /// The controller wrote another ISR.
    Isr(Vec<BrokerId>),
    /// A replica's process is gone.
    Stopped {
        broker: BrokerId,
        how: Option<StopKind>,
        end: Offset,
        recovery_point: Offset,
    },
    /// A replica's process is back.
    Started(BrokerId),
    /// A leader was found, or not.
    Elected {
        leader: Option<BrokerId>,
        rule: ElectionRule,
        candidates: &'a [Candidate],
        /// The log's end of the leader.
        end: Offset,
    },
    /// A log was cut.
    Truncated {
        broker: BrokerId,
        from: Offset,
        to: Offset,
        cause: TruncationCause,
    },
    /// A log was shorter when it was loaded.
    Shortened {
        broker: BrokerId,
        from: Offset,
        to: Offset,
    },
}

impl Happened<'_> {
    /// The broker that lost the end of its log by this, and which offsets.
    fn removal(&self) -> Option<(BrokerId, Range<Offset>)> {
        match self {
            Self::Truncated {
                broker, from, to, ..
            }
            | Self::Shortened { broker, from, to } => Some((*broker, *to..*from)),
            _ => None,
        }
    }
}

/// How things stood when a record was acknowledged, and what became of it.
#[derive(Default)]
pub(super) struct Fate {
    /// How many happenings of its partition were before.
    pub(super) before: usize,
    pub(super) at: Timestamp,
    pub(super) leader: Option<BrokerId>,
    pub(super) epoch: Option<LeaderEpoch>,
    pub(super) isr: Vec<BrokerId>,
    pub(super) high_watermark: Offset,
    /// Who had it: the flushed ones with true.
    pub(super) holders: Vec<(BrokerId, bool)>,
    /// Who has a copy of it, as far as the record is told.
    copies: BTreeSet<BrokerId>,
    /// The happenings that removed a copy, and whose.
    pub(super) removals: Vec<(usize, BrokerId)>,
    /// The happening that made a broker without it leader.
    pub(super) led_without: Option<usize>,
    /// Who read it, when.
    pub(super) readers: Vec<(Timestamp, NodeId)>,
}

impl Fate {
    /// The broker whose copy a happening removed.
    pub(super) fn removed_by(&self, happening: usize) -> Option<BrokerId> {
        let found = self.removals.iter().find(|(index, _)| *index == happening);
        found.map(|(_, broker)| *broker)
    }
}

/// Where lost records were: by partition and offset, their places in the list of losses.
type Places = BTreeMap<TopicPartition, BTreeMap<Offset, Vec<usize>>>;

/// The facts of all losses.
pub(super) struct Trace<'a> {
    places: Places,
    pub(super) happenings: BTreeMap<TopicPartition, Vec<Happening<'a>>>,
    /// One per lost record.
    pub(super) fates: Vec<Fate>,
}

impl<'a> Trace<'a> {
    pub(super) fn new(plan: &Plan, record: &'a Record, lost: &[LostWrite<'_>]) -> Self {
        let mut places = Places::new();
        for (index, lost) in lost.iter().enumerate() {
            let of_partition = places.entry(lost.partition.clone()).or_default();
            of_partition.entry(lost.offset).or_default().push(index);
        }
        let mut trace = Self {
            places,
            happenings: lost
                .iter()
                .map(|lost| (lost.partition.clone(), Vec::new()))
                .collect(),
            fates: lost.iter().map(|_| Fate::default()).collect(),
        };
        let by_id = lost.iter().enumerate();
        let by_id: BTreeMap<_, _> = by_id
            .map(|(index, lost)| (lost.operation.id, index))
            .collect();
        let by_value = lost.iter().enumerate();
        let by_value: BTreeMap<&str, usize> = by_value
            .map(|(index, lost)| (&*lost.operation.value, index))
            .collect();
        let mut view = View::new(plan);
        for entry in &record.entries {
            view.apply(entry);
            match (&entry.what, entry.node) {
                (What::Event(Event::SendEnded { operation, .. }), _) => {
                    if let Some(index) = by_id.get(operation) {
                        trace.acknowledged(&view, entry.at, *index, lost);
                    }
                }
                (What::Event(Event::Polled { records }), Some(client)) => {
                    for record in records {
                        let fate = by_value.get(record.value.as_str());
                        let fate = fate.and_then(|index| trace.fates.get_mut(*index));
                        if let Some(fate) = fate {
                            fate.readers.push((entry.at, client));
                        }
                    }
                }
                _ => trace.happened(&view, entry, lost),
            }
        }
        trace
    }

    fn acknowledged(&mut self, view: &View, at: Timestamp, index: usize, lost: &[LostWrite<'_>]) {
        let (Some(fate), Some(lost)) = (self.fates.get_mut(index), lost.get(index)) else {
            return;
        };
        fate.at = at;
        fate.before = self.happenings.get(&lost.partition).map_or(0, Vec::len);
        let Some(partition) = view.partition(&lost.partition) else {
            return;
        };
        let committed = partition.committed.as_ref();
        fate.isr = committed
            .map(|committed| committed.isr.clone())
            .unwrap_or_default();
        let Some((leader, epoch, high_watermark)) = acknowledger(partition, lost.offset) else {
            return;
        };
        fate.leader = Some(leader);
        fate.epoch = Some(epoch);
        fate.high_watermark = high_watermark;
        let replicas = partition.replicas.iter();
        let holders = replicas.filter(|(_, replica)| {
            let batch = replica.log.batch_at(lost.offset);
            batch.is_some_and(|batch| batch.epoch == epoch)
        });
        let holders = holders.map(|(id, replica)| (*id, replica.recovery_point > lost.offset));
        fate.holders = holders.collect();
        fate.copies = fate.holders.iter().map(|(broker, _)| *broker).collect();
    }

    /// A replica got a batch: of lost records too, if it is of the epoch that they were written in.
    fn copied(&mut self, node: Option<NodeId>, event: &Event) {
        let (
            Some(broker),
            Event::Appended {
                partition,
                base_offset,
                last_offset,
                leader_epoch,
                ..
            },
        ) = (node.and_then(NodeId::broker), event)
        else {
            return;
        };
        let places = self.places.get(partition);
        let places = places
            .into_iter()
            .flat_map(|places| places.range(*base_offset..=*last_offset));
        for index in places.flat_map(|(_, indexes)| indexes) {
            let fate = self.fates.get_mut(*index);
            if let Some(fate) = fate.filter(|fate| fate.epoch == Some(*leader_epoch)) {
                fate.copies.insert(broker);
            }
        }
    }

    /// A replica lost the end of its log: the copies in it go.
    fn removed(
        &mut self,
        name: &TopicPartition,
        happening: usize,
        broker: BrokerId,
        range: Range<Offset>,
    ) {
        let Some(places) = self.places.get(name).filter(|_| range.start <= range.end) else {
            return;
        };
        for index in places.range(range).flat_map(|(_, indexes)| indexes) {
            if let Some(fate) = self.fates.get_mut(*index)
                && fate.copies.remove(&broker)
            {
                fate.removals.push((happening, broker));
            }
        }
    }

    fn happened(&mut self, view: &View, entry: &'a Entry, lost: &[LostWrite<'_>]) {
        let node = entry.node;
        match &entry.what {
            What::ProcessStopped { .. } | What::Panicked { .. } | What::ProcessStarted => {
                if let Some(broker) = node.and_then(NodeId::broker) {
                    self.process(view, entry, broker);
                }
            }
            What::Event(event @ Event::Appended { .. }) => self.copied(node, event),
            What::Event(event) => self.event(view, entry, event, lost),
            _ => {}
        }
    }

    fn process(&mut self, view: &View, entry: &Entry, broker: BrokerId) {
        let started = matches!(entry.what, What::ProcessStarted);
        let how = match &entry.what {
            What::ProcessStopped { how, .. } => *how,
            _ => None,
        };
        for (name, happenings) in &mut self.happenings {
            let replica = view.partition(name).and_then(|p| p.replicas.get(&broker));
            let Some(replica) = replica else {
                continue;
            };
            let what = if started {
                Happened::Started(broker)
            } else {
                Happened::Stopped {
                    broker,
                    how,
                    end: replica.log.end(),
                    recovery_point: replica.recovery_point,
                }
            };
            happenings.push(Happening { at: entry.at, what });
        }
    }

    fn event(&mut self, view: &View, entry: &Entry, event: &'a Event, lost: &[LostWrite<'_>]) {
        let owned;
        let name = match event {
            Event::MetadataWritten { record, .. } => {
                owned = view.partition_of(record);
                owned.as_ref()
            }
            Event::Elected { partition, .. }
            | Event::Truncated { partition, .. }
            | Event::LogLoaded { partition, .. } => Some(partition),
            _ => None,
        };
        let Some(name) = name else {
            return;
        };
        let (Some(happenings), Some(partition)) =
            (self.happenings.get_mut(name), view.partition(name))
        else {
            return;
        };
        let Some(what) = what(entry.node, event, partition) else {
            return;
        };
        if let Happened::Elected {
            leader: Some(leader),
            ..
        } = &what
        {
            let without = partition.replicas.get(leader);
            for (fate, lost) in self.fates.iter_mut().zip(lost) {
                let batch = without.and_then(|replica| replica.log.batch_at(lost.offset));
                let has = batch.is_some_and(|batch| Some(batch.epoch) == fate.epoch);
                if lost.partition == *name && fate.epoch.is_some() && !has {
                    fate.led_without.get_or_insert(happenings.len());
                }
            }
        }
        let (index, removal) = (happenings.len(), what.removal());
        happenings.push(Happening { at: entry.at, what });
        if let Some((broker, range)) = removal {
            self.removed(name, index, broker, range);
        }
    }
}

/// Who acknowledged the record at `offset`: a replica that leads and has it. Two may: a leader that does
/// not know yet that it is deposed, and its successor. The lost record is the older one's.
fn acknowledger(
    partition: &PartitionView,
    offset: Offset,
) -> Option<(BrokerId, LeaderEpoch, Offset)> {
    let replicas = partition.replicas.iter();
    let having = replicas.filter_map(|(id, replica)| {
        let batch = replica.log.batch_at(offset)?;
        Some((replica.role, batch.epoch, *id, replica.high_watermark))
    });
    let leading = having.clone().filter(|(role, ..)| role.leads());
    let found = leading.min_by_key(|(role, ..)| role.epoch());
    // Without one: the leader has stopped between its answer and the application's hearing of it.
    let found = found.or_else(|| having.clone().max_by_key(|(_, _, _, mark)| *mark));
    found.map(|(_, epoch, id, high_watermark)| (id, epoch, high_watermark))
}

fn what<'a>(
    node: Option<NodeId>,
    event: &'a Event,
    partition: &PartitionView,
) -> Option<Happened<'a>> {
    let broker = node.and_then(NodeId::broker);
    match event {
        Event::MetadataWritten { record, .. } => match &**record {
            MetadataRecord::PartitionChange(change) => change.isr.clone().map(Happened::Isr),
            _ => None,
        },
        Event::Elected {
            leader,
            rule,
            candidates,
            ..
        } => {
            let replica = leader.and_then(|leader| partition.replicas.get(&leader));
            Some(Happened::Elected {
                leader: *leader,
                rule: *rule,
                candidates,
                end: replica.map_or(Offset::ZERO, |replica| replica.log.end()),
            })
        }
        Event::Truncated {
            from, to, cause, ..
        } => Some(Happened::Truncated {
            broker: broker?,
            from: *from,
            to: *to,
            cause: *cause,
        }),
        Event::LogLoaded { log_end_offset, .. } => {
            let broker = broker?;
            let from = partition.replicas.get(&broker)?.previous_end;
            (*log_end_offset < from).then_some(Happened::Shortened {
                broker,
                from,
                to: *log_end_offset,
            })
        }
        _ => None,
    }
}
