//! Jute, the encoding of ZooKeeper: big-endian numbers, strings and buffers behind their length. And a
//! transaction as its log and snapshots have it.
//!
//! | type | what | type | what |
//! |---|---|---|---|
//! | 1 | create | -10 | a session begins |
//! | 2 | delete | -11 | a session ends |
//! | 5 | set data | -1 | an error |
//! | 13 | check | 14 | several changes |
//!
//! Source: ZooKeeper `zookeeper.jute`, `SerializeUtils.serializeRequest`, `ZooDefs.OpCode`,
//! `BinaryOutputArchive`, `BinaryInputArchive`.
//! Simplified: every znode is open to everybody, so the list of permissions is always the same one. The
//! index of a refused change of a multi is not written.
//! Next: `txn_log.rs`.

use super::txn::{Applied, Body, Txn, ZooKeeperError};
use super::zxid::{SessionId, Zxid};
use bytes::Bytes;
use std::time::Duration;

const CREATE: i32 = 1;
const DELETE: i32 = 2;
const SET_DATA: i32 = 5;
const CHECK: i32 = 13;
const MULTI: i32 = 14;
const CREATE_SESSION: i32 = -10;
const CLOSE_SESSION: i32 = -11;
const ERROR: i32 = -1;
/// All that can be permitted.
const ALL: i32 = 31;

/// Bytes being written.
#[derive(Debug, Default)]
pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    pub(super) fn i32(&mut self, value: i32) {
        self.0.extend(value.to_be_bytes());
    }

    pub(super) fn i64(&mut self, value: i64) {
        self.0.extend(value.to_be_bytes());
    }

    pub(super) fn count(&mut self, value: usize) {
        self.i32(i32::try_from(value).unwrap_or(i32::MAX));
    }

    pub(super) fn buffer(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.0.extend(bytes);
    }

    fn millis(&mut self, duration: Duration) {
        self.i32(i32::try_from(duration.as_millis()).unwrap_or(i32::MAX));
    }

    /// A transaction.
    pub(super) fn txn(&mut self, txn: &Txn) {
        self.i64(txn.session.0);
        self.i32(i32::from_be_bytes(txn.cxid.to_be_bytes()));
        self.i64(txn.zxid.0);
        self.i64(txn.time);
        self.i32(kind(&txn.body));
        match &txn.body {
            Body::CreateSession { timeout } => self.millis(*timeout),
            Body::CloseSession => {}
            Body::Change(change) => self.change(change),
            Body::Multi(changes) => {
                self.count(changes.len());
                for change in changes {
                    self.i32(kind_of_change(change));
                    let mut inner = Self::default();
                    inner.change(change);
                    self.buffer(&inner.0);
                }
            }
            Body::Error { error, .. } => self.i32(error.number()),
        }
    }

    fn change(&mut self, change: &Applied) {
        match change {
            Applied::Create {
                path,
                data,
                ephemeral,
                parent_cversion,
            } => {
                self.buffer(path.as_bytes());
                self.buffer(data);
                self.i32(1);
                self.i32(ALL);
                self.buffer(b"world");
                self.buffer(b"anyone");
                self.0.push(u8::from(*ephemeral));
                self.i32(*parent_cversion);
            }
            Applied::Delete { path } => self.buffer(path.as_bytes()),
            Applied::SetData {
                path,
                data,
                version,
            } => {
                self.buffer(path.as_bytes());
                self.buffer(data);
                self.i32(*version);
            }
            Applied::Check { path, version } => {
                self.buffer(path.as_bytes());
                self.i32(*version);
            }
        }
    }
}

fn kind(body: &Body) -> i32 {
    match body {
        Body::CreateSession { .. } => CREATE_SESSION,
        Body::CloseSession => CLOSE_SESSION,
        Body::Change(change) => kind_of_change(change),
        Body::Multi(_) => MULTI,
        Body::Error { .. } => ERROR,
    }
}

fn kind_of_change(change: &Applied) -> i32 {
    match change {
        Applied::Create { .. } => CREATE,
        Applied::Delete { .. } => DELETE,
        Applied::SetData { .. } => SET_DATA,
        Applied::Check { .. } => CHECK,
    }
}

