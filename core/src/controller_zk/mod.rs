//! The controller of a cluster with ZooKeeper: one of the brokers, next to what it does as a broker.
//!
//! | file | what it is |
//! |---|---|
//! | `znodes.rs` | Kafka's znodes: paths, and what stands in them |
//! | `records.rs` | what a transaction of ZooKeeper means, for the history |
//! | `elector.rs` | which broker is the controller, in which epoch; its writes |
//! | `leaders.rs` | who leads a partition, by the kind of election |
//! | `context.rs` | what the controller keeps in its memory |
//! | `batch.rs`, `channels.rs` | its requests to brokers |
//! | `task.rs` | the steps of its work, and what each asks of ZooKeeper |
//! | `assignment.rs` | which brokers have a partition, and a move of it that is under way |
//! | `placement.rs` | which brokers a new partition is given |
//! | `failover.rs`, `membership.rs`, `topics.rs`, `partitions.rs`, `deletion.rs`, `elections.rs`, `isr.rs`, `log_dirs.rs`, `reassignment.rs`, `admin.rs` | what follows from each answer |
//!
//! Rules:
//! - Events wait in one queue. One at a time is worked on, in steps; a step that asks ZooKeeper waits for all
//!   its answers, and with it all events behind it.
//! - A controller that has been replaced, or whose session has ended, goes on with what it is doing until it
//!   learns of it. With KAFKA-6082 its next write tells it; before, its writes are done.
//! - When its session ends, what waits in the queue is dropped and it resigns. Before 1.1 the event that it
//!   works on goes on, in the session after, and only then it resigns; since then a call that waits ends with
//!   the session (KAFKA-5642).
//!
//! Invariants: at most one step asks at a time; each request is answered once, or its connection is gone.
//!
//! Simplified: no features. An event that began while the
//! session was there does not hold up the session after it.
//! Source: `KafkaController`, `ControllerEventManager`, `KafkaZkClient.retryRequestsUntilConnected`,
//! `ZooKeeperClient.waitUntilConnected` (which fails when the session has ended).
//! Next: `elector.rs`, then `task.rs`.

mod admin;
pub(crate) mod assignment;
pub(crate) mod batch;
pub(crate) mod channels;
pub(crate) mod context;
mod deletion;
mod elections;
pub mod elector;
mod failover;
mod isr;
pub mod leaders;
mod log_dirs;
mod membership;
mod partitions;
mod placement;
mod reassignment;
pub mod records;
mod task;
mod topics;
pub mod znodes;

use crate::config::{ControllerConfig, TopicConfig};
use crate::error::ErrorCode;
use crate::event::Event;
use crate::id::{BrokerId, ConnectionId, CorrelationId, TopicName, TopicPartition};
use crate::machine::ReplyTo;
use crate::message::{Answer, Change, Operation, Refusal, Request, Response};
use crate::offset::LeaderEpoch;
use crate::random::Random;
use crate::rules::Rules;
use crate::time::{Timestamp, earliest};
use crate::zookeeper::Happened;
use batch::Batch;
use channels::{Channels, Wire};
use context::Context;
use elector::{Ask, Elector, Step};
use std::collections::VecDeque;
use std::time::Duration;
use task::Task;
use znodes::{
    BROKER_IDS, CONTROLLER, DELETE_TOPICS, ISR_CHANGE_NOTIFICATION, LOG_DIR_EVENT_NOTIFICATION,
    TOPICS,
};

/// A new controller looks for the first time after this whether leaderships are balanced.
const FIRST_BALANCE: Duration = Duration::from_secs(5);

/// Whose answer it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tag {
    /// The elector's.
    Elector(Ask),
    /// The step's under way, if it is still that one.
    Task {
        /// Of which step.
        number: u64,
        /// Which of its answers.
        index: usize,
    },
}

