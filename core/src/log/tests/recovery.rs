//! What is left of a log after a crash, damage and a clean stop.

use super::*;

const EPOCHS: &str = "data/t-0/leader-epoch-checkpoint";
const ORPHAN: &str = "data/t-0/00000000000000000099.index";

enum Damage {
    Nothing,
    Cut(&'static str, u64),
    Rot(usize, u8),
    Delete(&'static str),
    Append(&'static str, &'static [u8]),
    Replace(&'static str, &'static [u8]),
}

impl Damage {
    fn apply(&self, disk: &mut MemoryStorage) {
        match self {
            Self::Nothing => {}
            Self::Cut(path, length) => disk.truncate(path, *length).unwrap(),
            Self::Rot(position, byte) => disk.corrupt(SEGMENT, *position, &[*byte]),
            Self::Delete(path) => disk.delete(path).unwrap(),
            Self::Append(path, bytes) => assert!(disk.append(path, bytes).is_ok()),
            Self::Replace(path, bytes) => disk.replace(path, bytes).unwrap(),
        }
    }
}

/// Damage to three batches of two records, how much must be left, and how many entries of the epoch
/// cache, which had 0@0 and 1@4.
const DAMAGES: &[(&str, Damage, i64, usize)] = &[
    ("nothing", Damage::Nothing, 6, 2),
    ("torn batch", Damage::Cut(SEGMENT, 700), 4, 1),
    ("bit rot", Damage::Rot(400, 0), 2, 1),
    ("rotten base offset", Damage::Rot(0, 0x7f), 0, 0),
    ("empty", Damage::Cut(SEGMENT, 0), 0, 0),
    ("no index", Damage::Delete(INDEX), 6, 2),
    ("no time index", Damage::Delete(TIME_INDEX), 6, 2),
    ("empty index", Damage::Cut(INDEX, 0), 6, 2),
    ("torn index", Damage::Cut(INDEX, 5), 6, 2),
    ("long index", Damage::Append(INDEX, &[0; 24]), 6, 2),
    ("empty epochs", Damage::Cut(EPOCHS, 0), 6, 2),
    ("no epochs", Damage::Delete(EPOCHS), 6, 2),
    (
        "epochs ahead",
        Damage::Replace(EPOCHS, b"0\n3\n0 0\n1 4\n7 9\n"),
        6,
        2,
    ),
    ("garbage", Damage::Append(SEGMENT, &[0xff; 99]), 6, 2),
    ("zeros", Damage::Append(SEGMENT, &[0; 99]), 6, 2),
    ("only an index", Damage::Append(ORPHAN, &[0; 8]), 6, 2),
];

#[test]
fn recovery_keeps_what_can_be_trusted() {
    let config = TopicConfig {
        index_interval_bytes: 100,
        ..TopicConfig::default()
    };
    for (name, damage, end, epochs) in DAMAGES {
        for recovery_point in [0, *end] {
            let (mut disk, mut log) = new_log(&config);
            for epoch in [0, 0, 1] {
                append(&mut disk, &mut log, epoch, 2);
            }
            let before = disk.read_all(INDEX).unwrap().unwrap();
            damage.apply(&mut disk);
            let (mut log, _) = open(&mut disk, unclean(Offset(recovery_point)), &config);
            assert_eq!(log.log_end_offset(), Offset(*end), "{name}");
            assert_eq!(log.leader_epochs().len(), *epochs, "{name}");
            assert_eq!(log.recovery_point(), Offset(recovery_point), "{name}");
            let index = disk.read_all(INDEX).unwrap().unwrap();
            assert_eq!(index, before.slice(..index.len()), "{name}");
            append(&mut disk, &mut log, 8, 2);
            assert_eq!(
                read(&mut disk, &mut log, *end, end + 2, 0),
                [*end],
                "{name}"
            );
        }
    }
}

#[test]
fn a_hole_takes_later_segments_along() {
    let config = TopicConfig {
        segment_bytes: 1_024,
        ..TopicConfig::default()
    };
    let (mut disk, mut log) = new_log(&config);
    for _ in 0..9 {
        append(&mut disk, &mut log, 0, 2);
    }
    let size = log.size();
    let recovery_point = Offset(7);
    disk.corrupt("data/t-0/00000000000000000006.log", 400, &[0]);
    let (log, cut) = open(&mut disk, unclean(recovery_point), &config);
    assert_eq!(
        (log.log_end_offset(), log.recovery_point()),
        (Offset(8), Offset(7))
    );
    assert_eq!(cut, size - log.size());
    // Below the recovery point nobody looks.
    disk.corrupt(SEGMENT, 400, &[0]);
    let (log, cut) = open(&mut disk, unclean(recovery_point), &config);
    assert_eq!((log.log_end_offset(), cut), (Offset(8), 0));
}

#[test]
fn a_clean_stop_needs_no_recovery() {
    let config = TopicConfig {
        segment_bytes: 1_024,
        ..TopicConfig::default()
    };
    let (mut disk, mut log) = new_log(&config);
    for _ in 0..9 {
        append(&mut disk, &mut log, 3, 2);
    }
    log.close(&mut disk).unwrap();
    assert_eq!(log.recovery_point(), Offset(18));
    disk.power_loss();
    let from = OpenFrom {
        high_watermark: Offset(99),
        log_start_offset: Offset(4),
        ..clean()
    };
    let (log, cut) = open(&mut disk, from, &config);
    assert_eq!(
        (log.log_end_offset(), log.recovery_point(), cut),
        (Offset(18), Offset(18), 0)
    );
    assert_eq!(
        (log.log_start_offset(), log.high_watermark()),
        (Offset(4), Offset(18))
    );
    assert_eq!(
        log.leader_epochs(),
        [EpochOffset::new(LeaderEpoch(3), Offset(4))]
    );
    // A start beyond the end leaves nothing.
    let from = OpenFrom {
        log_start_offset: Offset(30),
        ..clean()
    };
    let (log, _) = open(&mut disk, from, &config);
    assert_eq!(
        (log.log_start_offset(), log.log_end_offset()),
        (Offset(30), Offset(30))
    );
    assert!(log.leader_epochs().is_empty());
}

#[test]
fn a_lost_epoch_checkpoint_is_found_again_only_where_batches_are_checked() {
    let config = TopicConfig {
        segment_bytes: 600,
        ..TopicConfig::default()
    };
    let epochs_after = |from: OpenFrom| {
        let (mut disk, mut log) = new_log(&config);
        for epoch in [0, 0, 1, 2] {
            append(&mut disk, &mut log, epoch, 2);
        }
        disk.delete(EPOCHS).unwrap();
        let (log, cut) = open(&mut disk, from, &config);
        assert_eq!((log.log_end_offset(), cut), (Offset(8), 0));
        log.leader_epochs().iter().map(|e| e.epoch.0).collect()
    };
    let table: [(OpenFrom, Vec<i32>); 4] = [
        (unclean(Offset(0)), vec![0, 1, 2]),
        (unclean(Offset(4)), vec![1, 2]),
        (unclean(Offset(8)), vec![1, 2]),
        (clean(), vec![]),
    ];
    for (from, expected) in table {
        let found: Vec<i32> = epochs_after(from);
        assert_eq!(found, expected, "{from:?}");
    }
}

#[test]
fn a_malformed_epoch_checkpoint_is_an_error() {
    for text in ["0\n1", "0\n1\n", "1\n0\n", "0\n1\n0\n", "0\n1\n-1 0\n", "x"] {
        let config = TopicConfig::default();
        let (mut disk, mut log) = new_log(&config);
        append(&mut disk, &mut log, 0, 2);
        disk.replace(EPOCHS, text.as_bytes()).unwrap();
        let opened = Log::open(&mut disk, DIRECTORY, clean(), config, at(0));
        let error = StorageError::Malformed(EPOCHS.to_owned());
        assert_eq!(opened.err(), Some(error), "{text:?}");
    }
}

#[test]
fn overlapping_segments_stay_as_they_are() {
    const OLD: &str = "data/t-0/00000000000000000004.log";
    let config = TopicConfig {
        segment_bytes: 600,
        ..TopicConfig::default()
    };
    let (mut disk, mut log) = new_log(&config);
    for _ in 0..4 {
        append(&mut disk, &mut log, 0, 2);
    }
    let old = disk.read_all(OLD).unwrap().unwrap();
    log.truncate_to(&mut disk, Offset(2)).unwrap();
    append(&mut disk, &mut log, 1, 4);
    // The power loss undoes the deletion.
    disk.append(OLD, &old).unwrap();
    let (mut log, cut) = open(&mut disk, unclean(Offset(2)), &config);
    assert_eq!((log.log_end_offset(), cut), (Offset(8), 0));
    assert_eq!(read(&mut disk, &mut log, 2, 8, 9_999), [2]);
    assert_eq!(read(&mut disk, &mut log, 4, 8, 9_999), [4, 6]);
}

#[test]
fn damage_in_a_segment_without_index_spares_later_ones() {
    let config = TopicConfig {
        segment_bytes: 600,
        ..TopicConfig::default()
    };
    for (delete_index, end) in [(false, 2), (true, 8)] {
        let (mut disk, mut log) = new_log(&config);
        for _ in 0..4 {
            append(&mut disk, &mut log, 0, 2);
        }
        disk.corrupt(SEGMENT, 400, &[0]);
        if delete_index {
            disk.delete(INDEX).unwrap();
        }
        let (log, cut) = open(&mut disk, unclean(Offset(0)), &config);
        assert_eq!(log.log_end_offset(), Offset(end));
        assert!(cut > 0);
    }
}
