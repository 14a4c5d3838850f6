//! Kafka's log over a disk with whatever faults: what recovery makes of it, and that nothing panics.

use super::Disk;
use crate::plan::{DiskCall, DiskFault, DiskPlan, PowerLoss};
use ktrial_core::config::TopicConfig;
use ktrial_core::log::checkpoint::LEADER_EPOCHS;
use ktrial_core::log::{Log, OpenFrom};
use ktrial_core::record::{BatchBuilder, RecordBatch, batches};
use ktrial_core::{LeaderEpoch, Now, Offset, Random, Storage, StorageError, WallClock};
use proptest::prelude::*;

const DIRECTORY: &str = "data/t-0";
const FIRST: &str = "data/t-0/00000000000000000000.log";

#[derive(Clone, Debug)]
enum Op {
    /// So many records of this size, as leader.
    Append(usize, usize),
    /// Records as a follower, this far behind the log's end.
    Follow(i64),
    NewEpoch,
    Flush,
    /// To this many hundredths of the log.
    Truncate(i64),
    /// Everything from this many hundredths of the log on, and a time.
    Read(i64, usize),
    Begin(DiskFault),
    EndFaults,
    /// Of any file.
    Rot,
    Crash {
        power_loss: bool,
        clean: bool,
    },
}

fn fault() -> impl Strategy<Value = DiskFault> {
    prop_oneof![
        3 => Just(DiskFault::TornWrite),
        3 => Just(DiskFault::LyingFlush),
        1 => Just(DiskFault::Slow { times: 3 }),
        1 => Just(DiskFault::Full),
        1 => prop::sample::subsequence(vec![DiskCall::Read, DiskCall::Write, DiskCall::Flush], 1..3)
            .prop_map(|calls| DiskFault::Fail { calls }),
    ]
}

/// Any operation; `damage` is how often bits rot.
fn op(damage: u32) -> impl Strategy<Value = Op> {
    prop_oneof![
        12 => (1..5_usize, 0..200_usize).prop_map(|(records, size)| Op::Append(records, size)),
        4 => (0..3_i64).prop_map(Op::Follow),
        2 => Just(Op::NewEpoch),
        4 => Just(Op::Flush),
        2 => (0..110_i64).prop_map(Op::Truncate),
        4 => (0..110_i64, 0..2_000_usize).prop_map(|(percent, bytes)| Op::Read(percent, bytes)),
        3 => fault().prop_map(Op::Begin),
        3 => Just(Op::EndFaults),
        damage => Just(Op::Rot),
        3 => (any::<bool>(), any::<bool>())
            .prop_map(|(power_loss, clean)| Op::Crash { power_loss, clean }),
    ]
}

struct Trial {
    disk: Disk,
    log: Option<Log>,
    epoch: LeaderEpoch,
    random: Random,
    /// What a checkpoint would say of the log.
    from: OpenFrom,
    config: TopicConfig,
}

impl Trial {
    fn new(power_loss: PowerLoss, segment_bytes: u64, seed: u64) -> Self {
        let disk = Disk::new(DiskPlan {
            power_loss,
            ..DiskPlan::default()
        });
        let mut trial = Self {
            disk,
            log: None,
            epoch: LeaderEpoch(0),
            random: Random::stream(seed, "any"),
            from: OpenFrom::default(),
            config: TopicConfig {
                segment_bytes,
                index_interval_bytes: 200,
                ..TopicConfig::default()
            },
        };
        trial.open(OpenFrom::default()).unwrap();
        trial
    }

    fn open(&mut self, from: OpenFrom) -> Result<(), StorageError> {
        let now = Now::default();
        let (log, _) = Log::open(&mut self.disk, DIRECTORY, from, self.config.clone(), now)?;
        self.log = Some(log);
        Ok(())
    }

    /// As a broker would: what fails ends the process. Without one, only the disk goes on.
    fn apply(&mut self, op: &Op) {
        match op {
            Op::Begin(fault) => self.disk.device().begin_fault(0, None, fault, None),
            Op::EndFaults => {
                self.disk.device().end_faults(None);
            }
            Op::Rot => {
                let place = (None, None);
                self.disk.device().rot(None, place, &mut self.random);
            }
            Op::Crash { power_loss, clean } => self.crash(*power_loss, *clean),
            op => {
                let Some(mut log) = self.log.take() else {
                    return;
                };
                if self.work(&mut log, op).is_ok() {
                    self.from.high_watermark = log.log_end_offset();
                    self.from.recovery_point = log.recovery_point();
                    self.log = Some(log);
                }
            }
        }
    }

    /// Any error is one of the disk: it ends the process.
    fn work(&mut self, log: &mut Log, op: &Op) -> Result<(), ()> {
        let (start, end) = (log.log_start_offset(), log.log_end_offset());
        let at = |percent: i64| start + (end - start).saturating_mul(percent) / 100;
        let now = Now::default();
        let disk = &mut self.disk;
        match *op {
            Op::Append(records, size) => {
                let batch = batch(records, size).finish();
                let done = log.append_as_leader(disk, &batch, self.epoch, now);
                done.map(|_| ()).map_err(|_| ())
            }
            Op::Follow(gap) => {
                let batch = batch(2, 30).at(end + gap, self.epoch).finish();
                let done = log.append_as_follower(disk, &batch, self.epoch, now);
                done.map(|_| ()).map_err(|_| ())
            }
            Op::NewEpoch => {
                self.epoch = self.epoch.next();
                log.assign_epoch(disk, self.epoch, end).map_err(|_| ())
            }
            Op::Flush => log.flush(disk, end).map_err(|_| ()),
            Op::Truncate(percent) => {
                let cut = log.truncate_to(disk, at(percent));
                cut.map(|_| ()).map_err(|_| ())
            }
            Op::Read(percent, bytes) => {
                let time = WallClock(percent);
                log.timed_offset_for_time(disk, time).map_err(|_| ())?;
                let read = log.read(disk, at(percent), end, bytes, true);
                // An offset that a rotten log no longer has is no failure of the disk.
                let bytes = read.unwrap_or_default();
                for batch in batches(&bytes).flatten() {
                    let _ = batch.records();
                }
                Ok(())
            }
            Op::Begin(_) | Op::EndFaults | Op::Rot | Op::Crash { .. } => Ok(()),
        }
    }

