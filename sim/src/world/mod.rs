//! The simulated world: nodes with their processes, the network between them, and one queue of what
//! happens next. It knows processes, machines and messages, but no rule of Kafka.
//!
//! | file | what it is |
//! |---|---|
//! | `mod.rs` | the state that all share, and the baton |
//! | `order.rs` | who decides what is done, and what can be ordered |
//! | `process.rs` | processes start, stop, freeze |
//! | `fault.rs` | disks and wall clocks go wrong |
//! | `pump.rs` | the task that carries out what the director orders |
//! | `wake.rs` | madsim's clock, and the wakers of tasks |
//! | `run.rs` | builds a world on madsim, runs it, clears it away |
//!
//! **The baton.** Exactly one event is handled at a time, in the order of the agenda, whatever madsim's
//! random scheduler does. Whoever holds the baton (a host, or the pump) works; when done it takes the
//! next event, gives it with the baton to the task that it is for, and wakes that task. If the event
//! is not due by madsim's clock yet, the one shared `Sleep` is set to wake exactly that task. So an
//! event costs one poll, and no task ever sleeps on its own. madsim's clock runs ahead a little (50 to
//! 100 ns per poll); a machine is told the *scheduled* time of its event.
//!
//! Invariants:
//! - Nothing here draws from madsim's generator, so its seed does not matter to the record.
//! - Times never go back. More than [`LIVELOCK`] events at one instant end the trial: if a machine has a
//!   part in them as a finding about it, else with an error.
//! - The lock is taken once per event, and never while a machine works or madsim kills a node.
//!
//! Next: `order.rs`.

mod fault;
mod order;
mod process;
mod pump;
mod run;
#[cfg(test)]
mod tests;
mod wake;

pub use order::{Director, Order};
pub(crate) use process::{Node, other_role};
pub use run::{Birth, Factory, Finished, WorldConfig, run, run_with_madsim_seed};

use crate::agenda::Agenda;
use crate::history::recorder::Recorder;
use crate::history::{EndReason, Message, What, Why};
use crate::host::Work;
use crate::network::{Connections, Direction, Links, Segment};
use ktrial_core::{Command, Incarnation, Input, NodeId, Timestamp};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use wake::{Clock, keep};

/// So many events without time going on are an endless loop.
pub const LIVELOCK: u32 = 1_000_000;

/// The world as its tasks share it. Empty before it is built and after it is cleared away.
#[derive(Clone, Default)]
pub(crate) struct Shared(Arc<Mutex<Option<World>>>);

impl Shared {
    /// The world, for a moment. A panic of a machine never happens under the lock.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Option<World>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a world ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The director ended it.
    Ended(EndReason),
    /// Nothing was left to happen.
    Idle,
    /// Too much happened at one instant.
    Livelock(Timestamp),
}

/// What can happen.
#[derive(Debug)]
pub(crate) enum Happening {
    /// A segment reaches the other side.
    Arrive(Segment),
    /// A process that was frozen reads a segment.
    Read(Segment),
    /// TCP sends again what a connection lost in one direction.
    Resend {
        connection: usize,
        direction: Direction,
    },
    /// A link with little bandwidth has put a segment on its wire.
    OnWire { link: (usize, usize), turn: u64 },
    /// Something for one process of a node.
    Work(usize, Incarnation, Work),
    /// The director asked to be woken.
    Director,
}

/// Who may act now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holder {
    /// The pump.
    Pump,
    /// The host of this node.
    Host(usize),
}

/// Everything but the machines themselves.
pub(crate) struct World {
    seed: u64,
    /// The time of the event that is handled.
    pub(crate) now: Timestamp,
    pub(crate) agenda: Agenda<Happening>,
    /// In the order of their ids.
    pub(crate) nodes: Vec<Node>,
    pub(crate) links: Links,
    pub(crate) connections: Connections,
    pub(crate) recorder: Recorder,
    director: Box<dyn Director>,
    director_woken: bool,
    orders: VecDeque<Order>,
    holder: Holder,
    work: Option<Work>,
    pump: Option<Waker>,
    outcome: Option<Outcome>,
    at_this_instant: u32,
    clock: Clock,
}

impl World {
    /// Decides all random streams.
    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// The node's place in the list of nodes.
    pub(crate) fn index(&self, node: NodeId) -> Option<usize> {
        self.nodes.binary_search_by(|n| n.id.cmp(&node)).ok()
    }

    /// Enters something into the record.
    pub(crate) fn record(&mut self, node: Option<NodeId>, what: What) {
        if self.recorder.is_told(&what) {
            return;
        }
        let entry = self.recorder.push(self.now, node, what);
        self.director.observe(entry);
    }

