//! A host: the task on madsim that stands around one process. It hands inputs to the process's machine
//! one at a time and carries out what follows.
//!
//! | file | what it is |
//! |---|---|
//! | `sockets.rs` | one request of a connection at a time |
//! | `lanes.rs` | lanes, slots and timers |
//! | `start.rs` | the start of the process |
//! | `panic.rs` | a panic of a machine, caught and told |
//!
//! The law of lanes: a machine is called at once and its state changes at once; events that it observed
//! are recorded at that time. The disk time of the call keeps its lane's slot busy and holds back what
//! else follows: sends depart when the disk is done, and never if the process ends before.
//!
//! Start: the machine is built over its disk when its first work comes. The disk time of that (recovery)
//! keeps all lanes waiting. A panic of the machine is an entry of the record and ends the trial.
//!
//! Simplified: computing takes no time. A process that started accepts connections at once, also while
//! it recovers its logs; requests wait for it meanwhile.
//!
//! Next: `ktrial_core::machine`, whose inputs these are.

mod lanes;
pub(crate) mod panic;
mod sockets;
mod start;

use crate::history::{EndReason, What};
use crate::world::{Factory, Outcome, Shared, World};
use ktrial_core::{Effect, Effects, Incarnation, Input, Lane, Machine, Timestamp};
use lanes::Lanes;
use sockets::Sockets;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// What a host is given to do.
#[derive(Debug)]
pub(crate) enum Work {
    /// Start the process.
    Start(Incarnation),
    /// Hand over an input.
    Input(Input),
    /// Hand over a request that waited in its socket.
    Read(Input),
    /// The entry of a lane's timer that was entered for this time.
    Timer(Lane, Timestamp),
    /// The disk time of an input is over.
    Release(Release),
}

/// What the disk time of an input holds back.
#[derive(Debug)]
pub(crate) struct Release {
    /// Whose slot is free then; `None` = the start's.
    lane: Option<Lane>,
    pub(crate) effects: Vec<Effect>,
}

/// The host of one process.
pub(crate) struct Host {
    node: usize,
    shared: Shared,
    factory: Factory,
    machine: Option<Box<dyn Machine>>,
    sockets: Sockets,
    lanes: Lanes,
    out: Effects,
    /// The start's disk time is not over: what came in the meantime.
    starting: Option<Vec<Input>>,
    exited: bool,
}

impl Host {
    /// A host whose process has not started.
    pub(crate) fn new(node: usize, shared: Shared, factory: Factory) -> Self {
        Self {
            node,
            shared,
            factory,
            machine: None,
            sockets: Sockets::default(),
            lanes: Lanes::default(),
            out: Effects::new(),
            starting: None,
            exited: false,
        }
    }

    /// Looks at a piece of work; returns the input that is to be handled for it now, if any.
    fn begin(&mut self, world: &mut World, work: Work) -> Option<(Lane, Input)> {
        let machine = self.machine.as_deref()?;
        match work {
            Work::Start(_) => None,
            Work::Input(input) => {
                if let Some(waiting) = &mut self.starting {
                    waiting.push(input);
                    return None;
                }
                let input = self.sockets.arrived(input)?;
                self.lanes.admit(machine, input)
            }
            Work::Read(input) => self.lanes.admit(machine, input),
            Work::Timer(lane, at) => {
                let (input, again) = self.lanes.timer(machine, lane, at);
                if let Some(at) = again {
                    world.schedule(at, self.node, Work::Timer(lane, at));
                }
                input
            }
            Work::Release(release) => self.release(world, release),
        }
    }

    /// Disk time is over: what it held back follows, and the slot is free.
    fn release(&mut self, world: &mut World, release: Release) -> Option<(Lane, Input)> {
        for effect in release.effects {
            self.follow(world, effect);
        }
        let Some(lane) = release.lane else {
            // What came during the start is handed over in its order, each as an event of its own.
            for input in self.starting.take().unwrap_or_default() {
                world.schedule(world.now, self.node, Work::Input(input));
            }
            self.arm(world);
            return None;
        };
        self.lanes.vacate(lane);
        self.next_in(world, lane)
    }

    fn next_in(&mut self, world: &World, lane: Lane) -> Option<(Lane, Input)> {
        if self.exited || self.machine.is_none() {
            return None;
        }
        let input = self.lanes.next(lane, world.now)?;
        Some((lane, input))
    }

