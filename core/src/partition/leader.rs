//! What a leader does: append, serve reads, keep track of its followers.
//!
//! Source: `Partition.appendRecordsToLeader`, `fetchRecords`, `readRecords`,
//! `updateFollowerFetchState`, `checkEnoughReplicasReachOffset`.
//! Next: `proposal.rs`, `queries.rs`; `broker/produce.rs` and `broker/fetch.rs` call it.

use super::{Changes, Context, Partition};
use crate::error::ErrorCode;
use crate::event::Event;
use crate::id::BrokerId;
use crate::log::{AppendError, AppendedBatch, ReadError};
use crate::machine::Effects;
use crate::message::{FetchPartition, Fetcher};
use crate::offset::{EpochOffset, LeaderEpoch, Offset};
use crate::planted::Bug;
use crate::storage::StorageError;
use crate::time::Timestamp;
use bytes::Bytes;

/// Why a request of one partition was not served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The answer to the client.
    Code(ErrorCode),
    /// The broker's disk failed.
    Storage(StorageError),
}

impl From<StorageError> for Refusal {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

/// What was read for a fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FetchRead {
    /// Whole batches.
    pub(crate) records: Bytes,
    /// Sampled before this fetch counted as progress: the fetcher learns it one round late.
    pub(crate) high_watermark: Offset,
    /// The log's start.
    pub(crate) log_start_offset: Offset,
    /// The fetcher's log parts from this one.
    pub(crate) diverging_epoch: Option<EpochOffset>,
    /// The consumer should read from this follower, and gets nothing here (KIP-392).
    pub(crate) preferred_read_replica: Option<BrokerId>,
    /// The offset is above what the fetcher may read: a consumer that knows a higher high watermark
    /// from the leader before. Kafka does not let it wait (`DelayedFetch`, case F).
    pub(crate) is_ahead: bool,
    /// The same fetch again finds nothing, changes nothing but the time of the fetcher's last fetch, and
    /// tells nothing, until something happens to the partition.
    pub(crate) rests: bool,
}

impl FetchRead {
    /// There is nothing to say of it that cannot wait.
    fn is_quiet(&self) -> bool {
        let sent_away = self.diverging_epoch.is_some() || self.preferred_read_replica.is_some();
        self.records.is_empty() && !self.is_ahead && !sent_away
    }
}

/// How to read for a fetch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadParameters {
    /// Who reads.
    pub(crate) fetcher: Fetcher,
    /// At most this much.
    pub(crate) max_bytes: usize,
    /// But one batch in any case.
    pub(crate) at_least_one: bool,
    /// The fetch counts as progress (not when it is looked at again after waiting).
    pub(crate) is_progress: bool,
}

impl Partition {
    /// Appends a client's batch.
    pub(crate) fn append(
        &mut self,
        context: &mut Context<'_>,
        acks: i16,
        records: &Bytes,
        out: &mut Effects,
    ) -> Result<(AppendedBatch, Changes), Refusal> {
        let Some(leadership) = &self.leadership else {
            return Err(Refusal::Code(ErrorCode::NotLeaderOrFollower));
        };
        if acks == -1 && leadership.isr.committed().len() < self.effective_min_isr() {
            return Err(Refusal::Code(ErrorCode::NotEnoughReplicas));
        }
        let appended =
            self.log
                .append_as_leader(context.storage, records, self.leader_epoch, context.now);
        let batch = appended.map_err(|error| match error {
            AppendError::Rejected { error, .. } => Refusal::Code(error),
            AppendError::UnexpectedOffset { .. } => Refusal::Code(ErrorCode::UnknownServerError),
            AppendError::Storage(error) => Refusal::Storage(error),
        })?;
        if context.rules.has(Bug::Canary) {
            self.log.truncate_to(context.storage, batch.base_offset)?;
        }
        self.observe_append(&batch, out);
        let flushed = self.log.flush_if_due(context.storage);
        flushed.map_err(Refusal::Storage)?;
        let mut changes = self.advance_high_watermark(context, out);
        changes.log_end = true;
        Ok((batch, changes))
    }

    /// Reports an appended batch.
    pub(super) fn observe_append(&self, batch: &AppendedBatch, out: &mut Effects) {
        out.observe(Event::Appended {
            partition: self.name().clone(),
            base_offset: batch.base_offset,
            last_offset: batch.last_offset,
            leader_epoch: batch.leader_epoch,
            crc: batch.crc,
        });
    }

    /// Whether everything below `required` is replicated, and how a produce that waited for that is
    /// to be answered; `None` = wait on.
    pub(crate) fn replicated(&self, required: Offset) -> Option<ErrorCode> {
        let Some(leadership) = &self.leadership else {
            let unnoticed = self.log.rules().has(Bug::DeposedLeaderAcknowledges);
            return Some(if unnoticed {
                ErrorCode::None
            } else {
                ErrorCode::NotLeaderOrFollower
            });
        };
        if self.log.high_watermark() < required {
            return None;
        }
        let enough = self.effective_min_isr() <= leadership.isr.maximal().len();
        Some(if enough {
            ErrorCode::None
        } else {
            ErrorCode::NotEnoughReplicasAfterAppend
        })
    }

