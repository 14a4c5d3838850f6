//! What each fault does, whom it spares, and what it counts.

use super::{Device, Disk};
use crate::plan::{DiskCall, DiskFault, DiskPlan, PowerLoss};
use ktrial_core::{Random, Storage, StorageError, Timestamp};
use std::time::Duration;

const LOG: &str = "data/t-0/a.log";
const OTHER: &str = "data/t-00/a.log";

/// A device with two flushed files of 1,000 bytes.
fn device() -> Device {
    let mut device = Device::new(DiskPlan {
        power_loss: PowerLoss::LoseUnflushed,
        ..DiskPlan::default()
    });
    for path in [LOG, OTHER] {
        device.append(path, &[1; 1_000]).unwrap();
        device.flush(path).unwrap();
    }
    for directory in ["data/t-0", "data/t-00"] {
        device.flush_directory(directory).unwrap();
    }
    device
}

/// A device on which step 7 has begun a fault of `data/t-0` at 10 s.
fn with(fault: &DiskFault, until: Option<u64>) -> Device {
    let mut device = device();
    let until = until.map(Timestamp::from_millis);
    device.begin_fault(7, Some("data/t-0"), fault, until);
    device.begin(Timestamp::from_millis(10_000));
    device
}

fn fail(calls: &[DiskCall]) -> DiskFault {
    DiskFault::Fail {
        calls: calls.to_vec(),
    }
}

fn touched(device: &mut Device) -> u64 {
    let ended = device.end_faults(Some(7));
    assert_eq!(ended.len(), 1);
    assert_eq!(device.end_faults(None), []);
    ended[0].1
}

fn content(device: &mut Device, path: &str) -> Vec<u8> {
    let length = usize::try_from(device.length(path).unwrap()).unwrap();
    device.read(path, 0, length).unwrap().to_vec()
}

fn lose_power(device: &mut Device) -> u64 {
    device.power_loss(&mut Random::stream(1, "disk b1"))
}

fn rot(device: &mut Device, place: (Option<&str>, Option<u64>)) -> u64 {
    device.rot(Some("data/t-0"), place, &mut Random::stream(1, "rot b1"))
}

#[test]
fn a_slow_disk_takes_so_many_times_as_long() {
    let mut device = with(&DiskFault::Slow { times: 10 }, None);
    device.append(OTHER, &[2; 4_000]).unwrap();
    device.read(LOG, 0, 1).unwrap();
    assert_eq!(device.spent(), Duration::from_micros(2 + 20));
    device.append(LOG, &[2; 4_000]).unwrap();
    device.flush(LOG).unwrap();
    let spent = 22 + 20 + 10 * (500 + 10);
    assert_eq!(device.spent(), Duration::from_micros(spent));
    assert!(device.exists(LOG));
    device.length(LOG).unwrap();
    assert_eq!(
        device.spent(),
        Duration::from_micros(spent),
        "looks are free"
    );
    assert_eq!(touched(&mut device), 3);
    device.begin(Timestamp::from_millis(11_000));
    device.read(LOG, 0, 1).unwrap();
    assert_eq!(device.spent(), Duration::from_micros(2));
}

#[test]
fn of_two_slow_disks_the_slower_one_counts() {
    let mut device = with(&DiskFault::Slow { times: 10 }, None);
    device.begin_fault(8, None, &DiskFault::Slow { times: 3 }, None);
    device.read(LOG, 0, 1).unwrap();
    device.read(OTHER, 0, 1).unwrap();
    assert_eq!(device.spent(), Duration::from_micros(20 + 6));
    assert_eq!(device.end_faults(None), [(7, 1), (8, 2)]);
}

#[test]
fn a_stalled_call_comes_back_when_the_stall_ends() {
    let mut device = with(&DiskFault::Stall, Some(12_000));
    device.read(OTHER, 0, 1).unwrap();
    assert_eq!(device.spent(), Duration::from_micros(2));
    device.read(LOG, 0, 1).unwrap();
    let until_end = Duration::from_secs(2);
    assert_eq!(device.spent(), until_end + Duration::from_micros(2));
    // Later calls of the same input begin after the stall: it does not touch them.
    device.read(LOG, 0, 1).unwrap();
    assert_eq!(device.spent(), until_end + Duration::from_micros(4));
    device.begin(Timestamp::from_millis(12_000));
    device.read(LOG, 0, 1).unwrap();
    assert_eq!(device.spent(), Duration::from_micros(2));
    assert_eq!(touched(&mut device), 1);
}

