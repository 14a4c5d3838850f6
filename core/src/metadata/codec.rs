//! The bytes of metadata records. CONTRACT; the owner writes the rest.

use super::MetadataRecord;
use crate::offset::Offset;
use crate::record::RecordBatch;
use crate::time::WallClock;
use bytes::Bytes;

/// One record batch that holds these records, atomically; for the leader to append.
pub fn encode_batch(records: &[MetadataRecord], now: WallClock) -> Bytes {
    let _ = (records, now);
    unimplemented!()
}

/// The records of a batch with their offsets; none for a control batch.
///
/// # Errors
/// What cannot be read.
pub fn decode_batch(batch: &RecordBatch) -> Result<Vec<(Offset, MetadataRecord)>, String> {
    let _ = batch;
    unimplemented!()
}
