//! The broker's copy of the metadata log: it observes the quorum by fetching, and hands over what is
//! committed. Whole batches at a time.
//!
//! From it the broker also knows which controller is active.
//!
//! Source: `KafkaRaftClient` (observer), `MetadataLoader`; KIP-595. At a start everything is read again,
//! the latest snapshot first.
//! Next: `raft/follow.rs` fetches, `publish.rs` applies the records.

use super::shared::Shared;
use crate::event::Event;
use crate::id::{ConnectionId, ControllerId, CorrelationId, Incarnation, NodeId};
use crate::machine::{Effects, StartError};
use crate::message::Response;
use crate::offset::Offset;
use crate::raft::{Context, News, QuorumSettings, Raft, RaftStart};
use crate::storage::StorageError;
use crate::time::{Now, Timestamp};

/// The broker's copy of the metadata log.
#[derive(Debug)]
pub(super) struct Observer {
    raft: Raft,
    /// The first offset that was not handed over yet.
    next_to_apply: Offset,
    /// When it is to be woken, as of its last event: few of a broker's events concern this.
    deadline: Option<Timestamp>,
}

impl Observer {
    /// Opens the copy.
    pub(super) fn start(
        shared: &mut Shared,
        controllers: &[ControllerId],
        incarnation: Incarnation,
        now: Now,
        out: &mut Effects,
    ) -> Result<Self, StartError> {
        let random = shared.random.clone();
        let start = RaftStart {
            node: NodeId::Broker(shared.id),
            incarnation,
            controllers,
            settings: QuorumSettings::of_observer(&shared.config),
            rules: shared.rules,
            random: &random,
        };
        let raft = Raft::start(&start, &mut context(shared, now, out))?;
        let deadline = raft.next_deadline();
        Ok(Self {
            raft,
            next_to_apply: Offset::ZERO,
            deadline,
        })
    }

    pub(super) fn owns(&self, connection: ConnectionId) -> bool {
        self.raft.owns(connection)
    }

    /// The last offset that was handed over.
    pub(super) fn applied(&self) -> Option<Offset> {
        (self.next_to_apply > Offset::ZERO).then(|| self.next_to_apply + -1)
    }

    /// The fetch under way has failed, or it is time for one.
    pub(super) fn timer(
        &mut self,
        shared: &mut Shared,
        now: Now,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        let done = self.raft.work(&mut context(shared, now, out));
        self.took_note(shared);
        done?;
        let made = self.raft.take_made();
        if let Some(offset) = made.filter(|made| *made == self.next_to_apply) {
            let crc = shared.image.checksum();
            out.observe(Event::QuorumState { offset, crc });
        }
        Ok(())
    }

    pub(super) fn connected(&mut self, connection: ConnectionId) {
        self.raft.connected(connection);
        self.deadline = self.raft.next_deadline();
    }

    pub(super) fn disconnected(
        &mut self,
        shared: &mut Shared,
        connection: ConnectionId,
        now: Now,
        out: &mut Effects,
    ) {
        let mut context = context(shared, now, out);
        self.raft.disconnected(&mut context, connection);
        self.deadline = self.raft.next_deadline();
    }

    /// Takes an answer; `timer` then asks again. Returns what is committed now.
    pub(super) fn answered(
        &mut self,
        shared: &mut Shared,
        request: (ConnectionId, CorrelationId),
        response: &Response,
        now: Now,
        out: &mut Effects,
    ) -> Result<News, StorageError> {
        let mut context = context(shared, now, out);
        let done = self.raft.response(&mut context, request, response);
        self.took_note(shared);
        done?;
        let storage = &mut shared.storage;
        let news = self.raft.committed(storage, self.next_to_apply)?;
        self.next_to_apply = news.next;
        Ok(news)
    }

    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        debug_assert_eq!(
            self.deadline,
            self.raft.next_deadline(),
            "it has moved unnoticed"
        );
        self.deadline
    }

    fn took_note(&mut self, shared: &mut Shared) {
        shared.active_controller = self.raft.leader().map(NodeId::Controller);
        self.deadline = self.raft.next_deadline();
    }
}

fn context<'a>(shared: &'a mut Shared, now: Now, out: &'a mut Effects) -> Context<'a> {
    Context {
        backoff: shared.backoff(),
        storage: &mut shared.storage,
        connector: &mut shared.connector,
        random: &mut shared.random,
        now,
        out,
    }
}