#[test]
fn a_flush_waits_behind_a_stalled_one() {
    let mut device = with(&DiskFault::Stall, Some(12_000));
    device.flush(LOG).unwrap();
    device.begin(Timestamp::from_millis(10_001));
    device.flush(OTHER).unwrap();
    let spent = Duration::from_millis(1_999) + Duration::from_micros(1_000);
    assert_eq!(device.spent(), spent);
}

#[test]
fn calls_fail_by_their_kind() {
    let refused = |call: &str| StorageError::Io(format!("{call} of {LOG}"));
    let mut device = with(&fail(&[DiskCall::Read]), None);
    assert_eq!(device.read(LOG, 0, 1).unwrap_err(), refused("read"));
    device.append(LOG, b"x").unwrap();
    device.flush(LOG).unwrap();
    device.read(OTHER, 0, 1).unwrap();
    assert_eq!(touched(&mut device), 1);

    let mut device = with(&fail(&[DiskCall::Write, DiskCall::Flush]), None);
    device.append(OTHER, b"x").unwrap();
    assert_eq!(device.append(LOG, b"x").unwrap_err(), refused("write"));
    assert_eq!(device.truncate(LOG, 1).unwrap_err(), refused("truncation"));
    assert_eq!(device.rename(LOG, "z").unwrap_err(), refused("renaming"));
    assert_eq!(device.delete(LOG).unwrap_err(), refused("deletion"));
    assert_eq!(device.flush(LOG).unwrap_err(), refused("flush"));
    let directory = StorageError::Io("flush of data/t-0".to_owned());
    assert_eq!(device.flush_directory("data/t-0").unwrap_err(), directory);
    assert_eq!(content(&mut device, LOG), [1; 1_000]);
    assert_eq!(touched(&mut device), 6);
}

#[test]
fn what_a_failed_flush_did_not_write_is_still_dirty() {
    let mut device = with(&fail(&[DiskCall::Flush]), None);
    device.append(LOG, b"new").unwrap();
    device.flush(LOG).unwrap_err();
    assert_eq!(lose_power(&mut device), 3);
}

#[test]
fn a_full_disk_takes_nothing_that_makes_it_fuller() {
    let mut device = with(&DiskFault::Full, None);
    let full = |path: &str| StorageError::Full(path.to_owned());
    assert_eq!(device.append(LOG, b"x").unwrap_err(), full(LOG));
    let new = "data/t-0/new.log";
    assert_eq!(device.append(new, b"").unwrap_err(), full(new));
    assert!(!device.exists(new));
    device.append(LOG, b"").unwrap();
    device.truncate(LOG, 10).unwrap();
    device.flush(LOG).unwrap();
    device.read(LOG, 0, 1).unwrap();
    device.rename(LOG, new).unwrap();
    device.delete(new).unwrap();
    device.append(OTHER, b"x").unwrap();
    assert_eq!(touched(&mut device), 2);
}

#[test]
fn a_lying_flush_flushes_nothing() {
    let mut device = with(&DiskFault::LyingFlush, None);
    for path in [LOG, OTHER, "data/t-0/new.log"] {
        device.append(path, b"12345").unwrap();
        device.flush(path).unwrap();
    }
    device.flush_directory("data/t-0").unwrap();
    assert_eq!(device.spent(), Duration::from_micros(3 * 2 + 4 * 500));
    assert_eq!(lose_power(&mut device), 10);
    assert_eq!(content(&mut device, LOG).len(), 1_000);
    assert_eq!(content(&mut device, OTHER).len(), 1_005);
    assert_eq!(device.list("data"), [LOG, OTHER]);
    assert_eq!(touched(&mut device), 3);
}

#[test]
fn the_first_honest_flush_writes_what_lies_left() {
    let mut device = with(&DiskFault::LyingFlush, None);
    device.append(LOG, b"12345").unwrap();
    device.flush(LOG).unwrap();
    assert_eq!(touched(&mut device), 1);
    device.flush(LOG).unwrap();
    assert_eq!(lose_power(&mut device), 0);
}

