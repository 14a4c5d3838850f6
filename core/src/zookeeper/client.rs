//! A client of ZooKeeper: one session over one connection at a time.
//!
//! | from | to | when |
//! |---|---|---|
//! | connecting | connected | the server says which session and timeout hold; watches are set again |
//! | connected | connecting, next server | the connection ends, or nothing comes for two thirds of the timeout |
//! | connecting | expired | the server says that the session has ended |
//! | expired | connecting | its owner begins another session |
//!
//! Rules:
//! - What was sent when a connection ends is answered with ConnectionLoss: it may have been done. What was
//!   not sent waits for the next connection.
//! - Only a server can say that a session has ended. A client without a connection does not know.
//! - The servers are tried in an order drawn at the start; after each round of them a second goes by.
//! - The session is shared by the threads of its owner: answers come in the order of what a server got.
//! - A ping is sent when nothing was sent for a third of the timeout.
//!
//! Simplified: Kafka answers its own callers on a thread for events; here they come as notices, in order.
//! Source: ZooKeeper `ClientCnxn.SendThread`, `StaticHostProvider.next`, `ZKWatchManager`; Kafka
//! `ZooKeeperClient`, `KafkaZkClient.retryRequestsUntilConnected`.
//! Next: `core/src/broker`.

use super::{Happened, SessionId, ZooKeeperError, ZooKeeperId, Zxid};
use crate::channel::{Backoff, Channel, Connector};
use crate::id::{ConnectionId, CorrelationId, NodeId};
use crate::machine::Effects;
use crate::message::{
    Answer, Operation, PUSHED, Refusal, Request, SetWatches, ZooKeeperRequest, ZooKeeperResponse,
};
use crate::random::Random;
use crate::time::{Timestamp, earliest};
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

/// After a round of all servers.
const ROUND: Duration = Duration::from_secs(1);
const AT_ONCE: Backoff = Backoff {
    initial: Duration::ZERO,
    max: Duration::ZERO,
};

/// What a client tells its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice<T> {
    /// There is a connection. `session` is new if the owner asked for a new one.
    Connected {
        /// The session.
        session: SessionId,
    },
    /// The connection ended; the session may go on.
    Disconnected,
    /// The session has ended, and its ephemeral znodes with it.
    Expired,
    /// An operation ended.
    Answered {
        /// What the owner gave with it.
        tag: T,
        /// The answer.
        result: Result<Answer, Refusal>,
    },
    /// A watch told.
    Event {
        /// What happened.
        happened: Happened,
        /// To which znode.
        path: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Connecting,
    Connected,
    Expired,
}

/// What a request was.
#[derive(Clone, Debug)]
enum Tag<T> {
    Connect,
    Housekeeping,
    Operation(T, Option<Watch>),
}

/// A watch that an operation sets when it is answered.
#[derive(Clone, Debug)]
enum Watch {
    Data(String),
    Exists(String),
    Children(String),
}

/// A client. `T` is what its owner wants to remember of each operation.
#[derive(Clone, Debug)]
pub struct Client<T> {
    servers: Vec<ZooKeeperId>,
    /// How many were tried since the last connection.
    tried: usize,
    next: usize,
    channel: Option<Channel<Tag<T>>>,
    state: State,
    session: Option<SessionId>,
    /// What was asked for, then what holds.
    timeout: Duration,
    last_zxid: Zxid,
    heard_at: Timestamp,
    sent_at: Timestamp,
    connect_at: Option<Timestamp>,
    waiting: VecDeque<(Operation, T)>,
    watches: SetWatches,
    random: Random,
}

impl<T> Client<T> {
    /// A client of these servers, of which there is at least one. `random` is its process's; nothing is
    /// drawn from it.
    pub fn new(mut servers: Vec<ZooKeeperId>, timeout: Duration, random: &Random) -> Self {
        let mut random = random.part("zookeeper");
        for last in (1..servers.len()).rev() {
            let other = random.below(last as u64 + 1);
            servers.swap(last, usize::try_from(other).unwrap_or(0));
        }
        Self {
            servers,
            tried: 0,
            next: 0,
            channel: None,
            state: State::Connecting,
            session: None,
            timeout,
            last_zxid: Zxid::ZERO,
            heard_at: Timestamp::ZERO,
            sent_at: Timestamp::ZERO,
            connect_at: Some(Timestamp::ZERO),
            waiting: VecDeque::new(),
            watches: SetWatches::default(),
            random,
        }
    }

    /// The session, if there is one.
    pub fn session(&self) -> Option<SessionId> {
        self.session
    }

    /// Whether there is a connection with a session.
    pub fn is_connected(&self) -> bool {
        self.state == State::Connected
    }

    /// Begins another session. What waits to be sent stays.
    pub fn renew(&mut self, now: Timestamp, timeout: Duration) {
        self.state = State::Connecting;
        self.session = None;
        self.timeout = timeout;
        self.watches = SetWatches::default();
        self.connect_at = Some(now);
    }

