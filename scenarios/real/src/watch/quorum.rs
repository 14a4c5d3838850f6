//! The metadata log of a KRaft cluster, read from its voters' folders.
//!
//! - A record counts once more than half of the voters have it in their logs, at the same offset and in the
//!   same epoch of the quorum: what a majority holds is never taken back. With one voter that is at once.
//! - It is an entry of the node that led the quorum in that epoch, which wrote it. Who that was, the control
//!   batch that opens each epoch tells; it is also the entry `ControllerActivated`.
//! - A voter that is down still holds what its disk has. A voter whose folder is new begins at nothing.
//! - Of several voters, each replica of the log, those of observers too, `QuorumLearned` how much of it is
//!   committed: as much of what counts as its own log has. It may know so only with its next fetch.
//!
//! Simplified: the log is followed from its first record on; one whose beginning has already been replaced
//! by a snapshot (after an hour, or 20 MB) is an error. Voters do not change. Records that a replica has yet
//! to cut pass for what it has learned.
//! Source: KIP-595, KIP-631; `KafkaRaftClient`, `LeaderChangeMessage.json`, `ControlRecordType`.
//! Next: `ledger.rs`.

use super::ledger::{Ledger, Told};
use super::tail::{Change, Tail};
use crate::failure::Failure;
use bytes::Bytes;
use ktrial_core::metadata::{METADATA_TOPIC, MetadataRecord, codec};
use ktrial_core::record::RecordBatch;
use ktrial_core::{Event, LeaderEpoch, NodeId, Offset};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// `ControlRecordType.LEADER_CHANGE`.
const LEADER_CHANGE: i16 = 2;

/// What stands at an offset.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Content {
    Record(Box<MetadataRecord>),
    /// This voter leads from here on.
    Leader(i32),
    /// Nothing that matters here.
    Other,
}

/// One voter's log, as far as it is not told yet.
#[derive(Clone, Debug)]
struct Voter {
    copy: Copied,
    untold: BTreeMap<Offset, (LeaderEpoch, Content)>,
}

/// One replica's log.
#[derive(Clone, Debug)]
struct Copied {
    node: NodeId,
    folder: PathBuf,
    tail: Tail,
    /// What was told that it has learned.
    learned: Offset,
}

/// The quorum's log.
#[derive(Clone, Debug)]
pub(super) struct Quorum {
    voters: Vec<Voter>,
    observers: Vec<Copied>,
    /// The next offset to tell.
    next: Offset,
    /// The leaders of the quorum's epochs.
    leaders: BTreeMap<LeaderEpoch, NodeId>,
}

impl Quorum {
    /// The voters and the observers, each with Kafka's log folder.
    pub(super) fn new(
        voters: impl IntoIterator<Item = (NodeId, PathBuf)>,
        observers: impl IntoIterator<Item = (NodeId, PathBuf)>,
    ) -> Self {
        let voter = |replica| Voter {
            copy: Copied::new(replica),
            untold: BTreeMap::new(),
        };
        Self {
            voters: voters.into_iter().map(voter).collect(),
            observers: observers.into_iter().map(Copied::new).collect(),
            next: Offset::ZERO,
            leaders: BTreeMap::new(),
        }
    }

    /// Tells the records that came to count since the last call.
    ///
    /// # Errors
    /// A log cannot be read or understood.
    pub(super) fn poll(&mut self, ledger: &mut Ledger, out: &mut Vec<Told>) -> Result<(), Failure> {
        for voter in &mut self.voters {
            voter.poll(self.next)?;
        }
        while let Some((epoch, content)) = self.agreed() {
            self.tell(epoch, content, ledger, out);
            let told = self.next;
            self.next = told.next();
            for voter in &mut self.voters {
                voter.untold.remove(&told);
            }
        }
        if self.voters.len() > 1 {
            self.tell_learned(out)?;
        }
        Ok(())
    }

    /// Tells who has more of what counts than before.
    fn tell_learned(&mut self, out: &mut Vec<Told>) -> Result<(), Failure> {
        for observer in &mut self.observers {
            observer.poll()?;
        }
        let voters = self.voters.iter_mut().map(|voter| &mut voter.copy);
        for replica in voters.chain(&mut self.observers) {
            let offset = replica.tail.end().min(self.next);
            if offset > replica.learned {
                replica.learned = offset;
                out.push((replica.node, Event::QuorumLearned { offset }));
            }
        }
        Ok(())
    }

