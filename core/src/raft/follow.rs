//! Fetches from the leader, as a voter or as an observer, and what the answers change.
//!
//! | answer | then |
//! |---|---|
//! | a higher epoch, or the leader of this one | it is taken up |
//! | a snapshot's name | that is fetched instead (`fetch_snapshot.rs`) |
//! | where the logs part | the end of the log is cut off; below the high watermark is fatal |
//! | records | appended; a voter forces them to disk before its next fetch says that it has them |
//! | a high watermark | taken over, as far as the log goes |
//!
//! A replica that knows no leader asks the voters one after the other, beginning anywhere: whoever is asked
//! names the leader that it knows.
//!
//! Source: `KafkaRaftClient.buildFetchRequest`, `handleFetchResponse`, `maybeSendFetchToBestNode`.
//! Simplified: after any error the same voter is asked again only after `retry.backoff.ms`, where Kafka
//! sometimes asks at once. Next: `poll.rs`.

use super::fetch_snapshot::Fetching;
use super::parked::MAX_WAIT;
use super::state::Role;
use super::{Context, Raft};
use crate::event::Event;
use crate::id::{ControllerId, TopicIdPartition};
use crate::message::{
    FetchPartition, FetchPartitionResponse, FetchRequest, FetchResponse, FetchSession, Fetcher,
    Request,
};
use crate::metadata::metadata_partition;
use crate::offset::EpochOffset;
use crate::storage::StorageError;
use crate::time::Timestamp;

impl Raft {
    /// Who fetches.
    pub(super) fn fetcher(&self) -> Fetcher {
        Fetcher::Quorum {
            node: self.node,
            directory: self.directory,
            high_watermark: Some(self.log.high_watermark()),
        }
    }

    pub(super) fn fetch_request(&self) -> Request {
        if let Some(fetching) = &self.fetching {
            return self.fetch_snapshot_request(fetching);
        }
        let partition: TopicIdPartition = metadata_partition();
        let partition = FetchPartition {
            partition,
            fetch_offset: self.log.end_offset(),
            current_leader_epoch: Some(self.election.epoch),
            last_fetched_epoch: self.log.latest_epoch(),
            log_start_offset: Some(self.log.start_offset()),
            max_bytes: self.settings.fetch_max_bytes,
        };
        Request::Fetch(FetchRequest {
            fetcher: self.fetcher(),
            max_wait: MAX_WAIT,
            min_bytes: 1,
            max_bytes: self.settings.fetch_max_bytes,
            partitions: vec![partition],
            session: FetchSession::none(),
            rack: String::new(),
        })
    }

    /// Whom to fetch from now, or when to look again.
    pub(super) fn fetch_target(&mut self, now: Timestamp) -> Result<ControllerId, Timestamp> {
        if self.links.is_any_busy() {
            return Err(Timestamp::NEVER);
        }
        let leader = match self.election.role {
            Role::Follower { .. } => self.election.leader,
            _ => None,
        };
        if let Some(leader) = leader.filter(|leader| self.links.ready_at(*leader) <= now) {
            return Ok(leader);
        }
        let all: Vec<_> = self.bootstrap.clone();
        let ready = all.iter().map(|id| self.links.ready_at(*id));
        let Some(first) = ready.min() else {
            return Err(Timestamp::NEVER);
        };
        if first > now {
            return Err(first);
        }
        // Anywhere, but for one voter there is no choice to draw.
        let draw = match u64::try_from(all.len()) {
            Ok(count) if count > 1 => self.election_random.below(count),
            _ => 0,
        };
        let start = usize::try_from(draw).unwrap_or(0);
        let mut round = all.iter().cycle().skip(start).take(all.len());
        let found = round.find(|id| self.links.ready_at(**id) <= now);
        found.copied().ok_or(first)
    }

    /// Takes an answer. Returns whether the next fetch may go out at once.
    pub(super) fn fetch_answered(
        &mut self,
        context: &mut Context<'_>,
        from: ControllerId,
        response: &FetchResponse,
    ) -> Result<bool, StorageError> {
        let first = response.partitions.first();
        let Some(partition) = first.filter(|_| response.error.is_none()) else {
            return Ok(false);
        };
        let (epoch, named) = match partition.current_leader {
            Some(leader) => (leader.epoch, leader.leader.map(|id| ControllerId(id.0))),
            // Only the leader answers without an error, and only in the epoch that it was asked in.
            None => (
                self.election.epoch,
                Some(from).filter(|_| partition.error.is_none()),
            ),
        };
        let answer = (partition.error, epoch, named);
        self.common(context, answer)?;
        let follows = matches!(self.election.role, Role::Follower { .. });
        if !partition.error.is_none() || !follows || epoch != self.election.epoch {
            return Ok(partition.error.is_none());
        }
        let taken = self.take(context, partition)?;
        self.fetched_well(context.now.monotonic);
        Ok(taken)
    }

    /// The leader has answered as it should.
    pub(super) fn fetched_well(&mut self, now: Timestamp) {
        let next = now + self.settings.fetch_timeout;
        if let Role::Follower { until, fetched } = &mut self.election.role {
            *fetched = true;
            *until = if *until == Timestamp::NEVER {
                *until
            } else {
                next
            };
        }
    }

    fn take(
        &mut self,
        context: &mut Context<'_>,
        response: &FetchPartitionResponse,
    ) -> Result<bool, StorageError> {
        if let Some(diverging) = response.diverging_epoch {
            self.cut(context, diverging)?;
            return Ok(true);
        }
        if let Some(snapshot) = response.snapshot {
            self.fetching = Some(Fetching::new(snapshot));
            return Ok(true);
        }
        let mut taken = true;
        if !response.records.is_empty() {
            let (records, epoch) = (&response.records, self.election.epoch);
            let storage = &mut *context.storage;
            let appended = self
                .log
                .append_as_follower(storage, records, epoch, context.now)?;
            taken = appended.is_some();
            for batch in appended.unwrap_or_default() {
                self.tell_appended(context, batch);
            }
        }
        if response.high_watermark > self.log.high_watermark()
            && self.log.set_high_watermark(response.high_watermark)
            && self.has_others()
        {
            let offset = self.log.high_watermark();
            context.out.observe(Event::QuorumLearned { offset });
        }
        Ok(taken)
    }

    fn cut(
        &mut self,
        context: &mut Context<'_>,
        diverging: EpochOffset,
    ) -> Result<(), StorageError> {
        let from = self.log.end_offset();
        let to = self.log.cut(context.storage, diverging)?;
        if to < from {
            self.tell(context, Event::QuorumTruncated { from, to });
        }
        Ok(())
    }
}
