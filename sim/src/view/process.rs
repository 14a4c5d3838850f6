//! A node's process: whether it is there, and how it went.
//!
//! | from | to | by |
//! |---|---|---|
//! | down | running | `ProcessStarted` |
//! | running | paused, and back | `ProcessPaused`, `ProcessResumed` |
//! | running | stopping | a broker was told to stop in a controlled way |
//! | stopping | down | `BrokerStopped`, `StorageFailed`, or its process ends in any way |
//! | any | down | killed, power lost, panicked, could not start |

use crate::plan::StopKind;
use ktrial_core::{NodeId, Timestamp};

/// The state of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProcessState {
    /// It is not there.
    #[default]
    Down,
    /// It runs.
    Running,
    /// It is there but frozen.
    Paused,
    /// It was told to stop and still has something to do.
    Stopping,
}

/// A process.
#[derive(Clone, Debug, Default)]
pub struct Process {
    /// Its state.
    pub state: ProcessState,
    /// How it last went down; `None` = by its own will, or never.
    pub stopped: Option<StopKind>,
    /// When it last went down.
    pub stopped_at: Option<Timestamp>,
    /// Bytes that its disk lost then.
    pub bytes_lost: u64,
    /// The controller has registered it since it started.
    pub registered: bool,
    /// It has closed its logs.
    closed: bool,
}

impl Process {
    /// Whether it is there, frozen or not.
    pub fn is_up(&self) -> bool {
        self.state != ProcessState::Down
    }

    pub(super) fn start(&mut self) {
        self.state = ProcessState::Running;
        self.registered = false;
        self.closed = false;
    }

    /// A machine that speaks runs, even if its start was not told.
    pub(super) fn seen_running(&mut self) {
        if self.state == ProcessState::Down {
            self.start();
        }
    }

    pub(super) fn stop(
        &mut self,
        node: NodeId,
        at: Timestamp,
        how: Option<StopKind>,
        bytes_lost: u64,
    ) {
        let told = how == Some(StopKind::Shutdown) && node.broker().is_some() && self.is_up();
        if told && !self.closed && self.state != ProcessState::Stopping {
            self.stopped = how;
            self.state = ProcessState::Stopping;
            return;
        }
        // A controlled stop ends "by its own will": what it was told to do stays its reason.
        if how.is_some() || self.state != ProcessState::Stopping {
            self.stopped = how;
        }
        self.state = ProcessState::Down;
        self.stopped_at = Some(at);
        self.bytes_lost = bytes_lost;
        self.registered = false;
    }

    /// The broker has closed its logs, or cannot for its disk. It is as good as gone.
    pub(super) fn closed(&mut self, at: Timestamp) {
        self.closed = true;
        if self.state == ProcessState::Stopping {
            self.state = ProcessState::Down;
            self.stopped_at = Some(at);
            self.bytes_lost = 0;
            self.registered = false;
        }
    }

    pub(super) fn pause(&mut self) {
        if self.is_up() {
            self.state = ProcessState::Paused;
        }
    }

    pub(super) fn resume(&mut self) {
        if self.state == ProcessState::Paused {
            self.state = ProcessState::Running;
        }
    }
}
