//! The log's rules, one by one. Sequences of them are in `core/tests/log_properties.rs`.

mod recovery;

use super::*;
use crate::config::TimestampType;
use crate::memory_storage::MemoryStorage;
use crate::offset::{ProducerEpoch, ProducerId};
use crate::record::{BatchBuilder, RecordBatch, batches};
use crate::time::Now;
use bytes::Bytes;
use std::time::Duration;

const DIRECTORY: &str = "data/t-0";
const SEGMENT: &str = "data/t-0/00000000000000000000.log";
const INDEX: &str = "data/t-0/00000000000000000000.index";
const TIME_INDEX: &str = "data/t-0/00000000000000000000.timeindex";

fn at(wall: i64) -> Now {
    Now {
        wall: WallClock(wall),
        ..Now::default()
    }
}

/// `count` records of 100 bytes.
fn builder(count: usize, time: i64) -> BatchBuilder {
    let mut builder = BatchBuilder::new();
    for _ in 0..count {
        builder.append(WallClock(time), None, Some(&[7; 100]), &[]);
    }
    builder
}

fn batch(count: usize) -> Bytes {
    builder(count, 1_000).finish()
}

fn open(disk: &mut MemoryStorage, from: OpenFrom, config: &TopicConfig) -> (Log, u64) {
    Log::open(disk, DIRECTORY, from, config.clone(), at(1_000)).unwrap()
}

fn unclean(recovery_point: Offset) -> OpenFrom {
    OpenFrom {
        recovery_point,
        ..OpenFrom::default()
    }
}

fn clean() -> OpenFrom {
    OpenFrom {
        clean: true,
        ..OpenFrom::default()
    }
}

fn new_log(config: &TopicConfig) -> (MemoryStorage, Log) {
    let mut disk = MemoryStorage::new();
    let (log, _) = open(&mut disk, OpenFrom::default(), config);
    (disk, log)
}

fn append(disk: &mut MemoryStorage, log: &mut Log, epoch: i32, count: usize) {
    log.append_as_leader(disk, &batch(count), LeaderEpoch(epoch), at(1_000))
        .unwrap();
}

/// Base offsets of what is read.
fn read(disk: &mut MemoryStorage, log: &mut Log, from: i64, to: i64, bytes: usize) -> Vec<i64> {
    let read = log
        .read(disk, Offset(from), Offset(to), bytes, true)
        .unwrap();
    batches(&read).map(|b| b.unwrap().base_offset().0).collect()
}

type Change = fn(BatchBuilder) -> Bytes;

/// What is sent instead of a good batch of two records, and the answer.
const REFUSED: &[(&str, Change, ErrorCode)] = &[
    (
        "base offset",
        |b| b.at(Offset(1), LeaderEpoch(-1)).finish(),
        ErrorCode::InvalidRecord,
    ),
    (
        "control",
        |b| b.control().finish(),
        ErrorCode::InvalidRecord,
    ),
    (
        "empty",
        |_| BatchBuilder::new().finish(),
        ErrorCode::InvalidRecord,
    ),
    ("nothing", |_| Bytes::new(), ErrorCode::InvalidRecord),
    (
        "two",
        |b| [b.clone().finish(), b.finish()].concat().into(),
        ErrorCode::InvalidRecord,
    ),
    ("cut", |b| b.finish().slice(..90), ErrorCode::InvalidRecord),
    (
        "sequence",
        |b| b.producer(ProducerId(1), ProducerEpoch(0), -1).finish(),
        ErrorCode::InvalidRecord,
    ),
    (
        "magic",
        |b| patched(&b.finish(), 16, 1),
        ErrorCode::InvalidRecord,
    ),
    (
        "count",
        |b| resealed(&b.finish(), 60, 1),
        ErrorCode::InvalidRecord,
    ),
    (
        "delta",
        |b| resealed(&b.finish(), 65, 2),
        ErrorCode::InvalidRecord,
    ),
    (
        "codec",
        |b| resealed(&b.finish(), 22, 1),
        ErrorCode::InvalidRecord,
    ),
    (
        "crc",
        |b| patched(&b.finish(), 80, 0),
        ErrorCode::CorruptMessage,
    ),
    ("large", |_| batch(50), ErrorCode::MessageTooLarge),
    (
        "larger than a segment",
        |_| batch(30),
        ErrorCode::RecordListTooLarge,
    ),
    (
        "late",
        |_| builder(1, 1_601).finish(),
        ErrorCode::InvalidTimestamp,
    ),
    (
        "early",
        |_| builder(1, 498).finish(),
        ErrorCode::InvalidTimestamp,
    ),
];

