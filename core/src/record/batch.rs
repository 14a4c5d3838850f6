//! Reads record batches: a view of the bytes, no copy.
//!
//! Invariants: a [`RecordBatch`] holds exactly one whole batch of magic 2; only [`RecordBatch::verify`]
//! says that its bytes are the ones that were written.
//! Source: KIP-98; `DefaultRecordBatch`, `DefaultRecord.readFrom`.
//! Next: `log/`, which stores batches.

use super::{BATCH_HEADER_SIZE, BatchError, Header, Record, layout, varint};
use crate::offset::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};
use crate::time::WallClock;
use bytes::Bytes;

/// One whole batch, a view of its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordBatch {
    bytes: Bytes,
}

/// What an appending leader looks at in each record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordMeta {
    /// The record's offset minus the batch's base offset.
    pub(crate) offset_delta: i64,
    /// The record's own time, whatever the batch's timestamp type.
    pub(crate) timestamp: i64,
}

impl RecordBatch {
    /// The batch that begins `bytes`; structure checked, CRC not.
    ///
    /// # Errors
    /// The bytes end too early, or are not a batch of magic 2.
    pub fn parse(bytes: &Bytes) -> Result<Self, BatchError> {
        let size = layout::whole_size(bytes)?;
        Ok(Self {
            bytes: bytes.slice(..size),
        })
    }

    /// Checks the CRC.
    ///
    /// # Errors
    /// It is not the CRC of these bytes.
    pub fn verify(&self) -> Result<(), BatchError> {
        let (stored, computed) = (self.crc(), layout::checksum(&self.bytes));
        if stored == computed {
            return Ok(());
        }
        Err(BatchError::Corrupt(format!(
            "its CRC is {computed:08x}, not {stored:08x}"
        )))
    }

    /// Whether [`RecordBatch::verify`] finds no fault.
    pub fn is_valid(&self) -> bool {
        self.crc() == layout::checksum(&self.bytes)
    }

    /// The batch's bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The batch's size in bytes, header included.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Offset of the first record (of those that were first written).
    pub fn base_offset(&self) -> Offset {
        Offset(layout::read_i64(&self.bytes, layout::BASE_OFFSET))
    }

    /// Offset of the last record.
    pub fn last_offset(&self) -> Offset {
        Offset(layout::last_offset(&self.bytes))
    }

    /// Offset of the last record minus that of the first; at least 0.
    pub fn last_offset_delta(&self) -> i32 {
        layout::read_i32(&self.bytes, layout::LAST_OFFSET_DELTA)
    }

    /// The offset after the last record.
    pub fn next_offset(&self) -> Offset {
        Offset(self.last_offset().0.saturating_add(1))
    }

    /// The leader epoch that the batch was appended in; -1 from a producer.
    pub fn leader_epoch(&self) -> LeaderEpoch {
        LeaderEpoch(layout::read_i32(&self.bytes, layout::LEADER_EPOCH))
    }

    /// Its checksum, as stored.
    pub fn crc(&self) -> u32 {
        layout::read_u32(&self.bytes, layout::CRC)
    }

    /// Number of records.
    pub fn count(&self) -> i32 {
        layout::read_i32(&self.bytes, layout::COUNT)
    }

    /// The first record's time; -1 is none.
    pub fn base_timestamp(&self) -> WallClock {
        WallClock(layout::read_i64(&self.bytes, layout::BASE_TIMESTAMP))
    }

    /// The latest record time; -1 is none.
    pub fn max_timestamp(&self) -> WallClock {
        WallClock(layout::read_i64(&self.bytes, layout::MAX_TIMESTAMP))
    }

    /// The idempotent producer that sent it.
    pub fn producer_id(&self) -> ProducerId {
        ProducerId(layout::read_i64(&self.bytes, layout::PRODUCER_ID))
    }

    /// That producer's epoch.
    pub fn producer_epoch(&self) -> ProducerEpoch {
        ProducerEpoch(layout::read_i16(&self.bytes, layout::PRODUCER_EPOCH))
    }

    /// The first record's sequence number; -1 without a producer id.
    pub fn base_sequence(&self) -> i32 {
        layout::read_i32(&self.bytes, layout::BASE_SEQUENCE)
    }

    /// The last record's sequence number: after 2^31 - 1 comes 0. -1 without a producer id.
    /// Source: `DefaultRecordBatch.incrementSequence`.
    pub fn last_sequence(&self) -> i32 {
        let base = self.base_sequence();
        if base < 0 {
            return -1;
        }
        let delta = self.last_offset_delta();
        base.checked_add(delta)
            .unwrap_or_else(|| delta - (i32::MAX - base) - 1)
    }

    /// A control batch is not for applications.
    pub fn is_control(&self) -> bool {
        self.attributes() & layout::CONTROL != 0
    }

