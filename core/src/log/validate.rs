//! What a leader demands of a client's batch before it gives it offsets.
//!
//! | checked | else |
//! |---|---|
//! | exactly one batch, of magic 2, whole | INVALID_RECORD |
//! | base offset 0 | INVALID_RECORD |
//! | size <= `max.message.bytes` | MESSAGE_TOO_LARGE |
//! | CRC | CORRUPT_MESSAGE |
//! | at least one record, as many as its offsets span, offset deltas 0..n-1 | INVALID_RECORD |
//! | no control batch; not compressed; a producer id has a sequence number | INVALID_RECORD |
//! | CreateTime: each time within the limits around the broker's clock, or -1 | INVALID_TIMESTAMP |
//! | size <= `segment.bytes` | RECORD_LIST_TOO_LARGE |
//!
//! One bad record refuses the batch. A batch whose times must change (LogAppendTime, or a latest time
//! that the client got wrong) gets them and a new CRC.
//!
//! Simplified: no compression, so no recompression; no compacted topics, which demand keys. Kafka does
//! not look at the offset deltas of uncompressed records.
//! Source: `UnifiedLog.analyzeAndValidateRecords`, `LogValidator`, `ProduceRequest.validateRecords`.
//! Next: `segment.rs`.

use super::AppendError;
use crate::config::{TimestampType, TopicConfig};
use crate::error::ErrorCode;
use crate::offset::Offset;
use crate::record::{BatchError, RecordBatch, layout};
use crate::time::WallClock;
use bytes::Bytes;
use std::time::Duration;

/// Times that a leader writes into a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    attributes: i16,
    max_timestamp: i64,
}

impl Stamp {
    /// Writes the times and the CRC that fits them.
    pub(super) fn put(self, batch: &mut [u8]) {
        layout::write(batch, layout::ATTRIBUTES, &self.attributes.to_be_bytes());
        layout::write(
            batch,
            layout::MAX_TIMESTAMP,
            &self.max_timestamp.to_be_bytes(),
        );
        let crc = layout::checksum(batch);
        layout::write(batch, layout::CRC, &crc.to_be_bytes());
    }

    /// The broker's time for the records, if it is the one that they take.
    pub(super) fn log_append_time(self) -> Option<WallClock> {
        let appended = self.attributes & layout::LOG_APPEND_TIME != 0;
        appended.then_some(WallClock(self.max_timestamp))
    }
}

pub(super) fn rejected(error: ErrorCode, reason: impl Into<String>) -> AppendError {
    let reason = reason.into();
    AppendError::Rejected { error, reason }
}

pub(super) fn corrupt(error: &BatchError) -> AppendError {
    rejected(ErrorCode::CorruptMessage, error.to_string())
}

fn invalid(reason: impl Into<String>) -> AppendError {
    rejected(ErrorCode::InvalidRecord, reason)
}

/// The one batch in `records`.
pub(super) fn single_batch(records: &Bytes) -> Result<RecordBatch, AppendError> {
    if records.get(layout::MAGIC) != Some(&layout::CURRENT_MAGIC) {
        return Err(invalid("not a record batch of magic 2"));
    }
    let batch = RecordBatch::parse(records).map_err(|error| match error {
        BatchError::Incomplete => invalid(error.to_string()),
        BatchError::Corrupt(_) => corrupt(&error),
    })?;
    if batch.size() != records.len() {
        return Err(invalid("more than one record batch"));
    }
    Ok(batch)
}

pub(super) fn check_crc(batch: &RecordBatch) -> Result<(), AppendError> {
    batch.verify().map_err(|error| corrupt(&error))
}

pub(super) fn check_segment_size(size: usize, config: &TopicConfig) -> Result<(), AppendError> {
    if size as u64 <= config.segment_bytes {
        return Ok(());
    }
    let reason = format!(
        "{size} bytes do not fit a segment of {}",
        config.segment_bytes
    );
    Err(rejected(ErrorCode::RecordListTooLarge, reason))
}

