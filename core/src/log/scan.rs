//! Walks over the batches of a segment file, a chunk at a time.
//!
//! Source: `FileRecords.batches`, `FileLogInputStream`.
//! Next: `segment.rs`.

use crate::record::{BatchError, RecordBatch, layout};
use crate::storage::{Storage, StorageError};
use bytes::Bytes;

/// Bytes that a search reads at a time.
pub(super) const SEARCH_CHUNK: usize = 8 * 1024;

/// Where a batch starts in its file, and the batch.
pub(super) type Found = (u64, RecordBatch);

/// A walk over the batches of the file `path` from one position to another.
pub(super) struct Scanner<'a> {
    path: &'a str,
    position: u64,
    end: u64,
    chunk: Bytes,
    chunk_size: usize,
}

impl<'a> Scanner<'a> {
    /// A walk from the batch at `position` up to `end`, that reads `chunk_size` bytes at a time (more
    /// where a batch is larger).
    pub(super) fn new(path: &'a str, position: u64, end: u64, chunk_size: usize) -> Self {
        Self {
            path,
            position,
            end,
            chunk: Bytes::new(),
            chunk_size,
        }
    }

    /// Where the next batch starts.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// The next batch; the CRC is not checked. `None` at the end. After an error the walk must stop.
    pub(super) fn next(
        &mut self,
        storage: &mut dyn Storage,
    ) -> Result<Option<Result<Found, BatchError>>, StorageError> {
        while self.position < self.end {
            match RecordBatch::parse(&self.chunk) {
                Ok(batch) => {
                    let position = self.position;
                    self.chunk = self.chunk.slice(batch.size()..);
                    self.position += batch.size() as u64;
                    return Ok(Some(Ok((position, batch))));
                }
                Err(BatchError::Incomplete) if self.refill(storage)? => {}
                Err(error) => return Ok(Some(Err(error))),
            }
        }
        Ok(None)
    }

    /// Reads on from the current batch; false if the file has no more of it.
    fn refill(&mut self, storage: &mut dyn Storage) -> Result<bool, StorageError> {
        let left = usize::try_from(self.end - self.position).unwrap_or(usize::MAX);
        let batch_size = if self.chunk.len() < layout::LOG_OVERHEAD {
            layout::LOG_OVERHEAD
        } else {
            layout::declared_size(&self.chunk).unwrap_or(usize::MAX)
        };
        if batch_size > left {
            return Ok(false);
        }
        let wanted = batch_size.max(self.chunk_size).min(left);
        let before = self.chunk.len();
        self.chunk = storage.read(self.path, self.position, wanted)?;
        Ok(self.chunk.len() > before)
    }
}