    /// Part of a transaction.
    pub fn is_transactional(&self) -> bool {
        self.attributes() & layout::TRANSACTIONAL != 0
    }

    /// Its records are compressed: they can be stored and copied, not read here.
    pub fn is_compressed(&self) -> bool {
        self.attributes() & layout::COMPRESSION_MASK != 0
    }

    /// All its records carry the broker's time, [`RecordBatch::max_timestamp`] (KIP-32).
    pub fn is_log_append_time(&self) -> bool {
        self.attributes() & layout::LOG_APPEND_TIME != 0
    }

    pub(crate) fn attributes(&self) -> i16 {
        layout::read_i16(&self.bytes, layout::ATTRIBUTES)
    }

    /// The records.
    ///
    /// # Errors
    /// A record does not fit its batch.
    pub fn records(&self) -> Result<Vec<Record>, BatchError> {
        let mut records = Vec::new();
        self.each_record(|meta, body| {
            records.push(self.record(meta, body)?);
            Ok(())
        })?;
        Ok(records)
    }

    /// Offset and time of each record in turn, without its contents.
    ///
    /// # Errors
    /// A record does not fit its batch, or there are more or fewer than the header says.
    pub(crate) fn each_meta(&self, mut visit: impl FnMut(RecordMeta)) -> Result<(), BatchError> {
        self.each_record(|meta, _| {
            visit(meta);
            Ok(())
        })
    }

    fn each_record<'a>(
        &'a self,
        mut visit: impl FnMut(RecordMeta, &'a [u8]) -> Result<(), BatchError>,
    ) -> Result<(), BatchError> {
        if self.is_compressed() {
            return Err(BatchError::Corrupt("its records are compressed".to_owned()));
        }
        let base_timestamp = self.base_timestamp().0;
        let mut rest = self.bytes.get(BATCH_HEADER_SIZE..).unwrap_or_default();
        for _ in 0..self.count() {
            let mut record = take_bytes(&mut rest)?
                .ok_or_else(|| BatchError::Corrupt("a record without length".to_owned()))?;
            record = record
                .get(1..)
                .ok_or_else(|| BatchError::Corrupt("a record without attributes".to_owned()))?;
            let timestamp = base_timestamp.wrapping_add(varint::read(&mut record)?);
            let offset_delta = varint::read(&mut record)?;
            let meta = RecordMeta {
                offset_delta,
                timestamp,
            };
            visit(meta, record)?;
        }
        if rest.is_empty() {
            return Ok(());
        }
        Err(BatchError::Corrupt(format!(
            "{} bytes follow its last record",
            rest.len()
        )))
    }

    fn record(&self, meta: RecordMeta, mut body: &[u8]) -> Result<Record, BatchError> {
        let view = |part: &[u8]| self.bytes.slice_ref(part);
        let key = take_bytes(&mut body)?.map(view);
        let value = take_bytes(&mut body)?.map(view);
        let mut headers = Vec::new();
        for _ in 0..varint::read(&mut body)? {
            let key = take_bytes(&mut body)?.and_then(|key| std::str::from_utf8(key).ok());
            let key = key.ok_or_else(|| BatchError::Corrupt("a header without key".to_owned()))?;
            let key = key.to_owned();
            let value = take_bytes(&mut body)?.map(view);
            headers.push(Header { key, value });
        }
        let timestamp = if self.is_log_append_time() {
            self.max_timestamp()
        } else {
            WallClock(meta.timestamp)
        };
        Ok(Record {
            offset: Offset(self.base_offset().0.saturating_add(meta.offset_delta)),
            timestamp,
            key,
            value,
            headers,
        })
    }
}

/// Bytes preceded by their length; `None` for the length -1.
fn take_bytes<'a>(rest: &mut &'a [u8]) -> Result<Option<&'a [u8]>, BatchError> {
    let length = varint::read(rest)?;
    if length == -1 {
        return Ok(None);
    }
    let parts = usize::try_from(length).ok();
    let parts = parts.and_then(|length| rest.split_at_checked(length));
    let (taken, left) =
        parts.ok_or_else(|| BatchError::Corrupt(format!("a length of {length}")))?;
    *rest = left;
    Ok(Some(taken))
}

/// The batches in `bytes`, one after the other. A cut-off batch at the end comes as
/// [`BatchError::Incomplete`], then the iterator ends; so it does after a corrupt one.
pub fn batches(bytes: &Bytes) -> impl Iterator<Item = Result<RecordBatch, BatchError>> + use<> {
    let mut rest = bytes.clone();
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let batch = RecordBatch::parse(&rest);
        match &batch {
            Ok(batch) => rest = rest.slice(batch.size()..),
            Err(_) => rest = Bytes::new(),
        }
        Some(batch)
    })
}
