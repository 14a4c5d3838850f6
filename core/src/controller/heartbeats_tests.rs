//! Transitions of a broker, and sessions.

use super::*;
use BrokerState::{ControlledShutdown, Fenced, ShutdownNow, Unfenced};

const BROKER: BrokerId = BrokerId(1);

fn heartbeat(offset: i64, want_fence: bool, want_shutdown: bool) -> BrokerHeartbeatRequest {
    BrokerHeartbeatRequest {
        broker: BROKER,
        broker_epoch: BrokerEpoch(0),
        current_metadata_offset: Some(Offset(offset)),
        want_fence,
        want_shutdown,
        offline_log_dirs: Vec::new(),
    }
}

fn heartbeats() -> Heartbeats {
    Heartbeats::new(Duration::from_secs(9), true)
}

#[test]
fn before_kafka_17793_a_fenced_broker_has_no_session() {
    for outlives in [false, true] {
        let mut heartbeats = Heartbeats::new(Duration::from_secs(9), outlives);
        let key = (BrokerId(1), BrokerEpoch(7));
        heartbeats.register(key.0, false);
        heartbeats.contact(key.0, key.1, Timestamp::ZERO);
        assert!(heartbeats.has_session(key.0, key.1, Timestamp::from_millis(1)));
        heartbeats.called();
        heartbeats.fence(key.0);
        assert_eq!(
            heartbeats.has_session(key.0, key.1, Timestamp::from_millis(1)),
            outlives
        );
        let expired = heartbeats.take_expired(Timestamp::from_millis(10_000));
        assert_eq!(expired, outlives.then_some(key));
    }
}

#[test]
fn before_kafka_17793_sessions_expire_only_once_a_broker_has_called() {
    let expired = |outlives: bool, called: bool| {
        let mut heartbeats = Heartbeats::new(Duration::from_secs(9), outlives);
        for id in [1, 2, 3] {
            heartbeats.register(BrokerId(id), false);
            let at = Timestamp::from_millis(if id == 3 { 1 } else { 0 });
            heartbeats.contact(BrokerId(id), BrokerEpoch(7), at);
        }
        if called {
            heartbeats.called();
        }
        let late = Timestamp::from_millis(10_000);
        let all = std::iter::from_fn(|| heartbeats.take_expired(late));
        all.map(|(broker, _)| broker.0).collect::<Vec<_>>()
    };
    assert_eq!(expired(true, false), [1, 2, 3]);
    assert_eq!(expired(false, false), [0; 0]);
    assert_eq!(expired(false, true), [2, 1, 3], "as on a real 3.3.2");
}

#[test]
fn before_kafka_17793_the_oldest_session_says_when_to_look() {
    for outlives in [true, false] {
        let mut heartbeats = Heartbeats::new(Duration::from_secs(9), outlives);
        for id in [1, 2] {
            heartbeats.register(BrokerId(id), false);
            let at = Timestamp::from_millis(u64::from(id.unsigned_abs()));
            heartbeats.contact(BrokerId(id), BrokerEpoch(7), at);
        }
        let nobody_has_called = (!outlives).then_some(Timestamp::NEVER);
        assert_eq!(heartbeats.next_check(), nobody_has_called);
        heartbeats.called();
        let oldest = heartbeats.next_check();
        assert_eq!(oldest, (!outlives).then_some(Timestamp(9_001_001)));
        if let Some(at) = oldest {
            let expired = heartbeats.take_expired(at).map(|(broker, _)| broker);
            assert_eq!(expired, Some(BrokerId(1)));
            assert!(heartbeats.next_check() > oldest, "it does not look in vain");
        }
    }
}

