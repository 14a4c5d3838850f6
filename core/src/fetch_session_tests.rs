//! What a session leaves out, and how it begins anew.

use super::*;
use crate::id::TopicPartition;
use crate::offset::Offset;

fn partition(number: i32, offset: i64) -> FetchPartition {
    FetchPartition {
        partition: TopicIdPartition {
            topic_id: TopicId(7),
            partition: TopicPartition::new("t", number),
        },
        fetch_offset: Offset(offset),
        current_leader_epoch: None,
        last_fetched_epoch: None,
        log_start_offset: None,
        max_bytes: 100,
    }
}

fn answer(error: ErrorCode, session_id: i32) -> FetchResponse {
    FetchResponse {
        error,
        partitions: Vec::new(),
        session_id,
    }
}

/// Id and epoch of the request, the partitions that it names, and those that it forgets.
fn ask(
    session: &mut FetchSessionHandler,
    wanted: &[FetchPartition],
) -> (i32, i32, Vec<i32>, Vec<i32>) {
    let asked = session.request(wanted.to_vec(), true);
    let number = |partition: &TopicIdPartition| partition.partition.partition;
    let named = asked.partitions.iter().map(|one| number(&one.partition));
    let forgotten = asked.session.forgotten.iter().map(number).collect();
    (
        asked.session.id,
        asked.session.epoch,
        named.collect(),
        forgotten,
    )
}

#[test]
fn only_what_has_changed_is_said_again() {
    let mut session = FetchSessionHandler::default();
    let all = [partition(0, 0), partition(1, 0), partition(2, 0)];
    assert_eq!(ask(&mut session, &all), (0, 0, vec![0, 1, 2], vec![]));
    assert!(session.answered(&answer(ErrorCode::None, 9)));
    assert_eq!(ask(&mut session, &all), (9, 1, vec![], vec![]));
    assert!(session.answered(&answer(ErrorCode::None, 9)));
    let moved = [partition(0, 0), partition(1, 5), partition(3, 0)];
    assert_eq!(ask(&mut session, &moved), (9, 2, vec![1, 3], vec![2]));
    assert!(session.answered(&answer(ErrorCode::None, 9)));
    assert_eq!(ask(&mut session, &moved), (9, 3, vec![], vec![]));
}

#[test]
fn a_session_that_is_lost_begins_anew_with_everything() {
    let all = [partition(0, 0), partition(1, 0)];
    let begun = || {
        let mut session = FetchSessionHandler::default();
        ask(&mut session, &all);
        session.answered(&answer(ErrorCode::None, 9));
        ask(&mut session, &all);
        session
    };
    let mut unknown = begun();
    assert!(!unknown.answered(&answer(ErrorCode::FetchSessionIdNotFound, 0)));
    assert_eq!(ask(&mut unknown, &all), (0, 0, vec![0, 1], vec![]));
    let mut elsewhere = begun();
    assert!(!elsewhere.answered(&answer(ErrorCode::InvalidFetchSessionEpoch, 0)));
    assert_eq!(ask(&mut elsewhere, &all), (9, 0, vec![0, 1], vec![]));
    let mut silent = begun();
    silent.failed();
    assert_eq!(ask(&mut silent, &all), (9, 0, vec![0, 1], vec![]));
    let mut evicted = begun();
    assert!(evicted.answered(&answer(ErrorCode::None, 0)));
    assert_eq!(ask(&mut evicted, &all), (0, 0, vec![0, 1], vec![]));
}

#[test]
fn without_room_or_before_sessions_every_request_is_full() {
    let all = [partition(0, 0), partition(1, 0)];
    let mut session = FetchSessionHandler::default();
    ask(&mut session, &all);
    assert!(session.answered(&answer(ErrorCode::None, 0)));
    assert_eq!(ask(&mut session, &all), (0, 0, vec![0, 1], vec![]));
    for _ in 0..2 {
        let asked = session.request(all.to_vec(), false);
        assert_eq!(asked.session, FetchSession::none());
        assert_eq!(asked.partitions.len(), 2);
        session.answered(&answer(ErrorCode::None, 0));
    }
}