/// What the controller has to deal with.
#[derive(Clone, Debug)]
pub(super) enum Happening {
    /// It was elected.
    Failover,
    /// Brokers came or went.
    Brokers,
    /// Topics came or went.
    Topics,
    /// Topics shall be deleted.
    Deletions,
    /// Somebody has set a topic's znode: it may have more partitions.
    Partitions(TopicName),
    /// Leaders changed ISRs.
    IsrChanges,
    /// Brokers have lost log directories.
    LogDirEvents,
    /// A broker has answered a LeaderAndIsr about these partitions, and that some are in a lost directory.
    Told(BrokerId, Vec<TopicPartition>, Vec<TopicPartition>),
    /// A broker or an operator asks.
    Request(ReplyTo, Box<Request>),
    /// The state of a partition that moves was written (before KIP-497).
    State(TopicPartition),
    /// A broker has deleted these replicas of topics that go, and could not delete those.
    Deleted(BrokerId, Vec<TopicPartition>, Vec<TopicPartition>),
    /// Leaderships may be out of balance.
    Balance,
    /// Unclean elections are allowed now.
    Unclean(Option<TopicName>),
}

/// A step that waits for answers.
#[derive(Clone, Debug)]
struct Waiting {
    task: Task,
    number: u64,
    answers: Vec<Option<Reply>>,
}

/// What ZooKeeper answers.
pub(super) type Reply = Result<Answer, Refusal>;

/// The controller's part of a broker, whether it is elected or not.
#[derive(Clone, Debug)]
pub(crate) struct ControllerZk {
    pub(super) id: BrokerId,
    pub(super) rules: Rules,
    pub(super) config: ControllerConfig,
    /// What topics have that have no settings of their own.
    pub(super) topic_defaults: TopicConfig,
    pub(super) random: Random,
    pub(super) elector: Elector,
    pub(super) context: Context,
    pub(super) batch: Batch,
    pub(super) channels: Channels,
    events: VecDeque<Happening>,
    tasks: VecDeque<Task>,
    waiting: Option<Waiting>,
    steps: u64,
    /// Its session has ended, and it still works on an event.
    expired: bool,
    /// It has a session and may stand, when it has resigned.
    stands: bool,
    /// Requests without an answer, and how each is refused when it resigns.
    open: Vec<(ReplyTo, Response)>,
    operations: Vec<(Operation, Tag)>,
    balance_at: Option<Timestamp>,
}

/// What a broker gives its controller with each call.
pub(crate) struct Env<'a> {
    pub(crate) wire: Wire<'a>,
    /// Its wall clock.
    pub(crate) wall: i64,
}

impl ControllerZk {
    /// Of a broker; not elected.
    pub(crate) fn new(
        id: BrokerId,
        rules: Rules,
        config: ControllerConfig,
        topic_defaults: TopicConfig,
        timeout: Duration,
        random: &Random,
    ) -> Self {
        Self {
            id,
            rules,
            config,
            topic_defaults,
            random: random.part("controller"),
            elector: Elector::new(id, rules.controller_epoch_fencing),
            context: Context::default(),
            batch: Batch::default(),
            channels: Channels::new(timeout),
            events: VecDeque::new(),
            tasks: VecDeque::new(),
            waiting: None,
            steps: 0,
            expired: false,
            stands: false,
            open: Vec::new(),
            operations: Vec::new(),
            balance_at: None,
        }
    }

    /// What ZooKeeper is to be asked, with whose answer it is.
    pub(crate) fn take_operations(&mut self) -> Vec<(Operation, Tag)> {
        std::mem::take(&mut self.operations)
    }

    /// It believes that it is the controller.
    pub(crate) fn is_active(&self) -> bool {
        self.elector.epoch().is_some()
    }

    /// The broker has registered in a session: it stands for election.
    pub(crate) fn stand(&mut self, env: &mut Env<'_>) {
        if self.expired {
            self.stands = true;
            return;
        }
        let steps = self.elector.stand();
        self.follow(steps, env);
    }

    /// The broker's session has ended.
    pub(crate) fn expire(&mut self, env: &mut Env<'_>) {
        self.refuse_waiting(env);
        self.events.clear();
        self.stands = false;
        self.expired = true;
        if self.rules.controller_stops_with_session {
            self.tasks.clear();
            self.waiting = None;
        }
        self.run(env);
    }

