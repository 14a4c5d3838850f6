//! Record batch v2 as bytes: what producers build, brokers store and consumers read.
//!
//! CONTRACT (the module's owner writes the rest):
//! - `BatchBuilder`: what a producer fills.
//! - `RecordBatch`: a view of one batch in `Bytes`; `batches()` walks over consecutive ones.

use crate::offset::{LeaderEpoch, Offset};
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

/// A batch under construction.
#[derive(Clone, Debug)]
pub struct BatchBuilder {}

impl BatchBuilder {
    /// An empty batch (leader epoch -1, base offset 0, no producer id, CreateTime).
    pub fn new() -> Self {
        unimplemented!()
    }
    /// Bytes of the batch if it were finished now, header included.
    pub fn size(&self) -> usize {
        unimplemented!()
    }
    /// Records so far.
    pub fn count(&self) -> usize {
        unimplemented!()
    }
    /// Upper bound of the bytes that a record adds.
    pub fn record_size_bound(
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header],
    ) -> usize {
        let _ = (key, value, headers);
        unimplemented!()
    }
    /// Adds a record.
    pub fn append(
        &mut self,
        timestamp: WallClock,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header],
    ) {
        let _ = (timestamp, key, value, headers);
        unimplemented!()
    }
    /// Marks the batch as a control batch (metadata log: LEADER_CHANGE).
    pub fn control(self) -> Self {
        unimplemented!()
    }
    /// The batch's bytes, with length and CRC.
    pub fn finish(self) -> Bytes {
        unimplemented!()
    }
}

/// One whole batch, a view of its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordBatch {}

impl RecordBatch {
    /// The batch that begins `bytes`; structure checked, CRC not.
    ///
    /// # Errors
    /// The bytes end too early, or are not a batch of magic 2.
    pub fn parse(bytes: &Bytes) -> Result<Self, BatchError> {
        let _ = bytes;
        unimplemented!()
    }
    /// Checks the CRC.
    ///
    /// # Errors
    /// It is not the CRC of these bytes.
    pub fn verify(&self) -> Result<(), BatchError> {
        unimplemented!()
    }
    /// The batch's bytes.
    pub fn bytes(&self) -> &Bytes {
        unimplemented!()
    }
    /// Offset of the first record (of those that were first written).
    pub fn base_offset(&self) -> Offset {
        unimplemented!()
    }
    /// Offset of the last record.
    pub fn last_offset(&self) -> Offset {
        unimplemented!()
    }
    /// The leader epoch that the batch was appended in; -1 from a producer.
    pub fn leader_epoch(&self) -> LeaderEpoch {
        unimplemented!()
    }
    /// Its checksum.
    pub fn crc(&self) -> u32 {
        unimplemented!()
    }
    /// Number of records.
    pub fn count(&self) -> i32 {
        unimplemented!()
    }
    /// The latest record time.
    pub fn max_timestamp(&self) -> WallClock {
        unimplemented!()
    }
    /// A control batch is not for applications.
    pub fn is_control(&self) -> bool {
        unimplemented!()
    }
    /// The records.
    ///
    /// # Errors
    /// A record does not fit its batch.
    pub fn records(&self) -> Result<Vec<Record>, BatchError> {
        unimplemented!()
    }
}

/// The batches in `bytes`, one after the other. A cut-off batch at the end comes as
/// [`BatchError::Incomplete`], then the iterator ends.
pub fn batches(bytes: &Bytes) -> impl Iterator<Item = Result<RecordBatch, BatchError>> {
    let _ = bytes;
    std::iter::empty()
}
