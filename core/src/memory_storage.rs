//! A disk in memory with a page cache and a platter: for tests and for machines without a simulated
//! disk.
//!
//! Writes go to the page cache. [`Storage::flush`] copies a file's contents to the platter,
//! [`Storage::flush_directory`] the names in one directory. A crash of the process needs no call: it
//! loses nothing. [`MemoryStorage::power_loss`] leaves what the platter has.
//!
//! | a file that was | comes back from a power loss as |
//! |---|---|
//! | written, not flushed | its last flushed contents, empty if never flushed |
//! | created, directory not flushed | gone |
//! | deleted, directory not flushed | there again |
//! | truncated, nothing flushed since | its last flushed, longer contents |
//!
//! Rule: a flush, of whatever file or directory, makes all earlier truncations durable: the journals of
//! ext4 and XFS commit changes of lengths in their order.
//!
//! Simplified: nothing unflushed survives (a real disk keeps any part of it), nothing fails, no limit.
//! That hides torn writes; the simulator's disk has them.
//! Next: `log/`, whose tests use it.

use crate::storage::{Storage, StorageError};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug, Default)]
struct File {
    cached: Vec<u8>,
    platter: Vec<u8>,
    /// The two are equal below this.
    same_below: usize,
}

impl File {
    fn flush(&mut self) {
        self.platter.truncate(self.same_below);
        let changed = self.cached.get(self.same_below..).unwrap_or_default();
        self.platter.extend_from_slice(changed);
        self.same_below = self.cached.len();
    }

    fn lose_power(&mut self) {
        self.cached.clone_from(&self.platter);
        self.same_below = self.cached.len();
    }
}

/// Files in memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryStorage {
    files: BTreeMap<u64, File>,
    names: BTreeMap<String, u64>,
    platter_names: BTreeMap<String, u64>,
    next_file: u64,
}

impl MemoryStorage {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// Loses everything that was not flushed: bytes and names.
    pub fn power_loss(&mut self) {
        self.names.clone_from(&self.platter_names);
        self.forget_nameless();
        for file in self.files.values_mut() {
            file.lose_power();
        }
    }

    /// Overwrites bytes of a file as bit rot would: in the page cache and on the platter, without
    /// anyone noticing. Beyond the file's end, nothing happens.
    pub fn corrupt(&mut self, path: &str, position: usize, bytes: &[u8]) {
        let Some(file) = self.names.get(path).and_then(|id| self.files.get_mut(id)) else {
            return;
        };
        for copy in [&mut file.cached, &mut file.platter] {
            for (place, byte) in copy.iter_mut().skip(position).zip(bytes) {
                *place = *byte;
            }
        }
    }

    fn commit_truncations(&mut self) {
        for file in self.files.values_mut() {
            file.platter.truncate(file.same_below);
        }
    }

    fn file(&mut self, path: &str) -> Result<&mut File, StorageError> {
        let file = self.names.get(path).and_then(|id| self.files.get_mut(id));
        file.ok_or_else(|| StorageError::NotFound(path.to_owned()))
    }

    fn forget_nameless(&mut self) {
        let names = self.names.values().chain(self.platter_names.values());
        let named: BTreeSet<u64> = names.copied().collect();
        self.files.retain(|id, _| named.contains(id));
    }
}

fn directory_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(directory, _)| directory)
}

impl Storage for MemoryStorage {
    fn append(&mut self, path: &str, bytes: &[u8]) -> Result<u64, StorageError> {
        if !self.names.contains_key(path) {
            self.names.insert(path.to_owned(), self.next_file);
            self.files.insert(self.next_file, File::default());
            self.next_file += 1;
        }
        let file = self.file(path)?;
        let position = file.cached.len();
        file.cached.extend_from_slice(bytes);
        Ok(position as u64)
    }

    fn read(&mut self, path: &str, position: u64, length: usize) -> Result<Bytes, StorageError> {
        let file = self.file(path)?;
        let from = usize::try_from(position).unwrap_or(usize::MAX);
        let from = from.min(file.cached.len());
        let to = from.saturating_add(length).min(file.cached.len());
        Ok(Bytes::copy_from_slice(
            file.cached.get(from..to).unwrap_or_default(),
        ))
    }

