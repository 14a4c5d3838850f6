//! Logs that grow, are cut, roll and vanish under the eyes of a tail.

use super::super::tail::{Change, Tail};
use super::Scratch;
use bytes::Bytes;
use ktrial_core::WallClock;
use ktrial_core::record::BatchBuilder;
use std::fs;

const FIRST: &str = "t-0/00000000000000000000.log";

/// A batch of one record at this offset, of this epoch.
fn batch(offset: i64, epoch: i32, value: &str) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    builder.append(WallClock(1), None, Some(value.as_bytes()), &[]);
    let mut bytes = builder.finish().to_vec();
    bytes[..8].copy_from_slice(&offset.to_be_bytes());
    bytes[12..16].copy_from_slice(&epoch.to_be_bytes());
    bytes
}

/// A message of magic 1.
fn message(offset: i64, value: &str) -> Vec<u8> {
    let length = 22 + i32::try_from(value.len()).unwrap();
    let mut bytes = offset.to_be_bytes().to_vec();
    bytes.extend(length.to_be_bytes());
    bytes.extend([1, 2, 3, 4, 1, 0]);
    bytes.extend([0; 8]);
    bytes.extend((-1_i32).to_be_bytes());
    bytes.extend((length - 22).to_be_bytes());
    bytes.extend(value.as_bytes());
    bytes
}

struct Log {
    scratch: Scratch,
    tail: Tail,
}

impl Log {
    fn new(bytes: &[Vec<u8>]) -> Self {
        let scratch = Scratch::new();
        scratch.write(FIRST, &bytes.concat());
        let tail = Tail::new(scratch.path().join("t-0"));
        Self { scratch, tail }
    }

    fn write(&self, bytes: &[Vec<u8>]) {
        self.scratch.write(FIRST, &bytes.concat());
    }

    /// What the next poll tells: `+base@epoch` and `-from..to`; `gone`.
    fn poll(&mut self) -> String {
        let Some(changes) = self.tail.poll().unwrap() else {
            return "gone".to_owned();
        };
        let told = changes.iter().map(|change| match change {
            Change::Cut { from, to } => format!("-{from}..{to}"),
            Change::Appended(header, bytes) => {
                assert_eq!(header.size, bytes.len());
                format!("+{}@{}", header.base, header.epoch)
            }
        });
        told.collect::<Vec<_>>().join(" ")
    }
}

fn abc() -> [Vec<u8>; 3] {
    [batch(0, 0, "a"), batch(1, 0, "b"), batch(2, 0, "c")]
}

#[test]
fn only_what_grew_is_told() {
    let [a, b, _] = abc();
    let mut log = Log::new(std::slice::from_ref(&a));
    assert_eq!(log.poll(), "+0@0");
    assert_eq!(log.poll(), "");
    log.write(&[a, b]);
    assert_eq!(log.poll(), "+1@0");
}

#[test]
fn half_a_batch_is_waited_for() {
    let [a, b, c] = abc();
    let mut log = Log::new(&[a.clone(), b[..30].to_vec()]);
    assert_eq!(log.poll(), "+0@0");
    log.write(&[a.clone(), b[..60].to_vec()]);
    assert_eq!(log.poll(), "");
    log.write(&[a.clone(), b.clone(), c]);
    assert_eq!(log.poll(), "+1@0 +2@0");
    // What a recovery cuts off was never told, if it was torn.
    let torn = vec![9; 5];
    log.write(&[a.clone(), b.clone(), torn]);
    assert_eq!(log.poll(), "-3..2");
    log.write(&[a, b]);
    assert_eq!(log.poll(), "");
}

