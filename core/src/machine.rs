//! The contract of every machine: broker, controller, producer, consumer, admin client.
//!
//! A machine is a synchronous state machine. It is told what happened ([`Input`]) and what time it is
//! ([`Now`]), changes its state at once and says in order what follows ([`Effects`]). It owns no
//! clock, no thread, no socket and no randomness but the generator that it was given at start; its
//! only other contact with the world is the [`Storage`](crate::storage::Storage) it was given.
//! Work that waits (a produce waiting for the high watermark) is state with a deadline.
//!
//! The driver's law: hand over one input at a time, carry out the effects in order, then ask for the
//! deadlines again. A restart is a new machine over what the disk holds.
//!
//! Next: `broker/mod.rs`, `controller/mod.rs`, `producer/mod.rs`, `consumer/mod.rs`.

use crate::event::Event;
use crate::id::{
    BrokerId, ConnectionId, CorrelationId, NodeId, OperationId, TopicName, TopicPartition,
};
use crate::message::{Request, Response};
use crate::snapshot::Snapshot;
use crate::time::{Now, Timestamp};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What every machine can do.
pub trait Machine {
    /// Takes one input: the only way in which a machine changes.
    fn handle(&mut self, now: Now, input: Input, out: &mut Effects);

    /// Calls `visit` with each lane that wants waking and when: the driver then hands over
    /// [`Input::Timer`] for that lane, never earlier.
    fn deadlines(&self, visit: &mut dyn FnMut(Lane, Timestamp));

    /// Calls `visit` with each lane whose deadline may be another than when this was last asked, and with
    /// what it is now; at first with all that have one. A machine with other lanes than [`Lane::Main`] says
    /// which.
    fn moved_deadlines(&mut self, visit: &mut dyn FnMut(Lane, Option<Timestamp>)) {
        visit(Lane::Main, self.next_deadline());
    }

    /// The thread of the real process that works on this input.
    fn lane(&self, input: &Input) -> Lane;

    /// How many inputs of this lane the real process works on at a time.
    fn slots(&self, lane: Lane) -> usize {
        let _ = lane;
        1
    }

    /// The machine's state as plain data.
    fn snapshot(&self) -> Snapshot;

    /// When the machine next wants waking in any lane.
    fn next_deadline(&self) -> Option<Timestamp> {
        let mut next = None;
        self.deadlines(&mut |_, at| next = crate::time::earliest(next, Some(at)));
        next
    }
}

/// What can happen to a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A request arrived on a connection that `connection.client` opened.
    Request {
        /// To respond on.
        connection: ConnectionId,
        /// To respond with.
        correlation: CorrelationId,
        /// What is asked.
        request: Box<Request>,
    },
    /// A response arrived on a connection that this machine opened.
    Response {
        /// On which connection.
        connection: ConnectionId,
        /// To which request.
        correlation: CorrelationId,
        /// What was answered.
        response: Box<Response>,
    },
    /// A connection that this machine opened is established: the TCP handshake is done. It says
    /// nothing of the process on the other side.
    Connected {
        /// Which connection.
        connection: ConnectionId,
    },
    /// A connection that this machine opened was refused or reset by the other side.
    Disconnected {
        /// Which connection.
        connection: ConnectionId,
    },
    /// A deadline of this lane has come.
    Timer(Lane),
    /// The application or operator wants something.
    Command(Command),
}

/// What an application or operator can want of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Producer: send a record.
    Send {
        /// Names the operation in the history.
        operation: OperationId,
        /// To which topic.
        topic: TopicName,
        /// To which partition; `None` lets the producer choose.
        partition: Option<i32>,
        /// The record's key.
        key: Option<Bytes>,
        /// The record's value.
        value: Bytes,
    },
    /// Consumer: read these partitions from now on, instead of those before.
    Assign {
        /// Which.
        partitions: Vec<TopicPartition>,
    },
    /// Admin client: send this to the controller until it is answered.
    Administer {
        /// Names the operation in the history.
        operation: OperationId,
        /// CreateTopics, CreatePartitions, DeleteTopics, ElectLeaders, AlterPartitionReassignments or
        /// IncrementalAlterConfigs.
        request: Box<Request>,
    },
    /// Stop in order (SIGTERM): a broker hands over its leaderships and closes its logs first.
    Shutdown,
}

