//! What a step's action orders when it begins and when it ends, and what the recovery orders. Its roles
//! have been filled in.
//!
//! Next: `../world/mod.rs`, which obeys.

use super::cluster::Cluster;
use super::roles::nodes;
use crate::history::{Touched, What};
use crate::plan::{Action, Plan, Recovery, StopKind};
use crate::view::{ProcessState, View};
use crate::world::Order;
use bytes::Bytes;
use ktrial_core::message::{
    AlterPartitionReassignmentsRequest, CreatePartitionsRequest, CreateTopicsRequest,
    DeleteTopicsRequest, ElectLeadersRequest, IncrementalAlterConfigsRequest, Placement,
    Reassignment, Request,
};
use ktrial_core::{Command, NodeId, OperationId, Timestamp};

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
        let request = Box::new(request);
        Order::Command(cluster.admin(), Command::Administer { operation, request })
    }

    /// The creation of the plan's topics.
    pub(super) fn create_topics(&mut self, cluster: &Cluster, plan: &Plan) -> Order {
        let request = CreateTopicsRequest {
            topics: plan.topics.clone(),
        };
        self.administer(cluster, Request::CreateTopics(request))
    }

    /// What the action of step `step` orders, which lasts `until` then if that is known.
    pub(super) fn orders(
        &mut self,
        cluster: &Cluster,
        (step, until): (usize, Option<Timestamp>),
        action: &Action,
        orders: &mut Vec<Order>,
    ) {
        match action {
            Action::Send { .. } => self.send(cluster, action, orders),
            Action::Stop { nodes: who, how } => {
                orders.extend(nodes(who).into_iter().map(|node| Order::Stop(node, *how)));
            }
            Action::Start { nodes: who } => {
                for node in nodes(who) {
                    start(cluster, node, orders);
                }
            }
            Action::Pause { nodes: who } => {
                orders.extend(nodes(who).into_iter().map(|node| Order::Pause(step, node)));
            }
            Action::Resume { nodes: who } => {
                orders.extend(nodes(who).into_iter().map(Order::Resume));
            }
            Action::Link { .. } | Action::Disk { .. } | Action::Clock { .. } => {
                orders.extend(fault((step, until), action));
            }
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
            Action::CreateTopic { .. }
            | Action::AddPartitions { .. }
            | Action::DeleteTopic { .. }
            | Action::Reassign { .. } => {
                let request = topics_request(cluster, action);
                orders.extend(request.map(|request| self.administer(cluster, request)));
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

/// What an operator asks for about whole topics and where they are.
fn topics_request(cluster: &Cluster, action: &Action) -> Option<Request> {
    Some(match action {
        Action::CreateTopic { topic, replicas } => {
            let mut new = cluster.topic(topic)?.clone();
            if let Some(replicas) = replicas {
                new.placement = Placement::Manual(replicas.clone());
            }
            let topics = vec![new];
            Request::CreateTopics(CreateTopicsRequest { topics })
        }
        Action::AddPartitions {
            topic,
            count,
            replicas,
        } => Request::CreatePartitions(CreatePartitionsRequest {
            topic: topic.clone(),
            count: *count,
            replicas: replicas.clone(),
        }),
        Action::DeleteTopic { topic } => Request::DeleteTopics(DeleteTopicsRequest {
            topics: vec![topic.clone()],
        }),
        Action::Reassign {
            partition,
            replicas,
        } => {
            let partitions = vec![Reassignment {
                partition: partition.clone(),
                replicas: replicas.clone(),
            }];
            Request::AlterPartitionReassignments(AlterPartitionReassignmentsRequest { partitions })
        }
        _ => return None,
    })
}

/// The fault that a step begins.
fn fault((step, until): (usize, Option<Timestamp>), action: &Action) -> Option<Order> {
    Some(match action {
        Action::Link {
            from,
            to,
            one_way,
            api,
            fault,
        } => Order::Link {
            step,
            from: nodes(from),
            to: nodes(to),
            one_way: *one_way,
            api: api.clone(),
            fault: fault.clone(),
        },
        Action::Disk {
            nodes: who,
            directory,
            fault,
        } => Order::Disk {
            step,
            nodes: nodes(who),
            directory: directory.clone(),
            fault: fault.clone(),
            until,
        },
        Action::Clock { nodes: who, fault } => Order::Clock {
            step,
            nodes: nodes(who),
            fault: *fault,
        },
        _ => return None,
    })
}

/// What an action touches at once, if the world does not tell it later: the processes that it stops;
/// nothing, if there is nobody to freeze.
pub(super) fn touched(step: usize, action: &Action, view: &View) -> Option<What> {
    let count = match action {
        Action::Stop { nodes: who, how } => {
            let who = nodes(who).into_iter();
            who.filter(|node| stops(*node, *how, view)).count()
        }
        Action::Pause { nodes: who } => {
            if nodes(who).iter().any(|node| freezes(*node, view)) {
                return None;
            }
            0
        }
        // A rule or a fault of nobody is never told to have ended.
        Action::Disk { nodes, .. } | Action::Clock { nodes, .. }
            if nodes.is_empty() && action.can_last() =>
        {
            0
        }
        _ => return None,
    };
    let of = Touched::Processes;
    let touched = u64::try_from(count).unwrap_or(u64::MAX);
    Some(What::FaultEffect { step, touched, of })
}

/// Ends what the action of a step did.
pub(super) fn end(
    cluster: &Cluster,
    (step, action): (usize, &Action),
    view: &View,
    orders: &mut Vec<Order>,
) {
    match action {
        Action::Stop { nodes: who, .. } => {
            for node in nodes(who) {
                start_again(cluster, node, view, orders);
            }
        }
        Action::Pause { nodes: who } => orders.extend(nodes(who).into_iter().map(Order::Resume)),
        _ => orders.push(Order::EndFault(step)),
    }
}

/// Mends everything.
pub(super) fn recover(
    cluster: &Cluster,
    recovery: &Recovery,
    view: &View,
    orders: &mut Vec<Order>,
) {
    orders.push(Order::Recover);
    for node in cluster.nodes() {
        let process = view.process_of(node);
        if process.is_some_and(|process| process.state == ProcessState::Paused) {
            orders.push(Order::Resume(node));
        }
        if recovery.nodes.contains(&node) {
            start_again(cluster, node, view, orders);
        }
    }
}

/// Starts a node, unless it runs: something else may have started it meanwhile. One that is about to stop,
/// perhaps frozen, starts when it has.
fn start_again(cluster: &Cluster, node: NodeId, view: &View, orders: &mut Vec<Order>) {
    if view.is_up(node) {
        orders.push(Order::Start(node));
    } else {
        start(cluster, node, orders);
    }
}

/// The action with only those nodes that it really stops or freezes: at its end it undoes no more.
pub(super) fn effective(action: &Action, view: &View) -> Action {
    let mut action = action.clone();
    match &mut action {
        Action::Stop { nodes, how } => {
            let how = *how;
            nodes.retain(|target| target.node().is_some_and(|node| stops(node, how, view)));
        }
        Action::Pause { nodes } => {
            nodes.retain(|target| target.node().is_some_and(|node| freezes(node, view)));
        }
        _ => {}
    }
    action
}

fn stops(node: NodeId, how: StopKind, view: &View) -> bool {
    let process = view.process_of(node);
    let unpowered = process.is_some_and(|p| p.stopped == Some(StopKind::PowerLoss));
    view.is_up(node) || (how == StopKind::PowerLoss && !unpowered)
}

fn freezes(node: NodeId, view: &View) -> bool {
    let state = view.process_of(node).map(|process| process.state);
    matches!(state, Some(ProcessState::Running | ProcessState::Stopping))
}

/// Starts a node; a consumer's application then says at once what it reads.
pub(super) fn start(cluster: &Cluster, node: NodeId, orders: &mut Vec<Order>) {
    orders.push(Order::Start(node));
    if let Some(partitions) = cluster.assigned(node) {
        let partitions = partitions.to_vec();
        orders.push(Order::Command(node, Command::Assign { partitions }));
    }
}
