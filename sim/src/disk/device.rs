//! One node's disk: its files, what calls on them cost, and the queue of the device.
//!
//! Cost: a read, write or change of names takes `cache_us` (the page cache); a flush takes `flush_us`
//! plus its dirty bytes at the device's speed, and waits until the device has done the flush before it.
//! The time of all calls within one `handle` of a machine adds up; the host asks for it afterwards.
//!
//! Rule: a flush of any file makes every earlier truncation durable, as the journals of ext4 and XFS do
//! (changes of lengths are committed in their order). Without it, a checkpoint that was written after a
//! truncation could outlive a power loss that brings the truncated bytes back.
//!
//! Every call passes [`Device::enter`] first, where faults stand: `fault.rs`.
//!
//! Simplified: a flush that a power loss interrupts has been done: only its effects (such as an
//! acknowledgement), which the host holds back, are lost. Looking up a length or a name is free; reads
//! always hit the page cache, so that a lagging consumer does not slow the leader down.
//!
//! Next: `fault.rs`.

use super::fault::{Asked, Ongoing};
use super::file::File;
use super::names::{Inode, Names};
use crate::plan::{DiskCall, DiskPlan};
use bytes::Bytes;
use ktrial_core::{StorageError, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A disk.
#[derive(Debug)]
pub(crate) struct Device {
    pub(super) plan: DiskPlan,
    pub(super) names: Names,
    pub(super) files: BTreeMap<Inode, File>,
    /// Files with a truncation that the platter does not know of.
    truncated: BTreeSet<Inode>,
    /// What is wrong with it, in the order in which it began.
    pub(super) faults: Vec<Ongoing>,
    /// How many files had a name when that was last looked at.
    named: usize,
    next_inode: u64,
    /// When the call that is being handled began.
    began: Timestamp,
    /// What its disk calls have taken so far.
    spent: Duration,
    /// When the device has done all flushes so far.
    free_at: Timestamp,
}

/// So many files are not worth looking through for those without a name.
const FEW: usize = 64;

/// What a call costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cost {
    /// The page cache's time.
    Cache,
    /// The platter's time for so many bytes.
    Flush(usize),
}

impl Device {
    /// An empty disk.
    pub(crate) fn new(plan: DiskPlan) -> Self {
        Self {
            plan,
            names: Names::default(),
            files: BTreeMap::new(),
            truncated: BTreeSet::new(),
            faults: Vec::new(),
            named: FEW,
            next_inode: 0,
            began: Timestamp::ZERO,
            spent: Duration::ZERO,
            free_at: Timestamp::ZERO,
        }
    }

    /// A machine begins to handle an input.
    pub(crate) fn begin(&mut self, now: Timestamp) {
        self.began = now;
        self.spent = Duration::ZERO;
    }

    /// The disk time since `begin`.
    pub(crate) fn spent(&self) -> Duration {
        self.spent
    }

    pub(crate) fn append(&mut self, path: &str, bytes: &[u8]) -> Result<u64, StorageError> {
        let found = self.names.get(path);
        let grows = found.is_none() || !bytes.is_empty();
        self.write("write", path, grows)?;
        let inode = found.unwrap_or_else(|| self.create(path));
        let file = self.files.entry(inode).or_default();
        let position = file.length();
        file.append(bytes);
        Ok(offset(position))
    }

    pub(crate) fn read(
        &mut self,
        path: &str,
        position: u64,
        length: usize,
    ) -> Result<Bytes, StorageError> {
        self.enter(asked(DiskCall::Read, "read", path), Cost::Cache)?;
        let file = self.file(path)?;
        let position = usize::try_from(position).unwrap_or(usize::MAX);
        Ok(file.read(position, length))
    }

    pub(crate) fn length(&mut self, path: &str) -> Result<u64, StorageError> {
        Ok(offset(self.file(path)?.length()))
    }

    pub(crate) fn truncate(&mut self, path: &str, length: u64) -> Result<(), StorageError> {
        self.write("truncation", path, false)?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let file = self.file(path)?;
        file.truncate(length);
        if file.has_stale() {
            self.truncated.extend(self.names.get(path));
        }
        Ok(())
    }

