//! ZooKeeper's transaction log: files `log.<zxid>`, each filled with zeros at its end beforehand.
//!
//! A file begins with `ZKLG`, a version and a database id (16 bytes). Then, for each transaction: a
//! checksum (Adler-32 as 8 bytes), the length, the transaction, and the byte `B`. A length of zero is the
//! filling. After a restart the server begins another file.
//!
//! Simplified: the checksum is not verified: the server wrote the transaction as a whole, or the last
//! byte is missing. Snapshots are not read, so the log has to be there from its first file.
//! Source: `FileTxnLog`, `Util.marshallTxnEntry`.
//! Next: `ensemble.rs`.

use super::super::file::{self, Listed, Listing};
use super::txn::{self, Txn};
use crate::failure::Failure;
use std::path::PathBuf;

const FILE_HEADER: u64 = 16;
/// Checksum and length.
const ENTRY_HEADER: usize = 12;
/// `B`, behind each transaction.
const END: u8 = 0x42;

/// The log under watch.
#[derive(Clone, Debug)]
pub(super) struct TxnLog {
    folder: PathBuf,
    listing: Listing,
    /// The first zxid of each file, in order.
    files: Vec<u64>,
    /// Which of them is read, and up to where.
    current: usize,
    position: u64,
}

impl TxnLog {
    /// The log in `dataDir` (or `dataLogDir`).
    pub(super) fn new(data: &std::path::Path) -> Self {
        Self {
            folder: data.join("version-2"),
            listing: Listing::default(),
            files: Vec::new(),
            current: 0,
            position: FILE_HEADER,
        }
    }

    /// The transactions since the last call.
    ///
    /// # Errors
    /// A file cannot be read or understood.
    pub(super) fn poll(&mut self) -> Result<Vec<Txn>, Failure> {
        match self.listing.poll(&self.folder)? {
            Listed::Names(names) => {
                let zxid = |name: &String| u64::from_str_radix(name.strip_prefix("log.")?, 16).ok();
                self.files = names.iter().filter_map(zxid).collect();
                self.files.sort_unstable();
            }
            // Another disk: another log.
            Listed::Gone => {
                self.files.clear();
                (self.current, self.position) = (0, FILE_HEADER);
            }
            Listed::Same => {}
        }
        let mut found = Vec::new();
        loop {
            // What a file holds when a later one is there is all that it ever will.
            let last = self.current + 1 >= self.files.len();
            while let Some(txn) = self.next()? {
                found.push(txn);
            }
            if last {
                return Ok(found);
            }
            self.current += 1;
            self.position = FILE_HEADER;
        }
    }

    fn next(&mut self) -> Result<Option<Txn>, Failure> {
        let Some(zxid) = self.files.get(self.current) else {
            return Ok(None);
        };
        let path = self.folder.join(format!("log.{zxid:x}"));
        let head = file::read(&path, self.position, ENTRY_HEADER)?.unwrap_or_default();
        let length = head.get(8..12).and_then(|length| length.try_into().ok());
        let length = usize::try_from(length.map_or(0, i32::from_be_bytes)).unwrap_or(0);
        if length == 0 {
            return Ok(None);
        }
        let body = self.position + 12;
        let bytes = file::read(&path, body, length + 1)?.unwrap_or_default();
        if bytes.get(length) != Some(&END) {
            return Ok(None);
        }
        let txn = txn::decode(&bytes[..length]).ok_or_else(|| {
            let (path, at) = (path.display(), self.position);
            Failure::Rig(format!("no transaction can be read in {path} at byte {at}"))
        })?;
        self.position = body + u64::try_from(length + 1).unwrap_or(u64::MAX);
        Ok(Some(txn))
    }
}
