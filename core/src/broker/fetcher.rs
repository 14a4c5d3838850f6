//! A replica fetcher: fetches all partitions that this broker follows on one source broker, one
//! request at a time.
//!
//! | state of a partition | to | trigger |
//! |---|---|---|
//! | Truncating | Fetching | its log was cut where the leader's parts from it (or needed no cut) |
//! | Fetching | Fetching | records appended, or cut by a diverging epoch in the response |
//! | Fetching | OutOfRange | OFFSET_OUT_OF_RANGE |
//! | OutOfRange | Fetching | the leader told where its log begins and ends |
//! | any | Failed | the leader is in a newer epoch, its records do not fit, or the log directory is lost |
//!
//! With truncation on fetch (KAFKA-10554) a replica that knows its last epoch begins in Fetching.
//! Without any epoch, and before KIP-101, it cuts at its own high watermark first.
//!
//! An answer about a partition whose position or epoch has changed since is dropped.
//!
//! Source: `AbstractFetcherThread`, `ReplicaFetcherThread`; KIP-101, KIP-279, KIP-320, KAFKA-10554.
//! What the leader knows from the fetch before is not said again (KIP-227, `crate::fetch_session`).
//! Next: `followed.rs`; `truncation.rs` for the older generations and for logs out of range;
//! `partition/follower.rs`.

use super::followed::{Followed, Following, Position, State};
use super::replicas::Replicas;
use super::shared::Shared;
use crate::channel::{Backoff, Channel};
use crate::error::ErrorCode;
use crate::event::{Event, TruncationCause};
use crate::fetch_session::FetchSessionHandler;
use crate::id::{BrokerId, ConnectionId, CorrelationId, NodeId, TopicIdPartition, TopicPartition};
use crate::log::AppendError;
use crate::machine::Effects;
use crate::message::{FetchPartitionResponse, FetchRequest, Fetcher, Request, Response};
use crate::offset::LeaderEpoch;
use crate::partition::Divergence;
use crate::planted::Bug;
use crate::rules::{Rules, Truncation};
use crate::storage::StorageError;
use crate::time::{Now, Timestamp};
use std::time::Duration;

/// Kafka opens a fetcher's connection again at once; what waits is the partition.
const NO_BACKOFF: Backoff = Backoff {
    initial: Duration::ZERO,
    max: Duration::ZERO,
};

/// What a fetcher has asked for, and with which positions.
#[derive(Clone, Debug)]
pub(super) enum Asked {
    /// Records, of every partition that has an `asked`, of the fetcher thread of that number.
    Records(u32),
    /// Where epochs end.
    Epochs(Vec<Position>),
    /// Where the leader's log ends (`end`) or begins.
    Range { positions: Vec<Position>, end: bool },
}

/// One replica fetcher.
#[derive(Debug)]
pub(super) struct ReplicaFetcher {
    channel: Channel<Asked>,
    session: FetchSessionHandler,
    /// How often it had nothing left to follow.
    retired: u32,
    /// What the fetch under way asks for of partitions that are followed no more.
    left: Vec<Position>,
    pub(super) followed: Followed,
    /// Whose high watermark has risen: consumers may wait for that here (KIP-392).
    pub(super) risen: Vec<TopicPartition>,
}

impl ReplicaFetcher {
    pub(super) fn new(source: BrokerId) -> Self {
        Self {
            channel: Channel::new(NodeId::Broker(source)),
            session: FetchSessionHandler::default(),
            retired: 0,
            left: Vec::new(),
            followed: Followed::default(),
            risen: Vec::new(),
        }
    }

    /// The connection that it has now.
    pub(super) fn connection(&self) -> Option<ConnectionId> {
        self.channel.connection()
    }