    /// What more than half of the voters have at the next offset.
    fn agreed(&self) -> Option<(LeaderEpoch, Content)> {
        let at_next = |voter: &Voter| voter.untold.get(&self.next).map(|(epoch, _)| *epoch);
        let held: Vec<LeaderEpoch> = self.voters.iter().filter_map(at_next).collect();
        let many = |epoch: &&LeaderEpoch| {
            held.iter().filter(|one| one == epoch).count() * 2 > self.voters.len()
        };
        let epoch = *held.iter().find(many)?;
        let mut found = self
            .voters
            .iter()
            .filter_map(|voter| voter.untold.get(&self.next));
        found.find(|(of, _)| *of == epoch).cloned()
    }

    fn tell(
        &mut self,
        epoch: LeaderEpoch,
        content: Content,
        ledger: &mut Ledger,
        out: &mut Vec<Told>,
    ) {
        match content {
            Content::Other => {}
            Content::Leader(id) => {
                if let Some(voter) = self
                    .voters
                    .iter()
                    .find(|voter| number(voter.copy.node) == id)
                {
                    let node = voter.copy.node;
                    self.leaders.insert(epoch, node);
                    out.push((node, Event::ControllerActivated { epoch }));
                }
            }
            Content::Record(record) => {
                let first = self.voters.first().map(|voter| voter.copy.node);
                if let Some(node) = self.leaders.get(&epoch).copied().or(first) {
                    ledger.write(node, self.next, *record, out);
                }
            }
        }
    }
}

impl Copied {
    fn new((node, folder): (NodeId, PathBuf)) -> Self {
        let folder = folder.join(format!("{METADATA_TOPIC}-0"));
        Self {
            node,
            tail: Tail::new(folder.clone()),
            folder,
            learned: Offset::ZERO,
        }
    }

    /// What became of it; `None` = it is gone, or another one under its name.
    fn poll(&mut self) -> Result<Option<Vec<Change>>, Failure> {
        let changes = self.tail.poll()?;
        if changes.is_none() {
            self.tail = Tail::new(self.folder.clone());
            self.learned = Offset::ZERO;
        }
        Ok(changes)
    }
}

impl Voter {
    fn poll(&mut self, next: Offset) -> Result<(), Failure> {
        let Some(changes) = self.copy.poll()? else {
            self.untold.clear();
            return Ok(());
        };
        let (start, node) = (self.copy.tail.start(), self.copy.node);
        if start > next {
            return Err(Failure::Rig(format!(
                "the metadata log of {node} begins at offset {start} and is read up to {next}: what is \
                 between is in a snapshot"
            )));
        }
        for change in changes {
            match change {
                Change::Cut { to, .. } => drop(self.untold.split_off(&to)),
                Change::Appended(_, bytes) => self.append(&bytes, next).map_err(|why| {
                    let folder = self.copy.folder.display();
                    Failure::Rig(format!("cannot read {folder}: {why}"))
                })?,
            }
        }
        Ok(())
    }

    fn append(&mut self, bytes: &Bytes, next: Offset) -> Result<(), String> {
        let batch = RecordBatch::parse(bytes).map_err(|error| error.to_string())?;
        let epoch = batch.leader_epoch();
        let offsets = batch.base_offset().0..=batch.last_offset().0;
        let fresh = offsets.map(Offset).filter(|offset| *offset >= next);
        self.untold
            .extend(fresh.map(|offset| (offset, (epoch, Content::Other))));
        for (offset, content) in contents(&batch)? {
            if let Some(known) = self.untold.get_mut(&offset) {
                known.1 = content;
            }
        }
        Ok(())
    }
}

/// What a batch says, by offset.
fn contents(batch: &RecordBatch) -> Result<Vec<(Offset, Content)>, String> {
    if !batch.is_control() {
        let records = codec::decode_batch(batch)?.into_iter();
        let record = |(offset, record)| (offset, Content::Record(Box::new(record)));
        return Ok(records.map(record).collect());
    }
    let records = batch.records().map_err(|error| error.to_string())?;
    let leaders = records.into_iter().filter_map(|record| {
        let leader = new_leader(&record.key?, &record.value?)?;
        Some((record.offset, Content::Leader(leader)))
    });
    Ok(leaders.collect())
}

/// The leader that a control record names: its key is version and type, its value begins with version
/// and leader.
fn new_leader(key: &[u8], value: &[u8]) -> Option<i32> {
    let kind = i16::from_be_bytes(key.get(2..4)?.try_into().ok()?);
    let leader = i32::from_be_bytes(value.get(2..6)?.try_into().ok()?);
    (kind == LEADER_CHANGE).then_some(leader)
}

/// Its `node.id`.
fn number(node: NodeId) -> i32 {
    match node {
        NodeId::Controller(id) => id.0,
        NodeId::Broker(id) => id.0,
        NodeId::Client(_) | NodeId::ZooKeeper(_) => -1,
    }
}