#[test]
fn a_leader_refuses_what_a_client_may_not_send() {
    let config = TopicConfig {
        segment_bytes: 2_000,
        max_message_bytes: 4_000,
        message_timestamp_before_max_ms: Duration::from_millis(501),
        message_timestamp_after_max_ms: Duration::from_millis(600),
        ..TopicConfig::default()
    };
    let (mut disk, mut log) = new_log(&config);
    for (name, change, expected) in REFUSED {
        let records = change(builder(2, 1_000));
        let refused = log.append_as_leader(&mut disk, &records, LeaderEpoch(0), at(1_000));
        let Err(AppendError::Rejected { error, .. }) = refused else {
            panic!("{name}: {refused:?}");
        };
        assert_eq!(error, *expected, "{name}");
    }
    assert_eq!((log.log_end_offset(), log.size()), (Offset(0), 0));
    for accepted in [499, 1_600, -1] {
        let records = builder(2, accepted).finish();
        log.append_as_leader(&mut disk, &records, LeaderEpoch(0), at(1_000))
            .unwrap();
    }
}

fn patched(bytes: &Bytes, position: usize, value: u8) -> Bytes {
    let mut bytes = bytes.to_vec();
    bytes[position] = value;
    bytes.into()
}

/// Patched, with the CRC that fits.
fn resealed(bytes: &Bytes, position: usize, value: u8) -> Bytes {
    let mut bytes = patched(bytes, position, value).to_vec();
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    bytes.into()
}

#[test]
fn log_append_time_is_the_brokers() {
    let config = TopicConfig {
        message_timestamp_type: TimestampType::LogAppendTime,
        ..TopicConfig::default()
    };
    let (mut disk, mut log) = new_log(&config);
    let appended = log
        .append_as_leader(&mut disk, &batch(2), LeaderEpoch(3), at(5_000))
        .unwrap();
    assert_eq!(appended.log_append_time, Some(WallClock(5_000)));
    let bytes = log.read(&mut disk, Offset(0), Offset(2), 0, true).unwrap();
    let stored = RecordBatch::parse(&bytes).unwrap();
    assert_eq!(stored.verify(), Ok(()));
    assert_eq!(
        (stored.crc(), stored.leader_epoch()),
        (appended.crc, LeaderEpoch(3))
    );
    let records = stored.records().unwrap();
    assert!(records.iter().all(|r| r.timestamp == WallClock(5_000)));
}

#[test]
fn the_controller_appends_control_batches() {
    let (mut disk, mut log) = new_log(&TopicConfig::default());
    let records = builder(1, -5).control().finish();
    let appended = log
        .append_as_controller(&mut disk, &records, LeaderEpoch(1), at(0))
        .unwrap();
    assert_eq!(
        (appended.base_offset, appended.last_offset),
        (Offset(0), Offset(0))
    );
    let records = batch(3);
    let appended = log
        .append_as_controller(&mut disk, &records, LeaderEpoch(1), at(0))
        .unwrap();
    assert_eq!(
        (appended.base_offset, appended.last_offset),
        (Offset(1), Offset(3))
    );
}

#[test]
fn before_kafka_18723_a_follower_takes_batches_of_a_newer_epoch() {
    let newer = builder(2, 1_000).at(Offset::ZERO, LeaderEpoch(3)).finish();
    for (stops, expected) in [(true, 0), (false, 1)] {
        let mut disk = MemoryStorage::new();
        let mut from = OpenFrom::default();
        from.rules.follower_stops_at_newer_epoch = stops;
        let (mut log, _) = open(&mut disk, from, &TopicConfig::default());
        let appended = log.append_as_follower(&mut disk, &newer, LeaderEpoch(2), at(0));
        assert_eq!(appended.unwrap().len(), expected, "stops: {stops}");
    }
}

