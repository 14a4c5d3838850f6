//! Record batch v2 as bytes: what producers build, brokers store and consumers read.
//!
//! A batch is the unit of everything below the application: it is sent, checked, stored, copied to
//! followers and handed to consumers as a whole and (but for its base offset, leader epoch and, with
//! LogAppendTime, times) unchanged. Its header tells what it holds without looking into its records.
//!
//! - [`BatchBuilder`]: what a producer fills.
//! - [`RecordBatch`]: a view of one batch in `Bytes`; [`batches`] walks over consecutive ones.
//!
//! Simplified: no compression, no older formats (magic 0 and 1, gone since Kafka 4.0, KIP-724).
//! Source: KIP-98; `DefaultRecordBatch`, `DefaultRecord`.
//! Next: `layout.rs`, the header; then `builder.rs` and `batch.rs`.

mod batch;
mod builder;
pub(crate) mod layout;
mod varint;

pub use batch::{RecordBatch, batches};
pub use builder::BatchBuilder;

use crate::offset::Offset;
use crate::time::WallClock;
use bytes::Bytes;

/// Bytes of a batch before its first record.
pub const BATCH_HEADER_SIZE: usize = 61;

/// A header of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: Option<Bytes>,
}

/// One record, read out of its batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its offset.
    pub offset: Offset,
    /// Its time.
    pub timestamp: WallClock,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its value; `None` is a tombstone.
    pub value: Option<Bytes>,
    /// Its headers, in order.
    pub headers: Vec<Header>,
}

/// A batch, or what follows the last whole one, that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// The bytes end before the batch does.
    #[error("the batch is cut off")]
    Incomplete,
    /// The batch contradicts itself or its checksum.
    #[error("corrupt batch: {0}")]
    Corrupt(String),
}

#[cfg(test)]
mod tests;
