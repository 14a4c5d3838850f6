//! What a server knows: the tree, the log and snapshots under it, and transactions that are logged and
//! not known to be committed.
//!
//! Rules:
//! - A transaction is logged, flushed, and applied when a quorum has it, in the order of the zxids.
//! - A server that starts, or leaves its leader, applies all that its log has: the next leader decides
//!   what of it stays. What that one does not have is cut off, and the tree built again from the disk.
//! - What a transaction means for Kafka is told when it is known to be committed: what a server has applied
//!   before that, when it leads or follows next.
//! - The newest transactions are kept at hand, for a follower that lacks only these.
//!
//! Invariants: the tree is never behind a snapshot; what waits follows the tree's last transaction.
//!
//! Simplified: a snapshot is due after the same number of transactions each time, and takes the tree as
//! it stands; a server that lacks more than what is at hand gets the whole tree, never pieces of the log.
//! Source: ZooKeeper `ZKDatabase.loadDataBase`, `fastForwardDataBase`, `truncateLog`,
//! `addCommittedProposal` (`commitLogCount` 500), `SyncRequestProcessor.run` (`snapCount`).
//! Next: `prepare.rs`.

use super::tree::{Happened, Tree};
use super::txn::Txn;
use super::txn_log::{self, FOLDER, TxnLog};
use super::zxid::Zxid;
use super::{election::Head, snapshot_file};
use crate::controller_zk::records;
use crate::event::Event;
use crate::invariant::invariant;
use crate::machine::StartError;
use crate::storage::{Storage, StorageError};
use std::collections::VecDeque;
use std::sync::Arc;

/// How many transactions are kept at hand.
const AT_HAND: usize = 500;

/// A transaction that was applied, and what happened to which znodes.
pub(super) struct Done {
    /// Which.
    pub(super) txn: Arc<Txn>,
    /// What watches are told.
    pub(super) happened: Vec<(Happened, String)>,
    /// What it means for Kafka.
    pub(super) told: Vec<Event>,
}

/// A server's knowledge and its disk.
pub(super) struct Database {
    disk: Box<dyn Storage>,
    log: TxnLog,
    tree: Tree,
    /// Logged, and not applied.
    waiting: VecDeque<Arc<Txn>>,
    /// Records that were not told yet.
    untold: Vec<Event>,
    /// The newest ones that were logged.
    at_hand: VecDeque<Arc<Txn>>,
    /// The transaction before them.
    at_hand_after: Zxid,
    last_logged: Zxid,
    accepted_epoch: u32,
    current_epoch: u32,
    snap_count: usize,
    since_snapshot: usize,
}

impl Database {
    /// What the disk holds.
    pub(super) fn open(disk: Box<dyn Storage>, snap_count: usize) -> Result<Self, StartError> {
        let mut database = Self {
            disk,
            log: TxnLog::default(),
            tree: Tree::default(),
            waiting: VecDeque::new(),
            untold: Vec::new(),
            at_hand: VecDeque::new(),
            at_hand_after: Zxid::ZERO,
            last_logged: Zxid::ZERO,
            accepted_epoch: 0,
            current_epoch: 0,
            snap_count,
            since_snapshot: 0,
        };
        database.load()?;
        let epoch = database.last_logged.epoch();
        database.current_epoch = database.read_epoch(CURRENT_EPOCH)?.unwrap_or(epoch);
        database.accepted_epoch = database.read_epoch(ACCEPTED_EPOCH)?.unwrap_or(epoch);
        Ok(database)
    }

    /// Builds the tree from the disk.
    fn load(&mut self) -> Result<(), StartError> {
        self.tree = snapshot_file::read(&mut *self.disk)?.unwrap_or_default();
        self.untold.clear();
        self.waiting.clear();
        self.at_hand.clear();
        self.at_hand_after = self.tree.last();
        for txn in txn_log::read(&mut *self.disk, self.tree.last())? {
            let txn = Arc::new(txn);
            self.remember(&txn);
            self.tree.apply(&txn);
            self.keep_at_hand(txn);
            self.since_snapshot += 1;
        }
        self.last_logged = self.tree.last();
        Ok(())
    }

    fn read_epoch(&mut self, name: &str) -> Result<Option<u32>, StartError> {
        let path = format!("{FOLDER}/{name}");
        let Some(bytes) = self.disk.read_all(&path)? else {
            return Ok(None);
        };
        let text = std::str::from_utf8(&bytes).unwrap_or_default();
        let epoch = text.trim().parse().map_err(|_| StartError::Unusable {
            path,
            reason: format!("`{text}` is no epoch"),
        })?;
        Ok(Some(epoch))
    }

    fn write_epoch(&mut self, name: &str, epoch: u32) -> Result<(), StorageError> {
        let path = format!("{FOLDER}/{name}");
        self.disk.replace(&path, epoch.to_string().as_bytes())
    }

    /// The tree: all that is applied.
    pub(super) fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The last transaction that was logged.
    pub(super) fn last_logged(&self) -> Zxid {
        self.last_logged
    }

