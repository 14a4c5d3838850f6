//! Any calls in any order: the disk against a naive one, and what a power loss may leave.

use super::Disk;
use crate::plan::{DiskPlan, PowerLoss};
use ktrial_core::memory_storage::MemoryStorage;
use ktrial_core::{Random, Storage};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A call. Files are `d/0` to `d/2` and `e/0` to `e/2`; renames stay within a directory.
#[derive(Clone, Debug)]
enum Call {
    Append(usize, usize),
    Truncate(usize, u64),
    Flush(usize),
    FlushDirectory(usize),
    Rename(usize, usize),
    Delete(usize),
    Read(usize, u64, usize),
    PowerLoss,
}

const FILES: [&str; 6] = ["d/0", "d/1", "d/2", "e/0", "e/1", "e/2"];
const DIRECTORIES: [&str; 2] = ["d", "e"];

fn call() -> impl Strategy<Value = Call> {
    let file = 0..FILES.len();
    prop_oneof![
        4 => (file.clone(), 1..5_usize).prop_map(|(f, length)| Call::Append(f, length)),
        2 => (file.clone(), 0..8_u64).prop_map(|(f, length)| Call::Truncate(f, length)),
        3 => file.clone().prop_map(Call::Flush),
        2 => (0..2_usize).prop_map(Call::FlushDirectory),
        2 => (file.clone(), 0..3_usize).prop_map(|(f, to)| Call::Rename(f, f / 3 * 3 + to)),
        1 => file.clone().prop_map(Call::Delete),
        2 => (file, 0..8_u64, 0..8_usize).prop_map(|(f, at, length)| Call::Read(f, at, length)),
        1 => Just(Call::PowerLoss),
    ]
}

/// Bytes that each occur once, so that they tell whose they are (0 is what a torn sector holds).
fn fresh(next: &mut u8, length: usize) -> Vec<u8> {
    let bytes = (*next..).take(length).collect();
    *next += u8::try_from(length).unwrap();
    bytes
}

/// Makes a call on any disk; what it answers, as text.
fn make(call: &Call, disk: &mut dyn Storage, bytes: &[u8]) -> String {
    match call {
        Call::Append(f, _) => format!("{:?}", disk.append(FILES[*f], bytes)),
        Call::Truncate(f, length) => format!("{:?}", disk.truncate(FILES[*f], *length)),
        Call::Flush(f) => format!("{:?}", disk.flush(FILES[*f])),
        Call::FlushDirectory(d) => format!("{:?}", disk.flush_directory(DIRECTORIES[*d])),
        Call::Rename(from, to) => format!("{:?}", disk.rename(FILES[*from], FILES[*to])),
        Call::Delete(f) => format!("{:?}", disk.delete(FILES[*f])),
        Call::Read(f, at, length) => format!("{:?}", disk.read(FILES[*f], *at, *length)),
        Call::PowerLoss => String::new(),
    }
}

/// Every name and what it stands for.
fn contents(disk: &mut dyn Storage) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for directory in DIRECTORIES {
        for path in disk.list(directory).unwrap() {
            let bytes = disk.read_all(&path).unwrap().unwrap();
            files.insert(path, bytes.to_vec());
        }
    }
    files
}

fn common(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// How many bytes of `before` are nowhere in `after`.
fn lost(before: &BTreeMap<String, Vec<u8>>, after: &BTreeMap<String, Vec<u8>>) -> usize {
    let kept = |bytes: &Vec<u8>| after.values().map(|a| common(bytes, a)).max();
    let lost = |bytes: &Vec<u8>| bytes.len() - kept(bytes).unwrap_or(0);
    before.values().map(lost).sum()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_disk_is_as_a_naive_one(calls in prop::collection::vec(call(), 0..50)) {
        let mut disk = Disk::new(DiskPlan::default());
        let mut naive = MemoryStorage::new();
        let mut next = 1;
        for call in &calls {
            let length = if let Call::Append(_, length) = call { *length } else { 0 };
            let bytes = fresh(&mut next, length);
            prop_assert_eq!(make(call, &mut disk, &bytes), make(call, &mut naive, &bytes));
            let before = contents(&mut disk);
            if let Call::PowerLoss = call {
                naive.power_loss();
                let gone = disk.device().power_loss(&mut Random::stream(1, "any"));
                let after = contents(&mut disk);
                prop_assert_eq!(lost(&before, &after) as u64, gone);
            }
            prop_assert_eq!(contents(&mut disk), contents(&mut naive));
        }
    }

    /// Each file begins with its clean bytes and goes on as the cache or the platter did, or is torn.
    #[test]
    fn a_random_prefix_is_one(calls in prop::collection::vec(call(), 0..50), seed in 0..1_000_u64) {
        let mut disk = Disk::new(DiskPlan {
            power_loss: PowerLoss::RandomPrefix,
            ..DiskPlan::default()
        });
        let mut naive = MemoryStorage::new();
        let mut next = 1;
        for call in calls.iter().filter(|call| !matches!(call, Call::PowerLoss)) {
            let length = if let Call::Append(_, length) = call { *length } else { 0 };
            let bytes = fresh(&mut next, length);
            make(call, &mut disk, &bytes);
            make(call, &mut naive, &bytes);
        }
        for directory in DIRECTORIES {
            disk.flush_directory(directory).unwrap();
            naive.flush_directory(directory).unwrap();
        }
        let cached = contents(&mut disk);
        let gone = disk.device().power_loss(&mut Random::stream(seed, "any"));
        naive.power_loss();
        let platter = contents(&mut naive);
        let after = contents(&mut disk);
        prop_assert_eq!(lost(&cached, &after) as u64, gone);
        prop_assert_eq!(after.keys().collect::<Vec<_>>(), platter.keys().collect::<Vec<_>>());
        for (path, bytes) in &after {
            let clean = common(&cached[path], &platter[path]);
            let same = common(&cached[path], bytes);
            prop_assert!(same >= clean, "{path}: {bytes:?}");
            let torn = bytes[same..].iter().all(|byte| *byte == 0);
            prop_assert!(torn || *bytes == platter[path], "{path}: {bytes:?}");
        }
    }
}
