//! The logs of one broker: what its folder tells of its replicas.
//!
//! | what is seen | entry |
//! |---|---|
//! | the folder of a partition, new or made again | `LogLoaded`, empty |
//! | that it is gone or put aside, while its broker runs | `ReplicaDeleted` |
//! | new batches, a shorter log | `Appended`, `Truncated` with cause `Unknown` |
//! | another number in `replication-offset-checkpoint` (5 s late by nature) | `HighWatermark` |
//! | the clean shutdown marker | `BrokerStopped` |
//! | the broker's process is up (the view says so) after it was not | `BrokerStarted` |
//!
//! Derived, for no file says it:
//! - A restarted broker's logs are `LogLoaded` when it is unfenced, or just before the first change in such
//!   a log since. What recovery cuts off is therefore a `Truncated` before or after it, with cause `Unknown`.
//! - A broker `BecameLeader` when its `leader-epoch-checkpoint` has an epoch that the metadata says it leads
//!   in (the leader begins an epoch there; a follower learns of it with its first batch), or when it
//!   appends a batch of the newest epoch, in which it leads: only the leader makes those. Messages of
//!   magic 0 and 1 have no epoch; an append by the committed leader counts there as one of its epoch.
//! - Before 2.0 a leader begins no epoch in its checkpoint until it appends (KIP-279,
//!   `Partition.makeLeader`): there a broker that runs leads as soon as the metadata says so.
//!
//! Left out: `BecameFollower`, `IsrProposed`, `IsrAdopted`, `Flushed`, refusals: no file tells them in time.
//! Invariants: a high watermark is never beyond the log's end as told; one that is waits.
//! Source: `Partition.makeLeader`, `LeaderEpochFileCache.assign`, `ReplicaManager.checkpointHighWatermarks`.
//! Next: `mod.rs`, for the order of it all.

use super::batch::Header;
use super::file::{self, Listed, Listing, Stamp};
use super::folder::Folder;
use super::ledger::{Ledger, Told};
use super::tail::{Change, Tail};
use crate::failure::Failure;
use ktrial_core::event::TruncationCause;
use ktrial_core::log::checkpoint::{
    CLEAN_SHUTDOWN, HIGH_WATERMARKS, LEADER_EPOCHS, read_leader_epochs, read_offsets,
};
use ktrial_core::{
    BrokerId, EpochOffset, Event, LeaderEpoch, NodeId, Offset, Timestamp, TopicName, TopicPartition,
};
use ktrial_sim::trial::finals::LOG_DIRECTORY;
use ktrial_sim::view::View;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// One partition's folder on one broker.
#[derive(Clone, Debug)]
struct Replica {
    tail: Tail,
    epochs_stamp: Option<Stamp>,
    epochs: Vec<EpochOffset>,
    /// Told since the last poll, not yet made into entries.
    changes: Vec<Change>,
    /// Its folder is new.
    fresh: bool,
    /// Its broker has started again since it was last loaded.
    to_load: bool,
    /// What was told of its end.
    end: Offset,
    high_watermark: Offset,
    /// It was told to lead since its broker started.
    leads: Option<LeaderEpoch>,
}

/// One broker's folder.
#[derive(Clone, Debug)]
pub(super) struct Broker {
    id: BrokerId,
    folder: PathBuf,
    epochs_when_appending: bool,
    listing: Listing,
    replicas: BTreeMap<TopicPartition, Replica>,
    marks_stamp: Option<Stamp>,
    marks: BTreeMap<TopicPartition, Offset>,
    /// The newest epoch that it was told to lead in. It outlives the folder.
    led: BTreeMap<TopicPartition, LeaderEpoch>,
    up: bool,
    stopped_at: Option<Timestamp>,
    clean: bool,
    /// What was seen of the process in this poll.
    life: Vec<Event>,
    /// Replicas that went while it ran, not yet made into entries.
    deleted: Vec<TopicPartition>,
}

impl Broker {
    pub(super) fn new(id: BrokerId, folder: PathBuf, epochs_when_appending: bool) -> Self {
        Self {
            id,
            folder,
            epochs_when_appending,
            listing: Listing::default(),
            replicas: BTreeMap::new(),
            marks_stamp: None,
            marks: BTreeMap::new(),
            led: BTreeMap::new(),
            up: false,
            stopped_at: None,
            clean: false,
            life: Vec::new(),
            deleted: Vec::new(),
        }
    }

