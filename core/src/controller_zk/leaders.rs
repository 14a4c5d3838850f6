//! Who leads a partition: elections by kind.
//!
//! | kind | candidates, in the order of the assignment | ISR after it |
//! |---|---|---|
//! | offline | live, in the ISR; else, if unclean election is allowed, any live one | its live members; or only the leader |
//! | preferred | the first, if live and in the ISR | as before |
//! | reassignment | target replicas, live and in the ISR | as before |
//! | controlled shutdown | live or shutting down, in the ISR, not shutting down | without those that shut down |
//!
//! Rules:
//! - Every election raises the leader epoch by one. Without a candidate there is no election.
//! - A new partition is led by its first live replica, with all live ones as its ISR.
//! - A dead broker leaves the ISR, which raises the leader epoch too; the last member stays, without a
//!   leader. Before 1.1 (KAFKA-5642), with unclean election allowed, the last one leaves too.
//! - An unclean leader recovers (KIP-704) where the cluster knows of it, since 3.2.
//!
//! Source: `Election.leaderForOffline`, `leaderForPreferredReplica`, `leaderForReassign`,
//! `leaderForControlledShutdown`, `PartitionLeaderElectionAlgorithms`,
//! `ZkPartitionStateMachine.initializeLeaderAndIsrForPartitions`,
//! `ZkReplicaStateMachine.doRemoveReplicasFromIsr`; 0.10.2 `KafkaController.removeReplicaFromIsr`.
//! Next: `../controller/partition_change.rs`, the elections of KRaft.

use super::znodes::LeaderAndIsr;
use crate::id::BrokerId;
use crate::message::LeaderRecoveryState;
use crate::offset::{LeaderEpoch, PartitionEpoch};
use std::collections::BTreeSet;

/// What an election may know of the brokers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Brokers {
    /// Registered, with their logs online. Those that shut down are among them.
    pub live: BTreeSet<BrokerId>,
    /// Shutting down in order.
    pub shutting_down: BTreeSet<BrokerId>,
}

impl Brokers {
    /// Whether a replica of this broker is online.
    fn online(&self, broker: BrokerId) -> bool {
        self.live.contains(&broker) && !self.shutting_down.contains(&broker)
    }
}

/// Which election.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind<'a> {
    /// The partition has no live leader.
    Offline {
        /// Whether a replica outside the ISR may lead.
        unclean: bool,
        /// Whether the cluster knows of recovering leaders.
        recovery: bool,
    },
    /// The first replica shall lead.
    Preferred,
    /// These replicas shall have the partition.
    Reassignment(&'a [BrokerId]),
    /// The leader shuts down in order.
    ControlledShutdown,
}

/// The partition's state after the election; `None` if nobody can be elected.
pub fn elect(
    kind: Kind<'_>,
    assignment: &[BrokerId],
    now: &LeaderAndIsr,
    brokers: &Brokers,
) -> Option<LeaderAndIsr> {
    let in_isr = |broker: &BrokerId| now.isr.contains(broker);
    let online = |broker: &BrokerId| brokers.online(*broker);
    let find = |among: &[BrokerId]| among.iter().copied().find(|b| online(b) && in_isr(b));
    match kind {
        Kind::Offline { unclean, recovery } => {
            if let Some(leader) = find(assignment) {
                let isr = now.isr.iter().copied().filter(online).collect();
                return Some(next(now, leader, isr));
            }
            let leader = assignment.iter().copied().find(|b| unclean && online(b))?;
            let mut elected = next(now, leader, vec![leader]);
            if recovery {
                elected.leader_recovery_state = LeaderRecoveryState::Recovering;
            }
            Some(elected)
        }
        Kind::Preferred => {
            let leader = find(assignment.get(..1)?)?;
            Some(next(now, leader, now.isr.clone()))
        }
        Kind::Reassignment(target) => Some(next(now, find(target)?, now.isr.clone())),
        Kind::ControlledShutdown => {
            let stays = |broker: &BrokerId| !brokers.shutting_down.contains(broker);
            let mut candidates = assignment.iter().copied();
            let leader = candidates.find(|b| brokers.live.contains(b) && in_isr(b) && stays(b))?;
            let isr = now.isr.iter().copied().filter(stays).collect();
            Some(next(now, leader, isr))
        }
    }
}

fn next(now: &LeaderAndIsr, leader: BrokerId, isr: Vec<BrokerId>) -> LeaderAndIsr {
    LeaderAndIsr {
        leader: Some(leader),
        leader_epoch: LeaderEpoch(now.leader_epoch.0 + 1),
        isr,
        ..now.clone()
    }
}

/// The first state of a new partition; `None` while none of its replicas lives.
pub fn new_partition(assignment: &[BrokerId], brokers: &Brokers) -> Option<LeaderAndIsr> {
    let live = assignment.iter().copied().filter(|b| brokers.online(*b));
    let isr: Vec<BrokerId> = live.collect();
    Some(LeaderAndIsr {
        leader: Some(*isr.first()?),
        leader_epoch: LeaderEpoch(0),
        isr,
        leader_recovery_state: LeaderRecoveryState::Recovered,
        partition_epoch: PartitionEpoch(0),
    })
}

