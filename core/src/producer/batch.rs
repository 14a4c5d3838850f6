//! A batch of records on its way: filled, sent, sent again, ended.
//!
//! Rule: a record's outcome is `Failed` only if no attempt can have written it; an attempt that ended
//! without a definite error, or has not ended, leaves it `Unknown`.
//! Invariants: each operation of a batch ends once: `end` takes the operations out.
//! Simplified: whether a record still fits is judged by an upper bound of its size, a few bytes above.
//! Source: `ProducerBatch`, `MemoryRecordsBuilder.hasRoomFor`, `isFull`; KIP-951 for leader changes.
//! Next: `accumulator.rs`, for where batches wait.

use crate::error::ErrorCode;
use crate::event::SendOutcome;
use crate::id::OperationId;
use crate::offset::{LeaderEpoch, Offset};
use crate::record::{BATCH_HEADER_SIZE, BatchBuilder, Record, RecordBatch};
use crate::time::{Timestamp, WallClock};
use bytes::Bytes;

/// Names a batch within its producer; rises with each new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct BatchId(pub(super) u64);

/// Records for one partition that are sent together.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    pub(super) id: BatchId,
    /// The queue it belongs to.
    pub(super) queue: usize,
    /// Its delivery timeout counts from here.
    pub(super) created: Timestamp,
    /// Bytes of buffer memory that it holds.
    pub(super) memory: usize,
    /// How often it was put back for another attempt.
    pub(super) attempts: u32,
    /// The end of the backoff after the last attempt.
    pub(super) retry_at: Timestamp,
    /// Some attempt was sent.
    pub(super) was_sent: bool,
    /// Some attempt ended without saying for certain that nothing was written.
    pub(super) maybe_written: bool,
    /// It came from a batch that was too large, and is at most this large.
    pub(super) split_size: Option<usize>,
    limit: usize,
    content: Content,
    operations: Vec<OperationId>,
    leader_epoch: Option<LeaderEpoch>,
    attempts_at_leader_change: Option<u32>,
}

#[derive(Clone, Debug)]
enum Content {
    Open(BatchBuilder),
    Closed(Bytes),
}

impl Batch {
    /// An empty batch that closes at `limit` bytes.
    pub(super) fn new(id: BatchId, queue: usize, created: Timestamp, limit: usize) -> Self {
        Self {
            id,
            queue,
            created,
            memory: limit,
            attempts: 0,
            retry_at: Timestamp::ZERO,
            was_sent: false,
            maybe_written: false,
            split_size: None,
            limit,
            content: Content::Open(BatchBuilder::new()),
            operations: Vec::new(),
            leader_epoch: None,
            attempts_at_leader_change: None,
        }
    }

    /// Adds a record if there is room; the first one always fits.
    pub(super) fn try_append(
        &mut self,
        operation: OperationId,
        timestamp: WallClock,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        bound: usize,
    ) -> bool {
        let Content::Open(builder) = &mut self.content else {
            return false;
        };
        if !self.operations.is_empty() && builder.size() + bound > self.limit {
            return false;
        }
        builder.append(timestamp, key, value, &[]);
        self.operations.push(operation);
        true
    }

    /// Bytes that it takes on the wire.
    pub(super) fn size(&self) -> usize {
        match &self.content {
            Content::Open(builder) => builder.size(),
            Content::Closed(bytes) => bytes.len(),
        }
    }

    /// Records in it that have not ended.
    pub(super) fn count(&self) -> usize {
        self.operations.len()
    }

    /// Nothing more goes in.
    pub(super) fn is_full(&self) -> bool {
        match &self.content {
            Content::Open(builder) => builder.size() >= self.limit,
            Content::Closed(_) => true,
        }
    }

    /// Its bytes to send; nothing more goes in.
    pub(super) fn close(&mut self) -> Bytes {
        let content = std::mem::replace(&mut self.content, Content::Closed(Bytes::new()));
        let bytes = match content {
            Content::Open(builder) => builder.finish(),
            Content::Closed(bytes) => bytes,
        };
        self.content = Content::Closed(bytes.clone());
        bytes
    }

    /// Takes note of the newest leader epoch of the partition when the batch is about to be sent.
    pub(super) fn note_leader_epoch(&mut self, newest: Option<LeaderEpoch>) {
        if newest > self.leader_epoch {
            self.leader_epoch = newest;
            self.attempts_at_leader_change = Some(self.attempts);
        }
    }

    /// Until when it may not be sent again. A new leader needs no backoff (KIP-951).
    pub(super) fn backing_off_until(&self) -> Timestamp {
        let leader_changed = self.attempts_at_leader_change == Some(self.attempts);
        if self.attempts == 0 || leader_changed {
            Timestamp::ZERO
        } else {
            self.retry_at
        }
    }

    /// All its operations have ended; a late response changes nothing.
    pub(super) fn is_done(&self) -> bool {
        self.operations.is_empty()
    }

    /// Takes the operations out, to be reported as written.
    pub(super) fn end(&mut self) -> Vec<OperationId> {
        std::mem::take(&mut self.operations)
    }

    /// How its operation number `index` ends if the broker wrote the batch from `base_offset` on.
    pub(super) fn acknowledged(index: usize, base_offset: Option<Offset>) -> SendOutcome {
        SendOutcome::Acknowledged {
            offset: base_offset.map(|base| base + i64::try_from(index).unwrap_or(i64::MAX)),
        }
    }

