//! What is left of a disk when its machine loses power.
//!
//! | plan | bytes since the last flush | names since the last flush of their directory |
//! |---|---|---|
//! | `LoseUnflushed` | gone; what was truncated since the last flush of any file is back | as they were then |
//! | `RandomPrefix` | a random prefix is kept; half the time its last sector is torn (zeros from some byte on); a truncation holds or not | a random prefix of the changes holds |
//!
//! Where a `TornWrite` stands, its files keep all that was not flushed, names and truncations included, but
//! of each file's last append only the first half, if that was not flushed.
//!
//! A crash of the process alone is no matter of this module: the page cache survives it.
//!
//! Simplified: pages of one file reach the platter in order. A hole in the middle of a log cannot come
//! about, so a recovery that trusts bytes after one is not caught.
//!
//! Next: `mod.rs`.

use super::device::Device;
use super::fault::is_below;
use super::file::File;
use super::names::Inode;
use crate::plan::PowerLoss;
use bytes::{Bytes, BytesMut};
use ktrial_core::{Random, Timestamp};
use std::collections::BTreeMap;

/// Bytes that a disk writes as a whole.
const SECTOR: usize = 512;

impl Device {
    /// The machine loses power. Returns how many bytes of the files' cached contents are gone.
    pub(crate) fn power_loss(&mut self, random: &mut Random) -> u64 {
        self.forget_nameless();
        let before: Vec<_> = self.names.iter().map(|(_, inode)| inode).collect();
        let torn = self.tear();
        let kept_changes = match self.plan.power_loss {
            PowerLoss::LoseUnflushed => 0,
            PowerLoss::RandomPrefix => draw(random, self.names.volatile_changes()),
        };
        let mut lost = 0;
        let mut lost_by_file = BTreeMap::new();
        for (inode, file) in &mut self.files {
            let length = file.length();
            let (survivor, kept) = match (torn.get(inode), self.plan.power_loss) {
                (Some(kept), _) => (file.read(0, *kept), *kept),
                (None, PowerLoss::LoseUnflushed) => (file.platter(), file.clean()),
                (None, PowerLoss::RandomPrefix) => random_survivor(file, random),
            };
            lost_by_file.insert(*inode, (length, length - kept));
            *file = File::durable(survivor);
        }
        self.names.lose(kept_changes);
        self.forget_nameless();
        for inode in before {
            let (length, gone) = lost_by_file.get(&inode).copied().unwrap_or_default();
            lost += if self.files.contains_key(&inode) {
                gone
            } else {
                length
            };
        }
        self.reset();
        u64::try_from(lost).unwrap_or(u64::MAX)
    }

    /// The files below a `TornWrite`, and how many of their bytes stay.
    fn tear(&mut self) -> BTreeMap<Inode, usize> {
        for directory in self.tearing_directories() {
            let directory = directory.as_deref();
            self.names.flush_directories(|one| is_below(directory, one));
        }
        let named: Vec<_> = self.names.iter().collect();
        let named = named.into_iter().filter(|(path, _)| self.tears(path));
        let named: Vec<_> = named
            .map(|(path, inode)| (path.to_owned(), inode))
            .collect();
        let mut kept = BTreeMap::new();
        for (path, inode) in named {
            let Some(file) = self.files.get(&inode) else {
                continue;
            };
            kept.insert(inode, file.torn());
            if file.torn() < file.length() {
                self.count_torn(&path);
            }
        }
        kept
    }

    /// The queue of the device is empty after a power loss.
    fn reset(&mut self) {
        self.begin(Timestamp::ZERO);
        self.forget_queue();
    }
}

/// What is left of a file, and how many of its cached bytes that holds.
fn random_survivor(file: &mut File, random: &mut Random) -> (Bytes, usize) {
    if file.dirty() == 0 && !file.has_stale() {
        return (file.platter(), file.clean());
    }
    // Not truncated yet on the platter: then nothing that was appended later is there either.
    if file.has_stale() && random.chance(1, 2) {
        return (file.platter(), file.clean());
    }
    let kept = file.clean() + draw(random, file.dirty());
    let mut bytes = BytesMut::from(&file.read(0, kept)[..]);
    if kept == file.clean() || !random.chance(1, 2) {
        return (bytes.freeze(), kept);
    }
    let sector = file.clean().max((kept - 1) / SECTOR * SECTOR);
    let torn = sector + draw(random, kept - sector);
    bytes[torn..].fill(0);
    (bytes.freeze(), torn)
}

/// A number from 0 to `most`, both included; draws nothing if that is 0.
fn draw(random: &mut Random, most: usize) -> usize {
    if most == 0 {
        return 0;
    }
    let end = u64::try_from(most).unwrap_or(u64::MAX - 1) + 1;
    usize::try_from(random.below(end)).unwrap_or(most)
}
