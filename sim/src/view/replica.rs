//! A replica as its own events tell it: its log in brief, its pointers, its role.
//!
//! The log is a list of batches without their records: base and last offset, leader epoch, checksum.
//! Kafka appends and truncates whole batches, so nothing finer is needed to compare two logs.
//!
//! A truncation is not flushed either: after a power loss a log may have again what was cut off before,
//! and lack what was appended since. So what was cut is kept until the log is flushed, and when a log
//! that is opened again cannot be a beginning of what it was, the cuts are taken back one by one until
//! it can be. The leader epochs of the opened log tell which.
//!
//! Simplified: the log's start never moves but at a load (no retention yet); a truncation into a batch
//! drops that batch and leaves the end where the event says, as Kafka does.

use ktrial_core::{BrokerId, EpochOffset, Event, LeaderEpoch, Offset, TopicPartition};

/// A batch in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Offset of its first record.
    pub base: Offset,
    /// Offset of its last record.
    pub last: Offset,
    /// The leader epoch it was first appended in.
    pub epoch: LeaderEpoch,
    /// Its checksum.
    pub crc: u32,
}

/// A log as a list of batches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplicaLog {
    start: Offset,
    end: Offset,
    batches: Vec<Batch>,
    /// What was cut off since the last flush: where, and what.
    cuts: Vec<(Offset, Vec<Batch>)>,
}

impl ReplicaLog {
    /// Its first offset.
    pub fn start(&self) -> Offset {
        self.start
    }

    /// The offset after its last.
    pub fn end(&self) -> Offset {
        self.end
    }

    /// The batches that end at or after `offset`.
    pub fn from(&self, offset: Offset) -> &[Batch] {
        // Most questions are about the end of the log.
        if self.batches.last().is_none_or(|batch| batch.last < offset) {
            return &[];
        }
        let first = self.batches.partition_point(|batch| batch.last < offset);
        self.batches.get(first..).unwrap_or_default()
    }

    /// Its last batch.
    pub(super) fn last(&self) -> Option<&Batch> {
        self.batches.last()
    }

    /// Its last batch is of this epoch.
    pub(super) fn date_last(&mut self, epoch: LeaderEpoch) {
        if let Some(batch) = self.batches.last_mut() {
            batch.epoch = epoch;
        }
    }

    /// The batch that holds `offset`.
    pub fn batch_at(&self, offset: Offset) -> Option<&Batch> {
        let batch = self.from(offset).first();
        batch.filter(|batch| batch.base <= offset)
    }

    /// Both end at the same offset with the same batch.
    pub fn ends_like(&self, other: &Self) -> bool {
        self.end == other.end && self.batches.last() == other.batches.last()
    }

    fn append(&mut self, batch: Batch) {
        self.batches.push(batch);
        self.end = batch.last.next();
    }

    fn truncate(&mut self, to: Offset) {
        let kept = self.batches.partition_point(|batch| batch.last < to);
        self.batches.truncate(kept);
        self.end = to;
    }

    /// As `truncate`, for a cut that a power loss may undo.
    fn cut(&mut self, to: Offset) {
        let kept = self.batches.partition_point(|batch| batch.last < to);
        let removed = self.batches.get(kept..).unwrap_or_default().to_vec();
        if !removed.is_empty() {
            self.cuts.push((to, removed));
        }
        self.truncate(to);
    }

    /// Everything before this offset is on the platter.
    fn flushed(&mut self, recovery_point: Offset) {
        if recovery_point >= self.end {
            self.cuts.clear();
        }
    }

    /// It is opened. Returns from where on it holds again what was cut off before, if it does.
    fn load(&mut self, start: Offset, end: Offset, epochs: &[EpochOffset]) -> Option<Offset> {
        let mut restored = None;
        while !self.may_end(end, epochs) {
            let Some((to, removed)) = self.cuts.pop() else {
                break;
            };
            self.truncate(to);
            self.end = removed.last().map_or(to, |batch| batch.last.next());
            self.batches.extend(removed);
            restored = Some(restored.map_or(to, |before: Offset| before.min(to)));
        }
        self.truncate(end);
        self.start = start;
        restored
    }

    /// Whether it may end here with these leader epochs.
    fn may_end(&self, end: Offset, epochs: &[EpochOffset]) -> bool {
        if end > self.end {
            return false;
        }
        let before = self.batches.partition_point(|batch| batch.last < end);
        let last = before
            .checked_sub(1)
            .and_then(|index| self.batches.get(index));
        let Some(last) = last else {
            return true;
        };
        let entry = epochs.iter().rev().find(|entry| entry.offset <= last.base);
        entry.is_none_or(|entry| entry.epoch == last.epoch)
    }
}

/// What a replica is for its broker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// Nothing yet since its process started, or its process is gone.
    #[default]
    None,
    /// It leads.
    Leader(LeaderEpoch),
    /// It follows that leader, or waits for one.
    Follower(LeaderEpoch, Option<BrokerId>),
}

impl Role {
    /// The leader epoch it is in.
    pub fn epoch(self) -> Option<LeaderEpoch> {
        match self {
            Self::None => None,
            Self::Leader(epoch) | Self::Follower(epoch, _) => Some(epoch),
        }
    }

