//! Numbers of ZooKeeper: transactions and sessions.
//!
//! Rule: a zxid is the epoch of the leader that made the transaction (32 bits), then a counter that
//! begins at 1 in each epoch. So zxids of different leaders never meet, and later ones are larger.
//!
//! Source: ZooKeeper `ZxidUtils`, `SessionTrackerImpl.initializeNextSessionId`.
//! Next: `tree.rs`.

use crate::id::number;
use serde::{Deserialize, Serialize};
use std::fmt;

number! {
    /// A server of the ensemble: its `myid`.
    ZooKeeperId(i32)
}
number! {
    /// A client's session. It outlives connections; the first byte is the server that opened it.
    SessionId(i64)
}

/// A transaction of the ensemble.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Zxid(pub i64);

impl Zxid {
    /// Before any transaction.
    pub const ZERO: Self = Self(0);

    /// The first number of an epoch, which no transaction has.
    pub fn start_of(epoch: u32) -> Self {
        Self(i64::from(epoch) << 32)
    }

    /// The epoch of the leader that made it.
    pub fn epoch(self) -> u32 {
        u32::try_from(self.0 >> 32).unwrap_or(0)
    }

    /// Its number in that epoch.
    pub fn counter(self) -> u32 {
        u32::try_from(self.0 & 0xffff_ffff).unwrap_or(0)
    }

    /// The next one of the same leader.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// `0x100000002`, as ZooKeeper's own tools print it.
impl fmt::Display for Zxid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_is_above_all_transactions_of_the_one_before() {
        let last = Zxid(Zxid::start_of(1).0 + i64::from(u32::MAX));
        assert_eq!((last.epoch(), last.counter()), (1, u32::MAX));
        assert!(last < Zxid::start_of(2));
        assert_eq!(Zxid::start_of(1).next().to_string(), "0x100000001");
    }
}
