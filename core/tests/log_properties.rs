//! For all sequences of operations: the log against a naive model, a list of batches and a list of
//! epochs.
//!
//! - A crash of the process loses nothing.
//! - A power loss loses nothing below the recovery point, and leaves a prefix of the log. Only where a
//!   truncation was not yet forced to disk may cut-off batches come back, which were real once. Such
//!   a log may hold segments that overlap (as in Kafka), of which the model knows nothing: it ends there.
//! - The epoch cache is the one that follows from the batches and the assigned epochs.
//! - What is read is what was appended, from every offset.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use ktrial_core::config::TopicConfig;
use ktrial_core::log::{AppendError, Log, OpenFrom};
use ktrial_core::memory_storage::MemoryStorage;
use ktrial_core::record::{BatchBuilder, batches};
use ktrial_core::{EpochOffset, LeaderEpoch, Now, Offset, WallClock};
use proptest::prelude::*;
use std::collections::BTreeSet;

const DIRECTORY: &str = "data/t-0";

#[derive(Clone, Debug)]
enum Op {
    /// As leader of the current epoch, this many records of this size.
    Lead {
        records: usize,
        size: usize,
    },
    /// As follower: batches that begin this far above the log's end.
    Follow {
        batches: usize,
        gap: i64,
        size: usize,
    },
    /// The epoch rises; a new leader enters it into the cache at the log's end.
    NewEpoch {
        leader: bool,
    },
    /// To this many hundredths of the log.
    Truncate {
        percent: i64,
    },
    StartAt {
        offset: i64,
    },
    /// To this many hundredths of the log.
    Flush {
        percent: i64,
    },
    CleanStop,
    ProcessCrash,
    PowerLoss,
    Read {
        percent: i64,
        max_bytes: usize,
    },
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => (1..5_usize, 0..200_usize).prop_map(|(records, size)| Op::Lead { records, size }),
        4 => (1..4_usize, 0..3_i64, 0..200_usize)
            .prop_map(|(batches, gap, size)| Op::Follow { batches, gap, size }),
        3 => any::<bool>().prop_map(|leader| Op::NewEpoch { leader }),
        2 => (0..110_i64).prop_map(|percent| Op::Truncate { percent }),
        1 => (0..100_i64).prop_map(|offset| Op::StartAt { offset }),
        3 => (0..110_i64).prop_map(|percent| Op::Flush { percent }),
        1 => Just(Op::CleanStop),
        2 => Just(Op::ProcessCrash),
        2 => Just(Op::PowerLoss),
        4 => (0..101_i64, 0..2_000_usize)
            .prop_map(|(percent, max_bytes)| Op::Read { percent, max_bytes }),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    base: Offset,
    last: Offset,
    epoch: LeaderEpoch,
    crc: u32,
}

/// What the log should be.
#[derive(Default)]
struct Model {
    entries: Vec<Entry>,
    epochs: Vec<EpochOffset>,
    start: Offset,
    end: Offset,
    /// Every batch that was ever in the log.
    ever: BTreeSet<Entry>,
    /// A truncation has not been forced to disk yet.
    undone_by_power_loss: bool,
    /// A power loss undid a truncation, but not the one of the epoch checkpoint, which is always
    /// forced. Recovery then adds only epochs above the latest (as in Kafka): the cache may lack some.
    epochs_uncertain: bool,
}

impl Model {
    fn assign(&mut self, epoch: LeaderEpoch, start: Offset) {
        if self
            .epochs
            .last()
            .is_some_and(|e| e.epoch == epoch && e.offset <= start)
        {
            return;
        }
        self.epochs.retain(|e| e.epoch < epoch && e.offset < start);
        self.epochs.push(EpochOffset::new(epoch, start));
    }

    fn push(&mut self, entry: Entry) {
        self.assign(entry.epoch, entry.base);
        self.entries.push(entry);
        self.ever.insert(entry);
        self.end = entry.last.next();
    }

    fn cut_epochs(&mut self) {
        let end = self.end;
        self.epochs.retain(|e| e.offset < end);
    }

    /// The records up to the last batch that ends below `offset` stay.
    fn truncate(&mut self, offset: Offset) {
        if offset < self.end {
            self.end = offset;
            self.entries.retain(|e| e.last < offset);
            self.undone_by_power_loss = true;
        }
        self.start = self.start.min(self.end);
        self.cut_epochs();
    }
}

struct Trial {
    disk: MemoryStorage,
    log: Log,
    model: Model,
    epoch: LeaderEpoch,
    config: TopicConfig,
    time: i64,
    may_overlap: bool,
}