#[test]
fn states_follow_the_table() {
    let fenced = {
        let mut heartbeats = heartbeats();
        heartbeats.register(BROKER, true);
        heartbeats
    };
    let unfenced = {
        let mut heartbeats = heartbeats();
        heartbeats.register(BROKER, false);
        heartbeats
    };
    let stopping = {
        let mut heartbeats = unfenced.clone();
        heartbeats.set_controlled_shutdown_offset(BROKER, Offset(20));
        heartbeats
    };
    let lagging = {
        let mut heartbeats = stopping.clone();
        heartbeats.touch(BrokerId(2), false, Some(Offset(19)));
        heartbeats
    };
    let caught_up = {
        let mut heartbeats = stopping.clone();
        heartbeats.touch(BrokerId(2), false, Some(Offset(20)));
        heartbeats
    };
    // state, applied offset, wants fence, wants shutdown, leads -> next; registered at 10
    let table: [(&Heartbeats, i64, bool, bool, bool, BrokerState); 15] = [
        (&fenced, 10, false, false, false, Unfenced),
        (&fenced, 9, false, false, false, Fenced),
        (&fenced, 10, true, false, false, Fenced),
        (&fenced, 10, false, true, false, ShutdownNow),
        (&fenced, 9, true, true, true, ShutdownNow),
        (&unfenced, 10, false, false, true, Unfenced),
        (&unfenced, 10, true, false, true, Fenced),
        (&unfenced, 10, true, true, true, ShutdownNow),
        (&unfenced, 10, false, true, true, ControlledShutdown),
        (&unfenced, 10, false, true, false, ShutdownNow),
        (&stopping, 10, false, true, true, ControlledShutdown),
        (&stopping, 10, false, true, false, ShutdownNow),
        (&stopping, 10, false, false, false, ShutdownNow),
        (&lagging, 10, false, true, false, ControlledShutdown),
        (&caught_up, 10, false, true, false, ShutdownNow),
    ];
    for (row, (heartbeats, offset, fence, stop, leads, next)) in table.into_iter().enumerate() {
        let request = heartbeat(offset, fence, stop);
        assert_eq!(
            heartbeats.next_state(&request, Offset(10), leads),
            next,
            "row {row}"
        );
    }
}

#[test]
fn the_end_of_the_moves_is_remembered_once_and_forgotten_when_fenced() {
    let mut heartbeats = heartbeats();
    heartbeats.register(BROKER, false);
    heartbeats.set_controlled_shutdown_offset(BROKER, Offset(20));
    heartbeats.set_controlled_shutdown_offset(BROKER, Offset(30));
    heartbeats.touch(BrokerId(2), false, Some(Offset(25)));
    let stop = heartbeat(5, false, true);
    assert_eq!(heartbeats.next_state(&stop, Offset(0), false), ShutdownNow);
    assert_eq!(
        heartbeats.usable().collect::<Vec<_>>(),
        [(BrokerId(2), false)]
    );
    heartbeats.touch(BROKER, true, None);
    assert_eq!(heartbeats.state(BROKER), Fenced);
}

#[test]
fn a_session_ends_after_its_timeout_and_one_at_a_time_is_taken() {
    let mut heartbeats = heartbeats();
    heartbeats.contact(BROKER, BrokerEpoch(5), Timestamp::from_millis(0));
    heartbeats.contact(BrokerId(2), BrokerEpoch(6), Timestamp::from_millis(0));
    let end = Timestamp::from_millis(9_000);
    assert!(heartbeats.has_session(BROKER, BrokerEpoch(5), end));
    assert!(!heartbeats.has_session(BROKER, BrokerEpoch(4), end));
    assert_eq!(heartbeats.take_expired(end), None);
    let after = Timestamp::from_millis(9_001);
    assert!(!heartbeats.has_session(BROKER, BrokerEpoch(5), after));
    assert_eq!(
        heartbeats.take_expired(after),
        Some((BROKER, BrokerEpoch(5)))
    );
    assert_eq!(
        heartbeats.take_expired(after),
        Some((BrokerId(2), BrokerEpoch(6)))
    );
    assert_eq!(heartbeats.take_expired(after), None);
}
