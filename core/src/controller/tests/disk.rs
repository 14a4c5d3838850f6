//! A disk in memory for tests of restarts and failures.

use crate::memory_storage::MemoryStorage;
use crate::storage::{Storage, StorageError};
use bytes::Bytes;
use std::cell::RefCell;
use std::rc::Rc;

/// A disk that outlives the process, and can be told to fail.
#[derive(Clone, Default)]
pub(in crate::controller) struct Disk {
    pub(in crate::controller) files: Rc<RefCell<MemoryStorage>>,
    pub(in crate::controller) broken: Rc<RefCell<bool>>,
}

impl Disk {
    fn check(&self) -> Result<(), StorageError> {
        if *self.broken.borrow() {
            return Err(StorageError::Io("disk".to_owned()));
        }
        Ok(())
    }
}

impl Storage for Disk {
    fn append(&mut self, path: &str, bytes: &[u8]) -> Result<u64, StorageError> {
        self.check()?;
        self.files.borrow_mut().append(path, bytes)
    }
    fn read(&mut self, path: &str, position: u64, length: usize) -> Result<Bytes, StorageError> {
        self.check()?;
        self.files.borrow_mut().read(path, position, length)
    }
    fn length(&mut self, path: &str) -> Result<u64, StorageError> {
        self.files.borrow_mut().length(path)
    }
    fn truncate(&mut self, path: &str, length: u64) -> Result<(), StorageError> {
        self.files.borrow_mut().truncate(path, length)
    }
    fn flush(&mut self, path: &str) -> Result<(), StorageError> {
        self.check()?;
        self.files.borrow_mut().flush(path)
    }
    fn flush_directory(&mut self, directory: &str) -> Result<(), StorageError> {
        self.files.borrow_mut().flush_directory(directory)
    }
    fn rename(&mut self, from: &str, to: &str) -> Result<(), StorageError> {
        self.files.borrow_mut().rename(from, to)
    }
    fn delete(&mut self, path: &str) -> Result<(), StorageError> {
        self.files.borrow_mut().delete(path)
    }
    fn list(&mut self, directory: &str) -> Result<Vec<String>, StorageError> {
        self.files.borrow_mut().list(directory)
    }
    fn exists(&mut self, path: &str) -> Result<bool, StorageError> {
        self.files.borrow_mut().exists(path)
    }
}
