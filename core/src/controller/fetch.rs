//! Brokers observe the metadata log: they fetch it as followers do, but have no vote.
//!
//! | fetch | answer |
//! |---|---|
//! | not of the metadata log alone | UNKNOWN_TOPIC_OR_PARTITION |
//! | a leader epoch below ours | FENCED_LEADER_EPOCH, with the leader and its epoch |
//! | a leader epoch above ours | UNKNOWN_LEADER_EPOCH |
//! | the log parts from ours | where, without records |
//! | at the log's end | parked until records are written, or 500 ms at most |
//! | else | whole batches up to the log's end, and the high watermark |
//!
//! Invariants:
//! - A parked fetch waits at the end of the log, so the next write answers all of them.
//!
//! Source: `KafkaRaftClient.handleFetchRequest`, `validateFetchRequest`.
//! Next: `broker/`, for what an observer does with the records.

use super::metadata_log::MetadataLog;
use crate::error::ErrorCode;
use crate::id::{BrokerId, ControllerId};
use crate::log::ReadError;
use crate::machine::ReplyTo;
use crate::message::{
    FetchPartition, FetchPartitionResponse, FetchRequest, FetchResponse, LeaderIdAndEpoch,
};
use crate::metadata::METADATA_TOPIC_ID;
use crate::offset::{LeaderEpoch, Offset};
use crate::time::Timestamp;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::time::Duration;

/// An observer waits at most this long.
const MAX_WAIT: Duration = Duration::from_millis(500);

/// Fetches that wait, by when their time is up.
#[derive(Clone, Debug, Default)]
pub(super) struct ParkedFetches {
    waiting: BTreeMap<(Timestamp, u64), (ReplyTo, FetchRequest)>,
    count: u64,
}

impl ParkedFetches {
    /// Parks a fetch.
    pub(super) fn park(&mut self, now: Timestamp, reply: ReplyTo, request: FetchRequest) {
        let deadline = now + request.max_wait.min(MAX_WAIT);
        self.count += 1;
        self.waiting
            .insert((deadline, self.count), (reply, request));
    }

    /// When the first one's time is up.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        self.waiting.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes out those whose time is up.
    pub(super) fn take_expired(&mut self, now: Timestamp) -> Vec<(ReplyTo, FetchRequest)> {
        let later = self.waiting.split_off(&(now, u64::MAX));
        let expired = std::mem::replace(&mut self.waiting, later);
        expired.into_values().collect()
    }

    /// Takes out all, in the order in which they came.
    pub(super) fn take_all(&mut self) -> Vec<(ReplyTo, FetchRequest)> {
        let mut all: Vec<_> = std::mem::take(&mut self.waiting).into_iter().collect();
        all.sort_by_key(|((_, number), _)| *number);
        all.into_iter().map(|(_, fetch)| fetch).collect()
    }
}

/// What a fetch gets now.
pub(super) enum Fetched {
    /// This.
    Answer(FetchResponse),
    /// Nothing yet.
    Wait,
    /// The disk failed.
    Failed(String),
}

/// Answers a fetch, or says that it may wait.
pub(super) fn fetch(log: &mut MetadataLog, id: ControllerId, request: &FetchRequest) -> Fetched {
    let [partition] = &request.partitions[..] else {
        let all = request.partitions.iter();
        let refused = |partition| refuse(log, partition, ErrorCode::UnknownTopicOrPartition);
        return answer(all.map(refused).collect());
    };
    match check(log, partition) {
        Err(error) => {
            let mut response = refuse(log, partition, error);
            // Controllers and brokers share one range of numbers.
            let leader = Some(BrokerId(id.0));
            response.current_leader = Some(LeaderIdAndEpoch {
                leader,
                epoch: log.epoch(),
            });
            answer(vec![response])
        }
        Ok(Some(diverging)) => {
            let mut response = respond(log, partition, Bytes::new());
            response.diverging_epoch = Some(diverging);
            answer(vec![response])
        }
        Ok(None) => {
            let max_bytes = partition.max_bytes.min(request.max_bytes);
            match log.read(partition.fetch_offset, max_bytes) {
                Ok(records) if records.is_empty() && !request.max_wait.is_zero() => Fetched::Wait,
                Ok(records) => answer(vec![respond(log, partition, records)]),
                Err(ReadError::OutOfRange(_)) => {
                    answer(vec![refuse(log, partition, ErrorCode::OffsetOutOfRange)])
                }
                Err(ReadError::Storage(error)) => Fetched::Failed(error.to_string()),
            }
        }
    }
}

/// The answer to a fetch whose time is up.
pub(super) fn nothing_new(log: &MetadataLog, request: &FetchRequest) -> FetchResponse {
    let partitions = request.partitions.iter();
    let partitions = partitions.map(|partition| respond(log, partition, Bytes::new()));
    FetchResponse {
        error: ErrorCode::None,
        partitions: partitions.collect(),
        session_id: 0,
    }
}

fn check(
    log: &MetadataLog,
    partition: &FetchPartition,
) -> Result<Option<crate::offset::EpochOffset>, ErrorCode> {
    if partition.partition.topic_id != METADATA_TOPIC_ID
        || partition.partition.partition.partition != 0
    {
        return Err(ErrorCode::UnknownTopicOrPartition);
    }
    match partition.current_leader_epoch {
        Some(epoch) if epoch < log.epoch() => return Err(ErrorCode::FencedLeaderEpoch),
        Some(epoch) if epoch > log.epoch() => return Err(ErrorCode::UnknownLeaderEpoch),
        Some(_) | None => {}
    }
    let last_epoch = partition.last_fetched_epoch;
    if partition.fetch_offset < Offset::ZERO
        || last_epoch < Some(LeaderEpoch(0)) && last_epoch.is_some()
    {
        return Err(ErrorCode::InvalidRequest);
    }
    // Without an epoch there is nothing to compare; the offset alone is checked when it is read.
    Ok(last_epoch.and_then(|epoch| log.diverging(partition.fetch_offset, epoch)))
}

fn answer(partitions: Vec<FetchPartitionResponse>) -> Fetched {
    Fetched::Answer(FetchResponse {
        error: ErrorCode::None,
        partitions,
        session_id: 0,
    })
}

fn respond(
    log: &MetadataLog,
    partition: &FetchPartition,
    records: Bytes,
) -> FetchPartitionResponse {
    FetchPartitionResponse {
        partition: partition.partition.clone(),
        error: ErrorCode::None,
        high_watermark: log.high_watermark(),
        last_stable_offset: log.high_watermark(),
        log_start_offset: log.start_offset(),
        diverging_epoch: None,
        current_leader: None,
        records,
    }
}

fn refuse(
    log: &MetadataLog,
    partition: &FetchPartition,
    error: ErrorCode,
) -> FetchPartitionResponse {
    FetchPartitionResponse {
        error,
        ..respond(log, partition, Bytes::new())
    }
}
