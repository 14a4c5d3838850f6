//! The control batch that opens an epoch of the metadata log.
//!
//! Source: `LeaderChangeMessage.json` version 0, `ControlRecordType`. Next: `replica_log.rs`.

use crate::id::ControllerId;
use crate::metadata::wire::Writer;
use crate::record::BatchBuilder;
use crate::time::WallClock;
use bytes::Bytes;

/// `ControlRecordType.LEADER_CHANGE`.
const LEADER_CHANGE: i16 = 2;
/// The control batch that opens an epoch. Source: `LeaderChangeMessage.json` version 0.
pub(super) fn leader_change(
    leader: ControllerId,
    voters: &[ControllerId],
    granting: &[ControllerId],
    now: WallClock,
) -> Bytes {
    let mut key = Writer::default();
    key.i16(0);
    key.i16(LEADER_CHANGE);
    let mut value = Writer::default();
    value.i16(0);
    value.i32(leader.0);
    for list in [voters, granting] {
        value.compact_length(list.len());
        for voter in list {
            value.i32(voter.0);
            value.no_tags();
        }
    }
    value.no_tags();
    let mut batch = BatchBuilder::new();
    batch.append(now, Some(&key.into_bytes()), Some(&value.into_bytes()), &[]);
    batch.control().finish()
}
