//! What there is to disturb, and the small words that all families share.
//!
//! Next: `process.rs`.

use crate::fuzz::cluster::{client, keepers, partitions};
use crate::fuzz::dice::Dice;
use ktrial_core::{BrokerId, NodeId, TopicPartition};
use ktrial_sim::plan::{Action, Plan, Step, StopKind, Target, When};

/// The cluster, as far as faults are aimed at it.
pub(super) struct Scene<'a> {
    pub(super) plan: &'a Plan,
    pub(super) brokers: Vec<BrokerId>,
    pub(super) partitions: Vec<(TopicPartition, Vec<BrokerId>)>,
    pub(super) clients: Vec<NodeId>,
    /// Who keeps the metadata: the controllers, or the servers of ZooKeeper.
    pub(super) keepers: Vec<NodeId>,
    /// Faults begin within this time.
    pub(super) window_ms: u64,
}

impl<'a> Scene<'a> {
    pub(super) fn new(plan: &'a Plan, window_ms: u64) -> Self {
        let clients = plan.producers.len() + plan.consumers.len();
        Self {
            plan,
            brokers: plan.brokers.iter().map(|broker| broker.id).collect(),
            partitions: partitions(plan),
            clients: (0..clients).map(client).collect(),
            keepers: keepers(plan),
            window_ms,
        }
    }

    /// Whether the controller is one of the brokers.
    pub(super) fn has_zookeeper(&self) -> bool {
        self.plan.zookeeper.is_some()
    }

    /// Who keeps the metadata, as targets.
    pub(super) fn keepers(&self) -> Vec<Target> {
        self.keepers.iter().copied().map(Target::Node).collect()
    }

    /// When a fault begins.
    pub(super) fn begin(&self, dice: &mut Dice) -> u64 {
        dice.between(0..=self.window_ms)
    }

    /// How long a fault lasts.
    pub(super) fn duration(&self, dice: &mut Dice) -> u64 {
        dice.span_ms(50..=40_000)
    }

    /// Any broker.
    pub(super) fn broker(&self, dice: &mut Dice) -> BrokerId {
        dice.pick(&self.brokers)
    }

    /// Any partition with its replicas.
    pub(super) fn partition(&self, dice: &mut Dice) -> (TopicPartition, Vec<BrokerId>) {
        dice.pick(&self.partitions)
    }

    /// A broker by name or by role.
    pub(super) fn somebody(&self, dice: &mut Dice) -> Vec<Target> {
        let (partition, _) = self.partition(dice);
        let target = match dice.between(0..=5) {
            0 | 1 => Target::Leader(partition),
            2 => Target::Followers(partition),
            _ => broker(self.broker(dice)),
        };
        vec![target]
    }

    /// All nodes, in two groups at random.
    pub(super) fn two_groups(&self, dice: &mut Dice) -> (Vec<Target>, Vec<Target>) {
        let mut nodes: Vec<NodeId> = self.brokers.iter().copied().map(NodeId::Broker).collect();
        nodes.extend(&self.keepers);
        nodes.extend(&self.clients);
        let nodes = dice.some(&nodes, nodes.len());
        let split = dice.count(1..=nodes.len() - 1);
        let (left, right) = nodes.split_at(split);
        let named = |nodes: &[NodeId]| nodes.iter().copied().map(Target::Node).collect();
        (named(left), named(right))
    }
}

/// A broker as a target.
pub(super) fn broker(id: BrokerId) -> Target {
    Target::Node(NodeId::Broker(id))
}

/// A step of the timeline.
pub(super) fn step(ms: u64, action: Action, for_ms: Option<u64>) -> Step {
    Step {
        when: When::After { ms },
        action: Some(action),
        for_ms,
        may_miss: true,
    }
}

/// Somebody stops and comes back.
pub(super) fn stop(ms: u64, nodes: Vec<Target>, how: StopKind, down_ms: u64) -> Step {
    step(ms, Action::Stop { nodes, how }, Some(down_ms))
}
