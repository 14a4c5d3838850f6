//! When a move ends, and what it is taken back to.

use super::*;
use crate::message::LeaderRecoveryState;
use crate::offset::{LeaderEpoch, PartitionEpoch};

fn ids(list: &[i32]) -> Vec<BrokerId> {
    list.iter().copied().map(BrokerId).collect()
}

/// A partition with these replicas, this ISR, and those that go and come.
fn partition(
    replicas: &[i32],
    isr: &[i32],
    removing: &[i32],
    adding: &[i32],
) -> PartitionRegistration {
    PartitionRegistration {
        replicas: ids(replicas),
        isr: ids(isr),
        elr: Vec::new(),
        last_known_elr: Vec::new(),
        leader: ids(isr).first().copied(),
        leader_recovery_state: LeaderRecoveryState::Recovered,
        leader_epoch: LeaderEpoch(0),
        partition_epoch: PartitionEpoch(0),
        removing: ids(removing),
        adding: ids(adding),
        directories: Vec::new(),
    }
}

#[test]
fn a_move_begins_with_the_replicas_of_both() {
    let before = partition(&[1, 2, 3], &[1, 2, 3], &[], &[]);
    let towards = Assignment::towards(&before, &ids(&[4, 5, 2]));
    assert_eq!(towards.replicas, ids(&[4, 5, 2, 1, 3]));
    assert_eq!(towards.removing, ids(&[1, 3]));
    assert_eq!(towards.adding, ids(&[4, 5]));
}

#[test]
fn a_move_ends_when_all_that_come_are_in_sync() {
    let check =
        |moved: (&[i32], &[i32], &[i32]), isr: &[i32], expected: Option<(&[i32], &[i32])>| {
            let assignment = Assignment {
                replicas: ids(moved.0),
                removing: ids(moved.1),
                adding: ids(moved.2),
            };
            let expected = expected.map(|(replicas, isr)| (ids(replicas), ids(isr)));
            assert_eq!(
                assignment.completed(&ids(isr), Rules::default()),
                expected,
                "{moved:?} with {isr:?}"
            );
        };
    let (both, gone, new): (&[i32], &[i32], &[i32]) = (&[4, 2, 1], &[1], &[4]);
    check((both, gone, new), &[1, 2], None);
    check((both, gone, new), &[1, 2, 4], Some((&[4, 2], &[2, 4])));
    // A replica that stays and is not in sync holds nothing up.
    check((both, gone, new), &[1, 4], Some((&[4, 2], &[4])));
    // With fewer replicas than before it does.
    check((&[1, 2, 3], &[3], &[]), &[1, 3], None);
    check(
        (&[1, 2, 3], &[3], &[]),
        &[1, 2, 3],
        Some((&[1, 2], &[1, 2])),
    );
    // The ISR would be empty.
    check((&[1, 2], &[2], &[]), &[2], None);
    check((&[1, 2], &[], &[]), &[1], None);
}

#[test]
fn before_a_move_waited_for_all_of_the_target() {
    let before = Rules {
        reassignment_needs_only_the_new: false,
        ..Rules::default()
    };
    let assignment = Assignment {
        replicas: ids(&[4, 2, 1]),
        removing: ids(&[1]),
        adding: ids(&[4]),
    };
    assert_eq!(assignment.completed(&ids(&[1, 4]), before), None);
    let all = assignment.completed(&ids(&[1, 2, 4]), before);
    assert_eq!(all, Some((ids(&[4, 2]), ids(&[2, 4]))));
}

#[test]
fn a_move_is_taken_back_to_what_was_in_sync_before() {
    let online = ElectionKind::Online;
    let moved = partition(&[4, 2, 1], &[1, 2, 4], &[1], &[4]);
    assert_eq!(reverted(&moved, online), Ok((ids(&[2, 1]), ids(&[1, 2]))));
    let only_new = partition(&[4, 2, 1], &[4], &[1], &[4]);
    let refused = reverted(&only_new, online).map_err(|(error, _)| error);
    assert_eq!(refused, Err(ErrorCode::InvalidReplicaAssignment));
    let unclean = reverted(&only_new, ElectionKind::Unclean);
    assert_eq!(unclean, Ok((ids(&[2, 1]), ids(&[2]))));
    let none = partition(&[1, 2], &[1, 2], &[], &[]);
    let refused = reverted(&none, online).map_err(|(error, _)| error);
    assert_eq!(refused, Err(ErrorCode::NoReassignmentInProgress));
}