    /// Begins to follow a partition in a new leader epoch.
    pub(super) fn follow(
        &mut self,
        shared: &Shared,
        replicas: &Replicas,
        id: &TopicIdPartition,
        now: Timestamp,
    ) {
        let Some(partition) = replicas.get(&id.partition) else {
            return;
        };
        let (last_epoch, end) = partition.log_end();
        let on_fetch = shared.rules.truncation == Truncation::OnFetch && last_epoch.is_some();
        let offset = if on_fetch {
            end
        } else {
            partition.log().high_watermark()
        };
        let following = Following {
            id: id.clone(),
            offset,
            leader_epoch: partition.leader_epoch(),
            last_fetched_epoch: last_epoch
                .filter(|_| on_fetch && !shared.rules.has(Bug::LastFetchedEpochForgotten)),
            state: if on_fetch {
                State::Fetching
            } else {
                State::Truncating
            },
            delayed_until: now,
            asked: None,
        };
        self.followed.insert(following);
    }

    /// Goes on in a new epoch of the same leader as if nothing had happened (before KAFKA-7164). Returns
    /// whether it follows the partition at all.
    pub(super) fn go_on(&mut self, partition: &TopicPartition, epoch: LeaderEpoch) -> bool {
        let following = self.followed.change(partition);
        following
            .map(|following| following.leader_epoch = epoch)
            .is_some()
    }

    /// Follows a partition no more.
    pub(super) fn leave(&mut self, partition: &TopicPartition) {
        let left = self.followed.remove(partition);
        if let Some((offset, leader_epoch)) = left.and_then(|one| one.asked) {
            self.left.push(Position {
                partition: partition.clone(),
                offset,
                leader_epoch,
            });
        }
    }

    /// With nothing left to follow it ends; the next one begins a session of its own
    /// (`AbstractFetcherManager.shutdownIdleFetcherThreads`).
    pub(super) fn retire_if_idle(&mut self) {
        if self.followed.is_empty() {
            self.session = FetchSessionHandler::default();
            self.followed.end_session();
            self.retired += 1;
        }
    }

    /// Does the next thing, if nothing is under way.
    pub(super) fn work(
        &mut self,
        shared: &mut Shared,
        replicas: &mut Replicas,
        now: Now,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        if self.channel.in_flight() > 0 {
            return Ok(());
        }
        self.truncate_without_epochs(shared, replicas, now, out)?;
        let request = self
            .epoch_request(shared, replicas, now.monotonic)
            .or_else(|| self.range_request(shared, now.monotonic));
        let request = match request {
            Some(request) => Some(request),
            None => self.fetch_request(shared, now.monotonic),
        };
        if let Some((request, asked)) = request {
            let timeout = shared.config.replica_socket_timeout;
            let connector = &mut shared.connector;
            self.channel
                .send(now.monotonic, connector, request, timeout, asked, out);
        }
        Ok(())
    }

    fn fetch_request(&mut self, shared: &Shared, now: Timestamp) -> Option<(Request, Asked)> {
        let full = self.session.is_full(shared.rules.fetch_sessions);
        if full {
            self.followed.unsettle_all();
        }
        self.left.clear();
        let (wanted, unwanted) = self.followed.questions(shared, now)?;
        let asked = if full {
            self.session.request(wanted, shared.rules.fetch_sessions)
        } else {
            self.session.request_changes(wanted, unwanted)
        };
        let request = Request::Fetch(FetchRequest {
            fetcher: replica(shared),
            max_wait: shared.config.replica_fetch_wait_max,
            min_bytes: shared.config.replica_fetch_min_bytes,
            max_bytes: shared.config.replica_fetch_response_max_bytes,
            partitions: asked.partitions,
            session: asked.session,
            rack: String::new(),
        });
        Some((request, Asked::Records(self.retired)))
    }