/// Bytes being read. `None` is a field that is cut off or makes no sense.
#[derive(Clone, Debug)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(head)
    }

    pub(super) fn bool(&mut self) -> Option<bool> {
        Some(self.take(1)? != [0])
    }

    pub(super) fn i32(&mut self) -> Option<i32> {
        Some(i32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    pub(super) fn i64(&mut self) -> Option<i64> {
        Some(i64::from_be_bytes(self.take(8)?.try_into().ok()?))
    }

    /// Bytes behind their length; empty for the length -1, which is null.
    pub(super) fn buffer(&mut self) -> Option<&'a [u8]> {
        match self.i32()? {
            -1 => Some(&[]),
            length => self.take(usize::try_from(length).ok()?),
        }
    }

    pub(super) fn string(&mut self) -> Option<String> {
        String::from_utf8(self.buffer()?.to_vec()).ok()
    }

    fn data(&mut self) -> Option<Bytes> {
        self.buffer().map(Bytes::copy_from_slice)
    }

    pub(super) fn millis(&mut self) -> Option<Duration> {
        Some(Duration::from_millis(u64::try_from(self.i32()?).ok()?))
    }

    /// A transaction that fills the bytes.
    pub(super) fn txn(&mut self) -> Option<Txn> {
        let session = SessionId(self.i64()?);
        let cxid = u32::from_be_bytes(self.i32()?.to_be_bytes());
        let zxid = Zxid(self.i64()?);
        let time = self.i64()?;
        let body = match self.i32()? {
            CREATE_SESSION => Body::CreateSession {
                timeout: self.millis()?,
            },
            CLOSE_SESSION => Body::CloseSession,
            MULTI => {
                let count = self.i32()?;
                let changes = (0..count).map(|_| {
                    let kind = self.i32()?;
                    Reader(self.buffer()?).change(kind)
                });
                Body::Multi(changes.collect::<Option<_>>()?)
            }
            ERROR => {
                let number = self.i32()?;
                let mut errors = ZooKeeperError::NUMBERS.iter();
                let error = errors.find(|(_, other)| *other == number)?.0;
                Body::Error { error, index: 0 }
            }
            kind => Body::Change(self.change(kind)?),
        };
        Some(Txn {
            zxid,
            session,
            cxid,
            time,
            body,
        })
    }

    fn change(&mut self, kind: i32) -> Option<Applied> {
        Some(match kind {
            CREATE => {
                let (path, data) = (self.string()?, self.data()?);
                for _ in 0..self.i32()? {
                    self.i32()?;
                    self.buffer()?;
                    self.buffer()?;
                }
                Applied::Create {
                    path,
                    data,
                    ephemeral: self.bool()?,
                    parent_cversion: self.i32()?,
                }
            }
            DELETE => Applied::Delete {
                path: self.string()?,
            },
            SET_DATA => Applied::SetData {
                path: self.string()?,
                data: self.data()?,
                version: self.i32()?,
            },
            CHECK => Applied::Check {
                path: self.string()?,
                version: self.i32()?,
            },
            _ => return None,
        })
    }
}

/// The checksum that ZooKeeper puts before what it writes.
pub(super) fn adler32(bytes: &[u8]) -> i64 {
    const MODULUS: u32 = 65_521;
    let (mut a, mut b) = (1_u32, 0_u32);
    for byte in bytes {
        a = (a + u32::from(*byte)) % MODULUS;
        b = (b + a) % MODULUS;
    }
    i64::from(b << 16 | a)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transactions_survive_the_way_through_bytes() {
        let create = Applied::Create {
            path: "/a".to_owned(),
            data: Bytes::from_static(b"x"),
            ephemeral: true,
            parent_cversion: 3,
        };
        let set = Applied::SetData {
            path: "/a".to_owned(),
            data: Bytes::new(),
            version: 2,
        };
        let delete = Applied::Delete {
            path: "/a".to_owned(),
        };
        let check = Applied::Check {
            path: "/a".to_owned(),
            version: 9,
        };
        let error = ZooKeeperError::BadVersion;
        let bodies = [
            Body::CreateSession {
                timeout: Duration::from_secs(18),
            },
            Body::CloseSession,
            Body::Change(create.clone()),
            Body::Multi(vec![check, set, delete, create]),
            Body::Error { error, index: 0 },
        ];
        for body in bodies {
            let txn = Txn {
                zxid: Zxid(0x2_0000_0001),
                session: SessionId(7),
                cxid: u32::MAX,
                time: 1_600_000_000_000,
                body,
            };
            let mut writer = Writer::default();
            writer.txn(&txn);
            assert_eq!(Reader(&writer.0).txn(), Some(txn));
            let cut = &writer.0[..writer.0.len() - 1];
            assert_eq!(Reader(cut).txn(), None, "a cut transaction is none");
        }
    }

    #[test]
    fn the_checksum_is_adler_32() {
        assert_eq!(adler32(b"Wikipedia"), 0x11e6_0398);
    }
}
