//! Which brokers have a partition, and a move of it to others that is under way.
//!
//! | stage | replicas | adding | removing |
//! |---|---|---|---|
//! | before | origin | | |
//! | under way | target, then those of the origin that go | target - origin | origin - target |
//! | ended | target | | |
//! | taken back | origin | | |
//!
//! Rules:
//! - A move under way that is given another target goes on from its origin: those that were coming, and are
//!   in the new target no more, go at once.
//! - It may end when all of the target are in the ISR.
//! - The order of before cannot be had back: target replicas stand first.
//!
//! Source: KIP-455; `ReplicaAssignment`, `KafkaController.isReassignmentComplete`.
//! Next: `reassignment.rs`.

use super::znodes::TopicNode;
use crate::id::BrokerId;

/// The replicas of a partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Assignment {
    /// All, those that come and those that go too.
    pub(crate) replicas: Vec<BrokerId>,
    pub(crate) adding: Vec<BrokerId>,
    pub(crate) removing: Vec<BrokerId>,
}

impl Assignment {
    /// Nobody moves.
    pub(crate) fn new(replicas: Vec<BrokerId>) -> Self {
        Self {
            replicas,
            ..Self::default()
        }
    }

    /// What a topic's znode says of one of its partitions.
    pub(crate) fn of(node: &TopicNode, partition: &str) -> Self {
        let list = |lists: &std::collections::BTreeMap<String, Vec<BrokerId>>| {
            lists.get(partition).cloned().unwrap_or_default()
        };
        Self {
            replicas: list(&node.partitions),
            adding: list(&node.adding_replicas),
            removing: list(&node.removing_replicas),
        }
    }

    /// A move is under way.
    pub(crate) fn moves(&self) -> bool {
        !self.adding.is_empty() || !self.removing.is_empty()
    }

    /// Those of before the move.
    pub(crate) fn origin(&self) -> Vec<BrokerId> {
        without(&self.replicas, &self.adding)
    }

    /// Those of after it.
    pub(crate) fn target(&self) -> Vec<BrokerId> {
        without(&self.replicas, &self.removing)
    }

    /// A move from the origin to other replicas; none if they are the same.
    pub(crate) fn towards(&self, target: &[BrokerId]) -> Self {
        let origin = self.origin();
        let stay = without(&origin, target);
        Self {
            replicas: target.iter().chain(&stay).copied().collect(),
            adding: without(target, &origin),
            removing: stay,
        }
    }

    /// Whether nothing is left to wait for.
    pub(crate) fn may_end(&self, isr: &[BrokerId]) -> bool {
        !self.moves() || self.target().iter().all(|id| isr.contains(id))
    }
}

/// A list without those of another one.
pub(super) fn without(list: &[BrokerId], others: &[BrokerId]) -> Vec<BrokerId> {
    let stays = |id: &BrokerId| !others.contains(id);
    list.iter().copied().filter(stays).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(ids: &[i32]) -> Vec<BrokerId> {
        ids.iter().copied().map(BrokerId).collect()
    }

    fn told(assignment: &Assignment) -> [Vec<BrokerId>; 3] {
        let Assignment {
            replicas,
            adding,
            removing,
        } = assignment.clone();
        [replicas, adding, removing]
    }

    #[test]
    fn a_move_keeps_both_ends_until_it_is_over() {
        let before = Assignment::new(ids(&[1, 2, 3]));
        let move_ = before.towards(&ids(&[4, 5, 3]));
        let expected = [ids(&[4, 5, 3, 1, 2]), ids(&[4, 5]), ids(&[1, 2])];
        assert_eq!(told(&move_), expected);
        assert_eq!(move_.target(), ids(&[4, 5, 3]));
        assert!(!move_.may_end(&ids(&[1, 2, 3, 4])));
        assert!(move_.may_end(&ids(&[3, 4, 5])));
    }

    #[test]
    fn another_target_starts_from_the_origin() {
        let move_ = Assignment::new(ids(&[1, 2])).towards(&ids(&[3, 2]));
        let other = move_.towards(&ids(&[4, 1]));
        assert_eq!(
            told(&other),
            [ids(&[4, 1, 2]), ids(&[4]), ids(&[2])],
            "3 is no replica any more"
        );
    }

    #[test]
    fn what_is_taken_back_is_no_move_and_has_another_order() {
        let move_ = Assignment::new(ids(&[1, 2, 3])).towards(&ids(&[3, 4, 2]));
        let back = move_.towards(&move_.origin());
        assert_eq!(told(&back), [ids(&[3, 2, 1]), ids(&[]), ids(&[])]);
        assert!(!back.moves() && back.may_end(&[]));
    }

    #[test]
    fn another_order_alone_is_no_move() {
        let before = Assignment::new(ids(&[1, 2]));
        let other = before.towards(&ids(&[2, 1]));
        assert_eq!(told(&other), [ids(&[2, 1]), ids(&[]), ids(&[])]);
    }
}