    /// A watch told.
    pub(crate) fn happened(&mut self, happened: Happened, path: &str, env: &mut Env<'_>) {
        let event = match path {
            CONTROLLER => {
                let steps = self.elector.happened(happened);
                return self.follow(steps, env);
            }
            BROKER_IDS => Happening::Brokers,
            TOPICS => Happening::Topics,
            DELETE_TOPICS => Happening::Deletions,
            ISR_CHANGE_NOTIFICATION => Happening::IsrChanges,
            LOG_DIR_EVENT_NOTIFICATION => Happening::LogDirEvents,
            path => match (znodes::partition_of(path), znodes::topic_of(path)) {
                (Some(partition), _) => Happening::State(partition),
                (None, Some(topic)) if happened == Happened::DataChanged => {
                    Happening::Partitions(topic)
                }
                _ => return,
            },
        };
        self.put(event, env);
    }

    /// Something the controller has to deal with; nothing if it is none.
    pub(super) fn put(&mut self, event: Happening, env: &mut Env<'_>) {
        if self.is_active() && !self.expired {
            self.events.push_back(event);
            self.run(env);
        }
    }

    /// What topics have from now on that have no settings of their own.
    pub(crate) fn set_topic_defaults(&mut self, defaults: TopicConfig) {
        self.topic_defaults = defaults;
    }

    /// Unclean elections are allowed from now on.
    pub(crate) fn allow_unclean(&mut self, topic: Option<TopicName>, env: &mut Env<'_>) {
        self.put(Happening::Unclean(topic), env);
    }

    /// ZooKeeper has answered.
    pub(crate) fn answered(&mut self, tag: Tag, result: Reply, env: &mut Env<'_>) {
        match tag {
            Tag::Elector(ask) => {
                let steps = self.elector.answered(ask, &result, env.wall);
                self.follow(steps, env);
            }
            Tag::Task { number, index } => {
                let Some(waiting) = self.waiting.as_mut().filter(|one| one.number == number) else {
                    return;
                };
                if let Some(answer) = waiting.answers.get_mut(index) {
                    *answer = Some(result);
                }
                if waiting.answers.iter().all(Option::is_some) {
                    self.step_done(env);
                }
            }
        }
    }

    fn step_done(&mut self, env: &mut Env<'_>) {
        let Some(waiting) = self.waiting.take() else {
            return;
        };
        let answers: Vec<Reply> = waiting.answers.into_iter().flatten().collect();
        if answers.iter().any(|answer| self.elector.is_moved(answer)) {
            let steps = self.elector.moved();
            return self.follow(steps, env);
        }
        self.finish(waiting.task, &answers, env);
        self.run(env);
    }

    /// Works on events until it has to wait.
    fn run(&mut self, env: &mut Env<'_>) {
        while self.waiting.is_none() {
            let Some(task) = self.tasks.pop_front() else {
                if self.expired {
                    return self.resign_late(env);
                }
                let Some(event) = self.events.pop_front() else {
                    return;
                };
                self.begin(event);
                continue;
            };
            let asked = self.ask(&task);
            if asked.is_empty() {
                self.finish(task, &[], env);
                continue;
            }
            self.steps += 1;
            let number = self.steps;
            self.waiting = Some(Waiting {
                task,
                number,
                answers: vec![None; asked.len()],
            });
            let asked = asked.into_iter().enumerate();
            let asked = asked.map(|(index, operation)| (operation, Tag::Task { number, index }));
            self.operations.extend(asked);
        }
    }

    /// Its session had ended, and what it worked on is done.
    fn resign_late(&mut self, env: &mut Env<'_>) {
        self.expired = false;
        let steps = self.elector.expired();
        self.follow(steps, env);
        if std::mem::take(&mut self.stands) {
            self.stand(env);
        }
    }

    /// Does what the elector says.
    fn follow(&mut self, steps: Vec<Step>, env: &mut Env<'_>) {
        for step in steps {
            match step {
                Step::Submit(operation, ask) => {
                    self.operations.push((operation, Tag::Elector(ask)));
                }
                Step::Elected { epoch } => {
                    let epoch = LeaderEpoch(epoch);
                    env.wire.out.observe(Event::ControllerActivated { epoch });
                    self.put(Happening::Failover, env);
                }
                Step::Resigned => self.resigned(env),
            }
        }
    }

    fn resigned(&mut self, env: &mut Env<'_>) {
        self.refuse_waiting(env);
        self.events.clear();
        self.tasks.clear();
        self.waiting = None;
        self.context = Context::default();
        self.batch = Batch::default();
        self.channels.clear(&mut env.wire);
        self.balance_at = None;
        if self.expired {
            self.resign_late(env);
        }
    }

