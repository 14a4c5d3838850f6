//! Reading: fetch requests and what comes back.
//!
//! Rule: at most one fetch in flight per broker, for all partitions that are fetching there. What
//! comes back counts only if the position is still the one that was fetched from; records below it
//! (the first batch may begin earlier) are skipped, control batches move the position.
//! Invariants: the position is always the offset after the last record that was handed over, or after
//! a batch of which nothing was left to hand over.
//! Simplified: no isolation level. The
//! application polls without pause: what arrives is handed over at once, in polls of at most
//! `max.poll.records`. After an error, the partition waits for `retry.backoff.ms` or a new leader;
//! Kafka's consumer tries again with its next poll.
//! Source: `AbstractFetch.prepareFetchRequests`, `handleFetchSuccess`, `FetchCollector`, `CompletedFetch`.
//! Next: `crate::record`.

use super::positions::FetchState;
use super::read_replica::ReadReplica;
use super::{Consumer, Tag};
use crate::error::ErrorCode;
use crate::event::{Event, PolledRecord, ResetCause, text};
use crate::id::{BrokerId, TopicIdPartition, TopicPartition};
use crate::machine::Effects;
use crate::message::{FetchPartition, FetchPartitionResponse, FetchRequest, FetchResponse};
use crate::message::{Fetcher, Request};
use crate::offset::{LeaderEpoch, Offset};
use crate::planted::Bug;
use crate::record::{BatchError, RecordBatch, batches};
use crate::time::Timestamp;
use std::collections::BTreeMap;

/// A fetch that was sent: every partition of its session and from where on it is read.
pub(super) type Fetched = BTreeMap<TopicPartition, Offset>;

impl Consumer {
    /// Sends a fetch to every broker that has none in flight and that a fetching partition is read from.
    pub(super) fn fetch(&mut self, now: Timestamp, out: &mut Effects) {
        let mut by_broker: BTreeMap<BrokerId, Vec<(u64, FetchPartition)>> = BTreeMap::new();
        for (partition, assigned) in self.positions.iter() {
            if assigned.state != FetchState::Fetching || assigned.retry_at > now {
                continue;
            }
            let Some(position) = assigned.position else {
                continue;
            };
            let Some(leader) = position.leadership.leader else {
                self.network.metadata.request_update();
                continue;
            };
            let from = assigned.read_from(leader, now);
            if self.fetching_from.contains(&from) || !self.network.is_ready(now, from, out) {
                continue;
            }
            let entry = FetchPartition {
                partition: TopicIdPartition {
                    topic_id: self.network.metadata.topic_id(&partition.topic),
                    partition: partition.clone(),
                },
                fetch_offset: position.offset,
                current_leader_epoch: self.fencing_epoch(position.leadership.epoch),
                last_fetched_epoch: None,
                log_start_offset: None,
                max_bytes: self.config.max_partition_fetch_bytes,
            };
            let entries = by_broker.entry(from).or_default();
            entries.push((assigned.turn, entry));
        }
        for (broker, mut entries) in by_broker {
            entries.sort_by_key(|entry| entry.0);
            let partitions = entries.into_iter().map(|entry| entry.1).collect();
            self.fetch_from(now, broker, partitions, out);
        }
    }

    fn fetch_from(
        &mut self,
        now: Timestamp,
        broker: BrokerId,
        partitions: Vec<FetchPartition>,
        out: &mut Effects,
    ) {
        let tag = partitions
            .iter()
            .map(|entry| (entry.partition.partition.clone(), entry.fetch_offset))
            .collect();
        let session = self.sessions.entry(broker).or_default();
        let asked = session.request(partitions, self.rules.fetch_sessions);
        let request = Request::Fetch(FetchRequest {
            fetcher: Fetcher::Consumer,
            max_wait: self.config.fetch_max_wait,
            min_bytes: self.config.fetch_min_bytes,
            max_bytes: self.config.fetch_max_bytes,
            partitions: asked.partitions,
            session: asked.session,
            rack: self.config.client_rack.clone(),
        });
        self.fetching_from.insert(broker);
        self.network
            .send(now, broker, request, Tag::Fetch(tag), out);
    }

    /// Takes over what was fetched.
    pub(super) fn take_fetched(
        &mut self,
        now: Timestamp,
        (broker, asked): (BrokerId, Fetched),
        response: FetchResponse,
        out: &mut Effects,
    ) {
        let session = self.sessions.entry(broker).or_default();
        if !session.answered(&response) {
            return; // All is asked for once more, at once.
        }
        self.take_hints(&response);
        let mut poll = Poll::new(self.config.max_poll_records);
        for answer in response.partitions {
            let partition = answer.partition.partition.clone();
            let Some(offset) = asked.get(&partition).copied() else {
                continue;
            };
            let current = self.positions.fetching(&partition);
            let Some(position) = current.filter(|position| position.offset == offset) else {
                continue;
            };
            if let Some(broker) = answer.preferred_read_replica {
                let until = now + self.config.metadata_max_age;
                let named = ReadReplica { broker, until };
                self.positions.name_read_replica(&partition, named, out);
            }
            if answer.error.is_none() {
                self.read(&partition, offset, &answer, &mut poll, out);
                continue;
            }
            self.take_fetch_error(now, &partition, answer.error, out);
            let leader = position.leadership.leader;
            let assigned = self.positions.get_mut(&partition);
            let from = leader
                .zip(assigned)
                .map(|(leader, one)| one.read_from(leader, now));
            if from != Some(broker) {
                // Another leader is known by now, or a follower has refused: no need to wait for it.
                self.positions.wait(&partition, now);
            }
        }
        poll.hand_over(out);
    }