#[test]
fn a_follower_takes_what_continues_its_log() {
    let (mut disk, mut log) = new_log(&TopicConfig::default());
    let placed = |offset, epoch| {
        builder(2, 1_000)
            .at(Offset(offset), LeaderEpoch(epoch))
            .finish()
    };
    let mut follow = |disk: &mut MemoryStorage, parts: &[Bytes], cut: usize| {
        let records = parts.concat();
        let records = Bytes::from(records).slice(..parts.concat().len() - cut);
        let appended = log.append_as_follower(disk, &records, LeaderEpoch(2), at(0));
        appended.map(|batches| (batches.len(), log.log_end_offset()))
    };
    let ok = |count, end| Ok((count, Offset(end)));
    assert_eq!(
        follow(&mut disk, &[placed(0, 1), placed(2, 2)], 0),
        ok(2, 4)
    );
    // Offsets may jump; the cut-off batch is left out.
    assert_eq!(
        follow(&mut disk, &[placed(6, 2), placed(8, 2)], 1),
        ok(1, 8)
    );
    // The batch of a later leader and all after it must wait.
    let ahead = [placed(8, 2), placed(10, 3), placed(12, 2)];
    assert_eq!(follow(&mut disk, &ahead, 0), ok(1, 10));
    let overlap = follow(&mut disk, &[placed(9, 2)], 0);
    assert!(matches!(overlap, Err(AppendError::UnexpectedOffset { .. })));
    let rotten = patched(&placed(12, 2), 70, 0);
    let corrupt = follow(&mut disk, &[placed(10, 2), rotten], 0);
    let Err(AppendError::Rejected { error, .. }) = corrupt else {
        panic!("{corrupt:?}")
    };
    assert_eq!(error, ErrorCode::CorruptMessage);
    assert_eq!(log.log_end_offset(), Offset(10));
    assert_eq!(read(&mut disk, &mut log, 4, 10, 10_000), [6, 8]);
    let epochs: Vec<_> = log
        .leader_epochs()
        .iter()
        .map(|e| (e.epoch.0, e.offset.0))
        .collect();
    assert_eq!(epochs, [(1, 0), (2, 2)]);
}

#[test]
fn reads_are_whole_batches_within_bounds() {
    let config = TopicConfig {
        segment_bytes: 1_500,
        index_interval_bytes: 300,
        ..TopicConfig::default()
    };
    let (mut disk, mut log) = new_log(&config);
    for _ in 0..100 {
        append(&mut disk, &mut log, 0, 2);
    }
    let size = batch(2).len();
    let check = |disk: &mut MemoryStorage, log: &mut Log| {
        assert_eq!(read(disk, log, 0, 200, 0), [0]);
        assert_eq!(read(disk, log, 1, 200, 2 * size), [0, 2]);
        assert_eq!(read(disk, log, 4, 200, 2 * size - 1), [4]);
        assert_eq!(read(disk, log, 186, 200, 10_000), [186, 188]); // the end of its segment
        assert_eq!(read(disk, log, 197, 200, 10_000), [196, 198]);
        assert_eq!(read(disk, log, 197, 199, 10_000), [196]);
        assert_eq!(read(disk, log, 196, 197, 10_000), [0_i64; 0]);
        assert_eq!(read(disk, log, 200, 200, 10_000), [0_i64; 0]);
        let none = log
            .read(disk, Offset(4), Offset(200), size - 1, false)
            .unwrap();
        assert!(none.is_empty());
        for from in 0..200 {
            assert_eq!(read(disk, log, from, 200, 0), [from / 2 * 2]);
        }
        let out = log.read(disk, Offset(201), Offset(201), 1, true);
        assert_eq!(out, Err(ReadError::OutOfRange(Offset(201))));
    };
    check(&mut disk, &mut log);
    log.close(&mut disk).unwrap();
    let (mut log, _) = open(&mut disk, clean(), &config);
    check(&mut disk, &mut log);
}

