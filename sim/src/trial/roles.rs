//! Roles, filled in with who holds them when an action begins.
//!
//! Leader and ISR are the controller's committed ones, as the record tells them. Nobody may hold a role:
//! then the action is about nobody, touches nothing, and the trial proves nothing.
//!
//! A node that is a broker and a controller is one machine with one process: an action on one role is on
//! both.
//!
//! With one controller, that is the active one, whatever it says of itself.
//!
//! Next: `action.rs`.

use super::cluster::Cluster;
use crate::plan::{Action, Target};
use crate::view::{Committed, View};
use ktrial_core::{BrokerId, NodeId, TopicPartition};

/// The action, about nodes only.
pub(super) fn filled(action: &Action, cluster: &Cluster, view: &View) -> Action {
    let mut action = action.clone();
    match &mut action {
        Action::Stop { nodes, .. }
        | Action::Start { nodes }
        | Action::Pause { nodes }
        | Action::Resume { nodes }
        | Action::Disk {
            nodes,
            directory: None,
            ..
        }
        | Action::Clock { nodes, .. } => {
            *nodes = named(&whole(group(nodes, &[], cluster, view), cluster));
        }
        // The metadata log is in none of them.
        Action::Disk { nodes, .. } => *nodes = named(&group(nodes, &[], cluster, view)),
        Action::Link { from, to, .. } => {
            let (mut left, mut right) = (Vec::new(), Vec::new());
            // A group that is the rest is filled in after the other one.
            if from.contains(&Target::Rest) {
                right = whole(group(to, &[], cluster, view), cluster);
                left = group(from, &right, cluster, view);
            } else {
                left.extend(whole(group(from, &[], cluster, view), cluster));
                right.extend(whole(group(to, &left, cluster, view), cluster));
            }
            right.retain(|node| !left.contains(node));
            (*from, *to) = (named(&left), named(&right));
        }
        Action::Send { .. }
        | Action::Heal
        | Action::AlterConfig { .. }
        | Action::ElectLeaders { .. }
        | Action::CreateTopic { .. }
        | Action::AddPartitions { .. }
        | Action::DeleteTopic { .. }
        | Action::Reassign { .. }
        | Action::Assign { .. } => {}
    }
    action
}

/// The nodes of a filled-in group.
pub(super) fn nodes(group: &[Target]) -> Vec<NodeId> {
    group.iter().filter_map(Target::node).collect()
}

fn named(nodes: &[NodeId]) -> Vec<Target> {
    nodes.iter().copied().map(Target::Node).collect()
}

/// With both roles of each process that has two: what befalls one befalls the other.
fn whole(nodes: Vec<NodeId>, cluster: &Cluster) -> Vec<NodeId> {
    let mut all = nodes.clone();
    let others = nodes.into_iter().filter_map(|one| cluster.other_role(one));
    for other in others {
        if !all.contains(&other) {
            all.push(other);
        }
    }
    all
}

/// Who is meant, each once, in the order in which they are named.
fn group(targets: &[Target], other: &[NodeId], cluster: &Cluster, view: &View) -> Vec<NodeId> {
    let mut found = Vec::new();
    for target in targets {
        for node in holders(target, other, cluster, view) {
            if !found.contains(&node) {
                found.push(node);
            }
        }
    }
    found
}

fn holders(target: &Target, other: &[NodeId], cluster: &Cluster, view: &View) -> Vec<NodeId> {
    let brokers = |partition: &TopicPartition, of: fn(&Committed) -> Vec<BrokerId>| {
        let state = view.partition(partition);
        let committed = state.and_then(|state| state.committed.as_ref());
        let brokers = committed.map(of).unwrap_or_default();
        brokers.into_iter().map(NodeId::Broker).collect()
    };
    match target {
        Target::Node(node) => vec![*node],
        Target::Leader(partition) => brokers(partition, |p| p.leader.into_iter().collect()),
        Target::Followers(partition) => brokers(partition, |p| {
            let isr = p.isr.iter().copied();
            isr.filter(|member| Some(*member) != p.leader).collect()
        }),
        Target::LastInIsr(partition) => brokers(partition, |p| match p.isr[..] {
            [last] => vec![last],
            _ => Vec::new(),
        }),
        Target::OutOfIsr(partition) => brokers(partition, |p| {
            let replicas = p.replicas.iter().copied();
            replicas.filter(|broker| !p.isr.contains(broker)).collect()
        }),
        Target::Controller => active(cluster, view).into_iter().collect(),
        Target::StandbyControllers => {
            let active = active(cluster, view);
            let mut all = cluster.controllers();
            all.retain(|node| Some(*node) != active);
            all
        }
        Target::Rest => {
            let mut all = cluster.nodes();
            all.retain(|node| !other.contains(node));
            all
        }
    }
}

/// The active controller.
fn active(cluster: &Cluster, view: &View) -> Option<NodeId> {
    match cluster.controllers()[..] {
        [only] => Some(only),
        _ => view.quorum().active_node(),
    }
}