    /// The process ends, and starts again. If its files cannot be used, an operator takes the one away
    /// that is told to be malformed.
    fn crash(&mut self, power_loss: bool, clean: bool) {
        let mut closed = false;
        if let Some(mut log) = self.log.take() {
            closed = clean && log.close(&mut self.disk).is_ok();
        }
        if power_loss {
            self.disk.device().power_loss(&mut self.random);
        }
        let from = OpenFrom {
            clean: closed && !power_loss,
            ..self.from
        };
        if let Err(StorageError::Malformed(path)) = self.open(from) {
            assert_eq!(path, format!("{DIRECTORY}/{LEADER_EPOCHS}"));
            let _ = self.disk.delete(&path);
            let _ = self.open(from);
        }
    }
}

fn batch(records: usize, size: usize) -> BatchBuilder {
    let mut builder = BatchBuilder::new();
    for record in 0..records {
        let value = vec![u8::try_from(record).unwrap(); size];
        builder.append(WallClock(7), None, Some(&value), &[]);
    }
    builder
}

/// The sound batches at the front of a file: where each CRC fits and offsets rise.
fn sound(disk: &mut Disk) -> Vec<RecordBatch> {
    let bytes = disk.read_all(FIRST).unwrap().unwrap();
    let mut next = Offset::ZERO;
    let fits = |batch: &RecordBatch| {
        let fits = batch.is_valid()
            && batch.base_offset() >= next
            && batch.last_offset().0 <= i64::from(i32::MAX);
        next = batch.next_offset();
        fits
    };
    batches(&bytes)
        .map_while(Result::ok)
        .take_while(fits)
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Whatever happens to its disk, the log answers or fails.
    #[test]
    fn no_damage_makes_the_log_panic(
        ops in prop::collection::vec(op(6), 1..60),
        seed in 0..1_000_u64,
    ) {
        let mut trial = Trial::new(PowerLoss::RandomPrefix, 1_024, seed);
        for op in &ops {
            trial.apply(op);
        }
        trial.disk.device().end_faults(None);
        trial.crash(true, false);
        prop_assert!(trial.log.is_some());
    }

    /// Recovery keeps all batches in front of the first damage, and nothing behind it.
    #[test]
    fn recovery_keeps_what_is_in_front_of_the_first_damage(
        ops in prop::collection::vec(op(1), 1..60),
        seed in 0..1_000_u64,
    ) {
        // One segment, always checked from its start.
        let mut trial = Trial::new(PowerLoss::RandomPrefix, 1 << 30, seed);
        for op in &ops {
            trial.apply(op);
        }
        trial.disk.device().end_faults(None);
        trial.log = None;
        trial.disk.device().power_loss(&mut trial.random);
        prop_assume!(trial.disk.exists(FIRST).unwrap());
        let expected = sound(&mut trial.disk);
        if trial.open(OpenFrom::default()).is_err() {
            trial.disk.delete(&format!("{DIRECTORY}/{LEADER_EPOCHS}")).unwrap();
            trial.open(OpenFrom::default()).unwrap();
        }
        let found = trial.disk.read_all(FIRST).unwrap().unwrap();
        let found: Vec<RecordBatch> = batches(&found).map(Result::unwrap).collect();
        prop_assert_eq!(&found, &expected);
        let end = found.last().map_or(Offset::ZERO, RecordBatch::next_offset);
        prop_assert_eq!(trial.log.unwrap().log_end_offset(), end);
    }

    /// Without bit rot, what a power loss leaves under torn writes is a prefix of what was written.
    #[test]
    fn a_torn_log_is_a_prefix_of_what_was_written(
        sizes in prop::collection::vec((1..4_usize, 0..100_usize, any::<bool>()), 1..20),
        seed in 0..1_000_u64,
    ) {
        let mut trial = Trial::new(PowerLoss::LoseUnflushed, 1 << 30, seed);
        for (records, size, flush) in &sizes {
            trial.apply(&Op::Append(*records, *size));
            if *flush {
                trial.apply(&Op::Flush);
            }
        }
        let written = sound(&mut trial.disk);
        let flushed = sizes.last().is_some_and(|(_, _, flush)| *flush);
        trial.apply(&Op::Begin(DiskFault::TornWrite));
        trial.disk.device().power_loss(&mut trial.random);
        let torn = trial.disk.device().end_faults(None);
        trial.open(OpenFrom::default()).unwrap();
        let found = sound(&mut trial.disk);
        // The last batch, and nothing else, is gone, if it was not flushed.
        let kept = written.len() - usize::from(!flushed);
        prop_assert_eq!(&found[..], &written[..kept]);
        prop_assert_eq!(torn[0].1 > 0, !flushed);
    }
}