#[test]
fn a_cut_is_told_even_behind_new_batches() {
    let [a, b, c] = abc();
    let mut log = Log::new(&[a.clone(), b.clone(), c]);
    assert_eq!(log.poll(), "+0@0 +1@0 +2@0");
    log.write(&[a.clone(), b]);
    assert_eq!(log.poll(), "-3..2");
    // Cut again, and longer than before by the time anybody looks.
    let new: Vec<Vec<u8>> = (1..5).map(|offset| batch(offset, 2, "x")).collect();
    log.write(&[std::slice::from_ref(&a), &new[..]].concat());
    assert_eq!(log.poll(), "-2..1 +1@2 +2@2 +3@2 +4@2");
    // The near miss: it grows and its last batch stands.
    log.write(&[&[a], &new[..], &[batch(5, 2, "y")]].concat());
    assert_eq!(log.poll(), "+5@2");
}

#[test]
fn a_log_of_the_same_length_with_another_epoch_is_another_log() {
    let [a, b, _] = abc();
    let mut log = Log::new(&[a.clone(), b]);
    log.poll();
    log.write(&[a, batch(1, 1, "b"), batch(2, 1, "c")]);
    assert_eq!(log.poll(), "-2..1 +1@1 +2@1");
    log.write(&[]);
    assert_eq!(log.poll(), "-3..0");
}

#[test]
fn segments_roll_and_go() {
    let [a, b, c] = abc();
    let mut log = Log::new(&[a, b]);
    log.poll();
    let second = "t-0/00000000000000000002.log";
    log.scratch.write(second, &c);
    assert_eq!(log.poll(), "+2@0");
    // Retention takes the first segment: no news.
    fs::remove_file(log.scratch.path().join(FIRST)).unwrap();
    assert_eq!(log.poll(), "");
    log.scratch.write(second, &[c, batch(3, 0, "d")].concat());
    assert_eq!(log.poll(), "+3@0");
    // A follower that begins anew elsewhere: the old segment is renamed, another one made.
    let folder = log.scratch.path().join("t-0");
    let deleted = folder.join("00000000000000000002.log.deleted");
    fs::rename(log.scratch.path().join(second), deleted).unwrap();
    assert_eq!(log.poll(), "");
    log.scratch.write(FIRST, &[]);
    assert_eq!(log.poll(), "-4..0");
}

#[test]
fn a_cut_that_takes_whole_segments_is_one_cut() {
    let [a, b, c] = abc();
    let mut log = Log::new(&[a.clone(), b]);
    let second = log.scratch.path().join("t-0/00000000000000000002.log");
    fs::write(&second, &c).unwrap();
    assert_eq!(log.poll(), "+0@0 +1@0 +2@0");
    fs::remove_file(&second).unwrap();
    log.write(&[a, batch(1, 3, "x")]);
    assert_eq!(log.poll(), "-3..1 +1@3");
}

#[test]
fn a_folder_that_is_gone_or_another_one_is_told() {
    let [a, ..] = abc();
    let mut log = Log::new(&[a]);
    log.poll();
    let folder = log.scratch.path().join("t-0");
    // The old folder stays, so that the new one cannot have its inode.
    fs::rename(&folder, log.scratch.path().join("t-0.0-delete")).unwrap();
    log.write(&[]);
    assert_eq!(log.poll(), "gone");
    log.tail = Tail::new(folder.clone());
    assert_eq!(log.poll(), "");
    fs::remove_dir_all(&folder).unwrap();
    assert_eq!(log.poll(), "gone");
}

#[test]
fn messages_of_the_first_formats_are_told_one_by_one() {
    let whole = [message(0, "A"), message(1, "BB")].concat();
    let mut log = Log::new(&[whole.clone(), message(2, "C")[..20].to_vec()]);
    assert_eq!(log.poll(), "+0@-1 +1@-1");
    log.write(&[whole, message(2, "C")]);
    assert_eq!(log.poll(), "+2@-1");
    // A file that is filled with zeros beforehand has no messages.
    let mut zeros = Log::new(&[vec![0; 200]]);
    assert_eq!(zeros.poll(), "");
    assert!(super::super::batch::Header::of(&Bytes::from(vec![0; 200])).is_none());
}