    fn length(&mut self, path: &str) -> Result<u64, StorageError> {
        Ok(self.file(path)?.cached.len() as u64)
    }

    fn truncate(&mut self, path: &str, length: u64) -> Result<(), StorageError> {
        let file = self.file(path)?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        file.cached.truncate(length);
        file.same_below = file.same_below.min(length);
        Ok(())
    }

    fn flush(&mut self, path: &str) -> Result<(), StorageError> {
        self.file(path)?.flush();
        self.commit_truncations();
        Ok(())
    }

    fn flush_directory(&mut self, directory: &str) -> Result<(), StorageError> {
        self.platter_names
            .retain(|path, _| directory_of(path) != directory);
        for (path, id) in &self.names {
            if directory_of(path) == directory {
                self.platter_names.insert(path.clone(), *id);
            }
        }
        self.forget_nameless();
        self.commit_truncations();
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), StorageError> {
        let id = self.names.remove(from);
        let id = id.ok_or_else(|| StorageError::NotFound(from.to_owned()))?;
        self.names.insert(to.to_owned(), id);
        Ok(())
    }

    fn delete(&mut self, path: &str) -> Result<(), StorageError> {
        let removed = self.names.remove(path);
        removed.map_or_else(|| Err(StorageError::NotFound(path.to_owned())), |_| Ok(()))
    }

    fn list(&mut self, directory: &str) -> Result<Vec<String>, StorageError> {
        let prefix = format!("{directory}/");
        let below = self.names.range(prefix.clone()..);
        let below = below.take_while(|(path, _)| path.starts_with(&prefix));
        Ok(below.map(|(path, _)| path.clone()).collect())
    }

    fn exists(&mut self, path: &str) -> Result<bool, StorageError> {
        Ok(self.names.contains_key(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn power_loss_keeps_what_was_flushed() {
        let mut disk = MemoryStorage::new();
        disk.append("d/a", b"one").unwrap();
        disk.flush("d/a").unwrap();
        disk.append("d/b", b"never").unwrap();
        disk.flush_directory("d").unwrap();
        disk.append("d/a", b"two").unwrap();
        disk.append("d/c", b"nameless").unwrap();
        disk.flush("d/c").unwrap();
        disk.delete("d/b").unwrap();
        disk.power_loss();
        assert_eq!(disk.list("d").unwrap(), ["d/a", "d/b"]);
        assert_eq!(disk.read_all("d/a").unwrap().unwrap(), "one");
        assert_eq!(disk.read_all("d/b").unwrap().unwrap(), "");
    }

    #[test]
    fn an_unflushed_cut_comes_undone() {
        let mut disk = MemoryStorage::new();
        disk.append("d/a", b"onetwo").unwrap();
        disk.flush("d/a").unwrap();
        disk.flush_directory("d").unwrap();
        disk.truncate("d/a", 3).unwrap();
        disk.append("d/a", b"2").unwrap();
        let (mut flushed, mut committed) = (disk.clone(), disk.clone());
        disk.power_loss();
        assert_eq!(disk.read_all("d/a").unwrap().unwrap(), "onetwo");
        committed.append("d/b", b"").unwrap();
        committed.flush("d/b").unwrap();
        committed.power_loss();
        assert_eq!(committed.read_all("d/a").unwrap().unwrap(), "one");
        flushed.flush("d/a").unwrap();
        flushed.power_loss();
        assert_eq!(flushed.read_all("d/a").unwrap().unwrap(), "one2");
    }

    #[test]
    fn a_replaced_file_is_old_or_new() {
        let mut disk = MemoryStorage::new();
        disk.replace("d/a", b"old").unwrap();
        disk.replace("d/a", b"new").unwrap();
        disk.power_loss();
        assert_eq!(disk.list("d").unwrap(), ["d/a"]);
        assert_eq!(disk.read_all("d/a").unwrap().unwrap(), "new");
    }
}
