//! Where the fields of a batch header stand, read straight out of a byte slice.
//!
//! The log walks over many batches and needs two or three numbers of each; these functions give them
//! without making a [`super::RecordBatch`] first. All numbers are big-endian.
//!
//! | at | field | | at | field |
//! |---|---|---|---|---|
//! | 0 | base offset, i64 | | 27 | base timestamp, i64 |
//! | 8 | batch length, i32: bytes after this field | | 35 | max timestamp, i64 |
//! | 12 | partition leader epoch, i32 | | 43 | producer id, i64 |
//! | 16 | magic, i8 = 2 | | 51 | producer epoch, i16 |
//! | 17 | CRC-32C of all bytes from 21 on, u32 | | 53 | base sequence, i32 |
//! | 21 | attributes, i16 | | 57 | records, i32 |
//! | 23 | last offset delta, i32 | | 61 | the records |
//!
//! The base offset, the length and the leader epoch are outside the CRC: a leader sets them without
//! computing it anew, and bit rot in them goes unnoticed by it.
//!
//! Source: KIP-98; `DefaultRecordBatch`.
//! Next: `batch.rs`.

use super::{BATCH_HEADER_SIZE, BatchError};

/// Bytes of base offset and batch length: what the batch length does not count.
pub(crate) const LOG_OVERHEAD: usize = 12;
pub(crate) const BASE_OFFSET: usize = 0;
pub(crate) const LENGTH: usize = 8;
pub(crate) const LEADER_EPOCH: usize = 12;
pub(crate) const MAGIC: usize = 16;
pub(crate) const CRC: usize = 17;
pub(crate) const ATTRIBUTES: usize = 21;
pub(crate) const LAST_OFFSET_DELTA: usize = 23;
pub(crate) const BASE_TIMESTAMP: usize = 27;
pub(crate) const MAX_TIMESTAMP: usize = 35;
pub(crate) const PRODUCER_ID: usize = 43;
pub(crate) const PRODUCER_EPOCH: usize = 51;
pub(crate) const BASE_SEQUENCE: usize = 53;
pub(crate) const COUNT: usize = 57;

/// Bits of the attributes.
pub(crate) const COMPRESSION_MASK: i16 = 0b111;
pub(crate) const LOG_APPEND_TIME: i16 = 1 << 3;
pub(crate) const TRANSACTIONAL: i16 = 1 << 4;
pub(crate) const CONTROL: i16 = 1 << 5;

/// The only magic that is read and written.
pub(crate) const CURRENT_MAGIC: u8 = 2;

/// The `N` bytes at `at`; zeros if the slice ends before (callers hold a whole header).
fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let field = bytes.get(at..at + N);
    field.and_then(|f| f.try_into().ok()).unwrap_or([0; N])
}

pub(crate) fn read_i16(bytes: &[u8], at: usize) -> i16 {
    i16::from_be_bytes(array(bytes, at))
}

pub(crate) fn read_i32(bytes: &[u8], at: usize) -> i32 {
    i32::from_be_bytes(array(bytes, at))
}

pub(crate) fn read_u32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(array(bytes, at))
}

pub(crate) fn read_i64(bytes: &[u8], at: usize) -> i64 {
    i64::from_be_bytes(array(bytes, at))
}

/// Overwrites the field at `at` of a whole header.
pub(crate) fn write(bytes: &mut [u8], at: usize, field: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + field.len()) {
        place.copy_from_slice(field);
    }
}

/// The size of the batch that begins `bytes`, checked to be a whole batch of magic 2.
///
/// # Errors
/// As [`super::RecordBatch::parse`].
pub(crate) fn whole_size(bytes: &[u8]) -> Result<usize, BatchError> {
    if bytes.len() < LOG_OVERHEAD {
        return Err(BatchError::Incomplete);
    }
    let size = declared_size(bytes)?;
    if bytes.len() < size {
        return Err(BatchError::Incomplete);
    }
    match bytes.get(MAGIC) {
        Some(&CURRENT_MAGIC) => {}
        Some(magic) => return Err(BatchError::Corrupt(format!("magic {magic}, expected 2"))),
        None => return Err(BatchError::Incomplete),
    }
    if read_i32(bytes, LAST_OFFSET_DELTA) < 0 || read_i32(bytes, COUNT) < 0 {
        return Err(BatchError::Corrupt("negative count of offsets".to_owned()));
    }
    Ok(size)
}

/// The size that the batch says it has; `bytes` holds at least [`LOG_OVERHEAD`] bytes.
pub(crate) fn declared_size(bytes: &[u8]) -> Result<usize, BatchError> {
    let length = read_i32(bytes, LENGTH);
    match usize::try_from(length) {
        Ok(length) if length + LOG_OVERHEAD >= BATCH_HEADER_SIZE => Ok(length + LOG_OVERHEAD),
        _ => Err(BatchError::Corrupt(format!("batch length {length}"))),
    }
}

/// The offset of the last record. Saturates, as the base offset may be rotten.
pub(crate) fn last_offset(bytes: &[u8]) -> i64 {
    let delta = i64::from(read_i32(bytes, LAST_OFFSET_DELTA));
    read_i64(bytes, BASE_OFFSET).saturating_add(delta)
}

/// The CRC of the bytes of a whole batch.
pub(crate) fn checksum(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes.get(ATTRIBUTES..).unwrap_or_default())
}