/// A thread, or pool of threads, of the real process. Inputs of one lane wait for each other when the
/// disk is slow; other lanes go on. Which lane an input belongs to is Kafka's knowledge; how long it
/// takes is the world's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// The only thread of a client or controller.
    Main,
    /// `data-plane-kafka-request-handler-*`, `num.io.threads` of them.
    RequestHandler,
    /// `ReplicaFetcherThread-0-<source broker>`.
    Fetcher(BrokerId),
    /// `broker-<id>-lifecycle-manager-event-handler` and its channel: registration and heartbeats.
    Lifecycle,
    /// The metadata log's raft client and its listener's loader thread.
    Metadata,
    /// The channel for AlterPartition requests.
    AlterPartition,
    /// `broker-<id>-directory-assignments-manager-event-handler` and its channel.
    DirectoryAssignments,
    /// `kafka-scheduler-*`: checkpoints, flushes, ISR shrinking.
    Scheduler,
    /// `ExpirationReaper-*`: requests whose time is up.
    Purgatory,
}

/// What follows from an input, in order.
#[derive(Clone, Debug, Default)]
pub struct Effects {
    list: Vec<Effect>,
}

/// One thing that follows from an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Open a connection, and send nothing yet.
    Connect {
        /// Which connection.
        connection: ConnectionId,
        /// To whom.
        to: NodeId,
    },
    /// Send a request. The first one on a connection opens it, if that was not asked for before.
    Send {
        /// On which connection.
        connection: ConnectionId,
        /// To whom; always the same node for one connection.
        to: NodeId,
        /// Pairs the response with it.
        correlation: CorrelationId,
        /// What to send.
        request: Box<Request>,
    },
    /// Answer a request, on the connection it came on.
    Respond {
        /// On which connection.
        connection: ConnectionId,
        /// To which request.
        correlation: CorrelationId,
        /// What to answer.
        response: Box<Response>,
    },
    /// The latest request on this connection needs no answer (a produce with acks=0): the next one
    /// may be read.
    Unanswered {
        /// Which connection.
        connection: ConnectionId,
    },
    /// Close a connection that this machine opened, or one that it answers on.
    Close {
        /// Which connection.
        connection: ConnectionId,
    },
    /// Something happened that the history should hold.
    Observe(Event),
    /// The process ends by its own will.
    Exit,
}

impl Effects {
    /// No effects yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one effect.
    pub fn push(&mut self, effect: Effect) {
        self.list.push(effect);
    }

    /// Adds an event for the history.
    pub fn observe(&mut self, event: Event) {
        self.list.push(Effect::Observe(event));
    }

    /// Adds a response.
    pub fn respond(&mut self, to: ReplyTo, response: Response) {
        let ReplyTo {
            connection,
            correlation,
        } = to;
        self.list.push(Effect::Respond {
            connection,
            correlation,
            response: Box::new(response),
        });
    }

    /// Takes all effects out, in order; the memory stays for the next input.
    pub fn drain(&mut self) -> std::vec::Drain<'_, Effect> {
        self.list.drain(..)
    }

    /// The effects so far.
    pub fn as_slice(&self) -> &[Effect] {
        &self.list
    }
}

/// Where the answer to a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReplyTo {
    /// The connection that the request came on.
    pub connection: ConnectionId,
    /// The request's number there.
    pub correlation: CorrelationId,
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fetcher(source) => write!(f, "fetcher-{source}"),
            other => write!(f, "{}", format!("{other:?}").to_lowercase()),
        }
    }
}

/// A machine that cannot start over what its disk holds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// The disk failed.
    #[error(transparent)]
    Storage(#[from] crate::storage::StorageError),
    /// A file contradicts itself or the configuration.
    #[error("{path}: {reason}")]
    Unusable {
        /// Which file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
}