impl Trial {
    fn new() -> Self {
        let config = TopicConfig {
            segment_bytes: 1_024,
            index_interval_bytes: 200,
            ..TopicConfig::default()
        };
        let mut disk = MemoryStorage::new();
        let from = OpenFrom::default();
        let (log, _) = Log::open(&mut disk, DIRECTORY, from, config.clone(), now(0)).unwrap();
        Self {
            disk,
            log,
            model: Model::default(),
            epoch: LeaderEpoch(0),
            config,
            time: 0,
            may_overlap: false,
        }
    }

    fn apply(&mut self, op: &Op) {
        self.time += 1;
        match *op {
            Op::Lead { records, size } => self.lead(records, size),
            Op::Follow { batches, gap, size } => self.follow(batches, gap, size),
            Op::NewEpoch { leader } => {
                self.epoch = self.epoch.next();
                if leader {
                    let end = self.log.log_end_offset();
                    self.log
                        .assign_epoch(&mut self.disk, self.epoch, end)
                        .unwrap();
                    self.model.assign(self.epoch, end);
                }
            }
            Op::Truncate { percent } => {
                let offset = self.offset(percent);
                self.log.truncate_to(&mut self.disk, offset).unwrap();
                self.model.truncate(offset);
            }
            Op::StartAt { offset } => self.start_at(Offset(offset)),
            Op::Flush { percent } => {
                let offset = self.offset(percent);
                let before = self.log.recovery_point();
                self.log.flush(&mut self.disk, offset).unwrap();
                // A truncation brought the recovery point down to it or below.
                let end = self.log.log_end_offset();
                let all = before < end && self.log.recovery_point() == end;
                self.model.undone_by_power_loss &= !all;
            }
            Op::CleanStop => {
                self.log.close(&mut self.disk).unwrap();
                self.model.undone_by_power_loss = false;
                self.reopen(true);
            }
            Op::ProcessCrash => self.reopen(false),
            Op::PowerLoss => self.power_loss(),
            Op::Read { percent, max_bytes } => self.read(self.offset(percent), max_bytes),
        }
        self.check();
    }

    fn offset(&self, percent: i64) -> Offset {
        let (start, end) = (self.log.log_start_offset(), self.log.log_end_offset());
        start + (end - start) * percent / 100
    }

    fn builder(&self, records: usize, size: usize) -> BatchBuilder {
        let mut builder = BatchBuilder::new();
        for _ in 0..records {
            builder.append(WallClock(self.time), None, Some(&vec![1; size]), &[]);
        }
        builder
    }

    fn lead(&mut self, records: usize, size: usize) {
        let batch = self.builder(records, size).finish();
        let appended = self
            .log
            .append_as_leader(&mut self.disk, &batch, self.epoch, now(self.time))
            .unwrap();
        self.push_appended(&[appended]);
    }

    fn push_appended(&mut self, appended: &[ktrial_core::log::AppendedBatch]) {
        for batch in appended {
            self.model.push(Entry {
                base: batch.base_offset,
                last: batch.last_offset,
                epoch: batch.leader_epoch,
                crc: batch.crc,
            });
        }
    }

    fn follow(&mut self, count: usize, gap: i64, size: usize) {
        let mut records = Vec::new();
        let mut offset = self.log.log_end_offset() + gap;
        for _ in 0..count {
            let batch = self.builder(2, size).at(offset, self.epoch).finish();
            records.extend_from_slice(&batch);
            offset = offset + 2;
        }
        // The last batch is ahead of this replica, and must be left out.
        let ahead = self.builder(1, size).at(offset, self.epoch.next());
        records.extend_from_slice(&ahead.finish());
        let appended = self
            .log
            .append_as_follower(&mut self.disk, &records.into(), self.epoch, now(0))
            .unwrap();
        assert_eq!(appended.len(), count);
        self.push_appended(&appended);
        if let Some(below) = self.model.entries.last().map(|e| e.base) {
            let batch = self.builder(1, 0).at(below, self.epoch).finish();
            let refused = self
                .log
                .append_as_follower(&mut self.disk, &batch, self.epoch, now(0));
            assert!(matches!(refused, Err(AppendError::UnexpectedOffset { .. })));
        }
    }

    fn start_at(&mut self, offset: Offset) {
        self.log
            .truncate_fully_and_start_at(&mut self.disk, offset, now(self.time))
            .unwrap();
        self.model.entries.clear();
        self.model.epochs.clear();
        self.model.epochs_uncertain = false;
        self.model.start = offset;
        self.model.end = offset;
        self.model.undone_by_power_loss = true;
    }