/// The state without a dead broker in the ISR; `None` if it is not in there. `empties` = the last member
/// may leave, as before 1.1 where unclean election is allowed.
pub fn without(dead: BrokerId, now: &LeaderAndIsr, empties: bool) -> Option<LeaderAndIsr> {
    if !now.isr.contains(&dead) {
        return None;
    }
    let others = now.isr.iter().copied().filter(|member| *member != dead);
    let others: Vec<BrokerId> = others.collect();
    let isr = if others.is_empty() && !empties {
        now.isr.clone()
    } else {
        others
    };
    Some(LeaderAndIsr {
        leader: now.leader.filter(|leader| *leader != dead),
        leader_epoch: LeaderEpoch(now.leader_epoch.0 + 1),
        isr,
        ..now.clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(ids: &[i32]) -> Vec<BrokerId> {
        ids.iter().copied().map(BrokerId).collect()
    }

    fn state(leader: i32, isr: &[i32]) -> LeaderAndIsr {
        LeaderAndIsr {
            leader: Some(BrokerId(leader)),
            leader_epoch: LeaderEpoch(5),
            isr: ids(isr),
            leader_recovery_state: LeaderRecoveryState::Recovered,
            partition_epoch: PartitionEpoch(9),
        }
    }

    fn brokers(live: &[i32], shutting_down: &[i32]) -> Brokers {
        Brokers {
            live: ids(live).into_iter().collect(),
            shutting_down: ids(shutting_down).into_iter().collect(),
        }
    }

    const CLEAN: Kind<'static> = Kind::Offline {
        unclean: false,
        recovery: true,
    };
    const UNCLEAN: Kind<'static> = Kind::Offline {
        unclean: true,
        recovery: true,
    };

    #[test]
    fn elections() {
        // Kind, ISR, live, shutting down: leader and ISR after it. The assignment is [1, 2, 3], led by 1.
        type Outcome<'a> = Option<(i32, &'a [i32])>;
        type Case<'a> = (Kind<'a>, &'a [i32], &'a [i32], &'a [i32], Outcome<'a>);
        let cases: [Case<'_>; 12] = [
            (CLEAN, &[3, 2, 1], &[2, 3], &[], Some((2, &[3, 2]))),
            (CLEAN, &[1], &[2, 3], &[], None),
            (UNCLEAN, &[1], &[2, 3], &[], Some((2, &[2]))),
            (UNCLEAN, &[1, 3], &[2, 3], &[], Some((3, &[3]))),
            (UNCLEAN, &[1], &[], &[], None),
            (CLEAN, &[2, 3], &[2, 3], &[2], Some((3, &[3]))),
            (Kind::Preferred, &[2, 1], &[1, 2], &[], Some((1, &[2, 1]))),
            (Kind::Preferred, &[2], &[1, 2], &[], None),
            (
                Kind::Reassignment(&[BrokerId(3)]),
                &[1, 3],
                &[1, 3],
                &[],
                Some((3, &[1, 3])),
            ),
            (Kind::Reassignment(&[BrokerId(3)]), &[1], &[1, 3], &[], None),
            (
                Kind::ControlledShutdown,
                &[1, 2],
                &[1, 2],
                &[1],
                Some((2, &[2])),
            ),
            (Kind::ControlledShutdown, &[1], &[1, 2], &[1], None),
        ];
        for (kind, isr, live, shutting_down, outcome) in cases {
            let now = state(1, isr);
            let assignment = ids(&[1, 2, 3]);
            let elected = elect(kind, &assignment, &now, &brokers(live, shutting_down));
            let told = elected
                .as_ref()
                .map(|e| (e.leader.unwrap().0, e.isr.clone()));
            let expected = outcome.map(|(leader, isr)| (leader, ids(isr)));
            assert_eq!(
                told, expected,
                "{kind:?} isr {isr:?} live {live:?} {shutting_down:?}"
            );
            let raised = elected.is_none_or(|e| e.leader_epoch == LeaderEpoch(6));
            assert!(raised, "an election raises the epoch");
        }
        let unclean = elect(UNCLEAN, &ids(&[1, 2]), &state(1, &[1]), &brokers(&[2], &[]));
        let recovering = unclean.unwrap().leader_recovery_state;
        assert_eq!(recovering, LeaderRecoveryState::Recovering);
    }

    #[test]
    fn a_dead_broker_leaves_the_isr_but_for_the_last_one() {
        let after = without(BrokerId(1), &state(1, &[1, 2]), false).unwrap();
        assert_eq!((after.leader, after.isr), (None, ids(&[2])));
        let after = without(BrokerId(2), &state(1, &[1, 2]), false).unwrap();
        assert_eq!((after.leader, after.isr), (Some(BrokerId(1)), ids(&[1])));
        assert_eq!(
            after.leader_epoch,
            LeaderEpoch(6),
            "ZooKeeper's controller raises it always"
        );
        let last = without(BrokerId(1), &state(1, &[1]), false).unwrap();
        assert_eq!((last.leader, last.isr), (None, ids(&[1])));
        let old = without(BrokerId(1), &state(1, &[1]), true).unwrap();
        assert_eq!(
            old.isr,
            ids(&[]),
            "before 1.1, with unclean election allowed"
        );
        assert_eq!(without(BrokerId(3), &state(1, &[1]), false), None);
    }

    #[test]
    fn a_new_partition_waits_for_a_live_replica() {
        let assignment = ids(&[1, 2, 3]);
        let made = new_partition(&assignment, &brokers(&[2, 3], &[])).unwrap();
        assert_eq!((made.leader, made.isr), (Some(BrokerId(2)), ids(&[2, 3])));
        assert_eq!(new_partition(&assignment, &brokers(&[], &[])), None);
    }
}