    /// Takes an answer and does the next thing.
    pub(super) fn answered(
        &mut self,
        shared: &mut Shared,
        replicas: &mut Replicas,
        arrived: (ConnectionId, CorrelationId, &Response),
        now: Now,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        let (connection, correlation, response) = arrived;
        match (self.channel.answered(connection, correlation), response) {
            (Some(Asked::Records(retired)), Response::Fetch(response)) => {
                // An error of the session: everything is asked for once more, at once.
                let counts = if retired == self.retired {
                    self.session.answered(response)
                } else {
                    response.error.is_none()
                };
                for answer in response.partitions.iter().filter(|_| counts) {
                    let Some(position) = self.position_asked(&answer.partition) else {
                        continue;
                    };
                    let done = self.take_records(shared, replicas, &position, answer, now, out);
                    self.go_on_without(shared, &position, done)?;
                }
            }
            (Some(Asked::Epochs(positions)), Response::OffsetForLeaderEpoch(response)) => {
                for (position, answer) in positions.iter().zip(&response.partitions) {
                    let done = self.take_epoch_end(shared, replicas, position, answer, now, out);
                    self.go_on_without(shared, position, done)?;
                }
            }
            (Some(Asked::Range { positions, end }), Response::ListOffsets(response)) => {
                for (position, answer) in positions.iter().zip(&response.partitions) {
                    let asked = (position, end);
                    let done = self.take_range(shared, replicas, asked, answer, now, out);
                    self.go_on_without(shared, position, done)?;
                }
            }
            _ => return Ok(()),
        }
        self.work(shared, replicas, now, out)
    }

    /// A replica whose log directory was just lost is followed no more.
    fn go_on_without(
        &mut self,
        shared: &mut Shared,
        position: &Position,
        done: Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        if shared.survive(done)?.is_none()
            && let Some(following) = self.followed.change(&position.partition)
        {
            following.state = State::Failed;
        }
        Ok(())
    }

    /// With which position a partition was last asked for.
    fn position_asked(&self, id: &TopicIdPartition) -> Option<Position> {
        let followed = self.followed.get(&id.partition);
        let asked = followed.filter(|one| one.id == *id);
        let Some((offset, leader_epoch)) = asked.and_then(|one| one.asked) else {
            let mut left = self.left.iter().rev();
            return left.find(|one| one.partition == id.partition).cloned();
        };
        Some(Position {
            partition: id.partition.clone(),
            offset,
            leader_epoch,
        })
    }

    /// The partition, if nothing about it has changed since it was asked for.
    pub(super) fn unchanged(
        &mut self,
        position: &Position,
        rules: Rules,
    ) -> Option<&mut Following> {
        self.followed.change(&position.partition).filter(|one| {
            let now = one.leader_epoch == position.leader_epoch;
            one.offset == position.offset && (now || rules.has(Bug::FetchEpochUnchecked))
        })
    }

    fn take_records(
        &mut self,
        shared: &mut Shared,
        replicas: &mut Replicas,
        position: &Position,
        answer: &FetchPartitionResponse,
        now: Now,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        if self.unchanged(position, shared.rules).is_none() && !shared.rules.truncate_only_if_owned
        {
            return cut_unowned(shared, replicas, position, answer, now, out);
        }
        let Some(following) = self.unchanged(position, shared.rules) else {
            return Ok(());
        };
        if !answer.error.is_none() {
            following.refused(shared, answer.error, now.monotonic);
            return Ok(());
        }
        let Some(partition) = replicas.get_mut(&position.partition) else {
            return Ok(());
        };
        let mut context = shared.context(now);
        if answer.diverging_epoch.is_some() && !context.rules.truncate_before_hw {
            partition.follow_high_watermark(answer.high_watermark, out);
        }
        if answer.diverging_epoch.is_some() && context.rules.has(Bug::TruncationSkipped) {
            following.last_fetched_epoch = None;
            return Ok(());
        }
        if let Some(diverging) = answer.diverging_epoch {
            let divergence = Divergence::of(diverging);
            let cut = partition.cut_at(divergence, following.offset);
            let end = partition.truncate(&mut context, cut.offset, divergence.cause(), out)?;
            following.offset = end;
            following.last_fetched_epoch = partition.log().latest_epoch();
            return Ok(());
        }
        let before = partition.log().high_watermark();
        let appended =
            partition.append_fetched(&mut context, &answer.records, answer.high_watermark, out);
        let risen = partition.log().high_watermark() > before;
        match appended {
            Ok(batches) => {
                if let Some(last) = batches.last() {
                    following.offset = last.last_offset.next();
                    if shared.rules.truncation == Truncation::OnFetch {
                        following.last_fetched_epoch = Some(last.leader_epoch);
                    }
                    shared.rolled |= partition.log().flush_wanted().is_some();
                    self.followed.served(&position.partition);
                }
                if risen {
                    self.risen.push(position.partition.clone());
                }
            }
            Err(AppendError::Storage(error)) => return Err(error),
            Err(AppendError::Rejected { error, .. }) => {
                // Corrupt on the way or on the leader's disk: fetch it again later. No other fault
                // mends itself.
                match error {
                    ErrorCode::CorruptMessage | ErrorCode::InvalidRecord => {
                        following.delay(shared, now.monotonic);
                    }
                    _ => following.state = State::Failed,
                }
                observe_bad_records(position, error, self.channel.to(), out);
            }
            Err(AppendError::UnexpectedOffset { .. }) => {
                following.state = State::Failed;
                let error = ErrorCode::OffsetOutOfRange;
                observe_bad_records(position, error, self.channel.to(), out);
            }
        }
        Ok(())
    }