    /// Forgets what waits to be sent, but for what its owner wants to keep.
    pub fn keep_waiting(&mut self, wanted: impl Fn(&T) -> bool) {
        self.waiting.retain(|(_, tag)| wanted(tag));
    }

    /// Sends an operation, or has it wait for a connection.
    pub fn submit(
        &mut self,
        now: Timestamp,
        connector: &mut Connector,
        operation: Operation,
        tag: T,
        out: &mut Effects,
    ) {
        if self.state != State::Connected {
            self.waiting.push_back((operation, tag));
            return;
        }
        let tag = Tag::Operation(tag, watch_of(&operation));
        let request = ZooKeeperRequest::Operation(operation);
        self.send(now, connector, request, tag, out);
    }

    /// Ends the session.
    pub fn close(&mut self, now: Timestamp, connector: &mut Connector, out: &mut Effects) {
        if self.state == State::Connected {
            self.send(
                now,
                connector,
                ZooKeeperRequest::Close,
                Tag::Housekeeping,
                out,
            );
        }
    }

    fn send(
        &mut self,
        now: Timestamp,
        connector: &mut Connector,
        request: ZooKeeperRequest,
        tag: Tag<T>,
        out: &mut Effects,
    ) {
        if let Some(channel) = &mut self.channel {
            self.sent_at = now;
            let request = Request::ZooKeeper(request);
            channel.send(now, connector, request, Duration::MAX, tag, out);
        }
    }

    /// Tries the next server.
    fn connect(&mut self, now: Timestamp, connector: &mut Connector, out: &mut Effects) {
        self.connect_at = None;
        let Some(server) = self.servers.get(self.next).copied() else {
            return;
        };
        self.next = (self.next + 1) % self.servers.len();
        self.tried += 1;
        self.channel = Some(Channel::new(NodeId::ZooKeeper(server)));
        self.heard_at = now;
        let request = ZooKeeperRequest::Connect {
            session: self.session,
            timeout: self.timeout,
            last_zxid_seen: self.last_zxid,
        };
        self.send(now, connector, request, Tag::Connect, out);
    }

    /// Whether this is the client's connection now.
    pub fn owns(&self, connection: ConnectionId) -> bool {
        let channel = self.channel.as_ref();
        channel.is_some_and(|channel| channel.owns(connection))
    }

    /// A connection is established.
    pub fn connected(&mut self, connection: ConnectionId) {
        if let Some(channel) = &mut self.channel {
            channel.connected(connection);
        }
    }

    /// The connection ended.
    pub fn disconnected(&mut self, now: Timestamp, connection: ConnectionId) -> Vec<Notice<T>> {
        let random = &mut self.random;
        match &mut self.channel {
            Some(channel) if channel.owns(connection) => {
                let tags = channel.disconnected(connection, now, AT_ONCE, random);
                self.lost(now, tags)
            }
            _ => Vec::new(),
        }
    }

    fn lost(&mut self, now: Timestamp, tags: Vec<Tag<T>>) -> Vec<Notice<T>> {
        self.channel = None;
        let before = self.state;
        if self.state == State::Connected {
            self.state = State::Connecting;
        }
        if self.state == State::Connecting {
            let wait = if self.tried >= self.servers.len() {
                self.tried = 0;
                ROUND
            } else {
                Duration::ZERO
            };
            self.connect_at = Some(now + wait);
        }
        let refusal = Refusal {
            error: ZooKeeperError::ConnectionLoss,
            index: 0,
        };
        let mut notices = Vec::new();
        if before == State::Connected {
            notices.push(Notice::Disconnected);
        }
        for tag in tags {
            if let Tag::Operation(tag, _) = tag {
                let result = Err(refusal);
                notices.push(Notice::Answered { tag, result });
            }
        }
        notices
    }

    /// When it wants waking.
    pub fn deadline(&self) -> Option<Timestamp> {
        let Some(channel) = &self.channel else {
            return self.connect_at;
        };
        let ping = (self.state == State::Connected).then(|| self.sent_at + self.timeout / 3);
        earliest(
            ping,
            earliest(Some(self.silent_at()), channel.next_deadline()),
        )
    }

    /// The connection is given up then.
    fn silent_at(&self) -> Timestamp {
        let servers = u32::try_from(self.servers.len()).unwrap_or(1).max(1);
        match self.state {
            State::Connected => self.heard_at + self.timeout * 2 / 3,
            State::Connecting | State::Expired => self.heard_at + self.timeout / servers,
        }
    }