#[test]
fn a_segment_rolls_by_size_time_and_index() {
    let small = TopicConfig {
        segment_bytes: 1_024,
        ..TopicConfig::default()
    };
    let timed = TopicConfig {
        segment_ms: Duration::from_millis(10),
        ..TopicConfig::default()
    };
    let indexed = TopicConfig {
        segment_index_bytes: 24,
        index_interval_bytes: 0,
        ..TopicConfig::default()
    };
    let rows: [(&TopicConfig, [i64; 4], &[i64]); 4] = [
        (&small, [1_000; 4], &[0, 6]),
        (&timed, [1_000, 1_010, 1_011, 1_021], &[0, 4]),
        (&timed, [-1, -1, -1, -1], &[0]),
        (&indexed, [1_000, 1_001, 1_002, 1_003], &[0, 4]),
    ];
    for (config, times, bases) in rows {
        let (mut disk, mut log) = new_log(config);
        for time in times {
            let records = builder(2, time).finish();
            log.append_as_leader(&mut disk, &records, LeaderEpoch(0), at(1_000))
                .unwrap();
        }
        let found: Vec<_> = log.segment_base_offsets().map(|base| base.0).collect();
        assert_eq!(found, bases, "{times:?}");
        let rolled = found.last().copied().filter(|base| *base > 0).map(Offset);
        assert_eq!(log.flush_wanted(), rolled);
        log.flush(&mut disk, rolled.unwrap_or(Offset(8))).unwrap();
        assert_eq!(log.flush_wanted(), None);
    }
    // Relative offsets are 31 bits.
    let (mut disk, mut log) = new_log(&TopicConfig::default());
    append(&mut disk, &mut log, 0, 1);
    let far = builder(1, 0).at(Offset(1 << 31), LeaderEpoch(0)).finish();
    log.append_as_follower(&mut disk, &far, LeaderEpoch(0), at(0))
        .unwrap();
    assert_eq!(log.segment_base_offsets().last(), Some(Offset(1 << 31)));
}

#[test]
fn the_files_are_kafkas() {
    let config = TopicConfig {
        index_interval_bytes: 100,
        ..TopicConfig::default()
    };
    let (mut disk, mut log) = new_log(&config);
    for time in [1_000, 999, 1_001] {
        let records = builder(2, time).finish();
        log.append_as_leader(&mut disk, &records, LeaderEpoch(5), at(1_000))
            .unwrap();
    }
    let size = u8::try_from(batch(2).len() - 256).unwrap();
    let index = disk.read_all(INDEX).unwrap().unwrap();
    assert_eq!(
        *index,
        [0, 0, 0, 3, 0, 0, 1, size, 0, 0, 0, 5, 0, 0, 2, size * 2]
    );
    let times = disk.read_all(TIME_INDEX).unwrap().unwrap();
    assert_eq!(times[..12], [0, 0, 0, 0, 0, 0, 3, 0xe8, 0, 0, 0, 1]);
    assert_eq!(times[12..], [0, 0, 0, 0, 0, 0, 3, 0xe9, 0, 0, 0, 5]);
    let epochs = disk
        .read_all("data/t-0/leader-epoch-checkpoint")
        .unwrap()
        .unwrap();
    assert_eq!(epochs, "0\n1\n5 0\n");
}

#[test]
fn an_offset_is_found_by_its_time() {
    let config = TopicConfig {
        segment_bytes: 1_024,
        index_interval_bytes: 100,
        ..TopicConfig::default()
    };
    let (mut disk, mut log) = new_log(&config);
    for time in [1_000, 1_002, 1_001, 1_005, 1_005, 1_007] {
        let records = builder(2, time).finish();
        log.append_as_leader(&mut disk, &records, LeaderEpoch(1), at(1_000))
            .unwrap();
    }
    let check = |log: &mut Log, disk: &mut MemoryStorage| {
        for (time, expected) in [
            (0, Some(0)),
            (1_000, Some(0)),
            (1_001, Some(2)),
            (1_003, Some(6)),
            (1_005, Some(6)),
            (1_006, Some(10)),
            (1_008, None),
        ] {
            let found = log.offset_for_time(disk, WallClock(time)).unwrap();
            let expected = expected.map(|o| EpochOffset::new(LeaderEpoch(1), Offset(o)));
            assert_eq!(found, expected, "{time}");
        }
    };
    check(&mut log, &mut disk);
    let (mut log, _) = open(&mut disk, unclean(Offset(0)), &config);
    check(&mut log, &mut disk);
}