    /// Records and carries out what followed from a call.
    fn commit(&mut self, world: &mut World, lane: Option<Lane>) {
        let spent = match &world.nodes[self.node].disk {
            Some(disk) => disk.device().spent(),
            None => Duration::ZERO,
        };
        let mut held = Vec::new();
        let mut out = std::mem::take(&mut self.out);
        for effect in out.drain() {
            match effect {
                Effect::Observe(event) => {
                    let id = world.nodes[self.node].id;
                    world.record(Some(id), What::Event(event));
                }
                effect if spent.is_zero() => self.follow(world, effect),
                effect => held.push(effect),
            }
        }
        self.out = out;
        if self.exited {
            return;
        }
        if !spent.is_zero() {
            match lane {
                Some(lane) => self.lanes.occupy(lane),
                None => self.starting = Some(Vec::new()),
            }
            let release = Work::Release(Release {
                lane,
                effects: held,
            });
            world.schedule(world.now + spent, self.node, release);
        }
        self.arm(world);
    }

    fn arm(&mut self, world: &mut World) {
        // During the start nothing is handed over, timers included: they are entered when it is done.
        if self.starting.is_some() {
            return;
        }
        if let Some(machine) = self.machine.as_deref_mut() {
            let (node, now) = (self.node, world.now);
            self.lanes.arm(machine, now, |lane, at| {
                world.schedule(at, node, Work::Timer(lane, at));
            });
        }
    }

    fn follow(&mut self, world: &mut World, effect: Effect) {
        if self.exited {
            return;
        }
        if effect == Effect::Exit {
            self.exited = true;
            world.process_exited(self.node);
        } else {
            let served = self.sockets_after(&effect);
            world.carry_out(self.node, effect);
            if let Some(next) = served {
                world.schedule(world.now, self.node, Work::Read(next));
            }
        }
    }

    /// The request that waited for this effect on its connection, if any.
    fn sockets_after(&mut self, effect: &Effect) -> Option<Input> {
        match effect {
            Effect::Respond { connection, .. } | Effect::Unanswered { connection } => {
                self.sockets.ended(*connection)
            }
            Effect::Close { connection } => {
                self.sockets.closed(*connection);
                None
            }
            Effect::Connect { .. } | Effect::Send { .. } | Effect::Observe(_) | Effect::Exit => {
                None
            }
        }
    }

    /// After a call: its effects, or the end of the trial.
    fn conclude(&mut self, world: &mut World, done: Result<(), Box<What>>, lane: Option<Lane>) {
        match done {
            Ok(()) => self.commit(world, lane),
            Err(what) => {
                let id = world.nodes[self.node].id;
                world.record(Some(id), *what);
                self.machine = None;
                world.end(Outcome::Ended(EndReason::Panicked));
            }
        }
    }

    /// Hands an input to the machine. No lock is held.
    fn handle(&mut self, now: ktrial_core::Now, input: Input) -> Result<(), Box<What>> {
        let (Some(machine), out) = (self.machine.as_mut(), &mut self.out) else {
            return Ok(());
        };
        panic::caught(|| machine.handle(now, input, out)).map_err(panicked)
    }
}

impl Future for Host {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let shared = this.shared.clone();
        let mut guard = shared.lock();
        loop {
            let Some(world) = guard.as_mut() else {
                return Poll::Ready(());
            };
            let Some(work) = world.take_work(this.node, context.waker()) else {
                return Poll::Pending;
            };
            if let Work::Start(incarnation) = work {
                drop(guard);
                this.start_process(incarnation);
                guard = shared.lock();
            } else {
                let mut next = this.begin(world, work);
                while let Some((lane, input)) = next {
                    let Some(world) = guard.as_mut() else {
                        return Poll::Ready(());
                    };
                    let at = world.now;
                    let node = &mut world.nodes[this.node];
                    let now = node.clock.now(at);
                    if let Some(disk) = &node.disk {
                        disk.device().begin(at);
                    }
                    drop(guard);
                    let done = this.handle(now, input);
                    guard = shared.lock();
                    let Some(world) = guard.as_mut() else {
                        return Poll::Ready(());
                    };
                    this.conclude(world, done, Some(lane));
                    next = this.next_in(world, lane);
                }
            }
            if let Some(world) = guard.as_mut() {
                world.pass(context.waker());
            }
            if this.exited {
                return Poll::Ready(());
            }
        }
    }
}

fn panicked(message: String) -> Box<What> {
    Box::new(What::Panicked { message })
}
