//! What a step's action orders.
//!
//! Next: `../world/mod.rs`, which obeys.

use super::cluster::Cluster;
use crate::plan::{Action, Plan};
use crate::world::Order;
use bytes::Bytes;
use ktrial_core::message::{
    CreateTopicsRequest, ElectLeadersRequest, IncrementalAlterConfigsRequest, Request,
};
use ktrial_core::{Command, NodeId, OperationId};

/// Numbers the operations of a trial's applications, in the order in which they are asked for.
#[derive(Debug, Default)]
pub(super) struct Operations(u64);

impl Operations {
    fn next(&mut self) -> OperationId {
        let operation = OperationId(self.0);
        self.0 += 1;
        operation
    }

    /// An operator's request.
    pub(super) fn administer(&mut self, cluster: &Cluster, request: Request) -> Order {
        let operation = self.next();
        Order::Command(cluster.admin(), Command::Administer { operation, request })
    }

    /// The creation of the plan's topics.
    pub(super) fn create_topics(&mut self, cluster: &Cluster, plan: &Plan) -> Order {
        let request = CreateTopicsRequest {
            topics: plan.topics.clone(),
        };
        self.administer(cluster, Request::CreateTopics(request))
    }

    /// What the action of step `step` orders.
    pub(super) fn orders(
        &mut self,
        cluster: &Cluster,
        step: usize,
        action: &Action,
        orders: &mut Vec<Order>,
    ) {
        match action {
            Action::Send { .. } => self.send(cluster, action, orders),
            Action::Stop { nodes, how } => {
                orders.extend(nodes.iter().map(|node| Order::Stop(*node, *how)));
            }
            Action::Start { nodes } => {
                for node in nodes {
                    start(cluster, *node, orders);
                }
            }
            Action::Pause { nodes } => {
                orders.extend(nodes.iter().map(|node| Order::Pause(step, *node)));
            }
            Action::Resume { nodes } => {
                orders.extend(nodes.iter().map(|node| Order::Resume(*node)));
            }
            Action::Cut {
                from,
                to,
                one_way,
                api,
            } => orders.push(Order::Cut {
                step,
                from: from.clone(),
                to: to.clone(),
                one_way: *one_way,
                api: api.clone(),
            }),
            Action::Delay {
                from,
                to,
                by_us,
                api,
            } => orders.push(Order::Delay {
                step,
                from: from.clone(),
                to: to.clone(),
                by_us: *by_us,
                api: api.clone(),
            }),
            Action::Heal => orders.push(Order::Heal),
            Action::AlterConfig { changes } => {
                let request = IncrementalAlterConfigsRequest {
                    changes: changes.clone(),
                };
                let request = Request::IncrementalAlterConfigs(request);
                orders.push(self.administer(cluster, request));
            }
            Action::ElectLeaders {
                election,
                partitions,
            } => {
                let request = ElectLeadersRequest {
                    election: *election,
                    partitions: Some(partitions.clone()),
                };
                orders.push(self.administer(cluster, Request::ElectLeaders(request)));
            }
            Action::Assign {
                consumer,
                partitions,
            } => {
                if let Some(node) = cluster.client(consumer) {
                    let partitions = partitions.clone();
                    orders.push(Order::Command(node, Command::Assign { partitions }));
                }
            }
        }
    }

    fn send(&mut self, cluster: &Cluster, action: &Action, orders: &mut Vec<Order>) {
        let Action::Send {
            producer,
            topic,
            partition,
            key,
            values,
        } = action
        else {
            return;
        };
        let Some(node) = cluster.client(producer) else {
            return;
        };
        let key = key.as_ref().map(|key| Bytes::from(key.clone()));
        for value in values {
            let command = Command::Send {
                operation: self.next(),
                topic: topic.clone(),
                partition: *partition,
                key: key.clone(),
                value: Bytes::from(value.clone()),
            };
            orders.push(Order::Command(node, command));
        }
    }
}

/// Starts a node; a consumer's application then says at once what it reads.
pub(super) fn start(cluster: &Cluster, node: NodeId, orders: &mut Vec<Order>) {
    orders.push(Order::Start(node));
    if let Some(partitions) = cluster.assigned(node) {
        let partitions = partitions.to_vec();
        orders.push(Order::Command(node, Command::Assign { partitions }));
    }
}
