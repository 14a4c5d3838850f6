//! The broker's copy of the metadata log: it observes the quorum's leader by fetching, writes what it
//! gets to its own disk, and hands over what is committed.
//!
//! Committed = below the high watermark that the controller told. Whole batches at a time.
//!
//! Source: `KafkaRaftClient` (observer), `MetadataLoader`; KIP-595. Simplified: no snapshots; the log
//! is read from its start at each start of the broker.
//! Next: `publish.rs` applies the records.

use super::shared::{ControllerLink, LOG_DIRECTORY, Shared};
use crate::error::ErrorCode;
use crate::id::{ConnectionId, ControllerId, CorrelationId};
use crate::log::{AppendError, Log, OpenFrom, ReadError};
use crate::machine::Effects;
use crate::message::{
    FetchPartition, FetchPartitionResponse, FetchRequest, FetchResponse, FetchSession, Fetcher,
    Request,
};
use crate::metadata::{MetadataRecord, codec, metadata_partition};
use crate::offset::{EpochOffset, LeaderEpoch, Offset};
use crate::record;
use crate::storage::{Storage, StorageError};
use crate::time::{Now, Timestamp, earliest};
use std::time::Duration;

/// `KafkaRaftClient.MAX_FETCH_WAIT_MS`
const FETCH_WAIT: Duration = Duration::from_millis(500);
/// `controller.quorum.request.timeout.ms`
const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);
/// `controller.quorum.retry.backoff.ms`
const RETRY: Duration = Duration::from_millis(20);
/// `controller.quorum.fetch.max.bytes`
const FETCH_MAX_BYTES: usize = 1_048_576;

/// The broker's copy of the metadata log.
#[derive(Debug)]
pub(super) struct Observer {
    log: Log,
    link: ControllerLink<()>,
    /// The epoch of the quorum's leader, as far as known.
    epoch: LeaderEpoch,
    /// The first offset that was not handed over yet.
    next_to_apply: Offset,
    next_fetch: Option<Timestamp>,
}

impl Observer {
    /// Opens the copy. The log of a raft node is always recovered from its start
    /// (`KafkaRaftLog.createLog`).
    pub(super) fn start(
        storage: &mut dyn Storage,
        controllers: &[ControllerId],
        now: Now,
    ) -> Result<Self, StorageError> {
        let directory = format!("{LOG_DIRECTORY}/{}", metadata_partition().partition);
        let (log, _) = Log::open(
            storage,
            &directory,
            OpenFrom::default(),
            Default::default(),
            now,
        )?;
        Ok(Self {
            epoch: log.latest_epoch().unwrap_or_default(),
            log,
            link: ControllerLink::new(controllers, REQUEST_TIMEOUT),
            next_to_apply: Offset::ZERO,
            next_fetch: Some(now.monotonic),
        })
    }

    pub(super) fn owns(&self, connection: ConnectionId) -> bool {
        self.link.owns(connection)
    }

    /// The last offset that was handed over.
    pub(super) fn applied(&self) -> Option<Offset> {
        (self.next_to_apply > Offset::ZERO).then(|| self.next_to_apply + -1)
    }

    /// The fetch under way has failed, or it is time for one.
    pub(super) fn timer(&mut self, shared: &mut Shared, now: Timestamp, out: &mut Effects) {
        if !self.link.expire(shared, now, out).is_empty() {
            self.next_fetch = Some(now + RETRY);
        }
        if self.next_fetch.is_some_and(|next| now >= next) {
            self.fetch(shared, now, out);
        }
    }

    pub(super) fn connected(&mut self, connection: ConnectionId) {
        self.link.connected(connection);
    }

    pub(super) fn disconnected(
        &mut self,
        shared: &mut Shared,
        connection: ConnectionId,
        now: Timestamp,
    ) {
        if !self.link.disconnected(shared, connection, now).is_empty() {
            self.next_fetch = Some(now + RETRY);
        }
    }

    fn fetch(&mut self, shared: &mut Shared, now: Timestamp, out: &mut Effects) {
        if !self.link.is_ready(now) {
            self.next_fetch = Some(self.link.ready_at());
            return;
        }
        self.next_fetch = None;
        let partition = FetchPartition {
            partition: metadata_partition(),
            fetch_offset: self.log.log_end_offset(),
            current_leader_epoch: Some(self.epoch),
            last_fetched_epoch: self.log.latest_epoch(),
            log_start_offset: Some(self.log.log_start_offset()),
            max_bytes: FETCH_MAX_BYTES,
        };
        let request = Request::Fetch(FetchRequest {
            fetcher: Fetcher::Replica {
                id: shared.id,
                epoch: None,
            },
            max_wait: FETCH_WAIT,
            min_bytes: 1,
            max_bytes: FETCH_MAX_BYTES,
            partitions: vec![partition],
            session: FetchSession::none(),
        });
        self.link.send(shared, now, request, (), out);
    }