    fn reopen(&mut self, clean: bool) {
        let from = OpenFrom {
            recovery_point: self.log.recovery_point(),
            log_start_offset: self.log.log_start_offset(),
            high_watermark: self.log.high_watermark(),
            clean,
            rules: ktrial_core::Rules::default(),
        };
        let config = self.config.clone();
        let (log, _) = Log::open(&mut self.disk, DIRECTORY, from, config, now(self.time)).unwrap();
        self.log = log;
        // A gap behind the last batch is in no file, unless a segment begins behind it; nor is an epoch
        // without records.
        let end = self.model.entries.last().map(|e| e.last.next());
        self.model.end = end.max(self.log.segment_base_offsets().last()).unwrap();
        self.model.cut_epochs();
        if self.model.epochs_uncertain {
            self.model.epochs = self.log.leader_epochs().to_vec();
        }
    }

    fn power_loss(&mut self) {
        let recovery_point = self.log.recovery_point();
        let before = self.model.entries.clone();
        self.disk.power_loss();
        self.reopen(false);
        let found = self.contents();
        let kept = before
            .iter()
            .take_while(|e| e.last < recovery_point)
            .count();
        assert!(found.len() >= kept, "lost batches below {recovery_point}");
        assert_eq!(
            found[..kept],
            before[..kept],
            "changed below {recovery_point}"
        );
        if self.model.undone_by_power_loss {
            assert!(found.iter().all(|e| self.model.ever.contains(e)));
            self.model.epochs_uncertain = true;
            self.model.epochs = self.log.leader_epochs().to_vec();
            self.model.start = self.log.log_start_offset();
            self.may_overlap = self.log.segment_base_offsets().count() > 1;
        } else {
            assert!(before.starts_with(&found), "not a prefix");
        }
        self.model.entries = found;
        self.model.end = self.log.log_end_offset();
        self.model.cut_epochs();
        self.model.undone_by_power_loss = false;
    }

    /// Everything in the log.
    fn contents(&mut self) -> Vec<Entry> {
        let mut found = Vec::new();
        let mut from = self.log.log_start_offset();
        let end = self.log.log_end_offset();
        loop {
            let bytes = self
                .log
                .read(&mut self.disk, from, end, 3_000, true)
                .unwrap();
            if bytes.is_empty() {
                return found;
            }
            for batch in batches(&bytes) {
                let batch = batch.unwrap();
                batch.verify().unwrap();
                found.push(Entry {
                    base: batch.base_offset(),
                    last: batch.last_offset(),
                    epoch: batch.leader_epoch(),
                    crc: batch.crc(),
                });
                from = batch.next_offset();
            }
        }
    }

    fn read(&mut self, from: Offset, max_bytes: usize) {
        let end = self.log.log_end_offset();
        let bytes = self
            .log
            .read(&mut self.disk, from, end, max_bytes, true)
            .unwrap();
        let found: Vec<_> = batches(&bytes).map(|b| b.unwrap().base_offset()).collect();
        let entries = self.model.entries.iter().map(|e| (e.base, e.last));
        let expected: Vec<_> = entries.skip_while(|e| e.1 < from).map(|e| e.0).collect();
        assert_eq!(found.is_empty(), expected.is_empty());
        assert!(expected.starts_with(&found), "from {from}");
        assert!(bytes.len() <= max_bytes || found.len() == 1);
    }

    fn check(&mut self) {
        let log = &self.log;
        assert_eq!(log.log_end_offset(), self.model.end);
        assert_eq!(log.log_start_offset(), self.model.start);
        assert!(log.recovery_point() <= log.log_end_offset());
        assert!(log.log_start_offset() <= log.high_watermark());
        assert!(log.high_watermark() <= log.log_end_offset());
        assert_eq!(log.leader_epochs(), self.model.epochs);
        let rises = |a: &EpochOffset, b: &EpochOffset| a.epoch < b.epoch && a.offset < b.offset;
        assert!(log.leader_epochs().is_sorted_by(rises));
        for (before, entry) in self
            .model
            .epochs
            .iter()
            .zip(self.model.epochs.iter().skip(1))
        {
            let end = log.end_offset_for_epoch(before.epoch);
            assert_eq!(end, Some(EpochOffset::new(before.epoch, entry.offset)));
        }
        assert_eq!(self.contents(), self.model.entries);
    }
}

fn now(wall: i64) -> Now {
    Now {
        wall: WallClock(wall),
        ..Now::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 128,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_log_is_its_model(ops in prop::collection::vec(op(), 1..60)) {
        let mut trial = Trial::new();
        for op in &ops {
            trial.apply(op);
            if trial.may_overlap {
                break;
            }
        }
    }
}
