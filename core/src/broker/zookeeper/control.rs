//! What a broker does with the controller's requests.
//!
//! | request | what it does |
//! |---|---|
//! | LeaderAndIsr | leads or follows partitions whose leader epoch is newer than what it knows; says which of them are in a lost log directory |
//! | UpdateMetadata | answers clients by it from now on; knows the controller by it |
//! | StopReplica | fetches no more; deletes the log, if that is wanted; fails in a lost log directory |
//!
//! Rules:
//! - From a controller that is older than one it has heard of: STALE_CONTROLLER_EPOCH.
//! - For a registration before its own: STALE_BROKER_EPOCH, since KIP-380. Before, it did what was meant for
//!   the process before it.
//! - StopReplica is refused unless its leader epoch is newer, since KIP-570. Before, a replica that was made
//!   to follow meanwhile was stopped too.
//! - A process deals with none before it has registered: it opens its door then (`KafkaServer.startup`). What
//!   was meant for the process before it waits, and is judged by its own registration.
//! - They are dealt with one after the other. One that needs a topic's settings waits for them.
//!
//! Source: `KafkaApis.handleLeaderAndIsrRequest`, `isBrokerEpochStale`;
//! `ReplicaManager.becomeLeaderOrFollower`, `stopReplicas`, `maybeUpdateMetadataCache`;
//! `ZkMetadataCache.updateMetadata`.
//! Next: `configs.rs`.

use crate::broker::Broker;
use crate::error::ErrorCode;
use crate::event::Event;
use crate::id::{BrokerId, Incarnation, NodeId, TopicIdPartition, TopicName};
use crate::machine::{Effects, ReplyTo};
use crate::message::{
    ControlResponse, ControlledPartition, LeaderAndIsrRequest, Request, Response,
    StopReplicaRequest, StoppedReplica, UpdateMetadataRequest,
};
use crate::metadata::{
    BrokerRegistrationChangeRecord, MetadataRecord, PartitionRecord, PartitionRegistration,
    RegisterBrokerRecord, RemoveTopicRecord, TopicRecord,
};
use crate::offset::{BrokerEpoch, LeaderEpoch, Offset};
use crate::storage::StorageError;
use crate::time::{Now, Timestamp};
use std::collections::{BTreeSet, VecDeque};

/// The controller's requests that wait.
#[derive(Clone, Debug, Default)]
pub(super) struct Control {
    waiting: VecDeque<(ReplyTo, Request)>,
    /// The newest epoch of a controller that it has heard of.
    epoch: i32,
    /// There is work for the thread of metadata.
    wake_at: Option<Timestamp>,
}

impl Control {
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        self.wake_at
    }

    pub(super) fn wake(&mut self, now: Timestamp) {
        self.wake_at = Some(now);
    }

    pub(super) fn slept(&mut self) {
        self.wake_at = None;
    }

    /// The newest epoch of a controller that it has heard of.
    pub(super) fn epoch(&self) -> i32 {
        self.epoch
    }
}

/// The epochs of a control request: the controller's, and that of the registration that it is for.
fn epochs(request: &Request) -> (i32, Option<BrokerEpoch>) {
    match request {
        Request::LeaderAndIsr(one) => (one.controller_epoch, one.broker_epoch),
        Request::StopReplica(one) => (one.controller_epoch, one.broker_epoch),
        Request::UpdateMetadata(one) => (one.controller_epoch, one.broker_epoch),
        _ => (0, None),
    }
}

impl Broker {
    /// The controller sends something.
    pub(in crate::broker) fn control(
        &mut self,
        now: Now,
        reply: ReplyTo,
        request: Request,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        let Some((zookeeper, _)) = self.zookeeper() else {
            return Ok(());
        };
        zookeeper.control.waiting.push_back((reply, request));
        self.control_waiting(now, out)
    }

