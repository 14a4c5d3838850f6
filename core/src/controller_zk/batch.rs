//! The requests that follow from one change of state: gathered by broker, then handed over in order.
//!
//! Rules:
//! - First LeaderAndIsr, then UpdateMetadata, then StopReplica.
//! - Who is told to lead or follow a partition is told with all other brokers what it looks like now.
//! - Only brokers that live are told. UpdateMetadata names all of those each time.
//! - A topic that shall go is told as one that is no more (`LeaderDuringDelete`).
//! - Since KIP-380 each request names the registration of the broker that it is for; since KIP-570
//!   StopReplica names the leader epoch.
//!
//! Source: `AbstractControllerBrokerRequestBatch`.
//! Next: `channels.rs`.

use super::context::Context;
use crate::id::{BrokerId, TopicIdPartition, TopicPartition};
use crate::message::{
    ControlRequest, ControlledPartition, Request, StoppedReplica, UpdatedMetadata,
};
use crate::rules::Rules;
use std::collections::{BTreeMap, BTreeSet};

/// Requests to be sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Batch {
    leader_and_isr: BTreeMap<BrokerId, BTreeMap<TopicPartition, ControlledPartition>>,
    update_brokers: BTreeSet<BrokerId>,
    update_partitions: BTreeMap<TopicPartition, ControlledPartition>,
    deleted: BTreeSet<TopicIdPartition>,
    stop: BTreeMap<BrokerId, BTreeMap<TopicPartition, StoppedReplica>>,
}

impl Batch {
    /// These brokers lead or follow the partition, as the context has it.
    pub(crate) fn leader_and_isr(
        &mut self,
        context: &Context,
        brokers: &[BrokerId],
        partition: &TopicPartition,
    ) {
        let Some(told) = context.told(partition) else {
            return;
        };
        for broker in brokers {
            let of = self.leader_and_isr.entry(*broker).or_default();
            of.insert(partition.clone(), told.clone());
        }
        self.update_all(context, std::slice::from_ref(partition));
    }

    /// Every broker is told of these partitions, or of the live brokers alone.
    pub(crate) fn update_all(&mut self, context: &Context, partitions: &[TopicPartition]) {
        let brokers: Vec<BrokerId> = context.brokers.keys().copied().collect();
        self.update(context, &brokers, partitions);
    }

    /// Some brokers are told.
    pub(crate) fn update(
        &mut self,
        context: &Context,
        brokers: &[BrokerId],
        partitions: &[TopicPartition],
    ) {
        self.update_brokers.extend(brokers);
        for partition in partitions {
            match context.told(partition) {
                Some(told) if context.is_going(&partition.topic) => {
                    self.update_partitions.remove(partition);
                    self.deleted.insert(told.partition);
                }
                Some(told) => drop(self.update_partitions.insert(partition.clone(), told)),
                None => {}
            }
        }
    }

    /// A broker stops its replica.
    pub(crate) fn stop(
        &mut self,
        context: &Context,
        broker: BrokerId,
        partition: &TopicPartition,
        delete: bool,
    ) {
        let state = context.leadership.get(partition);
        let of = self.stop.entry(broker).or_default();
        let replica = StoppedReplica {
            partition: context.id(partition),
            // A topic that goes is stopped whatever its epoch.
            leader_epoch: state
                .map(|state| state.leader_epoch)
                .filter(|_| !context.is_going(&partition.topic)),
            delete,
        };
        of.insert(partition.clone(), replica);
    }

    /// The requests, in the order in which they go out.
    pub(crate) fn take(
        &mut self,
        context: &Context,
        (controller, controller_epoch): (BrokerId, i32),
        rules: &Rules,
    ) -> Vec<(BrokerId, Request)> {
        let Self {
            leader_and_isr,
            update_brokers,
            update_partitions,
            deleted,
            stop,
        } = std::mem::take(self);
        let epoch = |broker: &BrokerId| {
            let known = context.brokers.get(broker).copied();
            known.filter(|_| rules.broker_epoch_control_requests)
        };
        let lives = |broker: &BrokerId| context.brokers.contains_key(broker);
        let mut requests = Vec::new();
        for (broker, partitions) in leader_and_isr.into_iter().filter(|(id, _)| lives(id)) {
            let request = Request::LeaderAndIsr(ControlRequest {
                controller,
                controller_epoch,
                broker_epoch: epoch(&broker),
                body: partitions.into_values().collect(),
            });
            requests.push((broker, request));
        }
        let rack = |id: &BrokerId| context.racks.get(id).cloned().flatten();
        let live = context.brokers.keys();
        let body = UpdatedMetadata {
            brokers: live.map(|id| (*id, rack(id))).collect(),
            partitions: update_partitions.into_values().collect(),
            deleted: deleted.into_iter().collect(),
        };
        for broker in update_brokers.into_iter().filter(lives) {
            let request = Request::UpdateMetadata(ControlRequest {
                controller,
                controller_epoch,
                broker_epoch: epoch(&broker),
                body: body.clone(),
            });
            requests.push((broker, request));
        }
        for (broker, replicas) in stop.into_iter().filter(|(id, _)| lives(id)) {
            let mut body: Vec<StoppedReplica> = replicas.into_values().collect();
            if !rules.stop_replica_epoch {
                body.iter_mut().for_each(|one| one.leader_epoch = None);
            }
            let request = Request::StopReplica(ControlRequest {
                controller,
                controller_epoch,
                broker_epoch: epoch(&broker),
                body,
            });
            requests.push((broker, request));
        }
        requests
    }
}
