//! The batches of a segment, in every format that Kafka has had.
//!
//! | magic | since | a piece is |
//! |---|---|---|
//! | 2 | 0.11 | a record batch, with a leader epoch and a CRC-32C |
//! | 0, 1 | the beginning, 0.10 | one message, with a CRC-32 and no epoch: here -1 |
//!
//! Simplified: a compressed message of magic 0 or 1 holds several records and shows only the last offset
//! (the clients of ktrial do not compress). Checksums are not verified here: `finals.rs` does.
//! `tests/dump.rs` holds what is read of the old formats against the dump tool of 0.10.2.2.
//! Source: `DefaultRecordBatch`, `LegacyRecord`, `AbstractLegacyRecordBatch`.
//! Next: `tail.rs`.

use bytes::Bytes;
use ktrial_core::record::RecordBatch;
use ktrial_core::{LeaderEpoch, Offset};
use ktrial_sim::history::FinalRecord;
use ktrial_sim::trial::finals;

/// Bytes before a message: its offset and its size.
const OVERHEAD: usize = 12;
/// Where the magic stands, in every format.
const MAGIC: usize = 16;
/// Bytes of the smallest message: checksum, magic, attributes, lengths of key and value.
const SMALLEST: usize = 14;

/// What the header of a batch says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) base: Offset,
    pub(super) last: Offset,
    pub(super) epoch: LeaderEpoch,
    pub(super) crc: u32,
    /// Bytes of the whole batch.
    pub(super) size: usize,
    pub(super) magic: u8,
}

impl Header {
    /// Of the batch that begins `bytes`; `None` if it is not whole (yet), or is none.
    pub(super) fn of(bytes: &Bytes) -> Option<Self> {
        match *bytes.get(MAGIC)? {
            2 => {
                let batch = RecordBatch::parse(bytes).ok()?;
                Some(Self {
                    base: batch.base_offset(),
                    last: batch.last_offset(),
                    epoch: batch.leader_epoch(),
                    crc: batch.crc(),
                    size: batch.size(),
                    magic: 2,
                })
            }
            0 | 1 => Message::of(bytes).map(|message| message.header),
            _ => None,
        }
    }
}

/// A message of magic 0 or 1.
struct Message<'a> {
    header: Header,
    attributes: u8,
    body: &'a [u8],
}

impl<'a> Message<'a> {
    fn of(bytes: &'a [u8]) -> Option<Self> {
        let offset = Offset(i64::from_be_bytes(array(bytes, 0)?));
        let length = usize::try_from(i32::from_be_bytes(array(bytes, 8)?)).ok()?;
        let body = bytes.get(OVERHEAD..OVERHEAD + length)?;
        let [magic, attributes] = array(body, 4)?;
        (length >= SMALLEST).then_some(())?;
        let header = Header {
            base: offset,
            last: offset,
            epoch: LeaderEpoch(-1),
            crc: u32::from_be_bytes(array(body, 0)?),
            size: OVERHEAD + length,
            magic,
        };
        Some(Self {
            header,
            attributes,
            body,
        })
    }

    fn value(&self) -> Result<Vec<u8>, String> {
        let sum = crc32(self.body.get(4..).unwrap_or_default());
        if sum != self.header.crc {
            return Err(format!("its CRC is {sum:08x}, not {:08x}", self.header.crc));
        }
        if self.attributes & 7 != 0 {
            return Err("it is compressed".to_owned());
        }
        // After checksum, magic and attributes, magic 1 has a time; then come key and value.
        let key = if self.header.magic == 0 { 6 } else { 14 };
        let value = key + 4 + length(self.body, key)?.unwrap_or(0);
        let Some(size) = length(self.body, value)? else {
            return Ok(Vec::new());
        };
        let value = self.body.get(value + 4..value + 4 + size);
        value
            .map(<[u8]>::to_vec)
            .ok_or_else(|| "its value is cut off".to_owned())
    }
}

/// Reads the records of a segment of any format, up to the first damage.
pub(super) fn read_segment(bytes: &Bytes, records: &mut Vec<FinalRecord>) -> Result<(), String> {
    let old = bytes.get(MAGIC).is_some_and(|magic| *magic < 2);
    if !old {
        return finals::read_segment(bytes, records);
    }
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        let message = Message::of(rest).ok_or("the message is cut off")?;
        let offset = message.header.base;
        let value = message.value();
        let value = value.map_err(|error| format!("message at offset {offset}: {error}"))?;
        records.push(FinalRecord {
            offset,
            epoch: message.header.epoch,
            value: ktrial_core::event::text(&value),
        });
        rest = rest.get(message.header.size..).unwrap_or_default();
    }
    Ok(())
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

/// A length at `at`; `None` for -1.
fn length(bytes: &[u8], at: usize) -> Result<Option<usize>, String> {
    let length = array(bytes, at).map(i32::from_be_bytes);
    match length.ok_or("it is cut off")? {
        -1 => Ok(None),
        length => usize::try_from(length)
            .map(Some)
            .map_err(|_| format!("a length of {length}")),
    }
}

/// CRC-32 as in zip and in `java.util.zip.CRC32`.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg())
        })
    })
}
