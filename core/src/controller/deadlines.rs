//! What the controller does by the clock. Each task has one deadline, so asking costs the same however
//! large the cluster is.
//!
//! | task | every |
//! |---|---|
//! | write what is pending | `controller.quorum.append.linger.ms` after the first record |
//! | fence a broker without session | `broker.session.timeout.ms` / 8; 10 ms after it found one (before 4.0: when the oldest expires) |
//! | write a NoOp | `metadata.max.idle.interval.ms`, whether idle or not; 0 = never |
//! | balance leaderships | `leader.imbalance.check.interval.seconds`, if enabled |
//! | look for unclean elections | `unclean.leader.election.interval.ms` |
//!
//! Only the active controller does any of it. The quorum's own timers are in `raft/poll.rs`.
//!
//! Source: `QuorumController.registerMaybeFenceStaleBroker` (before 4.0 `rescheduleMaybeFenceStaleBrokers`),
//! `PeriodicTaskControlManager`.
//! Next: `leadership.rs`, `registry.rs`.

use super::Controller;
use super::cluster::Changes;
use crate::config::ControllerConfig;
use crate::machine::Effects;
use crate::metadata::MetadataRecord;
use crate::time::{Now, Timestamp};
use std::time::Duration;

/// A periodic task that found too much to do at once goes on after this.
/// Source: `PeriodicTask.DEFAULT_IMMEDIATE_PERIOD_NS`.
const SOON: Duration = Duration::from_millis(10);

/// What can be due; at the same time in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Task {
    WritePending,
    FenceStaleBroker,
    WriteNoOp,
    BalanceLeaders,
    ElectUnclean,
}

/// When the periodic tasks run next.
#[derive(Clone, Debug)]
pub(super) struct Periodic {
    fence: Entry,
    no_op: Entry,
    balance: Entry,
    unclean: Entry,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    period: Duration,
    at: Timestamp,
}

impl Entry {
    fn new(period: Duration, now: Timestamp) -> Self {
        // A task without pause between its runs would leave no time for anything else.
        let period = period.max(Duration::from_millis(1));
        Self {
            period,
            at: now + period,
        }
    }
}

impl Periodic {
    /// All tasks, a period from now.
    pub(super) fn new(config: &ControllerConfig, now: Timestamp) -> Self {
        let never_if = |never: bool, period: Duration| if never { Duration::MAX } else { period };
        let fence = config.broker_session_timeout / 8;
        let idle = config.metadata_max_idle_interval;
        let balance = config.leader_imbalance_check_interval;
        let balance = never_if(!config.auto_leader_rebalance_enable, balance);
        Self {
            fence: Entry::new(fence, now),
            no_op: Entry::new(never_if(idle.is_zero(), idle), now),
            balance: Entry::new(balance, now),
            unclean: Entry::new(config.unclean_leader_election_interval, now),
        }
    }

    /// Each periodic task and when it runs next; `fence` if a session's end says when to fence.
    fn deadlines(&self, fence: Option<Timestamp>) -> [(Timestamp, Task); 4] {
        [
            (fence.unwrap_or(self.fence.at), Task::FenceStaleBroker),
            (self.no_op.at, Task::WriteNoOp),
            (self.balance.at, Task::BalanceLeaders),
            (self.unclean.at, Task::ElectUnclean),
        ]
    }

    /// A task ran; `more` = it left something to do.
    pub(super) fn ran(&mut self, task: Task, more: bool, now: Timestamp) {
        let entry = match task {
            Task::FenceStaleBroker => &mut self.fence,
            Task::WriteNoOp => &mut self.no_op,
            Task::BalanceLeaders => &mut self.balance,
            Task::ElectUnclean => &mut self.unclean,
            Task::WritePending => return,
        };
        entry.at = now + if more { SOON } else { entry.period };
    }
}

impl Controller {
    /// Runs what is due, in the order in which it became so.
    pub(super) fn run_due(&mut self, now: Now, out: &mut Effects) {
        while let Some((at, task)) = self.tasks().min()
            && at <= now.monotonic
            && !self.stopped
        {
            self.run(task, now, out);
        }
    }

    /// What is to be done and when.
    pub(super) fn tasks(&self) -> impl Iterator<Item = (Timestamp, Task)> {
        let write = self.log.write_at().map(|at| (at, Task::WritePending));
        let fence = self.cluster.heartbeats.next_check();
        let tasks = self.periodic.deadlines(fence).into_iter().chain(write);
        tasks.filter(|_| self.active.is_some())
    }

    /// Writes what is pending, and answers what waited for it if that commits it.
    fn write_pending(&mut self, now: Now, out: &mut Effects) {
        let written = self.log.write_pending(now, out);
        if let Err(error) = written.and_then(|()| self.settle(now, out)) {
            self.fail(&error, out);
        }
    }

    fn run(&mut self, task: Task, now: Now, out: &mut Effects) {
        let at = now.monotonic;
        let mut changes = Changes::default();
        let more = match task {
            Task::WritePending => return self.write_pending(now, out),
            Task::FenceStaleBroker => self.cluster.fence_one_stale_broker(at, &mut changes),
            Task::WriteNoOp => {
                changes.records.push(MetadataRecord::NoOp);
                false
            }
            Task::BalanceLeaders => self.cluster.balance_leaders(&mut changes),
            Task::ElectUnclean => self.cluster.elect_unclean_leaders(&mut changes),
        };
        self.periodic.ran(task, more, at);
        self.commit(at, changes, None, out);
    }
}
