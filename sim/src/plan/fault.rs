//! What can go wrong with links, disks and clocks. Each lasts until its time is up, or until the trial
//! recovers; those that happen at once say so.
//!
//! A disk that fails below one of several log directories (`log.dirs`) takes that one from its broker;
//! below the first, or the only one, it halts the broker.
//!
//! Next: `action.rs`, where they are aimed at somebody.

use serde::{Deserialize, Serialize};

/// What is wrong with a link. TCP loses nothing: what does not pass is sent again, or its connection
/// is reset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum LinkFault {
    /// Nothing passes; it is held back and goes on when this ends.
    Cut,
    /// Each message takes longer by this much.
    Delay(Latency),
    /// Some segments are lost on the way.
    Lose {
        /// So many in a thousand.
        per_mille: u32,
        /// The connection of a lost one is reset at both ends; else TCP sends it again, which takes
        /// 200 ms at first and twice as long each time.
        reset: bool,
    },
    /// No more than so many bytes pass per millisecond; the others queue.
    Throttle {
        /// Bytes per millisecond (1 = 1 kB/s); at least 1.
        bytes_per_ms: u64,
    },
}

/// How long something takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Latency {
    /// Always as long.
    Fixed {
        /// Microseconds.
        us: u64,
    },
    /// Drawn evenly for each message.
    Uniform {
        /// At least so many microseconds.
        min_us: u64,
        /// At most so many.
        max_us: u64,
    },
    /// Mostly short, seldom long: drawn from an exponential distribution for each message.
    Exponential {
        /// At least so many microseconds.
        min_us: u64,
        /// So many more on average.
        mean_us: u64,
    },
}

/// What is wrong with a disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum DiskFault {
    /// Each call takes this many times as long.
    Slow {
        /// At least 2.
        times: u32,
    },
    /// No call comes back until this ends.
    Stall,
    /// Calls of these kinds fail with an I/O error.
    Fail {
        /// Which, at least one.
        calls: Vec<DiskCall>,
    },
    /// There is no room: what would make a file longer, or a new one, fails.
    Full,
    /// A flush reports success and writes nothing: a power loss takes it all.
    LyingFlush,
    /// A power loss keeps what was not flushed, but of each file's last write only the first half; it
    /// touches the files that it tears.
    TornWrite,
    /// At once: a bit of a file flips, in the page cache and on the platter.
    BitRot {
        /// The file; `None` = drawn from those below the directory.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        file: Option<String>,
        /// The byte; `None` = drawn from those of the file.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        position: Option<u64>,
    },
    /// At once: everything is gone, as on a disk that was replaced and formatted (`kafka-storage format`,
    /// without which Kafka would not start on it). Only on a machine whose process is down: one that runs
    /// keeps its open files, and is left alone.
    Wipe,
}

impl DiskFault {
    /// It happens at once and cannot be undone.
    pub fn is_instant(&self) -> bool {
        matches!(self, Self::BitRot { .. } | Self::Wipe)
    }
}

/// A kind of disk call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiskCall {
    /// Reads of a file.
    Read,
    /// Writes, truncations, renames, deletions.
    Write,
    /// Flushes of files and directories.
    Flush,
}

/// What is wrong with a wall clock, on top of what the plan's `clocks` say. At its end the clock is as
/// right as it was: if it had jumped ahead, it jumps back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockFault {
    /// It jumps ahead by so many milliseconds (back, if negative).
    pub jump_ms: i64,
    /// From then on it gains so many microseconds per second (loses, if negative).
    pub drift_ppm: i64,
}