    fn refuse_waiting(&mut self, env: &mut Env<'_>) {
        for (reply, refusal) in std::mem::take(&mut self.open) {
            env.wire.out.respond(reply, refusal);
        }
    }

    /// A broker or an operator asks.
    pub(crate) fn request(&mut self, reply: ReplyTo, request: Request, env: &mut Env<'_>) {
        let refusal = admin::refusal(&request, ErrorCode::NotController);
        if !self.is_active() || self.expired {
            return env.wire.out.respond(reply, refusal);
        }
        self.open.push((reply, refusal));
        self.put(Happening::Request(reply, Box::new(request)), env);
    }

    /// Answers a request.
    pub(super) fn answer(&mut self, reply: ReplyTo, response: Response, env: &mut Env<'_>) {
        let open = self.open.len();
        self.open.retain(|(other, _)| *other != reply);
        if self.open.len() < open {
            admin::observe(&response, reply.connection.client, env.wire.out);
            env.wire.out.respond(reply, response);
        }
    }

    /// A change as this controller writes it.
    pub(super) fn write(&self, change: Change) -> Operation {
        self.elector.write(change)
    }

    /// Its epoch; the last one known, if it is none.
    pub(super) fn epoch(&self) -> i32 {
        self.elector.epoch().unwrap_or(0)
    }

    /// Hands over what has gathered for the brokers.
    pub(super) fn send(&mut self, env: &mut Env<'_>) {
        let who = (self.id, self.epoch());
        for (broker, request) in self.batch.take(&self.context, who, &self.rules) {
            self.channels.push(broker, request, &mut env.wire);
        }
    }

    /// Whether a connection is one of the controller's.
    pub(crate) fn owns(&self, connection: ConnectionId) -> bool {
        self.channels.owns(connection)
    }

    /// A connection is established.
    pub(crate) fn connected(&mut self, connection: ConnectionId) {
        self.channels.connected(connection);
    }

    /// A connection has ended.
    pub(crate) fn disconnected(&mut self, connection: ConnectionId, env: &mut Env<'_>) {
        self.channels.disconnected(connection, &mut env.wire);
    }

    /// A broker has answered.
    pub(crate) fn response(
        &mut self,
        request: (ConnectionId, CorrelationId),
        response: &Response,
        env: &mut Env<'_>,
    ) {
        match (self.channels.answered(request, &mut env.wire), response) {
            (Some((broker, Request::StopReplica(asked))), Response::StopReplica(response)) => {
                let (mut deleted, mut failed) = (Vec::new(), Vec::new());
                for one in asked.body.into_iter().filter(|one| one.delete) {
                    let (id, name) = (&one.partition, &one.partition.partition);
                    if !self.context.is_going(&name.topic) || self.context.id(name) != *id {
                        continue; // What a move has deleted is of no concern here.
                    }
                    match response.stopped.contains(id) {
                        true => deleted.push(name.clone()),
                        false => failed.push(name.clone()),
                    }
                }
                if !deleted.is_empty() || !failed.is_empty() {
                    self.put(Happening::Deleted(broker, deleted, failed), env);
                }
            }
            (Some((broker, Request::LeaderAndIsr(asked))), Response::LeaderAndIsr(response)) => {
                let asked = asked.body.into_iter().map(|one| one.partition.partition);
                let told = (asked.collect(), response.offline.clone());
                if response.error.is_none() && self.context.changes_lost(broker, &told) {
                    self.put(Happening::Told(broker, told.0, told.1), env);
                }
            }
            _ => {}
        }
    }

    /// A deadline may have come.
    pub(crate) fn timer(&mut self, env: &mut Env<'_>) {
        self.channels.timer(&mut env.wire);
        if self.balance_at.is_some_and(|at| at <= env.wire.now) {
            self.balance_at = Some(env.wire.now + self.config.leader_imbalance_check_interval);
            self.put(Happening::Balance, env);
        }
    }

    /// Looks from now on whether leaderships are balanced.
    pub(super) fn watch_balance(&mut self, now: Timestamp) {
        if self.config.auto_leader_rebalance_enable {
            self.balance_at = Some(now + FIRST_BALANCE);
        }
    }

    /// When it wants waking.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        earliest(self.channels.deadline(), self.balance_at)
    }
}

#[cfg(test)]
mod tests;