    /// Deals with what waits for nothing.
    pub(super) fn control_waiting(
        &mut self,
        now: Now,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        loop {
            let Some((zookeeper, shared)) = self.zookeeper() else {
                return Ok(());
            };
            zookeeper.control.slept();
            if shared.broker_epoch.is_none() {
                return Ok(());
            }
            let Some((_, request)) = zookeeper.control.waiting.front() else {
                return Ok(());
            };
            let unknown: BTreeSet<TopicName> = match request {
                Request::LeaderAndIsr(request) => {
                    let topics = request
                        .body
                        .iter()
                        .map(|one| &one.partition.partition.topic);
                    topics
                        .filter(|topic| !zookeeper.configs.knows(topic))
                        .cloned()
                        .collect()
                }
                _ => BTreeSet::new(),
            };
            if !unknown.is_empty() {
                self.read_topic_configs(now, unknown, out);
                return Ok(());
            }
            if let Some((reply, request)) = zookeeper.control.waiting.pop_front() {
                self.rouse_all();
                self.controlled(now, reply, request, out)?;
            }
        }
    }

    fn controlled(
        &mut self,
        now: Now,
        reply: ReplyTo,
        request: Request,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        let (controller_epoch, broker_epoch) = epochs(&request);
        let own = self.shared.broker_epoch;
        let api = request.api();
        let Some((zookeeper, _)) = self.zookeeper() else {
            return Ok(());
        };
        let known = &mut zookeeper.control.epoch;
        let mut answer = ControlResponse {
            error: ErrorCode::None,
            stopped: Vec::new(),
            offline: Vec::new(),
        };
        if broker_epoch.is_some_and(|meant| own.is_some_and(|own| meant < own)) {
            answer.error = ErrorCode::StaleBrokerEpoch;
        } else if controller_epoch < *known {
            answer.error = ErrorCode::StaleControllerEpoch;
        } else {
            *known = controller_epoch;
        }
        let heard = answer.error.is_none();
        let response = match request {
            Request::LeaderAndIsr(request) => {
                if heard {
                    self.lead_and_follow(&request, now, out)?;
                    // What the controller hears of counts from now on.
                    self.directories_lost(now, out)?;
                    let asked = request.body.iter();
                    let asked = asked.map(|one| one.partition.partition.clone());
                    answer.offline = asked.filter(|one| self.replicas.is_lost(one)).collect();
                }
                Response::LeaderAndIsr(answer)
            }
            Request::UpdateMetadata(request) => {
                if heard {
                    self.update_metadata(&request);
                }
                Response::UpdateMetadata(answer)
            }
            Request::StopReplica(request) => {
                if heard {
                    answer.stopped = self.stop_replicas(&request, reply, now, out)?;
                }
                Response::StopReplica(answer)
            }
            _ => return Ok(()),
        };
        if !heard {
            out.observe(Event::Refused {
                api,
                partition: None,
                from: reply.connection.client,
                error: match &response {
                    Response::LeaderAndIsr(one)
                    | Response::UpdateMetadata(one)
                    | Response::StopReplica(one) => one.error,
                    _ => ErrorCode::None,
                },
            });
        }
        out.respond(reply, response);
        Ok(())
    }

    fn lead_and_follow(
        &mut self,
        request: &LeaderAndIsrRequest,
        now: Now,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        for one in &request.body {
            let replica = self.replicas.get(&one.partition.partition);
            if replica.is_some_and(|replica| replica.id().topic_id != one.partition.topic_id) {
                continue; // A topic of before whose log is still here.
            }
            let known = replica.map_or(LeaderEpoch(-1), |replica| replica.leader_epoch());
            let meant = one.replicas.contains(&self.shared.id);
            if meant && one.state.leader_epoch > known {
                self.become_leader_or_follower(&one.partition, &registration(one), now, out)?;
            }
        }
        self.after_moves(now, out)
    }

    fn update_metadata(&mut self, request: &UpdateMetadataRequest) {
        self.shared.active_controller = Some(NodeId::Broker(request.controller));
        self.alter_partitions.found(self.shared.active_controller);
        self.update_brokers(&request.body.brokers);
        for one in &request.body.partitions {
            self.update_partition(one);
        }
        for id in &request.body.deleted {
            let topic_id = id.topic_id;
            let record = MetadataRecord::RemoveTopic(RemoveTopicRecord { topic_id });
            // Another of its partitions may have told already.
            let _gone = self.shared.image.apply(Offset::ZERO, &record);
        }
    }

