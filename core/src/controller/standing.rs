//! Where the controller stands: it replays what is committed, becomes active, or is active no more.
//!
//! Source: `QuorumController.QuorumMetaLogListener`, `claim`, `renounce`.
//! Next: `cluster.rs`.

use super::Controller;
use super::cluster::Cluster;
use super::deadlines::Periodic;
use super::metadata_log;
use crate::event::Event;
use crate::machine::Effects;
use crate::offset::LeaderEpoch;
use crate::storage::StorageError;
use crate::time::{Now, Timestamp};

impl Controller {
    /// Takes in what the quorum has decided meanwhile.
    ///
    /// # Errors
    /// The disk failed, or the log cannot be replayed.
    pub(super) fn settle(&mut self, now: Now, out: &mut Effects) -> Result<(), StorageError> {
        let made = self.log.raft(now, out).0.take_made();
        let made = made.filter(|made| *made == self.log.next());
        if let (Some(offset), None) = (made, self.active) {
            let crc = self.cluster.image.checksum();
            out.observe(Event::QuorumState { offset, crc });
        }
        if self.active.is_some() && self.active != self.log.leads() {
            self.renounce(out);
        }
        if self.active.is_some() {
            self.log.tell_committed(out);
            self.answer_committed(out);
            return Ok(());
        }
        self.replay_committed(out)?;
        if let Some(epoch) = self.log.leads() {
            self.claim(epoch, now.monotonic, out);
        }
        Ok(())
    }

    fn answer_committed(&mut self, out: &mut Effects) {
        let committed = self.log.high_watermark();
        while let Some((_, reply, response, _)) = self
            .responses
            .pop_front_if(|(offset, ..)| *offset < committed)
        {
            out.respond(reply, response);
        }
    }

    /// A new leader tells of what was committed before, for the one before may not have lived to do so.
    fn replay_committed(&mut self, out: &mut Effects) -> Result<(), StorageError> {
        let tells = self.log.leads().is_some() && self.log.replica().has_others();
        let news = self.log.take_committed()?;
        if let Some((end, records)) = &news.snapshot {
            self.forget_all();
            for record in records {
                let replayed = self.cluster.replay(*end + -1, record);
                replayed.map_err(StorageError::Malformed)?;
            }
            let (offset, crc) = (*end, self.cluster.image.checksum());
            out.observe(Event::QuorumSnapshotLoaded { offset, crc });
        }
        for batch in news.batches {
            for (offset, record) in batch {
                let replayed = self.cluster.replay(offset, &record);
                replayed.map_err(StorageError::Malformed)?;
                if tells {
                    metadata_log::tell(offset, record, out);
                }
            }
        }
        Ok(())
    }

    /// Becomes the active controller: it leads, and knows everything that was committed before.
    fn claim(&mut self, epoch: LeaderEpoch, now: Timestamp, out: &mut Effects) {
        out.observe(Event::ControllerActivated { epoch });
        self.active = Some(epoch);
        self.periodic = Periodic::new(&self.cluster.config, now);
        let changes = self.cluster.activate(now);
        self.commit(now, changes, None, out);
    }

    /// Is active no more. What was decided and is not committed is taken back, and who waited for it is told
    /// to ask another controller.
    fn renounce(&mut self, out: &mut Effects) {
        self.active = None;
        for (_, reply, _, refusal) in std::mem::take(&mut self.responses) {
            super::refusals::observe(&refusal, reply.connection.client, out);
            out.respond(reply, refusal);
        }
        self.log.rewind();
        self.forget_all();
    }

    /// Knows nothing of the cluster any more.
    fn forget_all(&mut self) {
        let before = &self.cluster;
        self.cluster = Cluster::new(
            before.config.clone(),
            before.topic_defaults.clone(),
            before.rules,
            before.random.clone(),
        );
    }
}