#[test]
fn truncation_takes_whole_batches() {
    let config = TopicConfig {
        segment_bytes: 1_024,
        index_interval_bytes: 100,
        ..TopicConfig::default()
    };
    for (offset, last, cut) in [
        (12, 12, false),
        (11, 10, true),
        (7, 6, true),
        (6, 6, true),
        (1, 0, true),
    ] {
        let (mut disk, mut log) = new_log(&config);
        for epoch in 0..6 {
            append(&mut disk, &mut log, epoch, 2);
        }
        log.set_high_watermark(Offset(12));
        log.flush(&mut disk, Offset(12)).unwrap();
        assert_eq!(log.truncate_to(&mut disk, Offset(offset)), Ok(cut));
        let end = Offset(offset);
        let numbers = [
            log.log_end_offset(),
            log.high_watermark(),
            log.recovery_point(),
        ];
        assert_eq!(numbers, [end; 3], "{offset}");
        assert_eq!(
            log.latest_epoch().map(|e| i64::from(e.0)),
            ((offset + 1) / 2).checked_sub(1).filter(|e| *e >= 0)
        );
        append(&mut disk, &mut log, 9, 2);
        let kept = (0..last).step_by(2).chain([offset]);
        let (mut log, bytes_cut) = open(&mut disk, unclean(end), &config);
        assert_eq!((log.log_end_offset(), bytes_cut), (end + 2, 0));
        for base in kept {
            assert_eq!(read(&mut disk, &mut log, base, end.0 + 2, 0), [base]);
        }
    }
}

#[test]
fn truncation_cuts_at_a_rotten_header() {
    let config = TopicConfig::default();
    let (mut disk, mut log) = new_log(&config);
    for _ in 0..4 {
        append(&mut disk, &mut log, 0, 2);
    }
    let size = log.size() / 4;
    // The declared size of the second batch.
    disk.corrupt(SEGMENT, usize::try_from(size).unwrap() + 8, &[0x7f]);
    // Opened anew, so that nothing is remembered of the batches.
    let (mut log, _) = open(&mut disk, unclean(Offset(0)), &config);
    assert_eq!(log.log_end_offset(), Offset(2));
    for _ in 0..3 {
        append(&mut disk, &mut log, 0, 2);
    }
    disk.corrupt(SEGMENT, usize::try_from(2 * size).unwrap() + 8, &[0x7f]);
    disk.corrupt(SEGMENT, usize::try_from(3 * size).unwrap() + 8, &[0x7f]);
    assert_eq!(log.truncate_to(&mut disk, Offset(7)), Ok(true));
    assert_eq!(log.log_end_offset(), Offset(7));
    assert_eq!(disk.length(SEGMENT), Ok(log.size()));
    assert!(log.size() <= 3 * size);
}

#[test]
fn a_log_starts_again_elsewhere() {
    let (mut disk, mut log) = new_log(&TopicConfig::default());
    append(&mut disk, &mut log, 1, 4);
    log.truncate_fully_and_start_at(&mut disk, Offset(90), at(1_000))
        .unwrap();
    let numbers = [
        log.log_start_offset(),
        log.log_end_offset(),
        log.high_watermark(),
    ];
    assert_eq!((numbers, log.latest_epoch()), ([Offset(90); 3], None));
    append(&mut disk, &mut log, 2, 1);
    let files = disk.list(DIRECTORY).unwrap();
    assert_eq!(files[0], "data/t-0/00000000000000000090.index");
    // Below the first segment there is nothing left to keep.
    assert_eq!(log.truncate_to(&mut disk, Offset(40)), Ok(true));
    assert_eq!(
        (log.log_start_offset(), log.log_end_offset()),
        (Offset(40), Offset(40))
    );
}

#[test]
fn every_message_is_flushed_if_settings_say_so() {
    let config = TopicConfig {
        flush_messages: 3,
        ..TopicConfig::default()
    };
    let (mut disk, mut log) = new_log(&config);
    append(&mut disk, &mut log, 0, 2);
    log.flush_if_due(&mut disk).unwrap();
    assert_eq!(log.recovery_point(), Offset(0));
    append(&mut disk, &mut log, 0, 2);
    assert_eq!(log.recovery_point(), Offset(0), "told before it is forced");
    log.flush_if_due(&mut disk).unwrap();
    assert_eq!(log.recovery_point(), Offset(4));
    append(&mut disk, &mut log, 0, 2);
    disk.power_loss();
    let (log, cut) = open(&mut disk, unclean(Offset(4)), &config);
    assert_eq!((log.log_end_offset(), cut), (Offset(4), 0));
}