    /// Whether it leads, in whatever epoch.
    pub fn leads(self) -> bool {
        matches!(self, Self::Leader(_))
    }
}

/// A replica.
#[derive(Clone, Debug, Default)]
pub struct Replica {
    /// Its log.
    pub log: ReplicaLog,
    /// Its high watermark.
    pub high_watermark: Offset,
    /// Offsets below it survive a power loss.
    pub recovery_point: Offset,
    /// What it is.
    pub role: Role,
    /// It is in a log directory that its broker has lost, and was not opened again since.
    pub offline: bool,
    /// A leader, or a follower that has taken something from its leader in this leader epoch: its log
    /// is the leader's as far as it goes. A follower that has not may still have to truncate.
    pub agreed: bool,
    /// The ISR that it leads with, as it last took it over.
    pub isr: Vec<BrokerId>,
    /// The ISR that it last proposed since. Its maximal ISR is within the two together.
    pub proposed: Vec<BrokerId>,
    /// Its log's end before the newest event about it.
    pub previous_end: Offset,
    /// When it was last opened, something had been cut off since its last flush.
    pub had_cuts: bool,
    /// When it was last opened it held again what was cut off before, from here on: a power loss had
    /// undone the cut.
    pub restored_from: Option<Offset>,
    /// Its recovery point before the newest event about it.
    pub previous_recovery_point: Offset,
    /// Its high watermark before the newest event about it.
    pub previous_high_watermark: Offset,
}

impl Replica {
    /// After it was opened: the offsets that are not what they were.
    pub fn changed_by_load(&self) -> (Offset, Offset) {
        let end = self.log.end;
        let from = self.restored_from.map_or(end, |from| from.min(end));
        (from, self.previous_end.max(end))
    }

    /// Its process is gone; its log stays as it is until it is loaded again.
    pub(super) fn stop(&mut self) {
        self.role = Role::None;
        self.agreed = false;
    }

    /// Its log directory is lost.
    pub(super) fn lose(&mut self) {
        self.stop();
        self.offline = true;
    }

    /// It leads with this ISR from now on; what it proposed before is answered.
    fn adopt(&mut self, isr: &[BrokerId]) {
        self.isr = isr.to_vec();
        self.proposed.clear();
    }

    /// Takes in an event about this replica. Tells whether its log's end changed.
    pub(super) fn apply(&mut self, event: &Event) -> bool {
        self.previous_end = self.log.end;
        self.previous_high_watermark = self.high_watermark;
        self.previous_recovery_point = self.recovery_point;
        match event {
            Event::LogLoaded {
                log_start_offset,
                log_end_offset,
                high_watermark,
                leader_epochs,
                ..
            } => {
                let (start, end) = (*log_start_offset, *log_end_offset);
                self.had_cuts = !self.log.cuts.is_empty();
                self.restored_from = self.log.load(start, end, leader_epochs);
                self.high_watermark = *high_watermark;
                self.recovery_point = self.recovery_point.min(*log_end_offset);
                self.offline = false;
                self.stop();
            }
            Event::BecameLeader {
                leader_epoch, isr, ..
            } => {
                self.role = Role::Leader(*leader_epoch);
                self.agreed = true;
                self.adopt(isr);
            }
            Event::IsrAdopted { isr, .. } => self.adopt(isr),
            Event::IsrProposed { to, .. } => self.proposed.clone_from(to),
            Event::BecameFollower {
                leader_epoch,
                leader,
                ..
            } => {
                self.role = Role::Follower(*leader_epoch, *leader);
                self.agreed = false;
            }
            Event::Appended {
                base_offset,
                last_offset,
                leader_epoch,
                crc,
                ..
            } => {
                self.log.append(Batch {
                    base: *base_offset,
                    last: *last_offset,
                    epoch: *leader_epoch,
                    crc: *crc,
                });
                self.agreed = true;
            }
            Event::Truncated { to, .. } => {
                self.log.cut(*to);
                self.high_watermark = self.high_watermark.min(*to);
                self.recovery_point = self.recovery_point.min(*to);
            }
            Event::ReplicaOffline { .. } => self.lose(),
            Event::HighWatermark { offset, .. } => {
                // It rises on a follower only when a fetch has succeeded.
                self.agreed |= *offset > self.high_watermark && self.role != Role::None;
                self.high_watermark = *offset;
            }
            Event::Flushed { recovery_point, .. } => {
                self.recovery_point = *recovery_point;
                self.log.flushed(*recovery_point);
            }
            _ => {}
        }
        self.previous_end != self.log.end
    }
}

/// The partition whose replica an event is about.
pub(super) fn partition_of(event: &Event) -> Option<&TopicPartition> {
    match event {
        Event::LogLoaded { partition, .. }
        | Event::BecameLeader { partition, .. }
        | Event::BecameFollower { partition, .. }
        | Event::Appended { partition, .. }
        | Event::Truncated { partition, .. }
        | Event::HighWatermark { partition, .. }
        | Event::Flushed { partition, .. }
        | Event::IsrProposed { partition, .. }
        | Event::IsrAdopted { partition, .. }
        | Event::ReplicaOffline { partition }
        | Event::ReplicaDeleted { partition } => Some(partition),
        _ => None,
    }
}
