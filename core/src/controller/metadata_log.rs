//! The metadata log as a controller sees it: its replica of the quorum's log, the records that wait to be
//! written, and those that wait to be committed.
//!
//! - The active controller gives records offsets at once, but writes them
//!   `controller.quorum.append.linger.ms` after the first of them, all that came meanwhile as one batch.
//! - A record is told of ([`Event::MetadataWritten`]) when it is committed, by who leads then.
//!   A new leader does not know what the one before has told: it tells everything that it was not sure of,
//!   and the record of a trial keeps the first telling.
//! - What was written and not committed when the leadership is lost may still be: whoever leads next decides.
//!
//! Invariants:
//! - A record has the offset in the log that it was given when it was decided.
//!
//! Source: `BatchAccumulator`, `KafkaRaftClient.Listener`.
//! Next: `raft/mod.rs`.

use crate::channel::{Backoff, Connector};
use crate::event::Event;
use crate::invariant::invariant;
use crate::machine::{Effects, StartError};
use crate::metadata::{MetadataRecord, codec};
use crate::offset::{LeaderEpoch, Offset};
use crate::raft::{Context, News, Raft, RaftStart};
use crate::random::Random;
use crate::storage::{Storage, StorageError};
use crate::time::{Now, Timestamp};
use std::collections::VecDeque;
use std::time::Duration;

/// The log and what waits to be in it.
pub(super) struct MetadataLog {
    storage: Box<dyn Storage>,
    connector: Connector,
    random: Random,
    raft: Raft,
    linger: Duration,
    pending: Vec<MetadataRecord>,
    write_at: Option<Timestamp>,
    /// Written by this controller in its epoch and not committed yet.
    uncommitted: VecDeque<(Offset, MetadataRecord)>,
    /// The first offset that was not handed over as committed.
    next: Offset,
}

impl MetadataLog {
    /// Opens the log and takes part in the quorum.
    ///
    /// # Errors
    /// The disk failed, or its files cannot be used.
    pub(super) fn open(
        start: &RaftStart<'_>,
        linger: Duration,
        mut storage: Box<dyn Storage>,
        now: Now,
        out: &mut Effects,
    ) -> Result<Self, StartError> {
        let (node, incarnation, random) = (start.node, start.incarnation, start.random);
        let mut connector = Connector::new(node, incarnation, Connector::SETUP, random);
        let mut random = random.part("connections");
        let raft = {
            let mut context = Context {
                storage: &mut *storage,
                connector: &mut connector,
                random: &mut random,
                backoff: BACKOFF,
                now,
                out,
            };
            Raft::start(start, &mut context)?
        };
        Ok(Self {
            storage,
            connector,
            random,
            raft,
            linger,
            pending: Vec::new(),
            write_at: None,
            uncommitted: VecDeque::new(),
            next: Offset::ZERO,
        })
    }

    /// The replica, and what to lend it.
    pub(super) fn raft<'a>(
        &'a mut self,
        now: Now,
        out: &'a mut Effects,
    ) -> (&'a mut Raft, Context<'a>) {
        let context = Context {
            storage: &mut *self.storage,
            connector: &mut self.connector,
            random: &mut self.random,
            backoff: BACKOFF,
            now,
            out,
        };
        (&mut self.raft, context)
    }

    /// The replica, to look at.
    pub(super) fn replica(&self) -> &Raft {
        &self.raft
    }

    /// The epoch that this controller leads in, once it may act on it.
    pub(super) fn leads(&self) -> Option<LeaderEpoch> {
        self.raft.leads()
    }

    /// The offset of the next record that is decided.
    pub(super) fn next_write_offset(&self) -> Offset {
        self.end_offset() + i64::try_from(self.pending.len()).unwrap_or(i64::MAX)
    }

    /// The end of what is written.
    pub(super) fn end_offset(&self) -> Offset {
        self.raft.end_offset()
    }

    /// The end of what is committed.
    pub(super) fn high_watermark(&self) -> Offset {
        self.raft.high_watermark()
    }

    /// The last offset given to a record that is not committed yet.
    pub(super) fn highest_pending_offset(&self) -> Option<Offset> {
        let next = self.next_write_offset();
        (next > self.high_watermark()).then(|| next + -1)
    }

    /// The first offset that was not handed over as committed.
    pub(super) fn next(&self) -> Offset {
        self.next
    }

    /// When the pending records are to be written.
    pub(super) fn write_at(&self) -> Option<Timestamp> {
        self.write_at
    }

    /// Takes records to be written. They have the offsets from `next_write_offset` on.
    pub(super) fn schedule(&mut self, records: Vec<MetadataRecord>, now: Timestamp) {
        self.pending.extend(records);
        if !self.pending.is_empty() {
            self.write_at.get_or_insert(now + self.linger);
        }
    }

    /// Writes what is pending as one batch.
    ///
    /// # Errors
    /// The disk failed.
    pub(super) fn write_pending(
        &mut self,
        now: Now,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        self.write_at = None;
        if self.pending.is_empty() {
            return Ok(());
        }
        let mut offset = self.end_offset();
        let end = self.next_write_offset();
        let records = std::mem::take(&mut self.pending);
        let batch = codec::encode_batch(&records, now.wall);
        let (raft, mut context) = self.raft(now, out);
        raft.append(&mut context, &batch)?;
        let written = self.end_offset();
        invariant!(
            written == end,
            "a record has the offset it was given: {written} is not {end}"
        );
        for record in records {
            self.uncommitted.push_back((offset, record));
            offset = offset.next();
        }
        Ok(())
    }

    /// Tells of its own records that are committed now.
    pub(super) fn tell_committed(&mut self, out: &mut Effects) {
        let committed = self.high_watermark();
        while let Some((offset, record)) = self
            .uncommitted
            .pop_front_if(|(offset, _)| *offset < committed)
        {
            tell(offset, record, out);
        }
        self.next = self.next.max(committed);
    }

    /// Hands over what is committed and new.
    ///
    /// # Errors
    /// The disk failed, or the log cannot be read.
    pub(super) fn take_committed(&mut self) -> Result<News, StorageError> {
        let news = self.raft.committed(&mut *self.storage, self.next)?;
        self.next = news.next;
        Ok(news)
    }

    /// All that was handed over is to be handed over again. What was not committed is forgotten.
    pub(super) fn rewind(&mut self) {
        self.pending.clear();
        self.write_at = None;
        self.uncommitted.clear();
        self.next = Offset::ZERO;
    }

    /// Closes the log.
    ///
    /// # Errors
    /// The disk failed.
    pub(super) fn close(&mut self) -> Result<(), StorageError> {
        self.raft.close(&mut *self.storage)
    }
}

/// `reconnect.backoff.ms` and its `max` for the connections of a voter.
const BACKOFF: Backoff = Backoff {
    initial: Duration::from_millis(50),
    max: Duration::from_millis(500),
};

/// Tells the history of a committed record.
pub(super) fn tell(offset: Offset, record: MetadataRecord, out: &mut Effects) {
    out.observe(Event::MetadataWritten {
        offset,
        record: Box::new(record),
    });
}