    /// KIP-951: a refusal names the leader.
    fn take_hints(&mut self, response: &FetchResponse) {
        for answer in &response.partitions {
            let partition = &answer.partition.partition;
            let about_leader = matches!(
                answer.error,
                ErrorCode::NotLeaderOrFollower | ErrorCode::FencedLeaderEpoch
            );
            let Some(hint) = answer.current_leader.filter(|_| about_leader) else {
                continue;
            };
            if self.network.metadata.update_leader(partition, hint) {
                let leadership = self.network.metadata.leadership(partition);
                self.positions.update_leader(partition, leadership);
            }
        }
    }

    fn take_fetch_error(
        &mut self,
        now: Timestamp,
        partition: &TopicPartition,
        error: ErrorCode,
        out: &mut Effects,
    ) {
        if self.rules.has(Bug::SkipsAfterError)
            && let Some(position) = self.positions.fetching(partition)
        {
            let offset = position.offset.next();
            self.positions.advance(partition, offset, None);
        }
        match error {
            ErrorCode::NotLeaderOrFollower
            | ErrorCode::ReplicaNotAvailable
            | ErrorCode::KafkaStorageError
            | ErrorCode::FencedLeaderEpoch
            | ErrorCode::OffsetNotAvailable
            | ErrorCode::UnknownTopicOrPartition
            | ErrorCode::UnknownTopicId
            | ErrorCode::InconsistentTopicId => {
                self.positions.clear_read_replica(partition, out);
                self.retry_later(now, std::slice::from_ref(partition));
            }
            // The broker lags behind this client's metadata, or had an accident: just again.
            ErrorCode::UnknownLeaderEpoch | ErrorCode::UnknownServerError => {
                let at = now + self.retry.after(0, &mut self.network.random);
                self.positions.wait(partition, at);
            }
            ErrorCode::OffsetOutOfRange => {
                // A follower may lag: the leader knows better.
                let from_follower = self.positions.clear_read_replica(partition, out);
                if !from_follower {
                    self.positions.reset(partition, ResetCause::OutOfRange, out);
                }
            }
            other => self.positions.stop(partition, other, out),
        }
        self.positions.move_to_end(partition);
    }

    /// Hands the records of one partition over, and moves the position.
    fn read(
        &mut self,
        partition: &TopicPartition,
        from: Offset,
        answer: &FetchPartitionResponse,
        poll: &mut Poll,
        out: &mut Effects,
    ) {
        let mut reader = Reader {
            next: from,
            epoch: None,
            any: false,
        };
        let mut result = Ok(());
        for batch in batches(&answer.records) {
            result = match batch {
                Ok(batch) => reader.read(partition, &batch, self.config.check_crcs, poll, out),
                // The answer was cut off at its size limit: the rest comes with the next one.
                Err(BatchError::Incomplete) => break,
                Err(corrupt) => Err(corrupt),
            };
            if result.is_err() {
                break;
            }
        }
        if reader.any {
            self.positions.advance(partition, reader.next, reader.epoch);
        }
        if result.is_err() {
            poll.hand_over(out);
            self.positions
                .stop(partition, ErrorCode::CorruptMessage, out);
        }
    }
}

/// Progress within one partition of an answer.
struct Reader {
    next: Offset,
    epoch: Option<LeaderEpoch>,
    any: bool,
}

impl Reader {
    fn read(
        &mut self,
        partition: &TopicPartition,
        batch: &RecordBatch,
        check_crc: bool,
        poll: &mut Poll,
        out: &mut Effects,
    ) -> Result<(), BatchError> {
        if check_crc {
            batch.verify()?;
        }
        let leader_epoch = batch.leader_epoch();
        if !batch.is_control() {
            for record in batch.records()? {
                if record.offset < self.next {
                    continue;
                }
                let value = record.value.as_deref().unwrap_or_default();
                let polled = PolledRecord {
                    partition: partition.clone(),
                    offset: record.offset,
                    leader_epoch,
                    value: text(value),
                };
                poll.add(polled, out);
            }
        }
        // Not the last record's offset + 1: compaction may have taken records away at the end.
        self.next = self.next.max(batch.last_offset().next());
        self.epoch = Some(leader_epoch).filter(|epoch| epoch.0 >= 0);
        self.any = true;
        Ok(())
    }
}

/// Records on their way to the application.
struct Poll {
    records: Vec<PolledRecord>,
    max: usize,
}

impl Poll {
    fn new(max: usize) -> Self {
        Self {
            records: Vec::new(),
            max,
        }
    }

    fn add(&mut self, record: PolledRecord, out: &mut Effects) {
        self.records.push(record);
        if self.records.len() >= self.max {
            self.hand_over(out);
        }
    }

    fn hand_over(&mut self, out: &mut Effects) {
        if !self.records.is_empty() {
            let records = std::mem::take(&mut self.records);
            out.observe(Event::Polled { records });
        }
    }
}
