//! The simulated disks: one per broker and controller, a simulator of madsim of their own.
//!
//! | file | what it is |
//! |---|---|
//! | `file.rs` | one file: page cache and platter |
//! | `names.rs` | directory entries, volatile and durable |
//! | `device.rs` | one disk: calls, their cost, the queue of the device |
//! | `fault.rs` | what is wrong with it for a time |
//! | `damage.rs` | what is damaged at once |
//! | `crash.rs` | what a power loss leaves |
//!
//! A killed *process* loses nothing, so `reset_node` (which madsim calls on each kill) leaves the disks
//! alone; only the world knows of a kill that it is a power loss, and says so.
//!
//! Next: `file.rs`.

#[cfg(test)]
mod any;
mod crash;
mod damage;
mod device;
mod fault;
#[cfg(test)]
mod fault_tests;
mod file;
#[cfg(test)]
mod log_any;
mod names;
#[cfg(test)]
mod tests;

pub(crate) use device::Device;

use crate::plan::DiskPlan;
use bytes::Bytes;
use ktrial_core::{NodeId, Storage, StorageError};
use madsim::plugin::Simulator;
use madsim::rand::GlobalRng;
use madsim::time::TimeHandle;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A disk that its machine and the world share.
#[derive(Clone, Debug)]
pub struct Disk(Arc<Mutex<Device>>);

impl Disk {
    /// An empty disk.
    pub fn new(plan: DiskPlan) -> Self {
        Self(Arc::new(Mutex::new(Device::new(plan))))
    }

    /// The device, for a moment. A panic of a machine does not spoil it.
    pub(crate) fn device(&self) -> MutexGuard<'_, Device> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Storage for Disk {
    fn append(&mut self, path: &str, bytes: &[u8]) -> Result<u64, StorageError> {
        self.device().append(path, bytes)
    }

    fn read(&mut self, path: &str, position: u64, length: usize) -> Result<Bytes, StorageError> {
        self.device().read(path, position, length)
    }

    fn length(&mut self, path: &str) -> Result<u64, StorageError> {
        self.device().length(path)
    }

    fn truncate(&mut self, path: &str, length: u64) -> Result<(), StorageError> {
        self.device().truncate(path, length)
    }

    fn flush(&mut self, path: &str) -> Result<(), StorageError> {
        self.device().flush(path)
    }

    fn flush_directory(&mut self, directory: &str) -> Result<(), StorageError> {
        self.device().flush_directory(directory)
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), StorageError> {
        self.device().rename(from, to)
    }

    fn delete(&mut self, path: &str) -> Result<(), StorageError> {
        self.device().delete(path)
    }

    fn list(&mut self, directory: &str) -> Result<Vec<String>, StorageError> {
        Ok(self.device().list(directory))
    }

    fn exists(&mut self, path: &str) -> Result<bool, StorageError> {
        Ok(self.device().exists(path))
    }
}

/// All disks of a trial, as a simulator of madsim.
#[derive(Debug, Default)]
pub(crate) struct Disks(Mutex<BTreeMap<NodeId, Disk>>);

impl Disks {
    /// The disk of `node`, empty if it is new.
    pub(crate) fn of(&self, node: NodeId, plan: DiskPlan) -> Disk {
        let mut disks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        disks.entry(node).or_insert_with(|| Disk::new(plan)).clone()
    }
}

impl Simulator for Disks {
    fn new(_rand: &GlobalRng, _time: &TimeHandle, _config: &madsim::Config) -> Self {
        Self::default()
    }
}
