//! One transaction of ZooKeeper's log: who asked for it, and what it does to the tree.
//!
//! Before its own fields each has the session, a counter, the zxid, the time and the type.
//!
//! | type | what | type | what |
//! |---|---|---|---|
//! | 1, 15 | create | 14 | several at once, or none of them |
//! | 19, 21 | create a container, or with a time to live | -10 | a session begins |
//! | 2, 20 | delete | -11 | a session ends, and with it its ephemeral nodes |
//! | 5 | set data | -1 | an error: it did nothing |
//!
//! Simplified: permissions, reconfiguration and time to live are read over. The digest that ZooKeeper 3.6
//! and later write behind a transaction is not looked at.
//! Source: `zookeeper.jute`, `SerializeUtils.deserializeTxn`, `ZooDefs.OpCode`.
//! Next: `records.rs`.

use super::jute::Jute;

/// A change of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Create {
        path: String,
        data: Vec<u8>,
        ephemeral: bool,
    },
    Delete {
        path: String,
    },
    SetData {
        path: String,
        data: Vec<u8>,
        version: i32,
    },
    /// The session ends; newer releases say which nodes go with it.
    CloseSession {
        paths: Vec<String>,
    },
}

/// A transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Txn {
    pub(super) session: i64,
    pub(super) zxid: i64,
    pub(super) ops: Vec<Op>,
}

/// The transaction in these bytes; `None` if they are none.
pub(super) fn decode(bytes: &[u8]) -> Option<Txn> {
    let mut input = Jute(bytes);
    let session = input.i64()?;
    input.i32()?;
    let zxid = input.i64()?;
    input.i64()?;
    let kind = input.i32()?;
    let ops = match kind {
        14 => many(&mut input)?,
        kind => one(kind, &mut input)?.into_iter().collect(),
    };
    Some(Txn { session, zxid, ops })
}

fn many(input: &mut Jute<'_>) -> Option<Vec<Op>> {
    let parts = input.vector(|input| Some((input.i32()?, input.buffer()?)))?;
    if parts.iter().any(|(kind, _)| *kind == -1) {
        return Some(Vec::new());
    }
    let parts = parts
        .into_iter()
        .map(|(kind, body)| one(kind, &mut Jute(body)));
    let ops: Option<Vec<Option<Op>>> = parts.collect();
    Some(ops?.into_iter().flatten().collect())
}

/// The inner `None` is a transaction that changes nothing here.
fn one(kind: i32, input: &mut Jute<'_>) -> Option<Option<Op>> {
    Some(match kind {
        1 | 15 | 19 | 21 => {
            let (path, data) = (input.string()?, input.buffer()?.to_vec());
            input.vector(|input| Some((input.i32()?, input.buffer()?, input.buffer()?)))?;
            let ephemeral = matches!(kind, 1 | 15) && input.bool()?;
            Some(Op::Create {
                path,
                data,
                ephemeral,
            })
        }
        2 | 20 => Some(Op::Delete {
            path: input.string()?,
        }),
        5 => Some(Op::SetData {
            path: input.string()?,
            data: input.buffer()?.to_vec(),
            version: input.i32()?,
        }),
        -11 => Some(Op::CloseSession {
            // Older releases write nothing here.
            paths: input.vector(Jute::string).unwrap_or_default(),
        }),
        _ => None,
    })
}