#[test]
fn a_torn_write_keeps_the_first_half_of_the_last_append() {
    let mut device = with(&DiskFault::TornWrite, None);
    let flushed = "data/t-0/flushed";
    let new = "data/t-0/new.log";
    for path in [LOG, OTHER, new, flushed] {
        device.append(path, &[2; 10]).unwrap();
        device.append(path, &[3; 100]).unwrap();
    }
    device.flush(flushed).unwrap();
    device.append(flushed, b"").unwrap();
    assert_eq!(lose_power(&mut device), 50 + 110 + 50);
    assert_eq!(content(&mut device, LOG).len(), 1_000 + 10 + 50);
    assert_eq!(content(&mut device, OTHER).len(), 1_000);
    assert_eq!(content(&mut device, new).len(), 60);
    assert_eq!(content(&mut device, flushed).len(), 110);
    assert_eq!(touched(&mut device), 2);
}

#[test]
fn an_append_that_was_cut_off_is_not_torn() {
    let mut device = with(&DiskFault::TornWrite, None);
    device.append(LOG, &[2; 100]).unwrap();
    device.truncate(LOG, 1_040).unwrap();
    assert_eq!(lose_power(&mut device), 0);
    assert_eq!(content(&mut device, LOG).len(), 1_040);
    assert_eq!(touched(&mut device), 0);
}

#[test]
fn a_bit_rots_in_cache_and_platter_alike() {
    let mut device = device();
    let before = device.read(LOG, 0, 1_000).unwrap();
    assert_eq!(rot(&mut device, (None, None)), 1);
    let rotten = content(&mut device, LOG);
    let bits = rotten.iter().map(|byte| (byte ^ 1).count_ones());
    assert_eq!(bits.sum::<u32>(), 1);
    assert_eq!(&before[..], [1; 1_000], "what was read stays");
    assert_eq!(content(&mut device, OTHER), [1; 1_000]);
    lose_power(&mut device);
    assert_eq!(content(&mut device, LOG), rotten);

    let mut again = self::device();
    rot(&mut again, (None, None));
    assert_eq!(
        content(&mut again, LOG),
        rotten,
        "the same stream, the same bit"
    );
}

#[test]
fn a_bit_rots_where_it_is_said() {
    let mut device = device();
    for nothing in [
        (Some(OTHER), None),
        (Some("data/t-0/none"), Some(1)),
        (Some(LOG), Some(1_000)),
    ] {
        assert_eq!(rot(&mut device, nothing), 0, "{nothing:?}");
    }
    assert_eq!(content(&mut device, LOG), [1; 1_000]);
    device.append(LOG, &[1; 10]).unwrap();
    assert_eq!(rot(&mut device, (Some(LOG), Some(1_005))), 1);
    let rotten = content(&mut device, LOG);
    assert_ne!(rotten[1_005], 1);
    assert_eq!(rotten.iter().filter(|byte| **byte != 1).count(), 1);
}

#[test]
fn a_wiped_disk_has_nothing_even_after_a_power_loss() {
    let mut device = device();
    device.append("data/t-0/new.log", b"123").unwrap();
    device
        .rename("data/t-0/new.log", "data/t-0/newer.log")
        .unwrap();
    device.append("data/t-0/new.log", b"12").unwrap();
    device.append(LOG, b"dirty").unwrap();
    assert_eq!(device.wipe(Some("data/t-0/")), 1_000 + 5 + 3 + 2);
    assert_eq!(device.list("data"), [OTHER]);
    lose_power(&mut device);
    assert_eq!(device.list("data"), [OTHER]);
    assert_eq!(device.wipe(Some("nowhere")), 0);
    assert_eq!(device.wipe(None), 1_000);
    assert_eq!(device.list("data"), [""; 0]);
    assert_eq!(device.append(LOG, b"x"), Ok(0));
}

#[test]
fn the_whole_disk_is_every_directory() {
    let mut disk = Disk::new(DiskPlan::default());
    disk.device().begin_fault(0, None, &DiskFault::Full, None);
    disk.append("anywhere", b"x").unwrap_err();
    disk.append("data/t-0/a", b"x").unwrap_err();
    assert_eq!(disk.device().end_faults(None), [(0, 2)]);
}
