//! The transaction log: files `log.<zxid>`, named after their first transaction.
//!
//! A file begins with `ZKLG`, a version and a database id (16 bytes). Then, for each transaction: its
//! checksum (Adler-32 as 8 bytes), its length, its bytes, and the byte `B`. A server begins another file
//! after each start and each snapshot.
//!
//! Rules:
//! - A transaction whose end is missing ends its file: the server died while it wrote.
//! - One whose bytes are complete and do not match their checksum is damage: the server does not start.
//! - A transaction counts as logged when its file has been flushed.
//!
//! Simplified: files are not filled with zeros beforehand. The directory is flushed with a new file, for a
//! file system that flushes a new file keeps its name.
//! Source: ZooKeeper `FileTxnLog.append`, `commit`, `truncate`, `FileTxnIterator.next`, `Util.readTxnBytes`.
//! Next: `snapshot_file.rs`.

use super::jute::{Reader, Writer, adler32};
use super::txn::Txn;
use super::zxid::Zxid;
use crate::machine::StartError;
use crate::storage::{Storage, StorageError};

/// Where the server keeps its files.
pub(super) const FOLDER: &str = "data/version-2";
const MAGIC: &[u8] = b"ZKLG\0\0\0\x02\0\0\0\0\0\0\0\0";
/// Checksum and length.
const ENTRY_HEADER: usize = 12;
const END: u8 = b'B';

/// The log's file that is written now.
#[derive(Clone, Debug, Default)]
pub(super) struct TxnLog {
    current: Option<String>,
    dirty: bool,
}

impl TxnLog {
    /// Writes a transaction to the page cache.
    pub(super) fn append(&mut self, disk: &mut dyn Storage, txn: &Txn) -> Result<(), StorageError> {
        let path = match &self.current {
            Some(path) => path.clone(),
            None => {
                let path = file_name(txn.zxid);
                // A file of that name holds nothing that counts: its first transaction was torn.
                if disk.exists(&path)? {
                    disk.delete(&path)?;
                }
                disk.append(&path, MAGIC)?;
                disk.flush_directory(FOLDER)?;
                self.current = Some(path.clone());
                path
            }
        };
        disk.append(&path, &entry(txn))?;
        self.dirty = true;
        Ok(())
    }

    /// Makes what was written survive a power loss.
    pub(super) fn flush(&mut self, disk: &mut dyn Storage) -> Result<(), StorageError> {
        if let Some(path) = self.current.as_ref().filter(|_| self.dirty) {
            disk.flush(path)?;
        }
        self.dirty = false;
        Ok(())
    }

    /// The next transaction begins another file. What was written has to be flushed before.
    pub(super) fn roll(&mut self) {
        self.current = None;
    }

    /// Cuts off every transaction after `to`.
    pub(super) fn truncate(
        &mut self,
        disk: &mut dyn Storage,
        to: Zxid,
    ) -> Result<(), StorageError> {
        self.flush(disk)?;
        self.roll();
        for path in files(disk)? {
            let bytes = disk.read_all(&path)?.unwrap_or_default();
            let mut position = MAGIC.len();
            while let Some((txn, length)) = bytes.get(position..).and_then(next) {
                if txn.is_none_or(|txn| txn.zxid > to) {
                    break;
                }
                position += length;
            }
            if position <= MAGIC.len() {
                disk.delete(&path)?;
            } else if position < bytes.len() {
                disk.truncate(&path, u64::try_from(position).unwrap_or(u64::MAX))?;
                disk.flush(&path)?;
            }
        }
        disk.flush_directory(FOLDER)
    }

    /// Deletes all files: a snapshot has all that they hold.
    pub(super) fn clear(&mut self, disk: &mut dyn Storage) -> Result<(), StorageError> {
        self.roll();
        self.dirty = false;
        for path in files(disk)? {
            disk.delete(&path)?;
        }
        disk.flush_directory(FOLDER)
    }
}

/// Every transaction after `after` in the files, in order.
///
/// # Errors
/// The disk failed, or a transaction is damaged.
pub(super) fn read(disk: &mut dyn Storage, after: Zxid) -> Result<Vec<Txn>, StartError> {
    let mut found: Vec<Txn> = Vec::new();
    for path in files(disk)? {
        let bytes = disk.read_all(&path)?.unwrap_or_default();
        let mut position = MAGIC.len();
        while let Some((txn, length)) = bytes.get(position..).and_then(next) {
            let Some(txn) = txn else {
                let reason =
                    format!("the transaction at byte {position} does not match its checksum");
                return Err(StartError::Unusable { path, reason });
            };
            position += length;
            let last = found.last().map_or(after, |last| last.zxid);
            if txn.zxid > last {
                found.push(txn);
            }
        }
    }
    Ok(found)
}

/// The next transaction and its length in the file. None at the end, `None` inside if it is damaged.
fn next(bytes: &[u8]) -> Option<(Option<Txn>, usize)> {
    let mut header = Reader(bytes.get(..ENTRY_HEADER)?);
    let checksum = header.i64()?;
    let length = usize::try_from(header.i32()?).ok().filter(|n| *n > 0)?;
    let body = bytes.get(ENTRY_HEADER..ENTRY_HEADER + length)?;
    if bytes.get(ENTRY_HEADER + length) != Some(&END) {
        return None;
    }
    let txn = Reader(body).txn().filter(|_| adler32(body) == checksum);
    Some((txn, ENTRY_HEADER + length + 1))
}

fn entry(txn: &Txn) -> Vec<u8> {
    let mut body = Writer::default();
    body.txn(txn);
    let mut entry = Writer::default();
    entry.i64(adler32(&body.0));
    entry.buffer(&body.0);
    entry.0.push(END);
    entry.0
}

fn file_name(first: Zxid) -> String {
    format!("{FOLDER}/log.{:x}", first.0)
}

/// The log's files, in the order of their first transactions.
fn files(disk: &mut dyn Storage) -> Result<Vec<String>, StorageError> {
    let prefix = format!("{FOLDER}/log.");
    numbered(disk, &prefix)
}

/// The files of this prefix and a zxid, in the order of the zxids.
pub(super) fn numbered(disk: &mut dyn Storage, prefix: &str) -> Result<Vec<String>, StorageError> {
    let number = |path: &String| i64::from_str_radix(path.strip_prefix(prefix)?, 16).ok();
    let paths = disk.list(FOLDER)?.into_iter();
    let mut found: Vec<(i64, String)> = paths.filter_map(|p| Some((number(&p)?, p))).collect();
    found.sort_unstable();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}
