//! What a machine needs of a disk. The simulator implements it with a page cache and a platter; a
//! plain directory can too.
//!
//! Paths are relative, with `/`, and begin with the log directory: `data/orders-0/...log`. Writes go
//! to the page cache; only [`Storage::flush`] makes a file's bytes survive a power loss, and only
//! [`Storage::flush_directory`] makes creations, renames and deletions survive it. A crash of the
//! process alone loses nothing that was written.
//!
//! Next: `log/`, which writes segments, indexes and checkpoints through it.

use bytes::Bytes;

/// What went wrong on the disk.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// There is no such file.
    #[error("no such file: {0}")]
    NotFound(String),
    /// The device failed to read, write or flush.
    #[error("I/O error on {0}")]
    Io(String),
    /// A file is there, but says nothing that can be right.
    #[error("malformed: {0}")]
    Malformed(String),
    /// The device has no room left.
    #[error("no space left on device for {0}")]
    Full(String),
}

/// Named files on a disk that can fail.
///
/// Every call can fail with [`StorageError::Io`]; writes also with [`StorageError::Full`]. Calls that
/// name a file which must exist fail with [`StorageError::NotFound`].
#[expect(clippy::missing_errors_doc, reason = "said once, above")]
pub trait Storage {
    /// Writes `bytes` at the end of `path`, which is created if missing. Returns where they start.
    fn append(&mut self, path: &str, bytes: &[u8]) -> Result<u64, StorageError>;

    /// Reads up to `length` bytes from `position`; fewer if the file ends before.
    fn read(&mut self, path: &str, position: u64, length: usize) -> Result<Bytes, StorageError>;

    /// The file's length in bytes.
    fn length(&mut self, path: &str) -> Result<u64, StorageError>;

    /// Cuts the file to `length` bytes, if it is longer.
    fn truncate(&mut self, path: &str, length: u64) -> Result<(), StorageError>;

    /// Makes the file's bytes and length survive a power loss (fsync).
    fn flush(&mut self, path: &str) -> Result<(), StorageError>;

    /// Makes creations, renames and deletions in the directory survive a power loss.
    fn flush_directory(&mut self, directory: &str) -> Result<(), StorageError>;

    /// Renames a file, replacing one that stands at `to`; atomic.
    fn rename(&mut self, from: &str, to: &str) -> Result<(), StorageError>;

    /// Deletes a file.
    fn delete(&mut self, path: &str) -> Result<(), StorageError>;

    /// The paths of all files below `directory`, at any depth, in order of their names. Empty if
    /// there is no such directory.
    fn list(&mut self, directory: &str) -> Result<Vec<String>, StorageError>;

    /// Whether the file exists.
    fn exists(&mut self, path: &str) -> Result<bool, StorageError>;

    /// Replaces a small file as a whole so that a crash leaves either the old or the new one: written
    /// to `<path>.tmp`, flushed, renamed, directory flushed.
    /// Source: `CheckpointFile.write`, `Utils.atomicMoveWithFallback`.
    fn replace(&mut self, path: &str, bytes: &[u8]) -> Result<(), StorageError> {
        let temporary = format!("{path}.tmp");
        if self.exists(&temporary)? {
            self.delete(&temporary)?;
        }
        self.append(&temporary, bytes)?;
        self.flush(&temporary)?;
        self.rename(&temporary, path)?;
        let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
        self.flush_directory(directory)
    }

    /// The whole file, or `None` if there is none.
    fn read_all(&mut self, path: &str) -> Result<Option<Bytes>, StorageError> {
        if !self.exists(path)? {
            return Ok(None);
        }
        let length = self.length(path)?;
        let length = usize::try_from(length).map_err(|_| StorageError::Io(path.to_owned()))?;
        self.read(path, 0, length).map(Some)
    }
}