    /// How its operations end with an error that a response or a lost connection brought.
    pub(super) fn refused(&self, error: ErrorCode) -> SendOutcome {
        if error.is_definite() && !self.maybe_written {
            SendOutcome::Failed(error)
        } else {
            SendOutcome::Unknown(error)
        }
    }

    /// How its operations end when the delivery timeout is over.
    pub(super) fn expired(&self) -> SendOutcome {
        if self.was_sent {
            SendOutcome::Unknown(ErrorCode::RequestTimedOut)
        } else {
            SendOutcome::Failed(ErrorCode::RequestTimedOut)
        }
    }

    /// Its records again, in batches of at most `target` bytes (or one record). The batches are as
    /// old as this one, and count as not tried yet. `None` if its bytes cannot be read.
    pub(super) fn split(
        &mut self,
        target: usize,
        mut next_id: impl FnMut() -> BatchId,
    ) -> Option<Vec<Self>> {
        let bytes = self.close();
        let records = RecordBatch::parse(&bytes).ok()?.records().ok()?;
        let mut parts: Vec<Self> = Vec::new();
        for (record, operation) in records.iter().zip(self.end()) {
            let (key, value) = (record.key.as_deref(), record.value.as_deref());
            let bound = BatchBuilder::record_size_bound(key, value, &[]);
            let append =
                |part: &mut Self| part.try_append(operation, record.timestamp, key, value, bound);
            if !parts.last_mut().is_some_and(append) {
                let limit = target.max(BATCH_HEADER_SIZE + bound);
                let mut part = Self::new(next_id(), self.queue, self.created, limit);
                part.was_sent = self.was_sent;
                part.maybe_written = self.maybe_written;
                part.try_append(operation, record.timestamp, key, value, bound);
                parts.push(part);
            }
        }
        for part in &mut parts {
            part.close();
            part.split_size = Some(part.size());
            part.memory = 0; // As in Kafka, it lies outside of the buffer memory.
        }
        Some(parts)
    }

    /// The target of a split: `batch_size`, or half of what an earlier split made; never below its
    /// largest record.
    pub(super) fn split_target(&self, batch_size: usize) -> usize {
        match self.split_size {
            None => batch_size,
            Some(size) => (size / 2).max(self.largest_record()),
        }
    }

    fn largest_record(&self) -> usize {
        let Content::Closed(bytes) = &self.content else {
            return 0;
        };
        let records = RecordBatch::parse(bytes).and_then(|batch| batch.records());
        let bound = |record: &Record| {
            BatchBuilder::record_size_bound(record.key.as_deref(), record.value.as_deref(), &[])
        };
        let largest = records.iter().flatten().map(bound).max().unwrap_or(0);
        BATCH_HEADER_SIZE + largest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch() -> Batch {
        Batch::new(BatchId(0), 0, Timestamp::ZERO, 200)
    }

    #[test]
    fn failed_needs_certainty() {
        let check = |error: ErrorCode, maybe_written, certain| {
            let batch = Batch {
                maybe_written,
                ..batch()
            };
            let failed = batch.refused(error) == SendOutcome::Failed(error);
            assert_eq!(failed, certain, "{error} {maybe_written}");
        };
        check(ErrorCode::NotEnoughReplicas, false, true);
        check(ErrorCode::NotEnoughReplicas, true, false);
        check(ErrorCode::NotEnoughReplicasAfterAppend, false, false);
        check(ErrorCode::NotLeaderOrFollower, false, false);
        check(ErrorCode::NetworkException, false, false);
        check(ErrorCode::MessageTooLarge, false, true);
    }

    #[test]
    fn a_new_leader_needs_no_backoff_but_only_once() {
        let mut batch = batch();
        batch.note_leader_epoch(Some(LeaderEpoch(1)));
        batch.attempts = 1;
        batch.retry_at = Timestamp::from_millis(100);
        batch.note_leader_epoch(Some(LeaderEpoch(1)));
        assert_eq!(batch.backing_off_until(), Timestamp::from_millis(100));
        batch.note_leader_epoch(Some(LeaderEpoch(2)));
        assert_eq!(batch.backing_off_until(), Timestamp::ZERO);
        batch.attempts = 2;
        batch.note_leader_epoch(Some(LeaderEpoch(2)));
        assert_eq!(batch.backing_off_until(), Timestamp::from_millis(100));
    }

    #[test]
    fn a_batch_takes_records_up_to_its_limit_and_splits_into_smaller_ones() {
        let mut batch = batch();
        let value = [b'v'; 40];
        let bound = BatchBuilder::record_size_bound(None, Some(&value), &[]);
        let mut taken = 0;
        while batch.try_append(OperationId(taken), WallClock(7), None, Some(&value), bound) {
            taken += 1;
        }
        assert!((2..=3).contains(&taken), "{taken}");
        assert!(batch.size() <= 200);
        let mut next = 1;
        let parts = batch.split(61 + bound, || {
            next += 1;
            BatchId(next)
        });
        let counts: Vec<usize> = parts.unwrap().iter().map(Batch::count).collect();
        assert_eq!(counts, vec![1; usize::try_from(taken).unwrap()]);
        assert!(batch.is_done());
    }
}