    fn update_brokers(&mut self, live: &[(BrokerId, Option<String>)]) {
        let known: Vec<_> = self.shared.image.brokers().keys().copied().collect();
        let gone = known
            .into_iter()
            .filter(|id| live.iter().all(|(one, _)| one != id));
        let gone = gone.map(|broker| {
            MetadataRecord::BrokerRegistrationChange(BrokerRegistrationChangeRecord {
                broker,
                broker_epoch: BrokerEpoch(0),
                fenced: Some(true),
                in_controlled_shutdown: None,
                log_dirs: None,
            })
        });
        let live = live.iter().map(|(broker, rack)| {
            MetadataRecord::RegisterBroker(RegisterBrokerRecord {
                broker: *broker,
                incarnation: Incarnation(0),
                // UpdateMetadata does not say.
                broker_epoch: BrokerEpoch(0),
                fenced: false,
                in_controlled_shutdown: false,
                rack: rack.clone(),
                log_dirs: Vec::new(),
            })
        });
        for record in gone.chain(live).collect::<Vec<_>>() {
            let _known = self.shared.image.apply(Offset::ZERO, &record);
        }
    }

    fn update_partition(&mut self, one: &ControlledPartition) {
        let id = &one.partition;
        let image = &mut self.shared.image;
        let topic = &id.partition.topic;
        let before = image.topic(topic).map(|topic| topic.topic_id);
        if let Some(topic_id) = before.filter(|before| *before != id.topic_id) {
            let record = MetadataRecord::RemoveTopic(RemoveTopicRecord { topic_id });
            let _gone = image.apply(Offset::ZERO, &record);
        }
        if before != Some(id.topic_id) {
            let record = MetadataRecord::Topic(TopicRecord {
                topic: topic.clone(),
                topic_id: id.topic_id,
            });
            let _new = image.apply(Offset::ZERO, &record);
        }
        let record = MetadataRecord::Partition(record(one));
        let _known = image.apply(Offset::ZERO, &record);
    }

    fn stop_replicas(
        &mut self,
        request: &StopReplicaRequest,
        reply: ReplyTo,
        now: Now,
        out: &mut Effects,
    ) -> Result<Vec<TopicIdPartition>, StorageError> {
        let mut stopped = Vec::new();
        for StoppedReplica {
            partition,
            leader_epoch,
            delete,
        } in &request.body
        {
            let name = &partition.partition;
            let replica = self.replicas.get(name);
            let known = replica.map_or(LeaderEpoch(-1), |replica| replica.leader_epoch());
            if leader_epoch.is_some_and(|meant| meant <= known) {
                out.observe(Event::Refused {
                    api: crate::message::Api::StopReplica,
                    partition: Some(name.clone()),
                    from: reply.connection.client,
                    error: ErrorCode::FencedLeaderEpoch,
                });
                continue;
            }
            if self.replicas.is_lost(name) {
                continue; // KAFKA_STORAGE_ERROR
            }
            let same = replica.is_some_and(|one| one.id().topic_id == partition.topic_id);
            if *delete && same {
                self.stop_replica(name, now, out)?;
            } else if same {
                self.leave(name);
                self.wake(now, name, out)?;
            }
            stopped.push(partition.clone());
        }
        self.after_moves(now, out)?;
        Ok(stopped)
    }
}

fn record(one: &ControlledPartition) -> PartitionRecord {
    PartitionRecord {
        topic_id: one.partition.topic_id,
        partition: one.partition.partition.partition,
        replicas: one.replicas.clone(),
        isr: one.state.isr.clone(),
        leader: one.state.leader,
        leader_recovery_state: one.state.leader_recovery_state,
        leader_epoch: one.state.leader_epoch,
        partition_epoch: one.state.partition_epoch,
        elr: Vec::new(),
        last_known_elr: Vec::new(),
        removing: Vec::new(),
        adding: Vec::new(),
        directories: Vec::new(),
    }
}

fn registration(one: &ControlledPartition) -> PartitionRegistration {
    PartitionRegistration::from_record(&record(one))
}