    /// Reads for a fetch. For a follower the fetch is its progress too; a consumer in `rack` may be sent to
    /// another replica.
    pub(crate) fn fetch(
        &mut self,
        context: &mut Context<'_>,
        request: &FetchPartition,
        (parameters, rack): (ReadParameters, Option<&str>),
        out: &mut Effects,
    ) -> Result<(FetchRead, Changes), Refusal> {
        let replica = match parameters.fetcher {
            // Replicas of the metadata log do not fetch from brokers.
            Fetcher::Consumer | Fetcher::Quorum { .. } => None,
            Fetcher::Replica { id, .. } => Some(id),
        };
        // Before KIP-392 a follower served nobody.
        let leader_only = replica.is_some() || !context.rules.fetch_from_follower;
        self.check_epoch(request.current_leader_epoch, leader_only)?;
        if let Some(rack) = rack
            && let Some(id) = self.preferred_read_replica(context, rack, request.fetch_offset)
        {
            let mut read = self.nothing_read();
            read.preferred_read_replica = Some(id);
            return Ok((read, Changes::default()));
        }
        let follower = replica
            .map(|id| self.known_follower(id, request))
            .transpose()?;
        let mut read = self.read(context, request, parameters, out)?;
        let counts =
            read.diverging_epoch.is_none() || !context.rules.ignore_fetch_offset_when_diverging;
        let mut changes = Changes::default();
        if let Some(id) = follower.filter(|_| parameters.is_progress && counts) {
            changes = self.follower_fetched(context, id, request.fetch_offset, parameters, out)?;
        }
        read.rests = parameters.is_progress
            && read.is_quiet()
            && changes == Changes::default()
            && self.rests_at(replica, request.fetch_offset);
        Ok((read, changes))
    }

    /// Whether a fetcher that has fetched at `offset` and got nothing learns nothing by doing so again.
    fn rests_at(&self, follower: Option<BrokerId>, offset: Offset) -> bool {
        let Some(leadership) = &self.leadership else {
            return false;
        };
        let Some(id) = follower else {
            return offset == self.log.high_watermark();
        };
        let known = leadership.remotes.get(&id);
        offset == self.log.log_end_offset()
            && leadership.isr.committed().contains(&id)
            && known.is_some_and(|replica| replica.end_before_reboot.is_none())
    }

    /// A follower that rested has fetched, with nothing to find, until `at`.
    pub(crate) fn rested_until(&mut self, follower: BrokerId, at: Timestamp) {
        let remotes = self.leadership.as_mut().map(|one| &mut one.remotes);
        if let Some(replica) = remotes.and_then(|remotes| remotes.get_mut(&follower)) {
            replica.fetched_until(at);
        }
    }

    /// Checks the leader epoch that a request carries, and that this broker leads if it must.
    pub(super) fn check_epoch(
        &self,
        epoch: Option<LeaderEpoch>,
        leader_only: bool,
    ) -> Result<(), Refusal> {
        match epoch {
            Some(epoch) if epoch < self.leader_epoch => {
                Err(Refusal::Code(ErrorCode::FencedLeaderEpoch))
            }
            Some(epoch) if epoch > self.leader_epoch => {
                Err(Refusal::Code(ErrorCode::UnknownLeaderEpoch))
            }
            _ if leader_only && !self.is_leader() => {
                Err(Refusal::Code(ErrorCode::NotLeaderOrFollower))
            }
            _ => Ok(()),
        }
    }

    /// Checks that `id` is one of this leader's followers.
    fn known_follower(&self, id: BrokerId, request: &FetchPartition) -> Result<BrokerId, Refusal> {
        if self
            .leadership
            .as_ref()
            .is_some_and(|leadership| leadership.remotes.contains_key(&id))
        {
            return Ok(id);
        }
        Err(Refusal::Code(if request.current_leader_epoch.is_some() {
            ErrorCode::UnknownLeaderEpoch
        } else {
            ErrorCode::NotLeaderOrFollower
        }))
    }

    fn read(
        &mut self,
        context: &mut Context<'_>,
        request: &FetchPartition,
        parameters: ReadParameters,
        out: &mut Effects,
    ) -> Result<FetchRead, Refusal> {
        let mut read = self.nothing_read();
        if let Some(epoch) = request.last_fetched_epoch {
            let fetched = EpochOffset::new(epoch, request.fetch_offset);
            read.diverging_epoch = self.diverging_epoch(fetched)?;
        }
        if let Some(diverging) = read.diverging_epoch {
            self.observe_divergence(request, parameters.fetcher, diverging, out);
            return Ok(read);
        }
        let bound = match parameters.fetcher {
            Fetcher::Consumer if context.rules.has(Bug::ConsumerReadsToLogEnd) => {
                self.log.log_end_offset()
            }
            Fetcher::Consumer
                if context.rules.has(Bug::FollowerReadsToLogEnd) && !self.is_leader() =>
            {
                self.log.log_end_offset()
            }
            Fetcher::Consumer | Fetcher::Quorum { .. } => self.log.high_watermark(),
            Fetcher::Replica { .. } => self.log.log_end_offset(),
        };
        read.is_ahead = request.fetch_offset > bound;
        let max_bytes = parameters.max_bytes.min(request.max_bytes);
        let records = self.log.read(
            context.storage,
            request.fetch_offset,
            bound,
            max_bytes,
            parameters.at_least_one,
        );
        read.records = records.map_err(|error| match error {
            ReadError::OutOfRange(_) => Refusal::Code(ErrorCode::OffsetOutOfRange),
            ReadError::Storage(error) => Refusal::Storage(error),
        })?;
        Ok(read)
    }