    pub(super) fn id(&self) -> BrokerId {
        self.id
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The partitions that it has a folder of.
    pub(super) fn partitions(&self) -> impl Iterator<Item = &TopicPartition> {
        self.replicas.keys()
    }

    /// Sees what there is besides the logs: before these are read, so that no high watermark is ahead.
    ///
    /// # Errors
    /// A file cannot be read.
    pub(super) fn look(
        &mut self,
        topics: &BTreeSet<TopicName>,
        view: &View,
    ) -> Result<(), Failure> {
        self.process(view)?;
        match self.listing.poll(&self.folder)? {
            Listed::Gone => self.replicas.clear(),
            Listed::Same => {}
            Listed::Names(names) => self.discover(&names, topics),
        }
        let path = self.folder.join(HIGH_WATERMARKS);
        let stamp = file::stamp(&path)?;
        if stamp.is_some() && stamp != self.marks_stamp {
            let path = format!("{LOG_DIRECTORY}/{HIGH_WATERMARKS}");
            // One that cannot be read is a broker's trouble, not ours: the old numbers stay.
            if let Ok(marks) = read_offsets(&mut Folder::new(&self.folder), &path) {
                self.marks = marks;
                self.marks_stamp = stamp;
            }
        }
        Ok(())
    }

    /// Whether the process has ended cleanly, or begun.
    fn process(&mut self, view: &View) -> Result<(), Failure> {
        let marked = file::stamp(&self.folder.join(CLEAN_SHUTDOWN))?.is_some();
        if marked && !self.clean && self.up {
            self.life.push(Event::BrokerStopped);
        }
        let process = view.process_of(NodeId::Broker(self.id));
        let up = process.is_some_and(ktrial_sim::view::Process::is_up);
        let stopped_at = process.and_then(|process| process.stopped_at);
        if up && (!self.up || stopped_at != self.stopped_at) {
            let clean = marked || self.clean;
            self.life.push(Event::BrokerStarted { clean });
            for replica in self.replicas.values_mut() {
                replica.to_load = true;
                replica.leads = None;
            }
        }
        // Once it runs, the marker is deleted some time; until then it is the old one.
        (self.up, self.stopped_at, self.clean) = (up, stopped_at, marked);
        Ok(())
    }

    fn discover(&mut self, names: &[String], topics: &BTreeSet<TopicName>) {
        let parsed = names.iter().filter_map(|name| name.parse().ok());
        let ours = parsed.filter(|one: &TopicPartition| topics.contains(&one.topic));
        let there: BTreeSet<TopicPartition> = ours.collect();
        let all: BTreeSet<TopicPartition> = self.replicas.keys().cloned().collect();
        for partition in all.difference(&there) {
            self.drop_replica(partition);
        }
        for partition in there {
            if !self.replicas.contains_key(&partition) {
                let replica = Replica::new(&self.folder.join(partition.to_string()));
                self.replicas.insert(partition, replica);
            }
        }
    }

    /// Its folder is gone. A broker that runs has deleted it or put it aside; of one that is down the disk
    /// was wiped.
    fn drop_replica(&mut self, partition: &TopicPartition) {
        self.replicas.remove(partition);
        if self.up {
            // Under the same name epochs may begin anew.
            self.led.remove(partition);
            self.deleted.push(partition.clone());
        }
    }

    /// Reads what is new in one log.
    ///
    /// # Errors
    /// A file cannot be read.
    pub(super) fn read(&mut self, partition: &TopicPartition) -> Result<(), Failure> {
        let Some(replica) = self.replicas.get_mut(partition) else {
            return Ok(());
        };
        let Some(changes) = replica.tail.poll()? else {
            // It is gone, or another folder under its name; the next poll begins it anew.
            self.drop_replica(partition);
            self.listing = Listing::default();
            return Ok(());
        };
        replica.changes.extend(changes);
        let directory = format!("{LOG_DIRECTORY}/{partition}/{LEADER_EPOCHS}");
        let stamp = file::stamp(&self.folder.join(partition.to_string()).join(LEADER_EPOCHS))?;
        if stamp.is_some()
            && stamp != replica.epochs_stamp
            && let Ok(epochs) = read_leader_epochs(&mut Folder::new(&self.folder), &directory)
        {
            replica.epochs = epochs;
            replica.epochs_stamp = stamp;
        }
        Ok(())
    }

    /// What was seen of the process.
    pub(super) fn tell_life(&mut self, out: &mut Vec<Told>) {
        let node = NodeId::Broker(self.id);
        out.extend(self.life.drain(..).map(|event| (node, event)));
    }

    /// Which replicas went.
    pub(super) fn tell_deleted(&mut self, out: &mut Vec<Told>) {
        let node = NodeId::Broker(self.id);
        let told = self.deleted.drain(..);
        out.extend(told.map(|partition| (node, Event::ReplicaDeleted { partition })));
    }

    /// What was read of one log, and its high watermark.
    pub(super) fn tell(
        &mut self,
        partition: &TopicPartition,
        unfenced: bool,
        ledger: &Ledger,
        out: &mut Vec<Told>,
    ) {
        let Some(replica) = self.replicas.get_mut(partition) else {
            return;
        };
        let (id, led) = (self.id, &mut self.led);
        let mut teller = Teller {
            broker: id,
            by_metadata: self.up && self.epochs_when_appending,
            partition,
            ledger,
            led,
            events: Vec::new(),
        };
        teller.tell(replica, unfenced, self.marks.get(partition).copied());
        let node = NodeId::Broker(id);
        out.extend(teller.events.into_iter().map(|event| (node, event)));
    }
}

impl Replica {
    fn new(folder: &Path) -> Self {
        Self {
            tail: Tail::new(folder.to_owned()),
            epochs_stamp: None,
            epochs: Vec::new(),
            changes: Vec::new(),
            fresh: true,
            to_load: false,
            end: Offset::ZERO,
            high_watermark: Offset::ZERO,
            leads: None,
        }
    }
}

/// Makes entries of what was read of one replica.
struct Teller<'a> {
    broker: BrokerId,
    /// It leads as soon as the metadata says so.
    by_metadata: bool,
    partition: &'a TopicPartition,
    ledger: &'a Ledger,
    led: &'a mut BTreeMap<TopicPartition, LeaderEpoch>,
    events: Vec<Event>,
}