    pub(crate) fn flush(&mut self, path: &str) -> Result<(), StorageError> {
        let dirty = self.file(path)?.dirty();
        let asked = asked(DiskCall::Flush, "flush", path);
        if self.enter(asked, Cost::Flush(dirty))? {
            self.file(path)?.flush();
            self.commit_truncations();
        }
        Ok(())
    }

    /// What a journal does at each flush, of whatever file: it carries all earlier changes of lengths to
    /// the platter, in their order.
    fn commit_truncations(&mut self) {
        for inode in std::mem::take(&mut self.truncated) {
            if let Some(file) = self.files.get_mut(&inode) {
                file.commit_truncation();
            }
        }
    }

    pub(crate) fn flush_directory(&mut self, directory: &str) -> Result<(), StorageError> {
        let asked = asked(DiskCall::Flush, "flush", directory);
        if self.enter(asked, Cost::Flush(0))? {
            self.names.flush(directory);
            self.commit_truncations();
        }
        // Looking at every name is dear: only when as many files may have lost theirs as have one.
        if self.files.len() > 2 * self.named {
            self.forget_nameless();
        }
        Ok(())
    }

    pub(crate) fn rename(&mut self, from: &str, to: &str) -> Result<(), StorageError> {
        self.write("renaming", from, false)?;
        if self.names.rename(from, to) {
            Ok(())
        } else {
            Err(StorageError::NotFound(from.to_owned()))
        }
    }

    pub(crate) fn delete(&mut self, path: &str) -> Result<(), StorageError> {
        self.write("deletion", path, false)?;
        if self.names.delete(path) {
            Ok(())
        } else {
            Err(StorageError::NotFound(path.to_owned()))
        }
    }

    pub(crate) fn list(&self, directory: &str) -> Vec<String> {
        self.names.below(directory)
    }

    pub(crate) fn exists(&self, path: &str) -> bool {
        self.names.get(path).is_some()
    }

    /// Nothing waits for the device any more.
    pub(super) fn forget_queue(&mut self) {
        self.free_at = Timestamp::ZERO;
    }

    /// Drops files that no name can stand for any more.
    pub(super) fn forget_nameless(&mut self) {
        let named = self.names.inodes();
        self.files.retain(|inode, _| named.contains(inode));
        self.named = self.files.len().max(FEW);
    }

    /// The gate that each call passes: charges its cost, and lets faults have their way with it. Returns
    /// whether it is really to be done: a lie is only charged, as a flush of nothing.
    fn enter(&mut self, asked: Asked<'_>, cost: Cost) -> Result<bool, StorageError> {
        let (passage, result) = self.meet_faults(asked, self.began + self.spent);
        let start = passage.not_before;
        let end = match cost {
            Cost::Cache => start + Duration::from_micros(self.plan.cache_us) * passage.times,
            Cost::Flush(bytes) => {
                let bytes = if passage.is_lie { 0 } else { offset(bytes) };
                let writing = bytes / self.plan.flush_bytes_per_us.max(1);
                let micros = self.plan.flush_us.saturating_add(writing);
                let micros = micros.saturating_mul(u64::from(passage.times));
                self.free_at = start.max(self.free_at) + Duration::from_micros(micros);
                self.free_at
            }
        };
        self.spent = end - self.began;
        result.map(|()| !passage.is_lie)
    }

    /// As [`Device::enter`], for a call that writes.
    fn write(&mut self, name: &'static str, path: &str, grows: bool) -> Result<(), StorageError> {
        let asked = Asked {
            grows,
            ..asked(DiskCall::Write, name, path)
        };
        self.enter(asked, Cost::Cache)?;
        Ok(())
    }

    fn create(&mut self, path: &str) -> Inode {
        let inode = Inode(self.next_inode);
        self.next_inode += 1;
        self.names.create(path, inode);
        inode
    }

    fn file(&mut self, path: &str) -> Result<&mut File, StorageError> {
        self.names
            .get(path)
            .and_then(|inode| self.files.get_mut(&inode))
            .ok_or_else(|| StorageError::NotFound(path.to_owned()))
    }
}

/// A call that makes nothing longer.
fn asked<'a>(kind: DiskCall, name: &'static str, path: &'a str) -> Asked<'a> {
    Asked {
        kind,
        name,
        path,
        grows: false,
    }
}

fn offset(position: usize) -> u64 {
    u64::try_from(position).unwrap_or(u64::MAX)
}