    /// Takes an answer and asks again. Returns the batches that are committed now, each with the
    /// offsets of its records.
    pub(super) fn answered(
        &mut self,
        shared: &mut Shared,
        connection: ConnectionId,
        correlation: CorrelationId,
        response: &FetchResponse,
        now: Now,
    ) -> Result<Vec<Vec<(Offset, MetadataRecord)>>, StorageError> {
        if self.link.answered(connection, correlation).is_none() {
            return Ok(Vec::new());
        }
        self.next_fetch = Some(now.monotonic);
        let Some(partition) = response
            .partitions
            .first()
            .filter(|_| response.error.is_none())
        else {
            self.next_fetch = Some(now.monotonic + RETRY);
            return Ok(Vec::new());
        };
        self.take(shared, partition, now)?;
        self.committed(shared.storage.as_mut())
    }

    fn take(
        &mut self,
        shared: &mut Shared,
        response: &FetchPartitionResponse,
        now: Now,
    ) -> Result<(), StorageError> {
        if let Some(leader) = response
            .current_leader
            .filter(|leader| leader.epoch > self.epoch)
        {
            self.epoch = leader.epoch;
        }
        if !response.error.is_none() {
            if response.error == ErrorCode::NotLeaderOrFollower {
                self.link.next_controller();
            }
            self.next_fetch = Some(now.monotonic + RETRY);
            return Ok(());
        }
        let storage = shared.storage.as_mut();
        if let Some(diverging) = response.diverging_epoch {
            return self.cut(storage, diverging);
        }
        if !response.records.is_empty() {
            match self
                .log
                .append_as_follower(storage, &response.records, self.epoch, now)
            {
                Ok(_) => {}
                Err(AppendError::Storage(error)) => return Err(error),
                // Corrupt or out of place: fetch it again (`KafkaRaftClient.appendAsFollower`).
                Err(AppendError::Rejected { .. } | AppendError::UnexpectedOffset { .. }) => {
                    self.next_fetch = Some(now.monotonic + RETRY);
                }
            }
        }
        self.log.set_high_watermark(response.high_watermark);
        Ok(())
    }

    fn cut(
        &mut self,
        storage: &mut dyn Storage,
        diverging: EpochOffset,
    ) -> Result<(), StorageError> {
        let ours = self.log.end_offset_for_epoch(diverging.epoch);
        let to = match ours {
            Some(ours) if ours.epoch == diverging.epoch => ours.offset.min(diverging.offset),
            Some(ours) => ours.offset,
            None => diverging.offset,
        };
        let committed = self.log.high_watermark();
        if to < committed {
            // The quorum has forgotten what it committed: `KafkaRaftLog.truncateTo` throws, and the
            // process ends.
            let why =
                format!("the leader's metadata log ends at {to}, but {committed} was committed");
            return Err(StorageError::Malformed(why));
        }
        self.log.truncate_to(storage, to)?;
        Ok(())
    }

    /// Reads what is committed and was not handed over yet.
    fn committed(
        &mut self,
        storage: &mut dyn Storage,
    ) -> Result<Vec<Vec<(Offset, MetadataRecord)>>, StorageError> {
        let mut committed = Vec::new();
        let end = self.log.high_watermark();
        while self.next_to_apply < end {
            let read = self
                .log
                .read(storage, self.next_to_apply, end, FETCH_MAX_BYTES, true);
            let bytes = read.map_err(|error| match error {
                ReadError::OutOfRange(offset) => StorageError::Io(format!("metadata at {offset}")),
                ReadError::Storage(error) => error,
            })?;
            let before = self.next_to_apply;
            for batch in record::batches(&bytes) {
                let unreadable = |why: String| StorageError::Io(format!("metadata log: {why}"));
                let sound = batch.and_then(|batch| batch.verify().map(|()| batch));
                let batch = sound.map_err(|error| unreadable(error.to_string()))?;
                committed.push(codec::decode_batch(&batch).map_err(unreadable)?);
                self.next_to_apply = batch.last_offset().next();
            }
            if self.next_to_apply == before {
                break;
            }
        }
        Ok(committed)
    }

    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        earliest(self.next_fetch, self.link.next_deadline())
    }
}
