//! What is wrong with a disk: the faults that last, and the gate that each call passes by them.
//!
//! | fault | which calls | what it does | what it counts |
//! |---|---|---|---|
//! | `Slow` | all that take time | so many times the time; the slowest counts | calls |
//! | `Stall` | all that take time | they come back when it ends at the earliest | calls |
//! | `Fail` | of the kinds named | an I/O error that names call and path; nothing is changed | calls |
//! | `Full` | appends of bytes, new files | "no space left on device"; nothing is changed | calls |
//! | `LyingFlush` | flushes | success after the time of an empty flush; nothing gets to the platter | calls |
//! | `TornWrite` | none | see `crash.rs` | files torn |
//!
//! A fault with a directory is about files below it and about that directory itself. A fault that comes
//! to nothing (a stall that is over, a fault of other files) counts nothing.
//!
//! Invariants: looking up names and lengths is free and never fails, whatever is wrong.
//!
//! Simplified: after a flush that failed the bytes stay dirty, and the next one writes them (Linux drops
//! them from the dirty ones, and the next flush succeeds without writing: "fsyncgate"); Kafka's broker has
//! halted by then. A call that a stall has caught comes back when the stall was planned to end, also if the
//! trial recovers before; and so do the flushes that wait behind it. A write that fails leaves nothing
//! behind, and a full disk takes no part of a write: half a batch at a log's end comes from power losses
//! only.
//!
//! Source: ours, after Jepsen's lazyfs (lost fsync, torn writes), and dm-flakey and dm-delay of Linux.
//! Next: `damage.rs`, for what happens at once.

use super::device::Device;
use crate::plan::{DiskCall, DiskFault};
use ktrial_core::{StorageError, Timestamp};

/// A fault that lasts.
#[derive(Clone, Debug)]
pub(super) struct Ongoing {
    step: usize,
    directory: Option<String>,
    fault: DiskFault,
    until: Option<Timestamp>,
    touched: u64,
}

/// A call as faults see it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    /// Of which kind.
    pub(super) kind: DiskCall,
    /// What it is called.
    pub(super) name: &'static str,
    /// The file or directory.
    pub(super) path: &'a str,
    /// It makes a file longer, or a new one.
    pub(super) grows: bool,
}

/// What faults do to a call that they let pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Passage {
    /// It begins then at the earliest.
    pub(super) not_before: Timestamp,
    /// Its time counts so many times.
    pub(super) times: u32,
    /// It is only said to be done.
    pub(super) is_lie: bool,
}

impl Ongoing {
    fn covers(&self, path: &str) -> bool {
        is_below(self.directory.as_deref(), path)
    }

    /// What this fault does to a call that would begin at `now`. True if it did anything.
    fn meet(&self, asked: Asked<'_>, now: Timestamp, passage: &mut Passage) -> bool {
        match &self.fault {
            // One input may call the disk many times: the later calls may be after the fault's end.
            DiskFault::Slow { .. } if self.until.is_some_and(|until| now >= until) => false,
            DiskFault::Slow { times } => {
                passage.times = passage.times.max(*times);
                true
            }
            DiskFault::Stall => {
                let until = self.until.unwrap_or(now);
                passage.not_before = passage.not_before.max(until);
                until > now
            }
            DiskFault::LyingFlush => {
                let is_flush = asked.kind == DiskCall::Flush;
                passage.is_lie |= is_flush;
                is_flush
            }
            DiskFault::Fail { .. }
            | DiskFault::Full
            | DiskFault::TornWrite
            | DiskFault::BitRot { .. }
            | DiskFault::Wipe => false,
        }
    }

    /// The error that this fault ends a call with, if it does.
    fn refuse(&self, asked: Asked<'_>) -> Option<StorageError> {
        match &self.fault {
            DiskFault::Fail { calls } if calls.contains(&asked.kind) => {
                let call = format!("{} of {}", asked.name, asked.path);
                Some(StorageError::Io(call))
            }
            DiskFault::Full if asked.grows => Some(StorageError::Full(asked.path.to_owned())),
            _ => None,
        }
    }
}

impl Device {
    /// A fault of a step begins, of files below `directory` (all without one). What happens at once is
    /// no matter of this: see [`Device::rot`], [`Device::wipe`].
    pub(crate) fn begin_fault(
        &mut self,
        step: usize,
        directory: Option<&str>,
        fault: &DiskFault,
        until: Option<Timestamp>,
    ) {
        self.faults.push(Ongoing {
            step,
            directory: directory.map(str::to_owned),
            fault: fault.clone(),
            until,
            touched: 0,
        });
    }

    /// Ends the faults of a step, or all: their steps, and how many calls (or files, at a power loss)
    /// each touched.
    pub(crate) fn end_faults(&mut self, step: Option<usize>) -> Vec<(usize, u64)> {
        let ends = |one: &mut Ongoing| step.is_none_or(|step| one.step == step);
        let ended = self.faults.extract_if(.., ends);
        ended.map(|one| (one.step, one.touched)).collect()
    }

    /// What the faults do to a call that would begin at `now`, and the error that they end it with. Counts
    /// it with each that does something to it. A call that fails takes its time all the same.
    pub(super) fn meet_faults(
        &mut self,
        asked: Asked<'_>,
        now: Timestamp,
    ) -> (Passage, Result<(), StorageError>) {
        let mut passage = Passage {
            not_before: now,
            times: 1,
            is_lie: false,
        };
        let covering = self.faults.iter_mut().filter(|one| one.covers(asked.path));
        let mut error = None;
        for one in covering {
            let refusal = one.refuse(asked);
            let is_touched = refusal.is_some() || one.meet(asked, now, &mut passage);
            one.touched += u64::from(is_touched);
            error = error.or(refusal);
        }
        (passage, error.map_or(Ok(()), Err))
    }

    /// Whether a power loss now would tear this file.
    pub(super) fn tears(&self, path: &str) -> bool {
        self.tearing().any(|one| one.covers(path))
    }

    /// The directories of the faults that would tear files; `None` = all.
    pub(super) fn tearing_directories(&self) -> Vec<Option<String>> {
        self.tearing().map(|one| one.directory.clone()).collect()
    }

    fn tearing(&self) -> impl Iterator<Item = &Ongoing> {
        let tears = |one: &&Ongoing| one.fault == DiskFault::TornWrite;
        self.faults.iter().filter(tears)
    }

    /// A power loss has torn this file.
    pub(super) fn count_torn(&mut self, path: &str) {
        let tears = |one: &&mut Ongoing| one.fault == DiskFault::TornWrite && one.covers(path);
        for one in self.faults.iter_mut().filter(tears) {
            one.touched += 1;
        }
    }
}

/// Whether a path is a directory, or below it; every path is below none.
pub(super) fn is_below(directory: Option<&str>, path: &str) -> bool {
    let Some(directory) = directory else {
        return true;
    };
    let rest = path.strip_prefix(directory.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
