//! What a leader remembers of a fetcher, what it says again, and whom it forgets.

use super::*;
use crate::id::{BrokerId, TopicPartition};
use bytes::Bytes;

fn id(number: i32) -> TopicIdPartition {
    TopicIdPartition {
        topic_id: TopicId(7),
        partition: TopicPartition::new("t", number),
    }
}

fn request(session: (i32, i32), follower: bool, partitions: &[(i32, i64)]) -> FetchRequest {
    let partitions = partitions.iter().map(|(number, offset)| FetchPartition {
        partition: id(*number),
        fetch_offset: Offset(*offset),
        current_leader_epoch: None,
        last_fetched_epoch: None,
        log_start_offset: None,
        max_bytes: 100,
    });
    let replica = Fetcher::Replica {
        id: BrokerId(1),
        epoch: None,
    };
    FetchRequest {
        fetcher: if follower { replica } else { Fetcher::Consumer },
        max_wait: Duration::ZERO,
        min_bytes: 1,
        max_bytes: 100,
        partitions: partitions.collect(),
        session: FetchSession {
            id: session.0,
            epoch: session.1,
            forgotten: Vec::new(),
        },
        rack: String::new(),
    }
}

fn read(number: i32, high_watermark: i64, bytes: usize) -> FetchPartitionResponse {
    FetchPartitionResponse {
        partition: id(number),
        error: ErrorCode::None,
        high_watermark: Offset(high_watermark),
        last_stable_offset: Offset(high_watermark),
        log_start_offset: Offset(0),
        diverging_epoch: None,
        snapshot: None,
        current_leader: None,
        records: Bytes::from(vec![0; bytes]),
        preferred_read_replica: None,
    }
}

fn sessions(slots: usize) -> FetchSessions {
    FetchSessions::new(slots, Random::stream(1, "sessions"))
}

/// Begins a session over these partitions; its id.
fn begin(sessions: &mut FetchSessions, at: u64, follower: bool, count: i32) -> SessionId {
    let partitions: Vec<(i32, i64)> = (0..count).map(|number| (number, 0)).collect();
    let mut request = request((0, 0), follower, &partitions);
    match sessions.enter(
        &mut Replicas::default(),
        Timestamp::from_millis(at),
        &mut request,
    ) {
        Context::Full(id) => id,
        other => panic!("{other:?}"),
    }
}

/// The partitions with their offsets that a request is about, or its error.
fn enter(
    sessions: &mut FetchSessions,
    session: (i32, i32),
    partitions: &[(i32, i64)],
) -> Result<Vec<(i32, i64)>, ErrorCode> {
    let mut request = request(session, true, partitions);
    if let Context::Refused(error) =
        sessions.enter(&mut Replicas::default(), Timestamp::ZERO, &mut request)
    {
        return Err(error);
    }
    let about = request.partitions.iter();
    Ok(about
        .map(|one| (one.partition.partition.partition, one.fetch_offset.0))
        .collect())
}

fn numbers(answer: &[FetchPartitionResponse]) -> Vec<i32> {
    answer
        .iter()
        .map(|one| one.partition.partition.partition)
        .collect()
}

#[test]
fn an_incremental_request_is_about_all_and_its_answer_about_what_is_new() {
    let mut sessions = sessions(9);
    let id = begin(&mut sessions, 0, true, 3);
    sessions.told_all(id, &[read(0, 0, 0), read(1, 0, 0), read(2, 0, 0)]);
    assert_eq!(
        enter(&mut sessions, (id, 1), &[(1, 5)]),
        Ok(vec![(0, 0), (1, 5), (2, 0)])
    );
    let answer = sessions.answer(id, vec![read(0, 1, 0), read(1, 0, 70), read(2, 0, 0)]);
    assert_eq!(numbers(&answer), [0, 1]);
    // Told once, and the one with records is read last.
    assert_eq!(
        enter(&mut sessions, (id, 2), &[]),
        Ok(vec![(0, 0), (2, 0), (1, 5)])
    );
    let answer = sessions.answer(id, vec![read(0, 1, 0), read(2, 0, 0), read(1, 0, 0)]);
    assert_eq!(numbers(&answer), [] as [i32; 0]);
}

#[test]
fn an_error_is_told_and_its_end_too() {
    let mut sessions = sessions(9);
    let id = begin(&mut sessions, 0, true, 1);
    sessions.told_all(id, &[read(0, 4, 0)]);
    let mut refused = read(0, -1, 0);
    refused.error = ErrorCode::NotLeaderOrFollower;
    for answer in [refused.clone(), refused, read(0, 4, 0)] {
        assert_eq!(numbers(&sessions.answer(id, vec![answer])), [0]);
    }
    assert_eq!(
        numbers(&sessions.answer(id, vec![read(0, 4, 0)])),
        [] as [i32; 0]
    );
}

#[test]
fn ids_and_epochs_have_to_fit() {
    let mut sessions = sessions(9);
    let id = begin(&mut sessions, 0, true, 1);
    let unknown = Err(ErrorCode::FetchSessionIdNotFound);
    assert_eq!(enter(&mut sessions, (id ^ 1, 1), &[]), unknown);
    let wrong = Err(ErrorCode::InvalidFetchSessionEpoch);
    assert_eq!(enter(&mut sessions, (id, 2), &[]), wrong);
    assert!(enter(&mut sessions, (id, 1), &[]).is_ok());
    assert_eq!(enter(&mut sessions, (id, 1), &[]), wrong);
    // Another full request ends it.
    assert!(enter(&mut sessions, (id, 0), &[(0, 0)]).is_ok());
    assert_eq!(enter(&mut sessions, (id, 2), &[]), unknown);
}