/// The one batch in `records`, checked, and the times it must get.
pub(super) fn client_batch(
    records: &Bytes,
    config: &TopicConfig,
    now: WallClock,
) -> Result<(RecordBatch, Option<Stamp>), AppendError> {
    let batch = single_batch(records)?;
    if batch.base_offset() != Offset::ZERO {
        return Err(invalid(format!(
            "base offset {}, not 0",
            batch.base_offset()
        )));
    }
    if batch.size() as u64 > config.max_message_bytes {
        let reason = format!(
            "{} bytes of at most {}",
            batch.size(),
            config.max_message_bytes
        );
        return Err(rejected(ErrorCode::MessageTooLarge, reason));
    }
    check_crc(&batch)?;
    check_header(&batch)?;
    let max_timestamp = check_records(&batch, config, now)?;
    let wanted = match config.message_timestamp_type {
        TimestampType::CreateTime => Stamp {
            attributes: batch.attributes() & !layout::LOG_APPEND_TIME,
            max_timestamp,
        },
        TimestampType::LogAppendTime => Stamp {
            attributes: batch.attributes() | layout::LOG_APPEND_TIME,
            max_timestamp: now.0,
        },
    };
    let present = Stamp {
        attributes: batch.attributes(),
        max_timestamp: batch.max_timestamp().0,
    };
    Ok((batch, (wanted != present).then_some(wanted)))
}

/// Source: `LogValidator.validateBatch`.
fn check_header(batch: &RecordBatch) -> Result<(), AppendError> {
    let span = i64::from(batch.last_offset_delta()) + 1;
    if batch.count() < 1 || i64::from(batch.count()) != span {
        let reason = format!("{} records span {span} offsets", batch.count());
        return Err(invalid(reason));
    }
    if batch.is_control() {
        return Err(invalid("clients may not write control records"));
    }
    if batch.is_compressed() {
        return Err(invalid("compressed records are not supported"));
    }
    if batch.producer_id().0 >= 0 && batch.base_sequence() < 0 {
        return Err(invalid("a producer id without a sequence number"));
    }
    Ok(())
}

/// Looks at each record; returns the latest time.
/// Source: `LogValidator.validateRecord`, `validateTimestamp`.
fn check_records(
    batch: &RecordBatch,
    config: &TopicConfig,
    now: WallClock,
) -> Result<i64, AppendError> {
    let create_time = config.message_timestamp_type == TimestampType::CreateTime;
    let earliest = now
        .0
        .saturating_sub(millis(config.message_timestamp_before_max_ms));
    let latest = now
        .0
        .saturating_add(millis(config.message_timestamp_after_max_ms));
    let mut expected_delta = 0;
    let mut max_timestamp = -1;
    let mut fault = None;
    let stamped = batch.is_log_append_time();
    let read = batch.each_meta(|record| {
        let timestamp = if stamped {
            batch.max_timestamp().0
        } else {
            record.timestamp
        };
        if record.offset_delta != expected_delta {
            let delta = record.offset_delta;
            let found = || invalid(format!("offset delta {delta} of record {expected_delta}"));
            fault.get_or_insert_with(found);
        } else if create_time && timestamp != -1 {
            if timestamp < earliest || timestamp > latest {
                let reason = || format!("time {timestamp} is not within {earliest}..={latest}");
                fault.get_or_insert_with(|| rejected(ErrorCode::InvalidTimestamp, reason()));
            }
        } else if stamped {
            let reason = "only a broker sets LogAppendTime";
            fault.get_or_insert_with(|| rejected(ErrorCode::InvalidTimestamp, reason));
        }
        expected_delta += 1;
        max_timestamp = max_timestamp.max(timestamp);
    });
    read.map_err(|error| invalid(error.to_string()))?;
    fault.map_or(Ok(max_timestamp), Err)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
