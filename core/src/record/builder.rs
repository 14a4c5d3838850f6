//! Builds a record batch: what a producer fills, and the controller for its own records.
//!
//! The records are written behind room for the header; `finish` fills the header in. Times and
//! offsets are stored as differences to the first record's.
//!
//! Invariants: offset deltas are 0..n-1; a batch and each record are shorter than 2 GiB.
//! Simplified: no compression.
//! Source: KIP-98; `MemoryRecordsBuilder`, `DefaultRecord.writeTo`.
//! Next: `batch.rs`, which reads what is written here.

use super::{BATCH_HEADER_SIZE, Header, layout, varint};
use crate::invariant::invariant;
use crate::offset::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};
use crate::time::WallClock;
use bytes::Bytes;

/// Most bytes a record takes besides its key, value and headers: three numbers of 5, 5 and 10 bytes
/// and the attributes. Source: `DefaultRecord.MAX_RECORD_OVERHEAD`.
const MAX_RECORD_OVERHEAD: usize = 21;

/// A batch under construction.
#[derive(Clone, Debug)]
pub struct BatchBuilder {
    bytes: Vec<u8>,
    count: i32,
    base_timestamp: i64,
    max_timestamp: i64,
    attributes: i16,
    base_offset: Offset,
    leader_epoch: LeaderEpoch,
    producer_id: ProducerId,
    producer_epoch: ProducerEpoch,
    base_sequence: i32,
}

impl BatchBuilder {
    /// An empty batch (leader epoch -1, base offset 0, no producer id, CreateTime).
    pub fn new() -> Self {
        Self {
            bytes: vec![0; BATCH_HEADER_SIZE],
            count: 0,
            base_timestamp: -1,
            max_timestamp: -1,
            attributes: 0,
            base_offset: Offset::ZERO,
            leader_epoch: LeaderEpoch(-1),
            producer_id: ProducerId::NONE,
            producer_epoch: ProducerEpoch::NONE,
            base_sequence: -1,
        }
    }

    /// Bytes of the batch if it were finished now, header included.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Records so far.
    pub fn count(&self) -> usize {
        usize::try_from(self.count).unwrap_or(0)
    }

    /// Upper bound of the bytes that a record adds. Source: `DefaultRecord.recordSizeUpperBound`.
    pub fn record_size_bound(
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header],
    ) -> usize {
        MAX_RECORD_OVERHEAD + payload_size(key, value, headers)
    }

    /// Adds a record.
    pub fn append(
        &mut self,
        timestamp: WallClock,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header],
    ) {
        if self.count == 0 {
            self.base_timestamp = timestamp.0;
        }
        self.max_timestamp = self.max_timestamp.max(timestamp.0);
        let timestamp_delta = timestamp.0.wrapping_sub(self.base_timestamp);
        let offset_delta = i64::from(self.count);
        let size = 1
            + varint::size(timestamp_delta)
            + varint::size(offset_delta)
            + payload_size(key, value, headers);
        let out = &mut self.bytes;
        out.reserve(size + varint::size(signed(size)));
        varint::write(out, signed(size));
        out.push(0); // a record's attributes: none are defined
        varint::write(out, timestamp_delta);
        varint::write(out, offset_delta);
        write_bytes(out, key);
        write_bytes(out, value);
        varint::write(out, signed(headers.len()));
        for header in headers {
            write_bytes(out, Some(header.key.as_bytes()));
            write_bytes(out, header.value.as_deref());
        }
        self.count += 1;
    }

    /// Marks the batch as a control batch (metadata log: LEADER_CHANGE).
    pub fn control(mut self) -> Self {
        self.attributes |= layout::CONTROL;
        self
    }

    /// Gives the batch to an idempotent producer: its first record has this sequence number.
    pub fn producer(mut self, id: ProducerId, epoch: ProducerEpoch, base_sequence: i32) -> Self {
        self.producer_id = id;
        self.producer_epoch = epoch;
        self.base_sequence = base_sequence;
        self
    }

    /// Makes the batch part of the producer's transaction.
    pub fn transactional(mut self) -> Self {
        self.attributes |= layout::TRANSACTIONAL;
        self
    }

    /// Places the batch in a log, as a leader would: for tests, and for those who append as follower.
    pub fn at(mut self, base_offset: Offset, leader_epoch: LeaderEpoch) -> Self {
        self.base_offset = base_offset;
        self.leader_epoch = leader_epoch;
        self
    }

    /// The batch's bytes, with length and CRC. A batch without records is refused by a leader.
    pub fn finish(self) -> Bytes {
        let length = i32::try_from(self.bytes.len() - layout::LOG_OVERHEAD);
        invariant!(length.is_ok(), "a batch is shorter than 2 GiB");
        let last_offset_delta = (self.count - 1).max(0);
        let mut bytes = self.bytes;
        let mut set = |at, field: &[u8]| layout::write(&mut bytes, at, field);
        set(layout::BASE_OFFSET, &self.base_offset.0.to_be_bytes());
        set(layout::LENGTH, &length.unwrap_or(0).to_be_bytes());
        set(layout::LEADER_EPOCH, &self.leader_epoch.0.to_be_bytes());
        set(layout::MAGIC, &[layout::CURRENT_MAGIC]);
        set(layout::ATTRIBUTES, &self.attributes.to_be_bytes());
        set(layout::LAST_OFFSET_DELTA, &last_offset_delta.to_be_bytes());
        set(layout::BASE_TIMESTAMP, &self.base_timestamp.to_be_bytes());
        set(layout::MAX_TIMESTAMP, &self.max_timestamp.to_be_bytes());
        set(layout::PRODUCER_ID, &self.producer_id.0.to_be_bytes());
        set(layout::PRODUCER_EPOCH, &self.producer_epoch.0.to_be_bytes());
        set(layout::BASE_SEQUENCE, &self.base_sequence.to_be_bytes());
        set(layout::COUNT, &self.count.to_be_bytes());
        let crc = layout::checksum(&bytes);
        layout::write(&mut bytes, layout::CRC, &crc.to_be_bytes());
        Bytes::from(bytes)
    }
}

impl Default for BatchBuilder {
    fn default() -> Self {
        Self::new()
    }
}

/// Bytes of key, value and headers with their lengths.
fn payload_size(key: Option<&[u8]>, value: Option<&[u8]>, headers: &[Header]) -> usize {
    let of_headers = headers.iter().map(|header| {
        bytes_size(Some(header.key.as_bytes())) + bytes_size(header.value.as_deref())
    });
    let of_headers: usize = of_headers.sum();
    bytes_size(key) + bytes_size(value) + varint::size(signed(headers.len())) + of_headers
}

fn bytes_size(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(1, |bytes| varint::size(signed(bytes.len())) + bytes.len())
}

/// A length and the bytes; -1 for none.
fn write_bytes(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    varint::write(out, bytes.map_or(-1, |bytes| signed(bytes.len())));
    out.extend_from_slice(bytes.unwrap_or_default());
}

fn signed(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}