    /// A deadline may have come.
    pub fn timer(
        &mut self,
        now: Timestamp,
        connector: &mut Connector,
        out: &mut Effects,
    ) -> Vec<Notice<T>> {
        if self.connect_at.is_some_and(|at| now >= at) {
            self.connect(now, connector, out);
            return Vec::new();
        }
        let silent = now >= self.silent_at();
        let random = &mut self.random;
        let Some(channel) = &mut self.channel else {
            return Vec::new();
        };
        let ended = if silent {
            Some(channel.close(now, AT_ONCE, random, out))
        } else {
            channel.expire(now, AT_ONCE, random, out)
        };
        if let Some(tags) = ended {
            return self.lost(now, tags);
        }
        if self.state == State::Connected && now >= self.sent_at + self.timeout / 3 {
            self.send(
                now,
                connector,
                ZooKeeperRequest::Ping,
                Tag::Housekeeping,
                out,
            );
        }
        Vec::new()
    }

    /// A server says something.
    pub fn response(
        &mut self,
        now: Timestamp,
        (connection, correlation): (ConnectionId, CorrelationId),
        response: ZooKeeperResponse,
        connector: &mut Connector,
        out: &mut Effects,
    ) -> Vec<Notice<T>> {
        if !self.owns(connection) {
            return Vec::new();
        }
        self.heard_at = now;
        if correlation == PUSHED {
            if let ZooKeeperResponse::Event { happened, path } = response {
                self.told(happened, &path);
                return vec![Notice::Event { happened, path }];
            }
            return Vec::new();
        }
        let channel = self.channel.as_mut();
        let tag = channel.and_then(|one| one.answered_in_any_order(connection, correlation));
        match (tag, response) {
            (Some(Tag::Connect), ZooKeeperResponse::Connected { session, timeout }) => {
                self.established(now, (session, timeout), connector, out);
                vec![Notice::Connected { session }]
            }
            (Some(Tag::Connect), _) => {
                self.state = State::Expired;
                self.session = None;
                self.channel = None;
                vec![Notice::Expired]
            }
            (Some(Tag::Operation(tag, watch)), ZooKeeperResponse::Reply { zxid, result }) => {
                self.last_zxid = self.last_zxid.max(zxid);
                self.watched(watch, &result);
                vec![Notice::Answered { tag, result }]
            }
            (_, ZooKeeperResponse::Reply { zxid, .. }) => {
                self.last_zxid = self.last_zxid.max(zxid);
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    fn established(
        &mut self,
        now: Timestamp,
        (session, timeout): (SessionId, Duration),
        connector: &mut Connector,
        out: &mut Effects,
    ) {
        self.state = State::Connected;
        self.session = Some(session);
        self.timeout = timeout;
        self.tried = 0;
        let watches = &mut self.watches;
        watches.since = self.last_zxid;
        if !(watches.data.is_empty() && watches.exists.is_empty() && watches.children.is_empty()) {
            let request = ZooKeeperRequest::SetWatches(watches.clone());
            self.send(now, connector, request, Tag::Housekeeping, out);
        }
        for (operation, tag) in std::mem::take(&mut self.waiting) {
            self.submit(now, connector, operation, tag, out);
        }
    }

    /// An operation with a watch was answered.
    fn watched(&mut self, watch: Option<Watch>, result: &Result<Answer, Refusal>) {
        let Ok(answer) = result else { return };
        let watches = &mut self.watches;
        let (list, path) = match (watch, answer) {
            (Some(Watch::Exists(path)), Answer::Exists(None)) => (&mut watches.exists, path),
            (Some(Watch::Exists(path) | Watch::Data(path)), _) => (&mut watches.data, path),
            (Some(Watch::Children(path)), _) => (&mut watches.children, path),
            (None, _) => return,
        };
        if !list.contains(&path) {
            list.push(path);
        }
    }

    /// A watch told: it is gone.
    fn told(&mut self, happened: Happened, path: &str) {
        let watches = &mut self.watches;
        let lists: &mut [&mut Vec<String>] = match happened {
            Happened::Created | Happened::DataChanged => {
                &mut [&mut watches.data, &mut watches.exists]
            }
            Happened::ChildrenChanged => &mut [&mut watches.children],
            Happened::Deleted => &mut [
                &mut watches.data,
                &mut watches.exists,
                &mut watches.children,
            ],
        };
        for list in lists {
            list.retain(|other| other != path);
        }
    }

    /// The znodes that are watched, for tests and reports.
    pub fn watching(&self) -> BTreeSet<&str> {
        let watches = &self.watches;
        let all = watches.data.iter().chain(&watches.exists);
        all.chain(&watches.children).map(String::as_str).collect()
    }
}

fn watch_of(operation: &Operation) -> Option<Watch> {
    match operation {
        Operation::GetData { path, watch: true } => Some(Watch::Data(path.clone())),
        Operation::Exists { path, watch: true } => Some(Watch::Exists(path.clone())),
        Operation::GetChildren { path, watch: true } => Some(Watch::Children(path.clone())),
        _ => None,
    }
}
