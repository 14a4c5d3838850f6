//! Kill against power loss, and what calls cost.

use super::{Device, Disk};
use crate::plan::{DiskPlan, PowerLoss};
use ktrial_core::{Random, Storage, StorageError, Timestamp};
use std::time::Duration;

fn disk(power_loss: PowerLoss) -> Disk {
    Disk::new(DiskPlan {
        power_loss,
        ..DiskPlan::default()
    })
}

fn lose_power(disk: &Disk, seed: u64) -> u64 {
    let mut random = Random::stream(seed, "disk b1");
    disk.device().power_loss(&mut random)
}

#[test]
fn power_loss_takes_what_was_not_flushed() {
    let mut disk = disk(PowerLoss::LoseUnflushed);
    disk.append("data/t-0/a.log", b"flushed").unwrap();
    disk.flush("data/t-0/a.log").unwrap();
    disk.flush_directory("data/t-0").unwrap();
    disk.append("data/t-0/a.log", b" and not").unwrap();
    disk.append("data/t-0/new.log", b"12").unwrap();
    disk.flush("data/t-0/new.log").unwrap();
    assert_eq!(lose_power(&disk, 1), 10);
    let kept = disk.read_all("data/t-0/a.log").unwrap().unwrap();
    assert_eq!(&kept[..], b"flushed");
    // Its bytes were flushed, its name was not.
    assert_eq!(disk.list("data").unwrap(), ["data/t-0/a.log"]);
    assert_eq!(lose_power(&disk, 1), 0);
}

#[test]
fn replace_leaves_the_old_or_the_new_file() {
    for seed in 0..50 {
        let mut disk = disk(PowerLoss::RandomPrefix);
        disk.replace("data/checkpoint", b"old").unwrap();
        disk.append("data/checkpoint.tmp", b"new!").unwrap();
        disk.flush("data/checkpoint.tmp").unwrap();
        disk.rename("data/checkpoint.tmp", "data/checkpoint")
            .unwrap();
        lose_power(&disk, seed);
        let kept = disk.read_all("data/checkpoint").unwrap().unwrap();
        assert!(&kept[..] == b"old" || &kept[..] == b"new!", "{kept:?}");
    }
}

#[test]
fn a_random_prefix_keeps_what_was_flushed_and_may_tear() {
    let (mut torn, mut shorter, mut whole) = (0, 0, 0);
    for seed in 0..200 {
        let mut disk = disk(PowerLoss::RandomPrefix);
        disk.append("f", &[1; 700]).unwrap();
        disk.flush("f").unwrap();
        disk.flush_directory("").unwrap();
        disk.append("f", &[2; 1_000]).unwrap();
        let lost = lose_power(&disk, seed);
        let kept = disk.read_all("f").unwrap().unwrap();
        assert!(kept[..700].iter().all(|byte| *byte == 1));
        let good = kept.iter().take_while(|byte| **byte != 0).count();
        assert!(kept[good..].iter().all(|byte| *byte == 0));
        assert_eq!(lost, 1_700 - good as u64);
        torn += usize::from(good < kept.len());
        shorter += usize::from(kept.len() < 1_700);
        whole += usize::from(kept.len() == 1_700);
    }
    assert!(torn > 50 && shorter > 150 && whole < 50, "{torn} {shorter}");
}

#[test]
fn a_flush_waits_for_the_device() {
    let mut device = Device::new(DiskPlan::default());
    device.begin(Timestamp(1_000));
    device.append("f", &[0; 4_000]).unwrap();
    device.flush("f").unwrap();
    assert_eq!(device.spent(), Duration::from_micros(2 + 500 + 10));
    // Another lane's call begins while the device is at it.
    device.begin(Timestamp(1_200));
    device.flush("f").unwrap();
    assert_eq!(device.spent(), Duration::from_micros(312 + 500));
    // The page cache does not wait.
    device.begin(Timestamp(1_201));
    device.read("f", 0, 10).unwrap();
    assert_eq!(device.spent(), Duration::from_micros(2));
}

#[test]
fn missing_files_are_told() {
    let mut disk = disk(PowerLoss::LoseUnflushed);
    let missing = StorageError::NotFound("f".to_owned());
    assert_eq!(disk.read("f", 0, 1).unwrap_err(), missing);
    assert_eq!(disk.flush("f").unwrap_err(), missing);
    assert_eq!(disk.delete("f").unwrap_err(), missing);
    assert_eq!(disk.rename("f", "g").unwrap_err(), missing);
    assert!(!disk.exists("f").unwrap());
    assert!(disk.read_all("f").unwrap().is_none());
}