    /// Records that a message arrived, if the record keeps those.
    pub(crate) fn delivered(&mut self, message: Message) {
        if self.recorder.keeps_messages() {
            let entry = self.recorder.delivered(self.now, message);
            self.director.observe(entry);
        }
    }

    /// Records that a message did not arrive.
    pub(crate) fn dropped(&mut self, message: Message, why: Why) {
        self.record(Some(message.from), What::Dropped { message, why });
    }

    /// Ends the trial, if it has not ended.
    pub(crate) fn end(&mut self, outcome: Outcome) {
        self.outcome.get_or_insert(outcome);
    }

    /// A host asks for its work. `None` if it is not its turn, or not yet time.
    pub(crate) fn take_work(&mut self, node: usize, waker: &Waker) -> Option<Work> {
        if self.holder != Holder::Host(node) {
            keep(&mut self.nodes[node].waker, waker);
            return None;
        }
        if !self.clock.has_come(self.now, waker) {
            keep(&mut self.nodes[node].waker, waker);
            return None;
        }
        self.work.take()
    }

    /// The holder is done: the next event goes to whom it is for. `me` is the waker of the caller.
    pub(crate) fn pass(&mut self, me: &Waker) {
        self.work = self.next_work();
        let waker = match self.holder {
            Holder::Pump => self.pump.as_ref(),
            Holder::Host(node) => self.nodes[node].waker.as_ref(),
        };
        // Without a waker the task has not run yet: it is about to, and will look for its work.
        if let Some(waker) = waker
            && !waker.will_wake(me)
            && (self.holder == Holder::Pump || self.clock.has_come(self.now, waker))
        {
            waker.wake_by_ref();
        }
    }

    /// Takes events from the agenda until one is for a host (then that host is the holder) or for the
    /// pump.
    fn next_work(&mut self) -> Option<Work> {
        loop {
            let ordered = !self.orders.is_empty() || self.director_woken;
            if self.outcome.is_some() || ordered || self.director.is_due() {
                self.holder = Holder::Pump;
                return None;
            }
            let Some((at, happening)) = self.agenda.pop() else {
                self.end(Outcome::Idle);
                continue;
            };
            self.step_to(at);
            self.at_this_instant += 1;
            let found = match happening {
                Happening::Arrive(segment) => self
                    .arrive(segment)
                    .map(|(node, input)| (node, Work::Input(input))),
                Happening::Read(segment) => self
                    .read(segment)
                    .map(|(node, input)| (node, Work::Input(input))),
                Happening::Resend {
                    connection,
                    direction,
                } => {
                    self.resend(connection, direction);
                    None
                }
                Happening::OnWire { link, turn } => {
                    self.on_wire(link, turn);
                    None
                }
                Happening::Work(node, process, work) => self.for_process(node, process, work),
                Happening::Director => {
                    self.director_woken = true;
                    None
                }
            };
            self.check_for_loop();
            if let Some((node, work)) = found {
                if self.at_this_instant > LIVELOCK {
                    self.loops(node);
                    continue;
                }
                self.holder = Holder::Host(node);
                return Some(work);
            }
        }
    }

    /// Work of a process, if that process still runs and is not frozen.
    fn for_process(
        &mut self,
        node: usize,
        process: Incarnation,
        work: Work,
    ) -> Option<(usize, Work)> {
        if self.nodes[node].process != Some(process) {
            if let Work::Release(release) = work {
                for effect in &release.effects {
                    self.never_sent(node, effect);
                }
            }
            return None;
        }
        if self.nodes[node].paused {
            let happening = Happening::Work(node, process, work);
            self.nodes[node].inbox.push(happening);
            return None;
        }
        Some((node, work))
    }

    fn step_to(&mut self, at: Timestamp) {
        if at > self.now {
            self.now = at;
            self.at_this_instant = 0;
        }
    }

    /// A machine does not let time go on: a finding, as a panic is.
    fn loops(&mut self, node: usize) {
        let id = self.nodes[node].id;
        let message = format!("an endless loop: {LIVELOCK} inputs at one instant");
        self.record(Some(id), What::Panicked { message });
        self.end(Outcome::Ended(EndReason::Panicked));
    }

    /// So much at one instant without any machine's part in it is the director's or the network's fault.
    fn check_for_loop(&mut self) {
        if self.at_this_instant > 2 * LIVELOCK {
            self.end(Outcome::Livelock(self.now));
        }
    }

    /// Enters work for a process that runs now.
    pub(crate) fn schedule(&mut self, at: Timestamp, node: usize, work: Work) {
        if let Some(process) = self.nodes[node].process {
            let happening = Happening::Work(node, process, work);
            self.agenda.push(at.max(self.now), happening);
        }
    }

    /// Gives a command to the process of a node.
    pub(crate) fn command(&mut self, node: usize, command: Command) {
        let work = Work::Input(Input::Command(command));
        self.schedule(self.now, node, work);
    }
}
