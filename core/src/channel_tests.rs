//! A connection's opening, and what proves it.

use super::*;
use crate::id::{BrokerId, ClientId};
use crate::message::MetadataRequest;

const BACKOFF: Backoff = Backoff {
    initial: Duration::from_millis(50),
    max: Duration::from_millis(1_000),
};

struct Client {
    channel: Channel<u8>,
    connector: Connector,
    random: Random,
    out: Effects,
}

impl Client {
    fn new() -> Self {
        let random = Random::stream(1, "client");
        let node = NodeId::Client(ClientId(1));
        Self {
            channel: Channel::new(NodeId::Broker(BrokerId(1))),
            connector: Connector::new(node, Incarnation(0), Connector::SETUP, &random),
            random,
            out: Effects::new(),
        }
    }

    fn send(&mut self, now: Timestamp) -> ConnectionId {
        let request = Request::Metadata(MetadataRequest {
            topics: None,
            allow_auto_topic_creation: false,
        });
        let timeout = Duration::from_secs(60);
        let (connector, out) = (&mut self.connector, &mut self.out);
        self.channel.send(now, connector, request, timeout, 7, out);
        self.channel.connection.unwrap()
    }

    /// Lets the next deadline come; how long that took, in seconds.
    fn expire(&mut self, now: Timestamp) -> u64 {
        let at = self.channel.next_deadline().unwrap();
        let lost = self
            .channel
            .expire(at, BACKOFF, &mut self.random, &mut self.out);
        assert_eq!(lost, Some(vec![7]));
        assert_eq!(self.channel.tried_at(), Some(at));
        at.since(now).as_secs()
    }
}

#[test]
fn a_connection_must_open_in_time() {
    let mut client = Client::new();
    let mut now = Timestamp::ZERO;
    for range in [8..=12, 16..=24, 24..=30, 24..=30] {
        client.send(now);
        assert!(client.channel.is_opening());
        let took = client.expire(now);
        assert!(range.contains(&took), "{took}");
        assert!(!client.channel.is_opening());
        now = now + Duration::from_secs(100);
    }
    // Once one was established, the next one begins with the short time again.
    let connection = client.send(now);
    client.channel.connected(connection);
    assert!(client.channel.is_established());
    assert_eq!(client.expire(now), 60, "the request's own timeout");
    now = now + Duration::from_secs(100);
    client.send(now);
    assert!((8..=12).contains(&client.expire(now)));
}

#[test]
fn an_answer_proves_more_than_a_handshake() {
    let mut client = Client::new();
    let connection = client.send(Timestamp::ZERO);
    client.channel.connected(connection);
    assert!(client.channel.is_established() && !client.channel.is_proven());
    let tag = client.channel.answered(connection, CorrelationId(0));
    assert_eq!(tag, Some(7));
    assert!(client.channel.is_proven());
    let mut other = connection;
    other.number += 1;
    client.channel.connected(other);
    let (now, random) = (Timestamp::ZERO, &mut client.random);
    let lost = client
        .channel
        .disconnected(connection, now, BACKOFF, random);
    assert!(lost.is_empty());
    assert!(!client.channel.is_established());
}

#[test]
fn where_threads_share_a_connection_answers_come_in_any_order() {
    let mut client = Client::new();
    let connection = client.send(Timestamp::ZERO);
    client.send(Timestamp::ZERO);
    let channel = &mut client.channel;
    let [first, second] = [0, 1].map(|place| channel.in_flight[place].correlation);
    assert_eq!(channel.clone().answered(connection, second), None);
    assert_eq!(channel.answered_in_any_order(connection, second), Some(7));
    assert_eq!(channel.answered_in_any_order(connection, second), None);
    assert_eq!(channel.answered_in_any_order(connection, first), Some(7));
}
