//! Snapshots of the tree: files `snapshot.<zxid>`, named after the last transaction in them.
//!
//! A file begins with `ZKSN`, a version and a database id; then the sessions with their timeouts, the list
//! of permissions, the znodes in the order of their paths and the path `/` as their end; then a checksum
//! and `/` again. A file whose end or checksum is not right is passed over for the one before.
//!
//! Simplified: no znode changes while a snapshot is written, and the file is there as a whole or not at
//! all. The list of permissions is empty.
//! Source: ZooKeeper `FileSnap.serialize`, `SnapStream.isValidSnapshot`, `DataTree.serializeNode`.
//! Next: `database.rs`.

use super::jute::{Reader, Writer, adler32};
use super::tree::{Tree, Znode};
use super::txn_log::{FOLDER, numbered};
use super::zxid::{SessionId, Zxid};
use crate::storage::{Storage, StorageError};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::time::Duration;

const MAGIC: &[u8] = b"ZKSN\0\0\0\x02\xff\xff\xff\xff\xff\xff\xff\xff";
/// The permissions of every znode: number -1 stands for "open to everybody".
const OPEN: i64 = -1;

/// Writes a snapshot, so that it survives a power loss.
pub(super) fn write(disk: &mut dyn Storage, tree: &Tree) -> Result<(), StorageError> {
    let mut out = Writer(MAGIC.to_vec());
    out.count(tree.sessions().count());
    for (session, timeout) in tree.sessions() {
        out.i64(session.0);
        out.i32(i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX));
    }
    out.i32(0);
    for (path, node) in tree.iter() {
        // The root goes by the empty path, for `/` is the end.
        let path = if path == "/" { "" } else { path };
        out.buffer(path.as_bytes());
        znode(&mut out, node);
    }
    out.buffer(b"/");
    let checksum = adler32(&out.0);
    out.i64(checksum);
    out.buffer(b"/");
    disk.replace(&file_name(tree.last()), &out.0)
}

fn file_name(last: Zxid) -> String {
    format!("{FOLDER}/snapshot.{:x}", last.0)
}

fn znode(out: &mut Writer, node: &Znode) {
    out.buffer(&node.data);
    out.i64(OPEN);
    out.i64(node.czxid.0);
    out.i64(node.mzxid.0);
    out.i64(node.ctime);
    out.i64(node.mtime);
    out.i32(node.version);
    out.i32(node.cversion);
    out.i32(0);
    out.i64(node.ephemeral_owner.map_or(0, |owner| owner.0));
    out.i64(node.pzxid.0);
}

/// The newest snapshot that is whole, if there is one.
pub(super) fn read(disk: &mut dyn Storage) -> Result<Option<Tree>, StorageError> {
    let prefix = format!("{FOLDER}/snapshot.");
    for path in numbered(disk, &prefix)?.into_iter().rev() {
        let zxid = path.strip_prefix(&prefix);
        let zxid = zxid.and_then(|text| i64::from_str_radix(text, 16).ok());
        let bytes = disk.read_all(&path)?.unwrap_or_default();
        if let Some(tree) = zxid.and_then(|zxid| decode(Zxid(zxid), &bytes)) {
            return Ok(Some(tree));
        }
    }
    Ok(None)
}

fn decode(last: Zxid, bytes: &[u8]) -> Option<Tree> {
    let mut input = Reader(bytes.strip_prefix(MAGIC)?);
    let mut sessions: BTreeMap<SessionId, Duration> = BTreeMap::new();
    for _ in 0..input.i32()? {
        sessions.insert(SessionId(input.i64()?), input.millis()?);
    }
    input.i32()?;
    let mut nodes = Vec::new();
    loop {
        let path = input.string()?;
        if path == "/" {
            break;
        }
        let path = if path.is_empty() {
            "/".to_owned()
        } else {
            path
        };
        nodes.push((path, read_znode(&mut input)?));
    }
    let summed = bytes.len().checked_sub(input.0.len())?;
    let whole = adler32(bytes.get(..summed)?) == input.i64()? && input.string()? == "/";
    whole.then(|| Tree::assemble(last, sessions, nodes))
}

fn read_znode(input: &mut Reader<'_>) -> Option<Znode> {
    let data = Bytes::copy_from_slice(input.buffer()?);
    input.i64()?;
    let (czxid, mzxid) = (Zxid(input.i64()?), Zxid(input.i64()?));
    let (ctime, mtime) = (input.i64()?, input.i64()?);
    let (version, cversion) = (input.i32()?, input.i32()?);
    input.i32()?;
    let owner = input.i64()?;
    Some(Znode {
        data,
        children: std::collections::BTreeSet::new(),
        czxid,
        mzxid,
        pzxid: Zxid(input.i64()?),
        ctime,
        mtime,
        version,
        cversion,
        ephemeral_owner: (owner != 0).then_some(SessionId(owner)),
    })
}