    /// The answer that has no records.
    fn nothing_read(&self) -> FetchRead {
        FetchRead {
            records: Bytes::new(),
            high_watermark: self.log.high_watermark(),
            log_start_offset: self.log.log_start_offset(),
            diverging_epoch: None,
            preferred_read_replica: None,
            is_ahead: false,
            rests: false,
        }
    }

    /// Where the fetcher's log, which ends at `fetched`, parts from this one, if it does.
    fn diverging_epoch(&self, fetched: EpochOffset) -> Result<Option<EpochOffset>, Refusal> {
        let out_of_range = Refusal::Code(ErrorCode::OffsetOutOfRange);
        let Some(end) = self.log.end_offset_for_epoch(fetched.epoch) else {
            return Err(out_of_range);
        };
        if fetched.offset < self.log.log_start_offset() {
            return Err(out_of_range);
        }
        let by_epoch_only = self.log.rules().has(Bug::DivergenceByEpochOnly);
        let ends_below = end.offset < fetched.offset && !by_epoch_only;
        let diverges = end.epoch < fetched.epoch || ends_below;
        Ok(diverges.then_some(end))
    }

    fn observe_divergence(
        &self,
        request: &FetchPartition,
        fetcher: Fetcher,
        diverging: EpochOffset,
        out: &mut Effects,
    ) {
        if let (Fetcher::Replica { id, .. }, Some(epoch)) = (fetcher, request.last_fetched_epoch) {
            out.observe(Event::Diverged {
                partition: self.name().clone(),
                follower: id,
                fetched: EpochOffset::new(epoch, request.fetch_offset),
                diverging,
            });
        }
    }

    /// A follower's fetch shows what it has: it may join the ISR and move the high watermark.
    fn follower_fetched(
        &mut self,
        context: &mut Context<'_>,
        id: BrokerId,
        offset: Offset,
        parameters: ReadParameters,
        out: &mut Effects,
    ) -> Result<Changes, Refusal> {
        let Fetcher::Replica { epoch, .. } = parameters.fetcher else {
            return Ok(Changes::default());
        };
        let registered = context.brokers.get(&id).filter(|broker| !broker.fenced);
        let registered = registered.map(|broker| broker.broker_epoch);
        if epoch.is_some_and(|epoch| registered.is_some_and(|known| known > epoch)) {
            return Err(Refusal::Code(ErrorCode::NotLeaderOrFollower));
        }
        let end = self.log.log_end_offset();
        let Some(leadership) = &mut self.leadership else {
            return Ok(Changes::default());
        };
        let replica = leadership.remotes.entry(id).or_default();
        let before = replica.log_end_offset;
        replica.fetched(offset, end, epoch, context.now.monotonic);
        let moved = before != Some(offset);
        let proposal = self.propose_expansion(context, id, out);
        let mut changes = if moved {
            self.advance_high_watermark(context, out)
        } else {
            Changes::default()
        };
        changes.proposal = proposal;
        Ok(changes)
    }

    /// Advances the high watermark as far as the rule allows.
    pub(super) fn advance_high_watermark(
        &mut self,
        context: &mut Context<'_>,
        out: &mut Effects,
    ) -> Changes {
        let end = self.log.log_end_offset();
        let min_isr = self.effective_min_isr();
        let candidate = self
            .leadership
            .as_ref()
            .and_then(|leadership| leadership.high_watermark_candidate(context, end, min_isr));
        let any = context.rules.has(Bug::HighWatermarkGoesBack);
        let rises = |offset: &Offset| *offset > self.log.high_watermark();
        let Some(candidate) = candidate.filter(|offset| rises(offset) || any) else {
            return Changes::default();
        };
        let moved = self.log.set_high_watermark(candidate);
        if let Some(offset) = moved {
            out.observe(Event::HighWatermark {
                partition: self.name().clone(),
                offset,
            });
        }
        Changes {
            high_watermark: moved.is_some(),
            ..Changes::default()
        }
    }

    /// `min.insync.replicas`, but never more than there are replicas.
    fn effective_min_isr(&self) -> usize {
        if self.log.rules().has(Bug::MinIsrIgnored) {
            return 1;
        }
        let configured = usize::try_from(self.min_insync_replicas).unwrap_or(usize::MAX);
        configured.min(self.replicas.len())
    }
}