impl Teller<'_> {
    fn tell(&mut self, replica: &mut Replica, unfenced: bool, mark: Option<Offset>) {
        let changes = std::mem::take(&mut replica.changes);
        if replica.fresh {
            replica.end = replica.tail.start();
            replica.high_watermark = replica.end;
            self.load(replica, Vec::new());
            replica.fresh = false;
        } else if replica.to_load && (unfenced || !changes.is_empty()) {
            self.load(replica, replica.epochs.clone());
        }
        let begun = self.epoch_begun(replica);
        let mut begun = begun.filter(|entry| Some(entry.epoch) > replica.leads);
        for change in changes {
            match change {
                Change::Cut { from, to } => self.cut(replica, from, to),
                Change::Appended(header, _) => {
                    if begun.is_some_and(|entry| entry.epoch <= header.epoch) {
                        self.lead(replica, begun.take());
                    }
                    self.append(replica, &header);
                }
            }
        }
        self.lead(replica, begun);
        if !replica.to_load {
            self.lead_by_metadata(replica);
        }
        if let Some(mark) =
            mark.filter(|mark| *mark <= replica.end && *mark != replica.high_watermark)
        {
            replica.high_watermark = mark;
            self.events.push(Event::HighWatermark {
                partition: self.partition.clone(),
                offset: mark,
            });
        }
    }

    fn load(&mut self, replica: &mut Replica, leader_epochs: Vec<EpochOffset>) {
        replica.to_load = false;
        self.events.push(Event::LogLoaded {
            partition: self.partition.clone(),
            log_start_offset: replica.tail.start().min(replica.end),
            log_end_offset: replica.end,
            high_watermark: replica.high_watermark,
            leader_epochs,
            truncated_bytes: 0,
        });
    }

    fn cut(&mut self, replica: &mut Replica, from: Offset, to: Offset) {
        replica.end = to;
        replica.high_watermark = replica.high_watermark.min(to);
        self.events.push(Event::Truncated {
            partition: self.partition.clone(),
            from,
            to,
            cause: TruncationCause::Unknown,
        });
    }

    fn append(&mut self, replica: &mut Replica, header: &Header) {
        if let Some((leader, epoch)) = self.ledger.leader(self.partition)
            && leader == self.broker
            && (header.epoch == epoch || header.magic < 2)
        {
            self.lead(replica, Some(EpochOffset::new(epoch, header.base)));
        }
        replica.end = header.last.next();
        self.events.push(Event::Appended {
            partition: self.partition.clone(),
            base_offset: header.base,
            last_offset: header.last,
            leader_epoch: header.epoch,
            crc: header.crc,
        });
    }

    /// The newest epoch in the replica's checkpoint that its broker led in and that was not told.
    fn epoch_begun(&self, replica: &Replica) -> Option<EpochOffset> {
        let led = self.led.get(self.partition).copied();
        let newest = replica.epochs.last().copied();
        newest.filter(|entry| {
            let reign = self.ledger.reign(self.partition, entry.epoch);
            Some(entry.epoch) > led && reign.is_some_and(|reign| reign.leader == self.broker)
        })
    }

    fn lead_by_metadata(&mut self, replica: &mut Replica) {
        let led = self.led.get(self.partition).copied();
        if let Some((leader, epoch)) = self.ledger.leader(self.partition)
            && self.by_metadata
            && leader == self.broker
            && Some(epoch) > led
        {
            self.lead(replica, Some(EpochOffset::new(epoch, replica.end)));
        }
    }

    /// It begins to lead, unless that was told.
    fn lead(&mut self, replica: &mut Replica, begun: Option<EpochOffset>) {
        let Some(EpochOffset { epoch, offset }) = begun else {
            return;
        };
        let reign = self.ledger.reign(self.partition, epoch);
        let Some(reign) = reign.filter(|_| replica.leads < Some(epoch)) else {
            return;
        };
        replica.leads = Some(epoch);
        self.led.insert(self.partition.clone(), epoch);
        self.events.push(Event::BecameLeader {
            partition: self.partition.clone(),
            leader_epoch: epoch,
            start_offset: offset,
            isr: reign.isr.clone(),
        });
    }
}
