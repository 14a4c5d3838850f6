//! A real broker's log folder as a disk that can only be read: [`LOG_DIRECTORY`] is that folder.
//!
//! Next: `mod.rs`, `final_logs`.

use bytes::Bytes;
use ktrial_core::{Storage, StorageError};
use ktrial_sim::trial::finals::LOG_DIRECTORY;
use std::fs;
use std::path::{Path, PathBuf};

/// One of Kafka's `log.dirs`.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// The folder at this path.
    pub fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    fn path(&self, path: &str) -> PathBuf {
        let below = path.strip_prefix(LOG_DIRECTORY).unwrap_or(path);
        self.0.join(below.trim_start_matches('/'))
    }
}

fn refused<T>(path: &str) -> Result<T, StorageError> {
    Err(StorageError::Io(format!("{path}, which can only be read")))
}

fn found<T>(path: &str, result: Result<T, std::io::Error>) -> Result<T, StorageError> {
    result.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => StorageError::NotFound(path.to_owned()),
        _ => StorageError::Io(format!("{path}: {error}")),
    })
}

impl Storage for Folder {
    fn append(&mut self, path: &str, _: &[u8]) -> Result<u64, StorageError> {
        refused(path)
    }

    fn read(&mut self, path: &str, position: u64, length: usize) -> Result<Bytes, StorageError> {
        let bytes = super::file::read(&self.path(path), position, length);
        let bytes = bytes.map_err(|error| StorageError::Io(error.to_string()))?;
        bytes.ok_or_else(|| StorageError::NotFound(path.to_owned()))
    }

    fn length(&mut self, path: &str) -> Result<u64, StorageError> {
        found(path, fs::metadata(self.path(path))).map(|meta| meta.len())
    }

    fn truncate(&mut self, path: &str, _: u64) -> Result<(), StorageError> {
        refused(path)
    }

    fn flush(&mut self, path: &str) -> Result<(), StorageError> {
        refused(path)
    }

    fn flush_directory(&mut self, directory: &str) -> Result<(), StorageError> {
        refused(directory)
    }

    fn rename(&mut self, from: &str, _: &str) -> Result<(), StorageError> {
        refused(from)
    }

    fn delete(&mut self, path: &str) -> Result<(), StorageError> {
        refused(path)
    }

    fn list(&mut self, directory: &str) -> Result<Vec<String>, StorageError> {
        let mut files = Vec::new();
        let mut folders = vec![directory.to_owned()];
        while let Some(folder) = folders.pop() {
            let Ok(entries) = fs::read_dir(self.path(&folder)) else {
                continue;
            };
            for entry in entries {
                let entry = found(&folder, entry)?;
                let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
                match found(&path, entry.file_type())?.is_dir() {
                    true => folders.push(path),
                    false => files.push(path),
                }
            }
        }
        files.sort();
        Ok(files)
    }

    fn exists(&mut self, path: &str) -> Result<bool, StorageError> {
        Ok(self.path(path).exists())
    }
}