    pub(super) fn connected(&mut self, connection: ConnectionId) {
        self.channel.connected(connection);
    }

    /// The connection broke: every partition that was asked for waits.
    pub(super) fn disconnected(
        &mut self,
        shared: &mut Shared,
        connection: ConnectionId,
        now: Timestamp,
    ) {
        let failed = self
            .channel
            .disconnected(connection, now, NO_BACKOFF, &mut shared.random);
        self.delay_all(shared, failed, now);
    }

    /// A request may have timed out, or a delay may be over.
    pub(super) fn timer(
        &mut self,
        shared: &mut Shared,
        replicas: &mut Replicas,
        now: Now,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        let failed = self
            .channel
            .expire(now.monotonic, NO_BACKOFF, &mut shared.random, out);
        self.delay_all(shared, failed.unwrap_or_default(), now.monotonic);
        self.work(shared, replicas, now, out)
    }

    fn delay_all(&mut self, shared: &Shared, failed: Vec<Asked>, now: Timestamp) {
        for asked in failed {
            let (Asked::Epochs(positions) | Asked::Range { positions, .. }) = asked else {
                self.session.failed();
                self.followed.change_asked(|one| one.delay(shared, now));
                continue;
            };
            for position in positions {
                if let Some(one) = self.followed.change(&position.partition) {
                    one.delay(shared, now);
                }
            }
        }
    }

    /// When to do something next: a request in flight times out, or a partition's delay is over.
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        if self.channel.in_flight() > 0 {
            return self.channel.next_deadline();
        }
        self.followed.next_deadline()
    }
}

/// Before KAFKA-13207: a diverging epoch cuts the log though this fetcher has left the partition meanwhile,
/// even if this broker leads it now.
fn cut_unowned(
    shared: &mut Shared,
    replicas: &mut Replicas,
    position: &Position,
    answer: &FetchPartitionResponse,
    now: Now,
    out: &mut Effects,
) -> Result<(), StorageError> {
    let partition = replicas.get_mut(&position.partition);
    if let (Some(partition), Some(diverging)) = (partition, answer.diverging_epoch) {
        let divergence = Divergence::of(diverging);
        let cut = partition.cut_at(divergence, position.offset);
        let mut context = shared.context(now);
        partition.truncate(&mut context, cut.offset, divergence.cause(), out)?;
    }
    Ok(())
}

/// How this broker presents itself to the leaders that it follows.
pub(super) fn replica(shared: &Shared) -> Fetcher {
    let epoch = shared
        .broker_epoch
        .filter(|_| shared.rules.isr_broker_epoch_check);
    Fetcher::Replica {
        id: shared.id,
        epoch,
    }
}

fn observe_bad_records(position: &Position, error: ErrorCode, from: NodeId, out: &mut Effects) {
    let partition = Some(position.partition.clone());
    out.observe(Event::Refused {
        api: crate::message::Api::Fetch,
        partition,
        from,
        error,
    });
}

/// A cut that needs no word of the leader.
pub(super) const TO_HIGH_WATERMARK: TruncationCause = TruncationCause::HighWatermark;