#[test]
fn a_full_cache_makes_room_for_what_is_worth_more() {
    let two_minutes = 120_001;
    let full = |first_follower| {
        let mut sessions = sessions(1);
        assert_ne!(begin(&mut sessions, 0, first_follower, 2), 0);
        sessions
    };
    // A follower's session may have the place of a consumer's at once; nobody else's.
    assert_ne!(begin(&mut full(false), 1, true, 1), 0);
    assert_eq!(begin(&mut full(false), 1, false, 9), 0);
    assert_eq!(begin(&mut full(true), 1, true, 9), 0);
    // One that was not used for two minutes goes for anybody.
    assert_ne!(begin(&mut full(true), two_minutes, false, 1), 0);
    // One that is old and in use goes for one with more partitions.
    let used = |at| {
        let mut sessions = full(true);
        let id = *sessions.sessions.keys().next().unwrap();
        sessions.enter(
            &mut Replicas::default(),
            Timestamp::from_millis(at),
            &mut request((id, 1), true, &[]),
        );
        sessions
    };
    assert_eq!(begin(&mut used(two_minutes), two_minutes, true, 1), 0);
    assert_ne!(begin(&mut used(two_minutes), two_minutes, true, 3), 0);
    assert_eq!(begin(&mut used(two_minutes), two_minutes, false, 3), 0);
}

#[test]
fn a_session_without_partitions_ends() {
    let mut sessions = sessions(9);
    let partition_zero = id(0);
    let id = begin(&mut sessions, 0, true, 1);
    let mut last = request((id, 1), true, &[]);
    last.session.forgotten.push(partition_zero);
    assert!(matches!(
        sessions.enter(&mut Replicas::default(), Timestamp::ZERO, &mut last),
        Context::Full(0)
    ));
    let unknown = Err(ErrorCode::FetchSessionIdNotFound);
    assert_eq!(enter(&mut sessions, (id, 2), &[]), unknown);
}

/// A session of a follower over two partitions that have been told of and rest, with a fetch that waits.
fn resting(sessions: &mut FetchSessions, ticket: Ticket) -> SessionId {
    let session = begin(sessions, 0, true, 2);
    sessions.told_all(session, &[read(0, 5, 0), read(1, 5, 0)]);
    assert_eq!(
        enter(sessions, (session, 1), &[]).unwrap(),
        [(0, 0), (1, 0)]
    );
    for number in 0..2 {
        sessions.rest(session, &id(number), (Offset(5), Offset(0)));
    }
    sessions.parked(session, ticket);
    session
}

#[test]
fn what_rests_is_read_again_when_something_happens_to_it() {
    let mut sessions = sessions(9);
    let session = resting(&mut sessions, 7);
    assert_eq!(sessions.awake(session).unwrap(), []);
    sessions.rouse(
        &mut Replicas::default(),
        &TopicPartition::new("elsewhere", 1),
    );
    assert_eq!(sessions.awake(session).unwrap(), []);
    sessions.rouse(&mut Replicas::default(), &TopicPartition::new("t", 1));
    let awake = sessions.awake(session).unwrap();
    assert_eq!(awake.len(), 1);
    assert_eq!(awake[0].partition, id(1));
    assert_eq!(sessions.roused, [(TopicPartition::new("t", 1), 7)]);
}

#[test]
fn a_partition_of_which_there_is_something_to_tell_does_not_rest() {
    let mut sessions = sessions(9);
    let session = begin(&mut sessions, 0, true, 1);
    sessions.told_all(session, &[read(0, 5, 0)]);
    sessions.rest(session, &id(0), (Offset(6), Offset(0)));
    assert_eq!(sessions.awake(session).unwrap().len(), 1);
    sessions.rest(session, &id(0), (Offset(5), Offset(0)));
    assert_eq!(sessions.awake(session).unwrap().len(), 0);
}

#[test]
fn another_fetcher_that_names_a_partition_wakes_who_waits_for_it() {
    let mut sessions = sessions(9);
    let waiting = resting(&mut sessions, 7);
    let other = begin(&mut sessions, 0, true, 2);
    assert!(enter(&mut sessions, (other, 1), &[(1, 4)]).is_ok());
    assert_eq!(sessions.roused, [(TopicPartition::new("t", 1), 7)]);
    assert_eq!(sessions.awake(waiting).unwrap().len(), 1);
}

#[test]
fn a_fetch_that_waits_in_a_session_that_ends_wants_everything() {
    let mut sessions = sessions(9);
    let session = resting(&mut sessions, 7);
    // It begins anew.
    assert!(enter(&mut sessions, (session, 0), &[(0, 0)]).is_ok());
    let (ticket, wanted) = sessions.ended.remove(0);
    assert_eq!((ticket, wanted.len()), (7, 2));
    assert!(sessions.resting.is_empty());
    assert_eq!(sessions.awake(session), None);
}
