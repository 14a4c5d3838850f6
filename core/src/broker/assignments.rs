//! Tells the controller in which log directory each replica is, where the metadata says otherwise: gathered
//! for a moment, one request at a time, again and again until it is answered.
//!
//! Only a broker with several directories has anything to tell. Until the controller knows, it cannot move a
//! replica's leadership away when the directory is lost; so an assignment goes out though its directory is
//! lost already.
//!
//! Simplified: after a failure the wait is exactly 100 ms, 200 ms, ... 10 s (Kafka: with 2 % of chance).
//! Source: KIP-858, `AssignmentsManager`, `AssignmentsManagerDeadlineFunction`,
//! `ReplicaManager.maybeUpdateTopicAssignment`.
//! Next: the controller's side is `controller/directories.rs`.

use super::shared::{ControllerLink, Shared};
use crate::error::ErrorCode;
use crate::id::{ConnectionId, CorrelationId, NodeId, TopicIdPartition, TopicPartition};
use crate::machine::Effects;
use crate::message::{AssignReplicasToDirsRequest, AssignReplicasToDirsResponse, Request};
use crate::raft::DirectoryId;
use crate::time::{Timestamp, earliest};
use std::collections::BTreeMap;
use std::time::Duration;

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// `AssignReplicasToDirsRequest.MAX_ASSIGNMENTS_PER_REQUEST`
const MOST: usize = 2_250;

type Places = BTreeMap<TopicPartition, (TopicIdPartition, DirectoryId)>;

/// What the controller has to be told.
#[derive(Debug)]
pub(super) struct Assignments {
    link: ControllerLink<()>,
    ready: Places,
    in_flight: Places,
    failures: u32,
    next: Option<Timestamp>,
}

impl Assignments {
    pub(super) fn new(shared: &Shared, controllers: &[NodeId]) -> Self {
        Self {
            link: ControllerLink::new(controllers, shared.config.controller_socket_timeout),
            ready: Places::new(),
            in_flight: Places::new(),
            failures: 0,
            next: None,
        }
    }

    pub(super) fn owns(&self, connection: ConnectionId) -> bool {
        self.link.owns(connection)
    }

    /// A replica is in this directory, and the metadata does not say so.
    pub(super) fn tell(&mut self, id: &TopicIdPartition, directory: DirectoryId, now: Timestamp) {
        self.ready
            .insert(id.partition.clone(), (id.clone(), directory));
        self.schedule(now);
    }

    fn schedule(&mut self, now: Timestamp) {
        if self.ready.is_empty() {
            return;
        }
        let longer = FIRST_WAIT * 2_u32.saturating_pow(self.failures.min(7));
        let wait = match self.failures {
            0 if self.ready.len() > MOST && self.in_flight.is_empty() => Duration::ZERO,
            0 => FIRST_WAIT,
            _ => longer.min(LONGEST_WAIT),
        };
        self.next = earliest(self.next, Some(now + wait));
    }

    /// Takes an answer.
    pub(super) fn answered(
        &mut self,
        connection: ConnectionId,
        correlation: CorrelationId,
        response: &AssignReplicasToDirsResponse,
        now: Timestamp,
    ) {
        if self.link.answered(connection, correlation).is_none() {
            return;
        }
        if !response.error.is_none() {
            self.link.next_controller();
            return self.failed(now);
        }
        self.failures = 0;
        let mut sent = std::mem::take(&mut self.in_flight);
        for (id, error) in &response.replicas {
            if *error == ErrorCode::None {
                sent.remove(&id.partition);
            }
        }
        self.again(sent, now);
    }

    fn again(&mut self, sent: Places, now: Timestamp) {
        for (name, place) in sent {
            self.ready.entry(name).or_insert(place);
        }
        self.schedule(now);
    }

    fn failed(&mut self, now: Timestamp) {
        self.failures += 1;
        let sent = std::mem::take(&mut self.in_flight);
        self.again(sent, now);
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
            self.failed(now);
        }
    }

    /// The controller has not answered in time, or it is time to send.
    pub(super) fn timer(&mut self, shared: &mut Shared, now: Timestamp, out: &mut Effects) {
        if !self.link.expire(shared, now, out).is_empty() {
            self.failed(now);
        }
        let Some(broker_epoch) = shared.broker_epoch else {
            return;
        };
        if self.next.take_if(|due| *due <= now).is_none() || !self.in_flight.is_empty() {
            return;
        }
        self.link.find(shared.active_controller);
        if !self.link.is_ready(now) {
            self.next = Some(self.link.ready_at());
            return;
        }
        // What is no replica of this broker any more is not told.
        let (image, local) = (&shared.image, shared.id);
        self.ready.retain(|name, (id, _)| {
            let topic = image.topic_by_id(id.topic_id);
            let partition = topic.and_then(|topic| topic.partitions.get(&name.partition));
            partition.is_some_and(|partition| partition.replicas.contains(&local))
        });
        while self.in_flight.len() < MOST
            && let Some((name, place)) = self.ready.pop_first()
        {
            self.in_flight.insert(name, place);
        }
        if self.in_flight.is_empty() {
            return;
        }
        let request = Request::AssignReplicasToDirs(AssignReplicasToDirsRequest {
            broker: shared.id,
            broker_epoch,
            replicas: self.in_flight.values().cloned().collect(),
        });
        self.link.send(shared, now, request, (), out);
    }

    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        let next = self.next.filter(|_| self.in_flight.is_empty());
        earliest(next, self.link.next_deadline())
    }
}