    /// Transactions that are logged and not applied.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &Arc<Txn>> {
        self.waiting.iter()
    }

    /// What speaks for this server in an election.
    pub(super) fn head(&self) -> Head {
        Head {
            epoch: self.current_epoch,
            zxid: self.last_logged,
        }
    }

    /// The last epoch that the server promised to follow.
    pub(super) fn accepted_epoch(&self) -> u32 {
        self.accepted_epoch
    }

    /// Promises to follow in `epoch`.
    pub(super) fn accept(&mut self, epoch: u32) -> Result<(), StorageError> {
        self.accepted_epoch = epoch;
        self.write_epoch(ACCEPTED_EPOCH, epoch)
    }

    /// The log is that of the leader of `epoch`.
    pub(super) fn adopt(&mut self, epoch: u32) -> Result<(), StorageError> {
        self.current_epoch = epoch;
        self.write_epoch(CURRENT_EPOCH, epoch)
    }

    /// Writes a transaction to the log. It counts once it is flushed.
    pub(super) fn append(&mut self, txn: Arc<Txn>) -> Result<(), StorageError> {
        invariant!(
            txn.zxid > self.last_logged,
            "zxids rise: {} after {}",
            txn.zxid,
            self.last_logged
        );
        self.log.append(&mut *self.disk, &txn)?;
        self.last_logged = txn.zxid;
        self.waiting.push_back(Arc::clone(&txn));
        self.keep_at_hand(txn);
        self.since_snapshot += 1;
        Ok(())
    }

    fn keep_at_hand(&mut self, txn: Arc<Txn>) {
        self.at_hand.push_back(txn);
        if self.at_hand.len() > AT_HAND
            && let Some(oldest) = self.at_hand.pop_front()
        {
            self.at_hand_after = oldest.zxid;
        }
    }

    /// Makes the log survive a power loss; takes a snapshot if one is due.
    pub(super) fn flush(&mut self) -> Result<(), StorageError> {
        self.log.flush(&mut *self.disk)?;
        if self.since_snapshot > self.snap_count {
            self.since_snapshot = self.waiting.len();
            snapshot_file::write(&mut *self.disk, &self.tree)?;
            self.log.roll();
        }
        Ok(())
    }

    /// Applies everything up to `to`.
    pub(super) fn commit(&mut self, to: Zxid) -> Vec<Done> {
        let mut done = Vec::new();
        while let Some(txn) = self.waiting.pop_front_if(|txn| txn.zxid <= to) {
            let told = records::events(&self.tree, &txn);
            let happened = self.tree.apply(&txn);
            done.push(Done {
                txn,
                happened,
                told,
            });
        }
        done
    }

    /// Applies all that is logged, committed or not.
    pub(super) fn fast_forward(&mut self) -> Result<(), StorageError> {
        self.log.flush(&mut *self.disk)?;
        for done in self.commit(Zxid(i64::MAX)) {
            self.untold.extend(done.told.into_iter().filter(is_record));
        }
        Ok(())
    }

    /// Keeps what a transaction of the log means, which perhaps nobody has told.
    fn remember(&mut self, txn: &Txn) {
        let told = records::events(&self.tree, txn);
        self.untold.extend(told.into_iter().filter(is_record));
    }

    /// What transactions mean that were applied before it was known that they are committed.
    pub(super) fn take_untold(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.untold)
    }

    /// Cuts off every transaction after `to`, and builds the tree again.
    pub(super) fn truncate(&mut self, to: Zxid) -> Result<(), StorageError> {
        self.log.truncate(&mut *self.disk, to)?;
        self.load().map_err(|error| match error {
            StartError::Storage(error) => error,
            StartError::Unusable { path, reason } => {
                StorageError::Malformed(format!("{path}: {reason}"))
            }
        })
    }

    /// Takes over the whole tree of a leader.
    pub(super) fn install(&mut self, tree: Tree) -> Result<(), StorageError> {
        snapshot_file::write(&mut *self.disk, &tree)?;
        self.log.clear(&mut *self.disk)?;
        self.waiting.clear();
        self.at_hand.clear();
        self.at_hand_after = tree.last();
        self.last_logged = tree.last();
        self.since_snapshot = 0;
        self.tree = tree;
        self.untold.clear();
        Ok(())
    }

    /// How a follower whose log ends at `last` comes to have what this server has logged.
    pub(super) fn remedy(&self, last: Zxid) -> Remedy {
        let missing = |from: Zxid| {
            let at_hand = self.at_hand.iter();
            at_hand.filter(|txn| txn.zxid > from).cloned().collect()
        };
        if last == self.last_logged {
            return Remedy::Send(Vec::new());
        }
        if last < self.at_hand_after {
            return Remedy::Snapshot;
        }
        let known = self.at_hand.iter().rev().map(|txn| txn.zxid);
        let common = known.into_iter().find(|zxid| *zxid <= last);
        let common = common.unwrap_or(self.at_hand_after);
        if common == last {
            Remedy::Send(missing(common))
        } else {
            Remedy::CutAndSend(common, missing(common))
        }
    }
}

/// Whether an event is a record: those can be told twice. An election that was decided as the leader of
/// the ensemble ended is told without its candidates.
pub(super) fn is_record(event: &Event) -> bool {
    matches!(event, Event::MetadataWritten { .. })
}

const ACCEPTED_EPOCH: &str = "acceptedEpoch";
const CURRENT_EPOCH: &str = "currentEpoch";

/// What a follower is sent first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    /// The transactions that it lacks.
    Send(Vec<Arc<Txn>>),
    /// It has some that the leader does not have: it keeps those up to the first, and gets the rest.
    CutAndSend(Zxid, Vec<Arc<Txn>>),
    /// The whole tree.
    Snapshot,
}
